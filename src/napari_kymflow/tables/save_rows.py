"""Rows of a table to a file or to the clipboard. No Qt, safe in a worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kymflow_core.columns import with_titles
from kymflow_zarr.disk.local_file import saving_file
from kymflow_zarr.errors import InvalidValueError
from kymflow_zarr.formats.csv import frame_to_excel_csv
from kymflow_zarr.formats.frames import frame_to_parquet

SaveKind = Literal["csv-excel", "csv", "parquet"]
SAVE_KINDS: Final[Mapping[str, SaveKind]] = {
    "CSV for Excel (*.csv)": "csv-excel",
    "CSV (*.csv)": "csv",
    "Parquet (*.parquet)": "parquet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was done with rows: a message, and the text to copy where there is one; or why it failed."""

    message: str = ""
    text: str = ""
    error: str = ""


def rows_to_clipboard_text(frame: pd.DataFrame, rows: NDArray[np.intp], columns: list[str]) -> Written:
    """Return rows as text for a spreadsheet, with tabs between the columns and titles above them."""
    shown = with_titles(frame[columns].iloc[rows])
    return Written(message=f"Copied {_count(rows)}", text=shown.to_csv(sep="\t", index=False))


def save_rows(frame: pd.DataFrame, rows: NDArray[np.intp], columns: list[str], path: Path, kind: SaveKind) -> Written:
    """Write rows to a file; an error leaves what was there. For Excel the columns have their titles, else their names."""
    shown = frame[columns].iloc[rows].reset_index(drop=True)
    try:
        with saving_file(path) as temporary:
            if kind == "parquet":
                temporary.write_bytes(frame_to_parquet(shown, what=str(path)))
            elif kind == "csv-excel":
                temporary.write_bytes(frame_to_excel_csv(with_titles(shown)))
            else:
                shown.to_csv(temporary, index=False, encoding="utf-8")
    except (OSError, UnicodeError, pa.ArrowException, InvalidValueError) as error:
        return Written(error=f"Not saved to {path}: {error}")
    return Written(message=f"Saved {_count(rows)} to {path}")


def _count(rows: NDArray[np.intp]) -> str:
    return f"{len(rows):,} row{'' if len(rows) == 1 else 's'}"

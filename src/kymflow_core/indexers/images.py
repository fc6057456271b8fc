"""The table `images`: one row an image, with what is known of it and of the experiment."""

from collections.abc import Mapping
from pathlib import PurePath

import numpy as np
import pandas as pd
import pyarrow as pa

from kymflow_core.artifacts import VELOCITY_EVENTS
from kymflow_core.columns import units_of_columns
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.indexers.arrow_rows import table_of_rows
from kymflow_core.indexers.protocol import IMAGES, PROVENANCE_KEY, ArtifactReader, rows_of, tables_of
from kymflow_zarr import METADATA_KEY, PIXELS_KEY, PROVENANCE, JsonObject, JsonValue
from kymflow_zarr.errors import KymflowZarrError, RemoteError

_EVENTS = f"{VELOCITY_EVENTS}.parquet"
_DTYPES = {
    "name": "str",
    "acquired": "datetime64[us]",
    "n_rois": "int64",
    "n_events": "Int64",
    "shape": "str",
    "axes": "str",
    "lines": "int64",
    "pixels": "int64",
    "seconds_per_line": "float64",
    "um_per_pixel": "float64",
    "duration_s": "float64",
    "length_um": "float64",
    "calibration_source": "str",
    "dwell_s": "float64",
    "scan_direction": "str",
    "source": "str",
    "accepted": "str",
}
EXPERIMENT = "exp_"
"""What the columns of the experiment metadata begin with."""


class ImageIndexer:
    """Reads metadata, provenance and events; one row an image.

    `acquired` is the microscope's local time, without a zone, as files state it. `n_events` is missing where nobody looked
    for events, which is not 0, and where they cannot be read, which the table `velocity_events` says. `shape` is that of
    the pixels, `lines` (y) and `pixels` (x) its last two; `dwell_s`, in s per pixel, and `scan_direction` are the header's;
    `source` is the file that the record came from. Each entry of the experiment metadata is a column of text, `exp_species`
    and so on: what one person enters as a number, another enters as text.
    """

    name = "images"
    table_name = IMAGES
    schema_version = "3"
    reads = (METADATA_KEY, PIXELS_KEY, PROVENANCE_KEY, _EVENTS)
    units = units_of_columns(_DTYPES)

    def required_columns(self) -> list[str]:
        """Return `image_id` and the columns named above, without those of the experiment."""
        return ["image_id", *_DTYPES]

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return the image's row."""
        return rows_of(pd.DataFrame([self._row(rec)]), _DTYPES, image_id=rec.image_id, what="image")

    def extract_table(self, rec: ArtifactReader) -> pa.Table | None:
        """Return the same as `extract_rows`."""
        return table_of_rows([self._row(rec)], _DTYPES, image_id=rec.image_id)

    def _row(self, rec: ArtifactReader) -> dict[str, object]:
        keys, metadata = rec.list_analysis_keys(), RecordMetadata.load(rec)
        header = metadata.header
        provenance = rec.load_json(PROVENANCE) if PROVENANCE_KEY in keys else None
        sizes = dict(zip(rec.get_axes(), rec.get_shape(), strict=True))
        lines, pixels = sizes.get("y", 0), sizes.get("x", 0)
        seconds, um = header.seconds_per_line or np.nan, header.um_per_pixel or np.nan
        return {
            "name": header.name,
            "acquired": header.acquired,
            "n_rois": metadata.n_rois,
            "n_events": _number_of_events(rec) if _EVENTS in keys else None,
            "shape": " × ".join(map(str, sizes.values())),
            "axes": ",".join(sizes),
            "lines": lines,
            "pixels": pixels,
            "seconds_per_line": seconds,
            "um_per_pixel": um,
            "duration_s": lines * seconds,
            "length_um": pixels * um,
            "calibration_source": header.calibration_source or "",
            "dwell_s": np.nan if header.dwell_s is None else header.dwell_s,
            "scan_direction": header.scan_direction or "",
            "source": _source(provenance),
            "accepted": _text(metadata.accepted) or "",
            **_columns_of(metadata.experiment),
        }


def _number_of_events(rec: ArtifactReader) -> int | None:
    try:
        tables = tables_of(rec)
        return len(rec.load_df_parquet(VELOCITY_EVENTS)) if tables is None else tables.count_rows(VELOCITY_EVENTS)
    except RemoteError:
        raise
    except KymflowZarrError:
        return None


def _columns_of(experiment: JsonObject) -> dict[str, str | None]:
    return {f"{EXPERIMENT}{key}": _text(value) for key, value in experiment.items()}


def _text(value: JsonValue) -> str | None:
    """Return an entry as text; None, which is missing, where nothing was entered."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _source(provenance: JsonValue) -> str:
    path = provenance.get("source_primary_path") if isinstance(provenance, Mapping) else None
    return str(PurePath(path)) if isinstance(path, str) else ""

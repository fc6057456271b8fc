"""Data frames to sealed gzipped CSV and back."""

import pandas as pd

from kymflow_zarr.errors import DamagedError, InvalidValueError, SourceError
from kymflow_zarr.formats.csv import frame_to_csv, parse_own_csv
from kymflow_zarr.formats.frames import frame_to_table, with_index_as_columns
from kymflow_zarr.formats.gzipped import gunzip_sealed, gzip_problem, gzip_sealed
from kymflow_zarr.formats.strict_json import JsonObject

MAX_CSV_BYTES = 2**27


def frame_to_csv_gz(frame: pd.DataFrame, *, what: str, of: JsonObject | None = None) -> bytes:
    """Return a frame as gzipped CSV with a seal, the same bytes for the same frame; its index as in `frame_to_parquet`."""
    frame_to_table(frame, what=what)
    text = frame_to_csv(with_index_as_columns(frame, what=what))
    if len(text) > MAX_CSV_BYTES:
        raise InvalidValueError(f"{what} has {len(text) >> 20} MB as CSV, at most {MAX_CSV_BYTES >> 20} MB; use Parquet")
    return gzip_sealed(text, of=of)


def csv_gz_problem(data: bytes, *, what: str, of: JsonObject | None) -> str | None:
    """Return what is wrong with gzipped CSV, also that it has no seal or no place; None for nothing."""
    frame_from_csv_gz(data, what=what, of=of)
    return gzip_problem(data, what=what, of=of)


def bind_csv_gz(data: bytes, *, what: str, of: JsonObject | None) -> bytes:
    """Return gzip of the same text with a seal that says its place."""
    return gzip_sealed(gunzip_sealed(data, limit=MAX_CSV_BYTES, what=what), of=of)


def frame_from_csv_gz(data: bytes, *, what: str, of: JsonObject | None = None) -> pd.DataFrame:
    """Return the frame in gzipped CSV; raise `DamagedError` when it cannot be read, or as `frame_from_parquet`."""
    text = gunzip_sealed(data, limit=MAX_CSV_BYTES, what=what, of=of)
    try:
        return parse_own_csv(text, where=what)
    except SourceError as error:
        raise DamagedError(f"{what} is not readable CSV ({error})") from error

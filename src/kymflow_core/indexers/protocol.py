"""What an indexer is, and what every indexer needs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Protocol, cast, runtime_checkable

import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kymflow_core.errors import IndexerError
from kymflow_zarr import (
    MASKS_KEY,
    METADATA_KEY,
    PIXEL_VALUES_KEY,
    PIXELS_KEY,
    PROVENANCE,
    JsonValue,
    check_name,
    units_of,
    with_units,
)
from kymflow_zarr.errors import InvalidNameError
from kymflow_zarr.formats.units import schema_units, schema_with_units

PROVENANCE_KEY = f"{PROVENANCE}.json"
IMAGES = "images"
"""The table of images counts events, which holds whatever became of their ROIs."""
_NO_RESULTS = (METADATA_KEY, MASKS_KEY, PIXELS_KEY, PIXEL_VALUES_KEY, PROVENANCE_KEY)
_MOST_CHARACTERS = 96
_RESERVED = "sources"


class ArtifactReader(Protocol):
    """What an indexer sees of a record: its id, artifacts, metadata and pixels. A `ZarrImageRecord` is one."""

    image_id: str

    def list_analysis_keys(self) -> list[str]:
        """Return the JSON and table artifacts with their endings."""

    def load_json(self, name: str) -> JsonValue:
        """Return a JSON artifact."""

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return a table artifact."""

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Return the metadata: header, experiment metadata, ROIs."""

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts."""

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array artifact, such as a mask."""

    def get_shape(self) -> tuple[int, ...]:
        """Return the shape of the pixels."""

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension of the pixels."""

    def open_array(self) -> Any:
        """Open the pixels, lazily where possible: an object with `shape`, `dtype` and numpy slicing."""

    def load_array(self) -> NDArray[Any]:
        """Return all pixels, read now."""


@runtime_checkable
class DatasetIndexer(Protocol):
    """Derives the rows that one image has in one dataset table from its artifacts.

    An indexer reads artifacts and builds rows; it analyses nothing and writes nothing. Where the work is spread over
    several processes, it is pickled. It may state the units of its columns; see `StatesUnits`.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def table_name(self) -> str:
        """The dataset table that it fills; see `normalize_table_name`."""

    @property
    def schema_version(self) -> str:
        """Changes whenever the same artifacts give other rows."""

    @property
    def reads(self) -> Sequence[str]:
        """The keys of all artifacts that the rows are made of, such as "radon_report.parquet".

        `METADATA_KEY` stands for the metadata, `MASKS_KEY` for the boolean array artifacts, `PIXELS_KEY` for the shape
        and dtype of the pixels, `PIXEL_VALUES_KEY` for the pixels themselves, whose files are then read whole whenever
        something changed; "reviews/", with `/` at the end, for all artifacts in that folder, which people made. When one of
        them changes, the rows are made again. What is not named is never noticed. Of keys that differ in the ending only,
        the first that is there says what the rows were computed from.
        """

    def required_columns(self) -> list[str]:
        """Return the columns that every row has, `image_id` first."""

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return one image's rows; none, with the required columns, where it has no artifact.

        Raises
        ------
        IndexerError
            When an artifact does not hold what is required.
        """


@runtime_checkable
class StatesUnits(Protocol):
    """What an indexer may have besides: the units of its columns. Then the table's file states them, and they are shown."""

    @property
    def units(self) -> Mapping[str, str]:
        """The unit of each column that has one, such as `{"mean_velocity": "mm/s"}`."""


@runtime_checkable
class ReadsTables(Protocol):
    """What a reader of artifacts may have besides: tables without a frame in between. A `ZarrImageRecord` has."""

    def load_arrow(self, name: str) -> pa.Table:
        """Return a table artifact as an Arrow table."""

    def count_rows(self, name: str) -> int:
        """Return how many rows a table artifact has."""


def tables_of(rec: ArtifactReader) -> ReadsTables | None:
    """Return a reader as one that gives tables without a frame in between; None where it does not."""
    return cast("ReadsTables", rec) if _reads_tables(type(rec)) else None


@cache
def _reads_tables(kind: type) -> bool:
    return issubclass(kind, ReadsTables)


@runtime_checkable
class ExtractsTables(Protocol):
    """What an indexer may have besides: its rows as an Arrow table, so that thousands of images take seconds."""

    def extract_table(self, rec: ArtifactReader) -> pa.Table | None:
        """Return the rows of `extract_rows` as an Arrow table, with the same columns and types; None where only that can.

        A class that inherits it and changes `extract_rows` is asked for its rows only.
        """


def with_units_of(indexer: DatasetIndexer, rows: pa.Table) -> pa.Table:
    """Return rows with the units that their indexer states; of further columns, those that they state themselves."""
    units: Mapping[str, str] = getattr(indexer, "units", {})  # as `StatesUnits`, which takes long to ask for
    stored = rows.schema.serialize().to_pybytes()
    return pa.Table.from_arrays(rows.columns, schema=_with_units(stored, tuple(units.items())))


@lru_cache(maxsize=64)
def _with_units(stored: bytes, units: tuple[tuple[str, str], ...]) -> pa.Schema:
    """Return a schema with units; it is asked for as bytes, since schemas count as equal whose units differ."""
    schema = pa.ipc.read_schema(pa.py_buffer(stored))
    return schema_with_units(schema.remove_metadata(), {**schema_units(schema), **dict(units)})


def reads_results(indexer: DatasetIndexer) -> bool:
    """Return whether an indexer reads results of analyses, which can be outdated, and not only what people entered."""
    return indexer.table_name != IMAGES and any(key not in _NO_RESULTS for key in indexer.reads)


def normalize_table_name(name: str) -> str:
    """Return a name as a table can have it: lower case, with `_` for each run of other characters than letters and digits.

    Two names may become one: look whether the dataset has a table of that name before using it.

    Raises
    ------
    IndexerError
        When nothing is left, or what is left is longer than 96 characters or the dataset's own table.
    """
    normalized = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not normalized or len(normalized) > _MOST_CHARACTERS or normalized == _RESERVED:
        why = "the dataset's own table" if normalized == _RESERVED else f"{len(normalized)} characters long"
        raise IndexerError(
            f"table name {name[:200]!r} becomes {normalized[:200]!r}, which is {why}; a table name has 1 to "
            f"{_MOST_CHARACTERS} letters or digits, and is not {_RESERVED!r}"
        )
    try:
        check_name(normalized, what="table")
    except InvalidNameError as error:
        raise IndexerError(str(error)) from error
    return normalized


def ensure_image_id_column(df: pd.DataFrame, image_id: str) -> pd.DataFrame:
    """Return rows with `image_id` as their first column, that of the image in every row, whatever stood there."""
    own = df.drop(columns="image_id", errors="ignore").reset_index(drop=True)
    ids = pd.Series([image_id] * len(own), dtype="str")
    return pd.concat([ids.to_frame("image_id"), own], axis="columns")


def rows_of(frame: pd.DataFrame, dtypes: Mapping[str, str], *, image_id: str, what: str) -> pd.DataFrame:
    """Return `frame` with `image_id` and the required columns first, in the required dtypes; the others follow.

    Raises
    ------
    IndexerError
        When a required column is missing from rows that are there, or does not fit its dtype.
    """
    missing = [name for name in dtypes if name not in frame.columns]
    if missing and len(frame):
        raise IndexerError(f"{what} of image {image_id} lacks the columns {missing}; it has {list(frame.columns)}")
    own = frame.drop(columns="image_id") if "image_id" in frame.columns else frame
    if not len(frame.columns):
        return _no_rows(tuple(dtypes.items())).copy()
    # As our own programs write it: thousands of images are read.
    if own.columns.tolist()[: len(dtypes)] == [*dtypes] and _dtypes_of(own)[: len(dtypes)] == [*dtypes.values()]:
        return _with_image_id(own, image_id)
    try:
        required = {name: _column(own.get(name, []), dtype).array for name, dtype in dtypes.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise IndexerError(f"{what} of image {image_id} has values of the wrong type: {error}") from error
    ids = pd.Series([image_id] * len(frame), dtype="str")
    others = {name: own[name].array for name in own.columns if name not in dtypes}
    return with_units(pd.DataFrame({"image_id": ids.array, **required, **others}), units_of(own))


def with_counts(rows: pd.DataFrame, counts: Iterable[str]) -> pd.DataFrame:
    """Return rows with whole numbers in those further columns that count, as far as they are there.

    Raises
    ------
    IndexerError
        When there is a fraction where something is counted.
    """
    typed = {name: rows[name] for name in counts if name in rows.columns}
    for name, column in typed.items():
        try:
            typed[name] = column.astype("Int64")
        except (ValueError, TypeError) as error:
            raise IndexerError(f"{name!r} has values that are no whole numbers: {error}") from error
    return with_units(rows.assign(**typed), units_of(rows))


@cache
def _no_rows(dtypes: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in (("image_id", "str"), *dtypes)})


def _dtypes_of(frame: pd.DataFrame) -> list[str]:
    return [str(dtype) for dtype in frame.dtypes.tolist()]


def _with_image_id(own: pd.DataFrame, image_id: str) -> pd.DataFrame:
    rows = own.copy(deep=False)
    rows.index = pd.RangeIndex(len(rows))
    rows.insert(0, "image_id", pd.Series([image_id] * len(rows), dtype="str"))
    return rows


def _column(values: "pd.Series[Any] | Sequence[Any]", dtype: str) -> "pd.Series[Any]":
    column = pd.Series(values, dtype=dtype)
    # pandas cuts 1.5 to 1 without a word.
    if dtype == "int64" and not column.astype("float64").equals(pd.Series(values, dtype="float64")):
        raise ValueError("a whole number is expected where there is a fraction")
    return column

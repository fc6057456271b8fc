"""What an indexer is, and what every indexer needs."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from kymflow_core.errors import IndexerError
from kymflow_zarr import JsonValue


class ArtifactReader(Protocol):
    """What an indexer sees of a record: its id and its artifacts, never its pixels. A `ZarrImageRecord` is one."""

    image_id: str

    def list_analysis_keys(self) -> list[str]:
        """Return the JSON and table artifacts with their endings."""

    def load_json(self, name: str) -> JsonValue:
        """Return a JSON artifact."""

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return a table artifact."""


class DatasetIndexer(Protocol):
    """Derives the rows that one image has in one dataset table from its artifacts.

    An indexer reads artifacts and builds rows; it analyses nothing and writes nothing.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def table_name(self) -> str:
        """The dataset table that it fills."""

    @property
    def schema_version(self) -> str:
        """Changes whenever the same artifacts give other rows."""

    def required_columns(self) -> list[str]:
        """Return the columns that every row has, `image_id` first."""

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return one image's rows; none, with the required columns, where it has no artifact.

        Raises
        ------
        IndexerError
            When an artifact does not hold what is required.
        """


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
    own = frame.drop(columns="image_id", errors="ignore")
    try:
        required = {name: _column(own.get(name, []), dtype).array for name, dtype in dtypes.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise IndexerError(f"{what} of image {image_id} has values of the wrong type: {error}") from error
    ids = pd.Series([image_id] * len(frame), dtype="str")
    others = {name: own[name].array for name in own.columns if name not in dtypes}
    return pd.DataFrame({"image_id": ids.array, **required, **others})


def _column(values: "pd.Series[Any] | Sequence[Any]", dtype: str) -> "pd.Series[Any]":
    column = pd.Series(values, dtype=dtype)
    # pandas cuts 1.5 to 1 without a word.
    if dtype == "int64" and not column.astype("float64").equals(pd.Series(values, dtype="float64")):
        raise ValueError("a whole number is expected where there is a fraction")
    return column

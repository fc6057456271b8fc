"""The table `velocity`: every window of every analysed ROI of every image."""

import pandas as pd
import pyarrow as pa

from kymflow_core.artifacts import RADON_VELOCITY, VELOCITY
from kymflow_core.errors import IndexerError, VelocityError
from kymflow_core.indexers.arrow_rows import stored_rows
from kymflow_core.indexers.protocol import ArtifactReader, rows_of
from kymflow_core.older_program.velocity import older_windows
from kymflow_core.velocity_schema import VELOCITY_COLUMNS, VELOCITY_UNITS, conform_velocity

_OWN, _OLDER = f"{VELOCITY}.parquet", f"{RADON_VELOCITY}.parquet"
_OLDER_COLUMNS = {"roi_id", "channel", "time", "velocity"}
"""What the older program's windows have in datasets of earlier versions of this program."""


class VelocityIndexer:
    """Reads the table artifacts `velocity` and `radon_velocity`; one row a window, with the columns of `velocity_schema`.

    A ROI that has windows of ours has no others in the table, so that no time is counted twice; the artifact keeps those
    of the older program.
    """

    name = "velocity series"
    table_name = VELOCITY
    schema_version = "1"
    reads = (_OWN, _OLDER)
    units = VELOCITY_UNITS

    def required_columns(self) -> list[str]:
        """Return `image_id` and `VELOCITY_COLUMNS`."""
        return ["image_id", *VELOCITY_COLUMNS]

    def extract_table(self, rec: ArtifactReader) -> pa.Table | None:
        """Return the same as `extract_rows`, where the windows are as this program writes them, or there are none."""
        if _OLDER in rec.list_analysis_keys():
            return None
        table = stored_rows(rec, VELOCITY, VELOCITY_COLUMNS)
        return None if table is None else table.select(self.required_columns())

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return the image's windows."""
        try:
            own = conform_velocity(_frame(rec, VELOCITY), what=f"{VELOCITY} of image {rec.image_id}")
            older = older_series(rec)
        except VelocityError as error:
            raise IndexerError(str(error)) from error
        older = older[~older["roi_id"].isin(own["roi_id"])]
        rows = pd.concat([own, older], ignore_index=True) if len(older) else own
        return rows_of(rows, VELOCITY_COLUMNS, image_id=rec.image_id, what=VELOCITY)


def older_series(rec: ArtifactReader) -> pd.DataFrame:
    """Return an image's windows of the older program, with the columns of `velocity_schema`; raise `VelocityError`."""
    return _older(_frame(rec, RADON_VELOCITY), what=f"{RADON_VELOCITY} of image {rec.image_id}")


def _frame(rec: ArtifactReader, name: str) -> pd.DataFrame:
    try:
        return rec.load_df_parquet(name)
    except FileNotFoundError:
        return pd.DataFrame({column: pd.Series([], dtype=dtype) for column, dtype in VELOCITY_COLUMNS.items()})


def _older(frame: pd.DataFrame, *, what: str) -> pd.DataFrame:
    if "window" in frame.columns or not set(frame.columns) >= _OLDER_COLUMNS:
        return conform_velocity(frame, what=what)
    return older_windows(frame, what=what)

"""The table `radon_report`: the velocity of every analysed ROI of every image."""

from collections.abc import Mapping

import pandas as pd
import pyarrow as pa

from kymflow_core.artifacts import RADON_REPORT
from kymflow_core.columns import units_of_columns
from kymflow_core.errors import IndexerError
from kymflow_core.indexers.arrow_rows import stored_rows
from kymflow_core.indexers.protocol import ArtifactReader, rows_of

_TABLE, _JSON = f"{RADON_REPORT}.parquet", f"{RADON_REPORT}.json"

_DTYPES = {
    "roi_id": "int64",
    "mean_velocity": "float64",
    "median_velocity": "float64",
    "n_valid": "int64",
    "notes": "str",
}
_OLDER_NAMES = {
    "vel_mean": "mean_velocity",
    "vel_median": "median_velocity",
    "vel_n_valid": "n_valid",
    "note": "notes",
}


class RadonReportIndexer:
    """Reads the table artifact `radon_report`, else the JSON one (an object, or a list of objects).

    One row a ROI, channel and `method`; velocities in mm/s, signed by direction. Rows of the older program stay beside
    ours; `method` is missing where none is stated. The older program's column names (`vel_mean`,
    `vel_median`, `vel_n_valid`, `note`) are mapped.
    """

    name = "radon report"
    table_name = RADON_REPORT
    schema_version = "2"
    reads = (_TABLE, _JSON)
    units = units_of_columns(_DTYPES)

    def required_columns(self) -> list[str]:
        """Return `image_id, roi_id, mean_velocity, median_velocity, n_valid, notes`."""
        return ["image_id", *_DTYPES]

    def extract_table(self, rec: ArtifactReader) -> pa.Table | None:
        """Return the same as `extract_rows`, where the report is a table as this program writes it, or there is none."""
        keys = rec.list_analysis_keys()
        if _TABLE not in keys and _JSON in keys:
            return None
        table = stored_rows(rec, RADON_REPORT, _DTYPES)
        is_older = table is not None and any(old in table.column_names for old in _OLDER_NAMES)
        return None if is_older else table

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return the image's reports."""
        keys = rec.list_analysis_keys()
        if _TABLE in keys:
            frame = rec.load_df_parquet(RADON_REPORT)
        elif _JSON in keys:
            frame = self._of_json(rec)
        else:
            frame = pd.DataFrame()
        mapped = frame.rename(columns={old: new for old, new in _OLDER_NAMES.items() if new not in frame.columns})
        return rows_of(mapped, _DTYPES, image_id=rec.image_id, what=RADON_REPORT)

    @staticmethod
    def _of_json(rec: ArtifactReader) -> pd.DataFrame:
        value = rec.load_json(RADON_REPORT)
        reports = value if isinstance(value, list) else [value]
        if not all(isinstance(report, Mapping) for report in reports):
            raise IndexerError(f"{RADON_REPORT} of image {rec.image_id} is neither an object nor a list of objects")
        return pd.DataFrame([dict(report) for report in reports if isinstance(report, Mapping)])

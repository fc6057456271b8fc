"""The table `velocity_events`: every event of every image."""

import pandas as pd
import pyarrow as pa

from kymflow_core.artifacts import VELOCITY_EVENTS
from kymflow_core.columns import units_of_columns
from kymflow_core.indexers.arrow_rows import stored_rows
from kymflow_core.indexers.protocol import ArtifactReader, rows_of, with_counts

_DTYPES = {
    "roi_id": "int64",
    "event_id": "str",  # the older program's are "e0", "e1"
    "t0_s": "float64",
    "t1_s": "float64",
    "kind": "str",
    "score": "float64",
}
_COUNTS = ("i_start", "i_peak", "i_end", "n_valid_in_event")


class VelocityEventsIndexer:
    """Reads the table artifact `velocity_events`; one row an event, times in s from the first line.

    `t1_s` is missing where the event has no end. `method` says which program or method found the event; those of the older
    program stay beside ours.
    """

    name = "velocity events"
    table_name = VELOCITY_EVENTS
    schema_version = "3"
    reads = (f"{VELOCITY_EVENTS}.parquet",)
    units = units_of_columns(_DTYPES)

    def required_columns(self) -> list[str]:
        """Return `image_id, roi_id, event_id, t0_s, t1_s, kind, score`."""
        return ["image_id", *_DTYPES]

    def extract_table(self, rec: ArtifactReader) -> pa.Table | None:
        """Return the same as `extract_rows`, where the events are as this program writes them, or there are none."""
        return stored_rows(rec, VELOCITY_EVENTS, _DTYPES, counts=_COUNTS)

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return the image's events."""
        try:
            frame = rec.load_df_parquet(VELOCITY_EVENTS)
        except FileNotFoundError:
            frame = pd.DataFrame()
        return with_counts(rows_of(frame, _DTYPES, image_id=rec.image_id, what=VELOCITY_EVENTS), _COUNTS)

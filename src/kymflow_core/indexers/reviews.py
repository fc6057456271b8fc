"""The table `reviews`: every event of every image, with what each reviewer says of it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kymflow_core.artifacts import METHOD_COLUMN, REVIEWS, VELOCITY_EVENTS
from kymflow_core.columns import units_of_columns
from kymflow_core.errors import IndexerError, ReviewError
from kymflow_core.indexers.arrow_rows import rows_of_columns, stored_rows, table_of_rows
from kymflow_core.indexers.protocol import ArtifactReader, rows_of
from kymflow_core.reviews.event import DETECTED, UNREVIEWED
from kymflow_core.reviews.log import FOLDER
from kymflow_core.reviews.review import NOTHING_SAID, Judgement, ReviewedEvent, load_review
from kymflow_core.velocity_schema import METHODS

_DTYPES = {
    "roi_id": "int64",
    "channel": "int64",
    "method": "str",
    "event_id": "str",
    "kind": "str",
    "t0_s": "float64",
    "t1_s": "float64",
    "reviewer": "str",
    "user_type": "str",
    "note": "str",
    "reviewed_utc": "datetime64[us]",
    "origin": "str",
    "detected_t0_s": "float64",
    "detected_t1_s": "float64",
    "unmatched": "bool",
    "blinded_seed": "Int64",
}
_EVENT = {"roi_id": "int64", "t0_s": "float64", "kind": "str", "event_id": "str", "t1_s": "float64"}
_ORDER = ("roi_id", "t0_s", "kind", "event_id")
"""What events are sorted by, as `Review` has them."""


class ReviewIndexer:
    """Reads the events and the logs of the reviews; one row an event and reviewer.

    An event of which nobody said anything has one row, "unreviewed" and without a reviewer. `t0_s` and `t1_s`, in s, are
    the edges as the reviewer has them, `detected_t0_s` and `detected_t1_s` as they were detected or made. `unmatched`
    marks what was said of an event that the last analysis has not found again. `blinded_seed` is the seed of the order,
    where the verdict was given with names hidden.
    """

    name = "reviews"
    table_name = REVIEWS
    schema_version = "1"
    reads = (f"{VELOCITY_EVENTS}.parquet", FOLDER)
    units = units_of_columns(_DTYPES)

    def required_columns(self) -> list[str]:
        """Return `image_id` and the columns named above."""
        return ["image_id", *_DTYPES]

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        """Return the image's events and verdicts; those without an event come last."""
        return rows_of(pd.DataFrame(_all_rows(rec)), _DTYPES, image_id=rec.image_id, what=REVIEWS)

    def extract_table(self, rec: ArtifactReader) -> pa.Table | None:
        """Return the same as `extract_rows`."""
        is_reviewed = any(key.startswith(FOLDER) for key in rec.list_analysis_keys())
        table = None if is_reviewed else _rows_of_nobody(rec)
        return table_of_rows(_all_rows(rec), _DTYPES, image_id=rec.image_id) if table is None else table


def _rows_of_nobody(rec: ArtifactReader) -> pa.Table | None:
    """Return the rows of events that nobody reviewed; None where only `load_review` knows them.

    Most images are of this kind; measured, a review of 100 events takes three times as long as these columns.
    """
    events = stored_rows(rec, VELOCITY_EVENTS, _EVENT, counts=("channel",))
    if events is None or any(events[name].null_count for name in _ORDER):
        return None
    is_one_each = len(events["event_id"].unique()) == len(events)
    if not (is_one_each and np.isfinite(events["t0_s"].to_numpy()).all()):
        return None
    if METHOD_COLUMN in events.column_names:
        methods = events[METHOD_COLUMN]
        if methods.type != pa.string():
            return None
        is_ours = pc.is_in(methods, pa.array(METHODS))
        # A ROI that has events of ours has no others, as in `events_of`.
        others = pc.invert(pc.is_in(events["roi_id"], events["roi_id"].filter(is_ours).unique()))
        events = events.filter(pc.or_(is_ours, others))
    events = events.sort_by([(name, "ascending") for name in _ORDER])
    ends = events["t1_s"].to_numpy()
    end = pa.array(np.where(np.isfinite(ends), ends, np.nan), from_pandas=True)
    made = {
        "channel": pc.fill_null(events["channel"], 1) if "channel" in events.column_names else 1,
        "method": pc.fill_null(events[METHOD_COLUMN], "") if METHOD_COLUMN in events.column_names else "",
        "t1_s": end,
        "reviewer": "",
        "user_type": UNREVIEWED,
        "note": "",
        "origin": DETECTED,
        "detected_t0_s": events["t0_s"],
        "detected_t1_s": end,
        "unmatched": False,
    }
    found = dict(zip(events.column_names, events.columns, strict=True))
    return rows_of_columns(found | made, _DTYPES, count=len(events))


def _all_rows(rec: ArtifactReader) -> list[dict[str, object]]:
    try:
        review = load_review(rec)
    except ReviewError as error:
        raise IndexerError(f"the reviews of image {rec.image_id} cannot be read: {error}") from error
    rows = [row for one in review.events for row in _rows(one, unmatched=False)]
    return rows + [row for one in review.unmatched for row in _rows(one, unmatched=True)]


def _rows(one: ReviewedEvent, *, unmatched: bool) -> Iterator[dict[str, object]]:
    judgements = sorted(one.judgements.items()) or [("", NOTHING_SAID)]
    for reviewer, judgement in judgements:
        yield _row(one, reviewer, judgement) | {"unmatched": unmatched}


def _row(one: ReviewedEvent, reviewer: str, judgement: Judgement) -> dict[str, object]:
    event = one.event
    start, end = judgement.edges_s or (event.t0_s, event.t1_s)
    return {
        "roi_id": event.roi_id,
        "channel": event.channel,
        "method": event.method,
        "event_id": event.event_id,
        "kind": event.kind,
        "t0_s": start,
        "t1_s": end,
        "reviewer": reviewer,
        "user_type": judgement.user_type,
        "note": judgement.note,
        "reviewed_utc": pd.Timestamp(judgement.utc.removesuffix("Z")) if judgement.utc else pd.NaT,
        "origin": event.origin,
        "detected_t0_s": event.t0_s,
        "detected_t1_s": event.t1_s,
        "blinded_seed": judgement.blinded_seed,
    }

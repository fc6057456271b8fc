import pandas as pd
import pytest

from kymflow_core.errors import IndexerError
from kymflow_core.indexers import ReviewIndexer
from kymflow_core.testing import IMAGE_ID, ArtifactsInMemory, IndexerContract

EVENT = {"roi_id": 1, "event_id": 1, "t0_s": 0.5, "t1_s": 1.5, "kind": "low", "score": 1.5, "method": "likelihood"}
OLDER = {"roi_id": 2, "event_id": "e0", "t0_s": 0.5, "t1_s": None, "kind": "stall", "score": 1.5}
SAID = {"entry_id": "x-1", "number": 1, "utc": "2026-01-01T00:00:00.000000Z", "reviewer": "Ada", "action": "verdict"}
ABOUT = {"roi_id": 1, "event_id": "1", "t0_s": 0.5, "t1_s": 1.5, "kind": "low", "channel": 1}
LOG = {"entries": [{**SAID, "event": ABOUT, "user_type": "artefact", "note": "blur", "blinded_seed": 5}]}


class TestReviewIndexer(IndexerContract):
    indexer = ReviewIndexer()
    examples = (
        ArtifactsInMemory(tables={"velocity_events": pd.DataFrame([EVENT])}, json={"reviews/x": LOG}),
        ArtifactsInMemory(tables={"velocity_events": pd.DataFrame([OLDER])}),
        ArtifactsInMemory(json={"reviews/x": LOG, "other": {}}),
    )

    def test_a_row_says_who_said_what_of_which_event(self):
        (row,) = self._rows(self.examples[0]).to_dict("records")
        assert row["reviewed_utc"] == pd.Timestamp("2026-01-01")
        assert {name: row[name] for name in ("reviewer", "user_type", "note", "origin", "unmatched", "blinded_seed")} == {
            "reviewer": "Ada",
            "user_type": "artefact",
            "note": "blur",
            "origin": "detected",
            "unmatched": False,
            "blinded_seed": 5,
        }

    def test_what_was_said_of_an_event_that_is_gone_is_marked(self):
        assert self._rows(self.examples[2])[["user_type", "unmatched"]].to_numpy().tolist() == [["artefact", True]]

    def test_an_event_of_which_nobody_said_anything_has_a_row(self):
        (row,) = self._rows(self.examples[1]).to_dict("records")
        assert (row["reviewer"], row["user_type"]) == ("", "unreviewed")

    def test_a_log_that_cannot_be_read_is_named(self):
        with pytest.raises(
            IndexerError, match=f"reviews of image {IMAGE_ID} cannot be read: the review 'reviews/x' has no"
        ):
            self._rows(ArtifactsInMemory(json={"reviews/x": {}}))

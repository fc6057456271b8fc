"""Several programs review one record at the same time, and no verdict that one of them saved is lost."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from kymflow_core.reviews.event import VERDICTS
from kymflow_core.reviews.log import ReviewLog, load_entries
from kymflow_core.reviews.review import load_review
from kymflow_core.testing import ArtifactsInMemory
from kymflow_zarr import ZarrDataset

pytestmark = pytest.mark.trials
REVIEWERS = ("Ada", "Ben", "Ada", "Cy")
N_EVENTS = 25


def review(path: Path, image_id: str, reviewer: str, shift: int, rounds: int) -> list[tuple[str, str, str]]:
    """Give every event a verdict, round after round, and return what was acknowledged: entry, event, verdict."""
    record = ZarrDataset(path).record(image_id)
    log, done = ReviewLog(record, reviewer=reviewer), []
    for number in range(rounds):
        one = load_review(record).events[(number + shift) % N_EVENTS].event
        entry = log.judge(one, VERDICTS[(number + shift) % len(VERDICTS)])
        done.append((entry.entry_id, one.event_id, entry.user_type))
    return done


def test_programs_that_review_one_record_at_once_lose_nothing(tmp_path, trials, count):
    events = pd.DataFrame(
        [
            {"roi_id": 1, "event_id": number, "t0_s": float(number), "t1_s": number + 0.5, "kind": "low", "score": 1.0}
            for number in range(N_EVENTS)
        ]
    )
    dataset = ZarrDataset.create(tmp_path / "lab.zarr")
    record = ArtifactsInMemory(tables={"velocity_events": events}).store(dataset)
    work = [(dataset.path, record.image_id, who, 5 * place, trials.commits) for place, who in enumerate(REVIEWERS)]
    with ProcessPoolExecutor(len(work), mp_context=multiprocessing.get_context("spawn")) as pool:
        done = [future.result() for future in [pool.submit(review, *one) for one in work]]
    saved = {(one.entry_id, one.event.event_id, one.user_type) for one in load_entries(record) if one.event}
    acknowledged = [entry for some in done for entry in some]
    assert len(set(acknowledged)) == len(REVIEWERS) * trials.commits
    assert saved == set(acknowledged)
    latest = {who: load_review(record) for who in ("Ben", "Cy")}
    for who, found in latest.items():
        last = {event_id: verdict for _, event_id, verdict in done[REVIEWERS.index(who)]}
        assert {one.event.event_id: one.by(who).user_type for one in found.events if one.by(who).is_verdict} == last
    count("verdicts by several programs", len(acknowledged))

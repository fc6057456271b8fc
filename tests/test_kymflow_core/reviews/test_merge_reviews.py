import json
import shutil

import pytest
from typer.testing import CliRunner

from kymflow_core import simulate
from kymflow_core.cli import app
from kymflow_core.errors import ReviewError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import ReviewIndexer
from kymflow_core.reviews.event import ARTEFACT, TRUE_STALL, UNREVIEWED
from kymflow_core.reviews.log import ReviewLog, load_entries
from kymflow_core.reviews.merge import merge_reviews
from kymflow_core.reviews.review import load_review
from kymflow_core.tables.freshness import State
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_zarr import ZarrDataset


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The demo dataset; tests copy it."""
    path = tmp_path_factory.mktemp("demo") / "demo.zarr"
    simulate.make_demo_dataset(path)
    return path


@pytest.fixture
def copies(original, tmp_path) -> tuple[ZarrDataset, ZarrDataset, str]:
    """Two copies of one dataset, and the id of a record with events."""
    for name in ("a.zarr", "b.zarr"):
        shutil.copytree(original, tmp_path / name)
    first, second = (ZarrDataset(tmp_path / name) for name in ("a.zarr", "b.zarr"))
    image_id = next(one for one in first.list_image_ids() if load_review(first.record(one)).events)
    return first, second, image_id


def judge(dataset: ZarrDataset, image_id: str, reviewer: str, verdict: str, *, place: int = 0) -> ReviewLog:
    record = dataset.record(image_id)
    log = ReviewLog(record, reviewer=reviewer)
    log.judge(load_review(record).events[place].event, verdict)
    return log


def run(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_verdicts_of_two_copies_come_together(copies):
    first, second, image_id = copies
    judge(first, image_id, "Ada", TRUE_STALL)
    judge(second, image_id, "Ben", ARTEFACT)
    report = merge_reviews(first, second)
    assert report.summary() == "1 entry of 1 record taken over"
    said = load_review(first.record(image_id)).events[0].judgements
    assert {name: one.user_type for name, one in said.items()} == {"Ada": TRUE_STALL, "Ben": ARTEFACT}
    assert len(load_entries(second.record(image_id))) == 1


def test_a_second_time_there_is_nothing_to_take_over(copies):
    first, second, image_id = copies
    judge(second, image_id, "Ben", ARTEFACT)
    merge_reviews(first, second)
    entries = load_entries(first.record(image_id))
    assert merge_reviews(first, second).added == {}
    assert load_entries(first.record(image_id)) == entries


def test_a_log_that_went_on_after_the_copy_was_made_is_taken_over_whole(copies, tmp_path):
    first, _, image_id = copies
    log = judge(first, image_id, "Ada", TRUE_STALL)
    shutil.copytree(first.path, tmp_path / "later.zarr")
    log.judge(load_review(first.record(image_id)).events[0].event, ARTEFACT)
    later = ZarrDataset(tmp_path / "later.zarr")
    assert merge_reviews(later, first).added == {image_id: 1}
    assert load_entries(later.record(image_id)) == load_entries(first.record(image_id))
    assert merge_reviews(first, later).added == {}


def test_other_datasets_are_refused(copies, tmp_path):
    first, _, _ = copies
    with pytest.raises(ReviewError, match=r"is no copy of .* give two copies of one dataset"):
        merge_reviews(first, ZarrDataset.create(tmp_path / "other.zarr"))
    with pytest.raises(ReviewError, match="are the same dataset; give two copies of it"):
        merge_reviews(first, ZarrDataset(first.path, mode="r"))


def test_a_roi_that_is_another_one_in_the_copies_is_named(copies):
    first, second, image_id = copies
    roi_id = load_review(first.record(image_id)).events[0].event.roi_id
    image = AcqImage(first.record(image_id))
    image.edit_roi(roi_id, x1=image.rois.get(roi_id).x1 - 1)
    judge(second, image_id, "Ben", ARTEFACT)
    (note,) = merge_reviews(first, second).notes[image_id]
    assert note.startswith(f"ROI {roi_id} is another one in the two copies (")


def test_records_that_only_the_other_copy_has_are_listed(copies):
    first, second, image_id = copies
    judge(second, image_id, "Ben", ARTEFACT)
    first.delete_image(image_id)
    report = merge_reviews(first, second)
    assert report.missing == (image_id,)
    assert report.summary() == "0 entries of 0 records taken over, 1 record with reviews not in this copy"


def test_the_table_is_behind_after_a_verdict_and_fresh_after_an_index(copies):
    dataset, _, image_id = copies
    kym, indexer = KymDataset(dataset), ReviewIndexer()
    kym.refresh(indexer)
    judge(dataset, image_id, "Ada", TRUE_STALL)

    def state() -> State:
        frame = kym.freshness(indexer)
        return frame.set_index("image_id")["state"][image_id]

    assert state() == State.BEHIND
    kym.refresh(indexer)
    assert state() == State.FRESH
    rows = kym.get_table("reviews")
    assert rows.loc[rows["reviewer"] == "Ada", "user_type"].tolist() == [TRUE_STALL]
    assert set(rows.loc[rows["reviewer"] == "", "user_type"]) <= {UNREVIEWED}


def test_the_command_merges_and_brings_the_table_up_to_date(copies):
    first, second, image_id = copies
    judge(second, image_id, "Ben", ARTEFACT)
    done = run("merge-reviews", first.path, second.path)
    assert done.exit_code == 0
    assert done.stdout.endswith("1 entry of 1 record taken over\n")
    assert "Ben" in set(first.load_table("reviews")["reviewer"])


def test_the_command_refuses_another_dataset_in_one_sentence(copies, tmp_path):
    other = ZarrDataset.create(tmp_path / "other.zarr")
    done = run("merge-reviews", copies[0].path, other.path)
    assert done.exit_code == 1
    assert "is no copy of" in " ".join(done.stderr.split())


def test_the_command_says_how_far_a_review_is_and_how_far_two_agree(copies):
    first, _, image_id = copies
    judge(first, image_id, "Ada", TRUE_STALL)
    judge(first, image_id, "Ben", ARTEFACT)
    done = run("reviews", first.path, "--disagreements")
    assert done.exit_code == 0
    assert "Ada: 1 of " in done.stdout
    assert "Ada and Ben: 1 event judged by both, 0 alike (0 %), kappa 0.00" in done.stdout
    assert "Ada says true stall, Ben says artefact" in done.stdout
    found = json.loads(run("reviews", first.path, "--json").stdout)
    assert found["agreement"] == [{"first": "Ada", "second": "Ben", "events": 1, "alike": 0, "kappa": 0.0}]


def test_the_command_of_a_dataset_without_reviews(copies):
    assert " reviewed" in run("reviews", copies[0].path).stdout

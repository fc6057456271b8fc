"""Several processes write to one dataset at the same time, and nothing that one of them acknowledged is lost."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from acknowledged import Contents, after, contents_of, split
from states import Sample, make_sample, table_rows
from zygote import Zygote, read_journal

from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import INDEXERS
from kymflow_core.reviews.log import load_entries
from kymflow_core.simulate import Episode, Scan, simulate_kymograph
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_zarr import ZarrDataset

pytestmark = [
    pytest.mark.trials,
    pytest.mark.skipif(sys.platform != "linux", reason="forking with numpy loaded is sound on Linux only"),
]

_EVENTS = pd.DataFrame(
    [{"roi_id": 9, "event_id": one, "t0_s": one, "t1_s": one + 0.5, "kind": "low", "score": 1.0} for one in (0.0, 1.0)]
)
COMMITTERS = [f"writer {number}" for number in range(8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """A dataset on which processes worked at the same time: what it held before, and what they noted."""

    sample: Sample
    before: Contents
    journal: list[dict]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as zygote:
        yield zygote


@pytest.fixture(scope="module")
def committed(zygote, tmp_path_factory, trials) -> Worked:
    """Eight processes committed to the metadata of one record."""
    folder = tmp_path_factory.mktemp("committed")
    sample = make_sample(folder / "sample.zarr", folder / "imported")
    before = contents_of(sample.path, sample.full)
    common = {"path": str(sample.path), "image_id": sample.full, "count": trials.commits}
    journal = _let_work(zygote, folder, "commit", [{**common, "name": name} for name in COMMITTERS])
    return Worked(sample=sample, before=before, journal=journal)


@pytest.fixture(scope="module")
def mixed(zygote, tmp_path_factory, trials) -> Worked:
    """Four processes added images, edited the ROIs of one record, and replaced rows of one table."""
    folder = tmp_path_factory.mktemp("mixed")
    sample = make_sample(folder / "sample.zarr", folder / "imported")
    dataset = ZarrDataset(sample.path)
    ids = [dataset.add_image(np.full((4, 3), number, np.uint16)).image_id for number in range(4)]
    dataset.replace_rows("events", {image_id: table_rows(image_id, 1) for image_id in ids})
    before = contents_of(sample.path, sample.full)
    common = {"path": str(sample.path), "image_id": sample.full, "folder": str(folder), "seconds": trials.seconds}
    own = [{"rows_of": image_id, "name": f"writer {number}", "seed": number} for number, image_id in enumerate(ids)]
    journal = _let_work(zygote, folder, "do_for_seconds", [{**common, **one} for one in own])
    return Worked(sample=sample, before=before, journal=journal)


def test_no_commit_of_eight_processes_to_one_record_is_lost(committed, trials, count):
    payload = ZarrDataset(committed.sample.path, mode="r").record(committed.sample.full).load_metadata_payload()
    assert {name: payload[name] for name in COMMITTERS} == dict.fromkeys(COMMITTERS, trials.commits)
    count("commits of 8 processes to one record", len(COMMITTERS) * trials.commits)
    count("conflicts among these, that were answered and repeated", sum(line["conflicts"] for line in committed.journal))


@pytest.mark.parametrize("kind", ["records", "images", "files", "rois", "masks", "rows"])
def test_every_acknowledged_change_of_four_processes_is_there(mixed, kind):
    done, _ = split(mixed.journal)
    assert contents_of(mixed.sample.path, mixed.sample.full)[kind] == after(mixed.before, done)[kind]


def test_the_four_processes_did_something_of_each_kind(mixed, count):
    done, _ = split(mixed.journal)
    assert {line["what"] for line in done} == {"import", "roi", "mask", "edit", "rows"}
    count("changes of 4 processes at once", len(done))


@pytest.mark.parametrize("work", ["committed", "mixed"])
def test_many_processes_leave_a_sound_dataset(work, request):
    sample = request.getfixturevalue(work).sample
    assert ZarrDataset(sample.path, mode="r").verify(deep=True).problems == ()


def test_no_row_of_a_table_in_parts_that_four_processes_change_is_lost(zygote, tmp_path, trials, count):
    path = tmp_path / "lab.zarr"
    ZarrDataset.create(path).save_table("long", table_rows("nobody's", 5))
    common = {"path": str(path), "count": trials.commits}
    journal = _let_work(zygote, tmp_path, "change_parts", [{**common, "name": f"{one}", "seed": one} for one in range(4)])
    table = ZarrDataset(path, mode="r").load_table("long")
    values = {image_id: rows["value"].tolist() for image_id, rows in table.groupby("image_id")}
    own = {image_id: found for line in journal for image_id, found in line["own"].items() if found}
    assert values == {**own, "nobody's": [0] * 5}
    count("changes of a table in parts by 4 processes", 4 * trials.commits)


def test_a_folder_that_three_processes_import_at_once_is_imported_once(zygote, tmp_path, trials, count):
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(15):
        tifffile.imwrite(folder / f"{number}.tif", np.full((30, 8), number, np.uint16))
    for turn in range(max(2, trials.kills // 10)):
        path = tmp_path / f"{turn}.zarr"
        ZarrDataset.create(path)
        common = {"path": str(path), "folder": str(folder)}
        (tmp_path / f"{turn}").mkdir()
        own = [{**common, "seed": 3 * turn + one} for one in range(3)]
        journal = _let_work(zygote, tmp_path / f"{turn}", "import_slowly", own)
        assert sum(line["count"] for line in journal) == 15
        dataset = ZarrDataset(path)
        assert sorted(dataset.record(one).load_array()[0, 0] for one in dataset.list_image_ids()) == [*range(15)]
        assert len(dataset.load_table("sources")) == 15
        assert dataset.verify(deep=True).problems == ()
        count("files imported by 3 processes at once", 15)


def test_no_roi_or_mask_that_three_processes_save_beside_one_tiff_is_lost(zygote, tmp_path, trials, count):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, np.zeros((20, 6), np.uint16))
    # A tenth: every save reads all that lies beside the TIFF, so that many take the square of the time.
    common = {"path": str(path), "count": max(5, trials.commits // 10)}
    journal = _let_work(zygote, tmp_path, "save_beside", [{**common, "name": f"writer {number}"} for number in range(3)])
    image = AcqImage.from_path(path)
    saved = {kind: {line["name"] for line in journal if line["what"] == kind} for kind in ("roi", "mask")}
    assert {roi.name for roi in image.rois} == saved["roi"]
    assert {roi.name for roi in image.rois if image.stored_mask(roi).state == "mask"} == saved["mask"]
    count("saves of ROIs and masks of 3 processes beside one TIFF", sum(map(len, saved.values())))
    count("conflicts among these, that were answered and repeated", sum(line.get("conflicts", 0) for line in journal))


def test_tables_are_after_a_refresh_what_a_rebuild_makes_whatever_four_processes_did(zygote, tmp_path, trials, count):
    dataset = ZarrDataset.create(tmp_path / "lab.zarr")
    stall = Episode(t0_s=0.1, t1_s=0.15, velocity_mm_s=0.0, kind="stall")
    scan = Scan(name="scan", velocity_mm_s=1.0, episodes=(stall,), lines=200, pixels=24)
    ids = []
    for number in range(2):
        pixels = simulate_kymograph(scan, rng=np.random.default_rng(number))
        with dataset.build_record(pixels) as draft:
            draft.save_metadata_payload({"header": {"seconds_per_line": 0.001, "um_per_pixel": 0.5}})
            draft.save_df_parquet("velocity_events", _EVENTS)
        ids.append(draft.image_id)
    common = {"path": str(dataset.path), "image_ids": ids, "count": trials.commits // 3}
    names = [f"writer {number}" for number in range(4)]
    journal = _let_work(zygote, tmp_path, "work_beside_tables", [{**common, "name": name} for name in names])

    entries = {entry.entry_id for image_id in ids for entry in load_entries(dataset.record(image_id))}
    assert entries == {line["entry_id"] for line in journal if line["what"] == "verdict"}
    for image_id in ids:
        analysed = {line["roi_id"] for line in journal if line["what"] == "analysis" and line["image_id"] == image_id}
        for name in ("velocity", "radon_report") if analysed else ():
            assert set(dataset.record(image_id).load_df_parquet(name)["roi_id"]) == analysed
    tables = KymDataset(dataset)
    tables.refresh_tables(INDEXERS).checked()
    refreshed = tables.load_tables()
    tables.rebuild_tables(INDEXERS).checked()
    for name, rebuilt in tables.load_tables().items():
        pd.testing.assert_frame_equal(_by_image(refreshed[name]), _by_image(rebuilt), check_like=True)
    assert dataset.verify(deep=True).problems == ()
    count("analyses, verdicts and changes of tables by 4 processes", 4 * (trials.commits // 3))


def _by_image(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the images in one order; of each image the rows keep theirs."""
    return table.sort_values("image_id", kind="stable", ignore_index=True)


def test_the_rest_of_the_metadata_survives_the_commits(committed):
    assert contents_of(committed.sample.path, committed.sample.full) == committed.before


def _let_work(zygote: Zygote, folder: Path, worker: str, arguments: list[dict]) -> list[dict]:
    """Let workers work at the same time, one for each set of arguments, and return what all noted."""
    journals = [folder / f"journal {number}" for number in range(len(arguments))]
    pids = [zygote.start(worker, journal, **own) for journal, own in zip(journals, arguments, strict=True)]
    codes = [zygote.wait(pid) for pid in pids]
    lines = [line for journal in journals for line in read_journal(journal)]
    assert set(codes) == {0}, [line["text"] for line in lines if line["what"] == "error"]
    return lines

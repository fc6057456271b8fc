"""A refresh of a table that is stopped anywhere leaves the old table or the new one, and nothing false is called fresh."""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from failing_disk import CRASHES, FAULTS, Crash, FailingDisk
from zygote import Zygote, read_journal

from kymflow_core import AcqImage, ComputedFrom, KymDataset, RadonReportIndexer
from kymflow_zarr import ZarrDataset, ZarrImageRecord
from kymflow_zarr.errors import KymflowZarrError

pytestmark = [
    pytest.mark.trials,
    pytest.mark.skipif(sys.platform != "linux", reason="counts the system calls of Linux, and forks with numpy loaded"),
]

RADON = RadonReportIndexer()
Rows = dict[str, frozenset]


def analyse(record: ZarrImageRecord, mean: float) -> None:
    row = {"roi_id": 1, "mean_velocity": mean, "median_velocity": mean, "n_valid": 3, "notes": ""}
    said = ComputedFrom.of(AcqImage(record).rois, algorithm="radon").to_json()
    record.save_df_parquet("radon_report", pd.DataFrame([row]), computed_from=said)


def rows_of(path: Path) -> Rows:
    """The rows of each image in the stored table."""
    table = ZarrDataset(path, mode="r").load_table("radon_report")
    return {image_id: frozenset(map(tuple, rows.to_numpy().tolist())) for image_id, rows in table.groupby("image_id")}


@dataclass(frozen=True, kw_only=True)
class Stale:
    """A dataset whose table is of before: one image was analysed since, of one a ROI was edited, one was deleted by hand.

    One image is fresh, one was never analysed. `old` are the rows in the table, `new` those that a refresh gives.
    """

    path: Path
    old: Rows
    new: Rows

    def copy(self, name: str) -> Path:
        """Return another copy, alone in a folder."""
        path = self.path.parent / name / "copy.zarr"
        shutil.copytree(self.path, path)
        return path

    def wrong(self, path: Path, *, is_new: bool = False) -> str:
        """Say what is wrong with a table that is old or new, and after one more refresh; empty where nothing is."""
        try:
            rows, kd = rows_of(path), KymDataset(path)
            if rows not in ([self.new] if is_new else [self.old, self.new]):
                return f"neither the old table nor the new one: {rows}"
            frame = kd.freshness(RADON)
            fresh = frame.loc[frame["state"] == "fresh", "image_id"]
            false = [image_id for image_id in fresh if rows.get(image_id) != self.new.get(image_id)]
            if false:
                return f"called fresh and is not: {false}"
            kd.refresh(RADON)
            if rows_of(path) != self.new or kd.freshness(RADON)["needs_update"].any():
                return "not true after another refresh"
        except (KymflowZarrError, OSError) as error:
            return repr(error)
        return ""


@pytest.fixture(scope="module")
def stale(tmp_path_factory) -> Stale:
    path = tmp_path_factory.mktemp("stale") / "sample.zarr"
    dataset = ZarrDataset.create(path)
    records = [dataset.add_image(np.zeros((6, 20), np.uint8)) for _ in range(5)]
    for record in records[:4]:
        AcqImage(record).add_roi(x0=1, x1=9, y0=0, y1=5)
        analyse(record, 0.5)
    KymDataset(path).rebuild(RADON)
    analyse(records[0], 0.7)
    AcqImage(records[1]).edit_roi(1, x1=8)
    shutil.rmtree(path / "images" / records[2].image_id)
    sample = Stale(path=path, old=rows_of(path), new={})
    after = sample.copy("after")
    KymDataset(after).refresh(RADON)
    return replace(sample, new=rows_of(after))


def test_the_refresh_that_is_stopped_changes_three_images(stale):
    assert len(stale.old) == 4
    assert len(stale.new) == 3
    assert len([image_id for image_id in stale.old if stale.new.get(image_id) != stale.old[image_id]]) == 3


@pytest.fixture(scope="module")
def steps(stale) -> list[str]:
    """The calls that a refresh changes the disk by."""
    path = stale.copy("counted")
    disk = FailingDisk(path.parent)
    with disk.failing():
        KymDataset(path).refresh(RADON)
    assert not disk.bypassed
    return disk.steps


@pytest.mark.parametrize("fault", FAULTS)
def test_a_refresh_that_is_stopped_at_any_step_makes_nothing_false(fault, stale, steps, trials, count):
    points = [at for at, step in enumerate(steps, start=1) if fault != "torn write" or step.startswith("write")]
    every = 1 if trials.kills > 20 or fault == CRASHES[0] else 3
    wrong = []
    for at in points[::every]:
        path = stale.copy(f"{fault} {at}")
        disk = FailingDisk(path.parent, fault, at)
        saved = False
        with disk.failing(), suppress(Crash, KymflowZarrError):
            KymDataset(path).refresh(RADON)
            saved = True
        assert disk.failed
        what = stale.wrong(path, is_new=saved)
        shutil.rmtree(path.parent)
        if what:
            wrong.append(f"at {at}, {steps[at - 1]}: {what}")
    count("refreshes stopped at a step", len(points[::every]))
    assert not wrong, "\n".join(wrong)


def test_a_refresh_that_was_done_outlasts_a_power_cut(stale):
    path = stale.copy("outlasts")
    disk = FailingDisk(path.parent)
    with disk.failing():
        KymDataset(path).refresh(RADON)
    disk.power_off()
    assert stale.wrong(path, is_new=True) == ""


def test_a_process_that_is_killed_during_a_refresh_makes_nothing_false(stale, trials, count):
    with Zygote() as zygote:
        let = stale.copy("let")
        start = time.monotonic()
        assert zygote.wait(zygote.start("refresh_table", let.with_name("journal"), path=str(let))) == 0
        seconds = time.monotonic() - start
        calls = read_journal(let.with_name("journal"))[-1]["calls"]
        rng, wrong = np.random.default_rng(0), []
        for number in range(trials.kills // 2):
            path = stale.copy(f"killed {number}")
            die_at = int(rng.integers(1, calls)) if number % 2 else 0
            pid = zygote.start("refresh_table", path.with_name("journal"), path=str(path), die_at=die_at)
            if not die_at:
                time.sleep(rng.uniform(0, seconds))
                os.kill(pid, signal.SIGKILL)
            code = zygote.wait(pid)
            what = stale.wrong(path) if code in (0, -signal.SIGKILL) else "the worker failed"
            shutil.rmtree(path.parent)
            if what:
                wrong.append(f"{number}, before call {die_at}: {what}")
        count("refreshes killed", trials.kills // 2)
        assert not wrong, "\n".join(wrong)

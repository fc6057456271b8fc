"""A writer that is killed at any moment damages nothing, and what it had acknowledged is there."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from acknowledged import after, contents_of, split
from states import Sample, make_sample, rectangle, table_rows
from zygote import Zygote, read_journal

from kymflow_core.images.acq_image import AcqImage
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import KymflowZarrError

pytestmark = [
    pytest.mark.trials,
    pytest.mark.skipif(sys.platform != "linux", reason="forking with numpy loaded is sound on Linux only"),
]

STEPS = 18
"""How many things a writer does when it is not killed."""


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as zygote:
        yield zygote


class KillingGround:
    """Copies of one dataset, each with a writer that does the same things in another order.

    `seconds` is how long a writer takes that is let, and `calls` how often it asks the system to change the disk.
    """

    def __init__(self, top: Path, zygote: Zygote) -> None:
        self._top = top
        self._zygote = zygote
        self._sample = make_sample(top / "sample.zarr", top / "imported")
        record = ZarrDataset(self._sample.path).record(self._sample.full)
        record.save_array_artifact("labels", np.zeros((20, 6), np.uint32))
        self._before = contents_of(self._sample.path, self._sample.full)
        self.acknowledged = 0
        copy = self._fresh("let")
        start = time.monotonic()
        assert self._zygote.wait(self._start(copy, seed=0)) == 0
        self.seconds = time.monotonic() - start
        self.calls = read_journal(copy.path.with_name("journal"))[-1]["calls"]

    def kill_after(self, delay: float, seed: int) -> str:
        """Kill a writer after a delay and return what is wrong; empty when nothing is."""
        copy = self._fresh(f"delay {seed}")
        pid = self._start(copy, seed=seed)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        return self._verdict(copy, self._zygote.wait(pid), f"killed after {delay:.4f} s")

    def kill_before(self, call: int, seed: int) -> str:
        """Kill a writer before a call of the system and return what is wrong; empty when nothing is."""
        copy = self._fresh(f"call {seed}")
        return self._verdict(
            copy, self._zygote.wait(self._start(copy, seed=seed, die_at=call)), f"killed before call {call}"
        )

    def _verdict(self, copy: Sample, code: int, how: str) -> str:
        journal = read_journal(copy.path.with_name("journal"))
        done, begun = split(journal)
        self.acknowledged += len(done)
        wrong = self._wrong(copy, done, begun) if code in (0, -signal.SIGKILL) else "the writer failed"
        last = journal[-1] if journal else "nothing"
        shutil.rmtree(copy.path.parent)
        return f"{how}, last {last!r}: {wrong}" if wrong else ""

    def _wrong(self, copy: Sample, done: list[dict], begun: list[dict]) -> str:
        must = after(self._before, done)
        may = after(must, begun)
        try:
            problems = ZarrDataset(copy.path, mode="r").verify(deep=True).problems
            there = contents_of(copy.path, copy.full)
            _use(copy)
        except (KymflowZarrError, OSError) as error:
            return repr(error)
        wrong = [str(problem) for problem in problems if problem.state == "damaged"]
        wrong += [f"{kind} {there[kind]}, not {must[kind]}" for kind in must if there[kind] not in (must[kind], may[kind])]
        return "; ".join(wrong)

    def _start(self, copy: Sample, **arguments: int) -> int:
        desk = {"path": str(copy.path), "image_id": copy.full, "rows_of": copy.full, "name": "writer"}
        folder = str(copy.path.with_name("tiffs"))
        journal = copy.path.with_name("journal")
        return self._zygote.start("do_steps", journal, count=STEPS, folder=folder, **desk, **arguments)

    def _fresh(self, name: str) -> Sample:
        copy = replace(self._sample, path=self._top / name / "copy.zarr")
        shutil.copytree(self._sample.path, copy.path)
        return copy


@pytest.fixture(scope="module")
def ground(zygote, tmp_path_factory) -> KillingGround:
    return KillingGround(tmp_path_factory.mktemp("killed"), zygote)


def test_a_writer_that_is_killed_at_any_time_damages_nothing_and_loses_nothing(ground, trials, count):
    delays = np.random.default_rng(0).uniform(0, ground.seconds, trials.kills // 2)
    verdicts = [ground.kill_after(delay, seed) for seed, delay in enumerate(delays, start=1)]
    count("writers killed", len(verdicts))
    _assert_sound(verdicts, ground)


def test_a_writer_that_is_killed_before_any_call_damages_nothing_and_loses_nothing(ground, trials, count):
    calls = np.random.default_rng(1).integers(1, ground.calls, trials.kills // 2)
    verdicts = [ground.kill_before(int(call), seed) for seed, call in enumerate(calls, start=1)]
    count("writers killed", len(verdicts))
    _assert_sound(verdicts, ground)


def _assert_sound(verdicts: list[str], ground: KillingGround) -> None:
    assert ground.acknowledged > len(verdicts), "the writers were killed before they had done anything"
    wrong = [verdict for verdict in verdicts if verdict]
    assert not wrong, f"{len(wrong)} of {len(verdicts)}:\n" + "\n".join(wrong)


def _use(copy: Sample) -> None:
    """Save ROIs, replace rows and import over what is left: raise where that does not work."""
    image = AcqImage.from_zarr(copy.path, copy.full)
    image.save_rois(image.rois.add(rectangle(image.rois.next_id)))
    dataset = ZarrDataset(copy.path)
    dataset.replace_rows("events", {copy.full: table_rows(copy.full, 1)})
    dataset.add_image(image.slice_pixels())

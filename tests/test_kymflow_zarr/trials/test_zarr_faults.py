"""Every primitive of every operation, failed once in every way: the old state stands, or the new one does."""

import functools
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from failing_disk import CRASHES, ERRORS, FAULTS, Crash, FailingDisk
from operations import OPERATIONS, Call, Operation
from states import Reader, Sample, lies_between, make_sample

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk import presence, steps
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError

pytestmark = [
    pytest.mark.trials,
    pytest.mark.skipif(sys.platform != "linux", reason="counts the system calls of Linux"),
]


class Bench:
    """One operation, and copies of one dataset to try it on.

    Parameters
    ----------
    operation
        What is tried.
    sample
        The dataset that is copied.
    top
        Where the copies lie.
    reader
        Reads their states.
    """

    def __init__(self, operation: Operation, sample: Sample, top: Path, reader: Reader) -> None:
        self._operation = operation
        self._sample = sample
        self._top = top
        self._reader = reader
        self._copies = 0
        copy = self._fresh()
        self._prepare(copy)
        self._old = self._new = reader.state_of(copy.path)
        self.writes = self._steps(reads=False)
        self.reads = self._steps(reads=True)

    def points(self, fault: str, *, reads: bool = False) -> list[int]:
        """Return the numbers of the primitives that a fault can happen at."""
        steps = self.reads if reads else self.writes
        return [at for at, step in enumerate(steps, start=1) if fault != "torn write" or step.startswith("write")]

    def verdict(self, fault: str, at: int, *, reads: bool = False) -> str:
        """Fail one primitive, look at what is left, try again, and return what is wrong; empty when nothing is."""
        copy = self._fresh()
        call = self._prepare(copy)
        disk = FailingDisk(copy.path.parent, fault, at, reads=reads, lacks=self._operation.lacks)
        saved = False
        with disk.failing(), suppress(Crash, KymflowZarrError, *([OSError] if reads else [])):
            call()
            saved = True
        wrong = self._wrong_after_fault(copy, saved=saved) if disk.failed else "the fault did not happen"
        if not wrong and not (self._operation.adds and (saved or fault in CRASHES) and self._is_done(copy)):
            with pytest.MonkeyPatch.context() as patch:
                if fault in CRASHES:
                    patch.setattr(steps, "is_running", lambda process: False)  # it is this one, in truth
                    patch.setattr(presence, "_HELD", set())
                    call = self._prepare(copy)
                wrong = self._wrong_after_retry(copy, call)
        shutil.rmtree(copy.path.parents[1])
        step = disk.steps[at - 1] if disk.failed else "not reached"
        return f"{fault} at {at}, {step}: {wrong}" if wrong else ""

    def verdict_of_power_cut_after_saving(self) -> str:
        """Cut the power when all is done, and return what is wrong."""
        copy = self._fresh()
        call = self._prepare(copy)
        disk = FailingDisk(copy.path.parent, lacks=self._operation.lacks)
        with disk.failing():
            call()
        disk.power_off()
        return self._wrong_after_fault(copy, saved=True)

    def _wrong_after_fault(self, copy: Sample, *, saved: bool) -> str:
        try:
            if self._operation.lacks:
                _repair_later(copy.path)
            wrong = self._wrong_with_state(copy, saved=saved)
            return wrong or _damage(copy.path)
        except (KymflowZarrError, OSError) as error:
            return f"cannot be read: {error!r}"

    def _wrong_with_state(self, copy: Sample, *, saved: bool) -> str:
        state = self._reader.state_of(copy.path)
        if state == self._new:
            return ""
        if saved:
            return "it said that it saved, and this is not the new state"
        if state == self._old or (self._operation.in_parts and lies_between(state, self._old, self._new)):
            return ""
        return "neither the old state nor the new one"

    def _is_done(self, copy: Sample) -> bool:
        return self._reader.state_of(copy.path) == self._new

    def _wrong_after_retry(self, copy: Sample, call: Call) -> str:
        try:
            call()
            wrong = self._wrong_with_state(copy, saved=True)
        except (KymflowZarrError, OSError) as error:
            return f"a plain retry raises {error!r}"
        return f"after a plain retry: {wrong}" if wrong else ""

    def _steps(self, *, reads: bool) -> list[str]:
        """Do it without a fault and return the primitives that it took; `_new` is then known."""
        copy = self._fresh()
        call = self._prepare(copy)
        disk = FailingDisk(copy.path.parent, reads=reads, lacks=self._operation.lacks)
        with disk.failing():
            call()
        assert not disk.bypassed
        self._new = self._reader.state_of(copy.path)
        assert self._new != self._old
        return disk.steps

    def _prepare(self, copy: Sample) -> Call:
        return self._operation.prepare(copy, self._top / "to import")

    def _fresh(self) -> Sample:
        self._copies += 1
        copy = Sample(path=self._top / str(self._copies) / "disk" / "copy.zarr", full=self._sample.full)
        copy.path.parent.mkdir(parents=True)
        if not self._operation.from_nothing:
            shutil.copytree(self._sample.path, copy.path)
        return copy


LEAST_WRITES = {
    "save ROIs": 18,
    "save a mask": 50,
    "replace rows": 16,
    "write a part of a table": 15,
    "replace rows of a table in parts": 17,
    "write a part where files cannot be linked": 20,
    "save a table": 9,
    "import two files": 150,
    "import into a new dataset": 135,
    "add an image": 48,
    "save the first ROIs": 22,
    "replace a JSON artifact": 9,
    "save a nested JSON artifact": 13,
    "replace a table artifact": 9,
    "replace an array artifact": 47,
    "replace an array where folders cannot swap": 49,
    "save ROIs where files cannot be linked": 23,
    "replace rows where files cannot be linked": 26,
    "delete an image": 85,
    "move an image to the trash": 45,
    "make the records of an export": 84,
}
"""How many writing primitives an operation has at least; fewer may be right, but must be looked at."""
MAIN = (
    *(
        (operation, fault)
        for operation in ("save ROIs", "replace rows", "replace a JSON artifact")
        for fault in ("crash", *ERRORS)
    ),
    ("write a part of a table", "crash"),
    ("save a mask", "crash"),
    ("add an image", "crash"),
)
"""What the everyday run tries; the other runs try all operations with all faults."""
MAIN_READS = ("save ROIs", "replace rows")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    small = metafunc.config.getoption("trials") == "small"
    if "fault" in metafunc.fixturenames:
        pairs = MAIN if small else [(operation, fault) for operation in OPERATIONS for fault in FAULTS]
        metafunc.parametrize(("operation", "fault"), pairs, ids=[", ".join(pair) for pair in pairs])
    elif "operation" in metafunc.fixturenames:
        main = MAIN_READS if "reading" in metafunc.function.__name__ else dict.fromkeys(operation for operation, _ in MAIN)
        metafunc.parametrize("operation", main if small else OPERATIONS)


@pytest.fixture(scope="module")
def bench_of(tmp_path_factory) -> Callable[[str], Bench]:
    """A function that returns the bench of an operation."""
    folder = tmp_path_factory.mktemp("faults")
    sample = make_sample(folder / "sample.zarr", folder / "imported")
    reader = Reader()
    return functools.cache(lambda operation: Bench(OPERATIONS[operation], sample, folder / operation, reader))


@pytest.fixture(scope="module")
def points_of(bench_of, trials) -> Callable[..., list[int]]:
    """A function that returns the numbers of the primitives of an operation that are tried with a fault."""

    def points_of(operation: str, fault: str, *, reads: bool = False) -> list[int]:
        every = trials.every_in_parts if OPERATIONS[operation].in_parts else trials.every
        # Others with each fault, so that each is tried with some.
        return bench_of(operation).points(fault, reads=reads)[FAULTS.index(fault) % every :: every]

    return points_of


def test_the_old_state_or_the_new_one_stands_after_a_fault(bench_of, points_of, operation, fault, count):
    bench = bench_of(operation)
    verdicts = [bench.verdict(fault, at) for at in points_of(operation, fault)]
    count("fault points of writing tried", len(verdicts))
    wrong = [verdict for verdict in verdicts if verdict]
    assert not wrong, f"{len(wrong)} of {len(verdicts)}:\n" + "\n".join(wrong)


def test_the_old_state_or_the_new_one_stands_after_a_fault_of_reading(bench_of, points_of, operation, count):
    bench = bench_of(operation)
    verdicts = [bench.verdict("EIO", at, reads=True) for at in points_of(operation, "EIO", reads=True)]
    count("fault points of reading tried", len(verdicts))
    wrong = [verdict for verdict in verdicts if verdict]
    assert not wrong, f"{len(wrong)} of {len(verdicts)}:\n" + "\n".join(wrong)


def test_what_was_saved_survives_a_power_cut_right_after(bench_of, operation):
    assert bench_of(operation).verdict_of_power_cut_after_saving() == ""


def test_the_everyday_run_tries_more_than_200_faults():
    assert sum(LEAST_WRITES[operation] for operation, _ in MAIN) > 200


def test_there_are_no_fewer_fault_points_than_there_were(bench_of, operation):
    assert len(bench_of(operation).writes) >= LEAST_WRITES[operation]


def _damage(path: Path) -> str:
    """Return the damage that a deep look finds; what can be repaired is none."""
    if not (path / "zarr.json").exists():
        return ""
    problems = ZarrDataset(path, mode="r").verify(deep=True).problems
    return "; ".join(str(problem) for problem in problems if problem.state == "damaged")


def _repair_later(path: Path) -> None:
    """Repair two minutes after the crash; what is younger may be at work still."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Blobs, "now", lambda blobs: time.time() + 120)
        ZarrDataset(path).verify(repair=True)

"""The sample datasets: simulated kymographs in a temporary folder. No viewer, no layer."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_core.indexers import DatasetIndexer
from kymflow_core.simulate import DEMO_SCANS, REAL_SIZE_SCANS, Scan, make_demo_dataset
from kymflow_zarr import Watch
from kymflow_zarr.errors import CancelledError
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow.tables.work import Outcome, load_views

Sample: TypeAlias = Literal["small", "real size"]

SCANS: Mapping[Sample, Sequence[Scan]] = {"small": DEMO_SCANS, "real size": REAL_SIZE_SCANS}
"""What is in each."""


def make_sample(sample: Sample, watch: Watch = UNWATCHED) -> Path:
    """Make a sample in a new temporary folder, and return its path; raise `CancelledError` where `watch` is cancelled."""
    path = Path(tempfile.mkdtemp(prefix="kymflow-sample-")) / f"{sample.replace(' ', '_')}.zarr"
    make_demo_dataset(path, scans=SCANS[sample], watch=watch)
    return path


class SampleWork:
    """Makes a sample, and takes a snapshot of it; called in a worker."""

    def __init__(self, sample: Sample, known: Sequence[DatasetIndexer]) -> None:
        self._sample, self._known = sample, known

    def __call__(self, watch: Watch) -> Outcome | None:
        """Return what was made; None where it was cancelled."""
        try:
            path = make_sample(self._sample, watch).resolve()
        except CancelledError:
            return None
        return Outcome(path, load_views(path, self._known, None, watch))

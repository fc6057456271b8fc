"""What is wrong with the root of a dataset and its three groups, which say of which dataset they are."""

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.making import dataset_said
from kymflow_zarr.dataset.recognize import GROUPS
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.formats.places import MISPLACED
from kymflow_zarr.record.groups import group_place
from kymflow_zarr.verify.problems import Findings, found
from kymflow_zarr.verify.record import empty_group_findings, telling_group_findings


def root_findings(blobs: Blobs, dataset: Dataset, *, deep: bool) -> Findings:
    """Yield what is wrong; where all groups that say something say another dataset, the root is what was exchanged."""
    if not blobs.exists(layout.GROUP_DOCUMENT):
        return
    keys = [f"{group}/{layout.GROUP_DOCUMENT}" for group in GROUPS]
    said = {name for key in keys if (name := dataset_said(blobs, key)) is not None}
    is_foreign = bool(said) and dataset.dataset_id not in said
    if is_foreign:
        what = (
            f"{MISPLACED}: it is of dataset {dataset.dataset_id}, and the folders next to it are of "
            f"{', '.join(sorted(said))}; put the file there that belongs there, or restore it"
        )
        yield from found(layout.GROUP_DOCUMENT, what)
    if not deep:
        return
    yield from telling_group_findings(blobs, layout.GROUP_DOCUMENT, layout.GROUP_DOCUMENT, of=None)
    for key in keys:
        of = group_place(blobs, key, dataset_id=dataset.dataset_id)
        if not is_foreign:
            yield from empty_group_findings(blobs, key, where=key, of=of, trusted=True)

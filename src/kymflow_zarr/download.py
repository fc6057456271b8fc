"""Copies a dataset from an address to a disk, file by file, as it is.

The rule of this room: the copy appears whole or not at all. What can be made again is left out and made again.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kymflow_zarr import layout
from kymflow_zarr.counted import counted
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.recognize import load_attributes
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.local_path import address_of, local_path
from kymflow_zarr.errors import DatasetExistsError, DatasetNotFoundError, InvalidNameError
from kymflow_zarr.remote.opening import open_remote
from kymflow_zarr.watch import UNWATCHED, Watch

AT_ONCE = 8
"""How many files are asked for at once."""
_LEFT_OUT = (layout.STAGING, layout.QUARANTINE, layout.TRASH, layout.MANIFEST, layout.FILE_LIST)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadReport:
    """What a download brought."""

    records: int
    files: int
    nbytes: int

    def summary(self) -> str:
        """Return one line."""
        megabytes = f"{self.nbytes / 1e6:.1f} MB"
        return f"{counted(self.records, 'record')} downloaded: {counted(self.files, 'file')}, {megabytes}"


def download_dataset(address: str | Path, target: str | Path, *, watch: Watch = UNWATCHED) -> DownloadReport:
    """Copy the dataset at an address to a folder of this computer; it keeps its id, its records theirs.

    Each file must have the size that the list of files says; `verify(deep=True)` of the copy compares all checksums.

    Parameters
    ----------
    address
        `https://host/lab.zarr` or `s3://bucket/lab.zarr`.
    target
        The new folder; nothing may be there.
    watch
        Shows after each file how far the copy is; when cancelled, nothing is at `target`.

    Raises
    ------
    InvalidNameError
        When it is no address.
    DatasetNotFoundError, NotADatasetError, RemoteError, DamagedError
        When there is no dataset, or it cannot be read; then nothing is at `target`.
    DatasetExistsError
        When there is something at `target`, even if it came there only now.
    NotSavedError
        When the disk fails or is full; then nothing is at `target`.
    """
    place = local_path(target)
    taken = DatasetExistsError(f"there is something at {place} already; give the copy a new name")
    if (url := address_of(address)) is None:
        raise InvalidNameError(f"{address} is no address; copy a folder of this computer with what the system has for it")
    if place.exists():
        raise taken
    source, parent = open_remote(url), Blobs(place.absolute().parent, read_only=False)
    if load_attributes(source) is None:
        raise DatasetNotFoundError(f"there is no dataset at {url}")
    try:
        with parent.build(place.name, keep_reserve=True, replace=False, is_dataset=True) as draft:
            report = _copy(source, draft, watch)
    except FileExistsError as error:
        raise taken from error
    finally:
        parent.forget_empty_staging()
    return report


def _copy(source: Blobs, draft: Blobs, watch: Watch) -> DownloadReport:
    keys = [key for key in source.files("", hidden=None) if not key.startswith(_LEFT_OUT)]
    nbytes = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download") as pool:
        for done, (key, data) in enumerate(_asked(source, keys, pool), start=1):
            watch.check("the download was cancelled; nothing was written")
            draft.write(key, data)
            nbytes += len(data)
            watch.progress(done, len(keys), "")
    manifest = Dataset(draft.root, mode="a").rebuild_manifest()
    return DownloadReport(records=len(manifest.entries), files=len(keys), nbytes=nbytes)


def _asked(source: Blobs, keys: list[str], pool: ThreadPoolExecutor) -> Iterator[tuple[str, bytes]]:
    """Yield the files in order; of those that come next, some are asked for meanwhile."""
    rest, pending = iter(keys), deque[tuple[str, Future[bytes]]]()
    try:
        while True:
            pending.extend((key, pool.submit(source.read, key)) for key in islice(rest, 2 * AT_ONCE - len(pending)))
            if not pending:
                return
            key, data = pending.popleft()
            yield key, data.result()
    finally:
        for _, waiting in pending:
            waiting.cancel()

"""Opens the dataset at an address: one request for the list of its files, or, of a bucket without one, its listing.

The rule of this room: what was read of an address is used again only after the server said that its list of files has not
changed. So each worker of a program may open the dataset for itself, and none reads again what another has read.
"""

from collections import OrderedDict
from threading import Lock

from kymflow_zarr import layout
from kymflow_zarr.errors import DatasetNotFoundError, RemoteError
from kymflow_zarr.remote.blobs import RemoteBlobs
from kymflow_zarr.remote.file_list import FileList
from kymflow_zarr.remote.objects import Environment, Mark, Objects, environment_of

KEPT = 4
"""Of how many addresses the list of files, and what was read last, stays in memory."""

_kept: OrderedDict[tuple[str, Environment], tuple[RemoteBlobs, Mark]] = OrderedDict()
_lock = Lock()


def open_remote(address: str) -> RemoteBlobs:
    """Return the folder of the dataset at an address.

    Raises
    ------
    DatasetNotFoundError
        When there is no list of files, and the server has no dataset or cannot say what it has.
    RemoteError
        When the server refuses, fails, or does not answer.
    DamagedError
        When the list of files cannot be read.
    """
    key = (address, environment_of(address))
    with _lock:
        known = _kept.get(key)
    try:
        asking = known[0].objects if known else Objects(address)
        answer = asking.read_changed(layout.FILE_LIST, known[1] if known else None)
    except FileNotFoundError:
        objects = Objects(address)
        return RemoteBlobs(objects, _listed(objects))
    if answer is None:
        if known is None:
            raise RemoteError(f"{address} says that its list of files is as before, and none was read before; try again")
        return known[0]
    data, mark = answer
    objects = Objects(address) if known else asking
    opened = RemoteBlobs(objects, FileList.from_bytes(data, what=objects.describe(layout.FILE_LIST)))
    with _lock:
        _kept[key] = opened, mark
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return opened


def _listed(objects: Objects) -> FileList:
    """Ask a bucket which files it has, a thousand a request; of a server that only gives files, say what to do."""
    address = objects.address
    if not objects.can_list:
        raise DatasetNotFoundError(
            f"there is no {layout.FILE_LIST} at {address}, and a web server does not say what else it has: look at the "
            "address; if the dataset is there, then on the computer that it was copied from run "
            "napari-kymflow prepare-upload, and copy all of it again"
        )
    files = FileList.of_files((key, f"{size}-{tag}") for key, size, tag in objects.list())
    if not files.top:
        raise DatasetNotFoundError(f"there is nothing at {address}; look at the address")
    return files

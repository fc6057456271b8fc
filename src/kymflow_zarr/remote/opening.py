"""Opens the dataset at an address: one request for the list of its files, or, of a bucket without one, its listing."""

from kymflow_zarr import layout
from kymflow_zarr.errors import DatasetNotFoundError
from kymflow_zarr.remote.blobs import RemoteBlobs
from kymflow_zarr.remote.file_list import FileList
from kymflow_zarr.remote.objects import Objects


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
    objects = Objects(address)
    try:
        data = objects.read(layout.FILE_LIST, keep=False)
    except FileNotFoundError:
        return RemoteBlobs(objects, _listed(objects))
    return RemoteBlobs(objects, FileList.from_bytes(data, what=objects.describe(layout.FILE_LIST)))


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

"""Every error that the storage floor raises, drawn once.

Each is also the built-in that a stranger would catch. Each message says what was asked, what is there and what to do.

```
KymflowZarrError
├── DatasetNotFoundError   (FileNotFoundError)  nothing, or no folder, at the path
├── NotADatasetError       (ValueError)         a folder, but not one of ours
├── UnsupportedVersionError (ValueError)        ours, but of a format version that this program cannot use
│   └── OlderDatasetError                       of the older program: `upgrade` makes a copy that opens
├── DatasetExistsError     (FileExistsError)    asked to create what is there
├── RecordNotFoundError    (FileNotFoundError)  no such image id
├── ArtifactNotFoundError  (FileNotFoundError)  no such JSON, Parquet or array artifact
├── ArtifactExistsError    (FileExistsError)    an array that belongs to metadata is never replaced
├── TableNotFoundError     (FileNotFoundError)  no such dataset table
├── FolderNotEmptyError    (FileExistsError)    an export that would lie among other files
├── PixelsExistError       (FileExistsError)    pixels are written once
├── InvalidNameError       (ValueError)         a name that the naming rule refuses
├── InvalidValueError      (ValueError)         an array, axes, chunks, frame or JSON value that cannot be stored
├── DamagedError           (ValueError)         what is on disk is not what was written
├── SourceError            (ValueError)         a file or folder that cannot be imported
├── ConflictError          (RuntimeError)       somebody else saved first
├── CancelledError         (RuntimeError)       somebody stopped work that is done whole or not at all
├── WorkerLostError        (RuntimeError)       a process that shared the work was ended from outside
├── NotInstalledError      (ImportError)        a package that is needed for this is not installed
├── RemoteError            (ConnectionError)    a server refused, failed or did not answer: nothing is known of its files
├── ReadOnlyError          (PermissionError)    the dataset, or its disk, cannot be written
└── NotSavedError          (OSError)            the disk failed; the old state is unchanged
    └── UnconfirmedError                        the disk failed so late that the new state may be there, or come back
```
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self


class KymflowZarrError(Exception):
    """Root of the storage errors; the one class that a GUI needs to catch."""


class DatasetNotFoundError(KymflowZarrError, FileNotFoundError):
    """There is nothing, or no folder, at a dataset's path."""


class NotADatasetError(KymflowZarrError, ValueError):
    """The folder is not a kymflow dataset."""


class UnsupportedVersionError(KymflowZarrError, ValueError):
    """The dataset has a format version that this program cannot use."""


class OlderDatasetError(UnsupportedVersionError):
    """The dataset was written by the older program; `upgrade` makes a copy that opens."""

    @classmethod
    def at(cls, path: str) -> Self:
        """Return the error of the dataset in a folder."""
        return cls(
            f"{path} was written by the older program, and is not opened as it is; make a copy in today's format with: "
            "napari-kymflow upgrade OLD.zarr NEW.zarr"
        )


class DatasetExistsError(KymflowZarrError, FileExistsError):
    """A dataset was to be created where something is already."""


class RecordNotFoundError(KymflowZarrError, FileNotFoundError):
    """The dataset has no record of that image id."""


class ArtifactNotFoundError(KymflowZarrError, FileNotFoundError):
    """The record has no artifact of that name."""


class ArtifactExistsError(KymflowZarrError, FileExistsError):
    """The record has an array of that name, which some revision of its metadata may refer to."""


class TableNotFoundError(KymflowZarrError, FileNotFoundError):
    """The dataset has no table of that name."""


class FolderNotEmptyError(KymflowZarrError, FileExistsError):
    """A folder for an export has other files in it."""


class PixelsExistError(KymflowZarrError, FileExistsError):
    """The record has its pixels already; they are written once."""


class InvalidNameError(KymflowZarrError, ValueError):
    """The naming rule refuses a name."""


class InvalidValueError(KymflowZarrError, ValueError):
    """A value cannot be stored as it is."""


class DamagedError(KymflowZarrError, ValueError):
    """What is on disk is not what was written."""


class SourceError(KymflowZarrError, ValueError):
    """A file or folder cannot be imported."""


class ConflictError(KymflowZarrError, RuntimeError):
    """Somebody else saved first; nothing was written."""


class CancelledError(KymflowZarrError, RuntimeError):
    """Work that is done whole or not at all was stopped by the person who asked for it."""


class WorkerLostError(KymflowZarrError, RuntimeError):
    """A process that shared the work was ended before it was done; what it had done by then is whole."""


class NotInstalledError(KymflowZarrError, ImportError):
    """A package that is needed for this is not installed."""


class RemoteError(KymflowZarrError, ConnectionError):
    """A server refused, failed or did not answer; never that it has no such file."""


class ReadOnlyError(KymflowZarrError, PermissionError):
    """The dataset was opened for reading, or its disk refuses to be written."""


class NotSavedError(KymflowZarrError, OSError):
    """The disk failed while saving; what was there before is unchanged."""


class UnconfirmedError(NotSavedError):
    """The disk failed so late that nobody knows whether it is saved; nothing old was deleted."""


@contextmanager
def whatever_is_raised(becomes: Callable[[Exception], Exception]) -> Iterator[None]:
    """Turn whatever is raised inside the block into an error of ours: the one place of the program that catches anything.

    Readers of files and of headers come from other packages, and call still others. No list has all that these raise over
    one file, and it must not end the import of all the others. Running out of memory, and our own errors, pass as they are.

    Parameters
    ----------
    becomes
        Makes the error to raise of the one that came.
    """
    try:
        yield
    except (KymflowZarrError, MemoryError):
        raise
    except Exception as error:
        raise becomes(error) from error

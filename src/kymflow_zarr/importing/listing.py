"""The names in one folder, listed once, and which TIFF each of them belongs to.

The rule of this room: a file belongs to one TIFF only, the one with the longest name that its own begins with. Whoever
reads one TIFF asks the listing, and need not go through the names of all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Self

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.formats.tiff import TIFF_ENDINGS
from kymflow_zarr.layout import ARRAYS_FOLDER

_ENDINGS = (layout.CSV_GZ, layout.JSON, layout.PARQUET, ".csv", ".npy")
"""Of artifacts, the longest first: ".csv.gz" is no ".gz"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """What lies in one folder, by name; nothing is read.

    `names` are all visible names; `tiffs` the TIFFs by their stem without regard to upper and lower case; `sidecars` the
    keys of the files with the ending of an artifact that belong to a TIFF, by its stem; `arrays` the names of the `.npy`
    files in the folder `array_artifacts` that begin with no TIFF's name.
    """

    folder: Path
    names: frozenset[str]
    tiffs: Mapping[str, tuple[str, ...]]
    sidecars: Mapping[str, tuple[str, ...]]
    arrays: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """List a folder; one that is not there is empty. Raises `OSError` where it cannot be read."""
        blobs = Blobs(folder, read_only=True)
        names = blobs.names("")
        tiffs: dict[str, list[str]] = {}
        stems: set[str] = set()
        for name in names:
            path = PurePosixPath(name)
            if path.suffix.lower() in TIFF_ENDINGS:
                tiffs.setdefault(path.stem.casefold(), []).append(name)
                stems.add(path.stem)
        sidecars: dict[str, list[str]] = {}
        arrays: list[str] = []
        in_arrays = [f"{ARRAYS_FOLDER}/{name}" for name in blobs.names(ARRAYS_FOLDER)]
        for key in (*names, *in_arrays):
            name, ending = split_ending(key.rpartition("/")[2])
            owner = _owner(name, stems)
            if ending and owner and name != owner:
                sidecars.setdefault(owner, []).append(key)
            elif "/" in key and ending == ".npy":
                arrays.append(key.rpartition("/")[2])
        return cls(
            folder=folder,
            names=frozenset(names),
            tiffs={stem: tuple(found) for stem, found in tiffs.items()},
            sidecars={stem: tuple(found) for stem, found in sidecars.items()},
            arrays=tuple(arrays),
        )

    @property
    def n_tiffs(self) -> int:
        """How many TIFFs there are."""
        return sum(map(len, self.tiffs.values()))

    def twin_of(self, name: str) -> str:
        """Return another TIFF of the same name but for its ending, and upper and lower case; empty where there is none."""
        found = self.tiffs.get(PurePosixPath(name).stem.casefold(), ())
        return next((other for other in found if other != name), "")


@dataclass(frozen=True, slots=True)
class Listings:
    """The folders that one import has listed so far; each once, whichever thread asks first."""

    _found: dict[Path, FolderListing] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, folder: Path) -> FolderListing:
        """Return the listing of a folder, as it was when it was first asked for; raises as `FolderListing.of`."""
        with self._lock:
            if folder not in self._found:
                self._found[folder] = FolderListing.of(folder)
            return self._found[folder]


def split_ending(key: str) -> tuple[str, str]:
    """Return a file's name without its ending, and its ending; the latter empty where it is no artifact's."""
    ending = next((ending for ending in _ENDINGS if key.lower().endswith(ending)), "")
    return key[: len(key) - len(ending)], ending


def _owner(name: str, stems: set[str]) -> str:
    """Return the longest stem of a TIFF that a name is or begins with: of "a.b.c" or "a.b", the TIFF "a.b" before "a"."""
    while name and name not in stems:
        name = name.rpartition(".")[0]
    return name

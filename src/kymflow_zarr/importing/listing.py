"""The names in one folder, listed once, and which image file each of them belongs to.

The rule of this room: a file belongs to one image file only, the one with the longest name that its own begins with; of a
TIFF and a file of another format with one name, to the TIFF. Whoever reads one image asks the listing, and need not go
through the names of all others.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
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

    `names` are all visible names; `images` the image files by their stem without regard to upper and lower case; `sidecars`
    the keys of the files with the ending of an artifact that belong to an image, by its stem; `arrays` the names of the
    `.npy` files in the folder `array_artifacts` that begin with no image's name; `strays` the other files with the
    ending of an artifact that begin with none, so that nobody knows whose they are.
    """

    folder: Path
    names: frozenset[str]
    images: Mapping[str, tuple[str, ...]]
    sidecars: Mapping[str, tuple[str, ...]]
    arrays: tuple[str, ...]
    strays: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path, *, endings: Sequence[str] = TIFF_ENDINGS) -> Self:
        """List a folder; one that is not there is empty. Raises `OSError` where it cannot be read.

        `endings` are those of image files, in lower case.
        """
        blobs = Blobs(folder, read_only=True)
        names = blobs.names("")
        images = _images(names, TIFF_ENDINGS)
        images = {**_images(names, endings), **images}
        stems = {PurePosixPath(name).stem for name in itertools.chain.from_iterable(images.values())}
        sidecars: dict[str, list[str]] = {}
        arrays: list[str] = []
        strays: list[str] = []
        in_arrays = [f"{ARRAYS_FOLDER}/{name}" for name in blobs.names(ARRAYS_FOLDER)]
        for key in (*names, *in_arrays):
            name, ending = split_ending(key.rpartition("/")[2])
            owner = _owner(name, stems)
            if ending and owner and name != owner:
                sidecars.setdefault(owner, []).append(key)
            elif "/" in key and ending == ".npy":
                arrays.append(key.rpartition("/")[2])
            elif ending and not owner and "/" not in key:
                strays.append(key)
        return cls(
            folder=folder,
            names=frozenset(names),
            images={stem: tuple(found) for stem, found in images.items()},
            sidecars={stem: tuple(found) for stem, found in sidecars.items()},
            arrays=tuple(arrays),
            strays=tuple(strays),
        )

    @property
    def n_images(self) -> int:
        """How many image files there are."""
        return sum(map(len, self.images.values()))

    def twin_of(self, name: str) -> str:
        """Return another image of the same name but for its ending, and upper and lower case; empty where there is none."""
        found = self.images.get(PurePosixPath(name).stem.casefold(), ())
        return next((other for other in found if other != name), "")


@dataclass(frozen=True, slots=True)
class Listings:
    """The folders that one import has listed so far; each once, whichever thread asks first."""

    endings: Sequence[str] = TIFF_ENDINGS
    _found: dict[Path, FolderListing] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, folder: Path) -> FolderListing:
        """Return the listing of a folder, as it was when it was first asked for; raises as `FolderListing.of`."""
        with self._lock:
            if folder not in self._found:
                self._found[folder] = FolderListing.of(folder, endings=self.endings)
            return self._found[folder]


def _images(names: Iterable[str], endings: Sequence[str]) -> dict[str, list[str]]:
    """Return the files with some endings by their stem."""
    found: dict[str, list[str]] = {}
    for path in map(PurePosixPath, names):
        if path.suffix.lower() in endings:
            found.setdefault(path.stem.casefold(), []).append(path.name)
    return found


def split_ending(key: str) -> tuple[str, str]:
    """Return a file's name without its ending, and its ending; the latter empty where it is no artifact's."""
    ending = next((ending for ending in _ENDINGS if key.lower().endswith(ending)), "")
    return key[: len(key) - len(ending)], ending


def _owner(name: str, stems: set[str]) -> str:
    """Return the longest stem of an image file that a name is or begins with: of "a.b.c" or "a.b", "a.b" before "a"."""
    while name and name not in stems:
        name = name.rpartition(".")[0]
    return name

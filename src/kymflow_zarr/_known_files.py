"""Which of the files that are found are in the dataset already: by path, and where that says nothing by content.

The rule of this room: content decides, time only saves reading it. Nothing is written here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_zarr.sources import UNKNOWN, Source

Standing: TypeAlias = Literal["new", "same", "touched", "changed", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """What is known of a file that was found, or of several that make one record.

    "same" has the size and time that it had, "touched" only its content, "changed" not even that. "moved" is a file at an
    unknown place with the content of one that is no longer where it was.
    """

    path: Path
    further: tuple[Path, ...] = ()
    standing: Standing = "new"
    image_id: str = ""
    source: Source | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files of the record."""
        return (self.path, *self.further)


class KnownFiles:
    """The files that the records of a dataset came from.

    Parameters
    ----------
    sources
        The source of each record, by image id.
    dataset
        The dataset's folder.
    """

    def __init__(self, sources: Mapping[str, Source], dataset: Path) -> None:
        self._sources = sources
        self._by_place: dict[str, str] = {}
        self._by_way: dict[str, str] = {}
        missing: dict[int, list[str]] = {}
        for image_id, source in sources.items():
            places = source.places(dataset)
            if not any(place.exists() for place in places):
                missing.setdefault(source.source_size_bytes, []).append(image_id)
            for place, known in zip(places, (self._by_place, self._by_way), strict=False):
                for one in (place, *(place.with_name(name) for name in source.further_names())):
                    known.setdefault(str(one), image_id)
        self._missing = missing

    def look(self, path: Path, further: Sequence[Path] = ()) -> KnownFile:
        """Return what is known of a file; raise `OSError` where it cannot be looked at."""
        paths = (path, *further)
        places = [str(one.resolve()) for one in paths]
        image_id = next((self._by_place[place] for place in places if place in self._by_place), None)
        if image_id is not None:
            return self._of_known(paths, image_id)
        image_id = next((self._by_way[place] for place in places if place in self._by_way), None)
        if image_id is not None:
            found = self._of_known(paths, image_id)
            if found.standing != "changed":  # else the dataset was moved to where another file has the same name
                return found
        moved = self._find_moved(paths)
        if moved is None:
            return KnownFile(path=path, further=tuple(further))
        return KnownFile(path=path, further=tuple(further), standing="moved", image_id=moved, source=self._sources[moved])

    def _of_known(self, paths: tuple[Path, ...], image_id: str) -> KnownFile:
        source = self._sources[image_id]
        standing: Standing = "changed"
        if len(paths) != 1 + len(source.further_names()) or UNKNOWN in (source.source_size_bytes, source.source_mtime_ns):
            standing = "same"  # nothing was noted that it could be compared with, or it is one of several files
        elif source.is_unchanged(*paths):
            standing = "same"
        elif source.has_content_of(*paths):
            standing = "touched"
        return KnownFile(path=paths[0], further=paths[1:], standing=standing, image_id=image_id, source=source)

    def _find_moved(self, paths: tuple[Path, ...]) -> str | None:
        candidates = self._missing.get(sum(one.stat().st_size for one in paths), [])
        found = next((image_id for image_id in candidates if self._sources[image_id].has_content_of(*paths)), None)
        if found is not None:
            candidates.remove(found)  # a second copy is another file
        return found


def without_further(files: Sequence[Path], groups: Mapping[Path, Sequence[Path]]) -> list[tuple[Path, tuple[Path, ...]]]:
    """Return each file with those that belong to it, leaving these out of the list."""
    owned: Collection[Path] = {one for further in groups.values() for one in further}
    return [(path, tuple(groups.get(path, ()))) for path in files if path not in owned]

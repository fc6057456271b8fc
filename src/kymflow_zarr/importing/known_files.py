"""Which of the files that are found are in the dataset already: by path, and where that says nothing by content.

The rule of this room: content decides, time only saves reading it. Nothing is written here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_zarr.tables.sources import UNKNOWN, Source, digest_of_files, size_and_time

Standing: TypeAlias = Literal["new", "same", "touched", "changed", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """What is known of a file that was found, or of several that make one record.

    "same" has the size and time that it had, "touched" only its content, "changed" not even that. "moved" is a file
    with the content of one that is no longer where it was, at an unknown place or at that of another, as where two names
    were exchanged.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """The files that were found, each with those that make one record with it; and why some are not taken."""

    units: tuple[tuple[Path, tuple[Path, ...]], ...]
    refused: Mapping[Path, str]


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
        self._dataset = dataset
        self._by_size: dict[int, list[str]] = {}
        self._gone: list[Source] = []
        self._taken: set[str] = set()
        for image_id, source in sources.items():
            places = source.places(dataset)
            self._by_size.setdefault(source.source_size_bytes, []).append(image_id)
            if not any(place.exists() for place in places):
                self._gone.append(source)
            for place, known in zip(places, (self._by_place, self._by_way), strict=False):
                for one in (place, *(place.with_name(name) for name in source.further_names())):
                    known.setdefault(str(one), image_id)

    def group(self, files: Sequence[Path], wanted: Mapping[Path, Sequence[Path]]) -> Grouped:
        """Return which files make one record: those that do already, whatever is wanted, and new ones that are to.

        Parameters
        ----------
        files
            The files that were found.
        wanted
            The first file of each scan of several with the others.
        """
        groups, refused = self._known_groups(files), dict[Path, str]()
        owned = {one for further in groups.values() for one in further}
        for first, others in wanted.items():
            rest = [one for one in (first, *others) if one not in groups and one not in owned]
            if len(rest) == 1 + len(others) and not any(self._id_of(one) for one in rest):
                groups[first] = tuple(others)
                owned |= set(others)
                continue
            for one in (one for one in rest if not self._id_of(one)):
                refused[one] = (
                    f"{one.name} is a channel of a scan that is in the dataset already, without it; delete that image and "
                    "import the folder again, or import without merging channels to have it as an image of its own"
                )
        left = [one for one in files if one not in owned and one not in refused]
        return Grouped(units=tuple((one, groups.get(one, ())) for one in left), refused=refused)

    def identify(self, path: Path, further: Sequence[Path] = ()) -> KnownFile:
        """Return what is known of a file; raise `OSError` where it cannot be looked at."""
        paths = (path, *further)
        found = KnownFile(path=path, further=tuple(further))
        image_id = self._by_place.get(str(path.resolve()))
        if image_id is not None:
            found = self._of_known(paths, image_id)
        elif (by_way := self._by_way.get(str(path.resolve()))) is not None:
            there = self._of_known(paths, by_way)
            # Else the dataset was moved to where another file has the same name.
            found = there if there.standing != "changed" else found
        if found.standing not in ("new", "changed"):
            return found
        moved = self._find_moved(paths)
        if moved is None:
            return found
        return KnownFile(path=path, further=tuple(further), standing="moved", image_id=moved, source=self._sources[moved])

    def _known_groups(self, files: Sequence[Path]) -> dict[Path, tuple[Path, ...]]:
        """Return the files that make a record of several, where they were or, by their names, in another folder."""
        there = set(files)
        groups: dict[Path, tuple[Path, ...]] = {}
        for path in files:
            image_id = self._id_of(path)
            known = [self._sources[image_id]] if image_id else [one for one in self._gone if _name_of(one) == path.name]
            for source in known:
                others = tuple(path.with_name(name) for name in source.further_names())
                if not others or path.name != _name_of(source) or not there.issuperset(others):
                    continue
                if image_id or _has_content(source, (path, *others)):
                    groups[path] = others
        return groups

    def _id_of(self, path: Path) -> str | None:
        """Return the record that a file is known to belong to by its place."""
        place = str(path.resolve())
        return self._by_place.get(place) or self._by_way.get(place)

    def _of_known(self, paths: tuple[Path, ...], image_id: str) -> KnownFile:
        source = self._sources[image_id]
        standing: Standing = "changed"
        if len(paths) != 1 + len(source.further_names()) or UNKNOWN in (source.source_size_bytes, source.source_mtime_ns):
            standing = "same"  # nothing was noted that it could be compared with, or others of its scan are away
        elif source.is_unchanged(*paths):
            standing = "same"
        elif source.has_content_of(*paths):
            standing = "touched"
        return KnownFile(path=paths[0], further=paths[1:], standing=standing, image_id=image_id, source=source)

    def _find_moved(self, paths: tuple[Path, ...]) -> str | None:
        """Return the record whose file has this content and is no longer where it was; of several, one of the same name."""
        candidates = set(self._by_size.get(sum(size_and_time(one)[0] for one in paths), [])) - self._taken
        if not candidates:
            return None
        digest = digest_of_files(paths)
        same = [image_id for image_id in candidates if self._sources[image_id].source_sha256 == digest]
        same.sort(key=lambda image_id: (_name_of(self._sources[image_id]) != paths[0].name, image_id))
        found = next((image_id for image_id in same if not self._is_where_it_was(self._sources[image_id])), None)
        if found is not None:
            self._taken.add(found)  # a second copy is another file
        return found

    def _is_where_it_was(self, source: Source) -> bool:
        """Return whether one of the places that a record's file may be at has its content."""
        names = source.further_names()
        return any(
            _has_content(source, (place, *(place.with_name(name) for name in names)))
            for place in source.places(self._dataset)
            if place.exists()
        )


def _has_content(source: Source, paths: Sequence[Path]) -> bool:
    try:
        return source.is_unchanged(*paths) or source.has_content_of(*paths)
    except OSError:  # one went away, which is said when it is looked at
        return False


def _name_of(source: Source) -> str:
    return source.source_primary_path.replace("\\", "/").rpartition("/")[2]

"""Which of the files that are found are in the dataset already: by path, and where that says nothing by content.

The rule of this room: content decides, time only saves reading it. Nothing is written here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.importing.folders import is_there
from kymflow_zarr.tables.sources import UNKNOWN, Digested, Source, size_and_time_of

Standing: TypeAlias = Literal["new", "same", "touched", "changed", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """What is known of a file that was found, or of several that make one record.

    "same" has the size and time that it had, "touched" only its content, "changed" not even that. "moved" is a file
    with the content of one that is no longer where it was, at an unknown place or at that of another, as where two names
    were exchanged. `digested` is its content, where that had to be read to know. `lacking` are files of its record, of
    several, that are no longer there.
    """

    path: Path
    further: tuple[Path, ...] = ()
    image: str = ""
    standing: Standing = "new"
    image_id: str = ""
    source: Source | None = None
    digested: Digested | None = None
    lacking: tuple[str, ...] = ()

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
        self._by_place: dict[tuple[str, str], str] = {}
        self._by_way: dict[tuple[str, str], str] = {}
        self._dataset = dataset
        self._by_content: dict[tuple[int, str], list[str]] = {}
        self._gone: dict[str, list[Source]] = {}
        self._taken: set[str] = set()
        self._lacking: dict[tuple[str, Path], tuple[str, ...]] = {}
        self._places: dict[Path, str] = {}
        for image_id, source in sources.items():
            places = source.places(dataset)
            self._by_content.setdefault((source.source_size_bytes, source.source_sha256), []).append(image_id)
            if not any(place.exists() for place in places):
                self._gone.setdefault(_name_of(source), []).append(source)
            for place, known in zip(places, (self._by_place, self._by_way), strict=False):
                for one in (place, *(place.parent / name for name in source.further_names())):
                    known.setdefault((str(one), source.source_image), image_id)
        self._sizes = {size for size, _ in self._by_content}

    def place_of(self, path: Path) -> str:
        """Return where a file really is, links followed; found out once."""
        if path not in self._places:
            self._places[path] = str(path.resolve())
        return self._places[path]

    def group(self, files: Sequence[Path], wanted: Mapping[Path, Sequence[Path]]) -> Grouped:
        """Return which files make one record: those that do already, whatever is wanted, and new ones that are to.

        Parameters
        ----------
        files
            The files that were found.
        wanted
            The first file of each scan of several with the others.
        """
        groups, refused, found = self._known_groups(files), dict[Path, str](), {*files}
        owned = {one for further in groups.values() for one in further}
        for first, others in wanted.items():
            rest = [one for one in (first, *others) if one not in groups and one not in owned]
            new = [one for one in rest if not self._is_of_a_record(one)]
            if len(new) == 1 + len(others):
                groups[first] = tuple(others)
                owned |= set(others)
                continue
            for one in found.intersection(new):  # a file that no pattern has is no image of its own
                refused[one] = (
                    f"{one.name} is one file of a scan that is in the dataset already, without it; delete that image and "
                    "import the folder again, or import this file alone, with its name as the pattern, to have it as an "
                    "image of its own"
                )
        left = [one for one in files if one not in owned and one not in refused]
        return Grouped(units=tuple((one, groups.get(one, ())) for one in left), refused=refused)

    def identify(self, path: Path, further: Sequence[Path] = (), image: str = "") -> KnownFile:
        """Return what is known of a file, or of an image in it; raise `OSError` where it cannot be looked at."""
        paths, place = (path, *further), (self.place_of(path), image)
        found = KnownFile(path=path, further=tuple(further), image=image)
        image_id = self._by_place.get(place)
        if image_id is not None:
            found = self._of_known(paths, image_id)
        elif (by_way := self._by_way.get(place)) is not None:
            there = self._of_known(paths, by_way)
            # Else the dataset was moved to where another file has the same name.
            found = there if there.standing != "changed" else found
        if found.standing not in ("new", "changed"):
            return found
        digested, moved = self._find_moved(paths, image)
        if moved is None:
            return replace(found, digested=digested)
        return replace(found, standing="moved", image_id=moved, source=self._sources[moved])

    def _known_groups(self, files: Sequence[Path]) -> dict[Path, tuple[Path, ...]]:
        """Return the files that make a record of several, where they were or, by their names, in another folder."""
        there = set(files)
        groups: dict[Path, tuple[Path, ...]] = {}
        for path in files:
            image_id = self._id_of(path)
            known = [self._sources[image_id]] if image_id else self._gone.get(path.name, [])
            for source in known:
                others = tuple(path.parent / name for name in source.further_names())
                if not others or path.name != _name_of(source) or not all(one in there or is_there(one) for one in others):
                    continue
                if image_id or _has_content(source, (path, *others)):
                    groups[path] = others
        return groups

    def _id_of(self, path: Path) -> str | None:
        """Return the record that a file is known to belong to by its place."""
        place = (self.place_of(path), "")
        return self._by_place.get(place) or self._by_way.get(place)

    def _is_of_a_record(self, path: Path) -> bool:
        """Return whether a file is known to belong to a record, by its place or, where it has moved, by its content."""
        try:
            return self._id_of(path) is not None or self._record_of_content((path,))[1] is not None
        except (OSError, KymflowZarrError):  # reported when it is identified
            return False

    def _of_known(self, paths: tuple[Path, ...], image_id: str) -> KnownFile:
        source = self._sources[image_id]
        standing: Standing = "changed"
        if len(paths) != 1 + len(source.further_names()) or UNKNOWN in (source.source_size_bytes, source.source_mtime_ns):
            standing = "same"  # nothing was noted that it could be compared with, or others of its scan are away
        elif source.is_unchanged(*paths):
            standing = "same"
        elif source.has_content_of(*paths):
            standing = "touched"
        return KnownFile(
            path=paths[0],
            further=paths[1:],
            image=source.source_image,
            standing=standing,
            image_id=image_id,
            source=source,
            lacking=self._lacking_of(image_id, paths[0].parent) if len(paths) <= len(source.further_names()) else (),
        )

    def _lacking_of(self, image_id: str, folder: Path) -> tuple[str, ...]:
        """Return the files of a record of several that are not in a folder; looked for once, whichever of them is asked."""
        if (image_id, folder) not in self._lacking:
            source = self._sources[image_id]
            names = (_name_of(source), *source.further_names())
            self._lacking[image_id, folder] = tuple(name for name in names if not is_there(folder / name))
        return self._lacking[image_id, folder]

    def _find_moved(self, paths: tuple[Path, ...], image: str) -> tuple[Digested | None, str | None]:
        """Return as `_record_of_content`, and take the record: a second copy is another file."""
        digested, found = self._record_of_content(paths, image)
        if found is not None:
            self._taken.add(found)
        return digested, found

    def _record_of_content(self, paths: tuple[Path, ...], image: str = "") -> tuple[Digested | None, str | None]:
        """Return the content, where it was read, and the record whose file has it and is no longer where it was.

        Of several records, that of a file of the same name.
        """
        if size_and_time_of(paths)[0] not in self._sizes:
            return None, None
        digested = Digested.of(paths)
        same = [one for one in self._by_content.get((digested.size, digested.sha256), []) if one not in self._taken]
        same = [one for one in same if self._sources[one].source_image == image]
        same.sort(key=lambda image_id: (_name_of(self._sources[image_id]) != paths[0].name, image_id))
        return digested, next((image_id for image_id in same if not self._is_where_it_was(self._sources[image_id])), None)

    def _is_where_it_was(self, source: Source) -> bool:
        """Return whether one of the places that a record's file may be at has its content."""
        names = source.further_names()
        return any(
            _has_content(source, (place, *(place.parent / name for name in names)))
            for place in source.places(self._dataset)
            if place.exists()
        )


def _has_content(source: Source, paths: Sequence[Path]) -> bool:
    try:
        return source.is_unchanged(*paths) or source.has_content_of(*paths)
    except OSError:  # one went away; the report names it when it is identified
        return False


def _name_of(source: Source) -> str:
    return source.source_primary_path.replace("\\", "/").rpartition("/")[2]

"""Entries of the experiment from the names of folders, such as `{subject id}/{vessel id}`.

The rule of this room: the folders of a file fit the pattern in one way, or nothing is taken from them; and what a record
has already stays.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kymflow_core.errors import MetadataError
from kymflow_core.images.metadata_fields import KNOWN_KEYS, entered_value, entry_key, entry_label
from kymflow_core.metadata_edit import EditReport, MetadataEdit, fill_experiment
from kymflow_zarr import ImportReport, JsonValue, Watch, ZarrDataset
from kymflow_zarr.counted import counted
from kymflow_zarr.watch import UNWATCHED

EXAMPLE = "{subject id}/{vessel id}"
_ANY, _ANY_MORE = "*", "**"
_ENTRY = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPattern:
    """Which entries the folders between an imported folder and a file name, one part for each folder.

    A part is text with entries in braces, such as `{subject id}` or `mouse {subject_id}_{condition}`, or `*` for a folder
    of any name. `**` at the end stands for any number of further folders. An entry that occurs again must have the same
    text there.

    Raises
    ------
    MetadataError
        When the pattern has no entry, one that no form has, or cannot be understood; the message names all of that.
    """

    text: str

    def __post_init__(self) -> None:
        wrong = list(_problems(self._parts))
        if wrong:
            raise MetadataError(f"the pattern of folders {self.text!r} cannot be used: {'; '.join(wrong)}")

    @property
    def keys(self) -> tuple[str, ...]:
        """The entries that it names, each once."""
        return tuple(dict.fromkeys(key for part in self._parts for key in _ENTRY.findall(part)))

    def match(self, folders: Sequence[str]) -> dict[str, JsonValue]:
        """Return the entries that some folders name, the outermost first.

        Raises
        ------
        MetadataError
            When they do not fit the pattern, or in several ways.
        """
        if not folders:
            raise MetadataError(f"no folder lies between the file and the imported one, so nothing fits {self.text!r}")
        path = "/".join(folders)
        shortest, longest = (re.fullmatch(self._expression(repeat), path) for repeat in ("+?", "+"))
        if shortest is None or longest is None:
            raise MetadataError(f"its folders {path!r} do not fit {self.text!r}")
        found, other = shortest.groupdict(), longest.groupdict()
        if found != other:
            key = next(key for key in found if found[key] != other[key])
            raise MetadataError(
                f"its folders {path!r} fit {self.text!r} in several ways: {entry_label(key)} is {found[key]!r} or "
                f"{other[key]!r}"
            )
        edit = MetadataEdit(experiment={key: entered_value(key, text) for key, text in found.items()})
        return dict(edit.experiment)

    @property
    def _parts(self) -> list[str]:
        keyed = _ENTRY.sub(lambda named: f"{{{entry_key(named[1])}}}", self.text)
        return re.split(r"[\\/]", keyed.strip().strip("\\/"))

    def _expression(self, repeat: str) -> str:
        seen: set[str] = set()
        parts = [part for part in self._parts if part != _ANY_MORE]
        more = "(?:/.*)?" if len(parts) < len(self._parts) else ""
        return "/".join(_expression_of(part, repeat, seen) for part in parts) + more


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderNames:
    """What was taken from the names of folders: the edits, and the files whose folders do not fit, each with the reason."""

    edit: EditReport = field(default_factory=EditReport)
    not_fitting: Mapping[Path, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every file's folders were understood, and every record could be saved."""
        return not (self.not_fitting or self.edit.failed)

    def summary(self) -> str:
        """Return one line, such as "from folder names: 3 records changed; the folders of 1 file do not fit"."""
        count = len(self.not_fitting)
        files = f"; the folders of {counted(count, 'file')} do not fit" if count else ""
        return f"from folder names: {self.edit.summary()}{files}"

    def notes(self) -> Iterator[str]:
        """Yield a line for each record that keeps other entries than its folders name."""
        for one in self.edit.kept:
            yield f"{one.name}: {one.reason}"


def check_has_folders(folder: Path) -> None:
    """Raise `MetadataError` where the folders below a folder are an export's, or parts of one image."""
    if ZarrDataset.is_export(folder) or ZarrDataset.is_ome_zarr(folder):
        raise MetadataError(
            f"the folders in {folder} do not name what was recorded: it is an exported dataset or one OME-Zarr image; "
            "import it without folder names"
        )


def fill_from_folders(
    dataset: ZarrDataset, folder: Path, pattern: FolderPattern, report: ImportReport, *, watch: Watch = UNWATCHED
) -> FolderNames:
    """Enter what the names of folders say of the images that an import found, where their records have nothing.

    Parameters
    ----------
    dataset
        The dataset.
    folder
        The folder that was imported: the pattern begins below it.
    pattern
        Which folder names what.
    report
        What the import found: new images, and those that were there.
    watch
        Shows after each record how far the work is; when cancelled, what was entered by then stays.
    """
    entries: dict[str, dict[str, JsonValue]] = {}
    not_fitting: dict[Path, str] = {}
    for path, image_id in _images_of(dataset, report).items():
        try:
            found = pattern.match(path.relative_to(folder).parts[:-1])
        except MetadataError as error:
            not_fitting[path] = str(error)
            continue
        if entries.setdefault(image_id, found) != found:
            not_fitting[path] = f"it is a link to the file of an image that has {entries[image_id]} of another folder"
    return FolderNames(edit=fill_experiment(dataset, entries, watch=watch), not_fitting=not_fitting)


def _images_of(dataset: ZarrDataset, report: ImportReport) -> dict[Path, str]:
    """Return the record of each file that an import found."""
    read = (*report.imported, *report.replaced, *report.completed)
    found = {one.path: one.image_id for one in read} | {one.path: one.image_id for one in report.moved}
    if not report.skipped:
        return found
    places = {
        str(place): image_id for image_id, source in dataset.load_sources().items() for place in source.places(dataset.path)
    }
    there = {path: places.get(str(path.resolve())) for path in report.skipped}
    return found | {path: image_id for path, image_id in there.items() if image_id is not None}


def _expression_of(part: str, repeat: str, seen: set[str]) -> str:
    if part == _ANY:
        return "[^/]+"
    pieces = []
    for at, piece in enumerate(_ENTRY.split(part)):
        is_entry = at % 2 == 1
        pieces.append(
            re.escape(piece) if not is_entry else f"(?P={piece})" if piece in seen else f"(?P<{piece}>[^/]{repeat})"
        )
        seen |= {piece} if is_entry else set()
    return "".join(pieces)


def _problems(parts: Sequence[str]) -> Iterator[str]:
    keys = [key for part in parts for key in _ENTRY.findall(part)]
    if not keys:
        yield f"it names no entry in braces, as {EXAMPLE!r} does"
    unknown = [key for key in dict.fromkeys(keys) if key not in KNOWN_KEYS]
    if unknown:
        yield f"there is no entry {', '.join(map(repr, unknown))}; there are {', '.join(map(entry_label, KNOWN_KEYS))}"
    for part in parts:
        rest = _ENTRY.sub("", part)
        if not part.strip():
            yield "a folder in it has no name"
        elif "{" in rest or "}" in rest:
            yield f"the braces in {part!r} are not closed, or within each other"
        elif _ANY in rest and part not in (_ANY, _ANY_MORE):
            yield f"{part!r} has a star; write it alone, for a folder of any name"
    if _ANY_MORE in parts[:-1]:
        yield "** is for further folders, and can only be at the end"

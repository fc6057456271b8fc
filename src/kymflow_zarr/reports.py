"""What an import did, as values: which files became records, which were skipped, moved or failed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_NAMED = 8
"""How many files one line names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """One file that became a record."""

    path: Path
    image_id: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedFile:
    """One file with the content of a record's file that is no longer where it was."""

    path: Path
    image_id: str
    was: Path
    further: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteRecord:
    """One file whose record another reader made, so that the record may lack what this reader reads of it.

    `reader` is the one that made the record, empty where nobody noted it.
    """

    path: Path
    image_id: str
    reader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFile:
    """One file or folder that could not be read, and why."""

    path: Path
    reason: str

    @classmethod
    def unreadable(cls, path: Path, error: OSError) -> Self:
        """Return what a disk's error says of a file."""
        return cls(path=path, reason=f"{path} cannot be read ({error.strerror or error})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    `replaced` are records that got the pixels of their changed file, `moved` files that were not imported since a record
    has their content already; `ZarrDataset.relink` notes where they are now. `completed` are records that got what an
    earlier reader did not read of their file, `incomplete` those that would get it on request, and `reads` says what that
    is. `notes` are of no file of its own. `is_cancelled` says that files were left that the import did not come to.
    """

    imported: tuple[ImportedFile, ...] = ()
    skipped: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()
    failed: tuple[FailedFile, ...] = ()
    moved: tuple[MovedFile, ...] = ()
    replaced: tuple[ImportedFile, ...] = ()
    completed: tuple[ImportedFile, ...] = ()
    incomplete: tuple[IncompleteRecord, ...] = ()
    reads: str = ""
    notes: tuple[str, ...] = ()
    is_cancelled: bool = False

    @property
    def has_changed(self) -> bool:
        """Whether records were added, or changed."""
        return bool(self.imported or self.replaced or self.completed)

    def describe_incomplete(self) -> str:
        """Return one sentence on the records that would get more on request; empty where there are none."""
        count = len(self.incomplete)
        if not count:
            return ""
        readers = ", ".join(sorted({one.reader or "an unknown reader" for one in self.incomplete}))
        one = count == 1
        return (
            f"{count} record{' was' if one else 's were'} imported by {readers}, which may have left out {self.reads} of "
            f"{'its file' if one else 'their files'}"
        )

    def summary(self) -> str:
        """Return one line, such as "3 imported, 1 skipped"."""
        parts = [f"{len(self.imported)} imported", f"{len(self.skipped)} skipped"]
        if self.replaced:
            parts.insert(1, f"{len(self.replaced)} changed and read again")
        if self.completed:
            parts.insert(1, f"{len(self.completed)} completed")
        if self.moved:
            parts.append(f"{len(self.moved)} known, but moved to another folder or renamed")
        if self.changed:
            parts.append(f"{len(self.changed)} of these changed on disk since they were imported")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        if self.is_cancelled:
            parts.append("cancelled before the rest")
        return ", ".join(parts)


def describe_companions(companions: Mapping[Path, str]) -> Iterator[str]:
    """Yield, of each kind of files that are no records of their own, one line with their names."""
    for kind in sorted(set(companions.values())):
        names = [path.name for path, one in companions.items() if one == kind]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        what = "file belongs" if len(names) == 1 else "files belong"
        yield (
            f"{len(names)} {what} to the images of the same scan as {kind}, not imported as images of their own: "
            f"{', '.join(names[:_NAMED])}{more}"
        )

"""What an import did, as values: which files became records, which were skipped, moved or failed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int, str], None]


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
class FailedFile:
    """One file or folder that could not be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    `replaced` are records that got the pixels of their changed file, `moved` files that were not imported since a record
    has their content already; `ZarrDataset.relink` takes up where they are now. `notes` are of no file of its own.
    """

    imported: tuple[ImportedFile, ...] = ()
    skipped: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()
    failed: tuple[FailedFile, ...] = ()
    moved: tuple[MovedFile, ...] = ()
    replaced: tuple[ImportedFile, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line, such as "3 imported, 1 skipped"."""
        parts = [f"{len(self.imported)} imported", f"{len(self.skipped)} skipped"]
        if self.replaced:
            parts.insert(1, f"{len(self.replaced)} changed and read again")
        if self.moved:
            parts.append(f"{len(self.moved)} known, but moved to another folder or renamed")
        if self.changed:
            parts.append(f"{len(self.changed)} of these changed on disk since they were imported")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return ", ".join(parts)

"""How a folder is imported: one frozen value, which every caller makes and hands on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from kymflow_zarr.importing.content import ReadFile
from kymflow_zarr.importing.file_reader import FileReader, installed_reader
from kymflow_zarr.importing.zarr_folders import ENDING

OnChanged: TypeAlias = Literal["skip", "reingest_if_changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """How a folder is imported.

    Parameters
    ----------
    patterns
        Which files, and which folders that are one image, by name, with `*`; upper and lower case are the same. By default
        all that the reader takes, and `*.zarr`.
    on_changed
        What happens to a file that has changed since it was imported. "skip" only reports it. "reingest_if_changed" gives
        its record the new pixels: id, ROIs and history stay, and results are outdated.
    merge_channels
        Whether new files of one scan, one a channel, become one record; by default each is a record.
    relink
        Whether the dataset notes where files are now that have moved.
    complete
        Whether records that another reader made, which read less, get what it did not read. What people drew, edited or
        entered since stays.
    read_file
        A function that reads one file, instead of a reader.
    reader
        What reads the files, by default the installed reader.
    """

    patterns: Sequence[str] = ()
    on_changed: OnChanged = "skip"
    merge_channels: bool = False
    relink: bool = False
    complete: bool = False
    read_file: ReadFile | None = None
    reader: FileReader | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "patterns", tuple(self.patterns))
        if self.on_changed not in ("skip", "reingest_if_changed"):
            raise ValueError(
                f"mode {self.on_changed!r} is not known; use 'skip' to leave changed files alone, or 'reingest_if_changed'"
            )

    def choose_reader(self) -> FileReader:
        """Return what reads the files; raises as `installed_reader`."""
        if self.read_file is not None:
            return FileReader.of(self.read_file)
        return self.reader or installed_reader()

    def choose_patterns(self) -> tuple[str, ...]:
        """Return which files and image folders are imported, by name; raises as `installed_reader`."""
        return tuple(self.patterns) or tuple(f"*{ending}" for ending in (*self.choose_reader().endings(), ENDING))


class PlanFields(TypedDict, total=False):
    """Fields of an `ImportPlan`, by which one differs from another."""

    patterns: Sequence[str]
    on_changed: OnChanged
    merge_channels: bool
    relink: bool
    complete: bool
    read_file: ReadFile
    reader: FileReader

"""How a folder is imported: one frozen value, which every caller makes and hands on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypedDict

from kymflow_zarr.importing.changed_file import Renew
from kymflow_zarr.importing.content import Channels, ReadFile
from kymflow_zarr.importing.file_reader import FileReader, installed_reader

TIFF_PATTERNS = ("*.tif", "*.tiff")
OnChanged: TypeAlias = Literal["skip", "reingest_if_changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """How a folder is imported.

    Parameters
    ----------
    patterns
        Which files, by name, with `*`; upper and lower case are the same.
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
    read_file, channels, renew
        Instead of those of the installed reader: how one file is read, how the files of one scan are, and which metadata a
        record has with the pixels of its changed file.
    """

    patterns: Sequence[str] = TIFF_PATTERNS
    on_changed: OnChanged = "skip"
    merge_channels: bool = False
    relink: bool = False
    complete: bool = False
    read_file: ReadFile | None = None
    channels: Channels | None = None
    renew: Renew | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "patterns", tuple(self.patterns))
        if self.on_changed not in ("skip", "reingest_if_changed"):
            raise ValueError(
                f"mode {self.on_changed!r} is not known; use 'skip' to leave changed files alone, or 'reingest_if_changed'"
            )

    def reader(self) -> FileReader:
        """Return what reads the files; raises as `installed_reader`."""
        reader = installed_reader() if self.read_file is None else FileReader.of(self.read_file)
        reader = reader.with_channels(self.channels) if self.channels else reader
        return replace(reader, renew=self.renew or reader.renew)


class PlanFields(TypedDict, total=False):
    """Fields of an `ImportPlan`, by which one differs from another."""

    patterns: Sequence[str]
    on_changed: OnChanged
    merge_channels: bool
    relink: bool
    complete: bool
    read_file: ReadFile
    channels: Channels
    renew: Renew

"""What is asked before a folder is imported: scans of several files, and what the names of folders stand for. No Qt."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from kymflow_core import FolderPattern
from kymflow_core.errors import MetadataError
from kymflow_core.images.metadata_fields import entry_label

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """What lies in a folder that is to be imported.

    `channels` are the names of the first files of scans with several files, one a channel, which no header puts together;
    `files` are all files, relative to the folder.
    """

    channels: tuple[str, ...] = ()
    files: tuple[PurePath, ...] = ()

    @property
    def has_subfolders(self) -> bool:
        """Whether a file lies in a folder that could name something."""
        return any(len(path.parts) > 1 for path in self.files)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to ask."""
        return not self.channels and not self.has_subfolders

    def describe_channels(self) -> str:
        """Return what is to know of scans with several files; empty where there are none."""
        if not self.channels:
            return ""
        several = f"{len(self.channels)} scans have" if len(self.channels) > 1 else "One scan has"
        return f"{several} several files, one a channel, such as {self.channels[0]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWish:
    """What was asked for: one image of each scan with several files, and what the names of folders stand for."""

    merge_channels: bool = False
    folder_names: FolderPattern | None = None


def import_wish(merge_channels: bool = False, folder_names: str = "") -> ImportWish:  # a form is made from these
    """Return what was asked for; raise `MetadataError` where the pattern of folder names cannot be used."""
    return ImportWish(merge_channels=merge_channels, folder_names=pattern_of(folder_names))


def pattern_of(text: str) -> FolderPattern | None:
    """Return the pattern that was entered, None for nothing; raise `MetadataError` where it cannot be used."""
    return FolderPattern(text=text.strip()) if text.strip() else None


def describe_pattern(pattern: FolderPattern, files: Sequence[PurePath]) -> str:
    """Return what a pattern takes from the folders of some files: the first ones, and how many files do not fit."""
    fitting, failed, counts = dict[PurePath, str](), dict[PurePath, str](), Counter(path.parent for path in files)
    for folder in counts:
        try:
            found = pattern.match(folder.parts)
        except MetadataError as error:
            failed[folder] = str(error)
        else:
            fitting[folder] = ", ".join(f"{entry_label(key)} {value}" for key, value in found.items())
    lines = [f"{folder.as_posix()}: {text}" for folder, text in list(fitting.items())[:_SHOWN]]
    if len(fitting) > _SHOWN:
        lines.append(f"and {len(fitting) - _SHOWN} more folders")
    if failed:
        count = sum(counts[folder] for folder in failed)
        what = "file gets" if count == 1 else "files get"
        lines.append(f"{count} {what} nothing: {next(iter(failed.values()))}")
    return "\n".join(lines)

"""What an installed package knows of files, as one value; found by its entry point.

The rule of this room: storage knows no microscope and no ROI. What reads them is registered by a package in the entry-point
group `kymflow_zarr.file_readers`; where no package is, a TIFF and its sidecars are read, and nothing else.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias

from kymflow_zarr.errors import SourceError
from kymflow_zarr.exporting.plan import InfoOf, NameOf, ScalesOf, TitlesOf, no_scales, no_text, no_titles
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.formats.tiff import TIFF_ENDINGS
from kymflow_zarr.importing.changed_file import Renew, keep_metadata
from kymflow_zarr.importing.complete_record import MergeMetadata
from kymflow_zarr.importing.content import FileContent, FileSets, FindSets, GroupFiles, ReadFile
from kymflow_zarr.importing.listing import FolderListing
from kymflow_zarr.importing.ome_zarr import read_ome_zarr
from kymflow_zarr.importing.sidecars import read_with_sidecars
from kymflow_zarr.installed import entry_points
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import CheckRecord
from kymflow_zarr.tables.sources import Source

GROUP = "kymflow_zarr.file_readers"

ReadListed: TypeAlias = Callable[[Path, FolderListing], FileContent]
"""Reads one file, given what lies in its folder; raises `SourceError` where it cannot."""
ReadImage: TypeAlias = Callable[[Path, FolderListing, str], FileContent]
"""Reads one image of a file that may hold several, by its name; raises as `ReadListed`."""
ReadChannels: TypeAlias = Callable[[Sequence[Path], FolderListing], FileContent]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReader:
    """What a package knows of files: how they are read, grouped, described and checked.

    Parameters
    ----------
    name, version
        What a record notes of the reader that made it. The version grows when the reader knows more of a file than before.
    reads
        What it reads next to the pixels, in a person's words, such as "headers, ROIs and results".
    read
        Reads one file.
    endings
        How the names of the files end that it takes, in lower case, such as ".tif"; asked for by every import.
    left_out
        Why parts of it cannot be used, one sentence each; in the report of every import.
    images_of, read_image
        The names of the images in a file that may hold several, each once, and how one is read; an empty name is that of
        a file that is one image. Asked for by every import.
    find_sets
        Which files belong together by what a header says; asked for by every import.
    group_files
        Which other files, one a channel, are one image by their names; only on request.
    read_channels
        How the files of one image are read together.
    read_image_folder
        Reads a folder that is one OME-Zarr image.
    renew
        Which metadata a record has with the pixels of its changed file.
    merge_metadata
        Which metadata a record has with what an earlier reader did not read; None where the reader completes no records.
    has_read
        Whether a record's metadata show that this reader made them, of records that do not say who did.
    describe, check_record
        The OME description of a record, and what else is wrong with it.
    scales_of, name_of, info_of
        The scales, the name and ImageJ's `Info` that a record's metadata state.
    titles_of
        What stands above the columns of an exported CSV instead of their names.
    """

    name: str
    version: int = 0
    reads: str = ""
    read: ReadListed
    endings: Callable[[], Sequence[str]] = lambda: TIFF_ENDINGS
    left_out: Callable[[], Sequence[str]] = tuple
    images_of: Callable[[Path], Sequence[str]] = lambda _path: ("",)
    read_image: ReadImage | None = None
    find_sets: FindSets | None = None
    group_files: GroupFiles | None = None
    read_channels: ReadChannels | None = None
    read_image_folder: ReadFile = read_ome_zarr
    renew: Renew = keep_metadata
    merge_metadata: MergeMetadata | None = None
    has_read: Callable[[JsonObject], bool] = bool
    describe: DescribeImage | None = None
    check_record: CheckRecord | None = None
    scales_of: ScalesOf = no_scales
    name_of: NameOf = no_text
    info_of: InfoOf = no_text
    titles_of: TitlesOf = no_titles

    @classmethod
    def of(cls, read_file: ReadFile) -> Self:
        """Return a reader that reads files as a function does, and knows no more."""
        name = f"{read_file.__module__}.{getattr(read_file, '__qualname__', type(read_file).__qualname__)}"
        return cls(name=name, read=lambda path, _listing: read_file(path), read_image_folder=read_file)

    def sets_of(self, files: Sequence[Path]) -> FileSets:
        """Return which files belong together by what a header says; folders that are one image belong to no others."""
        return self.find_sets(_no_folders(files)) if self.find_sets else FileSets()

    def scans_by_name(self, files: Sequence[Path], sets: FileSets) -> Mapping[Path, Sequence[Path]]:
        """Return, of the files that are in no set yet, which are one image by their names: the first with the others."""
        taken = {*sets.companions, *sets.scans, *itertools.chain.from_iterable(sets.scans.values())}
        return self.group_files([one for one in _no_folders(files) if one not in taken]) if self.group_files else {}

    def read_record(self, paths: Sequence[Path], listing: FolderListing, *, image: str = "") -> FileContent:
        """Read the file of a record, an image in it, its files, one a channel, or the folder that is one image."""
        if image:
            if self.read_image is None:
                raise SourceError(f"{paths[0]} holds several images; say how one of them is read")
            return self.read_image(paths[0], listing, image)
        if len(paths) == 1:
            return self.read_image_folder(paths[0]) if paths[0].is_dir() else self.read(paths[0], listing)
        if self.read_channels is None:
            raise SourceError(f"{paths[0]} is one of several files of a scan; say how their channels are read together")
        return self.read_channels(paths, listing)

    def signed(self, source: Source) -> Source:
        """Return a source that notes this reader."""
        return replace(source, reader=self.name, reader_version=str(self.version))

    def knows_more_than(self, source: Source, metadata: Callable[[], JsonObject]) -> bool:
        """Return whether this reader may add to a record of that source, which another reader, or an earlier one, made."""
        if self.merge_metadata is None:
            return False
        if not source.reader:
            return not self.has_read(metadata())
        noted = int(source.reader_version) if source.reader_version.isdecimal() else 0
        return source.reader != self.name or noted < self.version


def _no_folders(files: Sequence[Path]) -> list[Path]:
    return [path for path in files if path.suffix.lower() in TIFF_ENDINGS or not path.is_dir()]


PLAIN = FileReader(name="kymflow_zarr", version=1, read=read_with_sidecars)
"""Reads a TIFF and its sidecars: what is used where no package brings a reader."""


def installed_reader() -> FileReader:
    """Return the reader that a package brings, else one of TIFFs and their sidecars.

    Raises
    ------
    SourceError
        When there are several, or the one that is there does not work.
    """
    points = entry_points(group=GROUP)
    if len(points) > 1:
        names = ", ".join(f"{point.name!r} ({point.value})" for point in points)
        raise SourceError(f"several installed packages read files: {names}; keep one of them, or give read_file")
    if not points:
        return PLAIN
    try:
        reader = points[0].load()
    except (ImportError, AttributeError) as error:
        raise SourceError(
            f"the file reader {points[0].name!r} ({points[0].value}) cannot be loaded: {error}; install its package again"
        ) from error
    if not isinstance(reader, FileReader):
        raise SourceError(
            f"the file reader {points[0].name!r} ({points[0].value}) is a {type(reader).__name__}, not a FileReader; "
            "install its package again, in a version for this one"
        )
    return reader

"""What this package knows of files, as the reader that storage finds by the entry point `kymflow_zarr.file_readers`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kymflow_core.columns import titles_of
from kymflow_core.headers.tiff_metadata import imagej_info
from kymflow_core.images.acquisition_file import read_for_import
from kymflow_core.images.changed_image import completed_metadata, renewed_metadata
from kymflow_core.images.channel_files import group_channels
from kymflow_core.images.check_rois import check_rois
from kymflow_core.images.image_readers import installed_image_readers
from kymflow_core.images.metadata import HEADER, RecordMetadata
from kymflow_core.images.native_files import belong_to_one, find_native_sets, with_native_sets
from kymflow_core.images.ome_files import read_foreign_image
from kymflow_core.images.ome_metadata import describe_metadata
from kymflow_core.images.scan_files import find_sets, read_scan, read_scan_file
from kymflow_zarr import FileContent, FileReader, JsonObject
from kymflow_zarr.formats.tiff import Scale
from kymflow_zarr.importing.content import FileSets
from kymflow_zarr.importing.listing import FolderListing


def scales_of_calibration(*, um_per_pixel: float | None, seconds_per_line: float | None) -> dict[str, Scale]:
    """Return the scales of a kymograph's axes, x in µm and y in s, as far as they are known."""
    found = {"y": (seconds_per_line, "s"), "x": (um_per_pixel, "um")}
    return {axis: Scale(size=size, unit=unit) for axis, (size, unit) in found.items() if size is not None}


def _scales_of(metadata: JsonObject) -> dict[str, Scale]:
    header = RecordMetadata.from_json(metadata).header
    return scales_of_calibration(um_per_pixel=header.um_per_pixel, seconds_per_line=header.seconds_per_line)


def _name_of(metadata: JsonObject) -> str:
    return RecordMetadata.from_json(metadata).header.name


def _info_of(metadata: JsonObject) -> str:
    return imagej_info(RecordMetadata.from_json(metadata).header)


def _has_read(metadata: JsonObject) -> bool:
    """Return whether a header was read: one that was only entered by hand has no fields of a microscope."""
    header = metadata.get(HEADER)
    return isinstance(header, Mapping) and "fields" in header


def _find_sets(files: Sequence[Path]) -> FileSets:
    return with_native_sets(find_sets(files), find_native_sets(files))


def _read_files(paths: Sequence[Path], listing: FolderListing) -> FileContent:
    """Read the files of one record: a file with others that belong to it, or one file a channel."""
    return read_for_import(paths[0], listing) if belong_to_one(paths) else read_scan(paths, listing)


FILE_READER = FileReader(
    name="kymflow_core",
    version=4,
    reads="headers, ROIs and results",
    read=read_scan_file,
    endings=lambda: tuple(installed_image_readers().by_ending),
    left_out=lambda: installed_image_readers().problems,
    images_of=lambda path: installed_image_readers().images_of(path),
    read_image=lambda path, listing, image: read_for_import(path, listing, image_name=image),
    find_sets=_find_sets,
    group_files=group_channels,
    read_channels=_read_files,
    read_image_folder=read_foreign_image,
    renew=renewed_metadata,
    merge_metadata=completed_metadata,
    has_read=_has_read,
    describe=describe_metadata,
    check_record=check_rois,
    scales_of=_scales_of,
    name_of=_name_of,
    info_of=_info_of,
    titles_of=titles_of,
)
"""Reads TIFFs, and other files that an image reader takes, with their microscope's header, ROIs and results."""

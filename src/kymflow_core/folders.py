"""Folders in and out of a dataset, with all that the domain knows of them: headers, ROIs, results, calibration.

The rule of this room: what storage takes as a function argument is filled in here, once.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kymflow_core.errors import KymflowError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.headers.tiff_metadata import imagej_info
from kymflow_core.images.acquisition_file import read_for_import
from kymflow_core.images.channel_files import CHANNEL_FILES
from kymflow_core.images.check_rois import check_rois
from kymflow_core.images.ome_files import import_ome_zarr
from kymflow_core.images.ome_metadata import describe_metadata, update_ome
from kymflow_core.metadata_edit import BY_HAND
from kymflow_core.roi import MaskROI, RectROI, RoiSet
from kymflow_zarr import FileContent, ImportReport, JsonObject, ZarrDataset, ZarrImageRecord
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.exporting.export import ExportProgress, ExportReport
from kymflow_zarr.formats.tiff import Scale
from kymflow_zarr.importing.changed_file import Renewed
from kymflow_zarr.importing.content import OnChanged
from kymflow_zarr.importing.ome_zarr import is_ome_folder
from kymflow_zarr.reports import Progress

PATTERNS = ("*.tif", "*.tiff")


def import_folder(
    dataset: ZarrDataset,
    folder: str | Path,
    *,
    patterns: Sequence[str] = PATTERNS,
    on_changed: OnChanged = "skip",
    merge_channels: bool = False,
    relink: bool = False,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> ImportReport:
    """Import a folder of TIFFs with all that lies beside them, one that `export_folder` wrote, or an OME-Zarr image.

    Parameters
    ----------
    dataset
        What is filled.
    folder
        Where to look, with all its subfolders.
    patterns
        Which files of a folder that is no export.
    on_changed
        What becomes of a file that has changed since: "skip", or "reingest_if_changed", which gives its record the new
        pixels; ROIs and history stay, and results are outdated.
    merge_channels
        Whether `scan_C1.tif` and `scan_C2.tif` become one record with a channel axis.
    relink
        Whether the dataset takes up where files are that have moved.
    progress, executor
        As in `ZarrDataset.import_folder`.

    Raises
    ------
    SourceError
        When the folder cannot be read, or has no file that matches.
    ReadOnlyError, NotSavedError
        When the dataset cannot be written; what came in before stays.
    """
    if is_export(folder):
        return ingest_legacy_folder(dataset, folder, progress=progress)
    if is_ome_zarr(folder):
        return import_ome_zarr(dataset, folder)
    report = dataset.import_folder(
        folder,
        patterns=patterns,
        read_file=read_for_import,
        on_changed=on_changed,
        renew=renewed_metadata,
        channels=CHANNEL_FILES,
        merge_channels=merge_channels,
        progress=progress,
        executor=executor,
    )
    for file in report.replaced:
        # What was read is in; that OME-Zarr could not be told of it, or the record is gone again, is no reason to fail.
        with suppress(KymflowZarrError):
            record = dataset.record(file.image_id)
            update_ome(record, AcquisitionHeader.of_metadata(record.load_metadata_payload()))
    if relink:
        failed = dataset.relink(report.moved)
        lost = {one.path for one in failed}
        noted = tuple(one for one in report.moved if one.path not in lost)
        report = replace(report, moved=noted, failed=(*report.failed, *failed))
    return report


def is_ome_zarr(folder: str | Path) -> bool:
    """Return whether a folder is imported as one OME-Zarr image, by its name or by what is in it."""
    return Path(folder).suffix == ".zarr" or is_ome_folder(Path(folder))


def is_export(folder: str | Path) -> bool:
    """Return whether a folder is one that `export_folder` wrote; raise `SourceError` where it is, and cannot be used."""
    return ZarrDataset.is_export(folder)


def ingest_legacy_folder(
    dataset: ZarrDataset,
    root: str | Path,
    *,
    pattern: str = "*.tif",
    include_sidecars: bool = True,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a folder as `ZarrDataset.ingest_legacy_folder`, with headers, ROIs and results."""
    return dataset.ingest_legacy_folder(
        root,
        pattern=pattern,
        include_sidecars=include_sidecars,
        read_file=read_for_import,
        check_record=check_rois,
        describe=describe_metadata,
        progress=progress,
    )


def export_folder(
    dataset: ZarrDataset,
    folder: str | Path,
    *,
    include_tiff: bool = True,
    include_tables: bool = True,
    friendly_names: bool = False,
    overwrite: bool = False,
    progress: ExportProgress | None = None,
) -> ExportReport:
    """Write a dataset as a folder as `ZarrDataset.export_legacy_folder`, with µm and s in the TIFFs' tags."""
    return dataset.export_legacy_folder(
        folder,
        include_tiff=include_tiff,
        include_tables=include_tables,
        friendly_names=friendly_names,
        overwrite=overwrite,
        scales_of=scales_of,
        name_of=lambda metadata: AcquisitionHeader.of_metadata(metadata).name,
        info_of=lambda metadata: imagej_info(AcquisitionHeader.of_metadata(metadata)),
        progress=progress,
    )


def scales_of(metadata: JsonObject) -> dict[str, Scale]:
    """Return the seconds of a line and the µm of a pixel, as far as a record's metadata know them."""
    header = AcquisitionHeader.of_metadata(metadata)
    return scales_of_calibration(um_per_pixel=header.um_per_pixel, seconds_per_line=header.seconds_per_line)


def scales_of_calibration(*, um_per_pixel: float | None, seconds_per_line: float | None) -> dict[str, Scale]:
    """Return the scales of a kymograph's axes, x in µm and y in s, as far as they are known."""
    found = {"y": (seconds_per_line, "s"), "x": (um_per_pixel, "um")}
    return {axis: Scale(size=size, unit=unit) for axis, (size, unit) in found.items() if size is not None}


def renewed_metadata(record: ZarrImageRecord, content: FileContent) -> Renewed:
    """Return the metadata of a record whose file has changed: its own, with the header of the file as it is now.

    A calibration that was entered by hand stays, and so does one that the file no longer has. ROIs and results beside the
    file are not read again: the record has its own.

    Raises
    ------
    SourceError
        When the image has another shape now, and a ROI of the record does not fit it.
    """
    metadata = record.load_metadata_payload()
    if record.get_axes() != content.axes:
        raise SourceError(
            f"it has the axes {content.axes} now, and its record {record.get_axes()}; import it under another name, as a "
            "new record"
        )
    if record.get_shape() != content.pixels.shape:
        _check_rois_fit(record, metadata, content)
    old, new = (AcquisitionHeader.of_metadata(one) for one in (metadata, content.metadata))
    keeps = old.is_calibrated and (old.calibration_source == BY_HAND or not new.is_calibrated)
    if keeps:
        new = replace(
            new,
            seconds_per_line=old.seconds_per_line,
            um_per_pixel=old.um_per_pixel,
            calibration_source=old.calibration_source,
        )
    own = metadata.get("header")
    header = {**(own if isinstance(own, Mapping) else {}), **new.to_json(), "shape": list(content.pixels.shape)}
    return Renewed(metadata={**metadata, "header": header}, notes=tuple(_notes(old, new, content)))


def _notes(old: AcquisitionHeader, new: AcquisitionHeader, content: FileContent) -> Iterator[str]:
    for name, unit in (("seconds_per_line", "s per line"), ("um_per_pixel", "µm per pixel")):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield f"its calibration was {before or 'unknown'} and is {now or 'unknown'} {unit} now"
    if content.table_artifacts or content.json_artifacts or content.array_artifacts or content.metadata.get("rois"):
        yield "ROIs and results beside it were not read again: its record keeps its own"


def _check_rois_fit(record: ZarrImageRecord, metadata: JsonObject, content: FileContent) -> None:
    sizes = dict(zip(content.axes, content.pixels.shape, strict=True))
    rois = metadata.get("rois")
    try:
        held = RoiSet.from_json(rois if isinstance(rois, list) else [])
    except KymflowError as error:
        raise SourceError(f"the ROIs of its record cannot be read: {error}") from error
    outside = [
        roi.roi_id
        for roi in held
        if isinstance(roi, MaskROI) or roi.mask_ref or (isinstance(roi, RectROI) and _is_outside(roi, sizes))
    ]
    if outside:
        raise SourceError(
            f"it has changed its shape from {record.get_shape()} to {content.pixels.shape}, which the ROIs {outside} of "
            "its record do not fit; delete them, or import the file under another name, as a new record"
        )


def _is_outside(roi: RectROI, sizes: Mapping[str, int]) -> bool:
    return roi.x1 > sizes.get("x", 0) or roi.y1 > sizes.get("y", 0)

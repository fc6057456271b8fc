"""One image file with all files next to it: the microscope's header, the older program's ROIs and results.

The rule of this room: the shape of the pixels wins, what is unknown stays unknown, and the notes report both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from kymflow_core.artifacts import RESULTS
from kymflow_core.columns import with_names
from kymflow_core.errors import KymflowError
from kymflow_core.headers import AcquisitionHeader, HeaderReader, installed_header_readers, read_header
from kymflow_core.headers.older_sidecar import NAME as OLDER_SIDECAR
from kymflow_core.headers.reader import reads_tags
from kymflow_core.images.cloudscope import with_cloudscope_named
from kymflow_core.images.image_readers import ImageInFile, ImageReader, installed_image_readers, read_image
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.ome_metadata import describe_header
from kymflow_core.images.tiff_sidecar import NAME as KYMFLOW
from kymflow_core.images.tiff_sidecar import load_saved, load_saved_masks, sidecar_store
from kymflow_core.older_program import results as older_results
from kymflow_core.roi import ROI, MaskROI, RoiSet
from kymflow_core.roi.masks import whole_mask
from kymflow_core.roi.pixels import drawn_mask
from kymflow_core.roi_files.imagej import rois_from_imagej_tiff
from kymflow_zarr import FileContent, Revision, array_group_key, array_name
from kymflow_zarr.errors import KymflowZarrError, SourceError, whatever_is_raised
from kymflow_zarr.formats.tiff_tags import TiffTags
from kymflow_zarr.importing.listing import FolderListing
from kymflow_zarr.importing.sidecars import read_sidecars, with_sidecars
from kymflow_zarr.importing.tiff_sets import read_tiff_set_and_tags

_UNCALIBRATED = "calibration unknown: no header gives µm per pixel and seconds per line"


def read_acquisition_file(
    path: Path, listing: FolderListing | None = None, further: Sequence[Path] = (), *, image_name: str = ""
) -> FileContent:
    """Read an image, its header, its sidecars and its results; `listing` is of its folder, which is listed anew without.

    `further` are the other files of an OME-TIFF set of which it is the first: then the pixels are those of all.

    Also the folder of one record as an export writes it (`image.tif` with `metadata.json`), and artifacts next to an image
    (`<stem>.<name>.json` and so on); see `kymflow_zarr.importing.sidecars`. `image_name` chooses one of several images in a
    file; the files next to such a file say nothing of which image they are, and are not read.

    Raises
    ------
    SourceError
        When the image, or a file next to it, cannot be read, or a mask does not fit the image: then nothing of it is
        imported, so that it can be mended and imported whole.
    """
    image_readers = installed_image_readers()
    reader = image_readers.reader_of(path)
    image, pixels = _tiff_set((path, *further)) if further else read_image(path, reader, image_name)
    if image_name and len(image_readers.images_of(path)) > 1:
        return _read_one_of_several(path, image, pixels, reader.name)
    tiff = FileContent(pixels=pixels, axes=image.axes, notes=image.notes, elsewhere=image.elsewhere)
    saved, masks = _saved_beside(path)
    found_beside = read_sidecars(path, listing=listing, passed_over=lambda name: name == KYMFLOW or name in masks)
    beside = with_cloudscope_named(path, found_beside)
    found = installed_header_readers()
    read = read_header(path, pixels.shape, _header_readers(reader, image, found.readers), tags=image.tags)
    sidecar, results = None, older_results.Results()
    if beside.metadata is None:
        try:
            sidecar = older_results.read_sidecar(path)
            results = older_results.read_results(path, sidecar.rois if sidecar else None, read.header)
        except KymflowError as error:
            raise SourceError(str(error)) from error
    header, notes = read.header, (*image.notes, *_missing_files(path, tiff), *found.problems, *read.notes)
    if header.calibration_source == OLDER_SIDECAR:
        notes = (*notes, "calibration taken from the older program's .json: no microscope header gives it")
    metadata, of_imagej = _metadata(header, sidecar, tiff, image.tags)
    if saved is None and beside.metadata is None:
        notes = (*notes, *of_imagej)
    if saved is not None:
        metadata = RecordMetadata.from_json(saved.payload).with_header(header)
    if beside.metadata is not None:
        metadata, header = _metadata_of_export(RecordMetadata.from_json(beside.metadata), header)
    if not header.is_calibrated:
        notes = (*notes, _UNCALIBRATED)
    content = replace(
        tiff,
        metadata=metadata.to_json(),
        masks=masks,
        json_artifacts={**(sidecar.json_artifacts if sidecar is not None else {}), **results.json_artifacts},
        table_artifacts=results.table_artifacts,
        computed_from=results.computed_from(sidecar.rois, header) if sidecar is not None else {},
        notes=notes,
        ome=describe_header(header),
    )
    tables = {name: _named(name, frame) for name, frame in beside.table_artifacts.items()}
    return _with_masks_held(path, with_sidecars(content, replace(beside, table_artifacts=tables)))


def _named(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a result with the names of its columns, also where it was read from a CSV that an export titled."""
    return with_names(frame) if name in RESULTS else frame


def _tiff_set(paths: Sequence[Path]) -> tuple[ImageInFile, NDArray[Any]]:
    content, tags = read_tiff_set_and_tags(paths)
    return ImageInFile.of_tiff(content, tags), content.pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class _StatedInFile:
    """A header reader of what an image file itself states, which its image reader has read already."""

    name: str
    header: AcquisitionHeader

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader:
        return self.header


def _header_readers(reader: ImageReader, image: ImageInFile, readers: Sequence[HeaderReader]) -> list[HeaderReader]:
    """Return the header readers of a file: of a TIFF all; of another the file itself, then those of files next to it."""
    if image.tags is not None:
        return [*readers]
    beside = [one for one in readers if not reads_tags(one)]
    return [_StatedInFile(name=reader.name, header=image.header), *beside]


def _read_one_of_several(path: Path, image: ImageInFile, pixels: NDArray[Any], reader: str) -> FileContent:
    read = read_header(path, pixels.shape, [_StatedInFile(name=reader, header=image.header)])
    header = replace(read.header, name=f"{path.stem} {image.name}")
    unknown = () if header.is_calibrated else (_UNCALIBRATED,)
    return FileContent(
        pixels=pixels,
        axes=image.axes,
        metadata=RecordMetadata().with_header(header).to_json(),
        notes=(*image.notes, *read.notes, *unknown),
        ome=describe_header(header),
    )


def read_for_import(
    path: Path, listing: FolderListing | None = None, further: Sequence[Path] = (), *, image_name: str = ""
) -> FileContent:
    """Read as `read_acquisition_file`; raise `SourceError` also where a ROI's mask is missing: no record is half there."""
    try:
        with whatever_is_raised(partial(_failure_of, path)):
            content = _with_masks_of_drawn(read_acquisition_file(path, listing, further, image_name=image_name))
            _check_masks_there(path, content)
    except SourceError:
        raise
    except KymflowZarrError as error:
        raise SourceError(f"{path} cannot be imported: {error}") from error
    return content


def _check_masks_there(path: Path, content: FileContent) -> None:
    for roi in RecordMetadata.from_json(content.metadata).rois:
        name = array_name(roi.mask_ref) if roi.mask_ref else None
        if name and name not in content.masks:
            raise SourceError(
                f"ROI {roi.roi_id} of {path} has a mask {name!r}, which is not next to it; put {path.stem}.{name}.npy "
                "there, or remove the ROI from the file next to the TIFF, then import again"
            )


def _failure_of(path: Path, error: Exception) -> SourceError:
    if isinstance(error, KymflowError | OSError):
        return SourceError(f"{path} cannot be imported: {error}")
    return SourceError(f"{path} cannot be imported: reading it failed ({type(error).__name__}: {error})")


def _with_masks_of_drawn(content: FileContent) -> FileContent:
    """Return a file's content with the masks of ROIs that are drawn only, since a record holds the pixels of each."""
    metadata = RecordMetadata.from_json(content.metadata)
    rois = metadata.rois
    sizes = dict(zip(content.axes, content.pixels.shape, strict=True))
    masks = dict(content.masks)
    for roi in rois:
        if not isinstance(roi, MaskROI) or roi.reference is not None:
            continue
        name = f"roi_mask_{roi.roi_id}"
        while name in masks or name in content.array_artifacts:
            name += "_"
        mask = drawn_mask(roi, (sizes["y"], sizes["x"]))
        if mask is not None:
            masks[name] = mask
            rois = rois.replace(replace(roi, reference=array_group_key(name)))
    if len(masks) == len(content.masks):
        return content
    return replace(content, masks=masks, metadata=metadata.with_rois(rois).to_json())


def _missing_files(path: Path, tiff: FileContent) -> tuple[str, ...]:
    """Say which files of a set were not copied with the one that names them; those of other folders are not looked for."""
    if not tiff.elsewhere:
        return ()
    there = {one.name for one in path.parent.iterdir()}
    missing = [name for name in tiff.elsewhere if name not in there and not {"/", "\\"} & set(name)]
    if not missing:
        return ()
    return (f"{len(missing)} of the {len(tiff.elsewhere)} other files of its set are not in its folder: {missing[0]}, …",)


def _saved_beside(path: Path) -> tuple[Revision | None, dict[str, NDArray[Any]]]:
    """Return what this program saved next to an image, and the masks of it."""
    try:
        store = sidecar_store(path)
        saved = load_saved(store).revision
        return saved, load_saved_masks(path, saved.payload) if saved else {}
    except (KymflowError, KymflowZarrError) as error:
        name = f"{path.stem}.{KYMFLOW}.json"
        text = str(error)
        raise SourceError(text if name in text else f"{path.with_name(name)} cannot be used: {text}") from error


def _metadata_of_export(metadata: RecordMetadata, header: AcquisitionHeader) -> tuple[RecordMetadata, AcquisitionHeader]:
    """Return a record's metadata, and its header; where they have none, the header is what the TIFF says."""
    own = metadata.header
    if not own.is_calibrated and header.is_calibrated:
        seconds, um = header.seconds_per_line, header.um_per_pixel
        own = replace(own, seconds_per_line=seconds, um_per_pixel=um, calibration_source=header.calibration_source)
        return metadata.with_header(own), own
    return (metadata, own) if metadata.has_header else (metadata.with_header(header), header)


def _with_masks_held(path: Path, content: FileContent) -> FileContent:
    """Hold the arrays that ROIs refer to with the metadata; raise `SourceError` where one does not fit the image."""
    try:
        held = RecordMetadata.from_json(content.metadata).rois
    except KymflowError as error:
        raise SourceError(f"{path}: {error}; mend the file next to it, then import again") from error
    wanted = {name: roi for roi in held if roi.mask_ref and (name := array_name(roi.mask_ref))}
    masks = {**content.masks, **{name: array for name, array in content.array_artifacts.items() if name in wanted}}
    sizes = dict(zip(content.axes, content.pixels.shape, strict=True))
    shape = sizes.get("y", 1), sizes.get("x", 1)
    for name, mask in masks.items():
        if whole_mask(wanted.get(name), mask, shape) is None:
            raise SourceError(
                f"the mask {name!r} next to {path} has the shape {mask.shape}, the image {shape} (y, x); mend or remove "
                "it, then import again"
            )
    arrays = {name: array for name, array in content.array_artifacts.items() if name not in masks}
    return replace(content, masks=masks, array_artifacts=arrays)


def _metadata(
    header: AcquisitionHeader, sidecar: older_results.Sidecar | None, tiff: FileContent, tags: TiffTags | None
) -> tuple[RecordMetadata, tuple[str, ...]]:
    """Return the metadata of an image that was not saved by this program, and what to know of the ROIs inside it."""
    metadata = RecordMetadata().with_header(header)
    rois = sidecar.rois if sidecar is not None else RoiSet()
    inside, notes = _rois_inside(tiff, tags, next_id=rois.next_id) if tags is not None else ((), ())
    rois = RoiSet.of((*rois, *inside), next_id=rois.next_id)
    if sidecar is not None:
        metadata = metadata.with_experiment(sidecar.experiment_metadata).with_accepted(accepted=sidecar.accepted)
    return metadata.with_rois(rois) if sidecar is not None or len(rois) else metadata, notes


def _rois_inside(tiff: FileContent, tags: TiffTags, *, next_id: int) -> tuple[tuple[ROI, ...], tuple[str, ...]]:
    """Return the ROIs that ImageJ saved in a TIFF."""
    sizes = dict(zip(tiff.axes, tiff.pixels.shape, strict=True))
    shape = sizes.get("y", 0), sizes.get("x", 0)
    found = rois_from_imagej_tiff(tags.imagej, next_id=next_id, shape=shape)
    if not found.rois and not found.lost:
        return (), ()
    if tags.page_lines != shape[0]:
        count = len(found.rois) + len(found.lost)
        return (), (f"{count} of ImageJ's ROIs in it were left out: they lie in images of {tags.page_lines} lines",)
    names = ", ".join(repr(roi.name) for roi in found.rois[:5])
    taken = (f"ImageJ's ROIs in it were taken: {names}{' …' if len(found.rois) > 5 else ''}",) if found.rois else ()
    return found.rois, (*taken, *(f"of ImageJ's ROIs in it, {line}" for line in found.lost))

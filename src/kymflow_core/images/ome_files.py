"""Images to OME-Zarr folders of their own, with their masks, and foreign OME-Zarr images into a dataset.

The rule of this room: a calibration is taken where OME-Zarr states one in a unit that fits, and nothing is guessed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core.errors import RoiError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.ome_metadata import BEAM, NOTES, describe_header
from kymflow_core.roi import ROI, MaskROI
from kymflow_zarr import FileContent, ImportReport, JsonObject, JsonValue, OmeDescription, ZarrDataset, ZarrImageRecord
from kymflow_zarr.exporting.ome_zarr import LabelImage, write_ome_zarr
from kymflow_zarr.importing.ome_zarr import OME_ATTRIBUTES, read_ome_zarr

LABELS = "rois"
SOURCE = "ome_zarr"
"""The `calibration_source` of a header whose calibration OME-Zarr stated."""

_UM = {
    "angstrom": 1e-4,
    "picometer": 1e-6,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
_SECONDS = {"nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0}
"""Units by UDUNITS-2's names, which OME-Zarr 0.5 asks for ("axes" metadata)."""


def export_ome_zarr(
    image: AcqImage, target: str | Path, *, roi_ids: Iterable[int] | None = None
) -> dict[str, tuple[int, ...]]:
    """Write an image as an OME-Zarr 0.5 folder, its ROIs as labels.

    A ROI's id is the value of its label, its name stands in the label's properties. ROIs that have a pixel in common come
    in different images of labels: `rois`, `rois_2` and so on.

    Parameters
    ----------
    image
        The image.
    target
        The folder, whose name ends in `.zarr`, by custom in `.ome.zarr`; nothing may be there.
    roi_ids
        Which ROIs; by default those that have a mask.

    Returns
    -------
    dict
        By the name of each image of labels, the ids of the ROIs in it.

    Raises
    ------
    DatasetExistsError
        When there is something at `target`.
    InvalidNameError, InvalidValueError
        When the target's name, or the image's axes, are none of OME-Zarr's.
    RoiError, RoiNotFoundError, DamagedError
        When a mask or the pixels cannot be read, a ROI is not there, or is 0, which means no label.
    NotSavedError, ReadOnlyError
        When the disk refuses; then nothing is at `target`.
    """
    rois = [roi for roi in image.rois if _has_mask(roi)] if roi_ids is None else [image.rois.get(one) for one in roi_ids]
    source = image.source
    pixels = source.load_array() if isinstance(source, ZarrImageRecord) else np.asarray(image.pixels)
    packed = _pack(image, rois)
    labels = {
        name: LabelImage(pixels=values, properties={roi.roi_id: _properties(roi) for roi in inside})
        for name, (values, inside) in packed.items()
    }
    write_ome_zarr(Path(target), pixels, axes=image.axes, described=describe_header(image.header), labels=labels)
    return {name: tuple(roi.roi_id for roi in inside) for name, (_, inside) in packed.items()}


def import_ome_zarr(dataset: ZarrDataset, path: str | Path) -> ImportReport:
    """Add a record for a foreign OME-Zarr image as `ZarrDataset.import_ome_zarr`, with its calibration.

    What its metadata said is kept in the record's artifact `ome_source`. Micrometres per pixel are x's, where its unit is a
    length; seconds per line are y's, where its unit is a time, or what this program wrote into an image that it exported.
    """
    return dataset.import_ome_zarr(path)


def read_foreign_image(path: Path) -> FileContent:
    """Read a foreign OME-Zarr image with its calibration; a `ReadFile`. Raises as `read_ome_zarr`."""
    content = read_ome_zarr(path)
    header = _header(path, content)
    notes = content.notes
    if not header.is_calibrated:
        units = {axis: content.ome.units.get(axis, "no unit") for axis in "yx"} if content.ome else {}
        notes = (*notes, f"calibration unknown: its axes are stated in {units.get('y')} (y) and {units.get('x')} (x)")
    return replace(content, metadata=RecordMetadata().with_header(header).to_json(), notes=notes)


def _has_mask(roi: ROI) -> bool:
    return isinstance(roi, MaskROI) or roi.mask_ref is not None


def _properties(roi: ROI) -> JsonObject:
    return {"name": roi.name or f"ROI {roi.roi_id}", "note": roi.note, "channel": roi.channel, "z": roi.z}


def _pack(image: AcqImage, rois: Sequence[ROI]) -> dict[str, tuple[NDArray[Any], list[ROI]]]:
    """Return images of labels, as few as leave no pixel to two ROIs, with the ROIs in each."""
    packed: dict[str, tuple[NDArray[Any], list[ROI]]] = {}
    axes = tuple(axis for axis in image.axes if axis != "c")
    shape = tuple(int(size) for axis, size in zip(image.axes, image.pixels.shape, strict=True) if axis != "c")
    dtype = np.min_scalar_type(max((roi.roi_id for roi in rois), default=0))
    for roi in rois:
        if roi.roi_id == 0:
            raise RoiError("ROI 0 cannot be a label, since 0 means no label; give it another id, or leave it out")
        mask = image.mask_of(roi)
        free = (one for one in packed.values() if not _slices(one[0], axes, roi)[..., mask].any())
        values, inside = next(free, (None, list[ROI]()))
        if values is None:
            values = np.zeros(shape, dtype=dtype)
            packed[LABELS if not packed else f"{LABELS}_{len(packed) + 1}"] = values, inside
        _slices(values, axes, roi)[..., mask] = roi.roi_id
        inside.append(roi)
    return packed


def _slices(values: NDArray[Any], axes: tuple[str, ...], roi: ROI) -> NDArray[Any]:
    """Return the part of labels that a ROI lies in, a view (…, y, x): its z, at all times."""
    size = dict(zip(axes, values.shape, strict=True)).get("z")
    if size is not None and roi.z >= size:
        raise RoiError(f"ROI {roi.roi_id} is at z {roi.z}, and the image has {size} slices, counted from 0")
    view = np.moveaxis(values, (axes.index("y"), axes.index("x")), (-2, -1))
    others = [axis for axis in axes if axis not in "yx"]
    return view[tuple(roi.z if axis == "z" else slice(None) for axis in others)]


def _header(path: Path, content: FileContent) -> AcquisitionHeader:
    said = content.ome or OmeDescription()
    noted = said.notes.get(NOTES)
    ours: JsonObject = noted if isinstance(noted, Mapping) else {}
    # As a header's, since it checks what is a number.
    calibration = AcquisitionHeader.from_json(
        {
            "um_per_pixel": _in_unit(said, "x", _UM),
            "seconds_per_line": _in_unit(said, "y", _SECONDS) or ours.get("seconds_per_line"),
            **{key: ours.get(key) for key in BEAM},
        }
    )
    is_known = calibration.um_per_pixel is not None or calibration.seconds_per_line is not None
    return replace(
        calibration,
        name=said.name or path.stem,
        shape=content.pixels.shape,
        calibration_source=SOURCE if is_known else None,
        channel_names=_channel_names(content.json_artifacts.get(OME_ATTRIBUTES)),
    )


def _in_unit(said: OmeDescription, axis: str, units: Mapping[str, float]) -> float | None:
    """Return the step along an axis, in the unit that is 1 in `units`; None where it is stated in none of them."""
    unit, step = said.units.get(axis), said.steps.get(axis)
    return step * units[unit] if step is not None and unit is not None and unit in units else None


def _channel_names(attributes: JsonValue) -> tuple[str, ...]:
    """Return the labels of the channels ("omero" metadata)."""
    omero = attributes.get("omero") if isinstance(attributes, Mapping) else None
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    named = [one.get("label") for one in channels if isinstance(one, Mapping)] if isinstance(channels, list) else []
    return tuple(name for name in named if isinstance(name, str))

"""Saves layers of records through napari's *File ▸ Save*: pixels and masks as TIFF, ROIs for ImageJ or as GeoJSON.

The rule of this room: only layers of ours are written, and nobody else's saving is touched. npe2 asks one writer, the first
that fits a name, and goes to no other where that one declines. So the manifest puts ours behind napari's own (a writer that
states a second kind of layer comes later), and they are called where the user chose them, or by endings that no other has.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from napari.utils.notifications import show_error, show_info, show_warning

from kymflow_zarr.disk.local_file import save_file
from kymflow_zarr.errors import InvalidValueError
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.layers.imagej_tiff import pixels_to_tiff
from napari_kymflow.layers.tags import LayerTag, tag_in
from napari_kymflow.rois.files import export_rois
from napari_kymflow.session.session import record_showing

FullLayerData: TypeAlias = tuple[Any, Mapping[str, Any], str]
"""`(data, attributes, kind)`, as napari's writers get it."""

TIFF = (".tif", ".tiff")
IMAGEJ = (".zip", ".roi")
GEOJSON = (".geojson",)


def write_tiff(path: str, layer_data: Sequence[FullLayerData]) -> list[str]:
    """Save the pixels of a record, its masks or labels, as a TIFF with ImageJ's calibration; return what was written.

    The pixels are those of the record, not stretched as on the screen. Where the layer is none of ours, or the disk
    refuses, nothing is written, and a message says why.
    """
    target, tag = _target(path, TIFF), _tag_of_only(layer_data)
    if target is None or tag is None:
        return []
    data, attributes, _ = layer_data[0]
    pixels = np.asarray(data)
    axes = _axes(attributes, pixels.ndim)
    try:
        tiff = pixels_to_tiff(pixels, axes, um_per_pixel=tag.um_per_pixel, seconds_per_line=tag.seconds_per_line)
        save_file(target, tiff.content)
    except InvalidValueError as error:
        show_error(f"not saved: {error}")
        return []
    except OSError as error:
        show_error(f"not saved: {target}: {error.strerror or error}")
        return []
    if not tiff.for_imagej:
        show_info(
            f"{target.name} has all values, but not ImageJ's calibration: ImageJ has no {pixels.dtype} images of this size."
        )
    return [str(target)]


def write_imagej_rois(path: str, layer_data: Sequence[FullLayerData]) -> list[str]:
    """Save the ROIs of a record, as they are on the screen, for ImageJ; return what was written, as `write_tiff`."""
    return _write_rois(_target(path, IMAGEJ), layer_data)


def write_geojson(path: str, layer_data: Sequence[FullLayerData]) -> list[str]:
    """Save the ROIs of a record, as they are on the screen, as GeoJSON; return what was written, as `write_tiff`."""
    return _write_rois(_target(path, GEOJSON), layer_data)


def _write_rois(target: Path | None, layer_data: Sequence[FullLayerData]) -> list[str]:
    tag = _tag_of_only(layer_data)
    if target is None or tag is None:
        return []
    record = record_showing(tag) if tag.role == "rois" else None
    if record is None:
        show_warning(
            f"{_name(layer_data[0])} does not show the ROIs of a record that is open now, so they are not saved: open the "
            "record and save its ROI layer."
        )
        return []
    try:
        lost = export_rois(target, record.editor, record.rois.ids)
    except OUR_ERRORS as error:
        show_error(f"not saved: {error}")
        return []
    except OSError as error:
        show_error(f"not saved: {target}: {error.strerror or error}")
        return []
    if lost:
        show_info(f"{target.name}: {'; '.join(lost)}")
    return [str(target)]


def _tag_of_only(layer_data: Sequence[FullLayerData]) -> LayerTag | None:
    """Return the tag of the one layer that is to be saved; None, and a message, where it is none of ours."""
    if len(layer_data) != 1:
        show_warning("Kymflow saves one layer at a time: select it, and use Save Selected Layers.")
        return None
    _, attributes, _ = layer_data[0]
    tag = tag_in(attributes.get("metadata", {}))
    if tag is None:
        show_warning(
            f"{_name(layer_data[0])} is no layer of a kymflow record, so Kymflow does not save it: choose one of napari's "
            "own kinds of file in the dialog."
        )
    return tag


def _target(path: str, endings: tuple[str, ...]) -> Path | None:
    """Return the file to write; None, and a message, where its name has another ending, or it was not asked about."""
    target = Path(path)
    if target.suffix.lower() in endings:
        return target
    if target.suffix:
        show_warning(f"{target.name} is not saved: Kymflow writes {' and '.join(endings)} here; give it such a name.")
        return None
    completed = target.with_name(f"{target.name}{endings[0]}")
    if completed.exists():
        # napari's dialog asked about the name without the ending.
        show_warning(f"{completed.name} is there already, and was not replaced: choose it by its whole name to replace it.")
        return None
    return completed


def _axes(attributes: Mapping[str, Any], dimensions: int) -> tuple[str, ...]:
    """Return the axes of a layer of ours, whose last two are y and x; others as they are labelled."""
    labels = tuple(str(label) for label in attributes.get("axis_labels", ()))
    others = labels[: dimensions - 2] if len(labels) == dimensions else [f"a{at}" for at in range(dimensions - 2)]
    return (*others, "y", "x")


def _name(layer: FullLayerData) -> str:
    return f"“{layer[1].get('name', 'The layer')}”"

"""One acquisition: lazy pixels, header and ROIs, over a dataset's record or a TIFF file.

The rule of this room: what is saved is one commit. New masks are written first, under new names, then the metadata that
refer to them; a crash between leaves a mask that nobody refers to, never a reference to nothing.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_core.calibration import Calibration, RoiExtent
from kymflow_core.errors import RoiError
from kymflow_core.images.labelled import labelled_array
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.slices import HoldsPixels, Slices, pixels_to_cut, slice_shape
from kymflow_core.images.tiff_source import TiffSource
from kymflow_core.roi import ROI, MaskROI, RectROI, RoiSet
from kymflow_core.roi.bounds import Bounds, mask_bounds, rect_within, roi_bounds
from kymflow_core.roi.masks import ArraySource, RoiMasks, StoredMask, load_stored_mask, mask_state, whole_mask
from kymflow_core.roi.pixels import RoiStats, drawn_mask, pixel_stats, rect_mask
from kymflow_zarr import JsonObject, Revision, ZarrDataset, array_group_key, array_name
from kymflow_zarr.disk.local_path import local_path

if TYPE_CHECKING:
    import xarray

    from kymflow_core.flow import VelocitySettings
    from kymflow_core.images.velocity_results import ImageAnalysis


class ImageSource(HoldsPixels, Protocol):
    """What an `AcqImage` needs of the thing that holds it; a `ZarrImageRecord` is one, with arrays."""

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension."""

    def load_revision(self) -> Revision:
        """Return the newest metadata."""

    def save_metadata_payload(self, payload: JsonObject, *, expected: Revision | None = None) -> Revision:
        """Commit the whole metadata; raise `ConflictError` when they are no longer `expected`."""


class AcqImage:
    """One acquired image with its header and ROIs.

    A handle: the metadata are read when it is made, the pixels when they are asked for, axes and shape once. `rois` is what
    was last read or saved; `save_rois` commits another set.

    Parameters
    ----------
    source
        A record, or anything else that holds an image.
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self._adopt(source.load_revision())

    @classmethod
    def from_zarr(cls, dataset_path: str | Path, image_id: str) -> Self:
        """Open one record of a dataset, to read and to save."""
        return cls(ZarrDataset(dataset_path).record(image_id))

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """Open a TIFF, or another image file, with the files next to it, where ROIs and masks are saved too.

        Raises
        ------
        SourceError
            When the image, or a file next to it, cannot be read.
        """
        return cls(TiffSource(local_path(path)))

    @property
    def pixels(self) -> Any:
        """The pixels, lazily where possible: an object with `shape`, `dtype` and numpy slicing."""
        return self.source.open_array()

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """One name a dimension, such as `("y", "x")`."""
        return self.source.get_axes()

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The number of pixels along each axis."""
        return {axis: int(size) for axis, size in zip(self.axes, self.pixels.shape, strict=True)}

    @property
    def slice_shape(self) -> tuple[int, int]:
        """The shape (y, x) of one 2-D slice, in pixels; `ImageError` where the image has no such axes."""
        return slice_shape(self.sizes)

    @property
    def name(self) -> str:
        """The name of the file that the image came from; empty where it is not known."""
        return self.header.name

    @property
    def experiment_metadata(self) -> JsonObject:
        """What the laboratory notes of the experiment: species, condition, depth and so on."""
        return self.metadata.experiment

    @property
    def calibration(self) -> Calibration:
        """Seconds per line and µm per pixel; `CalibrationError`, with the way out, where one of them is not known."""
        name = self.name or str(getattr(self.source, "image_id", "this image"))
        return Calibration.of(self.header, record=name)

    def slice_pixels(self, *, z: int = 0, channel: int = 1, bounds: Bounds | None = None) -> NDArray[Any]:
        """Read one 2-D slice (y, x), or a part of it: the first time point, at `z` (from 0) and `channel` (from 1).

        Raises
        ------
        RoiError
            When the image has such an axis, but not so many along it. An image without the axis is taken as it is.
        """
        return Slices(pixels_to_cut(self.source), self.axes).read(z=z, channel=channel, bounds=bounds)

    def to_xarray(self) -> "xarray.DataArray":
        """Return all pixels as an xarray array, read whole.

        Returns
        -------
        xarray.DataArray
            With the dimensions `time` (lines), `position` (pixels along the line) and, where there are several, `channel`;
            further axes keep their names. The coordinates are in s from the first line, in µm from the first pixel, and the
            names of the channels; where the calibration is not known, the axis has no coordinate.

        Raises
        ------
        MissingPackageError
            When xarray is not installed; the message has the command that installs it.
        """
        return labelled_array(self.pixels, self.axes, self.header)

    @property
    def channels_available(self) -> tuple[int, ...]:
        """The channels that a ROI can be in, from 1; an image without a channel axis has one."""
        return tuple(range(1, self.sizes.get("c", 1) + 1))

    def get_roi(self, roi_id: int) -> ROI:
        """Return one ROI; raise `RoiNotFoundError`, a `KeyError`, with the ids that are there."""
        return self.rois.get(roi_id)

    def add_roi(
        self, *, x0: int, x1: int, y0: int, y1: int, name: str = "", note: str = "", channel: int = 1, z: int = 0
    ) -> RectROI:
        """Commit a new rectangle, half-open ranges of pixels, and return it with its id.

        Raises
        ------
        RoiError
            When the ranges are not valid, or lie outside the image.
        ConflictError
            When another program changed the metadata since they were read here.
        """
        roi = RectROI(roi_id=self.rois.next_id, name=name, note=note, channel=channel, z=z, x0=x0, x1=x1, y0=y0, y1=y1)
        self.save_rois(self.rois.add(self.within(roi)))
        return roi

    def edit_roi(self, roi_id: int, **changes: Any) -> ROI:
        """Commit other values of a ROI's fields, such as `name` or `x1`, and return it; raises as `add_roi`."""
        old = self.rois.get(roi_id)
        known = [name for name in old.__dataclass_fields__ if name not in ("roi_id", "roi_type")]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise RoiError(f"a {old.roi_type} ROI has no field {', '.join(unknown)} to edit; it has {', '.join(known)}")
        new = replace(old, **changes)
        if isinstance(new, RectROI):
            self.within(new)
        elif isinstance(old, MaskROI) and new.drawn not in (None, old.drawn) and new.reference == old.reference:
            new = replace(new, reference=None)  # another shape has other pixels
        elif isinstance(old, MaskROI) and new.mask_ref != old.mask_ref and new.drawn == old.drawn:
            new = replace(new, meta={key: value for key, value in new.meta.items() if key != "shape"})
        self.save_rois(self.rois.replace(new))
        return self.rois.get(roi_id)

    def delete_roi(self, roi_id: int) -> None:
        """Commit the set without a ROI; its mask is collected as garbage when no kept revision refers to it."""
        self.save_rois(self.rois.remove(roi_id))

    def get_roi_pixels(self, roi_id: int) -> NDArray[Any]:
        """Return the pixels of a ROI's box, an array (y, x), in the ROI's z and channel.

        Of a mask it is a `numpy.ma.MaskedArray`, in which the pixels of the box that are outside the ROI are masked.
        """
        return self._pixels_of(self.rois.get(roi_id))

    def roi_extent(self, roi_id: int) -> RoiExtent:
        """Return where a ROI lies in s and µm: the smallest rectangle that holds its pixels.

        Raises
        ------
        CalibrationError
            When the image's calibration is not known.
        RoiNotFoundError
            When there is no ROI of that id; it is a `KeyError`.
        """
        roi, calibration = self.rois.get(roi_id), self.calibration
        return RoiExtent.of_box(self.bounds_of(roi).slices, calibration)

    def bounds_of(self, roi: ROI) -> Bounds:
        """Return the smallest rectangle of whole pixels that holds the pixels of any ROI, saved or not."""
        is_stored = isinstance(roi, MaskROI) and roi.reference is not None
        bounds = None if is_stored else roi_bounds(roi, self.slice_shape)
        return mask_bounds(self.mask_of(roi)) if bounds is None else bounds

    def roi_stats(self, roi_id: int) -> RoiStats:
        """Return mean, standard deviation, minimum, maximum and number of the pixels inside a ROI, in its z and channel."""
        return self.measure(self.rois.get(roi_id))

    def measure(self, roi: ROI) -> RoiStats:
        """Return the statistics of any ROI, saved or not, as `roi_stats`."""
        pixels = self._pixels_of(roi)
        return pixel_stats(pixels.compressed() if isinstance(pixels, np.ma.MaskedArray) else pixels)

    def analyze(self, roi_ids: Iterable[int] | None = None, settings: "VelocitySettings | None" = None) -> "ImageAnalysis":
        """Measure the velocity in ROIs, and write the artifacts `velocity`, `velocity_events` and `radon_report`.

        Our earlier results of these ROIs are replaced; rows of other programs stay. The tables of the dataset follow with
        `KymDataset.refresh`.

        Parameters
        ----------
        roi_ids
            The ROIs; by default all. `add_full_rois` makes one of the whole image.
        settings
            How; the defaults serve without tuning. The dwell time comes from the header where it is not given.

        Returns
        -------
        ImageAnalysis
            What was measured of each ROI, and why others could not be measured; these do not stop the rest.

        Raises
        ------
        RoiNotFoundError
            When there is no ROI of an id; it is a `KeyError`.
        NotImplementedError
            When the image is held by something that has no tables.
        """
        # scipy is loaded only where a velocity is measured.
        from kymflow_core.flow import VelocitySettings
        from kymflow_core.images.velocity_results import ResultStore, analyze_rois

        if not isinstance(self.source, ResultStore):
            raise NotImplementedError(
                f"results need a place for tables; {type(self.source).__name__} has none: import the image into a dataset"
            )
        wanted = [self.rois.get(roi_id).roi_id for roi_id in (self.rois.ids if roi_ids is None else roi_ids)]
        return analyze_rois(self, self.source, list(dict.fromkeys(wanted)), settings or VelocitySettings())

    def add_full_rois(self) -> list[int]:
        """Return the ids of rectangles of the whole image, one a channel; those that lack are committed first.

        Raises
        ------
        ConflictError
            When another program changed the metadata since they were read here.
        """
        lines, pixels = self.slice_shape
        place = (0, pixels, 0, lines)
        rois, found = self.rois, list[int]()
        for channel in self.channels_available:
            fitting = (roi for roi in rois if isinstance(roi, RectROI) and (roi.channel, roi.z) == (channel, 0))
            full = next((roi for roi in fitting if (roi.x0, roi.x1, roi.y0, roi.y1) == place), None)
            if full is None:
                x0, x1, y0, y1 = place
                full = RectROI(roi_id=rois.next_id, name="full image", channel=channel, x0=x0, x1=x1, y0=y0, y1=y1)
                rois = rois.add(full)
            found.append(full.roi_id)
        if rois != self.rois:
            self.save_rois(rois)
        return found

    def within(self, roi: RectROI) -> RectROI:
        """Return a rectangle unchanged; raise `RoiError` where it is not within the image."""
        return rect_within(roi, self.slice_shape)

    def reload(self) -> None:
        """Read header, metadata and ROIs again, as another program may have saved them."""
        for name in ("axes", "sizes"):
            self.__dict__.pop(name, None)
        self._adopt(self.source.load_revision())

    def save_rois(self, rois: RoiSet) -> None:
        """Commit `rois` as the image's ROIs; of drawn ones that have no mask yet, the masks are written first.

        Raises
        ------
        ConflictError
            When another program changed the metadata since they were read here.
        RoiError
            When a drawn ROI has no pixel in the image, or a new one refers to a mask that is not there.
        NotImplementedError
            When there is a drawn ROI, and the image is held by something that has no arrays.
        """
        known = {roi.mask_ref for roi in self.rois}
        for roi in rois:
            if not isinstance(roi, MaskROI):
                continue
            if roi.reference is not None and roi.reference not in known:
                self._masks.check_there(roi.roi_id, roi.reference)
            if roi.reference is None:
                rois = rois.replace(replace(roi, reference=self._masks.save_new(roi.roi_id, self._pixels_drawn(roi))))
        payload = self.metadata.with_rois(rois).to_json()
        self._adopt(self.source.save_metadata_payload(payload, expected=self._revision))

    def add_mask_roi(self, mask: ArrayLike, *, name: str = "", note: str = "", channel: int = 1, z: int = 0) -> MaskROI:
        """Write a mask, a boolean image (y, x) of the whole slice, and commit it as a new ROI; return that.

        Raises
        ------
        RoiError
            When the mask has another shape than the slice, or no pixel.
        NotImplementedError
            When the image is held by something that has no arrays.
        ConflictError
            When another program changed the metadata since they were read here.
        """
        roi_id = self.rois.next_id
        reference = self.write_mask(roi_id, mask)
        roi = MaskROI(roi_id=roi_id, name=name, note=note, channel=channel, z=z, reference=reference)
        self.save_rois(self.rois.add(roi))
        return roi

    def write_mask(self, roi_id: int, mask: ArrayLike) -> str:
        """Write a mask (y, x) under a new name, for a `MaskROI` that is saved next, and return its `mask_ref`.

        Raises as `add_mask_roi`.
        """
        pixels = np.asarray(mask, dtype=np.bool_)
        if pixels.shape != self.slice_shape or not pixels.any():
            raise RoiError(
                f"the mask of ROI {roi_id} has the shape {pixels.shape} and {int(pixels.sum())} pixels inside; the shape "
                f"{self.slice_shape} (y, x) and at least one pixel are needed"
            )
        return self._masks.save_new(roi_id, pixels)

    def materialize_rect_roi_mask(self, roi_id: int, *, name: str | None = None) -> str:
        """Write a saved rectangle as a mask, and its `meta.mask_ref`.

        Parameters
        ----------
        roi_id
            The ROI.
        name
            The array artifact's name; by default `roi_mask_<id>`, with a number behind where that is another mask.

        Returns
        -------
        str
            The `mask_ref`: "analysis_arrays/<name>", a boolean array (y, x) of the whole slice, True inside.

        Raises
        ------
        RoiNotFoundError
            When there is no ROI of that id; it is a `KeyError`.
        NotImplementedError
            When the ROI is no rectangle, or the image is held by something that has no arrays.
        """
        return self.materialize_masks([roi_id], name=name)[roi_id]

    def materialize_masks(self, roi_ids: Iterable[int], *, name: str | None = None) -> dict[int, str]:
        """Write several saved rectangles as masks with one commit, and return their `mask_ref` by id.

        A mask that is right already is not written again.
        """
        rois, references = self.rois, {}
        for roi_id in roi_ids:
            roi = self._rect(roi_id)
            mask = rect_mask(roi, self.slice_shape)
            references[roi_id] = self._masks.find(roi, mask, name) or self._masks.save_new(roi_id, mask, name=name)
            rois = rois.replace(replace(roi, meta={**roi.meta, "mask_ref": references[roi_id]}))
        if rois != self.rois:
            self.save_rois(rois)
        return references

    def get_roi_mask(self, roi_id: int) -> NDArray[np.bool_]:
        """Return a ROI as a boolean image (y, x) of the whole slice: a rectangle's exactly, a `MaskROI`'s as stored."""
        return self.mask_of(self.rois.get(roi_id))

    def mask_of(self, roi: ROI) -> NDArray[np.bool_]:
        """Return any ROI, saved or not, as a boolean image (y, x), as `get_roi_mask`."""
        if isinstance(roi, MaskROI) and roi.reference is not None:
            stored = self._masks.load(str(array_name(roi.reference)))
            whole = whole_mask(roi, stored, self.slice_shape)
            if whole is None:
                raise RoiError(
                    f"the mask {roi.reference!r} of ROI {roi.roi_id} has the shape {stored.shape}, and the image "
                    f"{self.slice_shape} (y, x); draw the ROI again"
                )
            return whole
        mask = drawn_mask(roi, self.slice_shape)
        if mask is None:
            raise RoiError(f"ROI {roi.roi_id} has neither a mask nor a shape")
        return mask

    def load_mask(self, name: str) -> NDArray[np.bool_]:
        """Return the array artifact `name` as a mask of the whole slice (y, x); as it is where it does not fit."""
        stored = self._masks.load(name)
        owners = (roi for roi in self.rois if roi.mask_ref == array_group_key(name))
        wholes = (whole_mask(roi, stored, self.slice_shape) for roi in owners)
        return next((whole for whole in wholes if whole is not None), stored.astype(np.bool_))

    def list_mask_names(self) -> list[str]:
        """Return the array artifacts that a ROI refers to as its mask and that are there, sorted."""
        if not isinstance(self.source, ArraySource):
            return []
        wanted = {array_name(roi.mask_ref) for roi in self.rois if roi.mask_ref}
        return [name for name in self.source.list_array_artifacts() if name in wanted]

    def stored_mask(self, roi: ROI) -> StoredMask:
        """Return the stored mask of any ROI, saved or not, with its state; one that is lost or damaged is no error."""
        if not isinstance(self.source, ArraySource):
            return StoredMask(state=mask_state(roi, None, self.slice_shape))
        return load_stored_mask(self.source, roi, self.slice_shape)

    def _adopt(self, revision: Revision) -> None:
        self._revision = revision
        self.metadata = RecordMetadata.from_json(revision.payload)
        self.header = self.metadata.header
        self.rois = self.metadata.rois

    def _rect(self, roi_id: int) -> RectROI:
        roi = self.rois.get(roi_id)
        if isinstance(roi, MaskROI):
            raise NotImplementedError(f"ROI {roi_id} is a mask; this works on rectangles only yet")
        return roi

    @property
    def _masks(self) -> RoiMasks:
        if not isinstance(self.source, ArraySource):
            raise NotImplementedError(
                f"masks need a place for arrays, and {type(self.source).__name__} has none; import the image into a dataset"
            )
        return RoiMasks(self.source)

    def _pixels_drawn(self, roi: MaskROI) -> NDArray[np.bool_]:
        mask = drawn_mask(roi, self.slice_shape)
        if mask is None or not mask.any():
            raise RoiError(f"ROI {roi.roi_id} has no pixel in the image of {self.slice_shape} (y, x); draw it on the image")
        return mask

    def _pixels_of(self, roi: ROI) -> NDArray[Any]:
        mask = None if isinstance(roi, RectROI) else self.mask_of(roi)
        bounds = self.bounds_of(roi) if mask is None else mask_bounds(mask)
        pixels = self.slice_pixels(z=roi.z, channel=roi.channel, bounds=bounds)
        return pixels if mask is None else np.ma.MaskedArray(pixels, mask=~mask[bounds.slices])

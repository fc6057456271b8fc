"""ROIs of one image through `AcqImage`: added, edited, measured, drawn shapes saved as masks."""

from dataclasses import replace

import numpy as np
import pytest

from kymflow_core.errors import RoiError, RoiNotFoundError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.roi import DrawnShape, MaskROI, RectROI, RoiSet
from kymflow_core.roi.raster import shape_mask
from kymflow_zarr import ZarrDataset

TRIANGLE = DrawnShape(type="polygon", vertices=((1.0, 1.0), (1.0, 8.5), (7.5, 4.0)))
SIZES = {"t": 2, "z": 3, "y": 12, "x": 10, "c": 2}


def image_of(dataset, axes):
    shape = tuple(SIZES[axis] for axis in axes)
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return AcqImage(dataset.add_image(pixels)), pixels


@pytest.fixture
def plain(dataset):
    """An image of 12 lines of 10 pixels, without ROIs."""
    return image_of(dataset, "yx")[0]


def drawn(roi_id=1, shape=TRIANGLE, **fields):
    return MaskROI(roi_id=roi_id, reference=None, meta={"shape": shape.to_dict()}, **fields)


@pytest.fixture
def dataset(tmp_path):
    return ZarrDataset.create(tmp_path / "rois.zarr")


def reopened(image):
    return AcqImage(image.source)


def test_an_added_roi_gets_the_next_id_and_is_saved(plain):
    assert plain.add_roi(x0=0, x1=3, y0=2, y1=5, name="first").roi_id == 1
    assert plain.add_roi(x0=0, x1=3, y0=2, y1=5).roi_id == 2
    assert [roi.name for roi in reopened(plain).rois] == ["first", ""]


def test_the_id_of_a_deleted_roi_is_never_given_again(plain):
    plain.add_roi(x0=0, x1=3, y0=2, y1=5)
    plain.delete_roi(1)
    assert reopened(plain).add_roi(x0=0, x1=3, y0=2, y1=5).roi_id == 2


def test_an_edited_roi_is_saved_with_its_id(plain):
    plain.add_roi(x0=0, x1=3, y0=2, y1=5)
    plain.edit_roi(1, name="vessel", x1=9)
    assert reopened(plain).get_roi(1) == RectROI(roi_id=1, name="vessel", x0=0, x1=9, y0=2, y1=5)


def test_a_field_that_a_roi_does_not_have_cannot_be_edited(plain):
    plain.add_roi(x0=0, x1=3, y0=2, y1=5)
    with pytest.raises(RoiError, match=r"^a rect ROI has no field left to edit; it has name, note, channel"):
        plain.edit_roi(1, left=4)


@pytest.mark.parametrize("ask", ["get_roi", "edit_roi", "delete_roi", "get_roi_pixels", "get_roi_mask", "roi_stats"])
def test_an_unknown_id_is_refused_with_those_that_are_there(ask, plain):
    plain.add_roi(x0=0, x1=3, y0=2, y1=5)
    with pytest.raises(RoiNotFoundError, match=r"^no ROI 7; this image has \[1\]$"):
        getattr(plain, ask)(7)


def test_a_roi_beyond_the_image_is_refused_and_nothing_is_saved(plain):
    with pytest.raises(RoiError, match="is not within the image, which has 12 lines and 10 pixels"):
        plain.add_roi(x0=0, x1=11, y0=2, y1=5)
    assert len(reopened(plain).rois) == 0


@pytest.mark.parametrize("axes", ["yx", "zyx", "zyxc", "tzyxc"])
def test_a_roi_has_the_pixels_of_its_z_and_channel(axes, dataset):
    image, pixels = image_of(dataset, axes)
    z, channel = (2 if "z" in axes else 0), (2 if "c" in axes else 1)
    image.add_roi(x0=2, x1=5, y0=3, y1=9, z=z, channel=channel)
    at = {"t": 0, "z": z, "c": channel - 1, "y": slice(3, 9), "x": slice(2, 5)}
    expected = pixels[tuple(at[axis] for axis in axes)]
    np.testing.assert_array_equal(image.get_roi_pixels(1), expected)
    stats = image.roi_stats(1)
    assert (stats.mean, stats.std, stats.min, stats.max, stats.n) == pytest.approx(
        (expected.mean(), expected.std(), expected.min(), expected.max(), 18)
    )


@pytest.mark.parametrize(("axes", "channels"), [("yx", (1,)), ("zyx", (1,)), ("zyxc", (1, 2)), ("tzyxc", (1, 2))])
def test_the_channels_are_counted_from_one(axes, channels, dataset):
    assert image_of(dataset, axes)[0].channels_available == channels


def test_a_drawn_roi_is_saved_with_its_mask_and_its_shape(plain):
    plain.save_rois(RoiSet.of([drawn(name="cell")]))
    saved = reopened(plain).get_roi(1)
    assert (saved.mask_ref, saved.drawn, saved.name) == ("analysis_arrays/roi_mask_1", TRIANGLE, "cell")
    expected = shape_mask("polygon", TRIANGLE.vertices, (12, 10))
    np.testing.assert_array_equal(plain.get_roi_mask(1), expected)
    stored = plain.source.load_array_artifact("roi_mask_1")
    assert stored.dtype == np.bool_
    np.testing.assert_array_equal(stored, expected)


def test_a_drawn_roi_that_is_changed_gets_a_new_mask_and_the_older_one_stays(plain):
    plain.save_rois(RoiSet.of([drawn()]))
    smaller = DrawnShape(type="polygon", vertices=((1.0, 1.0), (1.0, 4.0), (4.0, 1.0)))
    plain.save_rois(plain.rois.replace(plain.get_roi(1).with_shape(smaller)))
    assert plain.get_roi(1).mask_ref == "analysis_arrays/roi_mask_1_2"
    assert plain.source.list_array_artifacts() == ["roi_mask_1", "roi_mask_1_2"]
    np.testing.assert_array_equal(plain.get_roi_mask(1), shape_mask("polygon", smaller.vertices, (12, 10)))


def test_a_drawn_roi_can_be_measured_before_it_is_saved(plain):
    plain.rois = RoiSet.of([drawn()])
    inside = shape_mask("polygon", TRIANGLE.vertices, (12, 10))
    expected = plain.slice_pixels()[inside]
    assert plain.roi_stats(1).mean == pytest.approx(expected.mean())
    assert plain.roi_stats(1).n == inside.sum()


def test_the_pixels_of_a_mask_are_its_box_with_the_rest_masked(plain):
    inside = np.zeros((12, 10), bool)
    inside[3:5, 4:6] = [[True, False], [True, True]]
    plain.add_mask_roi(inside, name="painted")
    pixels = plain.get_roi_pixels(1)
    assert pixels.mask.tolist() == [[False, True], [False, False]]
    np.testing.assert_array_equal(pixels.compressed(), plain.slice_pixels()[inside])
    assert plain.roi_stats(1).n == 3


@pytest.mark.parametrize("mask", [np.zeros((12, 10), bool), np.ones((2, 2), bool)], ids=["nothing inside", "other shape"])
def test_a_mask_that_is_no_roi_is_refused(mask, plain):
    with pytest.raises(RoiError, match=r"the shape \(12, 10\) \(y, x\) and at least one pixel are needed$"):
        plain.add_mask_roi(mask)
    assert plain.source.list_array_artifacts() == []


def test_a_shape_that_misses_the_image_is_refused(plain):
    away = DrawnShape(type="polygon", vertices=((50.0, 50.0), (50.0, 60.0), (60.0, 50.0)))
    with pytest.raises(RoiError, match=r"^ROI 1 has no pixel in the image of \(12, 10\)"):
        plain.save_rois(RoiSet.of([drawn(shape=away)]))


class WithoutArrays:
    """An image that is held by something that has no arrays."""

    def __init__(self, record):
        self.open_array, self.load_array, self.get_axes = record.open_array, record.load_array, record.get_axes
        self.load_revision = record.load_revision
        self.save_metadata_payload = record.save_metadata_payload


@pytest.mark.parametrize("roi", [RectROI(roi_id=1, x0=0, x1=2, y0=0, y1=2), drawn()], ids=["rectangle", "drawn"])
def test_masks_are_not_implemented_where_there_are_no_arrays(roi, plain):
    image = AcqImage(WithoutArrays(plain.source))
    with pytest.raises(NotImplementedError, match="masks need a place for arrays, and WithoutArrays has none"):
        image.save_rois(RoiSet.of([roi])) if isinstance(roi, MaskROI) else _materialize(image, roi)


def _materialize(image, roi):
    image.save_rois(RoiSet.of([roi]))
    image.materialize_rect_roi_mask(1)


def test_a_rectangle_needs_no_arrays(plain):
    image = AcqImage(WithoutArrays(plain.source))
    image.add_roi(x0=0, x1=2, y0=0, y1=2)
    assert reopened(plain).rois.ids == (1,)
    assert image.list_mask_names() == []


def test_a_mask_cannot_be_materialized_from_a_mask(plain):
    plain.save_rois(RoiSet.of([drawn()]))
    with pytest.raises(NotImplementedError, match=r"^ROI 1 is a mask; this works on rectangles only yet$"):
        plain.materialize_rect_roi_mask(1)


def test_a_mask_of_a_rectangle_is_outdated_once_the_rectangle_changed_until_it_is_made_again(plain):
    plain.add_roi(x0=0, x1=3, y0=2, y1=5)
    plain.materialize_rect_roi_mask(1)
    plain.edit_roi(1, x1=5)
    assert plain.stored_mask(plain.get_roi(1)).state == "mask outdated"
    plain.materialize_rect_roi_mask(1)
    assert plain.stored_mask(plain.get_roi(1)).state == "mask"


def test_a_renamed_drawn_roi_keeps_its_mask(plain):
    plain.save_rois(RoiSet.of([drawn()]))
    plain.save_rois(plain.rois.replace(replace(plain.get_roi(1), name="new")))
    assert plain.source.list_array_artifacts() == ["roi_mask_1"]

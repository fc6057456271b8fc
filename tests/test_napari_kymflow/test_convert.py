"""ROIs to shapes and back, pure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core import AcqImage, MaskROI, RectROI, RoiSet
from kymflow_zarr import ZarrDataset
from napari_kymflow._convert import (
    NO_ROI,
    Bounds,
    LayerShape,
    contrast_limits,
    describe_position,
    display_stretch,
    reconcile,
    record_to_layers,
    rect_to_vertices,
    vertices_to_bounds,
)
from napari_kymflow._tags import LayerTag

SHAPE = (30000, 38)
STRETCH = display_stretch(SHAPE)


@st.composite
def rects_in_an_image(draw):
    lines, pixels = draw(st.integers(1, 60000)), draw(st.integers(1, 4096))
    y0, x0 = draw(st.integers(0, lines - 1)), draw(st.integers(0, pixels - 1))
    y1, x1 = draw(st.integers(y0 + 1, lines)), draw(st.integers(x0 + 1, pixels))
    return RectROI(roi_id=1, x0=x0, x1=x1, y0=y0, y1=y1), (lines, pixels)


@settings(deadline=None)
@given(rects_in_an_image())
def test_a_rectangle_drawn_and_read_back_has_the_same_pixels(case):
    roi, shape = case
    stretch = display_stretch(shape)
    # napari keeps vertices as 32-bit floats.
    vertices = rect_to_vertices(roi, stretch).astype(np.float32)
    assert vertices_to_bounds(vertices, stretch, shape) == Bounds(roi.x0, roi.x1, roi.y0, roi.y1)


def test_a_rectangle_is_drawn_on_the_outer_edges_of_its_pixels():
    vertices = rect_to_vertices(RectROI(roi_id=1, x0=10, x1=20, y0=5, y1=6), 2.0)
    assert vertices.min(axis=0).tolist() == [4.5, 19.0]
    assert vertices.max(axis=0).tolist() == [5.5, 39.0]


@settings(deadline=None)
@given(st.floats(-5, 45), st.floats(-5, 45), st.floats(-5, 45), st.floats(-5, 45))
def test_a_hand_drawn_rectangle_selects_the_pixels_whose_centres_it_covers(y_a, y_b, x_a, x_b):
    (y0, y1), (x0, x1) = sorted((y_a, y_b)), sorted((x_a, x_b))
    vertices = np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])
    inside = [(y, x) for y in range(40) for x in range(30) if y0 <= y <= y1 and x0 <= x <= x1]
    bounds = vertices_to_bounds(vertices, 1.0, (40, 30))
    found = [] if bounds is None else [(y, x) for y in range(bounds.y0, bounds.y1) for x in range(bounds.x0, bounds.x1)]
    assert found == inside


@pytest.mark.parametrize("stretch", [0.05, 1.0, 331.0])
def test_a_tilt_of_half_a_pixel_is_no_upright_rectangle_at_any_stretch(stretch):
    corners = np.array([[0, 2.0], [0, 9.0], [50, 9.5], [50, 2.5]])
    assert vertices_to_bounds(corners * (1.0, stretch), stretch, (200, 20)) is None


@pytest.mark.parametrize("stretch", [0.05, 0.7, 1000.0])
def test_a_rectangle_keeps_its_pixels_at_any_stretch(stretch):
    roi = RectROI(roi_id=1, x0=4090, x1=4096, y0=29990, y1=30000)
    vertices = rect_to_vertices(roi, stretch).astype(np.float32)
    assert vertices_to_bounds(vertices, stretch, (30000, 4096)) == Bounds(roi.x0, roi.x1, roi.y0, roi.y1)


def test_a_rotated_rectangle_has_no_bounds():
    vertices = np.array([[0, 50], [50, 0], [100, 50], [50, 100]])
    assert vertices_to_bounds(vertices, 1.0, (200, 200)) is None


def rectangle(roi_id, x0=1, x1=3, y0=10, y1=20):
    roi = RectROI(roi_id=1, x0=x0, x1=x1, y0=y0, y1=y1)
    return LayerShape(roi_id=roi_id, shape_type="rectangle", vertices=rect_to_vertices(roi, STRETCH))


def reconciled(shapes, previous):
    return reconcile(shapes, previous, stretch=STRETCH, shape=SHAPE)


ONE = RoiSet.of(
    [RectROI(roi_id=4, name="cell", note="n", x0=1, x1=3, y0=10, y1=20, meta={"mask_ref": "analysis_arrays/m"})]
)


def test_an_unchanged_shape_leaves_its_roi_as_it_is():
    assert reconciled([rectangle(4)], ONE).rois == ONE


def test_a_moved_shape_keeps_its_id_name_note_and_meta():
    (roi,) = reconciled([rectangle(4, x0=7, x1=9)], ONE).rois
    assert (roi.roi_id, roi.name, roi.note, roi.meta, roi.x0, roi.x1) == (4, "cell", "n", ONE.get(4).meta, 7, 9)


def test_a_pasted_shape_with_a_copied_id_becomes_a_new_roi():
    result = reconciled([rectangle(4), rectangle(4, x0=5, x1=6)], ONE)
    assert result.ids == (4, 5)
    assert result.rois.get(4) == ONE.get(4)


def test_a_shape_that_is_gone_deletes_its_roi_and_its_id_stays_used():
    result = reconciled([], ONE)
    assert (len(result.rois), result.rois.next_id) == (0, 5)


def test_a_mask_roi_has_no_shape_and_stays():
    masks = RoiSet.of([MaskROI(roi_id=2, reference="analysis_arrays/m")])
    assert reconciled([], masks).rois == masks


def test_a_polygon_is_refused_and_is_no_roi():
    drawn = LayerShape(roi_id=NO_ROI, shape_type="polygon", vertices=np.array([[0, 0], [0, 999], [999, 0]]))
    result = reconciled([rectangle(4), drawn], ONE)
    assert (result.ids, result.refused, result.rois) == ((4, NO_ROI), (1,), ONE)


def test_a_roi_whose_shape_became_a_polygon_keeps_its_last_good_bounds():
    drawn = LayerShape(
        roi_id=4, shape_type="polygon", vertices=np.add(rectangle(4).vertices, [[0, 0], [0, 0], [9, 9], [0, 0]])
    )
    result = reconciled([drawn], ONE)
    assert (result.refused, result.rois) == ((0,), ONE)


def test_a_rectangle_outside_the_image_is_refused():
    result = reconciled([LayerShape(roi_id=0, shape_type="rectangle", vertices=rectangle(0).vertices - [50, 0])], RoiSet())
    assert (result.refused, len(result.rois)) == ((0,), 0)


def test_ids_are_never_given_twice_over_several_edits():
    rois = reconciled([rectangle(0), rectangle(0)], RoiSet()).rois
    rois = reconciled([], rois).rois
    assert reconciled([rectangle(0)], rois).ids == (3,)


@pytest.mark.parametrize(
    ("shape", "aspect"),
    [
        pytest.param((30000, 38), 0.42, id="a long line scan"),
        pytest.param((6000, 96), 0.42, id="the demo"),
        pytest.param((30000, 7), 0.42, id="a very narrow one"),
        pytest.param((512, 512), 1.0, id="a square image is not squeezed"),
    ],
)
def test_the_stretch_shows_a_kymograph_as_a_band(shape, aspect):
    assert shape[1] * display_stretch(shape) / shape[0] == pytest.approx(aspect, rel=0.03)


CALIBRATED = LayerTag(
    role="pixels", dataset_path="d", image_id="i", stretch=100.0, seconds_per_line=0.001, um_per_pixel=0.25
)


def test_a_position_reads_seconds_and_micrometres():
    assert describe_position(CALIBRATED, (1500.2, 410.0)) == "1.5000 s, 1.00 µm (line 1500, pixel 4)"


def test_a_position_without_calibration_reads_lines_and_pixels_and_says_so():
    tag = LayerTag(role="pixels", dataset_path="d", image_id="i", stretch=100.0)
    assert describe_position(tag, (3, 1500.0, 410.0)) == "line 1500, pixel 4 (calibration unknown)"


def test_a_record_becomes_pixels_masks_and_last_its_rois(demo_path):
    dataset = ZarrDataset(demo_path)
    image_id = dataset.list_image_ids()[0]
    layers = record_to_layers(AcqImage(dataset.record(image_id)), dataset_path=str(demo_path), image_id=image_id)
    assert [(kind, options["metadata"]["kymflow"].role) for _, options, kind in layers] == [
        ("image", "pixels"),
        ("image", "mask"),
        ("shapes", "rois"),
    ]


def test_pixels_stay_lazy(demo_path):
    dataset = ZarrDataset(demo_path)
    image_id = dataset.list_image_ids()[0]
    layers = record_to_layers(AcqImage(dataset.record(image_id)), dataset_path=str(demo_path), image_id=image_id)
    assert not isinstance(layers[0][0], np.ndarray)


@pytest.mark.parametrize(
    ("shape", "stretch"),
    [
        pytest.param((40, 30), 1.0, id="y,x"),
        pytest.param((3, 400, 30), 6.0, id="z,y,x"),
        pytest.param((2, 400, 30, 2), 6.0, id="z,y,x,c"),
    ],
)
def test_images_of_more_dimensions_are_stretched_along_x_only(tmp_path, shape, stretch):
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.add_image(np.zeros(shape, np.uint8))
    _, options, _ = record_to_layers(AcqImage(record), dataset_path="d", image_id=record.image_id)[0]
    assert options["axis_labels"][-2:] == ("y", "x")
    assert options["scale"] == (*[1.0] * (len(shape) - 1), stretch)


def test_contrast_limits_leave_out_single_bright_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(100, 200, (5000, 40)).astype(np.uint16)
    pixels[17, 3] = 65535
    low, high = contrast_limits(AcqImage(ZarrDataset(tmp_path / "d.zarr").add_image(pixels)))
    assert 100 <= low < high <= 200


def test_contrast_limits_of_an_even_image_are_still_a_range(tmp_path):
    low, high = contrast_limits(AcqImage(ZarrDataset(tmp_path / "d.zarr").add_image(np.full((50, 40), 7, np.uint16))))
    assert (low, high) == (7.0, 8.0)

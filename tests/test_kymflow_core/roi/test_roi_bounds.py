"""Where a ROI lies: the extent of its pixels, whatever kind it is of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core import AcqImage, KymDataset, MaskROI, RectROI, RoiSet
from kymflow_core.indexers import RoiIndexer
from kymflow_core.roi import DrawnShape
from kymflow_core.roi.bounds import NOWHERE, Bounds, mask_bounds, roi_bounds
from kymflow_core.roi.pixels import drawn_mask
from kymflow_core.roi.shape_kinds import SHAPE_KINDS
from kymflow_core.roi_files.geojson import rois_to_geojson
from kymflow_zarr import ZarrDataset
from property_tests import examples

SHAPE = (40, 30)


def drawn(shape_type, *vertices):
    shape = DrawnShape(type=shape_type, vertices=tuple((float(y), float(x)) for y, x in vertices))
    return MaskROI(roi_id=1, reference=None, meta={"shape": shape.to_dict()})


def rect(x0, x1, y0, y1):
    return RectROI(roi_id=1, x0=x0, x1=x1, y0=y0, y1=y1)


def painted(*pixels):
    mask = np.zeros(SHAPE, bool)
    for y, x in pixels:
        mask[y, x] = True
    return mask


def extent(mask):
    """The rule, written anew."""
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return NOWHERE
    return Bounds(x0=columns.min(), x1=columns.max() + 1, y0=rows.min(), y1=rows.max() + 1)


ISSUE = drawn("ellipse", (10.5, 5.5), (10.5, 16.5), (21.5, 16.5), (21.5, 5.5))
"""An ellipse over the lines 11 to 21 and the pixels 6 to 16."""

coordinates = st.one_of(st.integers(-9, 39).map(float), st.floats(-9, 39).map(lambda value: round(value, 3)))
counts = {"polygon": (3, 9), "path": (2, 6), "ellipse": (4, 4), "rectangle": (4, 4), "line": (2, 2)}


@st.composite
def drawn_rois(draw):
    shape_type = draw(st.sampled_from(list(SHAPE_KINDS)))
    least, most = counts[shape_type]
    return drawn(shape_type, *draw(st.lists(st.tuples(coordinates, coordinates), min_size=least, max_size=most)))


ranges = st.tuples(st.integers(0, 45), st.integers(1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))
rects = st.tuples(ranges, ranges).map(lambda pair: rect(*pair[0], *pair[1]))


@pytest.mark.slow
@settings(max_examples=examples(300))
@given(st.one_of(drawn_rois(), rects), st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_the_bounds_are_the_extent_of_the_pixels(roi, shape):
    assert roi_bounds(roi, shape) == extent(drawn_mask(roi, shape))


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 29)), max_size=8))
def test_the_bounds_of_a_mask_are_the_extent_of_its_pixels(pixels):
    mask = painted(*pixels)
    assert mask_bounds(mask) == extent(mask)


@pytest.mark.parametrize(
    ("roi", "expected"),
    [
        pytest.param(ISSUE, (6, 17, 11, 22), id="ellipse"),
        pytest.param(drawn("polygon", (10.5, 5.5), (10.5, 7.5), (14.5, 7.5), (14.5, 5.5)), (6, 8, 11, 15), id="polygon"),
        pytest.param(drawn("polygon", (10, 5), (10, 7), (14, 7), (14, 5)), (5, 8, 10, 15), id="polygon on centres"),
        pytest.param(drawn("polygon", (2, 2), (2, 2.4), (9.5, 8.6)), (2, 5, 2, 5), id="thin end between centres"),
        pytest.param(drawn("rectangle", (10, 5), (15, 10), (10, 15), (5, 10)), (5, 16, 5, 16), id="rotated rectangle"),
        pytest.param(drawn("path", (3.4, 2.6), (3.6, 9.4)), (3, 10, 3, 5), id="path, by its rounded vertices"),
        pytest.param(drawn("line", (0, 0), (39, 29)), (0, 30, 0, 40), id="line across"),
        pytest.param(drawn("polygon", (-9, -9), (-9, 4.5), (4.5, 4.5), (4.5, -9)), (0, 5, 0, 5), id="cut off"),
        pytest.param(drawn("ellipse", (90, 90), (90, 99), (99, 99), (99, 90)), (0, 0, 0, 0), id="outside"),
        pytest.param(drawn("polygon", (5.1, 5.1), (5.1, 5.9), (5.9, 5.9), (5.9, 5.1)), (0, 0, 0, 0), id="between centres"),
        pytest.param(rect(2, 9, 5, 17), (2, 9, 5, 17), id="rectangle"),
        pytest.param(rect(20, 99, 30, 99), (20, 30, 30, 40), id="rectangle cut off"),
        pytest.param(rect(30, 31, 0, 5), (0, 0, 0, 0), id="rectangle outside"),
    ],
)
def test_the_bounds_of(roi, expected):
    assert tuple(roi_bounds(roi, SHAPE)) == expected


def test_the_place_of_a_painted_roi_is_not_known_without_its_mask():
    assert roi_bounds(MaskROI(roi_id=1, reference="analysis_arrays/m"), SHAPE) is None


def test_the_stored_mask_counts_where_there_is_one():
    assert tuple(roi_bounds(ISSUE, SHAPE, painted((2, 3), (8, 4)))) == (3, 5, 2, 9)


@pytest.mark.slow
def test_a_shape_of_many_lines_needs_no_mask():
    roi = drawn("polygon", (0.5, 0.5), (0.5, 9.5), (9e5, 9.5), (9e5, 0.5))
    assert tuple(roi_bounds(roi, (10_000_000, 10_000))) == (1, 10, 1, 900_001)


@pytest.fixture
def calibrated(dataset: ZarrDataset, rng) -> AcqImage:
    """An image of 40 lines of 30 pixels, with a ROI of every kind, saved."""
    record = dataset.add_image(rng.integers(0, 9, SHAPE))
    header = {"seconds_per_line": 0.5, "um_per_pixel": 0.25}
    record.save_metadata_payload({"header": header})
    image = AcqImage(record)
    rois = [ISSUE, drawn("polygon", (2, 2), (2, 2.4), (9.5, 8.6)), drawn("path", (3.4, 2.6), (3.6, 9.4)), rect(2, 9, 5, 17)]
    image.save_rois(RoiSet.of(replace(roi, roi_id=number) for number, roi in enumerate(rois, start=1)))
    image.add_mask_roi(painted((7, 3), (7, 4), (30, 20)))
    return image


def test_the_table_states_the_extent_of_every_rois_pixels(calibrated, dataset):
    KymDataset(dataset).rebuild(RoiIndexer())
    rows = KymDataset(dataset).get_table("rois")
    stated = [Bounds(*bounds) for bounds in rows[["x0", "x1", "y0", "y1"]].itertuples(index=False)]
    assert stated == [extent(calibrated.get_roi_mask(roi.roi_id)) for roi in calibrated.rois]


def test_the_extent_in_seconds_and_um_is_that_of_the_table(calibrated, dataset):
    KymDataset(dataset).rebuild(RoiIndexer())
    rows = KymDataset(dataset).get_table("rois")
    extents = [calibrated.roi_extent(roi.roi_id) for roi in calibrated.rois]
    found = [(one.t0_s, one.t1_s, one.x0_um, one.x1_um) for one in extents]
    assert rows[["t0_s", "t1_s", "x0_um", "x1_um"]].to_numpy().tolist() == [list(numbers) for numbers in found]
    assert found[0] == (5.5, 11.0, 1.5, 4.25)


def test_the_pixels_that_are_given_are_those_within_the_bounds(calibrated):
    for roi in calibrated.rois:
        bounds = calibrated.bounds_of(roi)
        assert calibrated.get_roi_pixels(roi.roi_id).shape == (bounds.y1 - bounds.y0, bounds.x1 - bounds.x0)


@pytest.mark.parametrize("roi_id", [pytest.param(4, id="rectangle"), pytest.param(5, id="painted")])
def test_the_geometry_in_geojson_spans_the_bounds(calibrated, roi_id):
    roi = calibrated.rois.get(roi_id)
    (feature,) = rois_to_geojson([roi], masks={roi_id: calibrated.get_roi_mask(roi_id)})["features"]
    polygons = feature["geometry"]["coordinates"]
    if feature["geometry"]["type"] == "MultiPolygon":
        polygons = [ring for polygon in polygons for ring in polygon]
    x, y = np.concatenate(polygons).T
    assert (x.min(), x.max(), y.min(), y.max()) == tuple(calibrated.bounds_of(roi))

"""Outlines of masks, and GeoJSON out."""

import json
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kymflow_core.errors import RoiError
from kymflow_core.roi import DrawnShape, MaskROI, RectROI, RoiSet, polygons
from kymflow_core.roi.polygons import is_simple
from kymflow_core.roi.raster import shape_mask
from kymflow_core.roi_files import geojson
from kymflow_core.roi_files.geojson import rois_to_geojson, save_geojson
from kymflow_core.roi_files.outline import mask_regions
from property_tests import examples

SHAPE = (20, 16)

everyday = settings(max_examples=examples(80))
masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))


def drawn_roi(shape_type, vertices, **fields):
    shape = DrawnShape(type=shape_type, vertices=tuple(tuple(vertex) for vertex in vertices))
    return MaskROI(**{"roi_id": 1, **fields}, reference=None, meta={"shape": shape.to_dict()})


def painted_roi(**fields):
    return MaskROI(**{"roi_id": 1, **fields}, reference="analysis_arrays/painted")


def mask_of_text(text):
    return np.array([[letter == "#" for letter in line] for line in text.split()])


def rings_of(region):
    return (region.exterior, *region.holes)


def filled(rings, shape):
    """The pixels whose centres lie in an odd number of rings of pixel corners (y, x)."""
    inside = np.zeros(shape, dtype=bool)
    for ring in rings:
        inside ^= shape_mask("polygon", np.asarray(ring) - 0.5, shape)
    return inside


def area(points):
    x, y = np.asarray(points, dtype=float).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def regions_by_flood(mask):
    """The sets of pixels that hang together by their sides."""
    left = set(zip(*map(np.ndarray.tolist, np.nonzero(mask)), strict=True))
    regions = []
    while left:
        region, queue = set(), deque([left.pop()])
        while queue:
            y, x = queue.popleft()
            region.add((y, x))
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left:
                    left.remove(near)
                    queue.append(near)
        regions.append(frozenset(region))
    return set(regions)


@everyday
@given(masks)
def test_the_outline_of_a_mask_has_its_pixels(mask):
    assert np.array_equal(filled([ring for region in mask_regions(mask) for ring in rings_of(region)], mask.shape), mask)


@everyday
@given(masks)
def test_each_region_is_one_that_hangs_together_by_its_sides(mask):
    found = [filled(rings_of(region), mask.shape) for region in mask_regions(mask)]
    pixels = [frozenset(zip(*map(np.ndarray.tolist, np.nonzero(part)), strict=True)) for part in found]
    assert len(pixels) == len(set(pixels))
    assert set(pixels) == regions_by_flood(mask)


@everyday
@given(masks)
def test_exteriors_and_holes_are_simple_and_wind_by_the_right_hand_rule(mask):
    for region in mask_regions(mask):
        assert area(region.exterior[:, ::-1]) > 0
        assert all(area(hole[:, ::-1]) < 0 for hole in region.holes)
        assert all(is_simple(ring.astype(float)) for ring in rings_of(region))


@everyday
@given(masks)
def test_an_outline_has_corners_only(mask):
    for region in mask_regions(mask):
        for ring in rings_of(region):
            sides = np.roll(ring, -1, axis=0) - ring
            assert ((sides == 0).sum(axis=1) == 1).all()
            assert ((sides == 0) != (np.roll(sides, 1, axis=0) == 0)).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("... ...", [], id="nothing"),
        pytest.param("... .#.", [([[1, 1], [1, 2], [2, 2], [2, 1]], [])], id="one pixel"),
        pytest.param(
            "#. .#", [([[0, 0], [0, 1], [1, 1], [1, 0]], []), ([[1, 1], [1, 2], [2, 2], [2, 1]], [])], id="two at a corner"
        ),
        pytest.param("### #.# ###", [([[0, 0], [0, 3], [3, 3], [3, 0]], [[[1, 1], [2, 1], [2, 2], [1, 2]]])], id="a hole"),
        pytest.param(
            ".## #.# ###",
            [([[0, 1], [0, 3], [3, 3], [3, 0], [1, 0], [1, 1]], [[[1, 1], [2, 1], [2, 2], [1, 2]]])],
            id="a hole that touches the outside",
        ),
    ],
)
def test_the_outline_of(text, expected):
    found = [
        (region.exterior.tolist(), [hole.tolist() for hole in region.holes]) for region in mask_regions(mask_of_text(text))
    ]
    assert found == expected


def test_a_ring_in_a_hole_is_a_region_of_its_own():
    mask = mask_of_text("##### #...# #.#.# #...# #####")
    outer, inner = mask_regions(mask)
    assert len(outer.holes) == 1
    assert inner.holes == ()
    assert inner.exterior.tolist() == [[2, 2], [2, 3], [3, 3], [3, 2]]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        pytest.param([(0, 0), (4, 0), (4, 3)], True, id="triangle"),
        pytest.param([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)], True, id="notch"),
        pytest.param([(0, 0), (4, 4), (4, 0), (0, 4)], False, id="bow tie"),
        pytest.param([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], False, id="a corner on a side"),
        pytest.param([(0, 0), (4, 0), (2, 0), (2, 4)], False, id="turned back on itself"),
        pytest.param([(0, 0), (4, 0), (2, 2), (4, 4), (0, 4), (2, 2)], False, id="a corner met twice"),
    ],
)
def test_a_polygon_is_simple_where_it_meets_itself_nowhere(points, expected):
    assert is_simple(np.array(points, dtype=float)) == expected
    assert is_simple(np.array(points[::-1], dtype=float)) == expected


def test_a_rectangle_is_a_polygon_on_the_corners_of_its_pixels():
    roi = RectROI(roi_id=3, name="vein", note="look", channel=2, z=1, x0=2, x1=5, y0=7, y1=8, meta={"color": "#ff0000"})
    collection = rois_to_geojson(RoiSet.of([roi]), um_per_pixel=0.25, seconds_per_line=0.002)
    assert collection == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [[[2, 7], [5, 7], [5, 8], [2, 8], [2, 7]]]},
                "properties": {
                    "roi_id": 3,
                    "name": "vein",
                    "note": "look",
                    "channel": 2,
                    "z": 1,
                    "kind": "rect",
                    "stroke": "#ff0000",
                    "um_per_pixel": 0.25,
                    "seconds_per_line": 0.002,
                },
            }
        ],
        "kymflow": {"coordinates": "[x, y] in pixels: x to the right, y down, pixel i spans i to i + 1", "lost": []},
    }


def test_an_unknown_calibration_does_not_stand_in_the_properties():
    (feature,) = rois_to_geojson([RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1)])["features"]
    assert list(feature["properties"]) == ["roi_id", "name", "note", "channel", "z", "kind"]


@pytest.mark.parametrize(
    ("shape_type", "vertices", "geometry"),
    [
        pytest.param(
            "path", [(0, 0), (2, 3.5)], {"type": "LineString", "coordinates": [[0.5, 0.5], [4.0, 2.5]]}, id="path"
        ),
        pytest.param("line", [(1, 0), (0, 1)], {"type": "LineString", "coordinates": [[0.5, 1.5], [1.5, 0.5]]}, id="line"),
        pytest.param(
            "polygon",
            [(0, 0), (4, 0), (4, 3)],
            {"type": "Polygon", "coordinates": [[[3.5, 4.5], [0.5, 4.5], [0.5, 0.5], [3.5, 4.5]]]},
            id="polygon, wound anew",
        ),
        pytest.param(
            "rectangle",
            [(0, 1), (1, 2), (2, 1), (1, 0)],
            {"type": "Polygon", "coordinates": [[[1.5, 0.5], [2.5, 1.5], [1.5, 2.5], [0.5, 1.5], [1.5, 0.5]]]},
            id="rectangle",
        ),
    ],
)
def test_a_drawn_shape_is_half_a_pixel_further(shape_type, vertices, geometry):
    collection = rois_to_geojson([drawn_roi(shape_type, vertices)])
    assert collection["features"][0]["geometry"] == geometry
    assert collection["features"][0]["properties"]["kind"] == shape_type
    assert collection["kymflow"]["lost"] == []


half_pixels = st.integers(0, 30).map(lambda twice: twice / 2)


def rings_of_feature(feature):
    geometry = feature["geometry"]
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    assert all(area(polygon[0][:-1]) > 0 for polygon in polygons)
    assert all(ring[0] == ring[-1] for polygon in polygons for ring in polygon)
    return [np.array(ring[:-1])[:, ::-1] for polygon in polygons for ring in polygon]


@everyday
@given(st.lists(st.tuples(half_pixels, half_pixels), min_size=3, max_size=6))
def test_a_drawn_polygon_has_its_pixels_however_it_crosses_itself(vertices):
    expected = shape_mask("polygon", vertices, SHAPE)
    features = rois_to_geojson([drawn_roi("polygon", vertices)])["features"]
    rings = [ring for feature in features for ring in rings_of_feature(feature)]
    assert np.array_equal(filled(rings, SHAPE), expected)


def test_a_drawn_ellipse_has_its_pixels():
    corners = [(2.2, 8.1), (9.3, 14.2), (15.4, 7.1), (8.3, 1.0)]
    (feature,) = rois_to_geojson([drawn_roi("ellipse", corners)])["features"]
    assert np.array_equal(filled(rings_of_feature(feature), SHAPE), shape_mask("ellipse", corners, SHAPE))


def test_a_painted_mask_is_the_outline_of_its_pixels():
    collection = rois_to_geojson([painted_roi(roi_id=4)], masks={4: mask_of_text("##.. ##.# ....")})
    (feature,) = collection["features"]
    assert feature["properties"]["kind"] == "mask"
    assert feature["geometry"] == {
        "type": "MultiPolygon",
        "coordinates": [[[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]], [[[3, 1], [4, 1], [4, 2], [3, 2], [3, 1]]]],
    }


def test_what_is_lost_is_said():
    rois = RoiSet.of(
        [
            RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1, note="kept", meta={"who": "me", "mask_ref": "x"}, extra={"lab": 1}),
            painted_roi(roi_id=2, name="brush"),
            painted_roi(roi_id=3),
            drawn_roi("ellipse", [(0, 0), (0, 9), (5, 9), (5, 0)], roi_id=4),
            drawn_roi("polygon", [(0, 0), (4, 4), (4, 0), (0, 4)], roi_id=5),
            drawn_roi("polygon", [(0.25, 0.25), (0.5, 0.5), (0.375, 0.375)], roi_id=6),
            drawn_roi("polygon", [(0, 0), (1e7, 1e7), (1e7, 0), (0, 1e7)], roi_id=7),
        ]
    )
    collection = rois_to_geojson(rois, masks={3: np.zeros(SHAPE, dtype=bool)})
    assert collection["kymflow"]["lost"] == [
        "ROI 1: not carried: meta.who, lab",
        "ROI 2 ('brush'): left out: it was painted, and its mask was not given",
        "ROI 3: left out: its mask has no pixel",
        "ROI 4: the ellipse became a polygon of 99 sides",
        "ROI 5: the polygon crosses or touches itself, and became the outline of its pixels",
        "ROI 6: left out: it has no pixel",
        "ROI 7: left out: it crosses itself, and is too large to be outlined",
    ]
    assert [feature["properties"]["roi_id"] for feature in collection["features"]] == [1, 4, 5]


@pytest.mark.parametrize("name", ["a.geojson", "a.JSON"])
def test_the_file_is_the_collection(tmp_path, name):
    rois = [RectROI(roi_id=1, name="µ", x0=0, x1=1, y0=0, y1=1, meta={"who": "me"})]
    assert save_geojson(tmp_path / name, rois) == ("ROI 1 ('µ'): not carried: meta.who",)
    assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == rois_to_geojson(rois)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.geojson"
    path.write_bytes(b"old")

    def no_rename(source, target):
        raise PermissionError(target)

    monkeypatch.setattr("os.replace", no_rename)
    with pytest.raises(PermissionError):
        save_geojson(path, [])
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("a.geojson", b"old")]


def test_a_file_of_another_ending_is_refused(tmp_path):
    with pytest.raises(RoiError, match=r"cannot write GeoJSON to 'a.roi': the name must end in .geojson or .json"):
        save_geojson(tmp_path / "a.roi", [])


@pytest.mark.parametrize("rate", [0, -1.0, np.nan, np.inf, "1"])
def test_a_calibration_that_is_no_positive_number_is_refused(rate):
    with pytest.raises(RoiError, match=r"um_per_pixel must be a positive number, not .*; seconds_per_line must be"):
        rois_to_geojson([], um_per_pixel=rate, seconds_per_line=rate)


def test_a_mask_that_is_no_boolean_image_is_refused():
    with pytest.raises(
        RoiError, match=r"the mask of ROI 1 must be a boolean image \(y, x\), not float64 of shape \(2, 2\)"
    ):
        rois_to_geojson([painted_roi()], masks={1: np.zeros((2, 2))})


def in_a_circle(count):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([200 + 150 * np.sin(turn), 200 + 150 * np.cos(turn)], axis=1)


def test_a_polygon_of_many_vertices_is_simple_or_not():
    points = in_a_circle(50_000)
    assert is_simple(points)
    points[[100, 40_000]] = points[[40_000, 100]]
    assert not is_simple(points)


def test_what_would_take_very_long_to_look_at_is_refused_with_the_limit(monkeypatch):
    monkeypatch.setattr(polygons, "MOST_PAIRS", 10)
    comb = np.array([(0.0, at) if at % 2 else (9.0, at) for at in range(20)] + [(-5.0, 19), (-5.0, 0)])
    with pytest.raises(RoiError, match="pairs of its sides lie side by side, and at most 10 are looked at"):
        is_simple(comb)


@pytest.mark.parametrize("name", ["MOST_OF_ONE", "MOST_VERTICES"])
def test_shapes_of_too_many_vertices_are_refused_or_left_out_with_the_limit(monkeypatch, name):
    monkeypatch.setattr(geojson, name, 1000)
    shape = {"type": "polygon", "vertices": in_a_circle(1001).tolist()}
    roi = MaskROI(roi_id=1, reference=None, meta={"shape": shape})
    if name == "MOST_OF_ONE":
        assert rois_to_geojson([roi])["kymflow"]["lost"] == [
            "ROI 1: left out: it has 1,001 vertices, and at most 1,000 are written"
        ]
    else:
        with pytest.raises(RoiError, match="the ROIs have 1,001 vertices; at most 1,000 are written to one GeoJSON file"):
            rois_to_geojson([roi])

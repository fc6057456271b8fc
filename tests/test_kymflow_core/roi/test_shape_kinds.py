"""The kinds of shape: one table, which masks, GeoJSON, ImageJ and the list of ROIs follow."""

import numpy as np
import pytest
from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from kymflow_core.roi import DrawnShape, MaskROI
from kymflow_core.roi.bounds import roi_bounds
from kymflow_core.roi.raster import shape_mask
from kymflow_core.roi.shape_kinds import SHAPE_KINDS, ShapeKind, shape_problems
from kymflow_core.roi_files.geojson import rois_to_geojson
from kymflow_core.roi_files.imagej import rois_from_imagej, rois_to_imagej

SHAPE = (40, 30)
VERTICES = ((5.3, 10.3), (5.3, 20.3), (25.3, 20.3), (25.3, 10.3))


def drawn(kind):
    shape = DrawnShape(type=kind.name, vertices=VERTICES[: kind.vertices])
    return MaskROI(roi_id=1, name="drawn", reference=None, meta={"shape": shape.to_dict()})


def hexagon(corners):
    centre, radii = corners.mean(axis=0), np.ptp(corners, axis=0) / 2
    angles = np.arange(6) * np.pi / 3
    return centre + np.column_stack([np.sin(angles), np.cos(angles)]) * radii


HEXAGON = ShapeKind(name="hexagon", label="honeycomb", vertices=4, outline=hexagon, imagej_type="POLYGON")


@pytest.fixture(params=[*SHAPE_KINDS, "hexagon"])
def kind(request, monkeypatch):
    """Each kind of shape, and one that is new: an entry in the table is all that it needs."""
    monkeypatch.setitem(SHAPE_KINDS, "hexagon", HEXAGON)
    return SHAPE_KINDS[request.param]


def test_it_has_pixels_within_its_vertices(kind):
    mask = shape_mask(kind.name, drawn(kind).drawn.vertices, SHAPE)
    bounds = roi_bounds(drawn(kind), SHAPE)
    assert mask.any()
    assert (bounds.x0 >= 10, bounds.x1 <= 21, bounds.y0 >= 5, bounds.y1 <= 26) == (True,) * 4


def test_it_needs_its_vertices(kind):
    short = [list(vertex) for vertex in VERTICES[: kind.vertices - 1]]
    expected = f"meta.shape needs {kind.vertices} vertices for the type {kind.name!r}, not {kind.vertices - 1}"
    assert shape_problems(kind.name, short) == [expected]


def test_it_takes_further_vertices_where_it_may(kind):
    further = [[5.0 + number, 10.0] for number in range(kind.vertices + 1)]
    assert (shape_problems(kind.name, further) == []) == kind.any_number


def test_it_is_a_geometry_of_geojson(kind):
    (feature,) = rois_to_geojson([drawn(kind)])["features"]
    assert feature["geometry"]["type"] == ("Polygon" if kind.is_closed else "LineString")
    assert feature["properties"]["kind"] == kind.name


def test_it_is_a_type_of_imagej(kind, tmp_path):
    rois_to_imagej([drawn(kind)], tmp_path / "one.roi")
    theirs = ImagejRoi.fromfile(tmp_path / "one.roi")
    assert (theirs.roitype, theirs.subtype) == (ROI_TYPE[kind.imagej_type], ROI_SUBTYPE[kind.imagej_subtype])


def test_it_comes_back_from_imagej_with_its_pixels(kind, tmp_path):
    rois_to_imagej([drawn(kind)], tmp_path / "one.roi")
    (back,) = rois_from_imagej(tmp_path / "one.roi", next_id=1, shape=SHAPE).rois
    assert back.drawn.kind.is_closed == kind.is_closed
    masks = [shape_mask(one.drawn.type, one.drawn.vertices, SHAPE) for one in (drawn(kind), back)]
    assert np.array_equal(*masks)


def test_the_names_are_those_of_the_table():
    assert {name: kind.name for name, kind in SHAPE_KINDS.items()} == {name: name for name in SHAPE_KINDS}

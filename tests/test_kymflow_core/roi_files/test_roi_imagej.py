"""ImageJ's ROI files, in and out."""

import io
import itertools
import zipfile

import numpy as np
import pytest
import roifile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from kymflow_core.errors import RoiError
from kymflow_core.roi import DrawnShape, MaskROI, RectROI, RoiSet
from kymflow_core.roi.raster import shape_mask
from kymflow_core.roi_files import imagej_read
from kymflow_core.roi_files.imagej import rois_from_imagej, rois_to_imagej
from property_tests import examples

SHAPE = (40, 30)
TILTED = ((10.0, 2.0), (14.0, 5.0), (8.0, 13.0), (4.0, 10.0))
"""A rectangle of 5 by 10 pixels, turned by 37 degrees."""

everyday = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
half_pixels = st.integers(-20, 100).map(lambda twice: twice / 2)
polygons = st.lists(st.tuples(half_pixels, half_pixels), min_size=3, max_size=8)


def drawn_roi(shape_type, vertices, **fields):
    shape = DrawnShape(type=shape_type, vertices=tuple(tuple(vertex) for vertex in vertices))
    meta = {**fields.pop("meta", {}), "shape": shape.to_dict()}
    return MaskROI(**{"roi_id": 1, "name": "drawn", **fields}, reference=None, meta=meta)


def painted_roi(**fields):
    return MaskROI(**{"roi_id": 1, "name": "painted", **fields}, reference="analysis_arrays/painted")


def pixels(roi, shape=SHAPE):
    return shape_mask(roi.drawn.type, roi.drawn.vertices, shape)


def there_and_back(path, roi, shape=SHAPE, **masks):
    rois_to_imagej(RoiSet.of([roi]), path, **masks)
    imported = rois_from_imagej(path, next_id=1, shape=shape)
    assert len(imported.rois) == 1, imported.lost
    return imported.rois[0]


def imagej_file(path, roi):
    path.write_bytes(roi.tobytes())
    return path


def zip_file(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def rect_in_imagej(x0=2, y0=3, x1=12, y1=13, **fields):
    return ImagejRoi(
        **{"roitype": ROI_TYPE.RECT, "left": x0, "top": y0, "right": x1, "bottom": y1, "name": "theirs", **fields}
    )


def polygon_in_imagej(points, roi_type=ROI_TYPE.POLYGON):
    roi = ImagejRoi.frompoints(points, name="theirs")
    roi.roitype = roi_type
    return roi


def in_imagej(corners, shape):
    """The pixels that ImageJ has in a polygon of whole corners (x, y), by its rule in integers.

    Of centres on the outline, those on its right and lower sides are in, and those on its left and upper sides out.
    """
    y, x = 2 * np.mgrid[: shape[0], : shape[1]] + 1
    inside = np.zeros(shape, dtype=bool)
    for begin, end in itertools.pairwise([*corners, corners[0]]):
        (ya, xa), (yb, xb) = sorted((2 * point[1], 2 * point[0]) for point in (begin, end))
        inside ^= (ya < y) & (y <= yb) & ((y - ya) * (xb - xa) < (x - xa) * (yb - ya))
    return inside


def in_imagej_upside_down(corners, shape):
    """As above, with the other half of the centres on the outline."""
    turned = in_imagej([(shape[1] - x, shape[0] - y) for x, y in corners], shape)
    return turned[::-1, ::-1]


whole_corners = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), min_size=3, max_size=7)


@everyday
@given(whole_corners)
def test_a_polygon_from_imagej_has_its_pixels_and_those_on_its_outline(tmp_path, corners):
    path = imagej_file(tmp_path / "a.roi", polygon_in_imagej(np.array(corners, dtype=np.int32)))
    theirs = in_imagej(corners, (15, 15))
    ours = theirs | in_imagej_upside_down(corners, (15, 15))
    imported = rois_from_imagej(path, next_id=1, shape=(15, 15))
    if not ours.any():
        assert imported.rois == ()
        return
    assert np.array_equal(pixels(imported.rois[0], (15, 15)), ours)
    apart = np.count_nonzero(ours & ~theirs)
    assert any(f"counts {apart} of the pixels" in line for line in imported.lost) == (apart > 0)


def test_a_traced_outline_from_imagej_has_its_pixels_exactly(tmp_path):
    corners = [(3, 2), (6, 2), (6, 4), (8, 4), (8, 7), (3, 7)]
    path = imagej_file(tmp_path / "a.roi", polygon_in_imagej(np.array(corners, dtype=np.int32), ROI_TYPE.TRACED))
    imported = rois_from_imagej(path, next_id=1, shape=SHAPE)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[2:4, 3:6] = expected[4:7, 3:8] = True
    assert np.array_equal(pixels(imported.rois[0]), expected)
    assert imported.lost == ()


@st.composite
def rects(draw):
    y0, x0 = draw(st.integers(0, 200_000)), draw(st.integers(0, 200_000))
    y1, x1 = y0 + draw(st.integers(1, 200_000)), x0 + draw(st.integers(1, 200_000))
    return RectROI(
        roi_id=draw(st.integers(1, 50)),
        name=draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)),
        channel=draw(st.integers(1, 5)),
        z=draw(st.integers(0, 9)),
        meta=draw(st.sampled_from([{}, {"color": "#12abef"}])),
        x0=x0,
        x1=x1,
        y0=y0,
        y1=y1,
    )


@everyday
@given(rects(), st.sampled_from(["a.roi", "a.zip"]))
def test_a_rectangle_there_and_back_is_the_same(tmp_path, roi, name):
    rois_to_imagej(RoiSet.of([roi]), tmp_path / name)
    imported = rois_from_imagej(tmp_path / name, next_id=roi.roi_id, shape=(400_000, 400_000))
    assert imported.rois == (roi,)
    assert imported.lost == ()


@everyday
@given(polygons)
def test_a_polygon_there_and_back_has_the_same_pixels(tmp_path, vertices):
    roi = drawn_roi("polygon", vertices)
    expected = pixels(roi)
    rois_to_imagej(RoiSet.of([roi]), tmp_path / "a.roi")
    imported = rois_from_imagej(tmp_path / "a.roi", next_id=1, shape=SHAPE)
    if expected.any():
        assert imported.rois[0].drawn == roi.drawn
        assert np.array_equal(pixels(imported.rois[0]), expected)
    else:
        assert any("no pixel in the image" in line for line in imported.lost)


@everyday
@given(st.lists(st.tuples(half_pixels, half_pixels), min_size=2, max_size=6), st.sampled_from(["path", "line"]))
def test_a_path_there_and_back_has_the_same_vertices(tmp_path, vertices, shape_type):
    vertices = [(abs(y) % 39, abs(x) % 29) for y, x in vertices][: 2 if shape_type == "line" else None]
    again = there_and_back(tmp_path / "a.roi", drawn_roi(shape_type, vertices)).drawn
    assert (again.vertices, again.type) == (tuple(vertices), shape_type)


@everyday
@given(
    st.sampled_from(["ellipse", "rectangle"]),
    st.tuples(st.floats(5, 30), st.floats(5, 25)),
    st.floats(0.5, 12),
    st.floats(0.5, 12),
    st.floats(0, 7),
)
def test_a_turned_shape_there_and_back_is_the_same(tmp_path, shape_type, centre, along, across, angle):
    first = np.array([np.cos(angle), np.sin(angle)]) * along
    second = np.array([-np.sin(angle), np.cos(angle)]) * across
    corners = np.add(centre, [-first - second, first - second, first + second, -first + second])
    roi = drawn_roi(shape_type, corners.tolist())
    if not pixels(roi).any():
        return
    again = there_and_back(tmp_path / "a.roi", roi).drawn
    assert again.type == shape_type
    near = np.linalg.norm(np.array(again.vertices)[:, None] - corners[None], axis=2)
    assert near.min(axis=0).max() < 1e-4
    assert near.min(axis=1).max() < 1e-4


@everyday
@given(st.integers(0, 2**16 - 1))
def test_a_painted_mask_there_and_back_has_the_same_pixels_where_it_is_one_region(tmp_path, bits):
    mask = np.array([bits >> bit & 1 for bit in range(16)], dtype=bool).reshape(4, 4)
    lost = rois_to_imagej(RoiSet.of([painted_roi()]), tmp_path / "a.zip", masks={1: mask})
    if not mask.any():
        assert "has no pixel" in lost[-1]
        return
    (theirs,) = roifile.roiread(tmp_path / "a.zip")
    rings = [np.array(ring) for ring in theirs.coordinates(multi=True)]
    again = np.zeros((4, 4), dtype=bool)
    for ring in rings:
        again ^= shape_mask("polygon", ring[:, ::-1] - 0.5, (4, 4))
    assert np.array_equal(again, mask)
    if len(rings) == 1:
        imported = rois_from_imagej(tmp_path / "a.zip", next_id=1, shape=(4, 4))
        assert np.array_equal(pixels(imported.rois[0], (4, 4)), mask)
        assert imported.lost == ()


def test_what_is_lost_on_the_way_out_is_said(tmp_path):
    rois = RoiSet.of(
        [
            RectROI(roi_id=1, name="vein", note="look", x0=0, x1=3, y0=0, y1=4, meta={"color": "red", "who": "me"}),
            RectROI(roi_id=2, x0=0, x1=3, y0=0, y1=4, extra={"lab": 7}, data_extra={"w": 1}),
            painted_roi(roi_id=3),
            painted_roi(roi_id=4),
            drawn_roi("ellipse", ((0, 0), (0, 20), (9, 25), (9, 5)), roi_id=5),
            drawn_roi("polygon", ((0, 0), (2e7, 0), (2e7, 9)), roi_id=6),
            drawn_roi("polygon", ((0, 0), (5, 0), (5, 5)), roi_id=7),
        ]
    )
    lost = rois_to_imagej(rois, tmp_path / "a.zip", masks={4: np.zeros((4, 4), dtype=bool)})
    assert lost == (
        "ImageJ has no ROI ids: they are not carried",
        "ROI 1 ('vein'): not carried: note, meta.color, meta.who",
        "ROI 2: not carried: lab, data.w",
        "ROI 2: it has no name; ImageJ calls it after its file",
        "ROI 3 ('painted'): left out: it was painted, and its mask was not given",
        "ROI 4 ('painted'): left out: its mask has no pixel",
        "ROI 5 ('drawn'): the ellipse is skewed or has no size, and became a polygon",
        "ROI 6 ('drawn'): left out: it reaches beyond pixel 16777216, where ImageJ's coordinates are no longer exact",
        "ROI 7 ('drawn'): ImageJ counts 6 of the pixels on its outline otherwise",
    )


def test_places_names_and_colours_are_imagejs(tmp_path):
    roi = RectROI(roi_id=1, name="µ 🩸", channel=2, z=3, x0=5, x1=9, y0=7, y1=8, meta={"color": "#ff8000"})
    rois_to_imagej(RoiSet.of([roi]), tmp_path / "a.roi")
    content = (tmp_path / "a.roi").read_bytes()
    theirs = ImagejRoi.frombytes(content)
    assert (theirs.left, theirs.top, theirs.right, theirs.bottom) == (5, 7, 9, 8)
    assert (theirs.c_position, theirs.z_position, theirs.t_position) == (2, 4, 0)
    assert theirs.stroke_color == b"\xff\xff\x80\x00"
    assert theirs.name == "µ 🩸"


def test_areas_are_half_a_pixel_apart_and_lines_are_not(tmp_path):
    area, line = drawn_roi("polygon", ((0, 0), (0, 4), (3, 4))), drawn_roi("path", ((0, 0), (0, 4), (3, 4)))
    rois_to_imagej(RoiSet.of([area]), tmp_path / "area.roi")
    rois_to_imagej(RoiSet.of([line]), tmp_path / "line.roi")
    assert roifile.roiread(tmp_path / "area.roi").coordinates().tolist() == [[0.5, 0.5], [4.5, 0.5], [4.5, 3.5]]
    assert roifile.roiread(tmp_path / "line.roi").coordinates().tolist() == [[0, 0], [4, 0], [4, 3]]


def test_a_turned_rectangle_is_imagejs_rotated_rectangle(tmp_path):
    rois_to_imagej(RoiSet.of([drawn_roi("rectangle", TILTED)]), tmp_path / "a.roi")
    theirs = roifile.roiread(tmp_path / "a.roi")
    assert (theirs.roitype, theirs.subtype) == (ROI_TYPE.FREEHAND, ROI_SUBTYPE.ROTATED_RECT)
    # Without points ImageJ reads nothing, not even the axis.
    assert theirs.n_coordinates == 4
    # The axis runs through the middle of the shorter sides, half a pixel further than here.
    ends = sorted([(theirs.x1, theirs.y1), (theirs.x2, theirs.y2)])
    assert ends == [(4.0, 12.5), (12.0, 6.5)]


def test_the_archive_keeps_the_order_and_every_entry_has_a_name_of_its_own(tmp_path):
    names = ["b", "a", "A", "x/y", "", "..", "roi-0004"]
    rois = [RectROI(roi_id=at + 1, name=name, x0=at, x1=at + 1, y0=0, y1=1) for at, name in enumerate(names)]
    rois_to_imagej(RoiSet.of(rois), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        entries = archive.namelist()
    assert len({entry.casefold() for entry in entries}) == len(names)
    assert not any("/" in entry for entry in entries)
    imported = rois_from_imagej(tmp_path / "a.zip", next_id=20, shape=SHAPE)
    assert [(roi.roi_id, roi.name, roi.x0) for roi in imported.rois] == [
        (20 + at, name or "roi-0005", at) for at, name in enumerate(names)
    ]


def test_an_empty_set_makes_an_archive_without_entries(tmp_path):
    assert rois_to_imagej(RoiSet(), tmp_path / "a.zip") == ()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.roi"
    path.write_bytes(b"old")

    def no_rename(source, target):
        raise PermissionError(target)

    monkeypatch.setattr("os.replace", no_rename)
    with pytest.raises(PermissionError):
        rois_to_imagej(RoiSet.of([RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1)]), path)
    assert [found.name for found in tmp_path.iterdir()] == ["a.roi"]
    assert path.read_bytes() == b"old"


SQUARE = RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1)


@pytest.mark.parametrize(
    ("name", "rois", "message"),
    [
        ("a.tif", [SQUARE], r"'a.tif' is no name for ImageJ's ROIs: it must end in .roi \(one ROI\) or .zip"),
        ("a.roi", [], r"'a.roi' can hold exactly one ROI, not 0; choose a name that ends in .zip"),
        ("a.roi", [SQUARE, painted_roi(roi_id=2)], r"exactly one ROI, not 2"),
        ("a.roi", [painted_roi()], r"cannot write 'a.roi': ROI 1 \('painted'\): left out: it was painted"),
    ],
)
def test_what_cannot_be_written_at_all_is_refused(tmp_path, name, rois, message):
    with pytest.raises(RoiError, match=message):
        rois_to_imagej(RoiSet.of(rois), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask", [np.zeros((3, 3)), np.zeros((2, 3, 3), dtype=bool)], ids=["numbers", "a stack"])
def test_a_mask_that_is_no_boolean_image_is_refused(tmp_path, mask):
    with pytest.raises(RoiError, match=r"the mask of ROI 1 \('painted'\) must be a boolean image"):
        rois_to_imagej(RoiSet.of([painted_roi()]), tmp_path / "a.roi", masks={1: mask})


def sub_pixel(roi_type, x, y, width, height):
    fields = {"xd": x, "yd": y, "widthd": width, "heightd": height, "options": ROI_OPTIONS.SUB_PIXEL_RESOLUTION}
    return ImagejRoi(roitype=roi_type, name="theirs", **fields)


@pytest.mark.parametrize(
    ("theirs", "bounds", "lost"),
    [
        pytest.param(rect_in_imagej(), (2, 3, 12, 13), None, id="inside"),
        pytest.param(sub_pixel(ROI_TYPE.RECT, 2, 3, 10, 10), (2, 3, 12, 13), None, id="floats on whole pixels"),
        pytest.param(
            rect_in_imagej(-4, -2, 12, 50),
            (0, 0, 12, 40),
            "cut off at the border of the image: it had x -4 to 12, y -2 to 50; the image has 40 by 30 pixels (y, x)",
            id="partly outside",
        ),
        pytest.param(
            sub_pixel(ROI_TYPE.RECT, 2.25, 3.5, 9.5, 2),
            (2, 3, 12, 5),
            "put on whole pixels, as ImageJ does to measure; its x, y, width and height were (2.25, 3.5, 9.5, 2.0)",
            id="between pixels",
        ),
    ],
)
def test_a_rectangle_from_imagej(tmp_path, theirs, bounds, lost):
    imported = rois_from_imagej(imagej_file(tmp_path / "a.roi", theirs), next_id=7, shape=SHAPE)
    x0, y0, x1, y1 = bounds
    assert imported.rois == (RectROI(roi_id=7, name="theirs", x0=x0, y0=y0, x1=x1, y1=y1),)
    assert imported.lost == (() if lost is None else (f"'theirs': {lost}",))


def test_an_oval_from_imagej_is_an_ellipse_and_the_pixels_that_differ_are_counted(tmp_path):
    theirs = ImagejRoi(roitype=ROI_TYPE.OVAL, left=3, top=5, right=23, bottom=36, name="theirs")
    imported = rois_from_imagej(imagej_file(tmp_path / "a.roi", theirs), next_id=1, shape=SHAPE)
    (roi,) = imported.rois
    assert roi.drawn == DrawnShape(type="ellipse", vertices=((4.5, 2.5), (4.5, 22.5), (35.5, 22.5), (35.5, 2.5)))
    y, x = np.mgrid[:40, :30] + 0.5
    oval = ((x - 13) / 10) ** 2 + ((y - 20.5) / 15.5) ** 2 <= 1
    apart = np.count_nonzero(pixels(roi) != oval)
    assert imported.lost == ((f"'theirs': ImageJ counts {apart} of the pixels on its outline otherwise",) if apart else ())
    assert apart < 12


def looks():
    return rect_in_imagej(
        stroke_width=5,
        stroke_color=b"\x80\x01\x02\x03",
        fill_color=b"\xff\xff\x00\x00",
        group=4,
        props="a: b\n",
        t_position=3,
        c_position=2,
        z_position=5,
    )


def test_what_is_lost_on_the_way_in_is_said(tmp_path):
    imported = rois_from_imagej(imagej_file(tmp_path / "a.roi", looks()), next_id=1, shape=SHAPE)
    assert imported.lost == (
        "'theirs': not carried: frame 3",
        "'theirs': not carried: line width 5, transparency, fill colour, group 4, properties",
    )
    assert (imported.rois[0].channel, imported.rois[0].z, imported.rois[0].meta) == (2, 4, {"color": "#010203"})


def test_a_place_in_a_plain_stack_is_not_taken_for_a_slice(tmp_path):
    imported = rois_from_imagej(imagej_file(tmp_path / "a.roi", rect_in_imagej(position=4)), next_id=1, shape=SHAPE)
    assert imported.rois[0].z == 0
    assert imported.lost == ("'theirs': not carried: place 4 in a stack, which says neither channel nor slice",)


def composite(*parts):
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, name="theirs", shape_roi_size=len(parts))
    roi.multi_coordinates = np.array(parts, dtype=np.float32)
    return roi


FIRST = (0, 1, 1, 1, 4, 1, 1, 4, 6, 1, 1, 6, 4)
"""A rectangle as ImageJ's path: move, draw three times, close."""


def test_a_composite_of_one_part_is_a_polygon(tmp_path):
    imported = rois_from_imagej(imagej_file(tmp_path / "a.roi", composite(*FIRST)), next_id=1, shape=SHAPE)
    assert imported.rois[0].drawn == DrawnShape(type="polygon", vertices=((0.5, 0.5), (0.5, 3.5), (5.5, 3.5), (5.5, 0.5)))


def ellipse_without_points():
    return ImagejRoi(roitype=ROI_TYPE.FREEHAND, subtype=ROI_SUBTYPE.ELLIPSE, name="theirs")


def text():
    return rect_in_imagej(subtype=ROI_SUBTYPE.TEXT, text="hi", text_name="serif")


def infinite():
    roi = polygon_in_imagej([[5.5, 2], [6, 9], [7, 8]])
    roi.subpixel_coordinates[1] = np.inf
    return roi


def spline():
    roi = polygon_in_imagej([[0, 0], [9, 0], [9, 9]])
    roi.options |= ROI_OPTIONS.SPLINE_FIT
    return roi


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        pytest.param(polygon_in_imagej([[1, 2]], ROI_TYPE.POINT), "it is points", id="points"),
        pytest.param(polygon_in_imagej([[1, 2], [3, 4], [5, 6]], ROI_TYPE.ANGLE), "it is an angle", id="angle"),
        pytest.param(rect_in_imagej(roitype=ROI_TYPE.NOROI), "it is an empty selection", id="empty"),
        pytest.param(text(), "it is a text", id="text"),
        pytest.param(
            ImagejRoi(roitype=ROI_TYPE.LINE, subtype=ROI_SUBTYPE.ARROW, x2=5, name="theirs"), "it is an arrow", id="arrow"
        ),
        pytest.param(spline(), "it is a spline, whose curve the file does not hold", id="spline"),
        pytest.param(rect_in_imagej(rounded_rect_arc_size=5), "it is a rectangle with rounded corners", id="rounded"),
        pytest.param(composite(*FIRST, *FIRST), "it is a composite of 2 parts; split it", id="two parts"),
        pytest.param(composite(0, 1, 1, 2, 5, 5, 9, 9, 4), "it is a composite that cannot be read", id="curves"),
        pytest.param(composite(0, 1), "it is a composite that cannot be read", id="half a segment"),
        pytest.param(rect_in_imagej(30, 3, 35, 13), "it lies outside the image: x 30 to 35, y 3 to 13", id="rect outside"),
        pytest.param(rect_in_imagej(5, 3, 5, 13), "it has no size", id="no width"),
        pytest.param(sub_pixel(ROI_TYPE.RECT, np.nan, 0, 3, 3), "it is damaged", id="not a number"),
        pytest.param(sub_pixel(ROI_TYPE.OVAL, 0, 0, 3e9, 3), "it reaches beyond pixel 16777216", id="too far"),
        pytest.param(
            polygon_in_imagej([[50, 2], [60, 2], [60, 9]]), "it has no pixel in the image of 40 by 30", id="outside"
        ),
        pytest.param(polygon_in_imagej([[5, 2], [6, 2]]), "needs 3 vertices", id="two corners"),
        pytest.param(infinite(), "finite numbers", id="infinite"),
        pytest.param(ellipse_without_points(), "it has no size", id="ellipse without size"),
    ],
)
def test_what_has_no_like_here_is_left_out_by_name(tmp_path, theirs, reason):
    path = zip_file(tmp_path / "a.zip", ("x.roi", theirs.tobytes()), ("good.roi", rect_in_imagej(name="").tobytes()))
    imported = rois_from_imagej(path, next_id=5, shape=SHAPE)
    assert [(roi.roi_id, roi.name) for roi in imported.rois] == [(5, "good")]
    assert len(imported.lost) == 1
    assert imported.lost[0].startswith(f"'theirs': left out: {reason}") or reason in imported.lost[0]


def with_type(number):
    content = bytearray(rect_in_imagej().tobytes())
    content[6] = number
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(with_type(77), "'theirs': left out: it is of an unknown type", id="unknown type"),
        pytest.param(b"PK", "it is no ImageJ ROI, which would begin with b'Iout', not with b'PK'", id="foreign"),
        pytest.param(b"Iout" + bytes(10), "it is damaged", id="cut off"),
        pytest.param(polygon_in_imagej([[1, 2], [3, 4], [5, 6]]).tobytes()[:66], "it is damaged", id="cut off in points"),
    ],
)
def test_what_is_damaged_in_an_archive_is_left_out_by_name(tmp_path, content, reason):
    path = zip_file(tmp_path / "a.zip", ("x.roi", content), ("readme.txt", b"hello"))
    imported = rois_from_imagej(path, next_id=5, shape=SHAPE)
    assert imported.rois == ()
    assert reason in imported.lost[0]
    assert imported.lost[1] == "'readme.txt': left out: it is no ROI, whose name would end in .roi"


def damaged_zip():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        # A fixed time: the content is part of the test's name, which each worker makes for itself.
        archive.writestr(zipfile.ZipInfo("x.roi", (2026, 1, 1, 0, 0, 0)), rect_in_imagej().tobytes())
    return content.getvalue().replace(b"Iout", b"Jout", 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tif", b"", r"'a.tif' is no name for ImageJ's ROIs: it must end in .roi \(one ROI\) or .zip \(any number\)"),
        (
            "a.roi",
            b"hello",
            r"'a.roi' cannot be read: it is no ImageJ ROI, .* not with b'hell'; save the selection .* anew",
        ),
        ("a.roi", b"", r"'a.roi' cannot be read: it is no ImageJ ROI"),
        ("a.roi", b"Iout", r"'a.roi' cannot be read: it is damaged"),
        ("a.zip", b"hello", r"'a.zip' is no sound ZIP archive: .*; save it in ImageJ anew"),
        ("a.zip", damaged_zip(), r"'a.zip' is no sound ZIP archive: Bad CRC-32"),
        ("a.zip", damaged_zip()[:-30], r"'a.zip' is no sound ZIP archive"),
    ],
)
def test_a_file_that_is_not_imagejs_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RoiError, match=message):
        rois_from_imagej(tmp_path / name, next_id=1, shape=SHAPE)


def test_an_archive_without_rois_is_refused(tmp_path):
    with pytest.raises(RoiError, match=r"'a.zip' holds no ROI; save the ROI Manager's list"):
        rois_from_imagej(zip_file(tmp_path / "a.zip", ("readme.txt", b"hello")), next_id=1, shape=SHAPE)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        rois_from_imagej(tmp_path / "a.roi", next_id=1, shape=SHAPE)


def test_an_archive_of_too_many_entries_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(imagej_read, "MOST_ENTRIES", 2)
    path = zip_file(tmp_path / "a.zip", *((f"{at}.roi", b"Iout") for at in range(3)))
    with pytest.raises(RoiError, match=r"'a.zip' holds 3 entries of 12 bytes in all; archives are read up to 2 entries"):
        rois_from_imagej(path, next_id=1, shape=SHAPE)


@pytest.mark.slow
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    # 300 MB of zeros take 300 KB in the archive.
    path = zip_file(tmp_path / "a.zip", *((f"{at}.roi", bytes(100_000_000)) for at in range(3)))
    with pytest.raises(RoiError, match=r"holds 3 entries of 300000000 bytes in all"):
        rois_from_imagej(path, next_id=1, shape=SHAPE)


def test_an_entry_that_unpacks_to_more_than_it_says_is_refused(tmp_path):
    path = zip_file(tmp_path / "a.zip", ("a.roi", bytes(5_000_000)))
    content = path.read_bytes().replace((5_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(RoiError, match=r"'a.zip' is no sound ZIP archive: Bad CRC-32"):
        rois_from_imagej(path, next_id=1, shape=SHAPE)


SOUND = [
    rect_in_imagej().tobytes(),
    polygon_in_imagej([[1.5, 2], [9, 2], [9, 9]]).tobytes(),
    composite(*FIRST).tobytes(),
    looks().tobytes(),
    text().tobytes(),
]


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(SOUND), st.lists(st.tuples(st.integers(4, 130), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_roi_is_read_or_refused_and_nothing_else(tmp_path, content, damage):
    damaged = bytearray(content)
    for at, value in damage:
        damaged[at % len(damaged)] = value
    (tmp_path / "a.roi").write_bytes(bytes(damaged))
    try:
        imported = rois_from_imagej(tmp_path / "a.roi", next_id=1, shape=SHAPE)
    except RoiError:
        return
    assert len(imported.rois) + len(imported.lost) >= 1

"""Where the names of ROIs are written on the canvas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Shapes

from kymflow_core import RectROI, RoiSet
from napari_kymflow.layers.placement import Placement
from napari_kymflow.layers.roi_labels import MOST_TRIED, RoiLabel, boxes_on_canvas, labels_of, place_labels
from napari_kymflow.layers.roi_sync import RoiSync
from napari_kymflow.layers.shapes import rois_to_layer

SHAPE = (3000, 40)
FREE = (80.0, 0.0, 1000.0, 160.0)
NAME = (60.0, 15.0)
PLACEMENT = Placement(
    zoom=1 / 3, stretch=15, middle=1499.5, middle_across=19.5 * 15, length=1000, breadth=200, runs_right=True
)
ROIS = RoiSet.of(
    [
        RectROI(roi_id=1, name="whole", x0=0, x1=40, y0=0, y1=3000),
        RectROI(roi_id=2, x0=9, x1=28, y0=75, y1=225, channel=2),
    ]
)


def placed(*boxes, size=NAME):
    return place_labels(np.array(boxes, dtype=float), np.array([size] * len(boxes)), FREE)


@pytest.fixture
def sync():
    """Two rectangles on a layer, bound."""
    data, options, _ = rois_to_layer(ROIS, {}, 15.0, name="ROIs")
    bound = RoiSync(Shapes(data, **options), ROIS, stretch=15.0, shape=SHAPE)
    bound.bind()
    yield bound
    bound.unbind()


def test_each_roi_has_its_name_its_colour_and_its_place(sync):
    whole, other = labels_of(sync)
    assert (whole.text, whole.lines, whole.pixels) == ("whole, channel 1", (0, 3000), (0, 40))
    assert (other.text, other.lines, other.pixels) == ("ROI 2, channel 2", (75, 225), (9, 28))
    assert whole.color != other.color


def test_selected_rois_come_first(sync):
    sync.select([2])
    assert [(label.text[:5], label.is_selected) for label in labels_of(sync)] == [("ROI 2", True), ("whole", False)]


def test_a_shape_that_cannot_be_saved_has_a_label_where_it_is(sync):
    sync.layer.add_rectangles([np.array([[-90, -9], [-90, -5], [-60, -5], [-60, -9]]) * (1.0, 15.0)])
    label = labels_of(sync)[-1]
    assert (label.text, label.lines, label.pixels) == ("not a ROI", (-89.5, -59.5), (-8.5, -4.5))


def test_napari_writes_no_names_itself(sync):
    assert set(sync.layer.text.values.tolist() if sync.layer.text.values.ndim else [str(sync.layer.text.values)]) == {""}


def test_boxes_are_where_the_image_is():
    label = RoiLabel(text="a", color="#ffffff", lines=(300, 600), pixels=(10, 20))
    assert boxes_on_canvas([label], PLACEMENT) == pytest.approx(np.array([[100, 50, 200, 100]]), abs=1)


def test_time_from_top_to_bottom_turns_the_boxes():
    label = RoiLabel(text="a", color="#ffffff", lines=(300, 600), pixels=(10, 20))
    turned = Placement(
        zoom=1 / 3, stretch=15, middle=1499.5, middle_across=19.5 * 15, length=1000, breadth=200, runs_right=False
    )
    assert boxes_on_canvas([label], turned) == pytest.approx(np.array([[50, 100, 100, 200]]), abs=1)


def test_a_name_is_above_its_roi_where_there_is_room():
    assert placed((200, 60, 400, 120)) == {0: (200, 43)}


def test_a_name_is_inside_a_roi_at_the_upper_edge():
    assert placed((200, 10, 400, 120)) == {0: (200, 12)}


def test_the_name_of_a_roi_that_begins_left_of_the_canvas_is_at_the_part_that_is_seen():
    assert placed((-500, 60, 400, 120)) == {0: (80, 43)}


def test_a_name_does_not_leave_the_canvas_at_the_right():
    assert placed((980, 60, 1200, 120)) == {0: (940, 43)}


def test_a_roi_that_is_not_seen_has_no_name():
    assert placed((-500, 60, 20, 120), (1100, 60, 1200, 120), (200, 170, 300, 190)) == {}


def test_names_of_equal_rois_lie_side_by_side_or_above_each_other():
    places = placed(*[(200, 60, 400, 120)] * 4)
    assert len(set(places.values())) == 4


def test_a_name_that_finds_no_room_is_left_out():
    assert list(placed(*[(200, 60, 210, 70)] * 9)) == [0, 1]


def test_a_canvas_narrower_than_a_name_has_none():
    assert place_labels(np.array([[0.0, 60, 10, 90]]), np.array([NAME]), (0.0, 0.0, 50.0, 160.0)) == {}


def test_of_very_many_rois_the_first_has_a_name_and_others_all_over_the_canvas():
    boxes = [(80 + 0.09 * at, 10 * (at % 14), 84 + 0.09 * at, 10 * (at % 14) + 5) for at in range(10_000)]
    places = placed(*boxes, size=(3.0, 3.0))
    assert 0 in places
    assert len(places) == MOST_TRIED
    assert max(x for x, _ in places.values()) > 900


boxes = st.tuples(st.floats(-300, 1200), st.floats(-50, 200), st.floats(0, 600), st.floats(0, 150))


@given(st.lists(boxes, min_size=1, max_size=30))
def test_names_are_whole_and_none_lies_over_another(drawn):
    width, height = NAME
    places = list(placed(*((x, y, x + w, y + h) for x, y, w, h in drawn)).values())
    for at, (x, y) in enumerate(places):
        assert FREE[0] <= x <= FREE[2] - width
        assert FREE[1] <= y <= FREE[3] - height
        for other_x, other_y in places[:at]:
            assert abs(x - other_x) >= width - 1e-6 or abs(y - other_y) >= height - 1e-6

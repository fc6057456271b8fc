"""The table model: text, alignment, sorting."""

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPersistentModelIndex, Qt

from kymflow_zarr import with_units
from napari_kymflow.tables import filters
from napari_kymflow.tables.filters import as_text
from napari_kymflow.widgets.table.frame_model import FrameModel


@pytest.fixture
def model(qapp):
    """Three rows: text, a number with a missing one, an id."""
    return FrameModel(pd.DataFrame({"kind": ["b", "a", "c"], "score": [2.0, np.nan, 1.0], "image_id": ["x", "y", "z"]}))


def column(model, number):
    return [model.data(model.index(row, number)) for row in range(model.rowCount())]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(0.123456789, "0.12346", id="five digits"),
        pytest.param(float("nan"), "–", id="nan"),
        pytest.param(None, "–", id="none"),
        pytest.param(pd.NA, "–", id="NA"),
        pytest.param(12, "12", id="integer"),
        pytest.param("stall", "stall", id="text"),
    ],
)
def test_values_read_as_a_person_reads_them(value, text):
    assert as_text(value) == text


def test_sorting_puts_missing_values_last_both_ways(model):
    model.sort(1, Qt.SortOrder.AscendingOrder)
    assert column(model, 1) == ["1", "2", "–"]
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert column(model, 1) == ["2", "1", "–"]


def test_a_row_is_found_where_it_is_shown(model):
    model.sort(0)
    assert column(model, 0) == ["a", "b", "c"]
    assert model.row_at(0)["image_id"] == "y"
    assert model.place_of("image_id", "z") == 2
    assert model.place_of("image_id", "gone") is None


def test_numbers_are_aligned_right(model):
    aligned = model.data(model.index(0, 1), Qt.ItemDataRole.TextAlignmentRole)
    assert aligned & int(Qt.AlignmentFlag.AlignRight)
    assert model.data(model.index(0, 0), Qt.ItemDataRole.TextAlignmentRole) is None


def test_what_is_missing_stands_where_its_column_does_and_has_no_tooltip(qapp):
    model = FrameModel(
        pd.DataFrame({"name": ["a", None], "text": pd.array(["b", pd.NA], "string"), "score": [1.0, np.nan]})
    )
    for row in (0, 1):
        aligned = [model.data(model.index(row, number), Qt.ItemDataRole.TextAlignmentRole) for number in range(3)]
        assert aligned[:2] == [None, None]
        assert aligned[2] & int(Qt.AlignmentFlag.AlignRight)
    assert [model.data(model.index(1, number), Qt.ItemDataRole.ToolTipRole) for number in range(3)] == ["", "", ""]
    assert model.data(model.index(0, 2), Qt.ItemDataRole.ToolTipRole) == "1.0"


def test_an_empty_frame_has_no_rows(model):
    model.set_frame(pd.DataFrame())
    assert (model.rowCount(), model.columnCount()) == (0, 0)


def test_text_and_numbers_in_one_column_can_be_sorted(model):
    model.set_frame(pd.DataFrame({"condition": ["stim", 3, "a"]}))
    model.sort(0)
    assert column(model, 0) == ["3", "a", "stim"]


@pytest.fixture
def events(qapp):
    """Six events with equal scores among them, texts, a missing value of each, a state, and whether they are outdated."""
    return FrameModel(
        pd.DataFrame(
            {
                "kind": ["b", "a", None, "b", "a", "c"],
                "score": [2, 1.5, 2, np.nan, 1.5, 2],
                "event_id": [1, 2, 3, 4, 5, 6],
                "state": ["fresh", "outdated: parameters", "● not saved", "never analysed", "", "calibration unknown"],
                "outdated": [False, True, False, False, False, False],
            }
        )
    )


ASCENDING, DESCENDING = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
EVEN = np.array([False, True, False, True, False, True])


@pytest.mark.parametrize(
    ("by", "order", "ids"),
    [
        pytest.param(0, ASCENDING, [2, 5, 1, 4, 6, 3], id="texts"),
        pytest.param(0, DESCENDING, [6, 1, 4, 2, 5, 3], id="texts, the other way"),
        pytest.param(1, ASCENDING, [2, 5, 1, 3, 6, 4], id="numbers"),
        pytest.param(1, DESCENDING, [1, 3, 6, 2, 5, 4], id="numbers, the other way"),
        pytest.param(2, DESCENDING, [6, 5, 4, 3, 2, 1], id="whole numbers"),
        pytest.param(4, DESCENDING, [2, 1, 3, 4, 5, 6], id="yes and no"),
    ],
)
def test_sorting_keeps_equal_values_in_order_and_missing_ones_last(events, by, order, ids):
    events.sort(by, order)
    assert column(events, 2) == list(map(str, ids))


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        pytest.param(pd.Series([3, pd.NA, 1], dtype="Int64"), ["1", "3", "–"], id="nullable numbers"),
        pytest.param(pd.Series([10, None, 9], dtype=object), ["9", "10", "–"], id="numbers as objects"),
        pytest.param(pd.Series(["b", "a", "b"], dtype="category"), ["a", "b", "b"], id="categories"),
        pytest.param(pd.to_datetime(pd.Series(["2026-02-01", None, "2026-01-01"])), None, id="times"),
    ],
)
def test_every_kind_of_column_can_be_sorted(model, values, ordered):
    model.set_frame(pd.DataFrame({"values": values}))
    model.sort(0)
    shown = column(model, 0)
    assert shown == (ordered or ["2026-01-01 00:00:00", "2026-02-01 00:00:00", "–"])


@pytest.mark.parametrize("order", [ASCENDING, DESCENDING])
def test_long_columns_of_distinct_texts_are_sorted_like_short_ones(model, monkeypatch, order):
    model.set_frame(pd.DataFrame({"name": ["n10", None, "n2", "m", "Ä", "n1"]}))
    model.sort(0, order)
    short = column(model, 0)
    monkeypatch.setattr(filters, "_SAMPLE", 2)
    model.sort(0, order)
    assert column(model, 0) == short


def test_the_own_order_comes_back(events):
    events.sort(2, DESCENDING)
    events.sort(-1)
    assert (column(events, 2), events.sorted_by) == (["1", "2", "3", "4", "5", "6"], None)


def test_a_filter_keeps_the_order(events):
    events.sort(2, DESCENDING)
    events.set_filter(EVEN)
    assert column(events, 2) == ["6", "4", "2"]
    events.sort(2, ASCENDING)
    assert column(events, 2) == ["2", "4", "6"]
    events.set_filter(None)
    assert column(events, 2) == ["1", "2", "3", "4", "5", "6"]


def test_another_frame_is_sorted_as_the_last_one(events):
    events.sort(2, DESCENDING)
    events.set_frame(pd.DataFrame({"score": [1.0, 2.0, 3.0], "event_id": [7, 9, 8]}))
    assert column(events, 1) == ["9", "8", "7"]


def test_hidden_rows_are_counted_apart(events):
    events.set_filter(EVEN)
    assert (events.rowCount(), events.total_rows, events.shown_rows.tolist()) == (3, 6, [1, 3, 5])


def test_a_filter_of_another_length_is_refused(events):
    with pytest.raises(ValueError, match=r"shape \(2,\); the frame has 6 rows"):
        events.set_filter(np.array([True, False]))


@pytest.mark.parametrize(
    ("name", "values", "places"),
    [
        pytest.param("event_id", [2, 6], [0, 2], id="where they are shown"),
        pytest.param("event_id", [1], [], id="hidden"),
        pytest.param("kind", {"a"}, [2], id="texts"),
        pytest.param("gone", ["a"], [], id="no such column"),
    ],
)
def test_rows_are_found_by_their_values(events, name, values, places):
    events.sort(2, DESCENDING)
    events.set_filter(EVEN)
    assert events.rows_where(name, values).tolist() == places


def test_places_follow_the_order(events):
    events.sort(2, DESCENDING)
    events.set_filter(EVEN)
    assert events.places_of_rows(np.array([0, 1, 5])).tolist() == [0, 2]


def test_remembered_cells_follow_their_rows(events):
    kept = QPersistentModelIndex(events.index(0, 2))
    events.sort(2, DESCENDING)
    assert (kept.row(), kept.column()) == (5, 2)


def test_tooltips_follow_their_rows(events):
    events.set_tooltips({"kind": [f"event {number}" for number in range(1, 7)], "gone": [""] * 6})
    events.sort(2, DESCENDING)
    assert events.data(events.index(0, 0), Qt.ItemDataRole.ToolTipRole) == "event 6"
    assert events.data(events.index(0, 2), Qt.ItemDataRole.ToolTipRole) == "6"


def test_too_few_tooltips_are_refused(events):
    with pytest.raises(ValueError, match="column 'kind' has 1 tooltips; the frame has 6 rows"):
        events.set_tooltips({"kind": ["drop"]})


def test_states_have_icons_and_their_own_text(events):
    icons = [events.data(events.index(row, 3), Qt.ItemDataRole.DecorationRole) for row in range(6)]
    assert [icon is not None for icon in icons] == [True, True, True, True, False, False]
    assert column(events, 3)[1] == "outdated: parameters"


@pytest.fixture
def state_images(qapp):
    """The icon of each state as it is drawn in a row."""
    words = ["fresh", "outdated", "behind", "failed", "never analysed", "not saved", "damaged"]
    states = FrameModel(pd.DataFrame({"state": words}))
    icons = [states.data(states.index(row, 0), Qt.ItemDataRole.DecorationRole) for row in range(len(words))]
    return [icon.pixmap(16, 16).toImage() for icon in icons]


def opaque(image):
    spots = [(x, y) for x in range(image.width()) for y in range(image.height())]
    return [spot for spot in spots if image.pixelColor(*spot).alpha() > 200]


def test_no_two_states_have_one_shape(state_images):
    assert len({tuple(opaque(image)) for image in state_images}) == 7


def test_no_two_states_have_one_colour(state_images):
    assert len({image.pixelColor(*opaque(image)[0]).hue() for image in state_images}) == 7


def test_only_outdated_rows_say_so(events):
    assert column(events, 4) == ["", "outdated", "", "", "", ""]
    icons = [events.data(events.index(row, 4), Qt.ItemDataRole.DecorationRole) for row in range(6)]
    assert [icon is not None for icon in icons] == [False, True, False, False, False, False]


def test_a_column_of_lists_is_sorted_and_looked_up_by_its_text():
    model = FrameModel(pd.DataFrame({"odd": pd.Series([[2], None, [1]], dtype=object)}))
    model.sort(0)
    assert model.shown_rows.tolist() == [2, 0, 1]
    assert model.rows_where("odd", ["[2]"]).tolist() == [1]


def test_a_frame_that_cannot_be_shown_leaves_the_one_before(qtmodeltester):
    model = FrameModel(pd.DataFrame({"a": [1, 2]}))
    resets = []
    model.modelAboutToBeReset.connect(lambda: resets.append(model))
    with pytest.raises(ValueError, match="the filter has shape"):
        model.set_frame(pd.DataFrame({"b": [1]}), np.ones(3, dtype=bool))
    assert (model.column_names, resets) == (["a"], [])
    qtmodeltester.check(model)


def test_a_header_is_the_title_with_its_unit_and_the_tooltip_the_name():
    frame = with_units(pd.DataFrame({"mean_velocity": [0.5], "diameter": [4.0], "record": ["a"]}), {"diameter": "µm"})
    model = FrameModel(frame)
    roles = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
    headers = [[model.headerData(at, Qt.Orientation.Horizontal, role) for role in roles] for at in range(3)]
    assert headers == [["mean (mm/s)", "mean_velocity"], ["diameter (µm)", "diameter"], ["record", None]]

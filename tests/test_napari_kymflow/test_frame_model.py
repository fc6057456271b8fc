"""The table model: text, alignment, sorting."""

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from napari_kymflow.widgets._frame_model import FrameModel, as_text


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


def test_an_empty_frame_has_no_rows(model):
    model.set_frame(pd.DataFrame())
    assert (model.rowCount(), model.columnCount()) == (0, 0)


def test_text_and_numbers_in_one_column_can_be_sorted(model):
    model.set_frame(pd.DataFrame({"condition": ["stim", 3, "a"]}))
    model.sort(0)
    assert column(model, 0) == ["3", "a", "stim"]

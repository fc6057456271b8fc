import numpy as np
import pandas as pd
import pytest

from kymflow_core.statistics.plots import PlotRequest, make_plot
from napari_kymflow.plots.marks import MOST_POINTS, marks_of


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": list("abcdef"),
            "exp_subject_id": ["m1", "m1", "m2", "m2", "m3", "m3"],
            "exp_condition": ["awake", "isoflurane"] * 3,
            "value": [1.0, 2, 3, 4, 5, 9],
            "depth": [10.0, 20, 30, 40, 50, 60],
        },
        index=range(100, 106),
    )


def marks(rows, **request):
    plot = make_plot(rows, PlotRequest(value="value", **request))
    return marks_of(plot, pd.Series([f"record {one}" for one in rows["image_id"]], index=rows.index))


def test_a_box_has_points_around_its_place_and_the_mean_of_its_samples(rows):
    found = marks(rows, kind="box", group="exp_condition")
    assert found.ticks == ((0.0, "awake"), (1.0, "isoflurane"))
    assert [(one.lower, one.median, one.upper) for one in found.boxes] == [(2, 3, 4), (3, 4, 6.5)]
    assert [(one.x, one.mean) for one in found.means] == [(0, 3), (1, 5)]
    assert np.array_equal(found.points.x.round(), [0, 0, 0, 1, 1, 1])
    assert len(set(found.points.x)) == 6
    assert found.points.rows == (100, 102, 104, 101, 103, 105)


def test_a_lonely_point_lies_at_its_place(rows):
    assert marks(rows, kind="box", group="image_id").points.x.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_point_says_what_it_is_of(rows):
    assert marks(rows, kind="box").points.texts[0] == "record a\n1"
    of_animals = marks(rows, kind="box", group="exp_condition", levels=("exp_subject_id", "image_id"))
    assert of_animals.points.texts[0] == "awake\nm1\n1" or of_animals.points.texts[0] == "awake\nrecord a\n1"
    both = marks(rows, kind="box", levels=("exp_subject_id", "image_id"))
    assert both.points.texts[0] == "m1, 2 rows, the first in record a\n1.5"


def test_points_have_the_colour_of_their_column_and_the_legend_says_it(rows):
    found = marks(rows, kind="scatter", against="depth", color="exp_subject_id")
    assert found.colors == ("m1", "m2", "m3")
    assert found.points.colors.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_scatter_is_coloured_by_its_groups_where_nothing_else_is_chosen(rows):
    found = marks(rows, kind="scatter", against="depth", group="exp_condition")
    assert found.colors == ("awake", "isoflurane")
    assert sorted(found.points.colors.tolist()) == [0, 0, 0, 1, 1, 1]


def test_a_histogram_has_bars_for_each_group_and_nothing_to_click(rows):
    found = marks(rows, kind="histogram", group="exp_condition")
    assert [one.height.sum() for one in found.bars] == [3, 3]
    assert (found.colors, found.points.rows) == (("awake", "isoflurane"), ())


def test_a_cumulative_line_steps_from_nought_to_one(rows):
    (line,) = marks(rows, kind="cumulative").lines
    assert (line.y[0], line.y[-1]) == (0, 1)
    assert (np.diff(line.y) >= 0).all()


def test_a_pair_is_a_line_and_each_end_leads_to_its_own_row(rows):
    found = marks(rows, kind="paired", group="exp_condition", levels=("exp_subject_id",))
    assert [one.y.tolist() for one in found.lines] == [[1, 2], [3, 4], [5, 9]]
    assert found.points.rows == (100, 102, 104, 101, 103, 105)
    assert [(one.x, one.mean) for one in found.means] == [(0, 3), (1, 5)]


def test_of_many_points_some_are_drawn_and_it_is_said(rows):
    many = pd.DataFrame({"value": np.arange(3.0 * MOST_POINTS)})
    found = marks_of(make_plot(many, PlotRequest(kind="cumulative", value="value")))
    assert len(found.points.rows) == MOST_POINTS
    assert found.notes == (f"{MOST_POINTS:,} of {3 * MOST_POINTS:,} points are drawn",)
    assert (found.points.y[0], found.points.y[-1]) == (pytest.approx(1 / 12000), 1)

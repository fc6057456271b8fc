import math

import numpy as np
import pandas as pd
import pytest

from kymflow_core.errors import PlotError
from kymflow_core.statistics.nested import NOT_ENTERED, SEVERAL, levels_in, nested_means, sample_means, with_experiment
from kymflow_core.statistics.plots import KINDS, PlotRequest, make_plot

LEVELS = ("exp_subject_id", "exp_vessel_id")


@pytest.fixture
def windows() -> pd.DataFrame:
    """Mouse A has 500 windows at 1 mm/s in one vessel and 2 at 3 mm/s in another; mouse B has one vessel at 6 mm/s."""
    rows = [("A", "1", 1.0)] * 500 + [("A", "2", 3.0)] * 2 + [("B", "1", 6.0)] * 4
    frame = pd.DataFrame(rows, columns=[*LEVELS, "velocity_mm_s"])
    return frame.assign(image_id=frame["exp_subject_id"] + frame["exp_vessel_id"], exp_condition="awake")


def test_500_windows_of_one_animal_are_one_sample(windows):
    (found,) = nested_means(windows, "velocity_mm_s", levels=LEVELS)
    assert found.mean == pytest.approx(4)  # of A: (1 + 3) / 2, of B: 6
    assert found.n == {"exp_subject_id": 2, "exp_vessel_id": 3}
    assert found.n_rows == 506
    assert found.sd == pytest.approx(np.std([2, 6], ddof=1))
    assert found.sem == pytest.approx(2)
    assert found.summary() == "4 ± 2 (SEM), n = 2 animals, 3 vessels, 506 values"


def test_without_levels_each_row_is_a_sample(windows):
    (found,) = nested_means(windows, "velocity_mm_s")
    assert (found.mean, found.n) == (pytest.approx(windows["velocity_mm_s"].mean()), {})


def test_vessels_of_one_name_in_two_animals_are_two(windows):
    assert nested_means(windows, "velocity_mm_s", levels=LEVELS)[0].n["exp_vessel_id"] == 3


def test_each_group_has_its_own_mean_and_one_sample_has_no_spread(windows):
    first, second = nested_means(windows, "velocity_mm_s", group="exp_subject_id", levels=LEVELS)
    assert [(one.group, one.mean) for one in (first, second)] == [("A", 2), ("B", 6)]
    assert math.isnan(second.sem)


def test_missing_values_are_left_out(windows):
    windows.loc[windows["exp_subject_id"] == "B", "velocity_mm_s"] = np.nan
    (found,) = nested_means(windows, "velocity_mm_s", levels=LEVELS)
    assert (found.mean, found.n_rows) == (2, 502)


@pytest.mark.parametrize("missing", [None, "", " "])
def test_rows_of_unknown_animals_are_refused_and_counted(windows, missing):
    windows.loc[500:501, "exp_subject_id"] = missing
    with pytest.raises(PlotError, match="2 of 506 rows have no animal, so it is not known of which they are; enter"):
        nested_means(windows, "velocity_mm_s", levels=LEVELS)


def test_a_column_that_is_not_there_or_has_no_numbers_is_named(windows):
    with pytest.raises(PlotError, match="the rows have no column 'speed'; they have"):
        nested_means(windows, "speed")
    with pytest.raises(PlotError, match="image has no numbers; choose a column of numbers"):
        nested_means(windows, "image_id")


def test_a_point_leads_to_its_first_row(windows):
    points = sample_means(windows, "velocity_mm_s", group=None, level=LEVELS)
    assert points[["sample", "value", "n_rows", "row"]].to_numpy().tolist() == [["A", 2, 502, 0], ["B", 6, 4, 502]]


def test_a_point_may_be_a_vessel_and_the_mean_is_over_animals(windows):
    request = PlotRequest(kind="box", value="velocity_mm_s", levels=LEVELS, sample="exp_vessel_id")
    plot = make_plot(windows, request)
    assert plot.numbers[["sample", "value"]].to_numpy().tolist() == [["A / 1", 1], ["A / 2", 3], ["B / 1", 6]]
    assert plot.means[0].mean == pytest.approx(4)


def test_a_sample_of_a_level_that_rows_do_not_have_is_refused(windows):
    with pytest.raises(PlotError, match="the rows do not all say of which ROI they are; enter it, or choose another point"):
        sample_means(windows, "velocity_mm_s", group=None, level=LEVELS, sample="roi_id")


def test_a_sample_has_the_colour_of_its_rows(windows):
    windows["flag"] = ["a"] * 500 + ["b"] * 2 + [None] * 4
    points = sample_means(windows, "velocity_mm_s", group=None, level=LEVELS, color="flag")
    assert points["color"].tolist() == [SEVERAL, NOT_ENTERED]


def test_rows_get_the_experiment_of_their_image():
    rows = pd.DataFrame({"image_id": ["b", "a", "b"], "score": [1.0, 2.0, 3.0]}, index=[7, 8, 9])
    images = pd.DataFrame(
        {"image_id": ["a", "b"], "name": ["scan a", "scan b"], "exp_subject_id": ["m1", "m2"], "lines": 3}
    )
    joined = with_experiment(rows, images)
    assert joined["exp_subject_id"].tolist() == ["m2", "m1", "m2"]
    assert (joined.index.tolist(), "lines" in joined) == ([7, 8, 9], False)
    assert levels_in(joined) == ["exp_subject_id", "image_id"]


def test_a_histogram_counts_every_sample_with_the_same_edges(windows):
    plot = make_plot(windows, PlotRequest(kind="histogram", value="velocity_mm_s", group="exp_subject_id"))
    assert plot.numbers.groupby("group")["count"].sum().to_dict() == {"A": 502, "B": 4}
    lefts = [some["left"].tolist() for _, some in plot.numbers.groupby("group")]
    assert lefts[0] == lefts[1]
    assert plot.x_title == "velocity (mm/s)"


def test_a_box_has_quartiles_and_its_points(windows):
    plot = make_plot(windows, PlotRequest(kind="box", value="velocity_mm_s", group="exp_condition", levels=LEVELS))
    assert plot.numbers["value"].tolist() == [2, 6]
    assert set(plot.numbers["median"]) == {4}
    assert plot.means[0].n == {"exp_subject_id": 2, "exp_vessel_id": 3}


def test_a_cumulative_plot_ends_at_one(windows):
    plot = make_plot(windows, PlotRequest(kind="cumulative", value="velocity_mm_s", levels=LEVELS))
    assert plot.numbers[["value", "part"]].to_numpy().tolist() == [[2, 0.5], [6, 1]]


def test_a_scatter_has_both_columns_of_each_sample(windows):
    windows = windows.assign(depth=windows["velocity_mm_s"] * 10)
    windows.loc[502:, "depth"] = np.nan
    plot = make_plot(windows, PlotRequest(kind="scatter", value="velocity_mm_s", against="depth", levels=LEVELS))
    assert plot.numbers[["x", "value"]].to_numpy().tolist() == [[20, 2]]
    assert plot.notes == ("1 without a value along x",)


def test_a_paired_plot_has_samples_that_have_both():
    frame = pd.DataFrame(
        {
            "exp_subject_id": ["A", "A", "B", "B", "C"],
            "exp_condition": ["1", "2", "1", "2", "1"],
            "score": [1.0, 2, 3, 5, 9],
        }
    )
    request = PlotRequest(kind="paired", value="score", group="exp_condition", levels=("exp_subject_id",))
    plot = make_plot(frame, request)
    assert plot.numbers[["sample", "before", "after", "difference"]].to_numpy().tolist() == [["A", 1, 2, 1], ["B", 3, 5, 2]]
    assert plot.notes == ("1 without the other of the two",)


@pytest.mark.parametrize(
    ("request_", "match"),
    [
        (PlotRequest(kind="scatter", value="velocity_mm_s"), "a scatter needs a column along x; choose one"),
        (PlotRequest(kind="paired", value="velocity_mm_s"), "a paired plot needs a column that says before and after"),
        (
            PlotRequest(kind="paired", value="velocity_mm_s", group="exp_condition", levels=LEVELS),
            "a paired plot needs two groups of condition; there are awake",
        ),
        (
            PlotRequest(kind="paired", value="velocity_mm_s", group="exp_subject_id", levels=("image_id",)),
            "no sample has both 'A' and 'B'; choose another column for the sample",
        ),
        (PlotRequest(kind="pie", value="velocity_mm_s"), "a plot is one of histogram, box, .* not 'pie'"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(windows, request_, match):
    with pytest.raises(PlotError, match=match):
        make_plot(windows, request_)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_without_a_value_is_refused(windows, kind):
    with pytest.raises(
        PlotError, match="no row has a value in velocity \\(mm/s\\); choose another column, or widen the filter"
    ):
        make_plot(
            windows.assign(velocity_mm_s=np.nan), PlotRequest(kind=kind, value="velocity_mm_s", against="velocity_mm_s")
        )

import pandas as pd
import pytest

from kymflow_core.statistics.nested import EACH_ROW
from napari_kymflow.plots.choices import Choices, first_table, fitting, request_of, sample_title
from napari_kymflow.plots.rows import PlotRows


@pytest.fixture
def rows() -> PlotRows:
    """Two animals before and after."""
    return PlotRows(
        frame=pd.DataFrame(
            {
                "image_id": list("abcd"),
                "exp_subject_id": ["m1", "m1", "m2", "m2"],
                "exp_condition": ["awake", "isoflurane"] * 2,
                "score": [1.0, 2, 3, 4],
                "mean_velocity": [0.1, 0.2, 0.3, 0.4],
            }
        )
    )


def test_at_first_the_mean_velocity_of_animals_is_plotted_by_condition(rows):
    found = fitting(Choices(), rows)
    assert (found.value, found.group, found.sample) == ("mean_velocity", "exp_condition", "exp_subject_id")
    assert (found.against, found.pair) == ("score", ("awake", "isoflurane"))


def test_a_choice_that_fits_stays_and_one_that_does_not_is_replaced(rows):
    chosen = Choices(value="score", group=None, sample=EACH_ROW, color="kind", pair=("isoflurane", "awake"))
    found = fitting(chosen, rows)
    assert (found.value, found.group, found.sample, found.color) == ("score", None, EACH_ROW, None)
    paired = fitting(Choices(value="score", group="exp_condition", kind="paired", pair=("isoflurane", "awake")), rows)
    assert paired.pair == ("isoflurane", "awake")


def test_a_paired_plot_takes_groups_that_are_there(rows):
    chosen = Choices(kind="paired", value="score", group=None, pair=("a", "b"))
    assert fitting(chosen, rows).pair == ("awake", "isoflurane")


def test_what_a_plot_has_no_use_for_is_not_asked_for(rows):
    chosen = fitting(Choices(kind="histogram", color="exp_condition"), rows)
    request = request_of(chosen, rows)
    assert (request.color, request.pair, request.levels) == (None, None, ("exp_subject_id", "image_id"))
    assert not chosen.needs_x


def test_rows_without_a_number_fit_no_value():
    assert fitting(Choices(), PlotRows(frame=pd.DataFrame({"kind": ["a"]}))).value is None


@pytest.mark.parametrize(
    ("tables", "chosen", "first"),
    [
        (["images", "radon_report"], None, "radon_report"),
        (["images", "radon_report"], "images", "images"),
        (["images"], "gone", "images"),
        ([], None, None),
    ],
)
def test_the_first_table_is_the_chosen_one_or_the_velocity(tables, chosen, first):
    assert first_table(tables, chosen) == first


def test_points_are_called_what_they_are_of():
    assert [sample_title(one) for one in ("exp_subject_id", "roi_id", EACH_ROW)] == ["animal", "ROI", "row"]

import pandas as pd
import pytest

from kymflow_core import MetadataEdit, edit_metadata
from kymflow_core.indexers import INDEXERS
from kymflow_core.tables.kym_dataset import KymDataset
from napari_kymflow.plots.numbers import means_of, numbers_of
from napari_kymflow.plots.plots_view import NO_DATASET, PlotsView
from napari_kymflow.session.session import session_of
from napari_kymflow.session.table_filters import RowFilter
from napari_kymflow.tables.snapshot import full_snapshot

CONDITIONS = ("awake", "isoflurane", "awake")


@pytest.fixture
def plots(demo_session) -> PlotsView:
    """The plot of the demo dataset, whose three records are of two animals."""
    for place, image_id in enumerate(demo_session.image_ids):
        experiment = {"subject_id": f"m{place // 2}", "condition": CONDITIONS[place]}
        edit_metadata(demo_session.dataset, [image_id], MetadataEdit(experiment=experiment))
    for indexer in INDEXERS:
        KymDataset(demo_session.dataset).refresh(indexer)
    demo_session.show_snapshot(full_snapshot(demo_session.dataset, INDEXERS))
    view = PlotsView(demo_session)
    demo_session.filters.changed.connect(view.on_filter)
    view.load()
    return view


def test_without_a_dataset_it_says_so(viewer_model):
    view = PlotsView(session_of(viewer_model))
    view.load()
    assert (view.shown.text, view.is_loading) == (NO_DATASET, False)


def test_the_means_are_said_with_n_at_each_level(plots):
    first = plots.shown.text.splitlines()[0]
    assert first.startswith("awake: ")
    assert first.endswith("n = 2 animals, 2 images, 4 ROIs, 4 values")


@pytest.mark.slow
def test_another_table_is_plotted_with_what_fits_it(plots):
    plots.choose(table="velocity_events", value="score")
    assert plots.shown.choices.value in plots.shown.rows.quantities
    assert plots.shown.problem == ""


@pytest.mark.slow
def test_a_filter_of_the_table_counts_at_once_and_that_of_another_does_not(plots, demo_session):
    changes = []
    plots.changed.connect(lambda: changes.append(len(plots.shown.rows.frame)))
    demo_session.filters.note("rois", RowFilter(search="vessel"))
    assert changes == []
    demo_session.filters.note("radon_report", RowFilter(by_column={"roi_id": "1"}))
    assert changes[-1] == 3


@pytest.mark.slow
def test_a_plot_that_cannot_be_made_says_why(plots):
    plots.choose(kind="paired", sample="image_id")
    assert plots.shown.problem.startswith("no sample has both 'awake' and 'isoflurane'")
    assert plots.shown.text == plots.shown.problem


@pytest.mark.slow
def test_a_window_opens_its_record_at_its_time(plots, demo_session):
    plots.choose(table="velocity", kind="box", value="velocity_mm_s", sample="row")
    label = plots.shown.marks.points.rows[-1]
    row = plots.shown.rows.row(label)
    demo_session.open_record(next(one for one in demo_session.image_ids if one != row["image_id"]))
    demo_session.view.fit()
    plots.open_row(label)
    assert demo_session.image_id == row["image_id"]
    assert demo_session.selected_roi_ids == (row["roi_id"],)
    start, stop = demo_session.view.placement.visible
    per_line = demo_session.record.tag.seconds_per_line
    assert start * per_line < row["time_s"] < stop * per_line
    assert (stop - start) * per_line < 3  # of 6 s


def test_an_event_is_selected_everywhere(plots, demo_session):
    plots.choose(table="velocity_events", value="t0_s", sample="row")
    label = plots.shown.marks.points.rows[0]
    row = plots.shown.rows.row(label)
    plots.open_row(label)
    assert demo_session.event is not None
    assert (demo_session.event.image_id, demo_session.event.t0_s) == (row["image_id"], row["t0_s"])


@pytest.mark.slow
def test_numbers_name_the_record_of_each_point(plots):
    plots.choose(sample="roi_id")
    numbers = numbers_of(plots.shown)
    assert {"group", "value", "record", "image_id", "roi_id"} <= set(numbers.columns)
    assert "row" not in numbers.columns
    assert len(numbers) == 6


@pytest.mark.slow
def test_means_are_a_table_with_n_at_each_level(plots):
    means = means_of(plots.shown).set_index("group")
    assert means.loc["awake", ["n_exp_subject_id", "n_image_id", "n_roi_id", "n_values"]].tolist() == [2, 2, 4, 4]
    assert pd.isna(means.loc["isoflurane", "sem"])


@pytest.mark.slow
def test_what_was_asked_for_earlier_is_not_shown_in_place_of_what_was_asked_last(plots, demo_session, monkeypatch):
    waiting = []
    monkeypatch.setattr(demo_session.window, "run", lambda work, done, failed=None: waiting.append((work, done)))
    plots.choose(kind="histogram")
    plots.choose(kind="cumulative")
    assert plots.is_loading
    for work, done in reversed(waiting):
        done(work())
    assert (plots.shown.choices.kind, plots.is_loading) == ("cumulative", False)


@pytest.mark.slow
def test_while_rows_are_read_a_choice_that_was_made_meanwhile_stays(plots, demo_session, monkeypatch):
    waiting = []
    monkeypatch.setattr(demo_session.window, "run", lambda work, done, failed=None: waiting.append((work, done)))
    plots.load()
    plots.choose(kind="scatter")
    for work, done in waiting:
        done(work())
    assert plots.choices.kind == "scatter"

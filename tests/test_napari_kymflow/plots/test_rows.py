import pandas as pd
import pytest

from kymflow_core import AcqImage, KymDataset, MetadataEdit, edit_metadata
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import ZarrDataset
from napari_kymflow.plots.rows import PlotRows, list_tables, read_rows
from napari_kymflow.session.table_filters import RowFilter, TableFilters
from napari_kymflow.tables.snapshot import DatasetSnapshot, full_snapshot

EVENTS, REPORT = "velocity_events", "radon_report"


def snapshot_of(path) -> DatasetSnapshot:
    return full_snapshot(ZarrDataset(path, mode="r"), INDEXERS)


def rows_of(path, table=REPORT, row_filter=None, *, only_good=True) -> PlotRows:
    return read_rows(snapshot_of(path), path, table, row_filter or RowFilter(), only_good=only_good)


def refresh(path) -> None:
    for indexer in INDEXERS:
        KymDataset(path).refresh(indexer)


def test_rows_are_those_of_the_tables_filters_and_it_is_said(demo_path):
    found = rows_of(demo_path, EVENTS, RowFilter(by_column={"kind": "stall"}))
    assert set(found.frame["kind"]) == {"stall"}
    assert found.notes == (f"{len(found.frame)} of {found.total} rows by the table's filters",)


@pytest.mark.slow
def test_the_search_counts_and_a_filter_that_is_none_does_not(demo_path):
    assert len(rows_of(demo_path, row_filter=RowFilter(search="stall", searched=("record",))).frame) == 2
    assert len(rows_of(demo_path, row_filter=RowFilter(by_column={"mean_velocity": "> much", "gone": "1"})).frame) == 6


def test_a_filter_of_roi_names_counts(demo_path):
    found = rows_of(demo_path)
    name = found.frame["roi_name"].iloc[0]
    assert set(rows_of(demo_path, row_filter=RowFilter(by_column={"roi_name": name})).frame["roi_name"]) == {name}
    assert len(set(found.frame["roi_name"])) > 1


def test_rows_have_the_experiment_and_a_depth_is_a_quantity(demo_path):
    dataset = ZarrDataset(demo_path)
    for place, image_id in enumerate(dataset.list_image_ids()):
        edit_metadata(dataset, [image_id], MetadataEdit(experiment={"subject_id": f"m{place}", "depth_um": 10 * place}))
    refresh(demo_path)
    found = rows_of(demo_path)
    assert found.levels == ("exp_subject_id", "image_id", "roi_id")
    assert "exp_depth_um" in found.quantities
    assert "exp_subject_id" in found.groups


def test_an_animal_that_is_not_entered_everywhere_is_no_level_and_is_counted(demo_path):
    dataset = ZarrDataset(demo_path)
    edit_metadata(dataset, dataset.list_image_ids()[:1], MetadataEdit(experiment={"subject_id": "m1"}))
    refresh(demo_path)
    found = rows_of(demo_path)
    assert (found.levels, found.missing_levels) == (("image_id", "roi_id"), {"exp_subject_id": 4})


@pytest.mark.slow
def test_outdated_rows_and_those_of_images_not_accepted_are_left_out_and_counted(demo_path):
    dataset = ZarrDataset(demo_path)
    first, second, _ = dataset.list_image_ids()
    AcqImage(dataset.record(first)).edit_roi(1, x1=61)
    edit_metadata(dataset, [second], MetadataEdit(accepted=False))
    refresh(demo_path)
    found = rows_of(demo_path)
    assert len(found.frame) == 3
    assert found.notes == ("left out: 1 outdated", "left out: 2 of images that are not accepted")
    assert len(rows_of(demo_path, only_good=False).frame) == 6


@pytest.mark.slow
def test_rows_of_two_methods_are_plotted_with_a_warning(demo_path):
    dataset = ZarrDataset(demo_path)
    image = AcqImage(dataset.record(dataset.list_image_ids()[0]))
    image.analyze([1])
    refresh(demo_path)
    (note,) = rows_of(demo_path).notes
    assert note == "several methods are mixed (likelihood, not entered): filter the table by one"


def test_a_table_that_is_too_long_for_the_list_is_read_for_the_plot(demo_path):
    snapshot = snapshot_of(demo_path)
    short = {name: frame for name, frame in snapshot.tables.items() if name != "velocity"}
    lacking = DatasetSnapshot(image_ids=snapshot.image_ids, images=snapshot.images, tables=short, worth=snapshot.worth)
    assert "velocity" in list_tables(lacking, demo_path)
    found = read_rows(lacking, demo_path, "velocity", RowFilter(), only_good=True)
    assert len(found.frame) == len(snapshot.tables["velocity"])


def test_before_the_dataset_was_looked_at_the_tables_on_disk_are_plotted(demo_path):
    found = read_rows(DatasetSnapshot(), demo_path, REPORT, RowFilter(), only_good=True)
    assert set(found.frame["record"]) == {"demo reversal", "demo stall", "demo steady flow"}


@pytest.mark.parametrize(
    ("column", "is_group", "is_quantity"),
    [
        (pd.Series(["a", "b"]), True, False),
        (pd.Series([1, 2]), True, True),
        (pd.Series([1.5, None]), False, True),
        (pd.Series([None, None], dtype="float64"), False, False),
        (pd.Series([True, False]), True, False),
    ],
)
def test_what_splits_rows_and_what_is_a_quantity(column, is_group, is_quantity):
    rows = PlotRows(frame=pd.DataFrame({"some": column}))
    assert (rows.groups == ["some"], rows.quantities == ["some"]) == (is_group, is_quantity)


def test_names_that_say_nothing_are_no_quantity_and_many_texts_no_group():
    frame = pd.DataFrame({"roi_id": range(40), "note": "x", "kind": [f"k{one}" for one in range(40)]})
    rows = PlotRows(frame=frame)
    assert (rows.quantities, rows.groups) == ([], [])


def test_a_filter_is_told_once():
    filters, told = TableFilters(), []
    filters.changed.connect(told.append)
    for _ in range(2):
        filters.note(EVENTS, RowFilter(search="stall"))
    assert (told, filters.of(EVENTS).search, filters.of(REPORT)) == ([EVENTS], "stall", RowFilter())

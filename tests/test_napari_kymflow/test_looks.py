"""What the docks show of a dataset, made without a window."""

import shutil

import numpy as np
import pandas as pd
import pytest

from kymflow_core import KymDataset
from kymflow_core.acq_image import AcqImage
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import DatasetNotFoundError
from napari_kymflow._look import counts_of, full_look, look_at_image, quick_look, result_tables
from napari_kymflow._records import refresh_after_save, run_indexers
from napari_kymflow._records_view import make_shown, table_view, with_marks

NAMES = ["demo steady flow", "demo stall", "demo reversal"]
RESULTS = result_tables(INDEXERS)


@pytest.fixture
def dataset(demo_path):
    return ZarrDataset(demo_path)


def shown_of(dataset, before=None):
    return make_shown(full_look(dataset, INDEXERS, before=before.look if before else None), RESULTS, before=before)


def records(dataset):
    return shown_of(dataset).records.frame.set_index("record")


def test_a_quick_look_has_the_records_in_the_order_of_their_acquisition(dataset):
    frame = make_shown(quick_look(dataset), RESULTS).records.frame
    assert frame["record"].tolist() == NAMES
    assert frame["state"].unique().tolist() == ["…"]


def test_a_quick_look_without_tables_knows_the_names_from_the_manifest(dataset, demo_path):
    for path in (demo_path / "tables").glob("*.parquet"):
        path.unlink()
    assert make_shown(quick_look(dataset), RESULTS).records.frame["record"].tolist() == NAMES


def test_a_look_writes_nothing(dataset, demo_path, snapshot):
    before = snapshot(demo_path)
    shown_of(dataset)
    quick_look(dataset)
    assert snapshot(demo_path) == before


def test_a_record_has_its_numbers(dataset):
    row = records(dataset).loc["demo stall"]
    assert (row["ROIs"], row["events"], row["state"]) == (2, 2, "fresh")


def test_records_that_are_not_in_the_tables_yet_are_listed_with_what_they_have(dataset):
    with dataset.build_record(np.zeros((20, 8), np.uint16)) as draft:
        draft.save_metadata_payload({"header": {"name": "new"}, "experiment_metadata": {"condition": "rest"}})
    row = records(dataset).loc["new"]
    assert (row["condition"], row["lines × pixels"]) == ("rest", "20 × 8")
    assert row["state"] == "never analysed · calibration unknown"


def change_roi(dataset, name):
    image = next(image for image in map(AcqImage, dataset.iter_records()) if image.name == name)
    image.edit_roi(1, x1=70)
    return image.source


def drop_results(dataset, name):
    record = next(record for record in dataset.iter_records() if AcqImage(record).name == name)
    for key in ("radon_report.parquet", "velocity_events.parquet"):
        record.delete_analysis(key)
    return record


def damage(dataset, name):
    record = next(record for record in dataset.iter_records() if AcqImage(record).name == name)
    path = dataset.path / "images" / record.image_id / "analysis" / "velocity_events.parquet"
    path.write_bytes(b"PAR1 no more")
    return record


def add_events(dataset, name):
    record = next(record for record in dataset.iter_records() if AcqImage(record).name == name)
    record.save_df_parquet("velocity_events", record.load_df_parquet("velocity_events").iloc[:1])
    return record


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        pytest.param(
            change_roi, "outdated", "velocity_events: outdated: ROI 1: x1 84 → 70 after the analysis", id="outdated"
        ),
        pytest.param(add_events, "behind", "velocity_events: behind: its results are newer than the table", id="behind"),
        pytest.param(damage, "failed", "velocity_events: failed: ", id="failed"),
        pytest.param(drop_results, "behind", "velocity_events: behind: its results are gone", id="gone"),
    ],
)
def test_the_state_of_a_record_and_the_reason_are_said(dataset, change, state, reason):
    change(dataset, "demo stall")
    shown = shown_of(dataset).records
    place = shown.frame["record"].tolist().index("demo stall")
    assert shown.frame["state"].tolist()[place] == state
    assert reason in shown.tooltips["state"][place]
    assert [text for at, text in enumerate(shown.frame["state"]) if at != place] == ["fresh"] * 2
    assert shown.note == f"1 {state}"


def test_a_record_whose_results_are_gone_is_never_analysed_after_a_refresh(dataset):
    drop_results(dataset, "demo stall")
    run_indexers(dataset.path, INDEXERS, "refresh")
    assert records(dataset).loc["demo stall", "state"] == "never analysed"
    assert np.isnan(records(dataset).loc["demo stall", "events"])


def test_a_record_with_no_event_is_fresh_and_not_never_analysed(dataset):
    record = add_events(dataset, "demo stall")
    record.save_df_parquet("velocity_events", record.load_df_parquet("velocity_events").iloc[:0])
    run_indexers(dataset.path, INDEXERS, "refresh")
    row = records(dataset).loc["demo stall"]
    assert (row["events"], row["state"]) == (0, "fresh")


def test_a_damaged_record_says_so(dataset):
    image_id = dataset.list_image_ids()[0]
    folder = dataset.path / "images" / image_id / "analysis"
    shutil.rmtree(folder / "history")
    (folder / "metadata.json").write_text("{")
    shown = shown_of(dataset).records
    place = shown.frame["image_id"].tolist().index(image_id)
    assert shown.frame["state"].tolist()[place].startswith("damaged")
    assert "is not readable JSON" in shown.tooltips["state"][place]


def test_outdated_rows_are_marked_and_the_others_of_the_image_are_not(dataset):
    record = change_roi(dataset, "demo stall")
    run_indexers(dataset.path, INDEXERS, "refresh")
    view = table_view(full_look(dataset, INDEXERS), "radon_report")
    own = view.frame[view.frame["image_id"] == record.image_id].set_index("roi_id")["state"].to_dict()
    assert own == {1: "outdated", 2: "fresh"}
    assert view.note == "of 3 images 1 outdated"
    assert "ROI 1: x1 84 → 70 after the analysis" in view.tooltips["state"][view.frame["state"].tolist().index("outdated")]


def test_each_row_of_a_table_begins_with_its_record(dataset):
    view = table_view(full_look(dataset, INDEXERS), "velocity_events")
    assert view.frame.columns[:2].tolist() == ["record", "state"]
    assert set(view.frame["record"]) == {"demo stall", "demo reversal"}


def test_a_table_of_somebody_else_without_images_is_shown_too(dataset, demo_path):
    pd.DataFrame({"weight": [1.5]}).to_parquet(demo_path / "tables" / "mice.parquet")
    assert table_view(full_look(dataset, INDEXERS), "mice").frame["weight"].tolist() == [1.5]


def test_a_damaged_table_is_named_and_the_others_are_there(dataset, demo_path):
    (demo_path / "tables" / "rois.parquet").write_bytes(b"no table")
    look = full_look(dataset, INDEXERS)
    assert "is not readable Parquet" in look.problems["rois"]
    assert sorted(look.tables) == ["images", "radon_report", "velocity_events"]


def test_unsaved_records_are_marked_and_the_view_stays_as_it_was(dataset):
    view = shown_of(dataset).records
    first, second, _ = view.frame["image_id"]
    marked = with_marks(view, unsaved=[first], kept=[first, second])
    assert marked.frame["state"].tolist() == ["not saved", "not saved: ROIs were kept, open it to take them up", "fresh"]
    assert view.frame["state"].tolist() == ["fresh"] * 3
    assert with_marks(view, unsaved=[], kept=[]) is view


def test_a_table_that_did_not_change_is_not_read_and_shown_again(dataset):
    before = shown_of(dataset)
    add_events(dataset, "demo stall")
    run_indexers(dataset.path, INDEXERS, "refresh")
    after = shown_of(dataset, before)
    same = [name for name in before.tables if after.tables[name] is before.tables[name]]
    assert same == ["radon_report", "rois"]


def test_looking_at_one_image_again_is_looking_at_all(dataset):
    before = full_look(dataset, INDEXERS)
    record = change_roi(dataset, "demo stall")
    refresh_after_save(dataset.path, INDEXERS, record.image_id)
    one, everything = look_at_image(dataset, INDEXERS, record.image_id, before=before), full_look(dataset, INDEXERS)
    assert one.image_ids == everything.image_ids
    for name in RESULTS:
        left, right = (look.worth[name].sort_values("image_id", ignore_index=True) for look in (one, everything))
        pd.testing.assert_frame_equal(left, right)
    left, right = (make_shown(look, RESULTS).records for look in (one, everything))
    pd.testing.assert_frame_equal(left.frame, right.frame, check_dtype=False)
    assert left.tooltips == right.tooltips


def test_a_save_refreshes_the_tables_that_are_there_and_makes_no_other(dataset, demo_path):
    (demo_path / "tables" / "rois.parquet").unlink()
    record = change_roi(dataset, "demo stall")
    refresh_after_save(demo_path, INDEXERS, record.image_id)
    assert "rois" not in dataset.list_table_names()
    table = KymDataset(demo_path).get_table("radon_report")
    assert table.loc[table["outdated"], "roi_id"].tolist() == [1]


def test_indexing_a_dataset_that_is_gone_makes_no_new_one(demo_path):
    demo_path.rename(demo_path.with_name("elsewhere.zarr"))
    with pytest.raises(DatasetNotFoundError, match="there is no dataset"):
        run_indexers(demo_path, INDEXERS, "refresh")
    assert not demo_path.exists()


def test_a_cancelled_run_begins_no_further_table(dataset):
    reports = run_indexers(dataset.path, INDEXERS, "rebuild", cancelled=lambda: True)
    assert [report.is_cancelled for report in reports] == [True]


def test_what_is_not_fresh_is_counted():
    states = pd.Series(["fresh", "outdated", "never analysed", "never analysed", "failed"])
    assert counts_of(states) == "1 outdated · 1 failed · 2 never analysed"

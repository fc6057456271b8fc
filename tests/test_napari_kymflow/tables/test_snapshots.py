"""What the docks show of a dataset, made without a window."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kymflow_core import KymDataset
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.errors import DatasetNotFoundError, NotSavedError
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow.tables import snapshot as snapshot_module
from napari_kymflow.tables import snapshot as snapshots
from napari_kymflow.tables.after_save import update_after_save
from napari_kymflow.tables.report_text import describe_reports
from napari_kymflow.tables.row_place import Place, place_of
from napari_kymflow.tables.snapshot import counts_of, full_snapshot, quick_snapshot, result_tables, snapshot_of_image
from napari_kymflow.tables.views import make_views, table_view, with_marks
from napari_kymflow.tables.work import Outcome, refresh_after_save, run_indexers
from napari_kymflow.widgets.dataset.folder_work import ImportWork

NAMES = ["demo steady flow", "demo stall", "demo reversal"]
RESULTS = result_tables(INDEXERS)
CANCELLED = Watch(is_cancelled=lambda: True)


@pytest.fixture
def dataset(demo_path):
    return ZarrDataset(demo_path)


def shown_of(dataset, before=None):
    return make_views(full_snapshot(dataset, INDEXERS, before=before.snapshot if before else None), RESULTS, before=before)


def records(dataset):
    return shown_of(dataset).records.frame.set_index("record")


def test_a_quick_look_has_the_records_in_the_order_of_their_acquisition(dataset):
    frame = make_views(quick_snapshot(dataset), RESULTS).records.frame
    assert frame["record"].tolist() == NAMES
    assert frame["state"].unique().tolist() == ["…"]


def test_a_quick_look_without_tables_knows_the_names_from_the_manifest(dataset, demo_path):
    for path in (demo_path / "tables").glob("*.parquet"):
        path.unlink()
    assert make_views(quick_snapshot(dataset), RESULTS).records.frame["record"].tolist() == NAMES


@pytest.mark.slow
def test_a_look_writes_nothing(dataset, demo_path, tree_picture):
    before = tree_picture(demo_path)
    shown_of(dataset)
    quick_snapshot(dataset)
    assert tree_picture(demo_path) == before


@pytest.mark.slow
def test_what_a_record_or_a_row_is_worth_stands_next_to_its_name(dataset):
    shown = shown_of(dataset)
    for view in (shown.records, *shown.tables.values()):
        assert list(view.frame.columns)[:2] == ["record", "state"]


def test_a_record_has_its_numbers(dataset):
    row = records(dataset).loc["demo stall"]
    assert (row["ROIs"], row["events"], row["state"]) == (2, 2, "fresh")


@pytest.mark.slow
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
    for key in ("radon_report.parquet", "velocity_events.parquet", "velocity.parquet"):
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        pytest.param(change_roi, "outdated", "Events: outdated: ROI 1: x1 84 → 70 after the analysis", id="outdated"),
        pytest.param(add_events, "behind", "Events: behind: its results are newer than the table", id="behind"),
        pytest.param(damage, "failed", "Events: failed: ", id="failed"),
        pytest.param(drop_results, "behind", "Events: behind: its results are gone", id="gone"),
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


@pytest.mark.slow
def test_a_record_without_events_that_were_looked_for_is_not_plainly_fresh(dataset):
    record = next(record for record in dataset.iter_records() if AcqImage(record).name == "demo stall")
    record.delete_analysis("velocity_events.parquet")
    for indexer in INDEXERS:
        KymDataset(dataset).refresh(indexer)
    assert records(dataset).loc["demo stall", "state"] == "fresh · events never analysed"


def test_the_rows_of_all_tables_are_in_the_order_of_the_records_and_their_rois(dataset):
    snapshot = full_snapshot(dataset, INDEXERS)
    for name in ("images", "rois", "radon_report", "velocity_events"):
        shown = table_view(snapshot, name).frame
        places = [snapshot.image_ids.index(image_id) for image_id in shown["image_id"]]
        keys = list(zip(places, shown["roi_id"] if "roi_id" in shown.columns else places, strict=True))
        assert len(keys) >= 3
        assert keys == sorted(keys)


@pytest.mark.slow
def test_a_record_whose_results_are_gone_is_never_analysed_after_a_refresh(dataset):
    drop_results(dataset, "demo stall")
    run_indexers(dataset.path, INDEXERS, "refresh")
    assert records(dataset).loc["demo stall", "state"] == "never analysed"
    assert np.isnan(records(dataset).loc["demo stall", "events"])


@pytest.mark.slow
def test_a_record_with_no_event_is_fresh_and_not_never_analysed(dataset):
    record = add_events(dataset, "demo stall")
    record.save_df_parquet("velocity_events", record.load_df_parquet("velocity_events").iloc[:0])
    run_indexers(dataset.path, INDEXERS, "refresh")
    row = records(dataset).loc["demo stall"]
    assert (row["events"], row["state"]) == (0, "fresh")


@pytest.mark.slow
def test_a_damaged_record_says_so(dataset):
    image_id = dataset.list_image_ids()[0]
    folder = dataset.path / "images" / image_id / "analysis"
    shutil.rmtree(folder / "history")
    (folder / "metadata.json").write_text("{")
    shown = shown_of(dataset).records
    place = shown.frame["image_id"].tolist().index(image_id)
    assert shown.frame["state"].tolist()[place].startswith("damaged")
    assert "is not readable JSON" in shown.tooltips["state"][place]


@pytest.mark.slow
def test_outdated_rows_are_marked_and_the_others_of_the_image_are_not(dataset):
    record = change_roi(dataset, "demo stall")
    run_indexers(dataset.path, INDEXERS, "refresh")
    view = table_view(full_snapshot(dataset, INDEXERS), "radon_report")
    own = view.frame[view.frame["image_id"] == record.image_id].set_index("roi_id")["state"].to_dict()
    assert own == {1: "outdated", 2: "fresh"}
    assert view.note == "of 3 images 1 outdated"
    assert "ROI 1: x1 84 → 70 after the analysis" in view.tooltips["state"][view.frame["state"].tolist().index("outdated")]


def test_each_row_of_a_table_begins_with_its_record(dataset):
    view = table_view(full_snapshot(dataset, INDEXERS), "velocity_events")
    assert view.frame.columns[:2].tolist() == ["record", "state"]
    assert set(view.frame["record"]) == {"demo stall", "demo reversal"}


def test_a_table_of_somebody_else_without_images_is_shown_too(dataset, demo_path):
    pd.DataFrame({"weight": [1.5]}).to_parquet(demo_path / "tables" / "mice.parquet")
    assert table_view(full_snapshot(dataset, INDEXERS), "mice").frame["weight"].tolist() == [1.5]


def test_a_damaged_table_is_named_and_the_others_are_there(dataset, demo_path):
    (demo_path / "tables" / "rois.parquet").write_bytes(b"no table")
    snapshot = full_snapshot(dataset, INDEXERS)
    assert "is not readable Parquet" in snapshot.problems["rois"]
    assert sorted(snapshot.tables) == ["images", "radon_report", "reviews", "velocity", "velocity_events"]


def test_a_series_of_too_many_windows_is_counted_and_not_read(dataset, monkeypatch):
    monkeypatch.setattr(snapshots, "_MOST_LISTED", 899)
    snapshot = full_snapshot(dataset, INDEXERS)
    assert "velocity" not in snapshot.tables
    assert snapshot.is_too_long("velocity")
    assert snapshot.why_empty("velocity").startswith("900 rows are too many for a list: read tables/velocity.parquet")
    assert [snapshot.is_too_long(name) for name in snapshot.tables] == [False] * 5


@pytest.mark.slow
def test_unsaved_records_are_marked_and_the_view_stays_as_it_was(dataset):
    view = shown_of(dataset).records
    first, second, _ = view.frame["image_id"]
    marked = with_marks(view, unsaved=[first], kept=[first, second])
    assert marked.frame["state"].tolist() == ["not saved", "not saved: ROIs were kept, open it to take them up", "fresh"]
    assert view.frame["state"].tolist() == ["fresh"] * 3
    assert with_marks(view, unsaved=[], kept=[]) is view


@pytest.mark.slow
def test_a_table_that_did_not_change_is_not_read_and_shown_again(dataset):
    before = shown_of(dataset)
    add_events(dataset, "demo stall")
    run_indexers(dataset.path, INDEXERS, "refresh")
    after = shown_of(dataset, before)
    same = [name for name in before.tables if after.tables[name] is before.tables[name]]
    assert same == ["radon_report", "rois", "velocity"]


@pytest.mark.slow
def test_each_row_has_the_name_of_its_roi_and_follows_when_that_changes(dataset):
    before = shown_of(dataset)
    image = next(image for image in map(AcqImage, dataset.iter_records()) if image.name == "demo stall")
    image.edit_roi(1, name="artery")
    image.edit_roi(2, name="", note="vein, deep\nseen twice")
    updated = update_after_save(dataset.path, INDEXERS, image.source.image_id, before, writes=True).shown
    for name in ("radon_report", "velocity_events", "velocity"):
        frame = updated.tables[name].frame
        own = frame[frame["image_id"] == image.source.image_id]
        assert list(frame.columns)[2:4] == ["roi_id", "roi_name"]
        assert dict(zip(own["roi_id"], own["roi_name"], strict=True)).items() <= {(1, "artery"), (2, "vein, deep")}
        assert len(frame) == len(before.tables[name].frame)
    assert "roi_name" not in updated.tables["rois"].frame


@pytest.mark.slow
@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param({"roi_id": ["one"]}, id="ids-of-text"),
        pytest.param({"image_id": [7], "roi_id": [1]}, id="numbered-images"),
        pytest.param({"roi_id": [True]}, id="whether-for-ids"),
        pytest.param({"roi_id": [1], "roi_name": ["theirs"]}, id="named-already"),
        pytest.param({"value": [1.0]}, id="without-rois"),
    ],
)
def test_a_table_that_names_rois_in_its_own_way_stays_as_it_is(dataset, foreign):
    snapshot = full_snapshot(dataset, INDEXERS)
    frame = pd.DataFrame({"image_id": list(snapshot.image_ids[:1]), **foreign})
    shown = table_view(replace(snapshot, tables={**snapshot.tables, "theirs": frame}), "theirs").frame
    assert set(shown.columns) == {"record", *frame.columns}
    assert shown.get("roi_name", pd.Series(["theirs"])).tolist() == ["theirs"]


def test_a_row_of_no_roi_or_of_a_fraction_has_no_name(dataset):
    snapshot = full_snapshot(dataset, INDEXERS)
    frame = pd.DataFrame({"image_id": list(snapshot.image_ids[:1]) * 4, "roi_id": [1.0, 1.5, np.nan, np.inf]})
    names = table_view(replace(snapshot, tables={**snapshot.tables, "theirs": frame}), "theirs").frame["roi_name"]
    assert names.isna().tolist() == [False, True, True, True]


@pytest.mark.slow
def test_looking_at_one_image_again_is_looking_at_all(dataset):
    before = full_snapshot(dataset, INDEXERS)
    record = change_roi(dataset, "demo stall")
    refresh_after_save(dataset.path, INDEXERS, [record.image_id])
    one, everything = snapshot_of_image(dataset, INDEXERS, record.image_id, before=before), full_snapshot(dataset, INDEXERS)
    assert one.image_ids == everything.image_ids
    for name in RESULTS:
        left, right = (snapshot.worth[name].sort_values("image_id", ignore_index=True) for snapshot in (one, everything))
        pd.testing.assert_frame_equal(left, right)
    left, right = (make_views(snapshot, RESULTS).records for snapshot in (one, everything))
    pd.testing.assert_frame_equal(left.frame, right.frame, check_dtype=False)
    assert left.tooltips == right.tooltips


def test_a_save_refreshes_the_tables_that_are_there_and_makes_no_other(dataset, demo_path):
    (demo_path / "tables" / "rois.parquet").unlink()
    record = change_roi(dataset, "demo stall")
    refresh_after_save(demo_path, INDEXERS, [record.image_id])
    assert "rois" not in dataset.list_table_names()
    table = KymDataset(demo_path).get_table("radon_report")
    assert table.loc[table["outdated"], "roi_id"].tolist() == [1]


def test_indexing_a_dataset_that_is_gone_makes_no_new_one(demo_path):
    demo_path.rename(demo_path.with_name("elsewhere.zarr"))
    with pytest.raises(DatasetNotFoundError, match="there is no dataset"):
        run_indexers(demo_path, INDEXERS, "refresh")
    assert not demo_path.exists()


def test_a_cancelled_run_begins_no_table(dataset):
    digests = {name: dataset.table_digest(name) for name in dataset.list_table_names()}
    assert run_indexers(dataset.path, INDEXERS, "rebuild", watch=CANCELLED) == []
    assert {name: dataset.table_digest(name) for name in dataset.list_table_names()} == digests


def test_what_is_not_fresh_is_counted():
    states = pd.Series(["fresh", "outdated", "never analysed", "never analysed", "failed"])
    assert counts_of(states) == "1 outdated · 1 failed · 2 never analysed"


def test_rows_of_an_outdated_image_are_not_fresh_before_the_marks_are_written(dataset):
    record = change_roi(dataset, "demo stall")
    frame = table_view(full_snapshot(dataset, INDEXERS), "radon_report").frame
    assert frame[frame["image_id"] == record.image_id]["state"].tolist() == ["outdated"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "note"),
    [
        pytest.param(1000, "Cancelled: the counts of 1 record are not shown", id="cancelled"),
        pytest.param(0, "1 records are not in the tables as they are now", id="too many"),
    ],
)
def test_counts_that_may_be_old_are_blank_and_it_is_said(dataset, monkeypatch, most, note):
    record = add_events(dataset, "demo stall")
    monkeypatch.setattr(snapshot_module, "_MOST_OPENED", most)
    snapshot = full_snapshot(dataset, INDEXERS, watch=CANCELLED)
    frame = make_views(snapshot, RESULTS).records.frame
    assert frame["events"].isna().tolist() == [image_id == record.image_id for image_id in frame["image_id"]]
    assert frame["ROIs"].isna().sum() == 1
    assert note in snapshot.notes[0]


@pytest.mark.slow
def test_after_a_save_on_a_quick_look_all_records_are_looked_at(dataset, demo_path):
    before = make_views(quick_snapshot(dataset), RESULTS)
    updated = update_after_save(demo_path, INDEXERS, dataset.list_image_ids()[0], before, writes=False)
    assert updated.path == demo_path
    assert updated.shown.records.frame["state"].tolist() == ["fresh"] * 3


@pytest.mark.slow
def test_a_record_that_nobody_looked_at_is_not_called_never_analysed(dataset):
    snapshot = full_snapshot(dataset, INDEXERS)
    known = dataset.list_image_ids()[0]
    with dataset.build_record(np.zeros((20, 8), np.uint16)) as draft:
        draft.save_metadata_payload({"header": {"name": "new"}})
    again = snapshot_of_image(dataset, INDEXERS, known, before=snapshot)
    shown = make_views(again, RESULTS).records
    assert sorted(shown.frame["state"]) == ["fresh", "fresh", "fresh", "…"]


def test_a_cancelled_run_is_not_called_up_to_date(demo_path, dataset):
    outcome = Outcome(demo_path, make_views(quick_snapshot(dataset), RESULTS), (), is_cancelled=True)
    assert describe_reports(outcome) == "Cancelled; no table was changed"


def damage_body(path):
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.unlink()
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images", "radon_report"])
def test_a_table_with_a_sound_footer_and_a_damaged_body_does_not_end_the_look(dataset, demo_path, name):
    damage_body(demo_path / "tables" / f"{name}.parquet")
    snapshot = full_snapshot(dataset, INDEXERS)
    assert name in snapshot.problems
    assert make_views(snapshot, RESULTS).records.frame["record"].tolist() == NAMES


class FailingIndexer:
    name = table_name = "diameter"
    schema_version = "1"

    @property
    def reads(self):
        raise TypeError("no keys")

    def required_columns(self):
        return ["image_id"]

    def extract_rows(self, record):
        raise TypeError("no rows")


@pytest.mark.slow
def test_an_indexer_that_fails_does_not_end_the_look(dataset):
    indexers = [*INDEXERS, FailingIndexer()]
    snapshot = full_snapshot(dataset, indexers)
    assert "no keys" in snapshot.problems["diameter"]
    assert make_views(snapshot, [*RESULTS, "diameter"]).records.frame["state"].tolist() == ["fresh"] * 3
    assert "diameter" not in snapshot_of_image(dataset, indexers, snapshot.image_ids[0], before=snapshot).worth


def test_an_import_makes_no_new_dataset_in_place_of_one_that_is_gone(demo_path, olympus_folder):
    shutil.rmtree(demo_path)
    with pytest.raises(DatasetNotFoundError, match="there is no dataset"):
        ImportWork(olympus_folder, demo_path, INDEXERS, is_there=True)(UNWATCHED)
    assert not demo_path.exists()


def one_tiff(olympus_folder, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(olympus_folder / "Capillary2_no_txt.tif", folder / "first.tif")
    return folder


def test_a_cancelled_import_begins_no_table(tmp_path, olympus_folder):
    folder, target = one_tiff(olympus_folder, tmp_path), tmp_path / "new.zarr"
    outcome = ImportWork(folder, target, INDEXERS, is_there=False)(CANCELLED)
    assert (outcome.is_cancelled, outcome.reports) == (True, [])
    assert ZarrDataset(target).list_table_names() == []


def test_tables_that_could_not_follow_an_import_are_said(tmp_path, olympus_folder, monkeypatch):
    def fail(*args, **options):
        raise NotSavedError("the disk is full")

    monkeypatch.setattr("napari_kymflow.widgets.dataset.folder_work.run_indexers", fail)
    folder = one_tiff(olympus_folder, tmp_path)
    outcome = ImportWork(folder, tmp_path / "new.zarr", INDEXERS, is_there=False)(UNWATCHED)
    assert (len(outcome.imported.imported), outcome.problem) == (1, "the tables could not follow: the disk is full")


ODD = {
    "columns record and state": lambda ids: {"image_id": ids, "record": ["x"] * 3, "state": ["y"] * 3},
    "no image": lambda ids: {"image_id": [None] * 3, "v": [1, 2, 3]},
    "one image missing": lambda ids: {"image_id": [ids[0], None, ids[1]], "v": [1, 2, 3]},
    "numbers for images": lambda ids: {"image_id": [1, 2, 3], "v": [1, 2, 3]},
    "lists": lambda ids: {"image_id": ids, "v": [[1], [2, 3], None]},
    "marks of text": lambda ids: {"image_id": ids, "outdated": ["no", "yes", None]},
    "categories": lambda ids: {"image_id": pd.Categorical(ids), "v": pd.array([True, None, False], dtype="boolean")},
    "dates": lambda ids: {"image_id": ids, "name": ["", "", ""], "acquired": [pd.Timestamp("2020-01-01"), pd.NaT, pd.NaT]},
    "no name": lambda ids: {"image_id": ids, "acquired": [""] * 3},
    "no record at all": lambda ids: {"name": ["x"], "acquired": ["y"]},
    "no rows": lambda ids: {"image_id": []},
}


@pytest.mark.slow
@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_tables_that_somebody_else_wrote_are_shown(dataset, demo_path, make):
    frame = pd.DataFrame(make(dataset.list_image_ids()))
    names = ("mine", "radon_report", "images")
    for name in names:
        frame.to_parquet(demo_path / "tables" / f"{name}.parquet")
    assert sorted(quick_snapshot(dataset).image_ids) == dataset.list_image_ids()
    before = shown_of(dataset)
    shown = shown_of(dataset, before)
    assert sorted(shown.records.frame["image_id"]) == dataset.list_image_ids()
    assert [len(shown.tables[name].frame) for name in names] == [len(frame)] * 3


def test_columns_that_have_our_names_are_shown_beside_ours(dataset, demo_path):
    ids = dataset.list_image_ids()
    pd.DataFrame({"image_id": ids, "record": ["x", None, "z"]}).to_parquet(demo_path / "tables" / "mine.parquet")
    frame = table_view(full_snapshot(dataset, INDEXERS), "mine").frame
    named = dict(zip(frame["image_id"], frame["record (table)"], strict=True))
    assert (named[ids[0]], named[ids[2]]) == ("x", "z")
    assert set(frame["record"]) == set(NAMES)


@pytest.mark.slow
def test_many_records_without_their_table_are_looked_at_twice(dataset, demo_path, monkeypatch):
    monkeypatch.setattr(snapshot_module, "_MOST_OPENED", 1)
    monkeypatch.setattr(snapshot_module, "_FEW", 1)
    (demo_path / "tables" / "images.parquet").unlink()
    assert len(shown_of(dataset, shown_of(dataset)).records.frame) == 3


@pytest.mark.slow
@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, ZeroDivisionError, OSError])
def test_an_image_whose_row_fails_is_still_looked_at(dataset, monkeypatch, error):
    snapshot = full_snapshot(dataset, INDEXERS)

    def fail(self, record):
        raise error("odd")

    monkeypatch.setattr(snapshot_module.ImageIndexer, "extract_rows", fail)
    assert sorted(snapshot_of_image(dataset, INDEXERS, snapshot.image_ids[0], before=snapshot).image_ids) == sorted(
        snapshot.image_ids
    )


@pytest.mark.parametrize(
    ("values", "place"),
    [
        pytest.param({"roi_id": "roi 1", "y0": "a", "y1": 3}, Place(), id="text"),
        pytest.param({"roi_id": "2", "y0": 1.0, "y1": 3}, Place(roi_id=2, lines=(1, 3)), id="numbers"),
        pytest.param({"event_id": 1, "t0_s": "soon"}, Place(), id="time of text"),
        pytest.param({"roi_id": [1], "y0": None, "y1": np.nan}, Place(), id="lists"),
        pytest.param(
            {"event_id": 4, "kind": "drop", "t0_s": 20.5},
            Place(seconds=(20.5, 20.5), caption="event 4: drop at 20.5 s", event=("4", "drop")),
            id="event",
        ),
        pytest.param(
            {"window": 37, "time_s": 1.25},
            Place(seconds=(1.25, 1.25), caption="window 37 at 1.25 s"),
            id="window",
        ),
    ],
)
def test_a_row_is_where_its_numbers_say(values, place):
    assert place_of(pd.Series(values, dtype=object)) == place


def test_a_cancelled_import_says_how_many_images_came_in(tmp_path, olympus_folder):
    folder = one_tiff(olympus_folder, tmp_path)
    for number in range(8):  # more than are read ahead
        shutil.copy(folder / "first.tif", folder / f"copy {number}.tif")
    told = []
    watch = Watch(progress=lambda *step: told.append(step), is_cancelled=lambda: bool(told))
    outcome = ImportWork(folder, tmp_path / "new.zarr", INDEXERS, is_there=False)(watch)
    assert outcome.imported.is_cancelled
    assert len(outcome.imported.imported) == len(ZarrDataset(tmp_path / "new.zarr").list_image_ids()) > 0

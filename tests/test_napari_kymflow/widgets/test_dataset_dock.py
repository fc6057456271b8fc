"""The dataset dock in a real window: what it shows, and what its buttons, rows and keys do."""

import shutil

import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QMessageBox

from kymflow_core import AcqImage, KymDataset
from kymflow_core.reviews.event import ARTEFACT
from kymflow_zarr import Watch, ZarrDataset
from napari_kymflow.review.event_review import EventReview
from napari_kymflow.session.session import session_of
from napari_kymflow.tables.after_save import ViewsAfterSave
from napari_kymflow.tables.snapshot import full_snapshot, result_tables
from napari_kymflow.tables.trash_work import remove_and_load
from napari_kymflow.tables.views import make_views
from napari_kymflow.user.recent import note_folder, recent_datasets
from napari_kymflow.user.window import Conflict
from napari_kymflow.widgets.dataset.dataset_dock import RECORDS, DatasetDock
from napari_kymflow.widgets.docks import open_dataset_dock
from napari_kymflow.widgets.window.window import NapariWindow

ASK_CONFLICTS = NapariWindow.ask_conflicts
"""The question itself, which no test is asked."""
NAMES = ["demo steady flow", "demo stall", "demo reversal"]


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def dock(alone):
    return alone(DatasetDock)


@pytest.fixture
def session(viewer, dock, demo_path, qtbot):
    """The demo's first record, open; the dock has looked at all."""
    opened = session_of(viewer)
    dock.do.open_dataset(demo_path)
    wait(dock, qtbot)
    return opened


def wait(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.is_busy and dock.after_save.is_idle, timeout=20_000)


def messages():
    return [str(record.message) for record in notification_manager.records]


def tabs(dock):
    return [dock._tabs.tabText(at) for at in range(dock._tabs.count())]


def column(dock, name, table=RECORDS):
    model = dock._panels[table].model
    return [model.row_at(place)[name] for place in range(model.rowCount())]


def click(dock, place, table=RECORDS):
    dock.show_tab(table)
    panel = dock._panels[table]
    panel.row_activated.emit(panel.model.row_at(place))


def middle_line(session):
    """Return the line in the middle of the canvas beside the axes."""
    placement, (left, _) = session.view.placement, session.view.strips
    return (placement.line_at(left) + placement.line_at(placement.length)) / 2 - 0.5


def footer(dock, table=RECORDS):
    return dock._panels[table]._footer.text()


def selected(dock, table=RECORDS):
    return sorted({index.row() for index in dock._panels[table].view.selectionModel().selectedIndexes()})


def change_roi_of(dock_session, name):
    images = {AcqImage(record).name: AcqImage(record) for record in dock_session.dataset.iter_records()}
    images[name].edit_roi(1, x1=70)


def test_an_empty_dock_says_what_to_do(dock):
    said = " ".join(label.text() for label in dock._start.findChildren(QLabel))
    assert "Drop a folder of TIFF files, or a dataset (.zarr), onto the canvas" in said
    assert not dock._buttons["refresh"].isEnabled()
    assert not dock._buttons["more"].isEnabled()
    assert dock._buttons["open"].isEnabled()
    assert dock._buttons["import"].isEnabled()


@pytest.mark.everyday
def test_records_and_all_tables_are_listed(dock, session):
    assert tabs(dock) == [
        "Records (3)",
        "Images (3)",
        "ROIs (6)",
        "Velocity (6)",
        "Events (4)",
        "Velocity series (900)",
        "Reviews (4)",
    ]
    assert column(dock, "record") == NAMES
    assert column(dock, "ROIs") == [2, 2, 2]
    assert column(dock, "state") == ["fresh"] * 3
    assert footer(dock) == "3 records"


@pytest.mark.story
def test_a_clicked_record_opens(dock, session):
    click(dock, 2)
    assert session.record.image.name == "demo reversal"


@pytest.mark.everyday
def test_a_clicked_event_opens_its_record_goes_there_and_selects_its_roi(dock, session, viewer):
    dock.show_tab("velocity_events")
    click(dock, column(dock, "kind", "velocity_events").index("speed-up"), "velocity_events")
    assert session.record.image.name == "demo reversal"
    assert middle_line(session) == pytest.approx(4900, abs=2)
    assert session.record.sync.selected_ids == (1,)


@pytest.mark.story
def test_a_clicked_roi_opens_its_record_and_shows_it(dock, session, viewer):
    dock.show_tab("rois")
    place = list(zip(column(dock, "record", "rois"), column(dock, "roi_id", "rois"), strict=True)).index(("demo stall", 2))
    click(dock, place, "rois")
    assert (session.record.image.name, session.record.sync.selected_ids) == ("demo stall", (2,))
    # ROI 2 is the first half.
    assert middle_line(session) == pytest.approx(1500, abs=2)


@pytest.mark.story
def test_the_clicked_row_stays_the_only_selected_one(dock, session):
    dock.show_tab("velocity_events")
    panel = dock._panels["velocity_events"]
    panel.view.selectRow(1)
    panel.row_activated.emit(panel.model.row_at(1))
    assert selected(dock, "velocity_events") == [1]


def test_selecting_a_roi_on_the_canvas_marks_its_rows(dock, session):
    click(dock, NAMES.index("demo stall"))
    dock.show_tab("velocity_events")
    session.record.selection.select([1])
    rows = [place for place, name in enumerate(column(dock, "record", "velocity_events")) if name == "demo stall"]
    assert selected(dock, "velocity_events") == rows
    dock.show_tab("radon_report")
    session.record.selection.select([2])
    place = list(zip(column(dock, "record", "radon_report"), column(dock, "roi_id", "radon_report"), strict=True)).index(
        ("demo stall", 2)
    )
    assert selected(dock, "radon_report") == [place]


@pytest.mark.story
def test_the_open_record_is_the_selected_row(dock, session):
    session.open_record(session.image_ids[1])
    assert selected(dock) == [1]


@pytest.mark.story
def test_a_record_that_is_open_is_not_opened_twice(dock, session, viewer):
    before = list(viewer.layers)
    click(dock, 0)
    assert list(viewer.layers) == before


@pytest.mark.parametrize(("key", "name"), [("Down", "demo reversal"), ("Up", "demo steady flow")])
@pytest.mark.story
def test_the_next_and_the_previous_record_open_by_keys(make_napari_viewer, demo_path, qtbot, key, name):
    viewer = make_napari_viewer()
    session, dock = session_of(viewer), open_dataset_dock(viewer)
    dock.do.open_dataset(demo_path)
    wait(dock, qtbot)
    session.open_record(session.image_ids[1])
    window = viewer.window._qt_window
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    dock.show_tab("rois")
    QTest.keyClick(window.windowHandle(), getattr(Qt.Key, f"Key_{key}"), Qt.KeyboardModifier.AltModifier)
    # Qt goes on believing that Alt is held, and napari asks for a reader of whatever is dropped with Alt held.
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_F12, Qt.KeyboardModifier.NoModifier)
    assert session.record.image.name == name
    assert dock._current_name() == RECORDS


@pytest.mark.story
def test_the_buttons_next_to_the_tabs_open_the_next_and_the_previous_record(dock, session):
    previous, following = dock._steps
    following.click()
    following.click()
    assert session.record.image.name == NAMES[2]
    previous.click()
    assert session.record.image.name == NAMES[1]


def test_the_keys_go_through_the_records_as_they_are_sorted(dock, session):
    dock._panels[RECORDS].view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert column(dock, "record") == sorted(NAMES)
    dock._on_previous()
    assert session.record.image.name == "demo stall"


def test_a_save_is_followed_by_the_list_and_the_tables(dock, session, table_preferences, qtbot):
    table_preferences.autorefresh = True
    session.record.editor.edit(1, x1=70)
    session.record.save()
    qtbot.waitUntil(lambda: column(dock, "state")[0] == "outdated", timeout=20_000)
    wait(dock, qtbot)
    table = ZarrDataset(session.path).load_table("radon_report")
    assert table.loc[table["outdated"], "roi_id"].tolist() == [1]
    assert footer(dock) == "3 records · 1 outdated"


@pytest.mark.story
def test_without_the_preference_a_save_leaves_the_tables_and_is_still_seen(dock, session, qtbot):
    before = {path.name: path.read_bytes() for path in (session.path / "tables").iterdir() if path.is_file()}
    session.record.editor.edit(1, x1=70)
    session.record.save()
    qtbot.waitUntil(lambda: column(dock, "state")[0] == "outdated", timeout=20_000)
    assert {path.name: path.read_bytes() for path in (session.path / "tables").iterdir() if path.is_file()} == before


@pytest.mark.story
def test_renaming_a_roi_makes_nothing_outdated(dock, session, table_preferences, qtbot):
    table_preferences.autorefresh = True
    session.record.editor.edit(1, name="renamed")
    session.record.save()
    wait(dock, qtbot)
    dock.show_tab("rois")
    qtbot.waitUntil(lambda: "renamed" in column(dock, "name", "rois"), timeout=20_000)
    dock.show_tab(RECORDS)
    assert column(dock, "state", RECORDS) == ["fresh"] * 3


def test_a_record_with_unsaved_rois_is_marked_until_it_is_saved(dock, session, qtbot):
    session.record.editor.edit(1, name="new name")
    assert column(dock, "state") == ["not saved", "fresh", "fresh"]
    assert "1 with unsaved ROIs" in dock._state.text()
    session.record.save()
    qtbot.waitUntil(lambda: column(dock, "state") == ["fresh"] * 3)


@pytest.mark.story
def test_a_dock_that_was_closed_after_a_save_leaves_the_worker_alone(viewer, demo_path, until_gone, qtbot):
    dock, session = DatasetDock(viewer), session_of(viewer)
    dock.do.open_dataset(demo_path)
    wait(dock, qtbot)
    session.record.editor.edit(1, name="new name")
    session.record.save()
    qtbot.waitUntil(lambda: dock.after_save.is_running)
    with until_gone(dock):
        dock.deleteLater()
    qtbot.waitUntil(lambda: not session.window.is_busy)


@pytest.mark.story
def test_a_record_with_kept_rois_is_marked(dock, session):
    session.record.editor.edit(2, name="kept")
    session.record.saving.keep_draft()
    session.record.editor.undo()
    dock._fill_current()
    assert column(dock, "state")[0].startswith("not saved: ROIs were kept")


@pytest.mark.story
def test_what_is_outdated_stays_so_after_a_refresh(dock, session, qtbot):
    change_roi_of(session, "demo stall")
    dock._buttons["refresh"].click()
    wait(dock, qtbot)
    assert column(dock, "state") == ["fresh", "outdated", "fresh"]
    dock.show_tab("radon_report")
    worth = dict(zip(zip(column(dock, "record", "radon_report"), column(dock, "roi_id", "radon_report"), strict=True),
                     column(dock, "state", "radon_report"), strict=True))  # fmt: skip
    assert worth["demo stall", 1] == "outdated"
    assert worth["demo stall", 2] == "fresh"
    assert footer(dock, "radon_report") == "6 rows · of 3 images 1 outdated"


@pytest.mark.story
def test_the_reason_is_the_tooltip_of_the_state(dock, session, qtbot):
    change_roi_of(session, "demo stall")
    dock.do.show_newest()
    wait(dock, qtbot)
    model = dock._panels[RECORDS].model
    index = model.index(1, model.column_names.index("state"))
    assert "ROI 1: x1 84 → 70 after the analysis" in model.data(index, Qt.ItemDataRole.ToolTipRole)
    assert not model.data(index, Qt.ItemDataRole.DecorationRole).isNull()


def test_never_analysed_no_events_failed_and_deleted_are_told_apart(dock, session, qtbot):
    first, second, third = (session.dataset.record(image_id) for image_id in session.image_ids)
    for key in ("radon_report.parquet", "velocity_events.parquet", "velocity.parquet"):
        first.delete_analysis(key)
    second.save_df_parquet("velocity_events", second.load_df_parquet("velocity_events").iloc[:0])
    (session.path / "images" / third.image_id / "analysis" / "radon_report.parquet").write_bytes(b"torn")
    dock._buttons["refresh"].click()
    wait(dock, qtbot)
    assert column(dock, "state") == ["never analysed", "fresh", "failed"]
    assert column(dock, "events")[1:] == [0, 2]
    assert np.isnan(column(dock, "events")[0])
    assert "is not readable Parquet" in dock._bar.text
    shutil.rmtree(session.path / "images" / first.image_id)
    dock._buttons["refresh"].click()
    wait(dock, qtbot)
    assert column(dock, "record") == NAMES[1:]
    assert "rows of 1 deleted image removed" in dock._bar.text


@pytest.mark.story
def test_a_refresh_of_fresh_tables_says_that_there_was_nothing_to_do(dock, session, qtbot):
    dock._buttons["refresh"].click()
    wait(dock, qtbot)
    assert dock._bar.text == "All tables were up to date: nothing to do"


def test_rebuilding_all_makes_missing_tables(dock, session, qtbot):
    (session.path / "tables" / "velocity_events.parquet").unlink()
    dock.do.show_newest()
    wait(dock, qtbot)
    assert tabs(dock)[4] == "Events (not made yet)"
    dock._rebuild.trigger()
    wait(dock, qtbot)
    assert tabs(dock)[4] == "Events (4)"
    assert "Events: 4 rows of 3 images" in dock._bar.text


@pytest.mark.story
def test_one_table_is_rebuilt_alone(dock, session, qtbot):
    dock.show_tab("rois")
    assert dock._rebuild_one.text() == "Rebuild ROIs"
    dock._rebuild_one.trigger()
    wait(dock, qtbot)
    assert dock._bar.text == "ROIs: 6 rows of 3 images"


@pytest.mark.story
def test_updating_the_open_image_changes_only_its_rows(dock, session, qtbot):
    session.open_record(session.image_ids[1])
    for image_id in session.image_ids[1:]:
        record = session.dataset.record(image_id)
        record.save_df_parquet("velocity_events", record.load_df_parquet("velocity_events").iloc[:1])
    dock._update.trigger()
    wait(dock, qtbot)
    assert tabs(dock)[4] == "Events (3)"
    assert column(dock, "state") == ["fresh", "fresh", "behind"]


def test_a_damaged_table_is_named_and_a_refresh_makes_it_anew(dock, session, qtbot):
    (session.path / "tables" / "velocity_events.parquet").write_bytes(b"no table")
    dock.do.show_newest()
    wait(dock, qtbot)
    assert tabs(dock)[4] == "Events (damaged)"
    assert "is not readable Parquet" in dock._bar.text
    dock._buttons["refresh"].click()
    wait(dock, qtbot)
    assert tabs(dock)[4] == "Events (4)"


@pytest.mark.story
def test_while_something_runs_nothing_else_can_be_started(dock, session, qtbot):
    dock._rebuild.trigger()
    assert not dock._buttons["refresh"].isEnabled()
    assert not dock._rebuild.isEnabled()
    wait(dock, qtbot)
    assert dock._buttons["refresh"].isEnabled()


@pytest.mark.story
def test_a_save_while_something_runs_is_taken_up_after_it(dock, session, table_preferences, qtbot):
    table_preferences.autorefresh = True
    dock._rebuild.trigger()
    session.record.editor.edit(1, x1=70)
    session.record.save()
    wait(dock, qtbot)
    qtbot.waitUntil(lambda: column(dock, "state")[0] == "outdated", timeout=20_000)


def test_return_in_a_question_that_takes_something_away_takes_nothing_away(dock, session, monkeypatch):
    pressed = []

    def press_return(box):
        box.show()
        pressed.append(box.defaultButton().text())
        QTest.keyClick(box, Qt.Key.Key_Return)

    monkeypatch.setattr(QMessageBox, "exec", press_return)
    dock.removal.ask()
    assert session.record is not None
    roi = session.record.rois.get(1)
    assert ASK_CONFLICTS(session.window, [Conflict(theirs=roi, mine=roi)]) == "both"
    assert pressed == ["Cancel", "Keep both"]


def test_removing_that_was_cancelled_says_how_many_records_are_gone(dock, session, monkeypatch, qtbot):
    def cancelled(*arguments):
        return remove_and_load(*arguments[:-1], Watch(is_cancelled=lambda: True))

    monkeypatch.setattr("napari_kymflow.widgets.dataset.removal.remove_and_load", cancelled)
    monkeypatch.setattr(dock.removal, "_agrees", lambda ids: True)
    dock.removal.ask()
    wait(dock, qtbot)
    assert (dock._bar._badge.text(), dock._bar.text) == ("Cancelled", "Moved 0 of 1 record to the trash")


@pytest.mark.story
def test_after_a_verdict_the_record_is_fresh_and_its_rows_have_the_verdict(dock, session, table_preferences, qtbot):
    table_preferences.autorefresh = True
    review = session.shared(EventReview)
    review.reviewer = "Ada"
    review.load()
    qtbot.waitUntil(lambda: bool(review.shown))
    review.step(1)
    judged = review.current
    review.judge(ARTEFACT)
    wait(dock, qtbot)
    assert column(dock, "state") == ["fresh"] * 3
    dock.show_tab("reviews")
    rows = dock._panels["reviews"].model.frame
    assert rows.loc[rows["reviewer"] == "Ada", ["image_id", "user_type"]].values.tolist() == [[judged.image_id, ARTEFACT]]


@pytest.mark.story
def test_a_dataset_that_became_read_only_says_that_the_tables_could_not_follow(dock, session, table_preferences, qtbot):
    table_preferences.autorefresh = True
    shutil.rmtree(session.path)
    dock.after_save.on_saved(session.image_id)
    qtbot.waitUntil(lambda: "The tables could not follow" in dock._bar.text, timeout=20_000)


def test_import_fills_a_new_dataset_and_opens_it(dock, olympus_folder, tmp_path, qtbot, viewer):
    dock.exchange.import_folder(olympus_folder, tmp_path / "new.zarr")
    wait(dock, qtbot)
    assert session_of(viewer).record.image.name == "Capillary1_0001"
    assert tabs(dock)[4] == "Events (5)"
    assert dock._bar.text == "3 imported · 0 skipped (unchanged)"
    assert "Capillary2_no_txt.tif: calibration unknown" in dock.exchange.dialog.text
    assert recent_datasets() == (tmp_path / "new.zarr",)


@pytest.mark.story
def test_import_of_a_folder_without_tiffs_says_so(dock, tmp_path, qtbot):
    (tmp_path / "empty").mkdir()
    dock.exchange.import_folder(tmp_path / "empty", tmp_path / "new.zarr")
    wait(dock, qtbot)
    assert "nothing was imported" in dock._bar.text


@pytest.mark.story
def test_new_files_come_in_by_one_click_once_the_folder_is_known(dock, olympus_folder, tmp_path, qtbot, viewer):
    folder = tmp_path / "microscope"
    folder.mkdir()
    shutil.copy(olympus_folder / "Capillary2_no_txt.tif", folder / "first.tif")
    dock.exchange.import_folder(folder, tmp_path / "new.zarr")
    wait(dock, qtbot)
    shutil.copy(olympus_folder / "Capillary1_0001.tif", folder / "second.tif")
    dock._buttons["from folder"].click()
    wait(dock, qtbot)
    assert dock._bar.text == "1 imported · 1 skipped (unchanged)"
    assert sorted(column(dock, "record")) == ["first", "second"]


@pytest.mark.story
def test_a_folder_that_is_not_known_is_asked_for(dock, session, tmp_path, monkeypatch, qtbot):
    (tmp_path / "scans").mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "scans"))
    dock._buttons["from folder"].click()
    wait(dock, qtbot)
    assert "nothing was imported" in dock._bar.text


@pytest.mark.story
def test_a_folder_that_is_gone_is_asked_for_again(dock, session, tmp_path, monkeypatch):
    note_folder(session.dataset.dataset_id, tmp_path / "gone")
    asked = []
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: asked.append(args) or "")
    dock._buttons["from folder"].click()
    assert len(asked) == 1


@pytest.mark.story
def test_recent_datasets_are_in_the_menu_and_open(dock, session, lab_path, qtbot):
    dock.do.open_dataset(lab_path)
    wait(dock, qtbot)
    dock._open_menu.fill()
    entries = {action.data(): action for action in dock._open_menu.actions() if action.data()}
    assert list(entries) == [str(lab_path), str(session_path(lab_path, entries))]
    entries[list(entries)[1]].trigger()
    assert session.path.name == "demo.zarr"
    wait(dock, qtbot)
    dock._open_menu.fill()
    next(action for action in dock._open_menu.actions() if action.text() == "Forget this list").trigger()
    assert recent_datasets() == ()


def session_path(lab_path, entries):
    return next(path for path in entries if path != str(lab_path))


def test_opening_something_else_says_so_and_keeps_what_is_open(dock, session, tmp_path, demo_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    dock.do.open_dataset(tmp_path / "other")
    assert "is a folder with other things in it" in messages()[-1]
    assert session.dataset.path == demo_path


@pytest.mark.story
def test_with_unsaved_rois_another_dataset_is_opened_only_when_the_user_says_so(dock, session, tmp_path, answers, qtbot):
    qtbot.waitUntil(lambda: session.record.saving.results is not None)
    session.record.editor.delete([1])
    ZarrDataset.create(tmp_path / "other.zarr")
    answers["unsaved"] = ["stay", "discard"]
    dock.do.open_dataset(tmp_path / "other.zarr")
    assert (session.path.name, session.record.rois.ids) == ("demo.zarr", (2,))
    dock.do.open_dataset(tmp_path / "other.zarr")
    assert session.path.name == "other.zarr"
    assert len(answers["asked"]) == 2


@pytest.mark.story
def test_damaged_records_are_counted_and_the_others_open(dock, demo_path, qtbot, viewer):
    first = session_first(demo_path)
    shutil.rmtree(first / "analysis/history")
    (first / "analysis/history").mkdir()
    (first / "analysis/history/metadata.00000000.json").write_text("{")
    dock.do.open_dataset(demo_path)
    wait(dock, qtbot)
    assert "2 of 3 records open; 1 damaged" in dock._bar.text
    assert sorted(column(dock, "state"))[0].startswith("damaged")
    assert session_of(viewer).record.image is not None


def session_first(path):
    return path / "images" / ZarrDataset(path).list_image_ids()[0]


@pytest.mark.story
def test_rows_without_a_roi_or_a_time_can_be_clicked(dock, session):
    dock.show_tab("velocity_events")
    panel = dock._panels["velocity_events"]
    row = panel.model.row_at(0)
    for changed in (row.drop("roi_id"), row.drop("t0_s"), row.drop("kind")):
        panel.row_activated.emit(changed)
        assert session.image_id == row["image_id"]
    panel.row_activated.emit(pd.concat([row.drop("roi_id"), pd.Series({"roi_id": np.nan})]))
    assert session.image_id == row["image_id"]


@pytest.mark.story
def test_a_row_of_an_image_that_is_gone_says_so(dock, session):
    dock.show_tab("velocity_events")
    panel = dock._panels["velocity_events"]
    row = panel.model.row_at(0)
    shutil.rmtree(session.path / "images" / row["image_id"])
    session.close_record()
    panel.row_activated.emit(row)
    assert "no record" in messages()[-1]


@pytest.mark.story
def test_verify_opens_its_dialog_over_the_dataset(dock, session, qtbot):
    dock._verify.trigger()
    dialog = dock.do._dialogs[session.path]
    assert dialog.isVisible()
    dialog.close()
    QApplication.processEvents()


def test_a_cancelled_rebuild_leaves_sound_tables(dock, session, monkeypatch, qtbot):
    before = KymDataset(session.path).get_table("velocity_events")
    dock._rebuild.trigger()
    dock._bar.cancel()
    wait(dock, qtbot)
    pd.testing.assert_frame_equal(
        KymDataset(session.path).get_table("velocity_events").sort_values(["image_id", "event_id"], ignore_index=True),
        before.sort_values(["image_id", "event_id"], ignore_index=True),
    )
    assert dock._buttons["refresh"].isEnabled()


@pytest.mark.story
def test_what_followed_a_save_in_a_copy_of_the_dataset_is_not_shown(dock, session, tmp_path):
    copy = shutil.copytree(session.path, tmp_path / "copy.zarr")
    indexers = session.found.indexers
    shown = make_views(full_snapshot(ZarrDataset(copy), indexers), result_tables(indexers))
    before = session.snapshot
    dock.after_save._on_updated(ViewsAfterSave(path=copy, shown=shown))
    assert session.snapshot is before
    dock.after_save._on_updated(ViewsAfterSave(path=session.path, shown=shown))
    assert session.snapshot is shown.snapshot


def test_a_dataset_that_is_opened_while_a_task_runs_is_looked_at_after_it(dock, session, lab_path, qtbot):
    dock._rebuild.trigger()
    dock.do.open_dataset(lab_path)
    wait(dock, qtbot)
    assert session.path == lab_path
    qtbot.waitUntil(lambda: not session.snapshot.is_quick and not dock.is_busy, timeout=20_000)
    assert "…" not in column(dock, "state")


@pytest.mark.story
def test_a_dataset_that_is_opened_while_a_task_fails_is_looked_at_after_it(dock, session, tmp_path, qtbot):
    dock.do.on_failed(session.path, "the disk is full")
    assert not dock._bar.is_running
    dock.do.on_failed(tmp_path / "another.zarr", "the disk is full")
    assert dock._bar.is_running
    wait(dock, qtbot)


@pytest.mark.story
def test_a_cancelled_refresh_of_fresh_tables_says_that_it_was_cancelled(dock, session, qtbot):
    dock._buttons["refresh"].click()
    dock._bar.cancel()
    wait(dock, qtbot)
    assert dock._bar.text.startswith("Cancelled; ")


@pytest.mark.story
def test_an_import_into_the_open_dataset_leaves_the_record_and_asks_nothing(
    dock, session, tmp_path, answers, qtbot, olympus_folder
):
    session.open_record(session.image_ids[1])
    session.record.editor.edit(1, name="not saved")
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(olympus_folder / "Capillary2_no_txt.tif", folder / "first.tif")
    dock.exchange.import_folder(folder, session.path)
    wait(dock, qtbot)
    assert dock._bar.text == "1 imported · 0 skipped (unchanged)"
    assert (session.record.image.name, session.record.is_unsaved, answers["asked"]) == ("demo stall", True, [])
    assert "first" in column(dock, "record")


@pytest.mark.story
def test_images_that_the_tables_could_not_read_are_said_after_an_import(dock, session, tmp_path, qtbot, olympus_folder):
    torn = session.path / "images" / session.image_ids[2] / "analysis" / "radon_report.parquet"
    torn.write_bytes(b"torn")
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(olympus_folder / "Capillary2_no_txt.tif", folder / "first.tif")
    dock.exchange.import_folder(folder, session.path)
    wait(dock, qtbot)
    assert dock._bar.text.startswith("1 imported · 0 skipped (unchanged); 1 image could not be read: ")


@pytest.mark.story
def test_while_the_tables_follow_a_save_nothing_else_can_be_started(dock, session, qtbot):
    dock.after_save.on_saved(session.image_id)
    assert dock.is_busy
    assert not dock._buttons["refresh"].isEnabled()
    wait(dock, qtbot)
    assert dock._buttons["refresh"].isEnabled()


@pytest.mark.story
def test_after_a_save_that_nothing_could_follow_the_next_one_is_followed(dock, session, qtbot):
    dock.after_save._is_running = True
    dock.after_save.on_saved(session.image_ids[0])
    dock.after_save._on_failed(RuntimeError("odd"))
    wait(dock, qtbot)
    assert dock._buttons["refresh"].isEnabled()


@pytest.mark.story
def test_verify_twice_opens_one_dialog(dock, session):
    dock._verify.trigger()
    dialog = dock.do._dialogs[session.path]
    dock._verify.trigger()
    assert list(dock.do._dialogs.values()) == [dialog]
    dialog.close()
    QApplication.processEvents()


@pytest.mark.story
def test_whoever_would_rather_stay_goes_back_to_the_rows_of_the_open_record(dock, session, answers):
    session.record.editor.edit(1, name="not saved")
    dock.show_tab("rois")
    names = column(dock, "record", "rois")
    answers["unsaved"] = ["stay"]
    place = names.index("demo reversal")
    dock._panels["rois"].view.selectRow(place)
    click(dock, place, "rois")
    assert session.record.image.name == "demo steady flow"
    assert {names[row] for row in selected(dock, "rois")} == {"demo steady flow"}


@pytest.mark.story
def test_a_table_in_front_says_that_the_dock_is_looking(dock, session, lab_path, qtbot):
    dock.show_tab("rois")
    dock.do.open_dataset(lab_path)
    assert dock._panels["rois"]._empty.text() == "Looking …"
    wait(dock, qtbot)
    assert "no rows yet" in dock._panels["rois"]._empty.text()


@pytest.mark.story
def test_the_panel_of_a_table_that_is_gone_goes_too(dock, session, until_gone, qtbot):
    path = session.path / "tables" / "mine.parquet"
    pd.DataFrame({"v": [[1], [2]]}).to_parquet(path)
    dock.do.show_newest()
    wait(dock, qtbot)
    dock.show_tab("mine")
    panel = dock._panels["mine"]
    path.unlink()
    with until_gone(panel):
        dock.do.show_newest()
    wait(dock, qtbot)
    assert "mine" not in dock._panels


@pytest.mark.story
def test_a_row_of_text_where_numbers_are_expected_can_be_clicked(dock, session):
    dock.show_tab("velocity_events")
    panel = dock._panels["velocity_events"]
    row = panel.model.row_at(0).astype(object)
    row[["roi_id", "t0_s"]] = ["roi 1", "soon"]
    panel.row_activated.emit(row)
    assert session.image_id == row["image_id"]

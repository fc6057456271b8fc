"""Calibration and experiment entered by the dataset dock, for the open record and for those that are selected."""

import shutil

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QLabel, QMenu

from kymflow_core import AcqImage, MetadataEdit, edit_metadata
from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.session.session import session_of
from napari_kymflow.tables.metadata_form import UM
from napari_kymflow.widgets.dataset.dataset_dock import RECORDS, DatasetDock

SPECIES = ("experiment_metadata", "species")


@pytest.fixture
def viewer(viewer_model):
    return viewer_model


@pytest.fixture
def dock(alone, until_gone, qtbot):
    opened = alone(DatasetDock)
    yield opened
    wait(opened, qtbot)
    if opened.metadata.dialog is not None:
        close(opened, until_gone)


@pytest.fixture
def session(viewer, dock, demo_path, qtbot):
    """The demo's first record, open; the dock has looked at all."""
    dock.do.open_dataset(demo_path)
    wait(dock, qtbot)
    return session_of(viewer)


def wait(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=20_000)


def close(dock, until_gone):
    with until_gone(dock.metadata.dialog):
        dock.metadata.dialog.reject()


def column(dock, name):
    model = dock._panels[RECORDS].model
    return [model.row_at(place)[name] for place in range(model.rowCount())]


def ask(dock, qtbot, what="Calibration"):
    getattr(dock.metadata, what.lower()).trigger()
    qtbot.waitUntil(lambda: dock.metadata.dialog is not None, timeout=20_000)
    return dock.metadata.dialog


def enter(dock, qtbot, until_gone, one, text, what="Calibration"):
    dialog = ask(dock, qtbot, what)
    dialog.enter(one, text)
    qtbot.waitUntil(lambda: dialog.can_save, timeout=20_000)
    with until_gone(dialog):
        dialog.save()
    wait(dock, qtbot)


def pixel_sizes(session):
    return [AcqImage(session.dataset.record(image_id)).header.um_per_pixel for image_id in session.image_ids]


def test_the_open_record_is_calibrated_and_everything_follows(dock, session, viewer, table_preferences, until_gone, qtbot):
    table_preferences.autorefresh = True
    enter(dock, qtbot, until_gone, UM, "0.6")
    assert pixel_sizes(session) == [0.6, 0.5, 0.5]
    assert column(dock, "µm per pixel") == [0.6, 0.5, 0.5]
    assert column(dock, "state") == ["outdated", "fresh", "fresh"]
    assert {tag_of(layer).um_per_pixel for layer in viewer.layers} == {0.6}
    assert session.record.image.header.calibration_source == "entered by hand"
    table = session.dataset.load_table("radon_report")
    assert set(table.loc[table["outdated"], "image_id"]) == {session.image_ids[0]}
    assert dock._bar.text == "Calibration saved in 1 record (More → Undo takes it back)"


def test_the_last_change_is_taken_back_once(dock, session, viewer, table_preferences, until_gone, qtbot):
    table_preferences.autorefresh = True
    before = [session.dataset.record(image_id).load_metadata_payload() for image_id in session.image_ids]
    dock._panels[RECORDS].view.selectAll()
    enter(dock, qtbot, until_gone, UM, "0.6")
    assert column(dock, "state") == ["outdated"] * 3
    assert dock.metadata.undo.text() == "Undo last change of calibration"
    dock.metadata.undo.trigger()
    wait(dock, qtbot)
    assert [session.dataset.record(image_id).load_metadata_payload() for image_id in session.image_ids] == before
    assert column(dock, "state") == ["fresh"] * 3
    assert {tag_of(layer).um_per_pixel for layer in viewer.layers} == {0.5}
    assert not dock.metadata.undo.isEnabled()


@pytest.mark.everyday
def test_the_selected_records_get_their_experiment_and_stay_selected(dock, session, until_gone, qtbot):
    panel = dock._panels[RECORDS]
    panel.highlight({"image_id": session.image_ids[:2]})
    dock._more_menu.aboutToShow.emit()
    assert dock.metadata.experiment.text() == "Experiment… (2 records)"
    enter(dock, qtbot, until_gone, SPECIES, "mouse", "Experiment")
    assert [value for value in column(dock, "species") if isinstance(value, str)] == ["mouse", "mouse"]
    assert set(panel.selected["image_id"]) == set(session.image_ids[:2])
    assert column(dock, "state") == ["fresh"] * 3


@pytest.mark.story
def test_the_menu_of_the_rows_has_both_entries(dock, session, monkeypatch):
    shown = []
    monkeypatch.setattr(QMenu, "popup", lambda menu, point: shown.append([one.text() for one in menu.actions()]))
    dock._panels[RECORDS].view.selectAll()
    dock._panels[RECORDS].view.customContextMenuRequested.emit(QPoint(5, 5))
    assert shown == [["Calibration… (3 records)", "Experiment… (3 records)", "", "Remove 3 records…"]]


@pytest.mark.story
def test_beside_another_table_the_open_record_is_meant(dock, session):
    dock._panels[RECORDS].view.selectAll()
    dock.show_tab("rois")
    assert dock._chosen_ids() == [session.image_id]


@pytest.mark.story
def test_what_others_entered_is_offered(dock, session, qtbot):
    edit_metadata(session.path, [session.image_ids[1]], MetadataEdit(experiment={"species": "mouse"}))
    dock.do.show_newest()
    wait(dock, qtbot)
    completer = ask(dock, qtbot, "Experiment")._inputs[SPECIES].native.completer()
    assert completer.model().index(0, 0).data() == "mouse"


@pytest.mark.story
def test_unsaved_rois_stay_on_screen_and_are_saved_afterwards(dock, session, until_gone, qtbot):
    session.record.editor.edit(1, name="mine")
    enter(dock, qtbot, until_gone, UM, "0.6")
    assert (session.record.is_unsaved, session.record.rois.get(1).name) == (True, "mine")
    session.record.save()
    qtbot.waitUntil(lambda: not session.record.is_unsaved, timeout=20_000)
    image = AcqImage(session.dataset.record(session.image_id))
    assert (image.rois.get(1).name, image.header.um_per_pixel) == ("mine", 0.6)


@pytest.mark.story
def test_a_record_that_fails_is_said_and_the_others_are_saved(dock, session, until_gone, qtbot):
    dock._panels[RECORDS].view.selectAll()
    dialog = ask(dock, qtbot)
    dialog.enter(UM, "0.6")
    qtbot.waitUntil(lambda: dialog.can_save, timeout=20_000)
    shutil.rmtree(session.path / "images" / session.image_ids[2])
    with until_gone(dialog):
        dialog.save()
    wait(dock, qtbot)
    assert dock._bar.text.startswith("Calibration saved in 2 records (More → Undo takes it back); not saved in 1: ")
    assert any("no record" in str(one.message) for one in notification_manager.records)


@pytest.mark.story
def test_a_dialog_that_is_open_comes_to_the_front_and_is_not_opened_twice(dock, session, qtbot):
    dialog = ask(dock, qtbot)
    dock.metadata.experiment.trigger()
    assert dock.metadata.dialog is dialog
    assert not dock.is_busy


@pytest.mark.story
def test_while_the_dock_is_at_work_nothing_is_saved_and_the_dialog_stays(dock, session, qtbot):
    dialog = ask(dock, qtbot)
    dialog.enter(UM, "0.6")
    qtbot.waitUntil(lambda: dialog.can_save, timeout=20_000)
    dock._rebuild.trigger()
    dialog.save()
    assert dialog.isVisible()
    wait(dock, qtbot)
    assert pixel_sizes(session)[0] == 0.5


@pytest.mark.story
def test_an_edit_that_changed_nothing_leaves_the_undo_of_the_one_before(dock, session, until_gone, qtbot):
    enter(dock, qtbot, until_gone, UM, "0.6")
    dialog = ask(dock, qtbot)
    dialog.enter(UM, "0.7")
    qtbot.waitUntil(lambda: dialog.can_save, timeout=20_000)
    edit_metadata(session.path, [session.image_id], MetadataEdit(um_per_pixel=0.7))
    with until_gone(dialog):
        dialog.save()
    wait(dock, qtbot)
    assert dock.metadata.undo.isEnabled()


@pytest.mark.story
def test_a_dataset_that_was_opened_meanwhile_is_left_alone_and_looked_at(dock, session, lab_path, qtbot):
    demo, first = session.path, session.image_id
    dialog = ask(dock, qtbot)
    dialog.enter(UM, "0.6")
    qtbot.waitUntil(lambda: dialog.can_save, timeout=20_000)
    dialog.save()
    dock.do.open_dataset(lab_path)
    wait(dock, qtbot)
    qtbot.waitUntil(lambda: "Capillary1_0001" in column(dock, "record"), timeout=20_000)
    assert AcqImage.from_zarr(demo, first).header.um_per_pixel == 0.6


@pytest.mark.story
def test_what_somebody_changed_since_is_said_by_an_undo(dock, session, until_gone, qtbot):
    enter(dock, qtbot, until_gone, UM, "0.6")
    edit_metadata(session.path, [session.image_id], MetadataEdit(um_per_pixel=0.9))
    dock.metadata.undo.trigger()
    wait(dock, qtbot)
    assert "the calibration was changed by somebody since" in dock._bar.text
    assert pixel_sizes(session)[0] == 0.9


@pytest.mark.story
def test_an_undo_is_of_the_dataset_that_was_edited(dock, session, lab_path, until_gone, qtbot):
    enter(dock, qtbot, until_gone, UM, "0.6")
    dock.do.open_dataset(lab_path)
    wait(dock, qtbot)
    assert not dock.metadata.undo.isEnabled()


def test_a_dataset_that_cannot_be_written_to_is_only_read(dock, demo_path, qtbot, monkeypatch):
    monkeypatch.setattr("napari_kymflow.session.session.is_writable", lambda path: False)
    dock.do.open_dataset(demo_path)
    wait(dock, qtbot)
    dock._more_menu.aboutToShow.emit()
    actions = (dock.metadata.calibration, dock.metadata.experiment, dock.metadata.undo)
    assert [action.isEnabled() for action in actions] == [False] * 3


def test_without_a_dataset_nothing_can_be_edited(dock):
    assert not dock.metadata.calibration.isEnabled()


@pytest.mark.story
def test_an_unknown_calibration_is_entered_where_the_list_says_that_it_is_unknown(
    dock, lab_path, viewer, until_gone, qtbot
):
    dock.do.open_dataset(lab_path)
    wait(dock, qtbot)
    session = session_of(viewer)
    (image_id,) = (
        record.image_id for record in ZarrDataset(lab_path).iter_records() if np.isnan(size_of(dock, record.image_id))
    )
    session.open_record(image_id)
    dock._panels[RECORDS].highlight({"image_id": [image_id]})
    dialog = ask(dock, qtbot)
    assert dialog.text(UM) == ""
    assert "nobody gave it yet" in [label.text() for label in dialog.findChildren(QLabel)]
    close(dock, until_gone)
    enter(dock, qtbot, until_gone, UM, "0.331")
    assert size_of(dock, image_id) == 0.331


def size_of(dock, image_id):
    return dict(zip(column(dock, "image_id"), column(dock, "µm per pixel"), strict=True))[image_id]

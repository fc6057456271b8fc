"""The dialogs that ask for calibration and experiment: what they show, allow and hand on."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from kymflow_core import MetadataEdit, edit_metadata
from kymflow_core.images.metadata_fields import ACCEPTED
from kymflow_zarr import ZarrDataset
from napari_kymflow.tables.metadata_form import SECONDS, UM, load_form
from napari_kymflow.widgets.dataset.metadata_dialog import MetadataDialog

SPECIES, NOTE = ("experiment_metadata", "species"), ("experiment_metadata", "note")


@pytest.fixture
def ids(demo_path):
    return ZarrDataset(demo_path, mode="r").list_image_ids()


@pytest.fixture
def saved():
    """What dialogs handed on."""
    return []


@pytest.fixture
def make_dialog(demo_path, ids, saved, qtbot):
    """A function that opens a dialog, which works at once and not in the background."""

    def make(what="Calibration", n=3, run=None, save=None, **options):
        dialog = MetadataDialog(
            load_form(demo_path, ids[:n]),
            what,
            run=run or (lambda work, done: done(work())),
            save=save or (lambda form, edit: saved.append((form.image_ids, edit)) is None),
            **options,
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    return make


def settle(dialog, qtbot):
    qtbot.waitUntil(lambda: not dialog._timer.isActive() and not dialog._is_looking)


def said(dialog):
    return dialog._sentence.text()


def texts(dialog):
    return [label.text() for label in dialog.findChildren(QLabel)]


def test_it_shows_what_the_records_have(make_dialog):
    dialog = make_dialog()
    assert (dialog.windowTitle(), dialog.text(SECONDS), dialog.text(UM)) == ("Calibration of 3 records", "1", "0.5")
    assert {"simulated", "6,000 lines × 96 pixels = 6 s × 48 µm"} <= set(texts(dialog))


def test_nothing_can_be_saved_while_nothing_is_entered(make_dialog):
    dialog = make_dialog()
    assert (dialog.can_save, said(dialog)) == (False, "Nothing is changed yet.")


def test_it_says_what_saving_does_before_it_can_be_saved(make_dialog, qtbot):
    dialog = make_dialog()
    dialog.enter(UM, "0.6")
    assert (dialog.can_save, said(dialog)) == (False, "Looking which results depend on it …")
    settle(dialog, qtbot)
    assert dialog.can_save
    assert said(dialog).startswith("3 records will change. The results of 6 ROIs in 3 records become outdated")


def test_it_saves_just_what_was_touched(make_dialog, saved, ids, qtbot):
    dialog = make_dialog()
    dialog.enter(UM, "0.6")
    settle(dialog, qtbot)
    dialog._save.click()
    assert saved == [(tuple(ids), MetadataEdit(um_per_pixel=0.6))]
    assert not dialog.isVisible()


def test_what_is_typed_back_is_not_touched(make_dialog):
    dialog = make_dialog()
    dialog.enter(UM, "0.6")
    dialog.enter(UM, "0.5")
    assert (dialog.touched, said(dialog)) == ({}, "Nothing is changed yet.")


def test_what_cannot_be_understood_is_said_and_not_saved(make_dialog, saved, qtbot):
    dialog = make_dialog()
    dialog.enter(UM, "0,6")
    settle(dialog, qtbot)
    dialog.save()
    assert (said(dialog), saved) == ("µm per pixel: write '0,6' with a point, as '0.6'", [])


def test_the_size_of_the_image_follows(make_dialog):
    dialog = make_dialog(n=1)
    dialog.enter(SECONDS, "2")
    assert dialog._extent.text() == "6,000 lines × 96 pixels = 12 s × 48 µm"


def test_several_values_are_said_and_stay(make_dialog, demo_path, ids, saved, qtbot):
    edit_metadata(demo_path, ids[:1], MetadataEdit(experiment={"species": "mouse"}, accepted=True))
    dialog = make_dialog("Experiment")
    assert (dialog._inputs[SPECIES].native.placeholderText(), dialog.text(SPECIES)) == ("(several)", "")
    assert dialog.text(ACCEPTED) == "(several)"
    dialog.enter(NOTE, "two\nlines")
    settle(dialog, qtbot)
    dialog.save()
    assert saved == [(tuple(ids), MetadataEdit(experiment={"note": "two\nlines"}))]


def test_one_value_for_several_is_entered(make_dialog, demo_path, ids, saved, qtbot):
    edit_metadata(demo_path, ids[:1], MetadataEdit(experiment={"species": "mouse"}))
    dialog = make_dialog("Experiment")
    dialog.enter(SPECIES, "mouse")
    dialog.enter(ACCEPTED, "no")
    settle(dialog, qtbot)
    assert said(dialog) == "3 records will change."
    dialog.save()
    assert saved[0][1] == MetadataEdit(experiment={"species": "mouse"}, accepted=False)


def test_records_that_have_the_value_are_counted(make_dialog, demo_path, ids, qtbot):
    edit_metadata(demo_path, ids[:1], MetadataEdit(experiment={"species": "mouse"}))
    dialog = make_dialog("Experiment")
    dialog.enter(SPECIES, "mouse")
    settle(dialog, qtbot)
    assert said(dialog) == "2 records will change; 1 has these values already."


def test_another_entry_is_added(make_dialog, saved, qtbot):
    dialog = make_dialog("Experiment")
    for part, text in zip(dialog._added, ("cage", "7"), strict=True):
        part.value = text
    settle(dialog, qtbot)
    dialog.save()
    assert saved[0][1] == MetadataEdit(experiment={"cage": "7"})


def test_what_others_entered_is_offered(make_dialog):
    dialog = make_dialog("Experiment", suggestions={"species": ["mouse", "rat"]})
    completer = dialog._inputs[SPECIES].native.completer()
    assert [completer.model().index(row, 0).data() for row in range(completer.model().rowCount())] == ["mouse", "rat"]


def test_what_was_entered_while_it_looked_is_looked_at_next(make_dialog, saved, qtbot):
    waiting = []
    dialog = make_dialog(run=lambda work, done: waiting.append((work, done)))
    dialog.enter(UM, "0.6")
    qtbot.waitUntil(lambda: len(waiting) == 1)
    dialog.enter(UM, "0.7")
    work, done = waiting.pop()
    done(work())
    assert not dialog.can_save
    qtbot.waitUntil(lambda: len(waiting) == 1)
    work, done = waiting.pop()
    done(work())
    dialog.save()
    assert saved[0][1] == MetadataEdit(um_per_pixel=0.7)


def test_what_is_found_after_the_dialog_is_gone_is_dropped(make_dialog, until_gone, qtbot):
    waiting = []
    dialog = make_dialog(run=lambda work, done: waiting.append((work, done)))
    dialog.enter(UM, "0.6")
    qtbot.waitUntil(lambda: len(waiting) == 1)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    with until_gone(dialog):
        dialog.close()
    work, done = waiting.pop()
    done(work())


def test_a_dataset_that_is_gone_is_said(make_dialog, demo_path, qtbot):
    dialog = make_dialog()
    demo_path.rename(demo_path.with_name("moved.zarr"))
    dialog.enter(UM, "0.6")
    settle(dialog, qtbot)
    assert not dialog.can_save
    assert "demo.zarr" in said(dialog)


def test_while_it_cannot_be_saved_the_dialog_stays(make_dialog, qtbot):
    dialog = make_dialog(save=lambda form, edit: False)
    dialog.enter(UM, "0.6")
    settle(dialog, qtbot)
    dialog.save()
    assert (dialog.isVisible(), dialog.text(UM)) == (True, "0.6")


def test_cancel_hands_on_nothing(make_dialog, saved, qtbot):
    dialog = make_dialog()
    dialog.enter(UM, "0.6")
    settle(dialog, qtbot)
    dialog.reject()
    assert saved == []


@pytest.mark.slow
def test_the_orientation_of_the_line_is_chosen_and_can_be_cleared(make_dialog, saved, demo_path, ids, qtbot):
    orientation = ("experiment_metadata", "line_orientation")
    edit_metadata(demo_path, ids[:1], MetadataEdit(experiment={"line_orientation": "across"}))
    dialog = make_dialog("Experiment", n=2)
    choice = dialog._inputs[orientation]
    assert list(choice.choices) == ["(several)", "", "along", "across", "unknown"]
    assert dialog.touched == {}
    for text in ("along", ""):
        dialog.enter(orientation, text)
        settle(dialog, qtbot)
        dialog.save()
    assert [edit.experiment for _, edit in saved] == [{"line_orientation": "along"}, {"line_orientation": ""}]


def test_each_input_has_an_accessible_name(make_dialog):
    dialog = make_dialog("Experiment")
    names = [asked.native.accessibleName() for asked in (*dialog._inputs.values(), *dialog._added)]
    assert all(names)
    assert names[-3:] == ["accepted", "another entry", "its value"]


def test_a_note_that_looks_like_html_stays_as_it_is(make_dialog, demo_path, ids):
    edit_metadata(demo_path, ids, MetadataEdit(experiment={"note": "<b>bold</b> & <i>quiet</i>"}))
    dialog = make_dialog("Experiment")
    assert (dialog.text(NOTE), dialog.touched) == ("<b>bold</b> & <i>quiet</i>", {})

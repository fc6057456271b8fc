"""What a dock shows of the open record, with a viewer model and no Qt."""

import pytest

from napari_kymflow.session.record_state import NONE_OPEN, state_of


def can(session):
    return can_of(state_of(session.record, read_only=session.is_read_only))


def can_of(state):
    return {name for name, reason in state.why_not.items() if not reason} - {"display"}


def test_without_a_record_nothing_can_be_done(demo_session):
    demo_session.close_record()
    assert state_of(demo_session.record, read_only="") == NONE_OPEN
    assert (can_of(NONE_OPEN), NONE_OPEN.text[:18]) == (set(), "No record is open.")
    assert set(NONE_OPEN.why_not.values()) == {"No record is open: click one in the list of records."}
    demo_session.with_record(lambda record: pytest.fail("no record is open"))
    assert (demo_session.key, demo_session.selected_roi_ids) == (None, ())


def test_what_can_be_done_follows_the_edits(demo_session):
    assert can(demo_session) == {"add", "more", "delete"}
    demo_session.record.editor.delete(demo_session.record.rois.ids)
    assert can(demo_session) == {"add", "more", "undo", "save"}
    demo_session.record.editor.undo()
    assert can(demo_session) == {"add", "more", "delete", "redo"}


def test_a_read_only_record_can_only_be_read_and_the_reason_is_shown(demo_session):
    demo_session.record.editor.can_edit = False
    state = state_of(demo_session.record, read_only="on a disk that cannot be written to")
    assert can_of(state) == {"more"}
    assert state.why_not["add"] == "The dataset is read-only: copy it to a folder that you may write to."
    assert state.text.endswith(", read-only")
    assert "this dataset was opened from a disk that cannot be written to." in state.warning

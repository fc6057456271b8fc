"""Revisions: commit, conflict, edits by hand, and damage."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from kymflow_zarr.disk import steps
from kymflow_zarr.errors import ArtifactNotFoundError, ConflictError, DamagedError, InvalidValueError, NotSavedError
from kymflow_zarr.record import revisions
from kymflow_zarr.record.revisions import (
    NOTHING_SAVED,
    _commit,
    load_history,
    load_numbered,
    load_revision,
    save_revision,
)

COPY = "analysis/metadata.json"


def history(blobs):
    return blobs.names("analysis/history")


def save(blobs, payload, expected=None):
    return save_revision(blobs, payload, expected=expected)


def edit_by_hand(blobs, text):
    (blobs.root / COPY).write_text(text)


def break_seal(blobs, number):
    path = blobs.root / f"analysis/history/metadata.{number:08d}.json"
    sealed = json.loads(path.read_text())
    path.write_text(json.dumps({**sealed, "metadata": {"a": "changed after sealing"}}))


class TestSave:
    def test_nothing_is_saved_at_first(self, blobs):
        assert load_revision(blobs) == NOTHING_SAVED

    def test_what_was_saved_is_loaded(self, blobs):
        saved = save(blobs, {"a": 1})
        assert load_revision(blobs) == saved

    def test_revisions_increase_by_one(self, blobs):
        assert [save(blobs, {"a": a}).number for a in "xyz"] == [0, 1, 2]

    def test_every_revision_is_kept(self, blobs):
        for a in "xyz":
            save(blobs, {"a": a})
        assert history(blobs) == [f"metadata.0000000{number}.json" for number in range(3)]

    def test_the_readable_copy_is_the_newest(self, blobs):
        for a in "xyz":
            save(blobs, {"a": a})
        assert json.loads(blobs.read(COPY)) == {"a": "z"}

    def test_a_revision_is_sealed_with_the_digest_of_its_metadata(self, blobs):
        revision = save(blobs, {"a": 1})
        sealed = json.loads(blobs.read("analysis/history/metadata.00000000.json"))
        assert (sealed["revision"], sealed["sha256"], sealed["metadata"]) == (0, revision.sha256, {"a": 1})

    def test_a_payload_that_is_no_json_is_refused(self, blobs):
        with pytest.raises(InvalidValueError, match=r"metadata cannot be stored as JSON: \$\.a is nan"):
            save(blobs, {"a": float("nan")})

    def test_a_refused_payload_writes_nothing(self, blobs):
        with pytest.raises(InvalidValueError, match="metadata cannot be stored"):
            save(blobs, {"a": float("nan")})
        assert not blobs.root.exists()

    def test_the_old_revision_stands_when_the_disk_fails(self, blobs, monkeypatch):
        old = save(blobs, {"a": 1})

        def fail(_descriptor):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(NotSavedError, match="not saved"):
                save(blobs, {"a": 2}, old)
        assert load_revision(blobs) == old


class TestConflict:
    def test_a_save_upon_the_newest_is_accepted(self, blobs):
        first = save(blobs, {"a": 1})
        assert save(blobs, {"a": 2}, first).number == 1

    def test_a_first_save_upon_nothing_is_accepted(self, blobs):
        assert save(blobs, {"a": 1}, NOTHING_SAVED).number == 0

    def test_a_save_upon_a_stale_revision_is_refused(self, blobs):
        first = save(blobs, {"a": 1})
        save(blobs, {"a": 2}, first)
        with pytest.raises(
            ConflictError, match=r"not saved: .*changed by another program .*\(revision 0 then, 1 now\); load it"
        ):
            save(blobs, {"a": 3}, first)

    def test_a_refused_save_changes_nothing(self, blobs):
        first = save(blobs, {"a": 1})
        second = save(blobs, {"a": 2}, first)
        with pytest.raises(ConflictError, match="not saved"):
            save(blobs, {"a": 3}, first)
        assert load_revision(blobs) == second

    def test_a_save_over_whatever_is_there_is_accepted(self, blobs):
        save(blobs, {"a": 1})
        assert save(blobs, {"a": 3}, None).number == 1

    def test_the_second_commit_of_one_number_is_refused(self, blobs):
        _commit(blobs, {"a": "mine"}, 0, -1)
        with pytest.raises(
            ConflictError, match=r"not saved: another program saved revision 0 of .* at the same moment; load it"
        ):
            _commit(blobs, {"a": "yours"}, 0, -1)

    def test_the_first_commit_of_one_number_stands(self, blobs):
        _commit(blobs, {"a": "mine"}, 0, -1)
        with pytest.raises(ConflictError, match="at the same moment"):
            _commit(blobs, {"a": "yours"}, 0, -1)
        assert load_revision(blobs).payload == {"a": "mine"}

    def test_of_many_threads_that_commit_at_once_exactly_one_wins(self, blobs):
        start = Barrier(8)

        def try_to_commit(who):
            start.wait()
            try:
                _commit(blobs, {"who": who}, 0, -1)
            except ConflictError:
                return None
            return who

        with ThreadPoolExecutor(8) as pool:
            winners = [who for who in pool.map(try_to_commit, range(8)) if who is not None]
        assert winners == [load_revision(blobs).payload["who"]]

    def test_a_commit_between_our_reading_and_our_commit_is_not_saved_over(self, blobs, monkeypatch):
        first = save(blobs, {"a": 1})

        def load_then_lose_the_race(blobs, _numbers):
            revision = load_revision(blobs)
            _commit(blobs, {"a": "theirs"}, 1, 0)
            return revision

        monkeypatch.setattr(revisions, "load_revision", load_then_lose_the_race)
        with pytest.raises(ConflictError, match="another program saved revision 1"):
            save(blobs, {"a": "ours"}, first)

    def test_a_commit_just_before_our_reading_is_not_saved_over(self, blobs, monkeypatch):
        first = save(blobs, {"a": 1})

        def lose_the_race_then_load(blobs, _numbers):
            _commit(blobs, {"a": "theirs"}, 1, 0)
            return load_revision(blobs)

        monkeypatch.setattr(revisions, "load_revision", lose_the_race_then_load)
        with pytest.raises(ConflictError, match=r"revision 0 then, 1 now|another program saved revision 1"):
            save(blobs, {"a": "ours"}, first)


class TestEditByHand:
    @pytest.fixture
    def edited(self, blobs):
        """Metadata of two revisions, then edited by hand."""
        save(blobs, {"a": 1})
        save(blobs, {"a": 2})
        edit_by_hand(blobs, '{"a": "by hand"}')
        return blobs

    def test_an_edit_is_seen(self, edited):
        assert load_revision(edited).payload == {"a": "by hand"}

    def test_an_edit_counts_as_the_next_revision(self, edited):
        assert (load_revision(edited).number, load_revision(edited).committed) == (2, False)

    def test_reading_an_edit_commits_nothing(self, edited):
        load_revision(edited)
        assert len(history(edited)) == 2

    def test_an_edit_becomes_its_own_revision_at_the_next_save(self, edited):
        save(edited, {"a": 4}, load_revision(edited))
        kept = [json.loads(edited.read(f"analysis/history/{name}"))["metadata"]["a"] for name in history(edited)]
        assert kept == [1, 2, "by hand", 4]

    def test_a_save_after_an_edit_has_the_number_after_it(self, edited):
        assert save(edited, {"a": 4}).number == 3

    def test_an_edit_conflicts_with_a_change_made_before_it(self, blobs):
        first = save(blobs, {"a": 1})
        edit_by_hand(blobs, '{"a": "by hand"}')
        with pytest.raises(ConflictError, match="revision 0 then, 1 now"):
            save(blobs, {"a": 2}, first)

    def test_other_spaces_and_order_are_no_edit(self, blobs):
        save(blobs, {"a": 1, "b": 2})
        edit_by_hand(blobs, '{"b":2,"a":1}')
        assert load_revision(blobs).committed

    def test_a_copy_without_history_counts_as_the_first_revision(self, blobs):
        blobs.write(COPY, b'{"a": "by hand"}')
        assert (load_revision(blobs).number, load_revision(blobs).payload) == (0, {"a": "by hand"})


class TestDamage:
    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="empty"),
            pytest.param('{"a": ', id="torn"),
            pytest.param("[1]", id="no object"),
            pytest.param('{"a": NaN}', id="not strict"),
            pytest.param('{"a": 1e999}', id="out of range"),
        ],
    )
    def test_the_history_speaks_where_the_readable_copy_is_no_json_object(self, blobs, text):
        saved = save(blobs, {"a": 1})
        edit_by_hand(blobs, text)
        assert load_revision(blobs) == saved

    def test_the_history_speaks_where_the_readable_copy_is_gone(self, blobs):
        saved = save(blobs, {"a": 1})
        blobs.delete(COPY)
        assert load_revision(blobs) == saved

    def test_a_readable_copy_of_an_older_revision_loses_to_the_newest(self, blobs):
        save(blobs, {"a": 1})
        stale = blobs.read(COPY)
        newest = save(blobs, {"a": 2})
        blobs.write(COPY, stale)
        assert load_revision(blobs) == newest

    def test_the_previous_revision_speaks_where_the_newest_is_broken_and_the_copy_older(self, blobs):
        first = save(blobs, {"a": 1})
        stale = blobs.read(COPY)
        save(blobs, {"a": 2})
        break_seal(blobs, 1)
        blobs.write(COPY, stale)
        assert load_revision(blobs) == first

    def test_the_readable_copy_speaks_where_the_newest_revision_is_broken(self, blobs):
        save(blobs, {"a": 1})
        save(blobs, {"a": 2})
        break_seal(blobs, 1)
        assert (load_revision(blobs).payload, load_revision(blobs).number) == ({"a": 2}, 2)

    def test_a_broken_revision_is_never_written_over(self, blobs):
        save(blobs, {"a": 1})
        save(blobs, {"a": 2})
        break_seal(blobs, 1)
        blobs.delete(COPY)
        assert save(blobs, {"a": 3}).number == 2

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"metadata": 3, "sha256": "x"}'])
    def test_a_torn_revision_is_passed_over(self, blobs, text):
        first = save(blobs, {"a": 1})
        save(blobs, {"a": 2})
        (blobs.root / "analysis/history/metadata.00000001.json").write_text(text)
        blobs.delete(COPY)
        assert load_revision(blobs) == first

    def test_no_sound_revision_at_all_is_damage(self, blobs):
        save(blobs, {"a": 1})
        break_seal(blobs, 0)
        with pytest.raises(
            DamagedError,
            match=r"none of the 1 revisions in .*history is whole and of this record; restore",
        ):
            load_revision(blobs)

    def test_other_files_in_the_history_are_passed_over(self, blobs):
        saved = save(blobs, {"a": 1})
        blobs.write("analysis/history/metadata (conflicted copy).json", b"{}")
        assert load_revision(blobs) == saved

    def test_a_crash_after_the_commit_leaves_the_new_revision(self, blobs, monkeypatch):
        save(blobs, {"a": 1})
        with monkeypatch.context() as patch:
            patch.setattr(type(blobs), "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                save(blobs, {"a": 2})
        assert load_revision(blobs).payload == {"a": 2}


def test_a_save_whose_readable_copy_fails_is_saved(record, monkeypatch):
    record.save_metadata_payload({"a": 1})
    replace = os.replace

    def fail_on_the_copy(source, target):
        if Path(target).name == "metadata.json":
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr("os.replace", fail_on_the_copy)
    record.save_metadata_payload({"a": 2})
    assert record.load_revision().payload == {"a": 2}
    assert record.load_revision().committed


class TestHistory:
    def test_all_revisions_come_in_order_with_their_times(self, blobs):
        saved = [save(blobs, {"a": a}) for a in "xyz"]
        assert load_history(blobs) == saved
        assert sorted(one.saved_utc for one in saved) == [one.saved_utc for one in saved]

    def test_an_edit_by_hand_comes_last(self, blobs):
        save(blobs, {"a": 1})
        edit_by_hand(blobs, '{"a": "by hand"}')
        assert [(one.payload["a"], one.committed) for one in load_history(blobs)] == [(1, True), ("by hand", False)]

    def test_a_damaged_one_is_left_out(self, blobs):
        for a in "xyz":
            save(blobs, {"a": a})
        break_seal(blobs, 1)
        assert [one.number for one in load_history(blobs)] == [0, 2]

    def test_nothing_saved_is_an_empty_history(self, blobs):
        assert load_history(blobs) == []

    def test_one_revision_is_loaded_by_its_number(self, blobs):
        for a in "xyz":
            save(blobs, {"a": a})
        assert load_numbered(blobs, 1).payload == {"a": "y"}

    @pytest.mark.parametrize("number", [-1, 3])
    def test_a_missing_one_is_named_with_those_there_are(self, blobs, number):
        for a in "xyz":
            save(blobs, {"a": a})
        with pytest.raises(ArtifactNotFoundError, match=rf"no revision {number} of .*metadata\.json; there are 0 to 2"):
            load_numbered(blobs, number)

    def test_a_damaged_one_says_so(self, blobs):
        save(blobs, {"a": 1})
        break_seal(blobs, 0)
        with pytest.raises(DamagedError, match=r"revision 0 of .* is damaged; load another, or restore it from a backup"):
            load_numbered(blobs, 0)


class TestRepeatedSave:
    """A save that was called not saved may have been saved: it can be repeated."""

    def test_saving_what_is_there_already_is_no_conflict(self, blobs):
        before = save(blobs, {"a": 1})
        save(blobs, {"a": 2}, before)
        save(blobs, {"a": 2}, before)
        assert load_revision(blobs).payload == {"a": 2}

    def test_saving_something_else_is(self, blobs):
        before = save(blobs, {"a": 1})
        save(blobs, {"a": 2}, before)
        with pytest.raises(ConflictError, match="was changed by another program"):
            save(blobs, {"a": 3}, before)

    def test_a_commit_whose_flush_failed_is_taken_back(self, blobs, monkeypatch):
        before = save(blobs, {"a": 1})

        def fail(_path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr(steps, "flush_folder", fail)
            with pytest.raises(NotSavedError, match="not saved"):
                save(blobs, {"a": 2}, before)
        assert load_revision(blobs) == before


class TestReadableCopy:
    def test_a_torn_one_that_somebody_wrote_is_kept_in_the_quarantine(self, blobs):
        save(blobs, {"a": 1})
        edit_by_hand(blobs, '{"a": "half')
        save(blobs, {"a": 2})
        (kept,) = (blobs.root / ".quarantine").iterdir()
        assert (kept.read_text(), json.loads(blobs.read(COPY))) == ('{"a": "half', {"a": 2})

    def test_a_slow_writer_does_not_leave_an_older_copy(self, blobs, monkeypatch):
        """The second writer commits and copies between the first one's commit and copy."""
        save(blobs, {"a": 0})
        commit = revisions._commit

        def commit_then_be_overtaken(*arguments):
            committed = commit(*arguments)
            monkeypatch.setattr(revisions, "_commit", commit)
            save(blobs, {"a": 2})
            return committed

        monkeypatch.setattr(revisions, "_commit", commit_then_be_overtaken)
        save(blobs, {"a": 1})
        assert (load_revision(blobs).payload, json.loads(blobs.read(COPY))) == ({"a": 2}, {"a": 2})


class TestEditsByHand:
    def test_an_edit_while_a_save_runs_is_kept_in_the_quarantine(self, blobs, monkeypatch):
        save(blobs, {"a": 1})
        commit = revisions._commit

        def edit_meanwhile(*arguments):
            edit_by_hand(blobs, '{"a": "by hand"}')
            return commit(*arguments)

        monkeypatch.setattr(revisions, "_commit", edit_meanwhile)
        save(blobs, {"a": 2})
        (kept,) = (blobs.root / ".quarantine").iterdir()
        assert (kept.read_text(), load_revision(blobs).payload) == ('{"a": "by hand"}', {"a": 2})

    @pytest.mark.parametrize("saved", [0, 1])
    def test_what_another_program_saves_after_the_revisions_were_listed_is_no_edit(self, blobs, monkeypatch, saved):
        for a in range(saved):
            save(blobs, {"a": a})
        listed = revisions.list_revisions

        def list_and_be_overtaken(blobs):
            numbers = listed(blobs)
            monkeypatch.setattr(revisions, "list_revisions", listed)
            save(blobs, {"a": "theirs"})
            return numbers

        monkeypatch.setattr(revisions, "list_revisions", list_and_be_overtaken)
        newest = load_revision(blobs)
        assert (newest.number, newest.committed, newest.payload) == (saved, True, {"a": "theirs"})

    def test_an_edit_back_to_what_an_older_revision_said_counts(self, blobs):
        for a in (1, 2):
            save(blobs, {"a": a})
        edit_by_hand(blobs, '{"a":1}')
        assert load_revision(blobs).payload == {"a": 1}

    def test_an_edit_by_windows_editor_counts(self, blobs):
        save(blobs, {"a": 1})
        (blobs.root / COPY).write_bytes(b'\xef\xbb\xbf{"a": "by hand"}')
        assert load_revision(blobs).payload == {"a": "by hand"}

    @pytest.mark.parametrize("text", ["", "{", '{"a": NaN}'])
    def test_metadata_without_a_history_that_cannot_be_read_are_damage(self, blobs, text):
        (blobs.root / "analysis").mkdir(parents=True)
        edit_by_hand(blobs, text)
        with pytest.raises(DamagedError, match=r"metadata\.json is not readable JSON"):
            load_revision(blobs)

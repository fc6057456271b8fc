"""A JSON object next to an image: each save is a commit, whatever another program does meanwhile."""

import json
import os

import pytest

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.stores.committed import CommittedFile

KEY = "scan.kymflow.json"


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path, read_only=False)


@pytest.fixture
def file(blobs):
    return CommittedFile(blobs, KEY)


def save(file, note):
    assert file.commit({"note": note}, file.newest())


def note_of(file):
    value = file.newest().value
    return value and value["note"]


@pytest.mark.parametrize("saves", [1, 2, 3, 11])
def test_the_last_save_is_the_newest_and_the_file_itself_has_it(file, tmp_path, saves):
    for number in range(saves):
        save(file, number)
    assert (note_of(file), json.loads((tmp_path / KEY).read_text())["note"]) == (saves - 1, saves - 1)


def test_one_commit_at_most_is_kept(file, tmp_path):
    for number in range(5):
        save(file, number)
    assert len(list((tmp_path / ".kymflow").iterdir())) == 1


def test_the_last_64_saves_are_named(file):
    for number in range(70):
        save(file, number)
    recent = file.newest().value["recent"]
    assert (len(recent), len(set(recent)), file.newest().recent) == (64, 64, tuple(recent))


@pytest.mark.parametrize("before", [0, 1, 2, 5], ids="{} saves before".format)
@pytest.mark.parametrize("meanwhile", [1, 2, 3], ids="{} saves meanwhile".format)
def test_a_save_upon_what_is_no_longer_so_writes_nothing(file, blobs, before, meanwhile):
    for number in range(before):
        save(file, number)
    upon = file.newest()
    for _ in range(meanwhile):
        save(CommittedFile(blobs, KEY), "theirs")
    assert not file.commit({"note": "mine"}, upon)
    assert note_of(file) == "theirs"


@pytest.mark.parametrize("method", ["duplicate", "forget"])
@pytest.mark.parametrize("before", [1, 3], ids="{} saves before".format)
def test_a_save_counts_from_its_commit_on_whatever_follows(file, monkeypatch, method, before):
    for number in range(before):
        save(file, number)

    def fail(self, *args):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Blobs, method, fail)
    save(file, "last")
    monkeypatch.undo()
    assert note_of(file) == "last"
    save(file, "later")
    assert note_of(file) == "later"


def test_a_slow_program_that_publishes_an_older_commit_hides_no_newer_one(file, blobs, monkeypatch, tmp_path):
    save(file, "first")
    real = Blobs.duplicate

    def duplicate(self, source, key):
        os.link(tmp_path / source, tmp_path / "slow")
        monkeypatch.setattr(Blobs, "duplicate", real)
        save(CommittedFile(blobs, KEY), "newer")
        (tmp_path / "slow").replace(tmp_path / key)

    monkeypatch.setattr(Blobs, "duplicate", duplicate)
    save(file, "slow")
    assert note_of(file) == "newer"


@pytest.mark.parametrize("others", [0, 1, 5, 40], ids="{} saves of others".format)
def test_a_save_that_others_publish_and_build_upon_before_it_looks_again_is_done(file, blobs, monkeypatch, others):
    """Else a program would say "not saved" of what is saved, and somebody would add the same ROI twice."""
    save(file, "first")
    real = CommittedFile._holds

    def look_late(self, commit_id, file_id):
        monkeypatch.setattr(CommittedFile, "_holds", real)
        other = CommittedFile(blobs, KEY)
        other._publish(file_id)
        for _ in range(others):
            assert other.commit({"note": f"{other.newest().value['note']}, another's"}, other.newest())
        return real(self, commit_id, file_id)

    monkeypatch.setattr(CommittedFile, "_holds", look_late)
    save(file, "mine")
    assert note_of(file) == "mine" + others * ", another's"


def test_a_number_that_was_forgotten_is_not_free(file, blobs):
    for number in range(2):
        save(file, number)
    upon = file.newest()
    for number in range(10):
        save(CommittedFile(blobs, KEY), f"{number} of others")
    assert not file.commit({"note": "mine"}, upon)
    assert note_of(file) == "9 of others"


def test_a_commit_that_is_forgotten_while_the_file_is_read_leads_to_a_newer_one(file, blobs, monkeypatch, tmp_path):
    save(file, "first")
    os.link(tmp_path / KEY, tmp_path / "slow")
    save(file, "mine")
    real = CommittedFile._numbers

    def listed_early(self):
        monkeypatch.setattr(CommittedFile, "_numbers", real)
        found = real(self)
        for number in range(10):
            save(CommittedFile(blobs, KEY), f"{number} of others")
        (tmp_path / "slow").replace(tmp_path / KEY)  # by a program that publishes an older commit late
        return found

    monkeypatch.setattr(CommittedFile, "_numbers", listed_early)
    assert note_of(file) == "9 of others"


def test_a_commit_of_another_file_of_that_name_is_not_believed(file, tmp_path):
    for number in range(3):
        save(file, number)
    other = json.dumps({"note": "of another TIFF", "revision": 0, "file_id": "ab"})
    (tmp_path / KEY).write_text(other)
    assert note_of(file) == "of another TIFF"
    save(file, "next")
    assert (note_of(file), file.newest().file_id) == ("next", "ab")


def test_a_file_of_an_earlier_version_gets_an_id_with_the_next_save(file, tmp_path):
    (tmp_path / KEY).write_text(json.dumps({"note": "older", "revision": 4}))
    save(file, "newer")
    held = json.loads((tmp_path / KEY).read_text())
    assert (held["note"], held["revision"], len(held["file_id"])) == ("newer", 5, 32)


def test_a_deleted_file_is_gone_and_what_is_saved_then_is_another(file, tmp_path):
    for number in range(3):
        save(file, number)
    (tmp_path / KEY).unlink()
    assert not file.newest().is_there
    save(file, "new")
    save(file, "newer")
    assert note_of(file) == "newer"


def test_a_damaged_commit_is_no_commit(file, tmp_path):
    save(file, "first")
    upon = file.newest()
    save(file, "second")
    (commit,) = (tmp_path / ".kymflow").iterdir()
    data = commit.read_bytes()
    commit.unlink()
    commit.with_name(commit.name.replace("2", "3")).write_bytes(data.replace(b"second", b"thirds"))
    assert (note_of(file), upon.next_number) == ("second", 2)


def test_a_file_that_was_changed_is_named(file, tmp_path):
    save(file, "first")
    (tmp_path / KEY).write_bytes((tmp_path / KEY).read_bytes().replace(b"first", b"other"))
    with pytest.raises(DamagedError, match=r"scan\.kymflow\.json was changed or damaged since it was written"):
        file.newest()


def test_no_save_comes_to_the_highest_number(file, tmp_path):
    (tmp_path / KEY).write_text(json.dumps({"revision": layout.LAST_NUMBER}))
    with pytest.raises(DamagedError, match=r"^not saved: .* has the highest number that there can be"):
        save(file, "one more")

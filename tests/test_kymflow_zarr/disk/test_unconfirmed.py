"""A disk that fails after the move: "not saved" where it was undone, "not known" where it was not; nothing old is gone."""

import errno
import os

import numpy as np
import pytest

from kymflow_zarr.disk import steps
from kymflow_zarr.errors import NotSavedError, UnconfirmedError

UNKNOWN = "it is not known whether it is saved: the disk did not confirm it"


def fail(*_args, **_kwargs):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def build(blobs, text, *, replace=True):
    with blobs.build("x/tree", replace=replace) as draft:
        draft.write("file", text)


@pytest.fixture
def failing_at_place(blobs, monkeypatch):
    """A function that lets flushes of the folder `x` fail, and also other steps by their names."""
    blobs.write("x/there", b"old")
    flush = steps.flush_folder

    def begin(*also):
        place = str(blobs.root / "x")
        monkeypatch.setattr(steps, "flush_folder", lambda folder: fail() if folder == place else flush(folder))
        for name in also:
            monkeypatch.setattr(os if hasattr(os, name) else steps, name, fail)

    return begin


def test_a_replaced_file_that_the_disk_did_not_confirm_is_not_called_unsaved(blobs, failing_at_place):
    failing_at_place()
    with pytest.raises(UnconfirmedError, match=UNKNOWN):
        blobs.write("x/there", b"new")
    assert blobs.read("x/there") == b"new"


def test_a_new_file_that_could_be_removed_is_not_saved(blobs, failing_at_place):
    failing_at_place()
    with pytest.raises(NotSavedError, match="not saved: Input/output error") as caught:
        blobs.create("x/new", b"new")
    assert (type(caught.value), blobs.exists("x/new")) == (NotSavedError, False)


def test_a_new_file_that_could_not_be_removed_is_not_called_unsaved(blobs, failing_at_place):
    failing_at_place("unlink")
    with pytest.raises(UnconfirmedError, match=UNKNOWN):
        blobs.create("x/new", b"new")
    assert blobs.read("x/new") == b"new"


def test_a_file_that_another_program_put_there_since_is_not_removed(blobs, failing_at_place, monkeypatch):
    failing_at_place()
    link = os.link

    def link_then_be_overtaken(source, target):
        link(source, target)
        (blobs.root / "x/new").write_bytes(b"theirs")

    monkeypatch.setattr(os, "link", link_then_be_overtaken)
    with pytest.raises(UnconfirmedError, match=UNKNOWN):
        blobs.create("x/new", b"mine!!")
    assert blobs.read("x/new") == b"theirs"


@pytest.mark.parametrize("can_swap", [True, False])
def test_an_exchange_of_trees_that_could_be_undone_is_not_saved(blobs, failing_at_place, monkeypatch, can_swap):
    build(blobs, b"old")
    if not can_swap:
        monkeypatch.setattr(steps, "swap", lambda _first, _second: False)
    failing_at_place()
    with pytest.raises(NotSavedError, match="not saved: Input/output error"):
        build(blobs, b"new")
    assert (blobs.read("x/tree/file"), blobs.names(".staging")) == (b"old", [])


@pytest.mark.parametrize("can_swap", [True, False])
def test_an_old_tree_is_kept_while_it_is_unknown_whether_the_new_one_is_there(
    blobs, failing_at_place, monkeypatch, can_swap
):
    build(blobs, b"old")
    swap = steps.swap
    swaps = iter([swap if can_swap else lambda _first, _second: False, fail])
    monkeypatch.setattr(steps, "swap", lambda first, second: next(swaps)(first, second))
    if not can_swap:
        rename, renames = steps.rename, []

        def fail_third(source, target):
            renames.append(target)
            if len(renames) == 3:
                fail()
            rename(source, target)

        monkeypatch.setattr(steps, "rename", fail_third)
    failing_at_place()
    with pytest.raises(UnconfirmedError, match=UNKNOWN):
        build(blobs, b"new")
    (kept,) = blobs.names(".staging")
    assert kept.startswith("replaced-")
    assert (blobs.read("x/tree/file"), blobs.read(f".staging/{kept}/file")) == (b"new", b"old")


def test_a_new_tree_that_could_not_be_taken_back_is_not_called_unsaved(blobs, failing_at_place, monkeypatch):
    rename, renames = steps.rename, []

    def fail_second(source, target):
        renames.append(target)
        if len(renames) == 2:
            fail()
        rename(source, target)

    monkeypatch.setattr(steps, "rename", fail_second)
    failing_at_place()
    with pytest.raises(UnconfirmedError, match=UNKNOWN):
        build(blobs, b"new", replace=False)
    assert blobs.read("x/tree/file") == b"new"


@pytest.mark.parametrize("move", ["set_aside", "throw_away", "delete"])
def test_a_folder_that_was_moved_away_without_being_confirmed_is_put_back(blobs, failing_at_place, move):
    build(blobs, b"old")
    failing_at_place()
    with pytest.raises(NotSavedError, match="not saved: Input/output error"):
        getattr(blobs, move)("x/tree")
    assert blobs.read("x/tree/file") == b"old"


def test_pixels_that_were_not_confirmed_are_not_lost(dataset, record, pixels, monkeypatch):
    monkeypatch.setattr(steps, "swap", lambda _first, _second: False)
    flush, rename, renames = steps.flush_folder, steps.rename, []

    def fail_to_go_back(source, target):
        renames.append(target)
        if len(renames) == 3:
            fail()
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "flush_folder", lambda folder: fail() if folder.endswith(record.image_id) else flush(folder))
        patch.setattr(steps, "rename", fail_to_go_back)
        with pytest.raises(UnconfirmedError, match=UNKNOWN):
            record.replace_array(pixels + 1)
    np.testing.assert_array_equal(record.load_array(), pixels + 1)
    assert [name[:9] for name in dataset.collect_garbage()] == []
    assert any(path.name.startswith("replaced-") for path in (dataset.path / ".staging").iterdir())

"""The old state or the new one, never a half."""

import errno
import os

import pytest

from kymflow_zarr.disk import steps
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import InvalidNameError, NotSavedError, ReadOnlyError


def failing(code):
    def fail(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    return fail


def everything_in(blobs):
    """All files, hidden ones too."""
    return {path.relative_to(blobs.root).as_posix() for path in blobs.root.rglob("*") if path.is_file()}


def staged(blobs):
    staging = blobs.root / ".staging"
    return list(staging.iterdir()) if staging.exists() else []


def build_tree(blobs, key, text):
    with blobs.build(key) as draft:
        draft.write("inner/file", text)


class TestWrite:
    def test_what_was_written_is_read(self, blobs):
        blobs.write("a/b", b"new")
        assert blobs.read("a/b") == b"new"

    def test_an_existing_file_is_replaced(self, blobs):
        blobs.write("a", b"old, and longer")
        blobs.write("a", b"new")
        assert blobs.read("a") == b"new"

    def test_no_temporary_file_stays(self, blobs):
        blobs.write("a", b"new")
        assert everything_in(blobs) == {"a"}

    @pytest.mark.parametrize("primitive", ["fsync", "replace"])
    def test_the_old_bytes_stand_when_the_disk_fails(self, blobs, monkeypatch, primitive):
        blobs.write("a", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, primitive, failing(errno.EIO))
            with pytest.raises(NotSavedError, match="not saved: Input/output error"):
                blobs.write("a", b"new")
        assert blobs.read("a") == b"old"

    @pytest.mark.parametrize("primitive", ["fsync", "replace"])
    def test_a_failed_write_leaves_no_temporary_file(self, blobs, monkeypatch, primitive):
        blobs.write("a", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, primitive, failing(errno.ENOSPC))
            with pytest.raises(NotSavedError, match="No space left"):
                blobs.write("a", b"new")
        assert everything_in(blobs) == {"a"}

    def test_a_failure_says_which_file_and_why_in_its_fields(self, blobs, monkeypatch):
        monkeypatch.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(NotSavedError) as caught:
            blobs.write("a", b"new")
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(blobs.root / "a"))

    @pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM], ids=errno.errorcode.get)
    def test_a_refusal_is_a_read_only_error(self, blobs, monkeypatch, code):
        monkeypatch.setattr(os, "replace", failing(code))
        with pytest.raises(ReadOnlyError, match=r"not saved: no permission to write .*; choose a folder that you can"):
            blobs.write("a", b"new")

    def test_a_file_where_a_folder_should_be_is_not_saved(self, blobs):
        blobs.write("a", b"old")
        with pytest.raises(NotSavedError, match="not saved: Not a directory"):
            blobs.write("a/b", b"new")


class TestCreate:
    def test_a_new_file_is_made(self, blobs):
        blobs.create("a", b"first")
        assert blobs.read("a") == b"first"

    def test_the_second_to_create_a_file_is_told(self, blobs):
        blobs.create("a", b"first")
        with pytest.raises(FileExistsError):
            blobs.create("a", b"second")

    def test_the_first_to_create_a_file_wins(self, blobs):
        blobs.create("a", b"first")
        with pytest.raises(FileExistsError):
            blobs.create("a", b"second")
        assert blobs.read("a") == b"first"

    def test_no_temporary_file_stays_of_the_loser(self, blobs):
        blobs.create("a", b"first")
        with pytest.raises(FileExistsError):
            blobs.create("a", b"second")
        assert everything_in(blobs) == {"a"}

    def test_a_failed_flush_makes_nothing(self, blobs, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing(errno.EIO))
            with pytest.raises(NotSavedError, match="not saved"):
                blobs.create("a", b"first")
        assert everything_in(blobs) == set()

    def test_a_file_where_a_folder_should_be_is_no_lost_race(self, blobs):
        blobs.write("a", b"old")
        with pytest.raises(NotSavedError, match="not saved: Not a directory"):
            blobs.create("a/b", b"new")


class TestDelete:
    def test_a_file_is_gone(self, blobs):
        blobs.write("a", b"old")
        blobs.delete("a")
        assert not blobs.exists("a")

    def test_a_tree_is_gone(self, blobs):
        build_tree(blobs, "tree", b"old")
        blobs.delete("tree")
        assert everything_in(blobs) == set()

    def test_staging_is_empty_after_a_tree_was_deleted(self, blobs):
        build_tree(blobs, "tree", b"old")
        blobs.delete("tree")
        assert staged(blobs) == []

    def test_what_is_not_there_cannot_be_deleted(self, blobs):
        with pytest.raises(NotSavedError, match="No such file"):
            blobs.delete("a")

    def test_a_tree_stands_whole_when_it_cannot_be_moved_aside(self, blobs, monkeypatch):
        build_tree(blobs, "tree", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", failing(errno.EIO))
            with pytest.raises(NotSavedError, match="not saved"):
                blobs.delete("tree")
        assert blobs.files("tree") == ["inner/file"]


class TestBuild:
    def test_a_tree_appears_when_the_block_ends(self, blobs):
        build_tree(blobs, "x/tree", b"new")
        assert blobs.read("x/tree/inner/file") == b"new"

    def test_a_tree_is_not_there_before_the_block_ends(self, blobs):
        with blobs.build("tree") as draft:
            draft.write("file", b"new")
            assert not blobs.exists("tree")

    def test_a_tree_replaces_the_old_one_whole(self, blobs):
        with blobs.build("tree") as draft:
            draft.write("only old", b"old")
        build_tree(blobs, "tree", b"new")
        assert blobs.files("tree") == ["inner/file"]

    def test_staging_is_empty_at_rest(self, blobs):
        build_tree(blobs, "tree", b"old")
        build_tree(blobs, "tree", b"new")
        assert staged(blobs) == []

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt], ids=lambda kind: kind.__name__)
    def test_an_error_inside_leaves_nothing(self, blobs, error):
        with pytest.raises(error), blobs.build("tree") as draft:  # noqa: PT012
            draft.write("file", b"new")
            raise error
        assert everything_in(blobs) == set()

    def test_an_error_inside_leaves_the_old_tree(self, blobs):
        build_tree(blobs, "tree", b"old")
        with pytest.raises(ZeroDivisionError), blobs.build("tree") as draft:  # noqa: PT012
            draft.write("inner/file", b"new")
            raise ZeroDivisionError
        assert blobs.read("tree/inner/file") == b"old"

    def test_an_error_inside_is_not_turned_into_ours(self, blobs):
        with pytest.raises(OSError, match="of the caller") as caught, blobs.build("tree"):
            raise OSError(errno.EIO, "of the caller")
        assert type(caught.value) is OSError

    @pytest.fixture
    def second_rename_fails(self, monkeypatch):
        """On a disk that cannot swap: the old tree goes aside, the new one does not come in, the old one can come back."""
        monkeypatch.setattr("kymflow_zarr.disk.steps.swap", lambda _first, _second: False)
        rename, calls = os.rename, []

        def fail_second(source, target):
            calls.append(target)
            if len(calls) == 2:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            rename(source, target)

        return lambda: monkeypatch.setattr(os, "rename", fail_second)

    def test_a_failed_rename_puts_the_old_tree_back(self, blobs, second_rename_fails):
        build_tree(blobs, "tree", b"old")
        second_rename_fails()
        with pytest.raises(NotSavedError, match="not saved: Input/output error"):
            build_tree(blobs, "tree", b"new")
        assert blobs.read("tree/inner/file") == b"old"

    def test_a_failed_rename_leaves_staging_empty(self, blobs, second_rename_fails):
        build_tree(blobs, "tree", b"old")
        second_rename_fails()
        with pytest.raises(NotSavedError, match="not saved"):
            build_tree(blobs, "tree", b"new")
        assert staged(blobs) == []

    def test_a_failed_flush_leaves_the_old_tree(self, blobs, monkeypatch):
        build_tree(blobs, "tree", b"old")
        with pytest.raises(NotSavedError, match="not saved"), blobs.build("tree") as draft:  # noqa: PT012
            draft.write("inner/file", b"new")
            monkeypatch.setattr(os, "fsync", failing(errno.EIO))
        assert blobs.read("tree/inner/file") == b"old"

    def test_a_new_tree_whose_place_cannot_be_flushed_is_not_there(self, blobs, monkeypatch):
        """It is called not saved; who adds it again would have it twice."""
        build_tree(blobs, "x/first", b"old")
        flush = steps.flush_folder

        def fail_at_the_place(folder):
            if folder == str(blobs.root / "x"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            flush(folder)

        monkeypatch.setattr(steps, "flush_folder", fail_at_the_place)
        with pytest.raises(NotSavedError, match="not saved"), blobs.build("x/second", replace=False) as draft:
            draft.write("file", b"new")
        assert everything_in(blobs) == {"x/first/inner/file"}

    def test_the_old_tree_is_there_until_the_moves_are_flushed(self, blobs, monkeypatch):
        """On a disk that cannot swap; a power cut may undo the moves, but not what was removed."""
        build_tree(blobs, "x/tree", b"old")
        flush, old_is_there = steps.flush_folder, []

        def look(folder):
            if folder == str(blobs.root / "x"):
                old_is_there.append([(path / "inner/file").read_bytes() for path in staged(blobs)] == [b"old"])
            flush(folder)

        monkeypatch.setattr(steps, "swap", lambda _first, _second: False)
        monkeypatch.setattr(steps, "flush_folder", look)
        build_tree(blobs, "x/tree", b"new")
        assert (old_is_there, blobs.read("x/tree/inner/file"), staged(blobs)) == ([True], b"new", [])


class TestReadOnly:
    @pytest.mark.parametrize(
        "write",
        [
            pytest.param(lambda blobs: blobs.write("a", b""), id="write"),
            pytest.param(lambda blobs: blobs.create("a", b""), id="create"),
            pytest.param(lambda blobs: blobs.delete("a"), id="delete"),
            pytest.param(lambda blobs: build_tree(blobs, "a", b""), id="build"),
            pytest.param(lambda blobs: blobs.sub("x").write("a", b""), id="write in a subfolder"),
        ],
    )
    def test_every_write_is_refused(self, tmp_path, write):
        with pytest.raises(ReadOnlyError, match="opened for reading only; open it with mode 'a'"):
            write(Blobs(tmp_path, read_only=True))

    def test_a_refused_write_leaves_nothing(self, tmp_path):
        with pytest.raises(ReadOnlyError, match="not saved"):
            Blobs(tmp_path, read_only=True).write("a/b", b"")
        assert list(tmp_path.iterdir()) == []


class TestKeys:
    @pytest.mark.parametrize(
        "key",
        [
            "..",
            ".",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "a/",
            "a/./b",
            "a\0b",
            *([] if os.sep == "/" else ["a\\..\\b", "C:x"]),
        ],
    )
    @pytest.mark.parametrize(
        "action", ["read", "write", "create", "delete", "exists", "names", "files", "store", "sub", "size"]
    )
    def test_a_key_that_leaves_the_root_is_refused(self, blobs, key, action):
        arguments = (b"",) if action in ("write", "create") else ()
        with pytest.raises(InvalidNameError, match="does not name a place inside the dataset"):
            getattr(blobs, action)(key, *arguments, **({"complete": True} if action == "store" else {}))


class TestListing:
    def test_names_leaves_temporary_files_out(self, blobs):
        blobs.write("a/b", b"")
        (blobs.root / "a" / ".1234.tmp").touch()
        assert blobs.names("a") == ["b"]

    def test_names_of_a_missing_folder_are_none(self, blobs):
        assert blobs.names("a") == []

    def test_names_of_a_file_are_none(self, blobs):
        blobs.write("a", b"")
        assert blobs.names("a") == []

    def test_files_are_keys_relative_to_the_folder(self, blobs):
        blobs.write("a/b/c", b"")
        blobs.write("a/d", b"")
        assert blobs.files("a") == ["b/c", "d"]


class TestDisksWithoutHardLinks:
    @pytest.fixture(autouse=True)
    def _no_links(self, monkeypatch):
        def refuse(source, target):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr("os.link", refuse)

    def test_a_file_is_created_all_the_same(self, tmp_path):
        blobs = Blobs(tmp_path, read_only=False)
        blobs.create("a/b.json", b"new")
        assert (blobs.read("a/b.json"), blobs.files("")) == (b"new", ["a/b.json"])

    def test_the_second_writer_still_learns_that_he_is_second(self, tmp_path):
        blobs = Blobs(tmp_path, read_only=False)
        blobs.create("b.json", b"first")
        with pytest.raises(FileExistsError):
            blobs.create("b.json", b"second")
        assert blobs.read("b.json") == b"first"

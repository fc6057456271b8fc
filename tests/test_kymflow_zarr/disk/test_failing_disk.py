"""The disk that fails on purpose does: what is written carelessly is torn, refused or lost on it."""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from failing_disk import Crash, FailingDisk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts the system calls of Linux")

STEPS_OF_A_FILE = ("open", "write", "flush", "close")
STEPS_OF_A_FOLDER = ("open", "flush", "close")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a file in it, both as good as flushed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "file").write_bytes(b"old bytes")
    return folder


def write(path: Path, *, flush: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, b"new bytes!")
    if flush:
        os.fsync(descriptor)
    os.close(descriptor)


def write_beside(path: Path, *, flush: bool, flush_folder: bool) -> None:
    write(path.with_name("beside"), flush=flush)
    path.with_name("beside").replace(path)
    if flush_folder:
        descriptor = os.open(path.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def test_every_primitive_is_counted(folder):
    disk = FailingDisk(folder)
    with disk.failing():
        write_beside(folder / "file", flush=True, flush_folder=True)
    assert [step.split()[0] for step in disk.steps] == [*STEPS_OF_A_FILE, "replace", *STEPS_OF_A_FOLDER]


def test_a_crash_in_the_middle_of_a_write_in_place_leaves_half(folder):
    with FailingDisk(folder, "torn write", 2).failing(), suppress(Crash):
        write(folder / "file", flush=True)
    assert (folder / "file").read_bytes() == b"new b"


def test_nothing_reaches_the_disk_after_a_crash(folder):
    with FailingDisk(folder, "crash", 1).failing():
        for what in ((folder / "file").unlink, (folder / "new").mkdir):
            with pytest.raises(Crash):
                what()
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("code", ["EIO", "ENOSPC"])
def test_an_error_is_raised_once_only(folder, code):
    with FailingDisk(folder, code, 1).failing():
        with pytest.raises(OSError, match=os.strerror(getattr(errno, code))):
            (folder / "new").mkdir()
        (folder / "new").mkdir()
    assert (folder / "new").is_dir()


def test_a_power_cut_empties_what_was_not_flushed(folder):
    disk = FailingDisk(folder)
    with disk.failing():
        write_beside(folder / "file", flush=False, flush_folder=True)
    disk.power_off()
    assert (folder / "file").read_bytes() == b""


def test_a_power_cut_takes_back_a_rename_that_was_not_flushed(folder):
    disk = FailingDisk(folder)
    with disk.failing():
        write_beside(folder / "file", flush=True, flush_folder=False)
    disk.power_off()
    assert (folder / "file").read_bytes() == b"old bytes"


def test_a_power_cut_takes_a_new_folder_that_was_not_flushed_with_all_in_it(folder):
    disk = FailingDisk(folder)
    with disk.failing():
        (folder / "new").mkdir()
        write_beside(folder / "new" / "file", flush=True, flush_folder=True)
    disk.power_off()
    assert not (folder / "new").exists()


def test_a_power_cut_leaves_what_was_flushed(folder):
    disk = FailingDisk(folder)
    with disk.failing():
        write_beside(folder / "file", flush=True, flush_folder=True)
    disk.power_off()
    assert (folder / "file").read_bytes() == b"new bytes!"


def test_a_power_cut_that_spares_names_leaves_a_rename(folder):
    with FailingDisk(folder, "power cut", 6).failing(), suppress(Crash):
        write_beside(folder / "file", flush=True, flush_folder=True)
    assert (folder / "file").read_bytes() == b"new bytes!"


def test_what_changes_the_folder_by_another_way_is_noticed(folder):
    disk = FailingDisk(folder)
    with disk.failing():
        (folder / "file").write_bytes(b"new")
    assert len(disk.bypassed) == 1


def test_reading_primitives_fail_when_they_are_the_ones(folder):
    with FailingDisk(folder, "EIO", 1, reads=True).failing(), pytest.raises(OSError, match="Input/output error"):
        (folder / "file").read_bytes()


def test_other_folders_do_not_fail(folder, tmp_path):
    with FailingDisk(folder, "crash", 1).failing():
        (tmp_path / "elsewhere").mkdir()
    assert (tmp_path / "elsewhere").is_dir()

"""The single steps on a disk, where systems and disks differ."""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.disk.walks import walk
from kymflow_zarr.errors import DamagedError, NotSavedError, ReadOnlyError


@pytest.fixture
def two_folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path / "a", tmp_path / "b"


class TestWalk:
    @pytest.fixture
    def tree(self, two_folders):
        """Files, hidden ones too, and links to a file, to folders and to nothing."""
        a, b = two_folders
        (a / "deep" / "deeper").mkdir(parents=True)
        for name in (".hidden", "deep/file", "deep/deeper/.hidden", "deep/deeper/file"):
            (a / name).touch()
        for name, target in {"to file": b / "file", "to folder": b, "to itself": a, "to nothing": a / "nothing"}.items():
            (a / name).symlink_to(target)
        return a

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
    def test_it_finds_what_os_walk_finds(self, tree):
        found = [Path(folder, name).relative_to(tree).as_posix() for folder, _, names in os.walk(tree) for name in names]
        assert sorted(walk(str(tree))) == sorted(found)

    def test_a_folder_that_is_not_there_has_nothing(self, tmp_path):
        assert list(walk(str(tmp_path / "gone"))) == []


class TestSwap:
    @pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="other systems cannot swap folders")
    def test_two_folders_change_places(self, two_folders):
        a, b = two_folders
        assert steps.swap(str(a), str(b)) is True
        assert ((a / "file").read_text(), (b / "file").read_text()) == ("b", "a")

    def test_a_system_without_it_does_nothing(self, two_folders, monkeypatch):
        monkeypatch.setattr(sys, "platform", "win32")
        assert steps.swap(*map(str, two_folders)) is False
        assert (two_folders[0] / "file").read_text() == "a"

    @pytest.mark.skipif(sys.platform != "linux", reason="the function has another name elsewhere")
    @pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_a_disk_without_it_does_nothing(self, two_folders, monkeypatch, number):
        class Library:
            @staticmethod
            def renameat2(*_arguments):
                ctypes.set_errno(number)
                return -1

        monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_kwargs: Library)
        assert steps.swap(*map(str, two_folders)) is False

    @pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="other systems cannot swap folders")
    def test_another_failure_is_an_error(self, two_folders, tmp_path):
        with pytest.raises(FileNotFoundError):
            steps.swap(str(two_folders[0]), str(tmp_path / "missing"))

    def test_an_array_is_replaced_on_a_disk_without_it(self, record, monkeypatch):
        monkeypatch.setattr(steps, "swap", lambda _first, _second: False)
        for value in (1, 2):
            record.save_array_artifact("mask", np.full((2, 3), value))
        assert record.load_array_artifact("mask").tolist() == [[2] * 3] * 2


class TestBusyFiles:
    """Windows refuses to move over a file that a virus scanner or a reader holds for a moment."""

    @pytest.fixture
    def busy(self, monkeypatch):
        """A function that makes moves fail so many times first."""

        def fail(times):
            for name in ("replace", "rename"):
                step, left = getattr(os, name), [times]

                def refuse(source, target, step=step, left=left):
                    left[0] -= 1
                    if left[0] >= 0:
                        raise PermissionError(errno.EACCES, "held by another program")
                    step(source, target)

                monkeypatch.setattr(os, name, refuse)

        monkeypatch.setattr(steps, "_RETRY_SECONDS", (0.0, 0.0, 0.0))
        return fail

    def test_a_save_is_tried_again(self, record, busy):
        busy(3)
        record.save_json("params", {"a": 1})
        record.save_array_artifact("mask", np.ones(3))
        assert (record.load_json("params"), record.list_array_artifacts()) == ({"a": 1}, ["mask"])

    def test_not_for_ever(self, record, busy):
        record.save_json("params", {"a": 1})
        busy(4)
        with pytest.raises(ReadOnlyError, match="not saved: no permission to write"):
            record.save_json("params", {"a": 2})
        assert record.load_json("params") == {"a": 1}


class TestReadOnlyMedia:
    @pytest.fixture
    def burnt(self, tmp_path):
        """A dataset on a disk that cannot be written."""
        place = tmp_path / "disk"
        place.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False).returncode:
            pytest.skip("mounting a disk needs root")
        try:
            dataset = ZarrDataset.create(place / "lab.zarr")
            record = dataset.add_image(np.ones((20, 6), np.uint16))
            record.save_metadata_payload({"header": {"name": "scan"}})
            record.save_array_artifact("mask", np.ones((20, 6), bool))
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            yield dataset.path
        finally:
            subprocess.run(["umount", place], check=False)

    @pytest.mark.parametrize("mode", ["r", "a"])
    def test_everything_can_be_read(self, burnt, mode):
        dataset = ZarrDataset(burnt, mode=mode)
        (record,) = dataset.iter_records(order_by="created_utc")
        assert (record.load_array().sum(), record.load_array_artifact("mask").all()) == (120, True)
        assert (record.load_metadata_payload(), len(record.history())) == ({"header": {"name": "scan"}}, 1)
        assert (dataset.verify(deep=True).problems, dataset.load_manifest().summary()) == ((), "1 record")

    def test_a_save_says_that_it_cannot(self, burnt):
        (record,) = ZarrDataset(burnt).iter_records()
        with pytest.raises((ReadOnlyError, NotSavedError), match="not saved: "):
            record.save_metadata_payload({})


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DamagedError, match="pipe is no file but a pipe or a device; remove it"):
        steps.open_regular(str(tmp_path / "pipe"))

"""Disks that know less than a local one, or fail: no hard links, no flush of folders, files that vanish."""

import errno
import os
import shutil
import stat
import sys
import types

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.errors import ConflictError, DamagedError, NotSavedError, RecordNotFoundError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the calls have other names there")


def refusing(number):
    def refuse(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.EXDEV], ids=errno.errorcode.get)
def no_links(request, monkeypatch):
    """A disk without hard links, as it may say so."""
    monkeypatch.setattr(os, "link", refusing(request.param))


class TestNoHardLinks:
    def test_everything_can_be_saved(self, dataset, record, no_links):
        for number in range(3):
            record.save_metadata_payload({"a": number})
            dataset.replace_rows("velocity", {"a": pd.DataFrame({"image_id": ["a"], "v": [number]})})
        assert (record.load_metadata_payload(), len(record.history())) == ({"a": 2}, 3)
        assert dataset.load_table("velocity")["v"].tolist() == [2]
        assert pd.read_parquet(dataset.path / "tables/velocity.parquet")["v"].tolist() == [2]

    def test_the_second_of_two_writers_gets_a_conflict(self, record, no_links, monkeypatch):
        first = record.save_metadata_payload({"a": 1})
        move = steps._rename_exclusively

        def be_overtaken(source, target):
            monkeypatch.setattr(steps, "_rename_exclusively", move)
            record.save_metadata_payload({"a": "theirs"}, expected=first)
            move(source, target)

        monkeypatch.setattr(steps, "_rename_exclusively", be_overtaken)
        with pytest.raises(ConflictError, match="another program saved revision 1"):
            record.save_metadata_payload({"a": "mine"}, expected=first)
        assert record.load_metadata_payload() == {"a": "theirs"}

    def test_a_full_disk_leaves_the_old_state(self, dataset, record, no_links, monkeypatch):
        record.save_metadata_payload({"a": 1})
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", refusing(errno.ENOSPC))
            with pytest.raises(NotSavedError, match="not saved: No space left on device"):
                record.save_metadata_payload({"a": 2})
        assert (record.load_metadata_payload(), dataset.verify(deep=True).problems) == ({"a": 1}, ())


class TestFlush:
    @pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP], ids=errno.errorcode.get)
    def test_a_disk_that_cannot_flush_folders_saves(self, record, monkeypatch, number):
        flush = os.fsync

        def refuse_folders(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", refuse_folders)
        record.save_metadata_payload({"a": 1})
        assert record.load_metadata_payload() == {"a": 1}

    @pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
    def test_a_disk_that_fails_does_not(self, record, monkeypatch, number):
        monkeypatch.setattr(os, "fsync", refusing(number))
        with pytest.raises(NotSavedError, match="not saved"):
            record.save_metadata_payload({"a": 1})

    @pytest.fixture
    def mac(self, monkeypatch):
        """A function that lets macOS's flush answer with an error number."""

        def answer(number):
            module = types.ModuleType("fcntl")
            module.F_FULLFSYNC, module.fcntl = 51, refusing(number)
            monkeypatch.setitem(sys.modules, "fcntl", module)
            monkeypatch.setattr(steps, "sys", types.SimpleNamespace(platform="darwin"))

        return answer

    @pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY], ids=errno.errorcode.get)
    def test_a_network_disk_of_macos_that_cannot_flush_to_the_last_saves(self, record, mac, number):
        mac(number)
        record.save_metadata_payload({"a": 1})
        assert record.load_metadata_payload() == {"a": 1}

    def test_a_disk_of_macos_that_fails_does_not(self, record, mac):
        mac(errno.EIO)
        with pytest.raises(NotSavedError, match="not saved"):
            record.save_metadata_payload({"a": 1})


def test_a_disk_that_takes_few_bytes_at_a_time_gets_all_of_them(dataset, record, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:100]))
    record.save_metadata_payload({"a": "b" * 1000})
    assert (record.load_metadata_payload(), dataset.verify(deep=True).problems) == ({"a": "b" * 1000}, ())


class TestFailing:
    """A disk that cannot say what is on it."""

    @pytest.fixture
    def unseen(self, record_folder, monkeypatch):
        """The record, which the disk fails to look for."""
        stat = os.stat

        def fail(path, **options):
            if path == str(record_folder):
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return stat(path, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", fail)
            yield record_folder.name

    @pytest.mark.parametrize("do", ["record", "delete_image"])
    def test_a_record_that_cannot_be_looked_for_is_not_called_missing(self, dataset, unseen, do):
        with pytest.raises(OSError, match="Input/output error"):
            getattr(dataset, do)(unseen)

    def test_an_image_that_was_added_is_not_looked_for(self, dataset, pixels, monkeypatch):
        """Who is told that it is not there adds it again."""
        stat = os.stat
        done = []

        def fail_when_done(path, **options):
            if done:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return stat(path, **options)

        remove = shutil.rmtree

        def remove_then_fail(*arguments, **options):
            remove(*arguments, **options)
            done.append(True)

        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", fail_when_done)
            patch.setattr(shutil, "rmtree", remove_then_fail)
            added = dataset.add_image(pixels)
        assert dataset.list_image_ids() == [added.image_id]


class TestVanished:
    def test_a_lazy_array_of_a_deleted_record_is_an_error_not_zeros(self, dataset, record):
        pixels = record.open_array()
        dataset.delete_image(record.image_id)
        with pytest.raises(DamagedError, match="is no longer there: the array was deleted or moved, or its disk is gone"):
            pixels[0:1]

    def test_a_dataset_opened_by_a_relative_path_stays_where_it_is(self, dataset, record, tmp_path, monkeypatch):
        monkeypatch.chdir(dataset.path.parent)
        relative = ZarrDataset(dataset.path.name)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert relative.list_image_ids() == [record.image_id]

    @pytest.mark.parametrize(
        "save",
        [
            pytest.param(lambda record: record.save_json("params", 1), id="JSON"),
            pytest.param(lambda record: record.save_json("radon/params", 1), id="nested JSON"),
            pytest.param(lambda record: record.save_array_artifact("mask", np.ones(3)), id="an array"),
            pytest.param(lambda record: record.save_metadata_payload({}), id="metadata"),
        ],
    )
    def test_a_save_into_a_record_that_is_deleted_meanwhile_makes_no_ghost(self, dataset, record, monkeypatch, save):
        folder = dataset.path / "images" / record.image_id
        make = steps.make_folders

        def delete_first(path, **options):
            shutil.rmtree(folder, ignore_errors=True)
            make(path, **options)

        monkeypatch.setattr(steps, "make_folders", delete_first)
        with pytest.raises(
            RecordNotFoundError, match=r"not saved: .* is no longer there: deleted, moved, or its disk is gone"
        ):
            save(record)
        assert not folder.exists()

    def test_a_record_that_is_deleted_while_it_is_verified_is_no_damage(self, dataset, record):
        report = dataset.verify(check_record=lambda one: dataset.delete_image(one.image_id) or ["is odd"])
        assert (report.problems, report.exit_code) == ((), 0)


class TestStrangers:
    @pytest.mark.parametrize("name", ["@eaDir", "Thumbs.db", "desktop.ini"])
    def test_what_a_system_puts_into_every_folder_is_no_array(self, dataset, record, record_folder, name):
        record.save_array_artifact("mask", np.ones(3))
        place = record_folder / "analysis_arrays" / name
        place.mkdir() if name.startswith("@") else place.write_bytes(b"x")
        assert (record.list_array_artifacts(), dataset.verify(deep=True).problems) == (["mask"], ())

    def test_an_attribute_of_another_program_does_not_hide_the_pixels(self, dataset, record, record_folder, pixels):
        import zarr

        zarr.open_array(record_folder / "data", mode="r+").attrs["theirs"] = 1
        np.testing.assert_array_equal(record.load_array(), pixels)
        (problem,) = dataset.verify(deep=True).problems
        assert problem.state == "repairable"
        assert dataset.verify(deep=True, repair=True).exit_code == 0
        np.testing.assert_array_equal(record.load_array(), pixels)
        assert dataset.verify(deep=True).problems == ()
        assert zarr.open_array(record_folder / "data", mode="r").attrs["theirs"] == 1

    @pytest.mark.parametrize("group", ["record", "dataset"])
    def test_an_attribute_of_another_program_on_a_group_is_no_damage(self, dataset, record, record_folder, group):
        import zarr

        place = record_folder if group == "record" else dataset.path
        zarr.open_group(place, mode="r+").attrs["theirs"] = 1
        (problem,) = dataset.verify(deep=True).problems
        assert problem.state == "repairable"
        assert dataset.verify(deep=True, repair=True).exit_code == 0
        assert (dataset.verify(deep=True).problems, record.get_axes()) == ((), ("y", "x"))
        assert zarr.open_group(place, mode="r").attrs["theirs"] == 1

    def test_another_programs_change_of_what_is_ours_on_a_record_is_damage(self, dataset, record, record_folder):
        import zarr

        zarr.open_group(record_folder, mode="r+").attrs.update({"created_utc": "yesterday", "theirs": 1})
        assert [problem.state for problem in dataset.verify(deep=True, repair=True).problems] == ["damaged"]

    def test_another_persons_save_in_a_synchronized_folder_is_said(self, dataset, record, record_folder):
        record.save_metadata_payload({"a": 1})
        copy = record_folder / "analysis/history/metadata.00000000 (Anna's conflicted copy).json"
        shutil.copy(record_folder / "analysis/history/metadata.00000000.json", copy)
        (problem,) = dataset.verify(repair=True).problems
        assert (problem.repaired, "that the history has too" in problem.what) == (True, True)
        copy.write_text("torn")
        (problem,) = dataset.verify(repair=True).problems
        assert (problem.state, "may have put another person's save there" in problem.what) == ("damaged", True)

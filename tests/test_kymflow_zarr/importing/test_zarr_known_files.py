"""Files that moved, were renamed, or changed since they were imported; and several files that make one record."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import ZarrDataset, ZarrImageRecord, pixels_digest
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    DatasetNotFoundError,
    KymflowZarrError,
    NotSavedError,
    ReadOnlyError,
)
from kymflow_zarr.importing import run as import_module
from kymflow_zarr.importing.changed_file import keep_metadata
from kymflow_zarr.importing.content import FileContent, FileSets
from kymflow_zarr.importing.file_reader import PLAIN
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.reports import MovedFile
from kymflow_zarr.tables.sources import Source


def names_of(files):
    return [file.path.name for file in files]


def change(path: Path) -> None:
    """Write other pixels of the same shape into a TIFF."""
    tifffile.imwrite(path, tifffile.imread(path)[::-1] + 1)


@pytest.fixture
def filled(dataset, tiff_folder) -> ZarrDataset:
    """A dataset into which the folder was imported."""
    dataset.import_folder(tiff_folder)
    return dataset


def id_of(dataset: ZarrDataset, name: str) -> str:
    frame = dataset.load_sources_index()
    (image_id,) = frame.loc[frame["source_primary_path"].str.endswith(name), "image_id"]
    return image_id


class TestMoved:
    def test_a_renamed_file_is_known_and_not_imported_twice(self, filled, tiff_folder):
        image_id = id_of(filled, "a.tif")
        (tiff_folder / "a.tif").rename(tiff_folder / "renamed.tif")
        report = filled.import_folder(tiff_folder)
        was = (tiff_folder / "a.tif").resolve()
        assert report.moved == (MovedFile(path=tiff_folder / "renamed.tif", image_id=image_id, was=was),)
        assert (report.imported, len(report.skipped), len(filled.list_image_ids())) == ((), 2, 3)

    def test_a_chain_of_names_is_followed(self, filled, tiff_folder):
        ids = {name: id_of(filled, f"{name}.tif") for name in "ab"}
        for old, new in ("bd", "ab"):
            (tiff_folder / f"{old}.tif").rename(tiff_folder / f"{new}.tif")
        report = filled.import_folder(tiff_folder, on_changed="reingest_if_changed")
        assert {one.path.stem: one.image_id for one in report.moved} == {"b": ids["a"], "d": ids["b"]}
        assert (report.imported, report.replaced, filled.relink(report.moved)) == ((), (), ())
        assert len(filled.import_folder(tiff_folder).skipped) == 3

    def test_two_files_that_exchanged_their_names_keep_their_records(self, filled, tiff_folder):
        ids = {name: id_of(filled, f"{name}.tif") for name in "ab"}
        for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
            (tiff_folder / f"{old}.tif").rename(tiff_folder / f"{new}.tif")
        report = filled.import_folder(tiff_folder)
        assert {one.path.stem: one.image_id for one in report.moved} == {"a": ids["b"], "b": ids["a"]}

    def test_of_two_files_of_one_content_each_is_known_by_its_name(self, dataset, tiff_folder):
        shutil.copy(tiff_folder / "a.tif", tiff_folder / "z.tif")
        dataset.import_folder(tiff_folder)
        ids = {name: id_of(dataset, f"{name}.tif") for name in "az"}
        moved = tiff_folder.rename(tiff_folder.with_name("elsewhere"))
        found = {one.path.stem: one.image_id for one in dataset.import_folder(moved).moved}
        assert {name: found[name] for name in "az"} == ids

    def test_a_renamed_folder_is_known_whole(self, filled, tiff_folder):
        moved = tiff_folder.rename(tiff_folder.with_name("elsewhere"))
        report = filled.import_folder(moved)
        assert (report.imported, len(report.moved)) == ((), 3)

    def test_the_summary_says_what_moved(self, filled, tiff_folder):
        moved = tiff_folder.rename(tiff_folder.with_name("elsewhere"))
        assert filled.import_folder(moved).summary() == (
            "0 imported, 0 skipped, 3 known, but moved to another folder or renamed"
        )

    def test_after_a_relink_the_files_are_skipped(self, filled, tiff_folder):
        moved = tiff_folder.rename(tiff_folder.with_name("elsewhere"))
        filled.relink(filled.import_folder(moved).moved)
        report = filled.import_folder(moved)
        assert (report.moved, len(report.skipped)) == ((), 3)

    def test_a_relink_changes_only_where_the_file_is(self, filled, tiff_folder):
        before = filled.load_sources_index().set_index("image_id").sort_index()
        moved = tiff_folder.rename(tiff_folder.with_name("elsewhere"))
        filled.relink(filled.import_folder(moved).moved)
        after = filled.load_sources_index().set_index("image_id").sort_index()
        same = [name for name in before if name not in ("source_primary_path", "source_relative_path")]
        pd.testing.assert_frame_equal(after[same], before[same])
        assert after["source_primary_path"].str.contains("elsewhere").all()

    def test_a_relink_of_files_that_moved_again_notes_the_others_and_says_which(self, filled, tiff_folder):
        moved = tiff_folder.rename(tiff_folder.with_name("elsewhere"))
        report = filled.import_folder(moved)
        (moved / "a.tif").rename(moved / "again.tif")
        filled.delete_image(id_of(filled, "b.tif"))
        reasons = {one.path.name: one.reason for one in filled.relink(report.moved)}
        assert reasons == {
            "a.tif": "it is no longer there (No such file or directory); import the folder again that it is in now",
            "b.tif": "its record was deleted during the import; import the folder again for a new one",
        }
        there = {Path(path) for path in filled.load_sources_index()["source_primary_path"]}
        assert there == {tiff_folder.resolve() / "a.tif", moved.resolve() / "day 2" / "c.tif"}

    def test_a_copy_of_a_file_that_is_still_there_is_imported(self, filled, tiff_folder):
        shutil.copy2(tiff_folder / "a.tif", tiff_folder / "copy.tif")
        assert [file.path.name for file in filled.import_folder(tiff_folder).imported] == ["copy.tif"]

    def test_of_two_copies_of_a_missing_file_one_is_it(self, filled, tiff_folder):
        shutil.copy2(tiff_folder / "a.tif", tiff_folder / "copy.tif")
        (tiff_folder / "a.tif").rename(tiff_folder / "renamed.tif")
        report = filled.import_folder(tiff_folder)
        assert (len(report.moved), len(report.imported)) == (1, 1)

    def test_a_dataset_moved_with_its_folder_knows_its_files(self, tmp_path, tiff_folder):
        home = tmp_path / "home"
        home.mkdir()
        shutil.move(tiff_folder, home / "tiffs")
        ZarrDataset(home / "lab.zarr").import_folder(home / "tiffs")
        moved = home.rename(tmp_path / "new home")
        report = ZarrDataset(moved / "lab.zarr").import_folder(moved / "tiffs")
        assert (report.imported, report.moved, len(report.skipped)) == ((), (), 3)

    def test_a_dataset_of_before_relative_paths_opens(self, filled, tiff_folder):
        path = filled.path / "tables/sources.parquet"
        pd.read_parquet(path).drop(columns=["source_relative_path", "source_further_paths"]).to_parquet(path)
        report = ZarrDataset(filled.path).import_folder(tiff_folder)
        assert (report.imported, len(report.skipped)) == ((), 3)

    def test_a_file_that_goes_away_while_the_folder_is_read_is_reported(self, dataset, tiff_folder, monkeypatch):
        from kymflow_zarr import zarr_dataset as folders_module

        def find_and_lose(*args, **further):
            found = find_files(*args)
            (tiff_folder / "b.tif").unlink()
            return found

        find_files = folders_module.find_files
        monkeypatch.setattr(folders_module, "find_files", find_and_lose)
        report = dataset.import_folder(tiff_folder)
        assert ([one.path.name for one in report.failed], len(report.imported)) == (["b.tif"], 2)

    def test_a_file_that_goes_away_after_its_content_was_compared_is_reported(self, filled, tiff_folder, monkeypatch):
        def lose(*_args, **_options):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

        os.utime(tiff_folder / "b.tif", ns=(1, 1))
        monkeypatch.setattr(Source, "moved_to", lose)
        report = filled.import_folder(tiff_folder)
        assert ([one.path.name for one in report.failed], len(report.skipped)) == (["b.tif"], 2)
        assert report.failed[0].reason == f"{tiff_folder / 'b.tif'} cannot be read (No such file or directory)"


class TestChanged:
    def test_skip_leaves_the_record_as_it_is(self, filled, tiff_folder):
        old = filled.record(id_of(filled, "b.tif")).load_array()
        change(tiff_folder / "b.tif")
        assert filled.import_folder(tiff_folder).changed == (tiff_folder / "b.tif",)
        np.testing.assert_array_equal(filled.record(id_of(filled, "b.tif")).load_array(), old)

    @pytest.fixture
    def replaced(self, filled, tiff_folder):
        """A dataset whose record of b.tif had metadata and results when the file changed; the record and the report."""
        record = filled.record(id_of(filled, "b.tif"))
        record.save_metadata_payload({"rois": [{"roi_id": 1}]})
        record.save_df_parquet("report", pd.DataFrame({"v": [1.0]}), computed_from={"algorithm": "radon"})
        record.save_json("params", {"window": 16})
        record.save_json("list", [1, 2])
        change(tiff_folder / "b.tif")
        return record, filled.import_folder(tiff_folder, on_changed="reingest_if_changed")

    def test_the_record_has_the_new_pixels(self, replaced, tiff_folder):
        np.testing.assert_array_equal(replaced[0].load_array(), tifffile.imread(tiff_folder / "b.tif"), strict=True)

    def test_the_report_says_so(self, replaced):
        record, report = replaced
        assert [file.image_id for file in report.replaced] == [record.image_id]
        assert report.summary() == "0 imported, 1 changed and read again, 2 skipped"

    def test_metadata_and_history_stay(self, replaced):
        record, _ = replaced
        history = record.history()
        assert [dict(one.payload)["rois"] for one in history] == [[{"roi_id": 1}]] * 2

    def test_the_metadata_say_of_which_pixels_results_must_be(self, replaced):
        record, _ = replaced
        assert record.load_metadata_payload()["pixels_sha256"] == pixels_digest(record.load_array())

    def test_results_are_not_touched(self, replaced):
        record, _ = replaced
        assert record.load_computed_from("report.parquet") == {"algorithm": "radon"}
        assert record.load_computed_from("params.json") is None

    def test_the_values_of_results_stay(self, replaced):
        record, _ = replaced
        assert (record.load_json("params"), record.load_json("list")) == ({"window": 16}, [1, 2])

    def test_its_source_is_the_file_as_it_is_now(self, replaced, filled, tiff_folder):
        record, _ = replaced
        row = filled.load_sources_index().set_index("image_id").loc[record.image_id]
        assert row["source_mtime_ns"] == (tiff_folder / "b.tif").stat().st_mtime_ns
        assert record.load_json("provenance")["source_sha256"] == row["source_sha256"]

    def test_the_dataset_is_sound(self, replaced, filled):
        assert filled.verify(deep=True).problems == ()

    def test_a_second_run_does_nothing(self, replaced, filled, tiff_folder):
        report = filled.import_folder(tiff_folder, on_changed="reingest_if_changed")
        assert (report.replaced, len(report.skipped)) == ((), 3)

    def test_another_shape_is_refused_and_nothing_changes(self, filled, tiff_folder, pixels):
        old = filled.record(id_of(filled, "b.tif")).load_array()
        tifffile.imwrite(tiff_folder / "b.tif", np.concatenate([pixels, pixels]))
        report = filled.import_folder(tiff_folder, on_changed="reingest_if_changed")
        (failed,) = report.failed
        assert "it has changed its shape from (20, 6) to (40, 6), to which the ROIs" in failed.reason
        np.testing.assert_array_equal(filled.record(id_of(filled, "b.tif")).load_array(), old)

    def test_a_record_that_is_deleted_meanwhile_stops_no_other(self, filled, tiff_folder):
        deleted = id_of(filled, "b.tif")
        change(tiff_folder / "b.tif")
        change(tiff_folder / "a.tif")

        def delete_first(path):
            if path.name == "b.tif":
                filled.delete_image(deleted)
            return read_tiff(path)

        report = filled.import_folder(tiff_folder, on_changed="reingest_if_changed", read_file=delete_first)
        assert ([one.path.name for one in report.replaced], len(report.failed)) == (["a.tif"], 1)
        assert report.failed[0].reason.startswith(
            f"its record {deleted} was deleted during the import; import the folder again"
        )
        assert [one.path.name for one in filled.import_folder(tiff_folder).imported] == ["b.tif"]

    def test_a_result_that_is_deleted_meanwhile_stops_no_other(self, filled, tiff_folder, monkeypatch):
        for name in ("a.tif", "b.tif"):
            change(tiff_folder / name)
        lacking, replace = id_of(filled, "b.tif"), import_module.replace_content

        def lose(record, *args, **options):
            if record.image_id == lacking:
                raise ArtifactNotFoundError("no artifact 'x'")
            return replace(record, *args, **options)

        monkeypatch.setattr(import_module, "replace_content", lose)
        report = filled.import_folder(tiff_folder, on_changed="reingest_if_changed")
        assert ([one.path.name for one in report.replaced], len(report.failed)) == (["a.tif"], 1)
        assert report.failed[0].reason == "no artifact 'x'"

    @pytest.mark.parametrize("error", [NotSavedError, ReadOnlyError, DatasetNotFoundError])
    def test_a_disk_that_fails_stops_the_import(self, filled, tiff_folder, monkeypatch, error):
        def fail(*_args, **_options):
            raise error("the disk")

        change(tiff_folder / "b.tif")
        monkeypatch.setattr(import_module, "replace_content", fail)
        with pytest.raises(error, match="the disk"):
            filled.import_folder(tiff_folder, on_changed="reingest_if_changed")

    def test_what_somebody_saves_meanwhile_stays(self, filled, tiff_folder, monkeypatch):
        record = filled.record(id_of(filled, "b.tif"))
        record.save_df_parquet("report", pd.DataFrame({"v": [1.0]}))
        change(tiff_folder / "b.tif")

        def save_between(self, *args, **options):
            record.save_df_parquet("report", pd.DataFrame({"v": [2.0]}))
            return replace_array(self, *args, **options)

        replace_array = ZarrImageRecord.replace_array
        monkeypatch.setattr(ZarrImageRecord, "replace_array", save_between)
        filled.import_folder(tiff_folder, on_changed="reingest_if_changed")
        assert record.load_df_parquet("report")["v"].tolist() == [2.0]

    def test_metadata_that_somebody_saves_meanwhile_are_not_lost(self, filled, tiff_folder, monkeypatch):
        record = filled.record(id_of(filled, "b.tif"))
        change(tiff_folder / "b.tif")

        def renew(one, content):
            record.save_metadata_payload({"rois": [{"roi_id": 1}]})
            return keep_metadata(one, content)

        report = filled.import_folder(tiff_folder, on_changed="reingest_if_changed", reader=replace(PLAIN, renew=renew))
        assert (len(report.failed), "was changed by another program" in report.failed[0].reason) == (1, True)
        assert record.load_metadata_payload() == {"rois": [{"roi_id": 1}]}

    @pytest.mark.slow
    @pytest.mark.parametrize("step", ["save_metadata_payload", "replace_array", "save_json"])
    def test_stopped_at_any_step_the_next_run_ends_it(self, filled, tiff_folder, monkeypatch, step):
        record = filled.record(id_of(filled, "b.tif"))
        first = read_tiff(tiff_folder / "b.tif").pixels
        change(tiff_folder / "b.tif")

        def stop(*_args, **_options):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(type(record), step, stop)
            with pytest.raises(KeyboardInterrupt):
                filled.import_folder(tiff_folder, on_changed="reingest_if_changed")
        is_new = not np.array_equal(record.load_array(), first)
        assert not is_new or record.load_metadata_payload()["pixels_sha256"] == pixels_digest(record.load_array())
        report = ZarrDataset(filled.path).import_folder(tiff_folder, on_changed="reingest_if_changed")
        assert len(report.replaced) == 1
        np.testing.assert_array_equal(record.load_array(), tifffile.imread(tiff_folder / "b.tif"))
        assert record.load_metadata_payload()["pixels_sha256"] == pixels_digest(record.load_array())


def pairs(files):
    """Each `…_C1.tif` with its `…_C2.tif`."""
    return {
        path: [path.with_name(path.name.replace("_C1", "_C2"))]
        for path in files
        if "_C1" in path.name and path.with_name(path.name.replace("_C1", "_C2")) in files
    }


def read_pair(paths, _listing):
    return FileContent(pixels=np.stack([tifffile.imread(path) for path in paths]), axes=("c", "y", "x"))


CHANNELS = replace(PLAIN, group_files=pairs, read_channels=read_pair)


@pytest.fixture
def two_channels(tmp_path, pixels):
    """A folder with two files of one scan, and one other scan."""
    folder = tmp_path / "channels"
    folder.mkdir()
    for name, values in (("scan_C1", pixels), ("scan_C2", pixels + 1), ("other", pixels)):
        tifffile.imwrite(folder / f"{name}.tif", values)
    return folder


class TestChannels:
    def test_two_files_become_one_record(self, dataset, two_channels, pixels):
        report = dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        (file,) = (file for file in report.imported if file.path.name == "scan_C1.tif")
        record = dataset.record(file.image_id)
        assert (len(report.imported), record.get_axes()) == (2, ("c", "y", "x"))
        np.testing.assert_array_equal(record.load_array(), np.stack([pixels, pixels + 1]))

    @pytest.mark.parametrize("again", [True, False], ids=["as before", "without merging"])
    def test_a_second_run_skips_both(self, dataset, two_channels, again):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        report = dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=again)
        assert (report.imported, report.changed, len(dataset.list_image_ids())) == ((), (), 2)

    def test_the_further_file_counts_for_whether_they_changed(self, dataset, two_channels):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        change(two_channels / "scan_C2.tif")
        os.utime(two_channels / "scan_C2.tif", ns=(2**62, 2**62))
        report = dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        assert report.changed == (two_channels / "scan_C1.tif",)

    @pytest.mark.parametrize("merge", [True, False])
    def test_changed_channels_are_read_again_whatever_is_asked(self, dataset, two_channels, merge):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        for number in (1, 2):
            change(two_channels / f"scan_C{number}.tif")
        options = {"reader": CHANNELS, "merge_channels": merge}
        assert dataset.import_folder(two_channels, **options).changed == (two_channels / "scan_C1.tif",)
        report = dataset.import_folder(two_channels, **options, on_changed="reingest_if_changed")
        assert [file.path.name for file in report.replaced] == ["scan_C1.tif"]

    def test_without_a_way_to_read_them_together_they_are_said(self, dataset, two_channels):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        change(two_channels / "scan_C1.tif")
        report = dataset.import_folder(two_channels, on_changed="reingest_if_changed")
        assert "is one of several files of a scan; say how" in report.failed[0].reason

    def test_a_channel_that_comes_later_is_said(self, dataset, two_channels, pixels):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        tifffile.imwrite(two_channels / "scan_C3.tif", pixels)
        three = replace(CHANNELS, group_files=lambda files: {files[1]: files[2:]})
        report = dataset.import_folder(two_channels, reader=three, merge_channels=True)
        assert (names_of(report.failed), len(report.skipped)) == (["scan_C3.tif"], 2)
        assert "is one file of a scan that is in the dataset already, without it; delete" in report.failed[0].reason

    @pytest.mark.parametrize("first", ["scan_C1.tif", "scan_C2.tif"])
    def test_a_channel_whose_scan_is_an_image_already_is_said(self, dataset, two_channels, first):
        dataset.import_folder(two_channels, patterns=[first], reader=CHANNELS)
        report = dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        assert (len(report.failed), names_of(report.imported), len(report.skipped)) == (1, ["other.tif"], 1)

    def test_other_scans_of_the_same_names_elsewhere_are_images_of_their_own(self, dataset, two_channels):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        moved = two_channels.rename(two_channels.with_name("moved"))
        for number in (1, 2):
            change(moved / f"scan_C{number}.tif")
        report = dataset.import_folder(moved, reader=CHANNELS)
        assert names_of(report.imported) == ["scan_C1.tif", "scan_C2.tif"]

    @pytest.mark.parametrize("merge", [True, False])
    def test_a_folder_that_moved_is_known_whatever_is_asked(self, dataset, two_channels, merge):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        moved = two_channels.rename(two_channels.with_name("moved"))
        report = dataset.import_folder(moved, reader=CHANNELS, merge_channels=merge)
        assert (report.imported, len(report.moved)) == ((), 2)

    def test_both_are_known_when_they_move(self, dataset, two_channels):
        dataset.import_folder(two_channels, reader=CHANNELS, merge_channels=True)
        moved = two_channels.rename(two_channels.with_name("moved"))
        report = dataset.import_folder(moved, reader=CHANNELS, merge_channels=True)
        assert (report.imported, len(report.moved)) == ((), 2)
        dataset.relink(report.moved)
        assert dataset.import_folder(moved, reader=CHANNELS, merge_channels=True).moved == ()


def sets_of_scan(files):
    """The two channels by what a header says, and the other scan as what is kept with them."""
    return FileSets(scans=pairs(files), companions={path: "overviews" for path in files if path.stem == "other"})


HEADER = replace(CHANNELS, find_sets=sets_of_scan)


class TestSetsOfAHeader:
    def test_they_are_one_record_unasked(self, dataset, two_channels):
        report = dataset.import_folder(two_channels, reader=HEADER)
        assert (names_of(report.imported), report.failed) == (["scan_C1.tif"], ())
        assert report.notes == (
            "1 file belongs to the images of the same scan as overviews, not imported as images of their own: other.tif",
        )

    def test_long_lists_are_cut(self, dataset, two_channels, pixels):
        for number in range(10):
            tifffile.imwrite(two_channels / f"a{number}.tif", pixels)
        every = replace(PLAIN, find_sets=lambda files: FileSets(companions=dict.fromkeys(files, "overviews")))
        (note,) = dataset.import_folder(two_channels, reader=every).notes
        assert note.endswith("a6.tif, a7.tif and 5 more")

    @pytest.mark.parametrize("is_moved", [False, True])
    def test_what_was_a_record_before_stays_one(self, dataset, two_channels, is_moved):
        dataset.import_folder(two_channels, reader=PLAIN)
        folder = two_channels.rename(two_channels.with_name("moved")) if is_moved else two_channels
        report = dataset.import_folder(folder, reader=HEADER)
        assert (report.imported, report.failed, report.notes) == ((), (), ())
        assert len(report.moved if is_moved else report.skipped) == 3

    def test_a_file_whose_other_channel_moved_is_reported(self, dataset, two_channels):
        dataset.import_folder(two_channels, reader=PLAIN, patterns=["scan_C2.tif"])
        moved = two_channels.rename(two_channels.with_name("moved"))
        report = dataset.import_folder(moved, reader=HEADER)
        assert (names_of(report.failed), names_of(report.moved), report.imported) == (["scan_C1.tif"], ["scan_C2.tif"], ())

    def test_a_request_merges_only_what_is_in_no_set(self, dataset, two_channels, pixels):
        for number in (1, 2):
            tifffile.imwrite(two_channels / f"b_C{number}.tif", pixels + number + 5)
        scan = two_channels / "scan_C1.tif"
        one = replace(CHANNELS, find_sets=lambda files: FileSets(scans={scan: [two_channels / "scan_C2.tif"]}))
        report = dataset.import_folder(two_channels, reader=one, merge_channels=True)
        assert names_of(report.imported) == ["b_C1.tif", "other.tif", "scan_C1.tif"]


def test_a_source_that_cannot_be_compared_is_skipped(filled, tiff_folder):
    path = filled.path / "tables/sources.parquet"
    pd.read_parquet(path).assign(source_size_bytes=-1, source_mtime_ns=-1).to_parquet(path)
    report = ZarrDataset(filled.path).import_folder(tiff_folder)
    assert (len(report.skipped), report.changed) == (3, ())


def test_pixels_of_other_axes_do_not_replace(filled):
    record = filled.record(filled.list_image_ids()[0])
    with pytest.raises(KymflowZarrError, match=r"has the axes \('y', 'x'\); pixels of the axes \('a', 'b'\) cannot"):
        record.replace_array(np.zeros((2, 2)), axes=("a", "b"))

"""TIFF folders into a dataset: each file whole or not at all."""

import os
import re
import shutil
import sys
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import FileContent, ImportReport, Watch, ZarrDataset
from kymflow_zarr.errors import DatasetNotFoundError, NotADatasetError, ReadOnlyError, SourceError
from kymflow_zarr.importing import tiffs as ingest_module
from kymflow_zarr.importing.add import add_content
from kymflow_zarr.importing.folders import find_files
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.reports import FailedFile, ImportedFile
from kymflow_zarr.tables.sources import Source


def names_of_paths(paths):
    return sorted(path.name for path in paths)


def names(files):
    return [file.path.name for file in files]


@pytest.fixture
def tiff(tmp_path, pixels):
    """One plain TIFF."""
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, pixels)
    return path


class TestReadTiff:
    def test_pixels_are_those_of_the_file(self, tiff, pixels):
        np.testing.assert_array_equal(read_tiff(tiff).pixels, pixels, strict=True)

    @pytest.mark.parametrize(
        ("shape", "letters", "axes"),
        [
            pytest.param((20, 6), "TX", ("y", "x"), id="line scan"),
            pytest.param((20, 6), "YX", ("y", "x"), id="image"),
            pytest.param((3, 20, 6), "ZYX", ("z", "y", "x"), id="stack"),
            pytest.param((3, 20, 6), "TYX", ("t", "y", "x"), id="movie"),
            pytest.param((3, 20, 6), "QYX", ("z", "y", "x"), id="unknown letter"),
            pytest.param((2, 3, 20, 6), "TCYX", ("t", "c", "y", "x"), id="movie of channels"),
        ],
    )
    def test_axes_are_those_of_the_file_where_they_are_known(self, tmp_path, shape, letters, axes):
        tifffile.imwrite(
            tmp_path / "x.tif", np.zeros(shape, np.uint8), metadata={"axes": letters}, photometric="minisblack"
        )
        assert read_tiff(tmp_path / "x.tif").axes == axes

    @pytest.mark.parametrize(
        ("shape", "options", "axes"),
        [
            pytest.param((20, 6, 3), {}, ("c", "y", "x"), id="a value after another"),
            pytest.param((3, 20, 6), {"planarconfig": "separate"}, ("c", "y", "x"), id="a plane after another"),
            pytest.param((20, 6, 4), {"extrasamples": ["unassalpha"]}, ("c", "y", "x"), id="with transparency"),
            pytest.param((2, 20, 6, 3), {"metadata": {"axes": "TYXS"}}, ("t", "c", "y", "x"), id="a movie"),
        ],
    )
    def test_colours_are_channels_and_that_is_said(self, tmp_path, rng, shape, options, axes):
        pixels = rng.integers(0, 255, shape).astype(np.uint8)
        tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb", **options)
        content = read_tiff(tmp_path / "x.tif")
        assert content.axes == axes
        sizes = dict(zip(axes, content.pixels.shape, strict=True))
        assert (sizes["y"], sizes["x"]) == (20, 6)
        planes = pixels if shape == content.pixels.shape else np.moveaxis(pixels, -1, -3)
        np.testing.assert_array_equal(content.pixels, planes)
        assert content.notes == (f"a colour image: the {sizes['c']} values of each pixel became channels",)

    @pytest.mark.shared
    def test_the_laboratorys_line_scan_is_read(self, olympus_folder):
        content = read_tiff(olympus_folder / "Capillary1_0001.tif")
        assert (content.axes, content.pixels.ndim) == (("y", "x"), 2)

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"II*\0\x08\0\0\0", id="8 bytes"),
            pytest.param(b"II*\0\0\0\0\0", id="8 bytes without a page"),
            pytest.param(b"not a TIFF, only called so", id="text"),
            pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 40, id="another image format"),
        ],
    )
    def test_a_file_that_is_no_tiff_is_refused(self, tmp_path, data):
        path = tmp_path / "x.tif"
        path.write_bytes(data)
        with pytest.raises(SourceError, match=r"x\.tif (cannot be read as a TIFF \(.+\)|is a TIFF without an image in it)"):
            read_tiff(path)

    def test_a_missing_file_is_refused(self, tmp_path):
        with pytest.raises(SourceError, match=r"x\.tif cannot be read \(No such file or directory\)"):
            read_tiff(tmp_path / "x.tif")

    def test_a_tiff_of_one_dimension_is_refused(self, tmp_path):
        tifffile.imwrite(tmp_path / "x.tif", np.zeros(7, np.uint8), metadata={"axes": "X"})
        with pytest.raises(SourceError, match=r"x\.tif holds no image: its pixels have the shape \(7,\)"):
            read_tiff(tmp_path / "x.tif")

    def test_a_file_truncated_by_a_byte_says_so(self, tiff):
        size = tiff.stat().st_size
        os.truncate(tiff, size - 1)
        with pytest.raises(
            SourceError, match=rf"^\S+x\.tif is truncated: it has {size - 1} bytes of at least {size}; copy it"
        ):
            read_tiff(tiff)

    def test_a_file_that_lost_its_last_pages_says_so(self, tmp_path, pixels):
        path = tmp_path / "x.tif"
        tifffile.imwrite(path, np.stack([pixels] * 3), imagej=True, metadata={"axes": "ZYX"})
        with tifffile.TiffFile(path) as tiff:
            second_page = tiff.pages[1].offset
        os.truncate(path, second_page)
        with pytest.raises(
            SourceError, match=r"is truncated: it has \d+ bytes and 1 pages, and more should follow; copy it again"
        ):
            read_tiff(path)

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({}, id="plain"),
            pytest.param({"compression": "zlib"}, id="compressed"),
            pytest.param({"rowsperstrip": 3}, id="strips"),
            pytest.param({"bigtiff": True}, id="BigTIFF"),
            pytest.param({"imagej": True, "metadata": {"axes": "ZYX"}}, id="ImageJ"),
            pytest.param({"ome": True, "metadata": {"axes": "ZYX"}}, id="OME"),
        ],
    )
    def test_a_truncated_file_is_refused_or_still_complete(self, tmp_path, pixels, options):
        path = tmp_path / "x.tif"
        stack = np.stack([pixels, pixels + 1, pixels + 2])
        tifffile.imwrite(path, stack, photometric="minisblack", **options)
        good, incomplete = path.read_bytes(), []
        for length in range(0, len(good), 41):
            path.write_bytes(good[:length])
            try:
                content = read_tiff(path)
            except SourceError:
                continue
            if not np.array_equal(content.pixels, stack):
                incomplete.append(length)
        assert incomplete == []

    @pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=["plain", "compressed"])
    def test_a_flipped_bit_is_refused_or_read_never_a_foreign_error(self, tmp_path, pixels, options):
        path = tmp_path / "x.tif"
        tifffile.imwrite(path, pixels, **options)
        good, refused = path.read_bytes(), 0
        for position in range(4, len(good), 3):
            path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
            try:
                read_tiff(path)
            except SourceError:
                refused += 1
        assert refused > 0

    @pytest.mark.parametrize(
        "error",
        [zlib.error("-3"), ZeroDivisionError("by zero"), TypeError("'<'"), AssertionError(), MemoryError("24 GiB")],
        ids=repr,
    )
    def test_what_tifffile_raises_over_damage_is_a_source_error(self, tiff, monkeypatch, error):
        def fail(*_args):
            raise error

        monkeypatch.setattr(ingest_module, "read_pixels", fail)
        with pytest.raises(SourceError, match=rf"x\.tif cannot be read as a TIFF \({str(error) or 'AssertionError'}\)"):
            read_tiff(tiff)


class TestFindFiles:
    PATTERNS = ("*.tif", "*.tiff")

    @pytest.mark.parametrize("name", ["x.tif", "x.tiff", "x.TIF", "x.Tiff", "deep/er/x.tif", "with space/ü.tif"])
    def test_a_tiff_is_found(self, tmp_path, name):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        assert find_files(tmp_path, self.PATTERNS) == ([tmp_path / name], [])

    @pytest.mark.parametrize("name", ["._x.tif", ".hidden/x.tif", "made.zarr/x.tif", "x.txt", "x.tif.txt", "xtif"])
    def test_another_file_is_passed_over(self, tmp_path, name):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        (tmp_path / "a.tif").touch()
        assert find_files(tmp_path, self.PATTERNS) == ([tmp_path / "a.tif"], [])

    def test_files_are_sorted(self, tiff_folder):
        assert [path.name for path in find_files(tiff_folder, self.PATTERNS)[0]] == ["a.tif", "b.tif", "c.tif"]

    def test_an_empty_folder_is_refused(self, tmp_path):
        with pytest.raises(
            SourceError, match=r"no file named '\*\.tif' or '\*\.tiff' in .* or its subfolders; nothing was imported"
        ):
            find_files(tmp_path, self.PATTERNS)

    def test_a_missing_folder_is_refused(self, tmp_path):
        with pytest.raises(SourceError, match=r"there is no folder .*missing; give the folder that has the TIFF files"):
            find_files(tmp_path / "missing", self.PATTERNS)

    def test_a_folder_of_a_name_that_no_disk_can_have_is_refused(self, tmp_path):
        with pytest.raises(SourceError, match=r"there is no folder .*nnn; give the folder that has the TIFF files"):
            find_files(tmp_path / ("n" * 300), self.PATTERNS)

    @pytest.mark.parametrize("inside", ["", "images", "images/{id}", "images/{id}/data"])
    def test_a_dataset_without_its_ending_is_said_to_be_one(self, record, dataset, tmp_path, inside):
        copy = shutil.copytree(dataset.path, tmp_path / "copy")
        with pytest.raises(SourceError, match=r"has no TIFF files: .*copy is a dataset of this program already; open it"):
            find_files(copy / inside.format(id=record.image_id), self.PATTERNS)

    def test_a_file_is_refused(self, tiff):
        with pytest.raises(SourceError, match=r"x\.tif is a file; give the folder that has the TIFF files"):
            find_files(tiff, self.PATTERNS)

    @pytest.fixture
    def unreadable(self, monkeypatch):
        """Make one folder unreadable, also for root."""
        scandir = os.scandir

        def forbid(folder):
            def scan(path="."):
                if not isinstance(path, int) and Path(path) == folder:  # pytest clears up by numbers of open folders
                    raise PermissionError(13, "Permission denied", str(path))
                return scandir(path)

            monkeypatch.setattr(os, "scandir", scan)

        return forbid

    def test_an_unreadable_folder_is_refused(self, tiff_folder, unreadable):
        unreadable(tiff_folder)
        with pytest.raises(SourceError, match=r"the folder .* cannot be read \(Permission denied\); ask for permission"):
            find_files(tiff_folder, self.PATTERNS)

    def test_an_unreadable_subfolder_is_reported_and_stops_nothing(self, tiff_folder, unreadable):
        unreadable(tiff_folder / "day 2")
        found, failed = find_files(tiff_folder, self.PATTERNS)
        assert (len(found), failed) == (2, [FailedFile(path=tiff_folder / "day 2", reason="Permission denied")])


class TestReport:
    FILE = ImportedFile(path=Path("x"), image_id="a")

    @pytest.mark.parametrize(
        ("report", "summary"),
        [
            pytest.param(ImportReport(), "0 imported, 0 skipped", id="nothing"),
            pytest.param(ImportReport(imported=(FILE,), skipped=(Path("y"),)), "1 imported, 1 skipped", id="sound"),
            pytest.param(
                ImportReport(skipped=(Path("y"),), changed=(Path("y"),), failed=(FailedFile(path=Path("z"), reason="?"),)),
                "0 imported, 1 skipped, 1 of these changed on disk since they were imported, 1 failed",
                id="all",
            ),
        ],
    )
    def test_a_summary_is_one_line(self, report, summary):
        assert report.summary() == summary


class TestImport:
    def test_every_file_becomes_a_record(self, dataset, tiff_folder):
        report = dataset.import_folder(tiff_folder)
        assert names(report.imported) == ["a.tif", "b.tif", "c.tif"]

    def test_a_record_has_the_files_pixels(self, dataset, tiff_folder):
        first = dataset.import_folder(tiff_folder).imported[0]
        np.testing.assert_array_equal(dataset.record(first.image_id).load_array(), tifffile.imread(first.path), strict=True)

    def test_upper_case_endings_are_imported(self, dataset, tiff_folder):
        (tiff_folder / "a.tif").rename(tiff_folder / "A.TIF")
        assert "A.TIF" in names(dataset.import_folder(tiff_folder).imported)

    def test_hidden_files_are_not_reported(self, dataset, tiff_folder):
        (tiff_folder / "._a.tif").write_bytes(b"what macOS leaves")
        report = dataset.import_folder(tiff_folder)
        assert (len(report.imported), report.failed) == (3, ())

    def test_only_files_of_the_pattern_are_imported(self, dataset, tiff_folder):
        assert names(dataset.import_folder(tiff_folder, patterns=["B*"]).imported) == ["b.tif"]

    def test_each_record_has_its_source(self, dataset, tiff_folder):
        report = dataset.import_folder(tiff_folder)
        frame = dataset.load_sources_index()
        by_id = dict(zip(frame["image_id"], frame["source_primary_path"], strict=True))
        assert by_id == {file.image_id: str(file.path.resolve()) for file in report.imported}

    def test_each_record_carries_its_own_row(self, dataset, tiff_folder):
        dataset.import_folder(tiff_folder)
        row = dataset.load_sources_index().iloc[0].to_dict()
        assert dataset.record(row.pop("image_id")).load_json("provenance") == row

    def test_a_second_run_imports_nothing_and_skips_all(self, dataset, tiff_folder):
        dataset.import_folder(tiff_folder)
        report = ZarrDataset(dataset.path).import_folder(tiff_folder)
        assert (report.imported, len(report.skipped), report.changed) == ((), 3, ())

    def test_a_second_run_imports_only_the_new(self, dataset, tiff_folder, pixels):
        dataset.import_folder(tiff_folder)
        tifffile.imwrite(tiff_folder / "new.tif", pixels)
        assert names(dataset.import_folder(tiff_folder).imported) == ["new.tif"]

    def test_a_changed_file_is_skipped_and_reported(self, dataset, tiff_folder, pixels):
        dataset.import_folder(tiff_folder)
        tifffile.imwrite(tiff_folder / "b.tif", np.concatenate([pixels, pixels]))
        report = dataset.import_folder(tiff_folder)
        assert (len(report.skipped), report.changed) == (3, (tiff_folder / "b.tif",))

    def test_a_file_that_was_only_touched_has_not_changed(self, dataset, tiff_folder):
        dataset.import_folder(tiff_folder)
        os.utime(tiff_folder / "b.tif", ns=(1, 1))
        report = dataset.import_folder(tiff_folder)
        assert (len(report.skipped), report.changed) == (3, ())

    def test_a_file_that_was_only_touched_is_read_once(self, dataset, tiff_folder):
        dataset.import_folder(tiff_folder)
        os.utime(tiff_folder / "b.tif", ns=(1, 1))
        dataset.import_folder(tiff_folder)
        times = dataset.load_sources_index()["source_mtime_ns"]
        assert 1 in set(times)

    def test_progress_is_told_before_each_file(self, dataset, tiff_folder):
        told = []
        dataset.import_folder(tiff_folder, watch=Watch(progress=lambda *args: told.append(args)))
        assert told == [(0, 3, "a.tif"), (1, 3, "b.tif"), (2, 3, "c.tif")]

    def test_refresh_returns_the_new_ids(self, dataset, tiff_folder):
        assert sorted(dataset.refresh_from_folder(tiff_folder)) == dataset.list_image_ids()

    def test_refresh_knows_only_how_to_skip(self, dataset, tiff_folder):
        with pytest.raises(ValueError, match=r"mode 'replace' is not known; use 'skip' .*, or 'reingest_if_changed'"):
            dataset.refresh_from_folder(tiff_folder, mode="replace")

    def test_all_that_a_file_gives_is_stored(self, dataset, tiff_folder, pixels):
        frame = pd.DataFrame({"v": [1.0]})

        def read(_path):
            return FileContent(
                pixels=pixels,
                axes=("y", "x"),
                metadata={"header": {}},
                json_artifacts={"radon/params": {"a": 1}},
                table_artifacts={"report": frame},
                notes=("odd",),
            )

        (file,) = dataset.import_folder(tiff_folder, patterns=["a.tif"], read_file=read).imported
        record = dataset.record(file.image_id)
        assert (record.load_metadata_payload(), record.list_analysis_keys(), file.notes) == (
            {"header": {}},
            ["provenance.json", "radon/params.json", "report.parquet"],
            ("odd",),
        )

    @pytest.mark.shared
    def test_the_laboratorys_folder_is_imported_whole(self, dataset, olympus_folder):
        report = dataset.import_folder(olympus_folder)
        assert (len(report.imported), report.failed) == (3, ())


class TestImportOfBadFiles:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda path: path.write_text("no TIFF"), id="not a TIFF"),
            pytest.param(lambda path: path.write_bytes(b"II*\0\x08\0\0\0"), id="8 bytes"),
            pytest.param(lambda path: path.write_bytes(b""), id="empty"),
            pytest.param(lambda path: os.truncate(path, path.stat().st_size - 9), id="truncated"),
            pytest.param(lambda path: tifffile.imwrite(path, np.zeros(7), metadata={"axes": "X"}), id="1-D"),
            pytest.param(lambda path: (path.unlink(), path.symlink_to("nowhere")), id="link to nothing"),
        ],
    )
    def test_one_bad_file_is_reported_and_stops_no_other(self, dataset, tiff_folder, damage):
        damage(tiff_folder / "a.tif")
        report = dataset.import_folder(tiff_folder)
        assert (names(report.failed), names(report.imported)) == (["a.tif"], ["b.tif", "c.tif"])

    @pytest.mark.skipif(sys.platform != "linux", reason="the disk refuses such names itself")
    @pytest.mark.parametrize("is_known", [False, True], ids=["new", "of a record that moved"])
    def test_a_name_that_is_no_text_is_reported_and_stops_no_other(self, dataset, tiff_folder, is_known):
        if is_known:
            dataset.import_folder(tiff_folder, patterns=["a.tif"])
        (tiff_folder / "a.tif").rename(os.fsdecode(os.fsencode(tiff_folder) + b"/caf\xe9.tif"))
        report = dataset.import_folder(tiff_folder)
        ((failure,), moved) = (report.failed, report.moved)
        assert (names(report.imported), moved) == (["b.tif", "c.tif"], ())
        assert re.fullmatch(
            r"its path is not UTF-8 \(.*caf\\udce9\.tif\); rename the file, or its folder, .*", failure.reason
        )

    def test_a_name_that_no_disk_has_is_reported_and_stops_no_other(self, dataset, tiff_folder):
        report = dataset.import_paths([tiff_folder / ("x" * 300), tiff_folder / "a.tif"], read_file=read_tiff)
        assert (len(report.failed), names(report.imported)) == (1, ["a.tif"])

    def test_a_bad_file_makes_no_record(self, dataset, tiff_folder):
        (tiff_folder / "a.tif").write_text("no TIFF")
        dataset.import_folder(tiff_folder)
        assert len(dataset.list_image_ids()) == 2

    def test_a_mended_file_is_imported_by_the_next_run(self, dataset, tiff_folder, pixels):
        (tiff_folder / "a.tif").write_text("no TIFF")
        dataset.import_folder(tiff_folder)
        tifffile.imwrite(tiff_folder / "a.tif", pixels)
        assert names(dataset.import_folder(tiff_folder).imported) == ["a.tif"]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param({"metadata": {"header": {"um": float("nan")}}}, r"$.header.um is nan", id="NaN in its header"),
            pytest.param({"axes": ("y",)}, "do not fit an array of 2 dimensions", id="axes that do not fit"),
            pytest.param({"pixels": np.array([["a"]])}, "only numbers and booleans can", id="pixels of text"),
        ],
    )
    def test_content_that_cannot_be_stored_is_reported_and_stops_no_other(
        self, dataset, tiff_folder, pixels, content, reason
    ):
        def read(path):
            good = {"pixels": pixels, "axes": ("y", "x")}
            return FileContent(**{**good, **content} if path.name == "a.tif" else good)

        report = dataset.import_folder(tiff_folder, read_file=read)
        assert (len(report.imported), reason in report.failed[0].reason) == (2, True)

    def test_content_that_cannot_be_stored_makes_no_record(self, dataset, tiff_folder, pixels):
        def read(_path):
            return FileContent(pixels=pixels, axes=("y", "x"), metadata={"a": float("nan")})

        dataset.import_folder(tiff_folder, read_file=read)
        assert (dataset.list_image_ids(), list((dataset.path / ".staging").iterdir())) == ([], [])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
class TestLinks:
    def test_a_link_to_a_file_of_the_folder_is_skipped(self, dataset, tiff_folder):
        (tiff_folder / "0.tif").symlink_to(tiff_folder / "a.tif")
        (tiff_folder / "z.tif").symlink_to(tiff_folder / "a.tif")
        first, second = dataset.import_folder(tiff_folder), dataset.import_folder(tiff_folder)
        assert (names(first.imported), first.failed) == (["a.tif", "b.tif", "c.tif"], ())
        assert (names_of_paths(first.skipped), second.imported) == (["0.tif", "z.tif"], ())

    def test_of_two_links_to_a_file_elsewhere_one_is_imported(self, dataset, tiff_folder, tmp_path):
        (tiff_folder / "a.tif").rename(tmp_path / "elsewhere.tif")
        for name in ("one.tif", "other.tif"):
            (tiff_folder / name).symlink_to(tmp_path / "elsewhere.tif")
        report = dataset.import_folder(tiff_folder)
        assert (names(report.imported), names_of_paths(report.skipped)) == (["b.tif", "c.tif", "one.tif"], ["other.tif"])

    def test_links_in_a_circle_are_reported_and_stop_no_other(self, dataset, tiff_folder):
        (tiff_folder / "a.tif").unlink()
        (tiff_folder / "a.tif").symlink_to(tiff_folder / "a.tif")
        report = dataset.import_folder(tiff_folder)
        assert (names(report.imported), names(report.failed)) == (["b.tif", "c.tif"], ["a.tif"])


class TestImportFromOrToNowhere:
    def test_an_empty_folder_is_refused(self, dataset, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(SourceError, match=r"no file named .* nothing was imported"):
            dataset.import_folder(tmp_path / "empty")

    def test_a_missing_folder_makes_no_dataset(self, tmp_path):
        with pytest.raises(SourceError, match="there is no folder"):
            ZarrDataset(tmp_path / "new.zarr").import_folder(tmp_path / "missing")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_as_folder_is_refused(self, dataset, tiff_folder):
        with pytest.raises(SourceError, match=r"a\.tif is a file"):
            dataset.import_folder(tiff_folder / "a.tif")

    def test_a_file_is_no_dataset(self, tiff):
        with pytest.raises(
            DatasetNotFoundError, match=r"x\.tif is a file; a dataset is a folder whose name ends in \.zarr"
        ):
            ZarrDataset(tiff)

    def test_a_foreign_folder_is_no_dataset(self, tiff_folder):
        with pytest.raises(
            NotADatasetError, match="is a folder with other things in it; choose a new name for the dataset"
        ):
            ZarrDataset(tiff_folder)

    def test_a_dataset_opened_for_reading_imports_nothing(self, dataset, tiff_folder):
        with pytest.raises(ReadOnlyError, match="opened for reading only"):
            ZarrDataset(dataset.path, mode="r").import_folder(tiff_folder)


class TestInterruptedImport:
    @pytest.fixture
    def interrupted(self, dataset, tiff_folder, monkeypatch):
        """A dataset whose import of three files was interrupted while the second was under way."""

        def interrupt(done, _total, _name):
            if done == 1:
                raise KeyboardInterrupt

        monkeypatch.setattr("kymflow_zarr.importing.threads._AHEAD", 1)
        with pytest.raises(KeyboardInterrupt):
            dataset.import_folder(tiff_folder, watch=Watch(progress=interrupt))
        return ZarrDataset(dataset.path)

    def test_what_was_imported_stays(self, interrupted):
        there = len(interrupted.list_image_ids())
        assert (1 <= there <= 2, len(interrupted.load_sources_index())) == (True, there)

    def test_the_next_run_imports_the_rest(self, interrupted, tiff_folder):
        there = len(interrupted.list_image_ids())
        report = interrupted.import_folder(tiff_folder)
        assert (len(report.imported), len(report.skipped), len(interrupted.list_image_ids())) == (3 - there, there, 3)

    def test_a_file_is_known_though_the_interrupt_came_just_when_it_was_handed_on(self, dataset, tiff_folder):
        is_begun = Event()

        class Interrupted(ThreadPoolExecutor):
            def submit(self, *args, **kwargs):
                super().submit(*args, **kwargs)
                assert is_begun.wait(10)
                raise KeyboardInterrupt

        def read(path):
            is_begun.set()
            return read_tiff(path)

        with Interrupted(1) as pool, pytest.raises(KeyboardInterrupt):
            dataset.import_folder(tiff_folder, executor=pool, read_file=read)
        assert (len(dataset.list_image_ids()), len(dataset.load_sources_index())) == (1, 1)

    def test_an_interrupted_dataset_is_sound(self, interrupted):
        assert interrupted.validate() == []

    def test_records_that_the_sources_table_lacks_are_not_imported_twice(self, dataset, tiff_folder):
        dataset.import_folder(tiff_folder)
        (dataset.path / "tables/sources.parquet").unlink()
        report = ZarrDataset(dataset.path).import_folder(tiff_folder)
        assert (report.imported, len(report.skipped), len(dataset.list_image_ids())) == ((), 3, 3)

    def test_rows_that_the_sources_table_lacks_are_healed(self, dataset, tiff_folder):
        dataset.import_folder(tiff_folder)
        before = dataset.load_sources_index().sort_values("image_id", ignore_index=True)
        (dataset.path / "tables/sources.parquet").unlink()
        dataset.import_folder(tiff_folder)
        after = dataset.load_sources_index().sort_values("image_id", ignore_index=True)
        pd.testing.assert_frame_equal(after, before)

    def test_a_record_without_provenance_is_let_be(self, dataset, record, tiff_folder):
        dataset.import_folder(tiff_folder)
        assert record.image_id not in set(dataset.load_sources_index()["image_id"])


class TestTwoImportsAtOnce:
    def test_a_file_that_another_import_is_at_is_not_imported_too(self, dataset, tiff_folder):
        other = ZarrDataset(dataset.path)
        with other.claim(f"import of {(tiff_folder / 'a.tif').resolve()}") as mine:
            report = dataset.import_folder(tiff_folder)
        assert (mine, names(report.imported), names(report.failed)) == (True, ["b.tif", "c.tif"], ["a.tif"])
        assert "another program is importing it right now" in report.failed[0].reason

    def test_a_file_that_another_import_brought_in_meanwhile_is_skipped(self, dataset, tiff_folder):
        def import_all_first(path):
            if not dataset.list_image_ids():
                ZarrDataset(dataset.path).import_folder(tiff_folder, patterns=["b.tif", "c.tif"])
            return read_tiff(path)

        dataset.import_folder(tiff_folder, read_file=import_all_first, executor=ThreadPoolExecutor(1))
        assert (len(dataset.list_image_ids()), len(dataset.load_sources_index())) == (3, 3)

    def test_two_copies_of_one_record_that_come_at_once_are_two_records(self, dataset, pixels, tiff_folder):
        image_id, both_read = str(uuid.uuid4()), Barrier(2)

        def read(_path):
            both_read.wait(10)
            return FileContent(pixels=pixels, axes=("y", "x"), image_id=image_id)

        (tiff_folder / "a.tif").unlink()
        with ThreadPoolExecutor(2) as pool:
            report = dataset.import_folder(tiff_folder, read_file=read, executor=pool)
        there = dataset.list_image_ids()
        assert (report.failed, len(there), image_id in there) == ((), 2, True)
        assert sorted(dataset.load_sources_index()["image_id"]) == there

    def test_an_id_that_is_taken_after_it_was_looked_for_is_not_used(self, dataset, record, pixels, tmp_path, monkeypatch):
        content = FileContent(pixels=pixels, axes=("y", "x"), image_id=record.image_id)
        tifffile.imwrite(tmp_path / "x.tif", pixels)
        monkeypatch.setattr(dataset, "has_record", lambda _id: False)
        image_id = add_content(dataset, content, Source.from_file(tmp_path / "x.tif"))
        assert image_id != record.image_id
        assert ZarrDataset(dataset.path).record(image_id).get_shape() == pixels.shape

    def test_the_claim_of_a_program_that_was_killed_is_passed_over(self, dataset, tiff_folder):
        with dataset.claim(f"import of {(tiff_folder / 'a.tif').resolve()}"):
            (claim,) = (dataset.path / ".staging").glob("claim-*")
            host, _, machine, one = claim.read_text().split()
            claim.write_text(f"{host} {2**22 + 1} {machine} {one}")
            report = dataset.import_folder(tiff_folder)
        assert len(report.imported) == 3

    def test_an_old_claim_is_passed_over(self, dataset, tiff_folder, two_days_later):
        with dataset.claim(f"import of {(tiff_folder / 'a.tif').resolve()}"):
            two_days_later()
            report = dataset.import_folder(tiff_folder)
        assert len(report.imported) == 3

    def test_a_file_whose_record_was_deleted_can_come_again(self, dataset, tiff_folder):
        dataset.import_folder(tiff_folder)
        shutil.rmtree(dataset.path / "images" / dataset.list_image_ids()[0])
        assert len(dataset.import_folder(tiff_folder).imported) == 1

    def test_a_file_that_is_still_being_written_is_left_for_later(self, dataset, tiff_folder):
        def grow(path):
            content = read_tiff(path)
            with path.open("ab") as file:
                file.write(b"more")
            return content

        report = dataset.import_folder(tiff_folder, patterns=["a.tif"], read_file=grow)
        assert (dataset.list_image_ids(), report.failed[0].reason) == (
            [],
            "it is still being written; import it again when that is done",
        )


def test_files_that_look_like_results_but_are_of_no_image_are_named_once_a_folder(tmp_path, pixels):
    folder = tmp_path / "day"
    folder.mkdir()
    for name in ("x.tif", "y.tif"):
        tifffile.imwrite(folder / name, pixels)
    for name in ("x.speed.csv", "speed.csv", "notes.txt", "z.csv.gz", *(f"old{number}.json" for number in range(4))):
        (folder / name).write_text("a\n1\n" if name == "x.speed.csv" else "{}")
    dataset = ZarrDataset(tmp_path / "d.zarr")
    report = dataset.import_folder(folder)
    assert names(report.imported) == ["x.tif", "y.tif"]
    [note] = report.notes
    assert note.startswith("day: not used, since the name begins with that of no image: old0.json, old1.json, old2.json,")
    assert "old3.json, speed.csv and 1 more; name results as the image" in note
    assert dataset.import_folder(folder).notes == ()

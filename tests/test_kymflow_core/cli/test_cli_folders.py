"""The commands that move images and look at tables; what they tell a person, a script, and where they are stopped."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from kymflow_core import KymDataset
from kymflow_core.cli import app
from kymflow_core.images.file_reader import FILE_READER
from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.importing.sidecars import read_with_sidecars
from kymflow_zarr.importing.tiffs import read_tiff

COMMANDS = ["import", "refresh", "index", "freshness", "tables", "export", "upgrade", "verify", "info"]


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def dataset_path(tmp_path: Path) -> Path:
    """Where a dataset may be made."""
    return tmp_path / "lab.zarr"


@pytest.fixture(scope="module")
def imported_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two scans, and the dataset that they were imported into; tests copy it."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "scans").mkdir()
    tifffile.imwrite(folder / "scans" / "scan.tif", np.arange(480, dtype=np.uint16).reshape(40, 12))
    tifffile.imwrite(folder / "scans" / "sound.tif", np.ones((40, 12), np.uint16))
    assert run("import", folder / "scans", folder / "lab.zarr").exit_code == 0
    return folder


@pytest.fixture
def imported_path(scan_path: Path, second_scan_path: Path, dataset_path: Path, imported_original: Path) -> Path:
    """A dataset of two scans."""
    shutil.copytree(imported_original, dataset_path.parent, dirs_exist_ok=True)
    return dataset_path


@pytest.fixture
def imported_in_place(scan_path: Path, second_scan_path: Path, dataset_path: Path) -> Path:
    """The same, not a copy: the files have the stamps and places that the dataset notes."""
    assert run("import", scan_path.parent, dataset_path).exit_code == 0
    return dataset_path


@pytest.mark.parametrize("command", COMMANDS)
class TestEveryCommand:
    @pytest.mark.slow
    def test_its_help_has_an_example(self, command):
        assert f"Example: napari-kymflow {command}" in " ".join(run(command, "--help").stdout.split())

    def test_it_can_be_quiet_and_speak_json(self, command):
        shown = run(command, "--help").stdout
        assert "--json" in shown
        assert "--quiet" in shown

    def test_an_error_is_json_where_json_is_asked(self, command, tmp_path):
        arguments = {
            "import": (tmp_path / "missing", tmp_path / "x.zarr"),
            "export": (tmp_path / "x.zarr", tmp_path / "out"),
            "upgrade": (tmp_path / "x.zarr", tmp_path / "y.zarr"),
        }.get(command, (tmp_path / "x.zarr",))
        result = run(command, *arguments, "--json")
        said = json.loads(result.stdout)
        assert (said["exit_code"], result.exit_code, result.stderr) == (result.exit_code, said["exit_code"], "")
        assert result.exit_code > 0
        assert "there is no" in said["error"]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("number", "to_do"),
        [(errno.EIO, "look whether its disk is connected and sound"), (errno.EACCES, "ask for permission")],
    )
    def test_a_dataset_that_the_disk_does_not_give_is_one_sentence(
        self, command, number, to_do, imported_path, scan_path, tmp_path, monkeypatch
    ):
        arguments = {
            "import": (scan_path.parent, imported_path),
            "export": (imported_path, tmp_path / "out"),
            "upgrade": (imported_path, tmp_path / "y.zarr"),
        }.get(command, (imported_path,))
        lost = imported_path / "zarr.json"
        refuse(monkeypatch, lambda path: path == lost, number)
        result = run(command, *arguments, "--json")
        said = json.loads(result.stdout)
        assert (said["exit_code"], result.stderr) == (result.exit_code, "")
        assert result.exit_code == (2 if command == "verify" else 1)
        assert said["error"].startswith(f"{lost} cannot be read or written ({os.strerror(number)}); {to_do}")

    @pytest.mark.slow
    def test_a_table_or_document_that_the_disk_does_not_give_is_said(
        self, command, imported_path, scan_path, tmp_path, monkeypatch
    ):
        run("export", imported_path, tmp_path / "exported")
        arguments = {
            "import": (tmp_path / "exported", tmp_path / "new.zarr"),
            "export": (imported_path, tmp_path / "out"),
            "upgrade": (imported_path, tmp_path / "y.zarr"),
            "tables": (imported_path, "images"),
        }.get(command, (imported_path,))
        refuse(monkeypatch, lambda path: path.parent.name == "tables" or path.name == "dataset.json", errno.EIO)
        result = run(command, *arguments, "--json")
        said = json.loads(result.stdout)
        assert (said["exit_code"], result.exit_code > 0) == (result.exit_code, True)


def refuse(monkeypatch, is_refused: Callable[[Path], bool], number: int) -> None:
    """Let the disk refuse to read some files."""

    def refusing(read):
        def read_or_refuse(path, *arguments, **options):
            if is_refused(Path(path)):
                raise OSError(number, os.strerror(number), str(path))
            return read(path, *arguments, **options)

        return read_or_refuse

    for name in ("read_regular", "open_regular"):
        monkeypatch.setattr(steps, name, refusing(getattr(steps, name)))


class TestImport:
    def test_a_path_that_is_too_long_is_said(self, dataset_path):
        result = run("import", "x" * 300, dataset_path, "--json")
        said = json.loads(result.stdout)["error"]
        assert (result.exit_code, said.startswith("there is no folder xxx")) == (1, True)

    def test_twice_does_nothing_the_second_time(self, imported_path, scan_path, tree_picture):
        before = tree_picture(imported_path)
        assert run("import", scan_path.parent, imported_path).exit_code == 0
        assert tree_picture(imported_path) == before

    def test_tables_that_a_stopped_import_did_not_make_are_made_by_the_next(self, imported_path, scan_path):
        (imported_path / "tables" / "images.parquet").unlink()
        said = run("import", scan_path.parent, imported_path).stdout
        assert "images: 2 rows of 2 images" in said
        assert "0 imported, 2 skipped" in said

    def test_results_that_cannot_be_read_do_not_make_an_import_of_nothing_fail(self, imported_path, scan_path):
        record = next(ZarrDataset(imported_path).iter_records())
        (imported_path / "images" / record.image_id / "analysis" / "radon_report.parquet").write_bytes(b"no Parquet")
        assert run("index", imported_path).exit_code == 1
        result = run("import", scan_path.parent, imported_path)
        assert (result.exit_code, result.stdout) == (0, "0 imported, 2 skipped\n")

    def test_indexing_twice_does_nothing(self, imported_in_place, tree_picture):
        before = tree_picture(imported_in_place)
        assert run("index", imported_in_place).exit_code == 0
        assert tree_picture(imported_in_place) == before

    def test_json_has_the_ids_and_what_the_tables_got(self, scan_path, dataset_path):
        said = json.loads(run("import", scan_path.parent, dataset_path, "--json").stdout)
        (image_id,) = ZarrDataset(dataset_path, mode="r").list_image_ids()
        assert [one["image_id"] for one in said["imported"]] == [image_id]
        assert said["tables"]["images"]["rows"] == 1

    def test_quiet_prints_nothing(self, scan_path, dataset_path):
        result = run("import", scan_path.parent, dataset_path, "--quiet")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")

    def test_quiet_prints_problems(self, scan_path, dataset_path):
        scan_path.write_text("no TIFF")
        result = run("import", scan_path.parent, dataset_path, "--quiet")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("not imported: ")

    def test_several_at_once_give_the_same(self, scan_path, second_scan_path, dataset_path):
        assert "2 imported, 0 skipped" in run("import", scan_path.parent, dataset_path, "--jobs", 3).stdout

    @pytest.mark.slow
    def test_with_one_job_one_file_is_read_after_another(self, scan_folder, dataset_path, monkeypatch):
        for number in range(4):
            tifffile.imwrite(scan_folder / f"{number}.tif", np.full((8, 6), number, np.uint16))
        inside, most = [], []

        def read(path, listing):
            inside.append(path)
            time.sleep(0.1)
            most.append(len(inside))
            inside.remove(path)
            return read_with_sidecars(path, listing)

        reader = replace(FILE_READER, read=read)
        monkeypatch.setattr("kymflow_zarr.importing.plan.installed_reader", lambda: reader)
        run("import", scan_folder, dataset_path, "--jobs", 1)
        assert most == [1] * 4

    @pytest.mark.skipif(sys.platform != "linux", reason="the disk refuses such names itself")
    @pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
    @pytest.mark.trials
    def test_a_name_that_is_no_text_is_said_to_a_person_and_to_a_script(self, scan_path, dataset_path, encoding):
        scan_path.rename(os.fsdecode(os.fsencode(scan_path.parent) + b"/caf\xe9.tif"))
        code = "from kymflow_core.cli import app; app()"
        command = [sys.executable, "-c", code, "import", str(scan_path.parent), str(dataset_path)]
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, encoding="utf-8")
        assert (done.returncode, "caf\\udce9.tif: its path is not UTF-8" in done.stderr) == (1, True)
        scripted = subprocess.run([*command, "--json"], capture_output=True, env=environment, encoding="utf-8")
        (failure,) = json.loads(scripted.stdout)["failed"]
        assert (scripted.returncode, Path(failure["path"]).name) == (1, "caf\udce9.tif")

    @pytest.mark.slow
    def test_what_was_not_read_is_offered_and_added_on_request(self, scan_path, dataset_path):
        ZarrDataset(dataset_path).import_folder(scan_path.parent, read_file=read_tiff)
        offered = run("import", scan_path.parent, dataset_path)
        assert "headers, ROIs and results of its file; --complete adds what is missing" in offered.stdout
        assert len(json.loads(run("import", scan_path.parent, dataset_path, "--json").stdout)["incomplete"]) == 1
        assert "0 imported, 1 completed, 0 skipped" in run("import", scan_path.parent, dataset_path, "--complete").stdout
        assert run("import", scan_path.parent, dataset_path).stdout == "0 imported, 1 skipped\n"

    @pytest.mark.slow
    def test_a_changed_file_is_named_and_read_again_on_request(self, imported_in_place, scan_path):
        tifffile.imwrite(scan_path, tifffile.imread(scan_path) + 1)
        said = run("import", scan_path.parent, imported_in_place).stdout
        assert "scan.tif: has changed since it was imported; --reread-changed reads it again" in said
        again = run("import", scan_path.parent, imported_in_place, "--reread-changed").stdout
        assert "0 imported, 1 changed and read again, 1 skipped" in again

    def test_channels_are_merged_on_request(self, scan_folder, dataset_path):
        for number in (1, 2):
            tifffile.imwrite(scan_folder / f"scan_C{number}.tif", np.full((40, 12), number, np.uint16))
        result = run("import", scan_folder, dataset_path, "--merge-channels")
        assert "scan_C1.tif: 2 channels in one record: scan_C1.tif, scan_C2.tif" in result.stdout


class TestRefresh:
    def test_it_looks_where_the_files_came_from(self, imported_path, scan_path):
        tifffile.imwrite(scan_path.with_name("new.tif"), np.ones((4, 3), np.uint8))
        result = run("refresh", imported_path)
        assert result.stdout.startswith(f"Looking in {scan_path.parent.resolve()}\n")
        assert "1 imported, 2 skipped" in result.stdout

    @pytest.mark.slow
    def test_files_that_moved_are_named_and_linked_on_request(self, imported_in_place, scan_path):
        moved = scan_path.parent.rename(scan_path.parent.with_name("moved"))
        said = run("refresh", imported_in_place, moved).stdout
        assert f"scan.tif: known as scan.tif, and has moved from {scan_path.parent.resolve()}; --relink notes it" in said
        assert "scan.tif: known as scan.tif" in run("refresh", imported_in_place, moved, "--relink").stdout
        assert "0 imported, 2 skipped" in run("refresh", imported_in_place).stdout

    def test_a_dataset_without_files_needs_a_folder(self, dataset_path):
        ZarrDataset.create(dataset_path)
        result = run("refresh", dataset_path)
        assert (result.exit_code, "came from no folder yet; give the folder that" in result.stderr) == (1, True)

    def test_a_folder_that_is_gone_must_be_given(self, imported_in_place, scan_path):
        scan_path.parent.rename(scan_path.parent.with_name("moved"))
        result = run("refresh", imported_in_place)
        assert (result.exit_code, "or it is no longer there; give the folder to look in" in result.stderr) == (1, True)

    @pytest.fixture
    def moved_path(self, scan_path, second_scan_path, tmp_path) -> Path:
        """A folder that has a dataset and its scans, and another name since."""
        home = tmp_path / "home"
        home.mkdir()
        scan_path.parent.rename(home / "scans")
        assert run("import", home / "scans", home / "lab.zarr").exit_code == 0
        return home.rename(tmp_path / "moved")

    def test_a_dataset_that_moved_with_its_files_is_refreshed_where_they_are(self, moved_path):
        result = run("refresh", moved_path / "lab.zarr")
        assert (result.exit_code, f"Looking in {moved_path.resolve() / 'scans'}\n" in result.stdout) == (0, True)
        assert "0 imported, 2 skipped" in result.stdout

    def test_a_copy_with_its_files_is_refreshed_from_the_copies(self, moved_path, tmp_path):
        shutil.copytree(moved_path, tmp_path / "home")
        tifffile.imwrite(moved_path / "scans" / "new.tif", np.ones((4, 3), np.uint8))
        result = run("refresh", moved_path / "lab.zarr")
        assert "1 imported, 2 skipped" in result.stdout

    def test_of_files_that_moved_along_some_may_be_gone(self, moved_path):
        (moved_path / "scans" / "scan.tif").unlink()
        assert "0 imported, 1 skipped" in run("refresh", moved_path / "lab.zarr").stdout

    def test_a_dataset_that_moved_alone_is_refreshed_where_its_files_were(self, imported_in_place, scan_path, tmp_path):
        (tmp_path / "far" / "away").mkdir(parents=True)
        alone = imported_in_place.rename(tmp_path / "far" / "away" / "lab.zarr")
        assert run("refresh", alone).stdout.startswith(f"Looking in {scan_path.parent.resolve()}\n")

    def test_a_source_of_another_system_is_passed_over(self, imported_path, scan_path):
        table = imported_path / "tables" / "sources.parquet"
        frame = pd.read_parquet(table)
        frame.loc[0, ["source_primary_path", "source_relative_path"]] = ["C:\\" + "x" * 300 + "\\a.tif", ""]
        frame.to_parquet(table)
        assert run("refresh", imported_path).stdout.startswith(f"Looking in {scan_path.parent.resolve()}\n")


class TestTables:
    def test_freshness_ends_with_1_where_an_index_would_help(self, imported_path):
        record = next(ZarrDataset(imported_path).iter_records())
        row = {"roi_id": 1, "mean_velocity": 0.5, "median_velocity": 0.5, "n_valid": 3, "notes": ""}
        record.save_df_parquet("radon_report", pd.DataFrame([row]))
        result = run("freshness", imported_path, "radon_report")
        assert (result.exit_code, result.stdout.splitlines()[0]) == (1, "radon_report: 1 behind, 1 never analysed")
        assert run("index", imported_path).exit_code == 0
        assert run("freshness", imported_path, "radon_report").exit_code == 0

    def test_freshness_names_the_image_and_the_reason(self, imported_path):
        KymDataset(imported_path).dataset.save_table("images", pd.DataFrame({"image_id": ["x"]}))
        assert "sound.tif: behind: " in run("freshness", imported_path, "images").stdout

    def test_a_table_that_nobody_fills_is_said(self, imported_path):
        result = run("freshness", imported_path, "mine")
        assert (result.exit_code, "no indexer fills a table named 'mine'; there are images, rois" in result.stderr) == (
            1,
            True,
        )

    def test_rows_are_shown_with_the_name_of_the_file(self, imported_path):
        lines = run("tables", imported_path, "images", "--rows", 1).stdout.splitlines()
        assert lines[0].split()[0] == "image"
        assert lines[1].split()[0] in ("scan.tif", "sound.tif")
        assert lines[2] == "… and 1 more row; --rows shows more, --save writes all"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("columns", "printed", "in_json"),
        [
            pytest.param({"x": [1]}, "x 1", [{"x": 1}], id="no image_id"),
            pytest.param({"image_id": [5]}, "image 5", [{"image_id": 5}], id="numbers as ids"),
            pytest.param({"image_id": [None, "ab"]}, "image", [{"image_id": None}, {"image_id": "ab"}], id="no id"),
            pytest.param(
                {"image_id": ["a"], "image": ["b"]},
                "image_id image a b",
                [{"image_id": "a", "image": "b"}],
                id="a column called image",
            ),
            pytest.param(
                {"x": [[1.0, np.nan]], "y": [{"z": np.nan}]},
                "x y [1.0, nan]",
                [{"x": [1.0, None], "y": {"z": None}}],
                id="lists and objects",
            ),
        ],
    )
    def test_a_table_of_another_program_is_shown_as_it_is(self, imported_path, columns, printed, in_json):
        pd.DataFrame(columns).to_parquet(imported_path / "tables" / "foreign.parquet")
        assert run("tables", imported_path, "foreign").stdout.split()[: len(printed.split())] == printed.split()
        assert json.loads(run("tables", imported_path, "foreign", "--json").stdout)["table"] == in_json

    @pytest.mark.parametrize("name", ["self", "exit_code", "error", "tables"])
    def test_json_lists_tables_of_any_name(self, imported_path, name):
        ZarrDataset(imported_path).save_table(name, pd.DataFrame({"image_id": ["x"], "v": [1]}))
        result = run("tables", imported_path, "--json")
        said = json.loads(result.stdout)
        assert (result.exit_code, said["exit_code"], "error" in said) == (0, 0, False)
        assert said["tables"][name] == {"rows": 1, "columns": ["image_id", "v"]}

    def test_one_row_of_one_column_is_said_in_the_singular(self, imported_path):
        ZarrDataset(imported_path).save_table("mine", pd.DataFrame({"image_id": ["x"]}))
        assert "mine: 1 row, 1 column\n" in run("tables", imported_path).stdout
        assert "  table mine: 1 row\n" in run("info", imported_path).stdout

    def test_json_of_freshness_has_each_table(self, imported_path):
        said = json.loads(run("freshness", imported_path, "--json").stdout)
        assert set(said) == {"exit_code", "tables"}
        assert [row["state"] for row in said["tables"]["images"]] == ["fresh", "fresh"]

    def test_json_has_all_rows_and_null_for_what_is_missing(self, imported_path):
        said = json.loads(run("tables", imported_path, "images", "--json").stdout)
        assert (said["rows"], {row["um_per_pixel"] for row in said["table"]}) == (2, {None})

    @pytest.mark.parametrize(("ending", "read"), [(".csv", pd.read_csv), (".parquet", pd.read_parquet)])
    def test_a_table_is_saved(self, imported_path, tmp_path, ending, read):
        path = tmp_path / f"images{ending}"
        run("tables", imported_path, "images", "--save", path)
        assert sorted(read(path)["name"]) == ["scan", "sound"]

    def test_a_csv_has_titles_on_request(self, imported_path, tmp_path):
        run("tables", imported_path, "images", "--save", tmp_path / "images.csv", "--titles")
        assert {"time per line (s)", "pixel size (µm)"} <= set(pd.read_csv(tmp_path / "images.csv").columns)

    def test_a_table_is_saved_under_a_name_as_long_as_can_be(self, imported_path, tmp_path):
        name = "y" * 250 + ".csv"
        assert run("tables", imported_path, "images", "--save", tmp_path / name).exit_code == 0
        assert [path.name for path in tmp_path.glob("*y*") if path.is_file()] == [name]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("images.xlsx", "ends in neither .csv nor .parquet"),
            ("there.csv", "there is something at"),
            ("no/x.csv", "cannot"),
            ("y" * 300 + ".csv", "or another name"),
        ],
    )
    def test_where_it_cannot_be_saved_is_said(self, imported_path, tmp_path, name, message):
        (tmp_path / "there.csv").write_text("mine")
        result = run("tables", imported_path, "images", "--save", tmp_path / name)
        assert (result.exit_code, message in result.stderr) == (1, True)
        assert (tmp_path / "there.csv").read_text() == "mine"


class TestExport:
    @pytest.mark.trials
    def test_two_processes_take_all_out_and_in_again(self, imported_path, tmp_path):
        result = run("export", imported_path, tmp_path / "out", "--jobs", 2)
        assert (result.exit_code, "2 records" in result.stdout) == (0, True)
        again = run("import", tmp_path / "out", tmp_path / "again.zarr", "--jobs", 2)
        assert (again.exit_code, "2 imported, 0 skipped" in again.stdout) == (0, True)

    def test_nwb_files_are_not_written_by_several_processes(self, imported_path, tmp_path):
        result = run("export", imported_path, tmp_path / "out", "--nwb", "--jobs", 2)
        assert result.exit_code == 1
        assert "--nwb writes one file after another; leave --jobs and --dask out" in " ".join(result.stderr.split())

    @pytest.mark.slow
    def test_it_goes_out_and_comes_back(self, imported_path, tmp_path):
        result = run("export", imported_path, tmp_path / "out", "--friendly-names")
        assert (result.exit_code, result.stdout) == (0, "2 records and 7 tables exported as 23 files\n")
        run("import", tmp_path / "out", tmp_path / "again.zarr")
        one, other = ZarrDataset(imported_path, mode="r"), ZarrDataset(tmp_path / "again.zarr", mode="r")
        assert one.list_image_ids() == other.list_image_ids()

    def test_a_folder_with_files_is_refused(self, imported_path, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").touch()
        assert run("export", imported_path, tmp_path / "out").exit_code == 1
        assert run("export", imported_path, tmp_path / "out", "--overwrite").exit_code == 0

    def test_json_has_the_counts(self, imported_path, tmp_path):
        said = json.loads(run("export", imported_path, tmp_path / "out", "--json").stdout)
        assert (said["records"], said["failed"]) == (2, {})

    def test_what_cannot_be_read_ends_with_1(self, imported_path, tmp_path):
        record = next(ZarrDataset(imported_path).iter_records())
        (imported_path / "images" / record.image_id / "analysis" / "provenance.json").write_text("{")
        result = run("export", imported_path, tmp_path / "out")
        assert (result.exit_code, "not exported: " in result.stderr) == (1, True)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.trials
def test_ctrl_c_leaves_a_sound_dataset_and_says_how_far_it_came(scan_folder, dataset_path, jobs):
    rng = np.random.default_rng(0)
    for number in range(60):
        tifffile.imwrite(scan_folder / f"{number:02}.tif", rng.integers(0, 4000, (4000, 100)).astype(np.uint16))
    # A program that a shell started in the background ignores the signal, and so do those that it starts.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heed}; from kymflow_core.cli import app; app()"
    command = [sys.executable, "-c", code, "import", str(scan_folder), str(dataset_path), "--jobs", str(jobs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any((dataset_path / "images").glob("*-*")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "of 60: what was done by then stays, and is whole. The same command goes on from there." in said
    dataset = ZarrDataset(dataset_path)
    there = len(dataset.list_image_ids())
    assert 0 < there < 60
    assert len(dataset.load_sources_index()) == there
    assert dataset.verify().problems == ()
    assert f"{60 - there} imported, {there} skipped" in run("import", scan_folder, dataset_path).stdout


def test_a_stop_is_told_to_a_script(imported_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(KymDataset, "refresh_tables", stop)
    result = CliRunner().invoke(app, ["index", str(imported_path), "--json"])
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (130, "stopped")

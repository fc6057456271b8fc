import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from kymflow_core.cli import app
from kymflow_core.indexers import RadonReportIndexer
from kymflow_core.roi import RectROI
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_zarr import ZarrDataset

ONE_ROI = '{"rois": [{"roi_id": 1, "roi_type": "rect", "data": {"x0": 0, "x1": 3, "y0": 1, "y1": 9}}]}'


LABORATORYS_LINES = [
    "images: 3 rows of 3 images",
    "rois: 5 rows of 3 images",
    "radon_report: 5 rows of 3 images, 1 never analysed",
    "velocity_events: 5 rows of 3 images, 2 never analysed",
    "velocity: 31235 rows of 3 images, 1 never analysed",
    "reviews: 5 rows of 3 images, 2 never analysed",
    "Capillary2_no_txt.tif: calibration unknown: no header gives µm per pixel and seconds per line",
    "3 imported, 0 skipped",
]


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def in_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def dataset_path(tmp_path: Path) -> Path:
    """Where a dataset may be made."""
    return tmp_path / "lab.zarr"


@pytest.fixture(scope="module")
def imported_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two scans, the first with a report of one ROI, and their dataset; tests copy it."""
    folder = tmp_path_factory.mktemp("imported")
    results = folder / "scans" / "flow-analysis"
    results.mkdir(parents=True)
    tifffile.imwrite(folder / "scans" / "scan.tif", np.arange(480, dtype=np.uint16).reshape(40, 12))
    tifffile.imwrite(folder / "scans" / "sound.tif", np.ones((40, 12), np.uint16))
    (results / "scan_radon.csv").write_text("roi_id,time,velocity\n1,0.1,0.5\n")
    assert run("import", folder / "scans", folder / "lab.zarr").exit_code == 0
    return folder


@pytest.fixture
def imported_path(scan_path: Path, second_scan_path: Path, dataset_path: Path, imported_original: Path) -> Path:
    """A dataset of two scans, the first of them with a report of one ROI."""
    shutil.copytree(imported_original, dataset_path.parent, dirs_exist_ok=True)
    return dataset_path


def break_a_report(path: Path) -> str:
    """Replace one record's report by one that lacks columns; return the record's id."""
    dataset = ZarrDataset(path)
    record = dataset.record(dataset.list_image_ids()[0])
    record.save_df_parquet("radon_report", pd.DataFrame({"roi_id": [1]}))
    return record.image_id


def test_importing_says_what_it_did(scan_path, second_scan_path, dataset_path):
    result = run("import", scan_path.parent, dataset_path)
    assert result.stdout.rstrip().splitlines()[-1] == "2 imported, 0 skipped"


def test_importing_ends_with_0(scan_path, dataset_path):
    assert run("import", scan_path.parent, dataset_path).exit_code == 0


def test_importing_makes_the_records(scan_path, second_scan_path, dataset_path):
    run("import", scan_path.parent, dataset_path)
    assert len(ZarrDataset(dataset_path, mode="r").list_image_ids()) == 2


def test_importing_fills_the_tables(imported_path):
    dataset = ZarrDataset(imported_path, mode="r")
    assert {name: len(dataset.load_table(name)) for name in dataset.list_table_names()} == {
        "images": 2,
        "radon_report": 1,
        "rois": 0,
        "reviews": 0,
        "velocity": 1,
        "velocity_events": 0,
    }


def test_importing_again_skips_what_is_there(imported_path, scan_path):
    result = run("import", scan_path.parent, imported_path)
    assert (result.exit_code, result.stdout.rstrip().splitlines()[-1]) == (0, "0 imported, 2 skipped")


def test_importing_again_adds_no_record(imported_path, scan_path):
    run("import", scan_path.parent, imported_path)
    assert len(ZarrDataset(imported_path, mode="r").list_image_ids()) == 2


def test_importing_again_brings_in_what_is_new(imported_path, scan_path):
    tifffile.imwrite(scan_path.with_name("new.tif"), tifffile.imread(scan_path))
    assert "1 imported, 2 skipped" in run("import", scan_path.parent, imported_path).stdout


def test_a_note_is_shown_with_its_file(scan_path, dataset_path):
    result = run("import", scan_path.parent, dataset_path)
    assert "scan.tif: calibration unknown: no header gives µm per pixel and seconds per line\n" in result.stdout


def test_a_note_with_brackets_is_shown_as_it_is(scan_path, header_text, dataset_path):
    scan_path.with_suffix(".txt").write_text(header_text.replace("[um/pixel]", "[bold]"), encoding="utf-8")
    assert "'12, 0.0 - 3.000 [um], 0.250 [bold]'" in run("import", scan_path.parent, dataset_path).stdout


@pytest.fixture
def import_with_a_failure(scan_path, second_scan_path, dataset_path):
    """What came of importing a scan whose sidecar is broken and a sound one."""
    scan_path.with_suffix(".json").write_text('{"rois": [')
    return run("import", scan_path.parent, dataset_path)


def test_a_file_that_fails_is_shown_in_one_line(import_with_a_failure, scan_path):
    (line,) = import_with_a_failure.stderr.splitlines()
    path = re.escape(str(scan_path.with_suffix(".json")))
    assert re.fullmatch(
        rf"not imported: .*{path} cannot be read as JSON \(.*\); mend or remove it, then import again", line
    )


def test_a_file_that_fails_ends_with_1(import_with_a_failure):
    assert import_with_a_failure.exit_code == 1


def test_a_file_that_fails_is_counted(import_with_a_failure):
    assert import_with_a_failure.stdout.rstrip().splitlines()[-1] == "1 imported, 0 skipped, 1 failed"


def test_a_file_that_fails_does_not_stop_the_others(import_with_a_failure, dataset_path):
    sources = ZarrDataset(dataset_path, mode="r").load_sources_index()["source_primary_path"]
    assert [Path(path).name for path in sources] == ["sound.tif"]


def test_a_table_that_fails_after_an_import_ends_with_1(imported_path, scan_path):
    image_id = break_a_report(imported_path)
    tifffile.imwrite(scan_path.with_name("new.tif"), tifffile.imread(scan_path))
    result = run("import", scan_path.parent, imported_path)
    assert result.exit_code == 1
    assert f"{image_id}: radon_report of image {image_id} lacks the columns" in result.stderr


@pytest.mark.parametrize("pattern", ["so*.tif", "SOUND.TIF"])
def test_a_pattern_chooses_the_files(pattern, scan_path, second_scan_path, dataset_path):
    result = run("import", scan_path.parent, dataset_path, "--pattern", pattern)
    assert "1 imported, 0 skipped" in result.stdout


def test_two_patterns_choose_the_files_of_both(scan_path, second_scan_path, dataset_path):
    result = run("import", scan_path.parent, dataset_path, "--pattern", "so*.tif", "--pattern", "scan*")
    assert "2 imported, 0 skipped" in result.stdout


_ENDINGS = (".tif", ".tiff", ".lif", ".nd2", ".oif", ".oib", ".oir", ".czi", ".lsm", ".zarr")
READ = " or ".join(repr(f"*{ending}") for ending in _ENDINGS)


@pytest.mark.parametrize(
    ("make_folder", "message"),
    [
        pytest.param(lambda path: None, "there is no folder {}; give the folder that has the TIFF files", id="missing"),
        pytest.param(Path.mkdir, f"no file named {READ} in {{}} or its subfolders; nothing was imported", id="empty"),
        pytest.param(Path.touch, "{} is a file; give the folder that has the TIFF files", id="a file"),
    ],
)
def test_a_folder_without_files_is_said(make_folder: Callable[[Path], None], message, tmp_path, dataset_path):
    folder = tmp_path / "folder"
    make_folder(folder)
    result = run("import", folder, dataset_path)
    assert (result.exit_code, result.stderr) == (1, message.format(folder) + "\n")


def test_a_folder_without_files_makes_no_dataset(tmp_path, dataset_path):
    run("import", tmp_path / "missing", dataset_path)
    assert not dataset_path.exists()


@pytest.mark.parametrize("command", ["import", "index", "info"])
def test_a_dataset_path_that_is_a_file_is_said(command, scan_path, dataset_path):
    dataset_path.touch()
    arguments = (scan_path.parent, dataset_path) if command == "import" else (dataset_path,)
    result = run(command, *arguments)
    message = f"{dataset_path} is a file; a dataset is a folder whose name ends in .zarr\n"
    assert (result.exit_code, result.stderr) == (1, message)


@pytest.mark.parametrize("command", ["index", "info"])
def test_a_dataset_that_is_not_there_is_said(command, dataset_path):
    result = run(command, dataset_path)
    assert (result.exit_code, result.stderr) == (1, f"there is no dataset at {dataset_path}\n")


@pytest.mark.parametrize("command", ["index", "info"])
def test_a_dataset_that_is_not_there_is_not_made(command, dataset_path):
    run(command, dataset_path)
    assert not dataset_path.exists()


@pytest.mark.parametrize("command", ["import", "index", "info"])
def test_another_folder_is_no_dataset(command, scan_path, dataset_path):
    dataset_path.mkdir()
    (dataset_path / "notes.txt").touch()
    arguments = (scan_path.parent, dataset_path) if command == "import" else (dataset_path,)
    result = run(command, *arguments)
    assert result.exit_code == 1
    assert "is a folder with other things in it" in result.stderr


def test_indexing_what_is_fresh_has_nothing_to_do(imported_path):
    result = run("index", imported_path)
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "images: nothing to do",
            "rois: nothing to do",
            "radon_report: nothing to do, 1 never analysed",
            "velocity_events: nothing to do, 2 never analysed",
            "velocity: nothing to do, 1 never analysed",
            "reviews: nothing to do, 2 never analysed",
        ],
    )


def test_indexing_makes_the_rows_of_new_results(imported_path):
    dataset = ZarrDataset(imported_path)
    record = next(one for one in dataset.iter_records() if one.has_analysis("radon_report.parquet"))
    record.save_df_parquet("radon_report", record.load_df_parquet("radon_report").assign(mean_velocity=7.0))
    result = run("index", imported_path)
    assert "radon_report: 1 row of 1 image, 1 never analysed" in result.stdout.splitlines()
    assert dataset.load_table("radon_report")["mean_velocity"].tolist() == [7.0]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.trials)])
def test_rebuilding_says_what_the_tables_have(imported_path, jobs):
    result = run("index", imported_path, "--rebuild", "--jobs", jobs)
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "images: 2 rows of 2 images",
            "rois: 0 rows of 2 images",
            "radon_report: 1 row of 2 images, 1 never analysed",
            "velocity_events: 0 rows of 2 images, 2 never analysed",
            "velocity: 1 row of 2 images, 1 never analysed",
            "reviews: 0 rows of 2 images, 2 never analysed",
        ],
    )


def test_indexing_makes_the_tables_again(imported_path):
    (imported_path / "tables" / "radon_report.parquet").unlink()
    run("index", imported_path)
    assert len(KymDataset(imported_path, mode="r").get_table(RadonReportIndexer.table_name)) == 1


def test_indexing_shows_an_image_that_fails(imported_path):
    image_id = break_a_report(imported_path)
    (line,) = run("index", imported_path).stderr.splitlines()
    assert line.startswith(f"{image_id}: radon_report of image {image_id} lacks the columns ['mean_velocity'")


def test_indexing_with_an_image_that_fails_ends_with_1(imported_path):
    break_a_report(imported_path)
    assert run("index", imported_path).exit_code == 1


def test_info_says_what_a_sound_dataset_holds(imported_path):
    result = run("info", imported_path)
    assert (result.exit_code, result.stdout.splitlines(), result.stderr) == (
        0,
        [
            f"{imported_path}: 2 records",
            "  table images: 2 rows",
            "  table radon_report: 1 row (1 never analysed)",
            "  table reviews: 0 rows (2 never analysed)",
            "  table rois: 0 rows",
            "  table velocity: 1 row (1 never analysed)",
            "  table velocity_events: 0 rows (2 never analysed)",
        ],
        "",
    )


def test_info_shows_a_path_with_brackets_as_it_is(tmp_path):
    path = tmp_path / "mouse [bold] 7.zarr"
    ZarrDataset.create(path)
    assert run("info", path).stdout == f"{path}: 0 records\n"


def test_info_writes_nothing(imported_path):
    before = {path: path.read_bytes() for path in imported_path.rglob("*") if path.is_file()}
    run("info", imported_path)
    assert {path: path.read_bytes() for path in imported_path.rglob("*") if path.is_file()} == before


@pytest.fixture
def broken_path(imported_path):
    """A dataset of two scans, one of which has lost its pixels."""
    image_id = ZarrDataset(imported_path).list_image_ids()[0]
    shutil.rmtree(imported_path / "images" / image_id / "data")
    return imported_path


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_table_that_is_a_link_to_nothing_is_named_and_the_others_are_made(imported_path):
    table = imported_path / "tables/images.parquet"
    table.unlink()
    table.symlink_to("gone.parquet")
    for command in ("info", "tables"):
        result = run(command, imported_path)
        assert (result.exit_code, "rois" in result.stdout) == (1, True)
        assert "images.parquet is a symbolic link to nothing" in result.stderr
    assert run("freshness", imported_path, "rois").exit_code == 0
    assert run("index", imported_path).exit_code == 0
    assert run("verify", imported_path, "--deep").exit_code == 0
    assert len(ZarrDataset(imported_path).load_table("images")) == 2


def test_an_address_is_refused_with_a_sentence(scan_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("import", scan_path.parent, "s3://b/l.zarr")
    assert (result.exit_code, (tmp_path / "s3:").exists()) == (1, False)
    assert "s3://b/l.zarr is an address, and datasets there are only read" in in_one_line(result.stderr)


def test_info_shows_what_is_broken(broken_path):
    image_id = ZarrDataset(broken_path).list_image_ids()[0]
    message = f"record {image_id} has no pixels; restore it from a backup\n"
    assert run("info", broken_path).stderr == message


def test_info_names_a_table_that_does_not_open(imported_path):
    (imported_path / "tables/rois.parquet").write_bytes(b"PAR1")
    result = run("info", imported_path)
    assert "  table rois: damaged, see below\n" in result.stdout
    assert in_one_line(result.stderr).startswith(f"table rois: {imported_path}/tables/rois.parquet is not readable Parquet")


def test_info_does_not_verify(imported_path, monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("only verify looks at every file")

    monkeypatch.setattr("kymflow_zarr.zarr_dataset.verify_dataset", refuse)
    assert run("info", imported_path).exit_code == 0


def test_info_on_a_broken_dataset_ends_with_1(broken_path):
    assert run("info", broken_path).exit_code == 1


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("import", "Example: napari-kymflow import /data/2025-07 lab.zarr"),
        ("index", "Example: napari-kymflow index lab.zarr"),
        ("info", "Example: napari-kymflow info lab.zarr"),
    ],
)
def test_the_help_has_an_example(command, example):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert example in in_one_line(result.stdout)


def test_the_help_names_every_command():
    shown = in_one_line(run("--help").stdout)
    assert all(command in shown for command in ("import", "index", "info"))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["import", "folder"], id="no dataset"),
        pytest.param(["index"], id="nothing"),
        pytest.param(["explode"], id="unknown command"),
        pytest.param(["info", "a.zarr", "--loud"], id="unknown option"),
    ],
)
def test_a_wrong_call_ends_with_2(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.shared
def test_the_laboratorys_folder_is_imported_from_the_command_line(olympus_folder, tmp_path, dataset_path):
    shutil.copytree(olympus_folder, tmp_path / "olympus")
    result = run("import", tmp_path / "olympus", dataset_path)
    lines = [line for line in result.stdout.splitlines() if "━" not in line]
    assert (result.exit_code, lines) == (0, LABORATORYS_LINES)


@pytest.mark.trials
def test_importing_the_packages_imports_no_window():
    code = (
        "import kymflow_core, kymflow_core.cli, kymflow_zarr, sys; "
        "assert not {'napari', 'qtpy', 'vispy', 'magicgui'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_rois_beside_a_scan_are_imported(scan_path, dataset_path):
    scan_path.with_suffix(".json").write_text(ONE_ROI)
    run("import", scan_path.parent, dataset_path)
    (record,) = ZarrDataset(dataset_path, mode="r").iter_records()
    assert record.load_metadata_payload()["rois"] == [RectROI(roi_id=1, x0=0, x1=3, y0=1, y1=9).to_dict()]


class TestVerify:
    def test_a_sound_dataset_ends_with_0(self, imported_path):
        result = run("verify", imported_path, "--deep")
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 of 2 records are sound")

    def test_what_can_be_repaired_ends_with_1(self, imported_path):
        (imported_path / "tables/radon_report.parquet").write_bytes(b"torn")
        result = run("verify", imported_path)
        assert result.exit_code == 1
        assert "2 of 2 records are sound; 1 can be repaired, with --repair" in result.stdout

    def test_damage_ends_with_2(self, broken_path):
        result = run("verify", broken_path)
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (2, "1 of 2 records open; 1 damaged")

    def test_repairing_ends_with_0_and_leaves_nothing_to_say(self, imported_path):
        (imported_path / "tables/radon_report.parquet").write_bytes(b"torn")
        repaired = run("verify", imported_path, "--repair")
        assert (repaired.exit_code, "(repaired)" in repaired.stdout) == (0, True)
        assert run("verify", imported_path).exit_code == 0

    def test_json_is_nothing_but_json(self, broken_path):
        result = run("verify", broken_path, "--json")
        report = json.loads(result.stdout)
        assert (result.exit_code, report["exit_code"], report["damaged_records"]) == (2, 2, 1)

    @pytest.mark.parametrize("options", [(), ("--json",)], ids=["plain", "json"])
    def test_what_does_not_open_ends_with_2(self, imported_path, options):
        (imported_path / "zarr.json").write_text("{")
        result = run("verify", imported_path, *options)
        assert result.exit_code == 2
        assert "is not readable JSON" in result.stdout + result.stderr

    def test_a_wrong_roi_is_damage(self, imported_path):
        record = next(ZarrDataset(imported_path).iter_records())
        record.save_metadata_payload({"rois": [json.loads(ONE_ROI)["rois"][0]] * 2})
        result = run("verify", imported_path)
        assert (result.exit_code, "ROI ids must differ" in result.stdout) == (2, True)

    def test_looking_writes_nothing(self, imported_path, tree_picture):
        before = tree_picture(imported_path)
        run("verify", imported_path, "--deep")
        assert tree_picture(imported_path) == before


class TestUpgrade:
    def test_a_dataset_of_the_older_program_is_copied(self, older_dataset_path, dataset_path):
        result = run("upgrade", older_dataset_path, dataset_path)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1] == "2 records and 2 tables copied, and compared with the original"
        assert run("verify", dataset_path, "--deep").exit_code == 0

    def test_its_tables_can_be_made_again(self, older_dataset_path, dataset_path):
        run("upgrade", older_dataset_path, dataset_path)
        result = run("index", dataset_path)
        assert (result.exit_code, result.stdout.splitlines()[-2:]) == (
            0,
            ["velocity: 0 rows of 2 images, 2 never analysed", "reviews: 3 rows of 2 images, 1 never analysed"],
        )

    def test_another_dataset_is_refused(self, imported_path, tmp_path):
        result = run("upgrade", imported_path, tmp_path / "new.zarr")
        assert (result.exit_code, "is a dataset of this format already" in in_one_line(result.stderr)) == (1, True)

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("info", 1),
            ("verify", 2),
            ("verify --repair", 2),
            ("refresh", 1),
            ("index", 1),
            ("freshness", 1),
            ("tables", 1),
            ("export out", 1),
            ("import made.zarr", 1),
        ],
    )
    def test_every_other_command_names_it_in_one_sentence(self, older_dataset_path, tmp_path, monkeypatch, command, code):
        monkeypatch.chdir(tmp_path)
        name, *others = command.split()
        result = run(name, older_dataset_path, *others)
        assert result.exit_code == code
        assert in_one_line(result.stderr) == (
            f"{older_dataset_path} was written by the older program, and is not opened as it is; make a copy in today's "
            "format with: napari-kymflow upgrade OLD.zarr NEW.zarr"
        )
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_imported_into_it(self, older_dataset_path, tmp_path, tree_picture):
        before = tree_picture(older_dataset_path)
        result = run("import", tmp_path, older_dataset_path)
        assert (result.exit_code, "was written by the older program" in in_one_line(result.stderr)) == (1, True)
        assert tree_picture(older_dataset_path) == before

"""Analysing a whole dataset: only what is not fresh, by any executor, one failing record beside the others."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from kymflow_core import AcqImage, analysis, analyze_dataset
from kymflow_core.cli import app
from kymflow_core.flow import VelocitySettings, notes
from kymflow_core.simulate import Scan, simulate_kymograph
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.errors import WorkerLostError

README = Path(__file__).parents[2] / "README.md"
SPEED_PX = {"fast": 4.0, "slow": 2.0, "back": -3.0}


def scan(speed_px: float, *, lines: int = 600) -> np.ndarray:
    one = Scan(name="", velocity_mm_s=speed_px * 0.5, lines=lines, pixels=24)
    return simulate_kymograph(one, rng=np.random.default_rng(int(abs(speed_px) * 10)))


def write_scans(folder: Path, **speeds_px: float) -> None:
    """Write TIFFs with ImageJ's calibration next to nothing: 0.5 µm per pixel, 1 ms per line, so 1 px/line is 0.5 mm/s."""
    folder.mkdir()
    for name, speed_px in speeds_px.items():
        header = _HEADER.replace("NAME", name)
        tifffile.imwrite(folder / f"{name}.tif", scan(speed_px))
        (folder / f"{name}.txt").write_bytes(header.encode())


_HEADER = "\r\n".join(
    [
        '"[General]"\t""',
        '"Name"\t"NAME.oir"',
        '"[Dimensions]"\t""',
        '"X Dimension"\t"24, 0.0 - 12.000 [um], 0.500 [um/pixel]"',
        '"T Dimension"\t"1, 0.000 - 0.600 [s], Interval FreeRun"',
        '"[Image]"\t""',
        '"Image Size"\t"24 * 600 [pixel]"',
        "",
    ]
)


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def lab(tmp_path):
    """Three scans of known velocity without ROIs, imported."""
    write_scans(tmp_path / "scans", **SPEED_PX)
    assert command("import", tmp_path / "scans", tmp_path / "lab.zarr", "-q").exit_code == 0
    return ZarrDataset(tmp_path / "lab.zarr")


def stamps(dataset):
    """Return when each file of the analyses was written."""
    return {path: path.stat().st_mtime_ns for path in dataset.path.glob("images/*/analysis/*.parquet")}


def test_only_what_is_not_fresh_is_measured_whatever_runs_it(lab):
    done = []
    with ThreadPoolExecutor(2) as pool:
        report = analyze_dataset(
            lab, rois="full", executor=pool, watch=Watch(progress=lambda at, total, name: done.append((at, total, name)))
        )
    assert report.summary() == "3 ROIs of 3 images measured, 0 fresh"
    assert sorted(name for _, _, name in done) == sorted(SPEED_PX)
    assert [at for at, _, _ in done] == [1, 2, 3]
    before = stamps(lab)
    assert analyze_dataset(lab.path, rois="full").summary() == "0 ROIs of 0 images measured, 3 fresh"
    assert stamps(lab) == before
    image = AcqImage(next(lab.iter_records()))
    image.edit_roi(1, x0=2)
    report = analyze_dataset(lab)
    assert [list(one.measured) for one in report.records if one.measured] == [[1]]
    assert analyze_dataset(lab, settings=VelocitySettings(window_s=0.03)).n_measured == 3


@pytest.mark.slow
def test_one_record_that_fails_is_named_and_the_others_are_done(lab):
    damaged, *_ = lab.list_image_ids()
    for chunk in (lab.path / "images" / damaged / "data" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"spoiled")
    report = analyze_dataset(lab, rois="full")
    assert (report.n_measured, report.n_failed) == (2, 1)
    (failed,) = (one for one in report.records if one.failed or one.error)
    assert failed.image_id == damaged
    again = analyze_dataset(lab, rois="full")
    assert (again.n_measured, again.n_failed) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [0, 1])
def test_a_run_that_is_cancelled_leaves_whole_records_and_goes_on(lab, threads):
    done = []
    watch = Watch(progress=lambda at, *_: done.append(at), is_cancelled=lambda: bool(done))
    pool = ThreadPoolExecutor(threads) if threads else None
    report = analyze_dataset(lab, rois="full", executor=pool, watch=watch)
    if pool is not None:
        pool.shutdown()
    assert report.is_cancelled
    assert 1 <= report.n_measured < 3
    rest = analyze_dataset(lab, rois="full")
    assert (rest.n_measured + report.n_measured, rest.is_cancelled) == (3, False)


def test_a_record_whose_process_died_is_named(lab, monkeypatch):
    def broken(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(analysis, "analyze_record", broken)
    with ThreadPoolExecutor(1) as pool:
        report = analyze_dataset(lab, executor=pool)
    assert {one.error for one in report.records} == {"RuntimeError: out of memory"}


@pytest.mark.slow
def test_ctrl_c_leaves_finished_records_done(lab, monkeypatch):
    whole, begun = analysis.analyze_record, []

    def stopped_at_the_second(*arguments):
        begun.append(arguments)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(analysis, "analyze_record", stopped_at_the_second)
    result = command("analyze", lab.path, "--roi", "full")
    assert result.exit_code == 130
    assert "Stopped after 1 of 3 images" in result.stderr
    monkeypatch.undo()
    result = command("analyze", lab.path, "--roi", "full")
    assert result.output.splitlines()[-1] == "2 ROIs of 2 images measured, 1 fresh"
    assert len(lab.load_table("radon_report")) == 3


@pytest.mark.slow
def test_the_command_says_what_it_measured_and_what_it_could_not(lab):
    result = command("analyze", lab.path)
    assert result.output.count("no ROI; --roi full measures the whole image") == 3
    first, *_ = lab.iter_records()
    AcqImage(first).add_roi(x0=0, x1=4, y0=0, y1=600, name="thin")
    result = command("analyze", lab.path, "--roi", "thin")
    assert f"ROI 1 (thin): no velocity, 0 of 0 windows; {notes.too_narrow(4, 6)}" in result.output
    assert result.output.count("no ROI named 'thin'") == 2
    assert command("freshness", lab.path).exit_code == 0
    result = command("analyze", lab.path, "--method", "magic")
    assert (result.exit_code, "method is 'magic'; it is one of likelihood" in result.stderr) == (1, True)


def test_the_three_commands_of_the_readme_give_velocities(tmp_path, monkeypatch):
    block = README.read_text(encoding="utf-8").partition("to a CSV of velocities")[2].split("```")[1]
    commands = [line.split() for line in block.splitlines() if line.startswith("napari-kymflow")]
    assert len(commands) == 3
    monkeypatch.chdir(tmp_path)
    write_scans(tmp_path / "line-scans", **SPEED_PX)
    for _, *arguments in commands:
        assert command(*arguments).exit_code == 0
    table = pd.read_csv("velocities.csv")
    images = ZarrDataset("lab.zarr").load_table("images").set_index("image_id")["name"]
    medians = table.groupby(table["image_id"].map(images))["velocity_mm_s"].median()
    assert medians.to_dict() == pytest.approx({name: 0.5 * speed for name, speed in SPEED_PX.items()}, rel=0.03)


def test_without_the_package_a_cluster_is_refused(lab, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    result = command("analyze", lab.path, "--dask", "tcp://127.0.0.1:1")
    assert result.exit_code == 1
    assert "pip install 'napari-kymflow[dask]'" in result.stderr


def measured_slowly(path, image_id, rois, settings, folder):
    """Note who measures a record, and take a while before: longer than it takes to kill a worker."""
    with (Path(folder) / image_id).open("a") as notes_of_it:
        notes_of_it.write(f"{os.getpid()}\n")
    time.sleep(0.5)
    return analysis.analyze_record(path, image_id, rois, settings)


def test_processes_of_which_one_was_killed_are_a_failure_that_says_what_to_do(lab):
    class Broken(ThreadPoolExecutor):
        def submit(self, *_, **__):
            raise BrokenProcessPool("a child process terminated abruptly")

    with pytest.raises(WorkerLostError, match=r"ended from outside, .* do the same again, with fewer processes at once"):
        analyze_dataset(lab, executor=Broken())


@pytest.mark.trials
@pytest.mark.filterwarnings("default")
def test_a_worker_that_is_killed_has_only_its_own_images_repeated(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    write_scans(tmp_path / "scans", **{f"scan{number}": float(number) for number in range(1, 9)})
    assert command("import", tmp_path / "scans", tmp_path / "lab.zarr", "-q").exit_code == 0
    (folder := tmp_path / "begun").mkdir()
    killed: list[int] = []

    def kill_one(at, *_):
        if at == 2:
            pid = next(iter(client.run(os.getpid).values()))
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        executor = client.get_executor()
        submit = executor.submit
        monkeypatch.setattr(executor, "submit", lambda _, *arguments: submit(measured_slowly, *arguments, str(folder)))
        report = analyze_dataset(tmp_path / "lab.zarr", rois="full", executor=executor, watch=Watch(progress=kill_one))
    assert (report.n_measured + sum(len(one.fresh) for one in report.records), report.n_failed) == (8, 0)
    begun = {path.name: list(map(int, path.read_text().split())) for path in folder.iterdir()}
    repeated = {image_id: pids for image_id, pids in begun.items() if len(pids) > 1}
    assert len(begun) == 8
    assert 1 <= len(repeated) <= 4
    assert all(pids[0] == killed[0] for pids in repeated.values())


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of two workers."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.mark.trials
def test_a_cluster_verifies_and_fills_the_tables_as_one_process_does(lab, cluster):
    alone = command("verify", lab.path, "--deep").output
    (lab.path / "tables/rois.parquet").unlink(missing_ok=True)
    assert command("index", lab.path, "--rebuild", "--dask", cluster).exit_code == 0
    assert command("verify", lab.path, "--deep", "--dask", cluster).output == alone
    assert command("freshness", lab.path).output.count("fresh") >= 1


@pytest.mark.trials
def test_a_cluster_exports_what_one_process_does(lab, cluster, tmp_path):
    def files_of(name):
        """All files of an export, but for the document, which says when it was made."""
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file() and path.name != "dataset.json"]
        return {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in files}

    lab.export_legacy_folder(tmp_path / "alone")
    result = command("export", lab.path, tmp_path / "out", "--dask", cluster)
    assert (result.exit_code, result.stderr) == (0, "")
    assert files_of("out") == files_of("alone")
    assert ZarrDataset(tmp_path / "again.zarr").import_folder(tmp_path / "out").summary().startswith("3 imported")


@pytest.mark.trials
def test_two_processes_verify_as_one_does(lab):
    assert command("verify", lab.path, "--jobs", "2").output == command("verify", lab.path).output


@pytest.mark.trials
def test_a_cluster_that_is_not_there_is_named(lab):
    pytest.importorskip("distributed")
    result = command("analyze", lab.path, "--dask", "tcp://127.0.0.1:9")
    assert result.exit_code == 1
    assert "no dask cluster answers at 'tcp://127.0.0.1:9'" in result.stderr

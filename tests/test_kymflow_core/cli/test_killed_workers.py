"""What `--jobs` says and leaves where a process that shares the work is killed."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from dying import killed_at_its_second_file
from typer.testing import CliRunner

from kymflow_core.cli import app
from kymflow_zarr import ZarrDataset, spread
from kymflow_zarr.exporting import export
from kymflow_zarr.importing import restore

pytestmark = pytest.mark.trials
LOST = "a process that shared the work was ended from outside"
AGAIN = "do the same again, with fewer processes at once"


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class Killing:
    """An executor whose process is killed at the work on one record."""

    def __init__(self, executor, doomed):
        self.executor, self.doomed = executor, doomed

    def submit(self, work, *arguments):
        (record,) = arguments[-1]
        image_id = record[1].image_id if isinstance(record, tuple) else record.image_id
        doing = partial(killed_at_its_second_file, work) if image_id == self.doomed else work
        return self.executor.submit(doing, *arguments)


def kill_at(monkeypatch, module, doomed):
    submit = module._submit
    monkeypatch.setattr(module, "_submit", lambda executor, *arguments: submit(Killing(executor, doomed), *arguments))


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Three records; work on them is handed over one by one."""
    monkeypatch.setattr(spread, "CHUNK", 1)
    dataset = ZarrDataset.create(tmp_path / "lab.zarr")
    for number in range(3):
        with dataset.build_record(np.full((40, 12), number, np.uint16)) as draft:
            draft.save_metadata_payload({"header": {"name": f"scan {number}"}})
            draft.save_json("notes", {"number": number})
    return dataset


def content_of(path: Path) -> dict[str, tuple[object, ...]]:
    return {
        one.image_id: (one.load_array().tolist(), one.load_metadata_payload(), one.load_json("notes"))
        for one in ZarrDataset(path, mode="r").iter_records()
    }


def test_an_export_of_which_a_process_is_killed_is_not_there_and_goes_well_the_second_time(lab, tmp_path, monkeypatch):
    kill_at(monkeypatch, export, lab.list_image_ids()[1])
    result = run("export", lab.path, tmp_path / "out", "--jobs", 2)
    said = " ".join(result.stderr.split())
    assert (result.exit_code, LOST in said, AGAIN in said) == (1, True, True)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert run("export", lab.path, tmp_path / "out").exit_code == 0
    ZarrDataset(tmp_path / "again.zarr").import_folder(tmp_path / "out")
    assert content_of(tmp_path / "again.zarr") == content_of(lab.path)


def test_an_import_of_which_a_process_is_killed_has_whole_records_only_and_goes_on_from_there(lab, tmp_path, monkeypatch):
    lab.export_legacy_folder(tmp_path / "out")
    doomed, again = lab.list_image_ids()[1], tmp_path / "again.zarr"
    kill_at(monkeypatch, restore, doomed)
    result = run("import", tmp_path / "out", again, "--jobs", 2)
    said = " ".join(result.stderr.split())
    assert (result.exit_code, LOST in said, AGAIN in said) == (1, True, True)
    whole = content_of(lab.path)
    assert content_of(again).items() <= {key: item for key, item in whole.items() if key != doomed}.items()
    assert ZarrDataset(again, mode="r").verify(deep=True).problems == ()
    monkeypatch.undo()
    assert run("import", tmp_path / "out", again).exit_code == 0
    assert content_of(again) == whole


@pytest.mark.parametrize("ended", ["its processes, again and again", "the cluster"])
def test_an_export_by_a_cluster_that_ends_is_not_there_and_says_why(lab, tmp_path, monkeypatch, ended):
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 60}
    with distributed.LocalCluster(**settings) as cluster:
        if ended == "the cluster":
            submit = export._submit

            def end(executor, *arguments):
                future = submit(executor, *arguments)
                cluster.close()
                return future

            monkeypatch.setattr(export, "_submit", end)
        else:
            kill_at(monkeypatch, export, lab.list_image_ids()[1])
        result = run("export", lab.path, tmp_path / "out", "--dask", cluster.scheduler_address)
    assert (result.exit_code, LOST in " ".join(result.stderr.split())) == (1, True)
    assert not (tmp_path / "out").exists()

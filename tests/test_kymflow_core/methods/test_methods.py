import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from kymflow_core import KymDataset, MetadataEdit, edit_metadata, simulate
from kymflow_core.cli import app
from kymflow_core.errors import CommandError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import INDEXERS
from kymflow_core.methods.paragraph import gather_facts, methods_paragraph
from kymflow_core.methods.remake import remake_tables
from kymflow_core.reviews.event import ARTEFACT, TRUE_STALL
from kymflow_core.reviews.log import ReviewLog
from kymflow_core.reviews.review import load_review
from kymflow_core.roi import RectROI, RoiSet
from kymflow_zarr import ZarrDataset


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Three raw files of two animals, imported; two of them measured, with events judged by two reviewers."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "raw").mkdir()
    scans = list(simulate.DEMO_SCANS)[:2]
    rng = np.random.default_rng(3)
    for number, scan in enumerate(scans, start=1):
        tifffile.imwrite(folder / "raw" / f"scan {number}.tif", simulate.simulate_kymograph(scan, rng=rng))
    tifffile.imwrite(folder / "raw" / "scan 3.tif", np.ones((40, 12), np.uint16))
    dataset = ZarrDataset(folder / "lab.zarr")
    dataset.import_folder(folder / "raw")
    sources = dataset.load_sources()
    ids = {one.source_primary_path.removesuffix(".tif")[-1]: image_id for image_id, one in sources.items()}
    for number in ("1", "2"):
        scan = scans[int(number) - 1]
        edit = MetadataEdit(
            seconds_per_line=scan.seconds_per_line,
            um_per_pixel=scan.um_per_pixel,
            experiment={"subject_id": f"mouse {number}", "vessel_id": "a"},
        )
        edit_metadata(dataset, [ids[number]], edit)
        image = AcqImage(dataset.record(ids[number]))
        image.save_rois(RoiSet.of([RectROI(roi_id=1, name="vessel", x0=8, x1=scan.pixels - 8, y0=0, y1=scan.lines)]))
        image.analyze()
        record = dataset.record(ids[number])
        for one in load_review(record).events:
            ReviewLog(record, reviewer="Ada").judge(one.event, TRUE_STALL)
            ReviewLog(record, reviewer="Ben").judge(one.event, ARTEFACT)
    tables = KymDataset(dataset)
    for indexer in INDEXERS:
        tables.refresh(indexer)
    return folder


def test_the_numbers_are_counted(measured):
    facts = gather_facts(ZarrDataset(measured / "lab.zarr", mode="r"))
    assert (facts.images, facts.measured_images, facts.subjects, facts.vessels, facts.rois) == (3, 2, 2, 2, 2)
    assert facts.valid_windows + sum(facts.flags.values()) == facts.windows
    assert facts.excluded == {"without a measured ROI": 1}
    n_events = sum(facts.events.values())
    assert n_events
    assert facts.verdicts == {"Ada": {TRUE_STALL: n_events}, "Ben": {ARTEFACT: n_events}}
    ((settings, n_rois),) = facts.settings
    assert (settings.method, settings.window_s, n_rois) == ("likelihood", 0.02, 2)


def test_the_paragraph_has_them_and_no_reviewers_name(measured):
    text = methods_paragraph(gather_facts(ZarrDataset(measured / "lab.zarr", mode="r")))
    assert "Velocities were measured in 2 ROIs of 2 images, of 2 vessels in 2 animals." in text
    assert "The method was 'likelihood', with windows of 20 ms, and 12 lines at least" in text
    assert "Of 3 images in the dataset: 1 image without a measured ROI." in text
    assert "0 alike (Cohen's kappa 0.00)" in text
    assert "Ada" not in text


@pytest.mark.slow
def test_animals_that_are_not_named_are_unknown_and_the_way_out_is_said(tmp_path):
    dataset = simulate.make_demo_dataset(tmp_path / "demo.zarr")
    image = AcqImage(next(iter(dataset.iter_records())))
    image.analyze([1])
    text = methods_paragraph(gather_facts(dataset))
    assert "of an unknown number of vessels in an unknown number of animals." in text
    assert "[Enter subject_id and vessel_id for every image to have these numbers.]" in text


@pytest.mark.trials
def test_the_script_makes_the_same_tables_from_the_raw_files(measured, tmp_path):
    script = tmp_path / "remake.py"
    done = CliRunner().invoke(app, ["methods", str(measured / "lab.zarr"), "--script", str(script)])
    assert done.exit_code == 0, done.output
    arguments = [str(one) for one in (script, measured / "lab.zarr", measured / "raw", tmp_path / "again.zarr")]
    ran = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    lines = ran.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [one.table_name for one in INDEXERS]
    assert all(line.endswith("all the same") for line in lines)


@pytest.mark.slow
def test_raw_files_that_changed_are_named_and_other_numbers_too(measured, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "scan 1.tif").write_bytes((measured / "raw" / "scan 1.tif").read_bytes())
    remade = remake_tables(measured / "lab.zarr", tmp_path / "raw", tmp_path / "again.zarr")
    assert len(remade.differences) == 2
    assert all(line.endswith(f"its file is not in {tmp_path / 'raw'}") for line in remade.differences)


@pytest.mark.slow
def test_a_number_that_the_pixels_do_not_give_is_found(measured, tmp_path):
    shutil.copytree(measured / "lab.zarr", tmp_path / "tampered.zarr")
    dataset = ZarrDataset(tmp_path / "tampered.zarr")
    record = next(one for one in dataset.iter_records() if one.has_analysis("velocity.parquet"))
    stated = record.load_computed_from("velocity.parquet")
    frame = record.load_df_parquet("velocity")
    record.save_df_parquet("velocity", frame.assign(velocity_mm_s=frame["velocity_mm_s"] * 1.001), computed_from=stated)
    remade = remake_tables(dataset.path, measured / "raw", tmp_path / "again.zarr")
    assert remade.differences == ("velocity: the columns velocity_mm_s differ",)


def test_a_folder_with_none_of_the_files_is_refused(measured, tmp_path):
    (tmp_path / "raw").mkdir()
    tifffile.imwrite(tmp_path / "raw" / "other.tif", np.zeros((40, 12), np.uint16))
    with pytest.raises(CommandError, match=r"has none of the files that .* was made of; give their folder"):
        remake_tables(measured / "lab.zarr", tmp_path / "raw", tmp_path / "again.zarr")


def test_a_script_that_is_there_stays(measured, tmp_path):
    (tmp_path / "remake.py").write_text("mine")
    done = CliRunner().invoke(app, ["methods", str(measured / "lab.zarr"), "--script", str(tmp_path / "remake.py")])
    assert done.exit_code == 1
    assert (tmp_path / "remake.py").read_text() == "mine"

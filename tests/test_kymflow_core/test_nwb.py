import builtins
import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from kymflow_core import AcqImage, simulate
from kymflow_core.cli import app
from kymflow_core.errors import MissingPackageError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.indexers import VelocityIndexer
from kymflow_core.nwb import export_nwb, write_nwb
from kymflow_core.roi import MaskROI
from kymflow_core.velocity_schema import conform_velocity

SCAN = simulate.Scan(name="short", velocity_mm_s=0.4, lines=400, pixels=32)
MOUSE = {"subject_id": "A89", "species": "Mus musculus", "sex": "male", "age": "12 weeks", "region": "VISp", "note": "µ"}


def windows(roi_id: int, method: str, times: np.ndarray) -> pd.DataFrame:
    velocity = np.where(np.arange(len(times)) == 1, np.nan, 0.4 + 0.01 * roi_id)
    ids = {"roi_id": roi_id, "channel": 1, "method": method, "window": np.arange(len(times)), "time_s": times, "flag": ""}
    values = {"velocity_mm_s": velocity, "velocity_low_mm_s": velocity - 0.1, "velocity_high_mm_s": velocity + 0.1}
    return conform_velocity(pd.DataFrame({**ids, **values, "quality": 0.95}), what="x")


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """A demo dataset of one record with windows in equal and in unequal steps, a drawn ROI, and notes of a mouse."""
    pytest.importorskip("pynwb")
    dataset = simulate.make_demo_dataset(tmp_path_factory.mktemp("nwb") / "demo.zarr", scans=[SCAN])
    record = next(dataset.iter_records())
    image = AcqImage(record)
    shape = {"type": "polygon", "vertices": [[2, 2], [30, 3], [20, 12]]}
    image.save_rois(image.rois.add(MaskROI(roi_id=3, reference=None, name="drawn", meta={"shape": shape})))
    record.save_metadata_payload(RecordMetadata.load(record).with_experiment(MOUSE).to_json())
    series = [windows(1, "likelihood", 0.008 + 0.004 * np.arange(97)), windows(2, "piv", np.array([0.01, 0.05, 0.06]))]
    record.save_df_parquet("velocity", pd.concat(series, ignore_index=True))
    return dataset


@pytest.fixture(scope="module")
def written(analysed, tmp_path_factory):
    report = export_nwb(analysed, tmp_path_factory.mktemp("out"))
    assert report.failed == ()
    (path,) = report.files
    return path


def test_pynwb_reads_the_numbers_of_the_record(analysed, written):
    from pynwb import NWBHDF5IO

    record = next(analysed.iter_records())
    image = AcqImage(record)
    with NWBHDF5IO(str(written), "r") as io:
        file = io.read()
        scan, ophys = file.acquisition["line_scan"], file.processing["ophys"]
        np.testing.assert_array_equal(scan.data[:, :, 0], record.load_array())
        assert (scan.rate, scan.scan_line_rate) == (1000.0, 1000.0)
        assert scan.imaging_plane.grid_spacing[:].tolist() == [0.5, 0.5]
        assert (file.identifier, scan.imaging_plane.location) == (record.image_id, "VISp")
        assert file.session_start_time.replace(tzinfo=None) == image.header.acquired
        subject = file.subject
        assert (subject.subject_id, subject.sex, subject.age, subject.species) == ("A89", "M", "P12W", "Mus musculus")
        rois = ophys["ImageSegmentation"]["rois"].to_dataframe()
        assert rois.index.tolist() == list(image.rois.ids)
        first = image.get_roi(1)
        assert [(x, y, w) for x, y, w in rois.loc[1, "pixel_mask"]] == [(x, 0, 1.0) for x in range(first.x0, first.x1)]
        drawn = sum(weight for _, _, weight in rois.loc[3, "pixel_mask"])
        lines = rois.loc[3, "end_line"] - rois.loc[3, "first_line"]
        assert drawn * lines == pytest.approx(image.get_roi_mask(3).sum())
        stored = record.load_df_parquet("velocity")
        equal, unequal = ophys["velocity_roi_1_channel_1"], ophys["velocity_roi_2_channel_1"]
        np.testing.assert_array_equal(equal.data[:], stored.loc[stored["roi_id"] == 1, "velocity_mm_s"])
        assert (equal.starting_time, equal.rate) == (pytest.approx(0.008), pytest.approx(250.0))
        assert unequal.timestamps[:].tolist() == [0.01, 0.05, 0.06]
        assert (equal.unit, equal.conversion, equal.comments) == ("m/s", 0.001, "method: likelihood; ROI 1, channel 1")
        assert ophys["interval_roi_1_channel_1"].data.shape == (97, 2)
        assert set(ophys["quality_roi_2_channel_1"].data[:]) == {0.95}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # nwbinspector's own dependencies warn
@pytest.mark.parametrize(
    "experiment",
    [
        pytest.param({}, id="of the demo"),
        pytest.param(MOUSE, id="full", marks=pytest.mark.trials),
        pytest.param({"age": "old", "sex": "Xxxy", "species": "mouse"}, id="odd", marks=pytest.mark.trials),
    ],
)
def test_nwbinspector_finds_nothing_critical(analysed, tmp_path, experiment):
    inspector = pytest.importorskip("nwbinspector")
    record = next(analysed.iter_records())
    before = record.load_metadata_payload()
    record.save_metadata_payload(RecordMetadata.load(record).with_experiment(experiment).to_json())
    path = tmp_path / "x.nwb"
    write_nwb(record, path)
    record.save_metadata_payload(before)
    found = list(inspector.inspect_nwbfile(nwbfile_path=str(path)))
    below = (inspector.Importance.BEST_PRACTICE_SUGGESTION, inspector.Importance.BEST_PRACTICE_VIOLATION)
    assert [message for message in found if message.importance not in below] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "axes", "reason"),
    [
        ({"acquired_local_epoch_ns": None}, ("y", "x"), "has no time of acquisition, which NWB needs"),
        ({"seconds_per_line": None}, ("y", "x"), "has no seconds per line, which NWB needs; enter its calibration"),
        ({}, ("z", "y", "x"), r"has the axes \('z', 'y', 'x'\); line scans"),
    ],
)
def test_a_record_that_nwb_cannot_hold_is_left_out_with_the_reason(dataset, tmp_path, header, axes, reason):
    pytest.importorskip("pynwb")
    known = {"name": "a/b", "seconds_per_line": 0.001, "um_per_pixel": 0.5, "acquired_local_epoch_ns": 10**18}
    for fields, of_axes in ((header, axes), ({"channel_names": ("plasma", "cells")}, ("c", "y", "x"))):
        pixels = np.zeros((2, 4, 3)[-len(of_axes) :], np.uint8)
        with dataset.build_record(pixels, axes=of_axes) as draft:
            stated = AcquisitionHeader(**{**known, **fields})
            draft.save_metadata_payload(RecordMetadata().with_header(stated).to_json())
    report = export_nwb(dataset, tmp_path / "out")
    assert len(report.files) == len(list((tmp_path / "out").iterdir())) == 1
    (failure,) = report.failed
    assert re.search(reason, failure.reason)
    assert report.summary() == "1 record exported as NWB, 1 not exported"


class TestARecordThatAnotherProgramChangesMeanwhile:
    @pytest.fixture
    def dataset(self, tmp_path):
        """A dataset of one record with two ROIs."""
        pytest.importorskip("pynwb")
        return simulate.make_demo_dataset(tmp_path / "demo.zarr", scans=[SCAN])

    @pytest.fixture
    def changed(self, dataset, monkeypatch):
        """A function that draws and analyses a ROI after the ROIs were read, before the velocities are, so many times."""

        def change(times):
            real, left = VelocityIndexer.extract_rows, list(range(times))

            def extract(indexer, record):
                if left:
                    image = AcqImage(dataset.record(record.image_id))
                    roi = image.add_roi(x0=0, x1=9, y0=0, y1=99, name=str(left.pop()))
                    image.source.save_df_parquet("velocity", windows(roi.roi_id, "piv", np.array([0.01, 0.05])))
                return real(indexer, record)

            monkeypatch.setattr(VelocityIndexer, "extract_rows", extract)

        return change

    @pytest.mark.slow
    def test_has_velocities_of_the_rois_that_it_has(self, dataset, changed, tmp_path):
        from pynwb import NWBHDF5IO

        changed(1)
        (path,) = export_nwb(dataset, tmp_path / "out").files
        (roi,) = [roi for roi in AcqImage(next(dataset.iter_records())).rois if roi.name == "0"]
        with NWBHDF5IO(str(path), "r") as io:
            ophys = io.read().processing["ophys"]
            assert f"velocity_roi_{roi.roi_id}_channel_1" in ophys.data_interfaces
            assert roi.roi_id in ophys["ImageSegmentation"]["rois"].id[:]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("owner", "step"), [(AcqImage, "slice_pixels"), (AcqImage, "mask_of"), (VelocityIndexer, "extract_rows")]
    )
    def test_is_left_out_where_it_is_deleted(self, dataset, tmp_path, monkeypatch, owner, step):
        image_id, real = next(dataset.iter_records()).image_id, getattr(owner, step)

        def delete(*args, **kwargs):
            if dataset.has_record(image_id):
                dataset.delete_image(image_id)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, step, delete)
        report = export_nwb(dataset, tmp_path / "out")
        assert (report.files, list((tmp_path / "out").iterdir())) == ((), [])
        assert [str(one.path) for one in report.failed] == [image_id]

    def test_is_left_out_where_it_changes_each_time(self, dataset, changed, tmp_path):
        changed(3)
        report = export_nwb(dataset, tmp_path / "out")
        assert (report.files, list((tmp_path / "out").iterdir())) == ((), [])
        assert "other programs changed it each of the 3 times that it was read" in report.failed[0].reason


def test_the_command_writes_files_and_leaves_a_folder_with_others_alone(analysed, tmp_path):
    target = tmp_path / "published"
    result = CliRunner().invoke(app, ["export", str(analysed.path), str(target), "--nwb", "--json"])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["records"], said["files"]) == (0, 1, [str(path) for path in target.iterdir()])
    again = CliRunner().invoke(app, ["export", str(analysed.path), str(target), "--nwb"])
    assert (again.exit_code, "there is something at" in again.stderr) == (1, True)


def test_without_pynwb_the_error_says_what_to_install(dataset, tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "pynwb":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingPackageError, match=r'install it with: pip install "napari-kymflow\[nwb\]"$'):
        export_nwb(dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()

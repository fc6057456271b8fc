"""Analysing ROIs of a record: what is written, beside what, how it goes out of date and comes back."""

import numpy as np
import pandas as pd
import pytest

from kymflow_core import (
    AcqImage,
    KymDataset,
    MetadataEdit,
    RadonReportIndexer,
    VelocityEventsIndexer,
    VelocityIndexer,
    edit_metadata,
)
from kymflow_core.computed_from import ComputedFrom
from kymflow_core.flow import VelocitySettings, notes
from kymflow_core.images import velocity_results
from kymflow_core.images.velocity_results import stale_roi_ids
from kymflow_core.simulate import Episode, Scan, simulate_kymograph
from kymflow_core.velocity_schema import VELOCITY_COLUMNS
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import ConflictError

SECONDS, UM = 0.001, 0.5
STALL = Episode(t0_s=0.6, t1_s=0.8, velocity_mm_s=0.0, kind="stall")
SCAN = Scan(name="stall", velocity_mm_s=1.0, episodes=(STALL,), lines=1200, pixels=24)
HEADER = {"name": "stall", "seconds_per_line": SECONDS, "um_per_pixel": UM, "dwell_s": 2e-6}
ARTIFACTS = ("velocity", "velocity_events", "radon_report")
INDEXERS = (RadonReportIndexer(), VelocityEventsIndexer(), VelocityIndexer())


@pytest.fixture(scope="module")
def pixels():
    return simulate_kymograph(SCAN, rng=np.random.default_rng(7))


def add(dataset, pixels, *, axes=None, rois=(), **metadata):
    """Add a record with rectangles, and return it as an image."""
    with dataset.build_record(pixels, axes=axes) as draft:
        draft.save_metadata_payload({"header": HEADER, **metadata})
    image = AcqImage(dataset.record(draft.image_id))
    for roi in rois:
        image.add_roi(**roi)
    return image


WHOLE = {"x0": 0, "x1": 24, "y0": 0, "y1": 1200}
LATE = {"x0": 2, "x1": 22, "y0": 900, "y1": 1200, "name": "late"}


@pytest.fixture
def image(dataset, pixels):
    return add(dataset, pixels, rois=(WHOLE, LATE))


def rows(image, name):
    return image.source.load_df_parquet(name)


def states(dataset):
    """Return the state of the one record in each table of results, after a refresh."""
    tables = KymDataset(dataset)
    for indexer in INDEXERS:
        tables.refresh(indexer)
    return {indexer.table_name: tables.freshness(indexer)["state"].item() for indexer in INDEXERS}


@pytest.mark.slow
def test_an_analysis_writes_windows_events_and_a_report(image):
    done = image.analyze()
    velocity, events, report = (rows(image, name) for name in ARTIFACTS)
    assert (list(done.measured), done.failed) == ([1, 2], {})
    assert list(velocity.columns)[: len(VELOCITY_COLUMNS)] == list(VELOCITY_COLUMNS)
    assert velocity.groupby("roi_id")["time_s"].min().to_dict() == pytest.approx({1: 0.01, 2: 0.91})
    late = velocity.loc[velocity["roi_id"] == 2, "velocity_mm_s"]
    assert late.median() == pytest.approx(1.0, rel=0.03)
    stall = events[(events["kind"] == "low") & (events["roi_id"] == 1)]
    assert (stall["t0_s"].item(), stall["t1_s"].item()) == pytest.approx((0.6, 0.8), abs=0.02)
    assert report["method"].tolist() == ["likelihood", "likelihood"]
    assert (report["n_windows"] == velocity.groupby("roi_id").size().to_list()).all()
    assert {str(report[name].dtype) for name in ("roi_id", "n_valid", "n_windows", "n_at_limit", "cells")} <= {
        "int64",
        "Int64",
    }
    assert np.isnan(report["heart_rate_hz"]).all()
    assert done.measured[2].summary() == "ROI 2 (late): 1 mm/s, 57 of 57 windows"


@pytest.mark.slow
def test_a_changed_roi_calibration_or_setting_outdates_and_analysing_again_renews(dataset, image):
    def stale(**settings):
        return stale_roi_ids(image.source, image.metadata, image.rois.ids, VelocitySettings(**settings))

    assert stale() == {1: "not analysed", 2: "not analysed"}
    image.analyze()
    assert (stale(), set(states(dataset).values())) == ({}, {"fresh"})
    assert stale(window_s=0.03) == dict.fromkeys((1, 2), "parameter window_s: 0.02 → 0.03 after the analysis")
    image.edit_roi(2, x0=10)
    assert list(stale()) == [2]
    assert set(states(dataset).values()) == {"outdated"}
    tables = KymDataset(dataset)
    marks = tables.get_table("radon_report").set_index("roi_id")["outdated"]
    assert marks.to_dict() == {1: False, 2: True}
    image.analyze([2], VelocitySettings(window_s=0.03))
    assert (list(stale()), list(stale(window_s=0.03))) == ([2], [1])
    assert set(states(dataset).values()) == {"fresh"}
    edit_metadata(dataset, [image.source.image_id], MetadataEdit(um_per_pixel=0.6))
    assert set(states(dataset).values()) == {"outdated"}
    image = AcqImage(image.source)
    image.analyze()
    assert set(states(dataset).values()) == {"fresh"}
    assert rows(image, "velocity").query("roi_id == 2")["velocity_mm_s"].median() == pytest.approx(1.2, rel=0.03)
    image.delete_roi(2)
    image.analyze()
    assert set(states(dataset).values()) == {"fresh"}
    assert [set(rows(image, name)["roi_id"]) for name in ("velocity", "radon_report")] == [{1}, {1}]


@pytest.mark.slow
def test_results_of_other_programs_stay_beside_ours(dataset, image):
    older = ComputedFrom.of(image.rois, algorithm="mpRadon", calibration=image.header).to_json()
    report = pd.DataFrame(
        {
            "roi_id": [1],
            "mean_velocity": [0.4],
            "median_velocity": [0.4],
            "n_valid": [7],
            "notes": [""],
            "algorithm": ["mpRadon"],
        }
    )
    events = pd.DataFrame(
        {"roi_id": [1], "event_id": [4], "t0_s": [0.7], "t1_s": [1.0], "kind": ["stall"], "score": [1.0], "i_start": [3.0]}
    )
    image.source.save_df_parquet("radon_report", report, computed_from=older)
    image.source.save_df_parquet("velocity_events", events, computed_from=older)
    for _ in range(2):
        image.analyze([1])
    for name, before in (("radon_report", report), ("velocity_events", events)):
        after = rows(image, name)
        kept = after[after["method"].isna()]
        pd.testing.assert_frame_equal(kept[before.columns].reset_index(drop=True), before, check_dtype=False)
        assert (after["method"] == "likelihood").sum() >= 1
    ids = rows(image, "velocity_events")["event_id"]
    assert ids.is_unique
    assert 4 in ids.tolist()
    assert set(states(dataset).values()) == {"fresh"}
    indexed = KymDataset(dataset).get_table("velocity_events")
    assert str(indexed["i_start"].dtype) == "Int64"
    assert set(indexed["method"].dropna()) == {"likelihood"}
    # A ROI that moves outdates both; analysed again, only the older row stays marked.
    image.edit_roi(1, x0=4)
    image.analyze([1])
    assert set(states(dataset).values()) == {"fresh"}
    marks = KymDataset(dataset).get_table("radon_report").fillna({"method": ""}).set_index("method")["outdated"]
    assert marks.to_dict() == {"": True, "likelihood": False}


@pytest.mark.slow
def test_the_same_episode_keeps_its_id(image):
    image.analyze()
    before = rows(image, "velocity_events")
    image.analyze([1], VelocitySettings(window_s=0.024))
    after = rows(image, "velocity_events")

    def low(frame):
        return frame[(frame["kind"] == "low") & (frame["roi_id"] == 1)]["event_id"].item()

    assert low(before) == low(after)
    assert after["event_id"].is_unique


@pytest.mark.slow
def test_a_mask_and_each_channel_are_measured_by_their_own_pixels(dataset, pixels, rng):
    noise = rng.poisson(30, pixels.shape).astype(pixels.dtype)
    image = add(dataset, np.stack([noise, pixels]), axes=("c", "y", "x"))
    assert image.add_full_rois() == image.add_full_rois() == [1, 2]
    mask = np.zeros(pixels.shape, bool)
    mask[100:500, 4:22] = True
    mask[100:200, 4:8] = False
    image.add_mask_roi(mask, channel=2)
    done = image.analyze()
    report = rows(image, "radon_report").set_index("roi_id")
    assert report["channel"].to_dict() == {1: 1, 2: 2, 3: 2}
    assert done.measured[1].notes == notes.NO_CELLS
    assert report.loc[3, "median_velocity"] == pytest.approx(1.0, rel=0.03)
    assert report.loc[3, "img_mean"] == pytest.approx(pixels[mask].mean())
    times = rows(image, "velocity").query("roi_id == 3")["time_s"]
    assert (times.min(), times.max()) == pytest.approx((0.11, 0.49), abs=0.01)


@pytest.mark.slow
def test_what_cannot_be_measured_has_a_reason_and_does_not_stop_the_rest(dataset, pixels):
    spoiled = pixels.astype(np.float32)
    spoiled[300, 5], spoiled[:400, 14:24] = np.nan, 7.0
    image = add(
        dataset,
        spoiled,
        rois=(
            {"x0": 0, "x1": 20, "y0": 0, "y1": 400},
            {"x0": 14, "x1": 24, "y0": 0, "y1": 400},
            {"x0": 10, "x1": 14, "y0": 0, "y1": 400},
            {"x0": 0, "x1": 20, "y0": 400, "y1": 410},
            {"x0": 0, "x1": 24, "y0": 900, "y1": 1200},
        ),
    )
    lost = image.add_mask_roi(np.ones(pixels.shape, bool))
    image.source.delete_array_artifact(lost.reference.rpartition("/")[2])
    done = image.analyze()
    assert [done.measured[roi_id].notes for roi_id in (1, 2, 3, 4)] == [
        notes.NOT_FINITE,
        notes.CONSTANT,
        notes.too_narrow(4, 6),
        notes.shorter_than_a_window(10, 20),
    ]
    assert done.measured[5].report["n_valid"].item() > 50
    assert list(done.failed) == [6]
    assert "roi_mask_6" in done.failed[6]
    assert rows(image, "radon_report")["roi_id"].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metadata", "note", "n_valid"),
    [
        ({"experiment_metadata": {"line_orientation": "across"}}, notes.ACROSS, 0),
        ({"header": {**HEADER, "scan_direction": "both-ways"}}, notes.BOTH_DIRECTIONS, 1),
        ({"header": {**HEADER, "dwell_s": None}}, notes.BEAM_UNKNOWN, 1),
        ({"header": {"name": "no calibration"}}, notes.CALIBRATION_UNKNOWN, 1),
    ],
    ids=["across the vessel", "both ways", "no dwell time", "no calibration"],
)
def test_what_the_metadata_say_of_a_velocity_is_noted(dataset, pixels, metadata, note, n_valid):
    image = add(dataset, pixels, rois=(WHOLE,), **metadata)
    done = image.analyze().measured[1]
    assert note in done.notes
    assert note in done.summary()
    assert (done.report["n_valid"].item() > 0) == bool(n_valid)


@pytest.mark.slow
def test_a_calibration_that_is_entered_later_outdates_speeds_in_pixels(dataset, pixels):
    image = add(dataset, pixels, rois=(WHOLE,), header={"name": "no calibration"})
    image.analyze()
    assert rows(image, "velocity")["velocity_px_per_line"].median() == pytest.approx(2.0, rel=0.03)
    edit_metadata(dataset, [image.source.image_id], MetadataEdit(seconds_per_line=SECONDS, um_per_pixel=UM))
    assert set(states(dataset).values()) == {"outdated"}


def test_a_tiff_has_no_place_for_results(scan_path):
    with pytest.raises(NotImplementedError, match="results need a place for tables; TiffSource has none"):
        AcqImage.from_path(scan_path).analyze()


def test_a_roi_that_is_not_there_is_named(dataset, image):
    with pytest.raises(KeyError, match="7"):
        image.analyze([7])
    assert isinstance(dataset, ZarrDataset)


class TestTwoAnalysesAtOnce:
    def test_write_one_after_the_other(self, image, dataset, monkeypatch):
        record, held = dataset.record(image.source.image_id), []

        def end(_):
            held.pop().__exit__(None, None, None)

        held.append(record.claim("results"))
        assert held[0].__enter__()
        monkeypatch.setattr(velocity_results.time, "sleep", end)
        assert list(image.analyze([1]).measured) == [1]
        assert not held

    def test_do_not_wait_for_ever(self, image, dataset, monkeypatch):
        monkeypatch.setattr(velocity_results, "_PATIENCE_S", 0.0)
        with (
            dataset.record(image.source.image_id).claim("results"),
            pytest.raises(ConflictError, match="another program is writing results"),
        ):
            image.analyze([1])
        assert not image.source.has_analysis("velocity.parquet")

    @pytest.mark.slow
    def test_results_of_a_roi_that_another_program_made_since_stay(self, image, dataset):
        theirs = AcqImage(dataset.record(image.source.image_id))
        drawn = theirs.add_roi(**LATE | {"name": "theirs"})
        theirs.analyze([drawn.roi_id])
        image.analyze([1])
        assert set(rows(image, "radon_report")["roi_id"]) == {1, drawn.roi_id}

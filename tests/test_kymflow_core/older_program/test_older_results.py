import csv
import json
import math
import re
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_core import RoiSet
from kymflow_core.errors import SidecarError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.older_program import results as older_results
from kymflow_core.roi import RectROI
from kymflow_core.velocity_schema import VELOCITY_COLUMNS

EVENT = {"event_type": "baseline_drop", "t_start": 1.5, "t_end": None, "score_peak": -0.4, "i_start": 3, "note": "µ"}
VELOCITY = "roi_id,channel,time,velocity,algorithm\n"
HEADER = AcquisitionHeader(seconds_per_line=0.003, um_per_pixel=0.5)
NARROW = RoiSet.of([RectROI(roi_id=1, x0=5, x1=15, y0=0, y1=100)])


@pytest.fixture
def results_folder(scan_folder: Path) -> Path:
    """The folder `flow-analysis` beside the scan, empty."""
    folder = scan_folder / "flow-analysis"
    folder.mkdir()
    return folder


def write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def read_velocity_by_roi(path: Path) -> dict[tuple[int, int], list[float]]:
    """The valid velocities of a CSV, read without any code of the project: not 0, slower than 0.8 of a line in a line."""
    found = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            value = float(row["velocity"] or "nan")
            fastest = int(row["pntsPerLine"]) * float(row["delx"]) / float(row["delt"]) / 1000
            if math.isfinite(value) and 0 < abs(value) <= 0.8 * fastest:
                found[int(row["roi_id"]), int(row["channel"])].append(value)
    return found


def test_there_is_no_sidecar_without_a_file(scan_path):
    assert older_results.read_sidecar(scan_path) is None


def test_there_are_no_results_without_files(scan_path):
    results = older_results.read_results(scan_path)
    assert (dict(results.json_artifacts), dict(results.table_artifacts)) == ({}, {})


def test_a_sidecar_gives_its_rois(scan_path):
    roi = {"roi_id": 4, "roi_type": "rect", "data": {"x0": 0, "x1": 3, "y0": 1, "y1": 9}}
    write_json(scan_path.with_suffix(".json"), {"rois": [roi]})
    assert older_results.read_sidecar(scan_path).rois.rois == (RectROI(roi_id=4, x0=0, x1=3, y0=1, y1=9),)


def test_a_sidecar_gives_its_experiment_metadata(scan_path):
    write_json(scan_path.with_suffix(".json"), {"experiment_metadata": {"depth": 80}})
    assert older_results.read_sidecar(scan_path).experiment_metadata == {"depth": 80}


@pytest.mark.parametrize(("accepted", "expected"), [(True, True), (False, False), (None, None)])
def test_a_sidecar_says_whether_the_image_was_accepted(accepted, expected, scan_path):
    write_json(scan_path.with_suffix(".json"), {"accepted": accepted})
    assert older_results.read_sidecar(scan_path).accepted is expected


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_cannot_hold_becomes_null(number, scan_path):
    scan_path.with_suffix(".json").write_text(f'{{"experiment_metadata": {{"depth": {number}}}}}')
    assert older_results.read_sidecar(scan_path).experiment_metadata == {"depth": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"rois": [', "cannot be read as JSON .*; mend or remove it, then import again$", id="cut off"),
        pytest.param("", "cannot be read as JSON .*; mend or remove it, then import again$", id="empty"),
        pytest.param("[" * 100_000, "cannot be read as JSON .*; mend or remove it, then import again$", id="too deep"),
        pytest.param("[]", "holds no JSON object; mend or remove it, then import again$", id="a list"),
        pytest.param(
            '{"rois": {"1": {}}}', "'rois' must be a list, not dict; mend the file, then import again$", id="rois"
        ),
        pytest.param(
            '{"rois": [3]}', "a ROI must be a JSON object, not 3; mend the file, then import again$", id="no object"
        ),
        pytest.param(
            '{"rois": [{"roi_id": 2, "roi_type": "polygon", "data": {}}]}',
            "ROI 2 is a polygon; only 'rect' and 'mask' ROIs can be read yet; mend the file, then import again$",
            id="polygon",
        ),
        pytest.param(
            '{"rois": [{"roi_id": 2, "roi_type": "rect", "data": {"x0": 5, "x1": 5, "y0": 0, "y1": 1}}]}',
            "ROI 2 is not valid: x0 must be .*; mend the file, then import again$",
            id="empty rectangle",
        ),
    ],
)
def test_a_sidecar_that_cannot_be_understood_is_said_with_its_path(text, message, scan_path):
    path = scan_path.with_suffix(".json")
    path.write_text(text)
    with pytest.raises(SidecarError, match=f"^{re.escape(str(path))}:? {message}"):
        older_results.read_sidecar(scan_path)


def test_the_report_counts_only_finite_velocities(scan_path, results_folder):
    rows = "1,1,0.1,0.5,radon\n1,1,0.2,,radon\n1,1,0.3,inf,radon\n1,1,0.4,-0.9,radon\n1,1,0.5,1.0,radon\n"
    (results_folder / "scan_radon.csv").write_text(VELOCITY + rows)
    (row,) = older_results.read_results(scan_path).table_artifacts["radon_report"].to_dict("records")
    assert row == {
        "roi_id": 1,
        "channel": 1,
        "mean_velocity": pytest.approx(0.2),
        "median_velocity": 0.5,
        "n_valid": 3,
        "n_windows": 5,
        "method": "radon_variance (kymflow)",
        "algorithm": "radon",
        "notes": "1 windows left out: faster than the scan can show",
    }


def test_a_roi_without_any_valid_velocity_has_no_mean(scan_path, results_folder):
    (results_folder / "scan_radon.csv").write_text(VELOCITY + "1,1,0.1,,radon\n")
    (row,) = older_results.read_results(scan_path).table_artifacts["radon_report"].to_dict("records")
    assert math.isnan(row["mean_velocity"])
    assert math.isnan(row["median_velocity"])
    assert row["n_valid"] == 0


def test_the_report_has_a_row_a_roi_and_channel(scan_path, results_folder):
    rows = "2,1,0.1,1.0,radon\n1,2,0.1,2.0,radon\n1,1,0.1,3.0,radon\n1,2,0.2,4.0,radon\n"
    (results_folder / "scan_radon.csv").write_text(VELOCITY + rows)
    report = older_results.read_results(scan_path).table_artifacts["radon_report"]
    columns = ["roi_id", "channel", "mean_velocity"]
    assert report[columns].to_numpy().tolist() == [[1, 1, 3.0], [1, 2, 3.0], [2, 1, 1.0]]


@pytest.mark.parametrize(
    ("header", "row", "algorithm"),
    [
        pytest.param("roi_id,time,velocity", "1,0.1,2.0", "", id="no column"),
        pytest.param("roi_id,time,velocity,algorithm", "1,0.1,2.0,", "", id="empty"),
        pytest.param("roi_id,time,velocity,algorithm", "1,0.1,2.0,b\n1,0.2,2.0,a\n1,0.3,2.0,b", "a, b", id="two"),
    ],
)
def test_the_report_names_the_algorithms(header, row, algorithm, scan_path, results_folder):
    (results_folder / "scan_radon.csv").write_text(f"{header}\n{row}\n")
    assert older_results.read_results(scan_path).table_artifacts["radon_report"]["algorithm"].tolist() == [algorithm]


def test_velocities_without_a_channel_are_of_channel_1(scan_path, results_folder):
    (results_folder / "scan_radon.csv").write_text("roi_id,time,velocity\n1,0.1,2.0\n")
    assert older_results.read_results(scan_path).table_artifacts["radon_velocity"]["channel"].tolist() == [1]


def test_a_csv_without_windows_gives_a_report_without_rows(scan_path, results_folder):
    (results_folder / "scan_radon.csv").write_text(VELOCITY)
    assert len(older_results.read_results(scan_path).table_artifacts["radon_report"]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "cannot be read as a table .*; mend or remove it, then import again$", id="empty"),
        pytest.param("a,b\n1,2\n", "lacks the columns .*; mend or remove it, then import again$", id="another table"),
        pytest.param("a\n1\n2,3\n", "cannot be read as a table .*; mend or remove it, then import again$", id="ragged"),
        pytest.param("roi_id,time\n1,0.1\n", r"lacks the columns \['velocity'\]; mend or remove it", id="no velocity"),
        pytest.param(VELOCITY + "1,1,0.1,fast,r\n", "has text or gaps where numbers are expected .*'fast'", id="text"),
        pytest.param(VELOCITY + "A,1,0.1,0.5,r\n", "has text or gaps where numbers are expected .*'A'", id="roi a letter"),
        pytest.param(VELOCITY + ",1,0.1,0.5,r\n", "has text or gaps where numbers are expected .*roi_id", id="no roi"),
    ],
)
def test_a_csv_that_cannot_be_understood_is_said_in_one_line(text, message, scan_path, results_folder):
    path = results_folder / "scan_radon.csv"
    path.write_text(text)
    with pytest.raises(SidecarError, match=rf"\A{re.escape(str(path))} {message}") as caught:
        older_results.read_results(scan_path)
    assert "\n" not in str(caught.value)


def test_an_empty_events_object_means_no_table(scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {}})
    assert "velocity_events" not in older_results.read_results(scan_path).table_artifacts


def test_an_empty_list_of_events_means_a_table_without_rows(scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {"1": []}})
    assert len(older_results.read_results(scan_path).table_artifacts["velocity_events"]) == 0


@pytest.mark.parametrize(("key", "roi_and_channel"), [("3", (3, 1)), ("3:2", (3, 2)), ("3:", (3, 1))])
def test_an_event_has_the_roi_and_channel_of_its_key(key, roi_and_channel, scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {key: [EVENT]}})
    (row,) = older_results.read_results(scan_path).table_artifacts["velocity_events"].to_dict("records")
    assert (row["roi_id"], row["channel"]) == roi_and_channel


def test_an_event_is_renamed_and_keeps_what_else_it_has(scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {"1": [EVENT]}})
    (row,) = older_results.read_results(scan_path).table_artifacts["velocity_events"].to_dict("records")
    assert math.isnan(row.pop("t1_s"))
    assert row == {
        "roi_id": 1,
        "event_id": 1,
        "t0_s": 1.5,
        "kind": "baseline_drop",
        "score": -0.4,
        "channel": 1,
        "i_start": 3,
        "note": "µ",
        "method": "radon_variance (kymflow)",
    }


def test_events_are_counted_from_1_through_the_image(scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {"2": [EVENT, EVENT], "1": [EVENT]}})
    events = older_results.read_results(scan_path).table_artifacts["velocity_events"]
    assert events[["event_id", "roi_id"]].to_numpy().tolist() == [[1, 2], [2, 2], [3, 1]]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        pytest.param([EVENT], "velocity_events must be an object, not list$", id="a list"),
        pytest.param({"one": [EVENT]}, "velocity_events has 'one', not a list of events under 'roi' or", id="roi a word"),
        pytest.param({"1:a": [EVENT]}, "velocity_events has '1:a', not a list of events under", id="channel a letter"),
        pytest.param({"1": EVENT}, "velocity_events has '1', not a list of events under", id="no list"),
        pytest.param({"1": ["drop"]}, "an event under '1' must be an object, not 'drop'$", id="event a word"),
        pytest.param(
            {"1": [{"t_start": "soon"}]}, "an event has no number where one is expected .*'soon'", id="time a word"
        ),
    ],
)
def test_events_that_cannot_be_understood_are_said(events, message, scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": events})
    with pytest.raises(SidecarError, match=f"^{re.escape(str(results_folder / 'scan_events.json'))}: {message}"):
        older_results.read_results(scan_path)


@pytest.mark.parametrize("name", ["radon", "events", "kymanalysis"])
def test_the_older_programs_json_is_kept_whole(name, scan_path, results_folder):
    document = {"version": "2.0", "velocity_events": {"1": [EVENT]}, "unknown": [1, {"a": None}]}
    write_json(results_folder / f"scan_{name}.json", document)
    assert older_results.read_results(scan_path).json_artifacts == {f"legacy/{name}": document}


@pytest.mark.parametrize("name", ["radon", "events", "kymanalysis"])
def test_a_result_that_is_not_json_is_said_with_its_path(name, scan_path, results_folder):
    path = results_folder / f"scan_{name}.json"
    path.write_text("{")
    with pytest.raises(SidecarError, match=f"^{re.escape(str(path))} cannot be read as JSON"):
        older_results.read_results(scan_path)


def test_the_newer_csv_wins(scan_path, results_folder):
    (results_folder / "scan_radon.csv").write_text(VELOCITY + "1,1,0.1,1.0,new\n")
    (results_folder / "scan_kymanalysis.csv").write_text(VELOCITY + "1,1,0.1,2.0,old\n")
    assert older_results.read_results(scan_path).table_artifacts["radon_velocity"]["velocity_mm_s"].tolist() == [1.0]


def test_the_older_csv_is_taken_where_there_is_no_newer(scan_path, results_folder):
    (results_folder / "scan_kymanalysis.csv").write_text(VELOCITY + "1,1,0.1,2.0,old\n")
    assert older_results.read_results(scan_path).table_artifacts["radon_velocity"]["velocity_mm_s"].tolist() == [2.0]


def test_the_newer_events_win(scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {"1": [EVENT]}})
    write_json(results_folder / "scan_kymanalysis.json", {"velocity_events": {"1": [EVENT, EVENT]}})
    assert len(older_results.read_results(scan_path).table_artifacts["velocity_events"]) == 1


def test_results_of_another_file_are_not_taken(scan_path, results_folder):
    (results_folder / "scan_2_radon.csv").write_text(VELOCITY + "1,1,0.1,1.0,new\n")
    assert dict(older_results.read_results(scan_path).table_artifacts) == {}


def test_reading_writes_nothing(scan_path, results_folder):
    write_json(scan_path.with_suffix(".json"), {})
    (results_folder / "scan_radon.csv").write_text(VELOCITY)
    before = sorted(scan_path.parent.rglob("*"))
    older_results.read_sidecar(scan_path)
    older_results.read_results(scan_path)
    assert sorted(scan_path.parent.rglob("*")) == before


LIMITED = VELOCITY.rstrip("\n") + ",delx,delt,pntsPerLine\n"
"""With 20 pixels of 0.5 µm and 1 ms a line, 0.8 of the line a line is 8 mm/s."""


def test_a_velocity_that_the_scan_cannot_show_is_marked_and_left_out_of_the_report(scan_path, results_folder):
    values = ["1.0", "-8.0", "8.001", "-5553288.0", "inf", "0.0", ""]
    rows = "".join(f"1,1,0.{at},{value},radon,0.5,0.001,20\n" for at, value in enumerate(values))
    (results_folder / "scan_radon.csv").write_text(LIMITED + rows)
    tables = older_results.read_results(scan_path).table_artifacts
    windows, (row,) = tables["radon_velocity"], tables["radon_report"].to_dict("records")
    nan = math.nan
    assert windows["flag"].tolist() == ["", "", "at limit", "at limit", "at limit", "at limit", "no value"]
    np.testing.assert_equal(windows["velocity_mm_s"].tolist(), [1.0, -8.0, nan, nan, nan, nan, nan])
    np.testing.assert_equal(windows["velocity_window_mm_s"].tolist(), [1.0, -8.0, 8.001, -5553288.0, math.inf, 0.0, nan])
    assert (row["n_valid"], row["n_windows"], row["mean_velocity"]) == (2, 7, pytest.approx(-3.5))
    assert row["notes"] == (
        "3 windows left out: faster than the scan can show; 1 windows left out: exactly 0, so no angle was found"
    )


@pytest.mark.parametrize(
    ("rois", "notes", "header", "row", "is_valid"),
    [
        pytest.param(RoiSet(), {}, None, "4.1,radon,0.5,0.001,20", True, id="the line"),
        pytest.param(NARROW, {}, None, "4.1,radon,0.5,0.001,20", False, id="the ROI is half the line"),
        pytest.param(NARROW, {"roi_revision_at_analysis": 2}, None, "4.1,radon,0.5,0.001,20", True, id="another ROI then"),
        pytest.param(NARROW, {}, HEADER, "4.1,radon,,,", False, id="the calibration of the header"),
        pytest.param(NARROW, {}, None, "4.1,radon,,,", True, id="no calibration"),
    ],
)
def test_the_limit_is_of_the_roi_that_was_analysed(rois, notes, header, row, is_valid, scan_path, results_folder):
    (results_folder / "scan_radon.csv").write_text(f"{LIMITED}1,1,0.1,{row}\n")
    write_json(results_folder / "scan_radon.json", {"analysis_metadata": {"1:1": {"roi_id": 1, **notes}}})
    windows = older_results.read_results(scan_path, rois, header).table_artifacts["radon_velocity"]
    assert windows["velocity_mm_s"].notna().tolist() == [is_valid]


def test_windows_are_typed_alike_in_every_file(scan_path, results_folder):
    names = "roi_id,channel,time,velocity,parentFolder,numLines,delx,mouse,window\n"
    found = []
    for row in ("1,1,0.1,1.0,20250722,30000,0.284,007,5\n", "2,1,0.1,,data,,,,\n"):
        (results_folder / "scan_radon.csv").write_text(names + row)
        found.append(older_results.read_results(scan_path).table_artifacts["radon_velocity"])
    first, second = found
    assert first.dtypes.equals(second.dtypes)
    assert list(first.columns[:14]) == list(VELOCITY_COLUMNS)
    assert first.iloc[0][["parentFolder", "numLines", "mouse", "window"]].tolist() == ["20250722", 30000, "007", 0]


@pytest.mark.slow
def test_the_laboratorys_means_are_blood_flow(olympus_folder):
    report = older_results.read_results(olympus_folder / "Capillary1_0001.tif").table_artifacts["radon_report"]
    assert report["mean_velocity"].between(-1.3, -1.0).all()
    assert [[int(part.split()[0]) for part in note.split(";")] for note in report["notes"]] == [
        [16, 53],
        [19, 446],
        [279, 29],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tiff", "name"),
    [
        pytest.param("Capillary1_0001.tif", "Capillary1_0001_radon.csv", id="Capillary1"),
        pytest.param("28d AngII/20250722/20250722_A89_0005.tif", "20250722_A89_0005_kymanalysis.csv", id="A89"),
    ],
)
def test_the_laboratorys_report_is_the_mean_over_its_valid_velocities(tiff, name, olympus_folder):
    path = olympus_folder / tiff
    report = older_results.read_results(path).table_artifacts["radon_report"]
    expected = read_velocity_by_roi(path.parent / "flow-analysis" / name)
    found = {(row["roi_id"], row["channel"]): (row["mean_velocity"], row["n_valid"]) for row in report.to_dict("records")}
    assert found == {
        key: (pytest.approx(statistics.fmean(values), rel=1e-9), len(values)) for key, values in expected.items()
    }


def test_the_laboratorys_velocities_are_all_there(olympus_folder):
    windows = older_results.read_results(olympus_folder / "Capillary1_0001.tif").table_artifacts["radon_velocity"]
    expected = pd.read_csv(olympus_folder / "flow-analysis" / "Capillary1_0001_radon.csv")
    names = {"time_s": "time", "velocity_window_mm_s": "velocity"}
    same = windows.rename(columns=names)[list(expected.columns)].astype(expected.dtypes.to_dict())
    pd.testing.assert_frame_equal(same, expected)


@pytest.mark.parametrize(
    ("rows", "calibration"),
    [
        pytest.param("1,1,0.1,0.5,0.2,0.002\n1,1,0.2,0.5,0.2,0.002\n", (0.002, 0.2), id="the same in all rows"),
        pytest.param("1,1,0.1,0.5,0.2,0.002\n2,1,0.2,0.5,0.4,0.002\n", (0.002, 0.5), id="two pixel sizes"),
        pytest.param("1,1,0.1,0.5,,0.002\n", (0.002, 0.5), id="a gap"),
        pytest.param("1,1,0.1,0.5,0,0.002\n", (0.002, 0.5), id="zero"),
    ],
)
def test_the_calibration_of_results_is_that_in_the_csv_or_else_the_headers(rows, calibration, scan_path, results_folder):
    (results_folder / "scan_radon.csv").write_text(f"roi_id,channel,time,velocity,delx,delt\n{rows}")
    write_json(results_folder / "scan_events.json", {"velocity_events": {"1": [EVENT]}})
    stated = older_results.read_results(scan_path).computed_from(RoiSet(), HEADER)
    assert {name: tuple(one["calibration"].values()) for name, one in stated.items()} == dict.fromkeys(
        ("radon_velocity", "radon_report", "velocity_events"), calibration
    )


def test_without_a_csv_the_calibration_of_the_results_is_the_headers(scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {"1": [EVENT]}})
    stated = older_results.read_results(scan_path).computed_from(RoiSet(), HEADER)
    assert stated["velocity_events"]["calibration"] == {"seconds_per_line": 0.003, "um_per_pixel": 0.5}


def test_results_of_an_image_without_calibration_state_none(scan_path, results_folder):
    write_json(results_folder / "scan_events.json", {"velocity_events": {"1": [EVENT]}})
    stated = older_results.read_results(scan_path).computed_from(RoiSet(), AcquisitionHeader())
    assert "calibration" not in stated["velocity_events"]

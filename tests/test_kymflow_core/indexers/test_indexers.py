import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_core.errors import IndexerError
from kymflow_core.indexers import (
    ArtifactReader,
    ImageIndexer,
    RadonReportIndexer,
    RoiIndexer,
    VelocityEventsIndexer,
    ensure_image_id_column,
    normalize_table_name,
)
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_core.testing import IMAGE_ID, ArtifactsInMemory, IndexerContract
from kymflow_zarr import ZarrImageRecord
from kymflow_zarr.names import check_name

REPORT = {"roi_id": 1, "mean_velocity": 0.5, "median_velocity": 0.4, "n_valid": 100, "notes": "fine"}
EVENT = {"roi_id": 1, "event_id": 1, "t0_s": 0.5, "t1_s": np.nan, "kind": "stall", "score": 1.5}


def holding_table(name: str, *rows: Mapping[str, object]) -> ArtifactReader:
    return ArtifactsInMemory(tables={name: pd.DataFrame(list(rows))})


class ResultsTableContract(IndexerContract):
    """What an indexer of one table artifact does besides; an implementation's test class gives three attributes more."""

    artifact: ClassVar[str]
    dtypes: ClassVar[dict[str, str]]
    row: ClassVar[dict[str, object]]

    def test_the_required_columns_are(self):
        assert self.indexer.required_columns() == ["image_id", *self.dtypes]

    @pytest.mark.parametrize("rows", [0, 1, 3])
    def test_the_columns_have_their_dtypes_with_an_artifact_of(self, rows):
        frame = self.indexer.extract_rows(holding_table(self.artifact, *[self.row] * rows))
        assert {name: str(frame[name].dtype) for name in self.dtypes} == self.dtypes
        assert len(frame) == rows

    def test_the_columns_have_their_dtypes_without_an_artifact(self):
        frame = self.indexer.extract_rows(ArtifactsInMemory())
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {"image_id": "str", **self.dtypes}

    def test_the_required_columns_come_first_in_their_order(self):
        shuffled = {"unknown": 1, **dict(reversed(self.row.items()))}
        frame = self.indexer.extract_rows(holding_table(self.artifact, shuffled))
        assert list(frame.columns) == [*self.indexer.required_columns(), "unknown"]

    def test_an_image_id_in_the_artifact_is_not_believed(self):
        frame = self.indexer.extract_rows(holding_table(self.artifact, {**self.row, "image_id": "another"}))
        assert frame["image_id"].tolist() == [IMAGE_ID]

    def test_the_values_are_those_of_the_artifact(self):
        frame = self.indexer.extract_rows(holding_table(self.artifact, self.row))
        expected = pd.DataFrame([self.row]).astype({name: self.dtypes[name] for name in self.row if name in self.dtypes})
        pd.testing.assert_frame_equal(frame[list(self.row)], expected, check_dtype=False)

    def test_further_columns_are_kept(self):
        frame = self.indexer.extract_rows(holding_table(self.artifact, {**self.row, "depth": 80.5, "who": "me"}))
        assert frame[["depth", "who"]].to_dict("records") == [{"depth": 80.5, "who": "me"}]

    def test_whatever_index_the_artifact_has_the_rows_stay_together(self):
        table = pd.DataFrame([{**self.row, "roi_id": roi_id, "further": roi_id} for roi_id in (7, 5)], index=[4, 2])
        frame = self.indexer.extract_rows(ArtifactsInMemory(tables={self.artifact: table}))
        assert frame[["roi_id", "further"]].to_numpy().tolist() == [[7, 7], [5, 5]]

    def test_a_missing_column_is_named_with_those_that_are_there(self):
        for missing in self.dtypes:
            row = {name: value for name, value in self.row.items() if name != missing}
            message = f"^{self.artifact} of image {IMAGE_ID} lacks the columns {re.escape(str([missing]))}; it has "
            with pytest.raises(IndexerError, match=message):
                self.indexer.extract_rows(holding_table(self.artifact, row))

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("vessel", id="text"),
            pytest.param(None, id="null"),
            pytest.param(1.5, id="fraction"),
            pytest.param(10**30, id="beyond 64 bits"),
        ],
    )
    def test_a_roi_id_that_is_no_whole_number_is_refused(self, value):
        with pytest.raises(IndexerError, match=f"^{self.artifact} of image {IMAGE_ID} has values of the wrong type: "):
            self.indexer.extract_rows(holding_table(self.artifact, {**self.row, "roi_id": value}))

    def test_a_stored_artifact_gives_the_same_rows(self, record):
        record.save_df_parquet(self.artifact, pd.DataFrame([self.row]))
        stored = self.indexer.extract_rows(record).drop(columns="image_id")
        held = self.indexer.extract_rows(holding_table(self.artifact, self.row)).drop(columns="image_id")
        pd.testing.assert_frame_equal(stored, held)


class TestRadonReportIndexer(ResultsTableContract):
    indexer = RadonReportIndexer()
    examples = (
        ArtifactsInMemory(tables={"radon_report": pd.DataFrame([REPORT])}),
        ArtifactsInMemory(json={"radon_report": REPORT}),
        ArtifactsInMemory(json={"radon_report": [REPORT, {**REPORT, "roi_id": 2, "notes": None, "grade": "good"}]}),
        ArtifactsInMemory(
            json={"radon_report": {**REPORT, "roi_id": 9}, "provenance": {}},
            tables={"radon_report": pd.DataFrame([REPORT]), "velocity_events": pd.DataFrame([EVENT])},
        ),
    )
    keeps_columns_of = ("radon_report",)
    artifact = "radon_report"
    dtypes: ClassVar = {
        "roi_id": "int64",
        "mean_velocity": "float64",
        "median_velocity": "float64",
        "n_valid": "int64",
        "notes": "str",
    }
    row: ClassVar = REPORT


class TestVelocityEventsIndexer(ResultsTableContract):
    indexer = VelocityEventsIndexer()
    examples = (ArtifactsInMemory(tables={"velocity_events": pd.DataFrame([EVENT, {**EVENT, "event_id": 2}])}),)
    keeps_columns_of = ("velocity_events",)
    artifact = "velocity_events"
    dtypes: ClassVar = {
        "roi_id": "int64",
        "event_id": "str",
        "t0_s": "float64",
        "t1_s": "float64",
        "kind": "str",
        "score": "float64",
    }
    row: ClassVar = EVENT


def extract_report(record: ArtifactReader) -> list[dict]:
    return RadonReportIndexer().extract_rows(record).drop(columns="image_id").to_dict("records")


@pytest.mark.parametrize(
    ("older", "newer"),
    [("vel_mean", "mean_velocity"), ("vel_median", "median_velocity"), ("vel_n_valid", "n_valid"), ("note", "notes")],
)
def test_an_older_name_is_mapped(older, newer):
    row = {older if name == newer else name: value for name, value in REPORT.items()}
    assert extract_report(holding_table("radon_report", row)) == [REPORT]


def test_an_older_name_beside_the_newer_stays_a_further_column():
    row = {**REPORT, "vel_mean": 9.0}
    assert extract_report(holding_table("radon_report", row)) == [row]


@pytest.mark.parametrize(
    ("value", "roi_ids"),
    [
        pytest.param(REPORT, [1], id="object"),
        pytest.param([REPORT], [1], id="list of one"),
        pytest.param([REPORT, {**REPORT, "roi_id": 2}], [1, 2], id="list of two"),
        pytest.param([], [], id="empty list"),
    ],
)
def test_a_json_report_is_read(value, roi_ids, record):
    record.save_json("radon_report", value)
    assert [row["roi_id"] for row in extract_report(record)] == roi_ids


def test_a_json_report_keeps_its_values(record):
    record.save_json("radon_report", REPORT)
    assert extract_report(record) == [REPORT]


def test_older_names_in_a_json_report_are_mapped(record):
    record.save_json("radon_report", {"roi_id": 1, "vel_mean": 0.5, "vel_median": 0.4, "vel_n_valid": 100, "note": "fine"})
    assert extract_report(record) == [REPORT]


def test_the_table_wins_over_the_json(record):
    record.save_json("radon_report", {**REPORT, "roi_id": 9})
    record.save_df_parquet("radon_report", pd.DataFrame([REPORT]))
    assert extract_report(record) == [REPORT]


@pytest.mark.parametrize(
    "value", [None, 3, "fine", [REPORT, 3], [[REPORT]]], ids=["null", "number", "text", "mixed", "deep"]
)
def test_a_json_report_that_is_no_object_is_refused(value):
    message = f"^radon_report of image {IMAGE_ID} is neither an object nor a list of objects$"
    with pytest.raises(IndexerError, match=message):
        extract_report(ArtifactsInMemory(json={"radon_report": value}))


def test_a_json_report_that_lacks_a_column_is_refused(record: ZarrImageRecord):
    record.save_json("radon_report", {"roi_id": 1})
    with pytest.raises(IndexerError, match=r"lacks the columns \['mean_velocity', 'median_velocity', 'n_valid', 'notes'\]"):
        extract_report(record)


@pytest.mark.shared
def test_the_older_programs_own_reports_are_read(older_dataset_path):
    reports = []
    for path in sorted(older_dataset_path.glob("images/*/analysis/radon_report.parquet")):
        reports += extract_report(ArtifactsInMemory(tables={"radon_report": pd.read_parquet(path)}))
    assert reports
    assert all(set(REPORT) <= set(report) for report in reports)


def test_an_event_without_an_end_has_none():
    (row,) = (
        VelocityEventsIndexer().extract_rows(holding_table("velocity_events", {**EVENT, "t1_s": None})).to_dict("records")
    )
    assert np.isnan(row["t1_s"])


def test_an_indexer_error_is_a_value_error():
    with pytest.raises(ValueError, match="lacks the columns"):
        extract_report(holding_table("radon_report", {"roi_id": 1}))


@pytest.mark.parametrize(
    ("name", "normalized"),
    [
        ("velocity_events", "velocity_events"),
        ("Velocity Events (mm/s)", "velocity_events_mm_s"),
        ("  radon--report.v2 ", "radon_report_v2"),
        ("2 photons", "2_photons"),
        ("Ångström µm", "ngstr_m_m"),
        ("a" * 96, "a" * 96),
        ("*" + "a" * 96, "a" * 96),
        ("my sources", "my_sources"),
    ],
)
def test_a_table_name_is_normalized(name, normalized):
    assert normalize_table_name(name) == normalized


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("", "becomes '', which is 0 characters long", id="empty"),
        pytest.param("***", "becomes '', which is 0 characters long", id="signs only"),
        pytest.param("血流", "becomes '', which is 0 characters long", id="no ASCII"),
        pytest.param("sources", "which is the dataset's own table", id="reserved"),
        pytest.param("Sources!", "becomes 'sources', which is the dataset's own table", id="becomes reserved"),
        pytest.param("a" * 97, "which is 97 characters long", id="too long"),
    ],
)
def test_a_table_name_that_cannot_be_is_refused(name, why):
    with pytest.raises(IndexerError, match=re.escape(why)):
        normalize_table_name(name)


@given(st.text(max_size=120))
def test_a_normalized_table_name_stays(name):
    try:
        normalized = normalize_table_name(name)
    except IndexerError:
        return
    assert normalize_table_name(normalized) == normalized
    check_name(normalized, what="table")


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame({"a": [1, 2]}), id="without"),
        pytest.param(pd.DataFrame({"a": [1, 2], "image_id": ["another", None]}), id="another's"),
        pytest.param(pd.DataFrame({"a": [1, 2]}, index=[7, 7]), id="any index"),
    ],
)
def test_the_image_id_becomes_the_first_column(frame):
    expected = pd.DataFrame({"image_id": pd.Series(["x", "x"], dtype="str"), "a": [1, 2]})
    pd.testing.assert_frame_equal(ensure_image_id_column(frame, "x"), expected)


def test_a_frame_without_rows_gets_the_image_id_as_text():
    ids = ensure_image_id_column(pd.DataFrame({"a": []}), "x")["image_id"]
    assert (str(ids.dtype), len(ids)) == ("str", 0)


def test_the_frame_that_is_given_an_image_id_stays_as_it_was():
    frame = pd.DataFrame({"a": [1]})
    ensure_image_id_column(frame, "x")
    assert list(frame.columns) == ["a"]


CALIBRATED = {
    "name": "scan",
    "seconds_per_line": 0.002,
    "um_per_pixel": 0.25,
    "acquired_local_epoch_ns": 1667392215461000000,
}


def envelope(roi_id: int = 1, roi_type: str = "rect", *, data: dict | None = None, **more) -> dict:
    bounds = {"x0": 2, "x1": 9, "y0": 5, "y1": 17}
    return {"roi_id": roi_id, "roi_type": roi_type, "data": bounds if data is None else data, **more}


def mask_envelope(name: str = "drawn", **more) -> dict:
    return envelope(3, "mask", data={"mask_ref": f"analysis_arrays/{name}"}, **more)


def filled(y: slice, x: slice, shape: tuple[int, int] = (30, 20)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[y, x] = True
    return mask


MATERIALIZED = envelope(meta={"mask_ref": "analysis_arrays/drawn"})
POLYGON = {"type": "polygon", "vertices": [[4.0, 3.0], [4.0, 8.0], [10.0, 8.0], [10.0, 3.0]]}
PAINTED = filled(slice(4, 11), slice(3, 9))
OWN = filled(slice(5, 17), slice(2, 9))
COUNTED = np.arange(2 * 30 * 20, dtype=np.uint16).reshape(2, 30, 20)
"""Two channels, in which every pixel has another value."""
STATS = ("n_pixels", "mean", "std", "min", "max")


class TestRoiIndexer(IndexerContract):
    indexer = RoiIndexer()
    examples = (
        ArtifactsInMemory(metadata={"header": CALIBRATED, "rois": [envelope(name="vessel"), envelope(2, note="n")]}),
        ArtifactsInMemory(metadata={"rois": [mask_envelope(), MATERIALIZED]}, arrays={"drawn": PAINTED}),
        ArtifactsInMemory(
            metadata={"rois": [envelope()], "accepted": True},
            json={"radon_report": REPORT},
            tables={"velocity_events": pd.DataFrame([EVENT])},
        ),
        ArtifactsInMemory(
            metadata={"rois": [envelope(channel=2), mask_envelope(channel=1)]},
            arrays={"drawn": PAINTED},
            shape=(2, 30, 20),
            axes=("c", "y", "x"),
            pixels=COUNTED,
        ),
    )


def roi_row(*envelopes: dict, header: dict | None = None, **arrays: np.ndarray) -> dict:
    """The only row of a record of 30 lines of 20 pixels with these ROIs and masks."""
    metadata = {"rois": list(envelopes), "header": CALIBRATED if header is None else header}
    (row,) = RoiIndexer().extract_rows(ArtifactsInMemory(metadata=metadata, arrays=arrays)).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("roi", "arrays", "expected"),
    [
        pytest.param(envelope(), {}, ("rect", "", 2, 9, 5, 17, ""), id="rectangle"),
        pytest.param(MATERIALIZED, {"drawn": OWN}, ("rect", "", 2, 9, 5, 17, "mask"), id="rectangle with its mask"),
        pytest.param(MATERIALIZED, {"drawn": PAINTED}, ("rect", "", 2, 9, 5, 17, "mask outdated"), id="mask outdated"),
        pytest.param(MATERIALIZED, {}, ("rect", "", 2, 9, 5, 17, "mask missing"), id="rectangle, mask missing"),
        pytest.param(MATERIALIZED, {"drawn": np.ones((12, 7), bool)}, ("rect", "", 2, 9, 5, 17, "mask"), id="older crop"),
        pytest.param(
            MATERIALIZED, {"drawn": np.ones((12, 6), bool)}, ("rect", "", 2, 9, 5, 17, "mask outdated"), id="another crop"
        ),
        pytest.param(mask_envelope(), {"drawn": PAINTED}, ("mask", "", 3, 9, 4, 11, "mask"), id="painted mask"),
        pytest.param(mask_envelope(), {"drawn": PAINTED * 255}, ("mask", "", 3, 9, 4, 11, "mask"), id="mask of numbers"),
        pytest.param(
            mask_envelope(), {"drawn": PAINTED & False}, ("mask", "", 0, 0, 0, 0, "mask"), id="mask without pixels"
        ),
        pytest.param(mask_envelope(), {}, ("mask", "", 0, 0, 0, 0, "mask missing"), id="painted mask missing"),
        pytest.param(
            mask_envelope(meta={"shape": POLYGON}),
            {"drawn": PAINTED},
            ("mask", "polygon", 3, 9, 4, 11, "mask"),
            id="drawn mask",
        ),
        pytest.param(
            mask_envelope(meta={"shape": POLYGON}),
            {},
            ("mask", "polygon", 3, 9, 4, 11, "mask missing"),
            id="drawn, missing",
        ),
        pytest.param(
            {"id": 1, "dim0_start": 5, "dim0_stop": 17, "dim1_start": 2, "dim1_stop": 9},
            {},
            ("rect", "", 2, 9, 5, 17, ""),
            id="older flat ROI",
        ),
    ],
)
def test_the_row_of_a_roi_has_its_bounds_and_mask(roi, arrays, expected):
    row = roi_row(roi, **arrays)
    assert tuple(row[name] for name in ("kind", "shape", "x0", "x1", "y0", "y1", "mask")) == expected


def test_the_row_of_a_roi_has_what_was_said_of_it():
    row = roi_row(envelope(6, name="vessel", note="left", channel=2, z=1))
    assert [row[key] for key in ("roi_id", "name", "note", "channel", "z")] == [6, "vessel", "left", 2, 1]


def test_bounds_are_also_physical():
    row = roi_row(envelope())
    assert [row[key] for key in ("x0_um", "x1_um", "t0_s", "t1_s")] == pytest.approx([0.5, 2.25, 0.01, 0.034])


def test_without_a_calibration_there_are_no_physical_bounds():
    row = roi_row(envelope(), header={})
    assert np.isnan([row[key] for key in ("x0_um", "x1_um", "t0_s", "t1_s")]).all()


def measured(*envelopes: dict, **arrays: np.ndarray) -> list[list[object]]:
    """What the pixels of some ROIs of the image `COUNTED` say."""
    image = ArtifactsInMemory(
        metadata={"rois": list(envelopes)}, arrays=arrays, shape=(2, 30, 20), axes=("c", "y", "x"), pixels=COUNTED
    )
    return RoiIndexer().extract_rows(image)[[*STATS]].astype(object).to_numpy().tolist()


@pytest.mark.parametrize(
    ("roi", "inside"),
    [
        pytest.param(envelope(), COUNTED[0][OWN], id="rectangle"),
        pytest.param(envelope(channel=2), COUNTED[1][OWN], id="rectangle of the second channel"),
        pytest.param(mask_envelope(channel=2), COUNTED[1][PAINTED], id="mask"),
        pytest.param(envelope(data={"x0": 15, "x1": 99, "y0": 5, "y1": 7}), COUNTED[0][5:7, 15:], id="beyond the image"),
    ],
)
def test_the_row_of_a_roi_has_what_its_pixels_say(roi, inside):
    expected = [inside.size, inside.mean(), inside.std(), inside.min(), inside.max()]
    assert measured(roi, drawn=PAINTED) == [pytest.approx(expected)]


def test_many_rois_are_measured_as_each_alone():
    rois = [
        envelope(number, channel=1 + number % 2, data={"x0": 0, "x1": number, "y0": 3, "y1": 9}) for number in range(1, 13)
    ]
    assert measured(*rois) == [row for roi in rois for row in measured(roi)]


@pytest.mark.parametrize(
    ("roi", "arrays", "n_pixels"),
    [
        pytest.param(mask_envelope(), {}, None, id="mask missing"),
        pytest.param(mask_envelope(), {"drawn": np.ones((3, 3), bool)}, None, id="mask damaged"),
        pytest.param(envelope(channel=3), {}, None, id="no such channel"),
        pytest.param(mask_envelope(), {"drawn": PAINTED & False}, 0, id="no pixel inside"),
    ],
)
def test_of_pixels_that_nobody_knows_nothing_is_stated(roi, arrays, n_pixels):
    (row,) = measured(roi, **arrays)
    assert (None if pd.isna(row[0]) else row[0]) == n_pixels
    assert pd.isna(row[1:]).all()


def test_rois_keep_their_order():
    metadata = {"rois": [envelope(5), envelope(2), envelope(9)]}
    assert RoiIndexer().extract_rows(ArtifactsInMemory(metadata=metadata))["roi_id"].tolist() == [5, 2, 9]


@pytest.mark.parametrize(
    ("rois", "message"),
    [
        pytest.param(
            {"1": {}},
            f"the ROIs of image {IMAGE_ID} cannot be read: the ROIs of the metadata are a JSON dict; a list",
            id="no list",
        ),
        pytest.param(
            [{"roi_type": "blob"}], f"the ROIs of image {IMAGE_ID} cannot be read: ROI None has roi_type", id="kind"
        ),
        pytest.param(
            [envelope(), envelope()], f"the ROIs of image {IMAGE_ID} cannot be read: ROI ids must differ", id="ids"
        ),
    ],
)
def test_rois_that_cannot_be_read_are_said(rois, message):
    with pytest.raises(IndexerError, match=f"^{re.escape(message)}"):
        RoiIndexer().extract_rows(ArtifactsInMemory(metadata={"rois": rois}))


class TestImageIndexer(IndexerContract):
    indexer = ImageIndexer()
    examples = (
        ArtifactsInMemory(
            metadata={"header": CALIBRATED, "experiment_metadata": {"species": "mouse", "age": 3}, "rois": [envelope()]},
            json={"provenance": {"source_primary_path": "/data/scan.tif"}, "radon_report": REPORT},
            tables={"velocity_events": pd.DataFrame([EVENT]), "radon_report": pd.DataFrame([REPORT])},
        ),
        ArtifactsInMemory(
            metadata={"experiment_metadata": {"age": "old"}, "accepted": True}, shape=(2, 30, 20), axes=("z", "y", "x")
        ),
    )
    rows_without_artifacts = 1


def image_row(**artifacts) -> dict:
    (row,) = ImageIndexer().extract_rows(ArtifactsInMemory(**artifacts)).to_dict("records")
    return row


def test_the_row_of_an_image_says_what_is_known():
    header = {**CALIBRATED, "calibration_source": "olympus_txt", "dwell_s": 2e-6, "scan_direction": "one-way"}
    row = image_row(metadata={"header": header, "rois": [envelope()]})
    assert pd.isna(row.pop("n_events"))
    assert row == {
        "image_id": IMAGE_ID,
        "name": "scan",
        "acquired": pd.Timestamp("2022-11-02 12:30:15.461"),
        "n_rois": 1,
        "shape": "30 × 20",
        "axes": "y,x",
        "lines": 30,
        "pixels": 20,
        "seconds_per_line": 0.002,
        "um_per_pixel": 0.25,
        "duration_s": pytest.approx(0.06),
        "length_um": 5.0,
        "calibration_source": "olympus_txt",
        "dwell_s": 2e-6,
        "scan_direction": "one-way",
        "source": "",
        "accepted": "",
    }


def test_what_older_headers_do_not_have_is_missing():
    row = image_row(metadata={"header": CALIBRATED})
    assert (np.isnan(row["dwell_s"]), row["scan_direction"]) == (True, "")


@pytest.mark.parametrize(
    ("tables", "n_events"),
    [
        pytest.param({}, None, id="never analysed"),
        pytest.param({"velocity_events": pd.DataFrame(columns=list(EVENT))}, 0, id="none found"),
        pytest.param({"velocity_events": pd.DataFrame([EVENT, EVENT])}, 2, id="two"),
    ],
)
def test_the_number_of_events_is_missing_where_nobody_looked(tables, n_events):
    found = image_row(tables=tables)["n_events"]
    assert pd.isna(found) if n_events is None else (found == n_events and isinstance(found, int))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("mouse", "mouse"),
        (3, "3"),
        (2.5, "2.5"),
        (True, "yes"),
        (False, "no"),
        ([1, "a"], "[1, 'a']"),
        ("", None),
        (None, None),
    ],
    ids=str,
)
def test_an_experiment_value_becomes_text(value, text):
    got = image_row(metadata={"experiment_metadata": {"condition": value}})["exp_condition"]
    assert pd.isna(got) if text is None else got == text


def test_experiment_values_of_mixed_types_fit_into_one_column(dataset):
    for value in ("old", 3, True, None):
        ArtifactsInMemory(metadata={"experiment_metadata": {"age": value}}).store(dataset)
    report = KymDataset(dataset).rebuild(ImageIndexer())
    assert report.failed == {}
    assert sorted(dataset.load_table("images")["exp_age"].dropna()) == ["3", "old", "yes"]


class _EarlierImageIndexer(ImageIndexer):
    """What version 2 wrote: the time as text, and counts of events with decimals."""

    schema_version = "2"

    def extract_rows(self, rec):
        return super().extract_rows(rec).astype({"acquired": "str", "n_events": "float64"})


def test_an_update_of_one_image_takes_up_the_rows_of_an_earlier_version(dataset):
    records = [ArtifactsInMemory(metadata={"header": CALIBRATED}).store(dataset) for _ in range(3)]
    tables = KymDataset(dataset)
    tables.rebuild(_EarlierImageIndexer())
    assert str(tables.get_table("images")["acquired"].dtype) == "str"
    report = tables.update_image(ImageIndexer(), records[0].image_id)
    assert (len(report.rows), report.failed) == (3, {})
    table = tables.dataset.load_table("images")
    assert table["acquired"].tolist() == [pd.Timestamp("2022-11-02 12:30:15.461")] * 3
    assert str(table["n_events"].dtype) in ("Int64", "str")
    assert tables.refresh(ImageIndexer()).rows == {}


def test_the_tables_file_states_units(dataset):
    ArtifactsInMemory(metadata={"header": CALIBRATED}).store(dataset)
    KymDataset(dataset).rebuild(ImageIndexer())
    schema = pq.read_schema(dataset.path / "tables" / "images.parquet")
    stated = {field.name: field.metadata[b"units"].decode() for field in schema if field.metadata}
    assert stated == {"seconds_per_line": "s", "um_per_pixel": "µm", "duration_s": "s", "length_um": "µm", "dwell_s": "s"}
    assert (str(schema.field("acquired").type), str(schema.field("n_rois").type)) == ("timestamp[us]", "int64")


def test_an_image_without_a_calibration_has_none():
    row = image_row()
    assert np.isnan([row[key] for key in ("seconds_per_line", "um_per_pixel", "duration_s", "length_um")]).all()


def test_the_source_of_an_image_is_the_file_it_came_from():
    assert image_row(json={"provenance": {"source_primary_path": "/data/scan.tif"}})["source"] == str(
        PurePath("/data/scan.tif")
    )

import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from kymflow_core.errors import IndexerError
from kymflow_core.indexers import ArtifactReader, DatasetIndexer, RadonReportIndexer, VelocityEventsIndexer
from kymflow_zarr import JsonValue, ZarrImageRecord

IMAGE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
REPORT = {"roi_id": 1, "mean_velocity": 0.5, "median_velocity": 0.4, "n_valid": 100, "notes": "fine"}
EVENT = {"roi_id": 1, "event_id": 1, "t0_s": 0.5, "t1_s": np.nan, "kind": "stall", "score": 1.5}


class ArtifactsInMemory:
    """An `ArtifactReader` that holds its artifacts, for rows that storage would not even take."""

    image_id = IMAGE_ID

    def __init__(
        self, *, json: Mapping[str, JsonValue] | None = None, tables: Mapping[str, pd.DataFrame] | None = None
    ) -> None:
        self.json, self.tables = json or {}, tables or {}

    def list_analysis_keys(self) -> list[str]:
        return [*(f"{name}.json" for name in self.json), *(f"{name}.parquet" for name in self.tables)]

    def load_json(self, name: str) -> JsonValue:
        return self.json[name]

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        if name not in self.tables:
            raise FileNotFoundError(name)
        return self.tables[name]


def holding_table(name: str, *rows: Mapping[str, object]) -> ArtifactReader:
    return ArtifactsInMemory(tables={name: pd.DataFrame(list(rows))})


class IndexerContract:
    """What every `DatasetIndexer` does; an implementation's test class inherits it and gives the four attributes."""

    indexer: ClassVar[DatasetIndexer]
    artifact: ClassVar[str]
    dtypes: ClassVar[dict[str, str]]
    row: ClassVar[dict[str, object]]

    def test_image_id_is_the_first_required_column(self):
        assert self.indexer.required_columns() == ["image_id", *self.dtypes]

    def test_it_says_what_it_is(self):
        described = (self.indexer.name, self.indexer.table_name, self.indexer.schema_version)
        assert all(isinstance(text, str) and text for text in described)

    @pytest.mark.parametrize("rows", [0, 1, 3])
    def test_the_columns_have_their_dtypes_with_an_artifact_of(self, rows):
        frame = self.indexer.extract_rows(holding_table(self.artifact, *[self.row] * rows))
        assert {name: str(frame[name].dtype) for name in self.dtypes} == self.dtypes
        assert len(frame) == rows

    def test_the_columns_have_their_dtypes_without_an_artifact(self):
        frame = self.indexer.extract_rows(ArtifactsInMemory())
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {"image_id": "str", **self.dtypes}

    def test_without_an_artifact_there_are_no_rows(self):
        assert len(self.indexer.extract_rows(ArtifactsInMemory())) == 0

    def test_the_required_columns_come_first_in_their_order(self):
        shuffled = {"unknown": 1, **dict(reversed(self.row.items()))}
        frame = self.indexer.extract_rows(holding_table(self.artifact, shuffled))
        assert list(frame.columns) == [*self.indexer.required_columns(), "unknown"]

    def test_every_row_has_the_image_id(self):
        frame = self.indexer.extract_rows(holding_table(self.artifact, self.row, self.row))
        assert frame["image_id"].tolist() == [IMAGE_ID, IMAGE_ID]

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

    def test_it_reads_artifacts_only(self, record):
        record.save_df_parquet(self.artifact, pd.DataFrame([self.row]))
        before = record.list_analysis_keys(), record.load_revision()
        self.indexer.extract_rows(record)
        assert (record.list_analysis_keys(), record.load_revision()) == before


class TestRadonReportIndexer(IndexerContract):
    indexer = RadonReportIndexer()
    artifact = "radon_report"
    dtypes: ClassVar = {
        "roi_id": "int64",
        "mean_velocity": "float64",
        "median_velocity": "float64",
        "n_valid": "int64",
        "notes": "str",
    }
    row: ClassVar = REPORT


class TestVelocityEventsIndexer(IndexerContract):
    indexer = VelocityEventsIndexer()
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

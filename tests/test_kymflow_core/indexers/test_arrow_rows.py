"""Rows as Arrow tables: only where a frame would give the same, and never for a class that has its own rows."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kymflow_core.errors import IndexerError
from kymflow_core.indexers import (
    ImageIndexer,
    RadonReportIndexer,
    ReviewIndexer,
    RoiIndexer,
    VelocityEventsIndexer,
    VelocityIndexer,
)
from kymflow_core.indexers.arrow_rows import extract_as_table, table_of_rows
from kymflow_core.indexers.protocol import with_units_of
from kymflow_core.testing import ArtifactsInMemory
from kymflow_core.velocity_schema import VELOCITY_COLUMNS
from kymflow_zarr import ZarrDataset, with_units
from kymflow_zarr.formats.frames import frame_to_table
from kymflow_zarr.formats.units import schema_units

EVENTS = pd.DataFrame(
    {
        "roi_id": [1, 2],
        "event_id": ["e0", "e1"],
        "t0_s": [0.5, 1.0],
        "t1_s": [1.5, np.nan],
        "kind": ["low", "fast"],
        "score": [1.0, np.nan],
    }
)
REPORT = pd.DataFrame(
    {"roi_id": [1], "mean_velocity": [0.5], "median_velocity": [0.4], "n_valid": [9], "notes": [None]}
).astype({"notes": "str"})
WINDOWS = pd.DataFrame({name: pd.Series([1, 2]).astype(dtype) for name, dtype in VELOCITY_COLUMNS.items()})


@pytest.fixture
def dataset(tmp_path):
    return ZarrDataset.create(tmp_path / "made.zarr")


def stored(dataset, **tables):
    return ArtifactsInMemory(tables=tables).store(dataset)


def assert_same(indexer, record):
    table = extract_as_table(indexer, record)
    frame = frame_to_table(indexer.extract_rows(record), what="x")
    assert table.to_pydict() == frame.to_pydict()
    assert [(one.name, one.type) for one in table.schema] == [(one.name, one.type) for one in frame.schema]


@pytest.mark.parametrize(
    ("indexer", "artifact", "frame"),
    [
        pytest.param(VelocityEventsIndexer(), "velocity_events", EVENTS, id="events"),
        pytest.param(VelocityEventsIndexer(), "velocity_events", EVENTS.assign(i_peak=[3, 4], method="m"), id="counts"),
        pytest.param(VelocityEventsIndexer(), "velocity_events", EVENTS.assign(event_id=[0, 17]), id="numbered events"),
        pytest.param(VelocityEventsIndexer(), "velocity_events", EVENTS[[*reversed(EVENTS.columns)]], id="another order"),
        pytest.param(VelocityEventsIndexer(), "radon_report", REPORT, id="no events"),
        pytest.param(RadonReportIndexer(), "radon_report", REPORT, id="report"),
        pytest.param(RadonReportIndexer(), "velocity_events", EVENTS, id="no report"),
        pytest.param(VelocityIndexer(), "velocity", WINDOWS.assign(further=1), id="windows"),
        pytest.param(ReviewIndexer(), "velocity_events", EVENTS, id="reviews"),
        pytest.param(RoiIndexer(), "velocity_events", EVENTS, id="no ROIs"),
        pytest.param(ImageIndexer(), "velocity_events", EVENTS, id="image"),
    ],
)
class TestOfOurOwn:
    def test_no_frame_is_needed(self, dataset, indexer, artifact, frame, monkeypatch):
        record = stored(dataset, **{artifact: frame})
        expected = frame_to_table(indexer.extract_rows(record), what="x").to_pydict()

        def refuse(*_args, **_more):
            raise AssertionError("a frame was made")

        monkeypatch.setattr(type(indexer), "extract_rows", refuse)
        assert extract_as_table(indexer, record).to_pydict() == expected

    def test_a_frame_gives_the_same(self, dataset, indexer, artifact, frame):
        assert_same(indexer, stored(dataset, **{artifact: frame}))


ODD = {
    "whole numbers as fractions": EVENTS.assign(roi_id=[1.0, 2.0]),
    "numbers for texts": EVENTS.assign(event_id=[0, 1]),
    "numbers with gaps for texts": EVENTS.assign(event_id=pd.array([0, None], dtype="Int64")),
    "fractions for texts": EVENTS.assign(event_id=[0.5, 1.0]),
    "whether for texts": EVENTS.assign(event_id=[True, False]),
    "its own image_id": EVENTS.assign(image_id="another"),
    "counts as fractions": EVENTS.assign(i_start=[1.0, np.nan]),
    "small numbers": EVENTS.astype({"roi_id": "int32", "score": "float32"}),
    "categories": EVENTS.assign(colour=pd.Categorical(["red", "blue"])),
    "lists": EVENTS.assign(values=[[1], [2, 3]]),
    "times": EVENTS.assign(when=pd.to_datetime(["2024-01-01", "2024-01-02"])),
    "a column without a value": EVENTS.assign(nothing=None),
    "no rows": EVENTS[:0],
    "integers with gaps": EVENTS.assign(n=pd.array([1, None], dtype="Int64")),
}


@pytest.mark.parametrize("frame", ODD.values(), ids=ODD)
def test_what_others_write_gives_what_the_frame_gives(dataset, frame):
    assert_same(VelocityEventsIndexer(), stored(dataset, velocity_events=frame))


NOT_REVIEWED = {
    "two channels": EVENTS.assign(channel=[2, 1]),
    "a channel with gaps": EVENTS.assign(channel=pd.array([2, None], dtype="Int64")),
    "channels as fractions": EVENTS.assign(channel=[2.0, np.nan]),
    "an own method": EVENTS.assign(method="likelihood"),
    "a ROI of two methods": EVENTS.assign(roi_id=1, method=["likelihood", "somebody"]),
    "two ROIs, one with two methods": pd.concat(
        [EVENTS.assign(method="somebody"), EVENTS[1:].assign(event_id="e2", method="radon")], ignore_index=True
    ),
    "methods with gaps": EVENTS.assign(method=["radon", None]),
    "no method": EVENTS.assign(method=None),
    "methods as numbers": EVENTS.assign(method=[1, 2]),
    "not in their order": EVENTS.assign(roi_id=[2, 1]),
    "at one time": EVENTS.assign(roi_id=1, t0_s=0.5, kind=["low", "fast"]),
    "numbers as ids": EVENTS.assign(roi_id=1, t0_s=0.5, kind="low", event_id=[10, 9]),
    "one id twice": EVENTS.assign(event_id="e0"),
    "twice the same": pd.concat([EVENTS, EVENTS], ignore_index=True),
    "endless": EVENTS.assign(t1_s=np.inf),
    "without a kind": EVENTS.assign(kind=["low", None]),
}


@pytest.mark.slow
@pytest.mark.parametrize("frame", [*NOT_REVIEWED.values(), *ODD.values()], ids=[*NOT_REVIEWED, *ODD])
def test_events_that_nobody_reviewed_give_what_a_review_gives(dataset, frame):
    assert_same(ReviewIndexer(), stored(dataset, velocity_events=frame))


@pytest.mark.parametrize("times", [[0.5, None], [0.5, np.inf]])
def test_an_event_without_a_beginning_is_refused_as_ever(dataset, times):
    record = stored(dataset, velocity_events=EVENTS.assign(t0_s=times))
    with pytest.raises(IndexerError, match="has no ROI or no beginning, and cannot be reviewed"):
        extract_as_table(ReviewIndexer(), record)


def test_no_review_is_made_of_events_that_nobody_reviewed(dataset, monkeypatch):
    monkeypatch.setattr("kymflow_core.indexers.reviews.load_review", None)
    assert extract_as_table(ReviewIndexer(), stored(dataset, velocity_events=EVENTS))["t0_s"].to_pylist() == [0.5, 1.0]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(pa.Table.from_pandas(EVENTS).replace_schema_metadata(), id="not by pandas, without gaps"),
        pytest.param(
            pa.table({**EVENTS.to_dict("list"), "score": pa.array([1.0, np.nan])}), id="with numbers that are none"
        ),
        pytest.param(pa.Table.from_pandas(EVENTS.set_axis(["a", "b"])), id="with an index without a name"),
        pytest.param(pa.Table.from_pandas(EVENTS.set_axis(pd.Index(["a", "b"], name="row"))), id="with a named index"),
    ],
)
def test_a_file_of_another_program_gives_what_the_frame_gives(dataset, table):
    record = stored(dataset, velocity_events=EVENTS)
    pq.write_table(table, dataset.path / "images" / record.image_id / "analysis/velocity_events.parquet")
    assert_same(VelocityEventsIndexer(), record)


def test_each_artifact_keeps_the_units_that_it_states(dataset):
    further = EVENTS.assign(width=[1.0, 2.0])
    units = ({"width": "µm"}, {}, {"width": "mm"})
    records = [stored(dataset, velocity_events=with_units(further, one)) for one in units]
    tables = [extract_as_table(VelocityEventsIndexer(), record) for record in records]
    assert [schema_units(table.schema) for table in tables] == [*units]
    finished = [schema_units(with_units_of(VelocityEventsIndexer(), table).schema) for table in tables]
    assert [one.get("width") for one in finished] == ["µm", None, "mm"]
    assert [one["t0_s"] for one in finished] == ["s", "s", "s"]


def test_a_report_with_older_names_gives_what_the_frame_gives(dataset):
    older = REPORT.rename(columns={"mean_velocity": "vel_mean"})
    assert_same(RadonReportIndexer(), stored(dataset, radon_report=older))


def test_fractions_of_counts_are_refused_as_ever(dataset):
    record = stored(dataset, velocity_events=EVENTS.assign(i_start=[1.5, 2.0]))
    with pytest.raises(IndexerError, match="'i_start' has values that are no whole numbers"):
        extract_as_table(VelocityEventsIndexer(), record)


class _Louder(VelocityEventsIndexer):
    """Somebody's class that changes the rows of ours."""

    def extract_rows(self, rec):
        return super().extract_rows(rec).assign(kind="loud")


def test_a_class_that_changes_the_rows_of_another_is_asked_for_its_own(dataset):
    table = extract_as_table(_Louder(), stored(dataset, velocity_events=EVENTS))
    assert table["kind"].to_pylist() == ["loud", "loud"]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"n": None}, id="a gap where none may be"),
        pytest.param({"n": 1.5}, id="a fraction"),
        pytest.param({"n": "1"}, id="a text"),
    ],
)
def test_rows_that_do_not_fit_are_left_to_the_frame(row):
    assert table_of_rows([row], {"n": "int64"}, image_id="a") is None

from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from kymflow_core import AcqImage, ComputedFrom, KymDataset, RectROI, RoiSet, VelocityIndexer
from kymflow_core.errors import IndexerError
from kymflow_core.older_program.velocity import METHOD
from kymflow_core.testing import ArtifactsInMemory, IndexerContract
from kymflow_core.velocity_schema import VELOCITY_COLUMNS, VELOCITY_UNITS, conform_velocity

INDEXER = VelocityIndexer()


def windows(roi_id: int, count: int = 2, velocity: float = 0.5, method: str = "likelihood") -> pd.DataFrame:
    ids = {"roi_id": roi_id, "channel": 1, "window": range(count), "method": method}
    return conform_velocity(pd.DataFrame({**ids, "time_s": 0.1, "velocity_mm_s": velocity, "flag": ""}), what="x")


def of_older_csv(*roi_ids: int, **further: object) -> pd.DataFrame:
    """What earlier versions of this program stored of the older program's CSV."""
    velocity = {"time": 0.1, "velocity": [0.5, -5553288.0] * len(roi_ids)}
    roi_and_calibration = {"channel": 1, "delx": 0.5, "delt": 0.001, "pntsPerLine": 20, "parentFolder": 20250722}
    return pd.DataFrame({"roi_id": np.repeat(roi_ids, 2), **velocity, **roi_and_calibration, **further})


class TestContract(IndexerContract):
    indexer = INDEXER
    examples: ClassVar = (
        ArtifactsInMemory(tables={"velocity": windows(1)}),
        ArtifactsInMemory(tables={"radon_velocity": of_older_csv(1)}),
        ArtifactsInMemory(tables={"velocity": windows(1), "radon_velocity": windows(2, method=METHOD).assign(mouse="007")}),
    )


def test_a_roi_has_the_windows_of_ours_or_those_of_the_older_program():
    rec = ArtifactsInMemory(tables={"velocity": windows(1), "radon_velocity": of_older_csv(1, 2)})
    rows = INDEXER.extract_rows(rec)
    assert list(rows.columns) == ["image_id", *VELOCITY_COLUMNS]
    assert rows.groupby("roi_id")["method"].unique().map(list).to_dict() == {1: ["likelihood"], 2: [METHOD]}


def test_windows_of_datasets_of_earlier_versions_are_read():
    rows = INDEXER.extract_rows(ArtifactsInMemory(tables={"radon_velocity": of_older_csv(1)}))
    np.testing.assert_equal(rows["velocity_mm_s"].tolist(), [0.5, np.nan])
    assert rows["velocity_window_mm_s"].tolist() == [0.5, -5553288.0]
    assert rows["flag"].tolist() == ["", "at limit"]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"velocity": pd.DataFrame({"a": [1]})}, "velocity of image .* lacks the columns"),
        ({"velocity": windows(1).assign(quality="good")}, "velocity of image .*: 'quality' has 'good' in row 0"),
        ({"radon_velocity": pd.DataFrame({"a": [1]})}, "radon_velocity of image .* lacks the columns"),
    ],
)
def test_what_are_no_windows_is_named(tables, message):
    with pytest.raises(IndexerError, match=message):
        INDEXER.extract_rows(ArtifactsInMemory(tables=tables))


@pytest.fixture
def stacked(dataset):
    """Three records: with 1,000 windows, with 3, and with 1,200, of which this one has 2 of the older program as well."""
    rois = RoiSet.of([RectROI(roi_id=one, x0=0, x1=9, y0=0, y1=20) for one in (1, 2)])
    for count in (1000, 3, 1200):
        record = dataset.add_image(np.zeros((30, 20), np.uint8))
        AcqImage(record).save_rois(rois)
        stated = ComputedFrom.of([rois.get(1)], algorithm="likelihood")
        record.save_df_parquet("velocity", windows(1, count), computed_from=stated.to_json())
    stated = ComputedFrom.of(rois, algorithm="mpRadon")
    record.save_df_parquet("radon_velocity", windows(2, 2, method=METHOD), computed_from=stated.to_json())
    kym = KymDataset(dataset)
    kym.rebuild(INDEXER)
    return kym


def twice_analysed(kym: KymDataset):
    return next(record for record in kym.dataset.iter_records() if record.has_analysis("radon_velocity.parquet"))


def test_an_image_with_many_windows_is_a_row_group_of_its_own(stacked):
    metadata = pq.read_metadata(stacked.dataset.path / "tables" / "velocity.parquet")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert sorted(group.num_rows for group in groups) == [3, 1000, 1202]
    bounds = [group.column(0).statistics for group in groups if group.num_rows >= 1000]
    assert all(bound.min == bound.max for bound in bounds)


def test_every_row_stays_when_one_image_is_indexed_again(stacked):
    before = stacked.get_table("velocity")
    record = stacked.dataset.record(stacked.dataset.list_image_ids()[0])
    report = stacked.update_image(INDEXER, record.image_id)
    order = ["image_id", "roi_id", "window"]
    now, then = (frame.sort_values(order, ignore_index=True) for frame in (stacked.get_table("velocity"), before))
    pd.testing.assert_frame_equal(now, then)
    assert report.failed == {}


def test_other_programs_read_it_by_one_file_and_the_artifacts_by_one_glob(stacked):
    path = stacked.dataset.path
    count = len(stacked.get_table("velocity"))
    table = ds.dataset(path / "tables" / "velocity.parquet")
    assert table.schema.field("velocity_mm_s").metadata == {b"units": b"mm/s"}
    assert table.to_table(filter=ds.field("velocity_mm_s") > 0).num_rows == count == 2205
    files = [str(one) for one in path.glob("images/*/analysis/velocity.parquet")]
    assert ds.dataset(files).count_rows() == 2203


def test_duckdb_reads_it(stacked):
    duckdb = pytest.importorskip("duckdb")
    path = stacked.dataset.path
    mean = f"SELECT avg(velocity_mm_s), count(*) FROM '{path}/tables/velocity.parquet' WHERE flag = '' AND roi_id = 1"
    assert duckdb.sql(mean).fetchall() == [(0.5, 2203)]
    assert duckdb.sql(f"SELECT count(*) FROM '{path}/images/*/analysis/velocity.parquet'").fetchall() == [(2203,)]


def test_polars_reads_it(stacked):
    polars = pytest.importorskip("polars")
    path = stacked.dataset.path
    table = polars.read_parquet(path / "tables" / "velocity.parquet")
    assert (table.height, table.schema["velocity_mm_s"], table.schema["roi_id"]) == (2205, polars.Float64, polars.Int64)
    assert polars.scan_parquet(f"{path}/images/*/analysis/velocity.parquet").collect().height == 2203


class TestFreshness:
    def test_a_changed_roi_outdates_the_windows_of_it_alone(self, stacked):
        record = twice_analysed(stacked)
        AcqImage(record).edit_roi(2, x1=8)
        stacked.refresh(INDEXER)
        table = stacked.get_table("velocity")
        marked = table.loc[table["outdated"], ["image_id", "roi_id"]].drop_duplicates().to_numpy().tolist()
        assert marked == [[record.image_id, 2]]

    def test_results_of_the_older_program_for_a_roi_that_was_analysed_since_do_not_count(self, stacked):
        record = twice_analysed(stacked)
        image = AcqImage(record)
        image.edit_roi(1, x1=8)
        assert stacked.freshness(INDEXER)["state"].tolist().count("outdated") == 1
        stated = ComputedFrom.of([image.rois.get(1)], algorithm="likelihood")
        record.save_df_parquet("velocity", windows(1, 5), computed_from=stated.to_json())
        stacked.refresh(INDEXER)
        assert stacked.freshness(INDEXER)["state"].tolist() == ["fresh"] * 3
        assert not stacked.get_table("velocity")["outdated"].any()


def test_its_units_are_those_of_the_schema(stacked):
    assert stacked.get_table("velocity").attrs["units"] == VELOCITY_UNITS

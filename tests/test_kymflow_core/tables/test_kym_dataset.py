import numpy as np
import pandas as pd
import pytest

from kymflow_core.indexers import RadonReportIndexer, VelocityEventsIndexer
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_core.tables.update_report import UpdateReport
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.errors import DatasetNotFoundError, ReadOnlyError, TableNotFoundError

INDEXER = RadonReportIndexer()


def reports(*roi_ids: int, mean: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"roi_id": roi_ids, "mean_velocity": mean, "median_velocity": 0.4, "n_valid": 100, "notes": "fine"})


def rows_by_image(table: pd.DataFrame) -> dict[str, list[int]]:
    return {image_id: group["roi_id"].tolist() for image_id, group in table.groupby("image_id")}


@pytest.fixture
def analysed(dataset):
    """Three records: with 2 reports, with 1, and never analysed."""
    records = [dataset.add_image(np.zeros((4, 5), np.uint8)) for _ in range(3)]
    records[0].save_df_parquet("radon_report", reports(1, 2))
    records[1].save_df_parquet("radon_report", reports(1))
    return records


@pytest.fixture
def tables(dataset, analysed):
    """The dataset of kymographs over the three records, its report table rebuilt."""
    opened = KymDataset(dataset)
    opened.rebuild(INDEXER)
    return opened


def test_rebuilding_makes_the_rows_of_all_images(tables, analysed):
    expected = {analysed[0].image_id: [1, 2], analysed[1].image_id: [1]}
    assert rows_by_image(tables.dataset.load_table("radon_report")) == expected


def test_rebuilding_says_how_many_rows_each_image_has(dataset, analysed):
    report = KymDataset(dataset).rebuild(INDEXER)
    expected = {analysed[0].image_id: 2, analysed[1].image_id: 1, analysed[2].image_id: 0}
    assert (report.table_name, report.rows, report.failed) == ("radon_report", expected, {})


def test_rebuilding_throws_the_table_away(tables, analysed):
    tables.dataset.save_table("radon_report", pd.DataFrame({"image_id": ["gone"], "leftover": [1]}))
    tables.rebuild(INDEXER)
    table = tables.dataset.load_table("radon_report")
    assert (len(table), "leftover" in table.columns) == (3, False)


def test_rebuilding_says_how_far_it_is(dataset, analysed):
    calls = []
    KymDataset(dataset).rebuild(INDEXER, watch=Watch(progress=lambda done, total, _: calls.append((done, total))))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_rebuilding_keeps_the_dtypes(tables):
    table = tables.dataset.load_table("radon_report")
    assert [str(table[name].dtype) for name in ("image_id", "roi_id", "mean_velocity")] == ["str", "int64", "float64"]


@pytest.mark.parametrize("indexer", [RadonReportIndexer(), VelocityEventsIndexer()], ids=lambda indexer: indexer.name)
def test_an_empty_dataset_gives_a_table_with_the_required_columns(indexer, dataset):
    KymDataset(dataset).rebuild(indexer)
    table = dataset.load_table(indexer.table_name)
    assert (list(table.columns), len(table)) == ([*indexer.required_columns(), "outdated"], 0)


def test_a_table_that_began_empty_takes_rows(dataset):
    opened = KymDataset(dataset)
    opened.rebuild(INDEXER)
    record = dataset.add_image(np.zeros((4, 5), np.uint8))
    record.save_df_parquet("radon_report", reports(1))
    opened.update_image(INDEXER, record.image_id)
    assert str(opened.get_table("radon_report")["roi_id"].dtype) == "int64"


def test_one_failing_image_is_reported(dataset, analysed):
    analysed[0].save_df_parquet("radon_report", pd.DataFrame({"roi_id": [1]}))
    report = KymDataset(dataset).rebuild(INDEXER)
    assert list(report.failed) == [analysed[0].image_id]
    assert report.failed[analysed[0].image_id].startswith(f"radon_report of image {analysed[0].image_id} lacks the columns")


def test_one_failing_image_does_not_stop_the_others(dataset, analysed):
    analysed[0].save_df_parquet("radon_report", pd.DataFrame({"roi_id": [1]}))
    KymDataset(dataset).rebuild(INDEXER)
    assert rows_by_image(dataset.load_table("radon_report")) == {analysed[1].image_id: [1]}


def test_an_artifact_that_is_damaged_is_reported_too(dataset, analysed):
    path = dataset.path / "images" / analysed[0].image_id / "analysis" / "radon_report.parquet"
    path.write_bytes(b"no Parquet")
    report = KymDataset(dataset).rebuild(INDEXER)
    assert "is not readable Parquet" in report.failed[analysed[0].image_id]
    assert report.rows[analysed[1].image_id] == 1


def with_further_column(*values):
    return reports(*range(1, len(values) + 1)).assign(grade=list(values))


def test_an_image_whose_further_column_is_of_another_kind_fails_and_the_others_stay(dataset, analysed):
    analysed[0].save_df_parquet("radon_report", with_further_column("good"))
    analysed[1].save_df_parquet("radon_report", with_further_column(3.5))
    report = KymDataset(dataset).rebuild(INDEXER)
    (failed,) = report.failed
    (kept,) = {analysed[0].image_id, analysed[1].image_id} - {failed}
    assert "do not fit together" in report.failed[failed]
    assert rows_by_image(dataset.load_table("radon_report")) == {kept: [1]}


def test_an_update_whose_rows_do_not_fit_is_reported_and_leaves_the_rows_marked(dataset, analysed):
    analysed[0].save_df_parquet("radon_report", with_further_column("good"))
    tables = KymDataset(dataset)
    tables.rebuild(INDEXER)
    before = tables.get_table("radon_report")
    analysed[1].save_df_parquet("radon_report", with_further_column(3.5))
    report = tables.update_image(INDEXER, analysed[1].image_id)
    assert list(report.failed) == [analysed[1].image_id]
    after = tables.get_table("radon_report")
    by = ["image_id", "roi_id"]
    pd.testing.assert_frame_equal(
        *(one.drop(columns="outdated").sort_values(by, ignore_index=True) for one in (after, before))
    )
    assert after.loc[after["outdated"], "image_id"].tolist() == [analysed[1].image_id]


def test_updating_an_image_replaces_its_rows(tables, analysed):
    analysed[1].save_df_parquet("radon_report", reports(5, 6, 7))
    report = tables.update_image(INDEXER, analysed[1].image_id)
    assert (report.rows, report.failed) == ({analysed[1].image_id: 3}, {})
    assert rows_by_image(tables.get_table("radon_report"))[analysed[1].image_id] == [5, 6, 7]


def test_updating_an_image_changes_no_row_of_another(tables, analysed):
    before = tables.get_table("radon_report")
    analysed[0].save_df_parquet("radon_report", reports(9, mean=7.0))
    analysed[1].save_df_parquet("radon_report", reports(5, mean=8.0))
    tables.update_image(INDEXER, analysed[1].image_id)
    after = tables.get_table("radon_report")
    others = [frame[frame["image_id"] != analysed[1].image_id].reset_index(drop=True) for frame in (before, after)]
    pd.testing.assert_frame_equal(*others)


def test_updating_an_image_that_has_no_artifact_any_more_removes_its_rows(tables, analysed):
    (tables.dataset.path / "images" / analysed[0].image_id / "analysis" / "radon_report.parquet").unlink()
    tables.update_image(INDEXER, analysed[0].image_id)
    assert rows_by_image(tables.get_table("radon_report")) == {analysed[1].image_id: [1]}


def test_updating_makes_a_table_that_is_not_there(dataset, analysed):
    KymDataset(dataset).update_image(INDEXER, analysed[0].image_id)
    assert rows_by_image(dataset.load_table("radon_report")) == {analysed[0].image_id: [1, 2]}


def test_a_failing_update_leaves_the_rows_and_marks_them(tables, analysed):
    before = tables.get_table("radon_report").drop(columns="outdated")
    analysed[0].save_df_parquet("radon_report", pd.DataFrame({"roi_id": [1]}))
    tables.update_image(INDEXER, analysed[0].image_id)
    after = tables.get_table("radon_report")
    columns = ["image_id", "roi_id"]
    pd.testing.assert_frame_equal(*(one.sort_values(columns, ignore_index=True)[before.columns] for one in (before, after)))
    assert set(after.loc[after["outdated"], "image_id"]) == {analysed[0].image_id}


def test_a_second_failing_update_writes_no_table(tables, analysed):
    analysed[0].save_df_parquet("radon_report", pd.DataFrame({"roi_id": [1]}))
    tables.update_image(INDEXER, analysed[0].image_id)
    path = tables.dataset.path / "tables" / "radon_report.parquet"
    before = path.stat().st_mtime_ns, path.read_bytes()
    tables.update_image(INDEXER, analysed[0].image_id)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_a_failing_update_makes_no_table(dataset, analysed):
    KymDataset(dataset).update_image(INDEXER, "nobody")
    assert dataset.list_table_names() == []


def test_a_failing_update_is_reported(tables, analysed):
    analysed[0].save_df_parquet("radon_report", pd.DataFrame({"roi_id": [1]}))
    report = tables.update_image(INDEXER, analysed[0].image_id)
    assert (dict(report.rows), list(report.failed)) == ({}, [analysed[0].image_id])


def test_updating_an_image_that_is_not_there_is_reported(tables):
    report = tables.update_image(INDEXER, "nobody")
    assert report.failed["nobody"].startswith("no record 'nobody' in ")


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda tables, record: tables.rebuild(INDEXER), id="rebuild"),
        pytest.param(lambda tables, record: tables.update_image(INDEXER, record.image_id), id="update"),
        pytest.param(lambda tables, record: tables.update_image(INDEXER, "nobody"), id="failing update"),
    ],
)
def test_the_cache_equals_the_file_after(run, tables, analysed):
    tables.get_table("radon_report")
    analysed[1].save_df_parquet("radon_report", reports(5, 6, mean=9.0))
    run(tables, analysed[1])
    pd.testing.assert_frame_equal(
        tables.get_table("radon_report"), ZarrDataset(tables.dataset.path).load_table("radon_report")
    )


def test_a_table_is_read_once(tables):
    assert tables.get_table("radon_report") is tables.get_table("radon_report")


def test_a_table_that_is_not_there_is_said(tables):
    with pytest.raises(TableNotFoundError, match=r"^no table named 'radon'; this dataset has 'radon_report'$"):
        tables.get_table("radon")


def test_a_path_is_opened(tables, analysed):
    assert len(KymDataset(str(tables.dataset.path), mode="r").get_table("radon_report")) == 3


def test_reading_where_there_is_nothing_is_said(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"^there is no dataset at "):
        KymDataset(tmp_path / "nothing.zarr", mode="r")


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda tables, image_id: tables.rebuild(INDEXER), id="rebuild"),
        pytest.param(lambda tables, image_id: tables.update_image(INDEXER, image_id), id="update"),
    ],
)
def test_a_dataset_opened_to_read_refuses_to(run, tables, analysed):
    reading = KymDataset(tables.dataset.path, mode="r")
    with pytest.raises(ReadOnlyError, match=r"is in a dataset opened for reading only; open it with mode 'a'$"):
        run(reading, analysed[0].image_id)


@pytest.mark.parametrize(
    ("rows", "failed", "summary"),
    [
        pytest.param({}, {}, "radon_report: nothing to do", id="nothing"),
        pytest.param({"a": 2, "b": 3, "c": 0}, {}, "radon_report: 5 rows of 3 images", id="sound"),
        pytest.param({"a": 2}, {"b": "why"}, "radon_report: 2 rows of 1 image, 1 failed", id="one failed"),
    ],
)
def test_the_summary_of_a_run_is(rows, failed, summary):
    assert UpdateReport(table_name="radon_report", rows=rows, failed=failed).summary() == summary


@pytest.mark.shared
@pytest.mark.parametrize(("indexer", "rows"), [(RadonReportIndexer(), [0, 2, 3]), (VelocityEventsIndexer(), [0, 0, 5])])
def test_the_laboratorys_images_have_rows(indexer, rows, lab_import):
    assert sorted(len(indexer.extract_rows(record)) for record in lab_import.dataset.iter_records()) == rows

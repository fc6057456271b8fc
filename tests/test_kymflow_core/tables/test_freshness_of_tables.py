"""Tables through everything that happens to a dataset: an old number is never called new, and nothing else is made anew."""

import multiprocessing
import os
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from laboratory import (
    NOT_A_REPORT,
    RADON,
    TABLE,
    KeysOfADict,
    Noting,
    add_image,
    analyse,
    artifact_path,
    edit_roi,
    index_path,
    reports,
    rows_by_image,
    stale,
    states,
    stored_rows,
    table_path,
    tamper,
)

from kymflow_core import AcqImage, ComputedFrom, KymDataset, State, VelocityEventsIndexer
from kymflow_core.indexers import INDEXERS
from kymflow_zarr import Watch, ZarrDataset, ZarrImageRecord
from kymflow_zarr.errors import ReadOnlyError, TableNotFoundError


@dataclass(frozen=True, kw_only=True)
class Lab:
    """Four images with ROIs 1 and 2, and their table, rebuilt: two have 2 rows, one none, and one was never analysed."""

    kd: KymDataset
    first: ZarrImageRecord
    second: ZarrImageRecord
    empty: ZarrImageRecord
    never: ZarrImageRecord

    @property
    def dataset(self) -> ZarrDataset:
        return self.kd.dataset

    @property
    def records(self) -> tuple[ZarrImageRecord, ...]:
        return self.first, self.second, self.empty, self.never

    def state(self, record: ZarrImageRecord) -> str:
        return states(self.kd)[record.image_id]

    def reason(self, record: ZarrImageRecord) -> str:
        frame = self.kd.freshness(RADON).set_index("image_id")
        return frame.loc[record.image_id, "reason"]

    def others(self, *records: ZarrImageRecord) -> dict[str, str]:
        """The states of all images but these."""
        ids = {record.image_id for record in records}
        return {image_id: state for image_id, state in states(self.kd).items() if image_id not in ids}


@pytest.fixture(scope="module")
def lab_original(tmp_path_factory) -> tuple[ZarrDataset, list[str]]:
    """The dataset of `Lab`, and the ids of its images; tests copy it, so files have other stamps than the table notes."""
    dataset = ZarrDataset.create(tmp_path_factory.mktemp("lab") / "small.zarr")
    first, second, empty, never = (add_image(dataset, 1, 2) for _ in range(4))
    analyse(first, 1, 2)
    analyse(second, 1, 2, mean=0.7)
    analyse(empty)
    KymDataset(dataset).rebuild(RADON)
    return dataset, [record.image_id for record in (first, second, empty, never)]


@pytest.fixture
def lab(lab_original, tmp_path) -> Lab:
    original, image_ids = lab_original
    kd = KymDataset(shutil.copytree(original.path, tmp_path / "small.zarr"))
    first, second, empty, never = map(kd.dataset.record, image_ids)
    return Lab(kd=kd, first=first, second=second, empty=empty, never=never)


class TestEachStateIsToldApart:
    def test_after_a_rebuild(self, lab):
        expected = {lab.first: "fresh", lab.second: "fresh", lab.empty: "fresh", lab.never: "never analysed"}
        assert states(lab.kd) == {record.image_id: state for record, state in expected.items()}
        assert stale(lab.kd) == set()

    def test_zero_rows_are_an_answer(self, lab):
        frame = lab.kd.freshness(RADON).set_index("image_id")
        of = [lab.first.image_id, lab.empty.image_id, lab.never.image_id]
        assert frame.loc[of, ["state", "n_rows"]].to_numpy().tolist() == [["fresh", 2], ["fresh", 0], ["never analysed", 0]]

    def test_freshness_has_a_row_for_each_image(self, lab):
        frame = lab.kd.freshness(RADON)
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
            "image_id": "str",
            "state": "str",
            "n_rows": "int64",
            "reason": "str",
            "needs_update": "bool",
        }
        assert frame["image_id"].tolist() == lab.dataset.list_image_ids()

    def test_the_states_of_several_tables_are_counted_together(self, lab):
        analyse(lab.first, 1)
        edit_roi(lab.second, 1, x1=3)
        for indexer in INDEXERS[:4]:
            lab.kd.refresh(indexer)
        analyse(lab.first, 1, mean=5.0)
        each = [Counter(lab.kd.freshness(indexer)["state"]) for indexer in INDEXERS]
        assert lab.kd.count_states(INDEXERS) == each
        assert each[2] == {"behind": 1, "outdated": 1, "fresh": 1, "never analysed": 1}

    def test_before_any_table(self, dataset):
        record, never = add_image(dataset, 1), add_image(dataset, 1)
        analyse(record, 1)
        assert states(KymDataset(dataset)) == {record.image_id: "behind", never.image_id: "never analysed"}

    def test_of_an_empty_dataset(self, dataset):
        assert len(KymDataset(dataset).freshness(RADON)) == 0

    def test_behind(self, lab):
        analyse(lab.first, 1)
        assert (lab.state(lab.first), lab.reason(lab.first)) == ("behind", "its results are newer than the table")
        assert stale(lab.kd) == {lab.first.image_id}

    def test_never_analysed_until_now(self, lab):
        analyse(lab.never, 1)
        assert lab.state(lab.never) == "behind"
        lab.kd.refresh(RADON)
        assert lab.state(lab.never) == "fresh"

    def test_outdated(self, lab):
        edit_roi(lab.first, 2, x1=12)
        assert (lab.state(lab.first), lab.reason(lab.first)) == ("outdated", "ROI 2: x1 9 → 12 after the analysis")

    def test_failed(self, lab):
        lab.first.save_df_parquet(TABLE, NOT_A_REPORT)
        lab.kd.refresh(RADON)
        assert lab.state(lab.first) == "failed"
        assert "lacks the columns ['mean_velocity'" in lab.reason(lab.first)

    def test_deleted_by_another_program(self, lab):
        shutil.rmtree(lab.dataset.path / "images" / lab.first.image_id)
        frame = lab.kd.freshness(RADON).set_index("image_id")
        assert frame.loc[lab.first.image_id].tolist() == ["deleted", 2, "the image was deleted", True]

    def test_an_artifact_that_was_deleted(self, lab):
        artifact_path(lab.dataset, lab.first).unlink()
        assert (lab.state(lab.first), lab.reason(lab.first)) == ("behind", "its results are gone")
        lab.kd.refresh(RADON)
        assert lab.state(lab.first) == "never analysed"
        assert lab.first.image_id not in stored_rows(lab.kd)

    def test_another_version_of_the_indexer(self, lab):
        newer = Noting()
        newer.schema_version = "3"
        assert stale(lab.kd, newer) == set(lab.dataset.list_image_ids())
        lab.kd.refresh(newer)
        assert (stale(lab.kd, newer), len(stale(lab.kd))) == (set(), 4)


class TestOutdated:
    def test_updating_the_table_does_not_hide_it(self, lab):
        edit_roi(lab.first, 2, x1=12)
        for update in (lab.kd.refresh, lab.kd.rebuild, lambda one: lab.kd.update_image(one, lab.first.image_id)):
            report = update(RADON)
            assert lab.state(lab.first) == "outdated"
            assert report.states[lab.first.image_id] is State.OUTDATED
        assert stale(lab.kd) == set()

    def test_the_rows_stay_and_are_marked(self, lab):
        edit_roi(lab.first, 2, x1=12)
        lab.kd.refresh(RADON)
        table = lab.kd.get_table(TABLE)
        own = table[table["image_id"] == lab.first.image_id]
        assert own[["roi_id", "outdated"]].to_numpy().tolist() == [[1, False], [2, True]]
        assert not table.loc[table["image_id"] != lab.first.image_id, "outdated"].any()

    def test_renaming_a_roi_makes_nothing_outdated(self, lab):
        edit_roi(lab.first, 2, name="capillary", note="the left one", meta={"color": "#ff0000"})
        assert stale(lab.kd) == set()
        assert lab.state(lab.first) == "fresh"

    def test_adding_a_roi_makes_nothing_outdated(self, lab):
        AcqImage(lab.first).add_roi(x0=0, x1=2, y0=0, y1=2)
        assert lab.state(lab.first) == "fresh"

    def test_deleting_a_roi_makes_its_results_outdated(self, lab):
        AcqImage(lab.first).delete_roi(1)
        assert lab.reason(lab.first) == "ROI 1 was deleted after the analysis"

    def test_editing_the_roi_back_makes_it_fresh_after_a_refresh(self, lab):
        before = stored_rows(lab.kd)
        edit_roi(lab.first, 2, x1=12)
        lab.kd.refresh(RADON)
        edit_roi(lab.first, 2, x1=9)
        assert (lab.state(lab.first), lab.reason(lab.first)) == (
            "behind",
            "what was analysed is again as it was",
        )
        lab.kd.refresh(RADON)
        assert (lab.state(lab.first), stored_rows(lab.kd)) == ("fresh", before)

    def test_editing_the_roi_back_before_any_refresh_leaves_it_fresh(self, lab):
        edit_roi(lab.first, 2, x1=12)
        edit_roi(lab.first, 2, x1=9)
        assert lab.state(lab.first) == "fresh"

    def test_analysing_again_makes_it_fresh_after_a_refresh(self, lab):
        edit_roi(lab.first, 2, x1=12)
        lab.kd.refresh(RADON)
        analyse(lab.first, 1, 2, mean=0.9)
        lab.kd.refresh(RADON)
        assert lab.state(lab.first) == "fresh"

    def test_a_report_in_json_says_it_too(self, lab):
        said = ComputedFrom.of(AcqImage(lab.never).rois, algorithm="radon").to_json()
        lab.never.save_json(TABLE, reports(1).to_dict("records"), computed_from=said)
        lab.kd.refresh(RADON)
        edit_roi(lab.never, 1, y1=4)
        assert lab.reason(lab.never) == "ROI 1: y1 5 → 4 after the analysis"

    def test_a_result_that_states_nothing_is_not_called_outdated(self, lab):
        lab.first.save_df_parquet(TABLE, reports(1))
        lab.kd.refresh(RADON)
        edit_roi(lab.first, 1, x1=12)
        assert lab.state(lab.first) == "fresh"

    def test_a_change_whose_text_has_several_lines_is_known_again(self, lab):
        said = {"rois": {"1": {"roi_type": "rect\nof another program"}}}
        lab.first.save_df_parquet(TABLE, reports(1), computed_from=said)
        lab.kd.refresh(RADON)
        assert (lab.state(lab.first), stale(lab.kd)) == ("outdated", set())

    @pytest.mark.parametrize("said", [{"rois": {"one": {}}}, {"rois": [1]}], ids=str)
    def test_a_statement_that_cannot_be_understood_fails(self, lab, said):
        lab.first.save_df_parquet(TABLE, reports(1), computed_from=said)
        report = lab.kd.refresh(RADON)
        assert list(report.failed) == [lab.first.image_id]
        assert lab.state(lab.first) == "failed"


class TestOutdatedByTheImage:
    """The calibration that a result was calculated with, and the pixels, are no longer those of the image."""

    @pytest.fixture
    def stated(self, lab):
        """The lab, whose first image was analysed with a calibration and of certain pixels."""
        self.save(lab, header={"seconds_per_line": 0.002, "um_per_pixel": 0.25})
        image = AcqImage(lab.first)
        said = ComputedFrom.of(image.rois, algorithm="radon", pixels="aa", calibration=image.calibration)
        lab.first.save_df_parquet(TABLE, reports(1, 2), computed_from=said.to_json())
        lab.kd.refresh(RADON)
        return lab

    def save(self, lab, **changes):
        lab.first.save_metadata_payload({**lab.first.load_metadata_payload(), **changes})

    def test_while_they_are_the_same_it_is_fresh(self, stated):
        assert stated.state(stated.first) == "fresh"

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            (
                {"header": {"seconds_per_line": 0.002, "um_per_pixel": 0.3}},
                "calibration: 0.25 → 0.3 µm per pixel after the analysis",
            ),
            ({"header": {"um_per_pixel": 0.25}}, "calibration: 0.002 s per line → unknown after the analysis"),
            ({"pixels_sha256": "bb"}, "the pixels were replaced after the analysis"),
        ],
        ids=["calibration", "unknown now", "pixels"],
    )
    def test_a_change_is_said_and_marks_all_rows(self, changes, reason, stated):
        self.save(stated, **changes)
        assert (stated.state(stated.first), stated.reason(stated.first)) == ("outdated", reason)
        stated.kd.refresh(RADON)
        table = stated.kd.get_table(TABLE)
        assert table.loc[table["image_id"] == stated.first.image_id, "outdated"].all()
        assert (stated.state(stated.first), stale(stated.kd)) == ("outdated", set())

    @pytest.mark.parametrize(
        "changes",
        [
            {"header": {"seconds_per_line": 0.002, "um_per_pixel": 0.25, "calibration_source": "entered by hand"}},
            {"pixels_sha256": "aa"},
            {"experiment_metadata": {"species": "mouse"}},
            {"accepted": False},
        ],
        ids=str,
    )
    def test_other_metadata_make_nothing_outdated(self, changes, stated):
        self.save(stated, **changes)
        assert stated.state(stated.first) == "fresh"

    def test_the_calibration_put_back_makes_it_fresh_after_a_refresh(self, stated):
        before = stored_rows(stated.kd)
        self.save(stated, header={"seconds_per_line": 0.002, "um_per_pixel": 0.3})
        stated.kd.refresh(RADON)
        self.save(stated, header={"seconds_per_line": 0.002, "um_per_pixel": 0.25})
        assert stated.state(stated.first) == "behind"
        stated.kd.refresh(RADON)
        assert (stated.state(stated.first), stored_rows(stated.kd)) == ("fresh", before)


class TestWhatOtherProgramsDo:
    def test_an_artifact_of_the_same_size_with_its_time_set_back_is_noticed(self, lab):
        path = artifact_path(lab.dataset, lab.first)
        was = path.stat()
        analyse(lab.first, 1, 2, mean=0.6)
        assert path.stat().st_size == was.st_size
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        assert lab.state(lab.first) == "behind"
        lab.kd.refresh(RADON)
        assert set(lab.kd.get_table(TABLE).set_index("image_id").loc[lab.first.image_id, "mean_velocity"]) == {0.6}

    def test_an_artifact_that_was_written_anew_as_it_was_is_fresh(self, lab):
        path = artifact_path(lab.dataset, lab.first)
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
        assert lab.state(lab.first) == "fresh"

    def test_a_metadata_file_edited_by_hand_is_noticed(self, lab):
        path = artifact_path(lab.dataset, lab.first).with_name("metadata.json")
        path.write_text(path.read_text().replace('"x1": 9', '"x1": 8'))
        assert lab.reason(lab.first) == "ROI 1: x1 9 → 8 after the analysis; ROI 2: x1 9 → 8 after the analysis"

    @pytest.mark.parametrize("how", ["deleted", "damaged", "of other columns", "another program's"])
    def test_without_its_index_a_table_is_called_behind_and_made_again(self, lab, how):
        path, before = index_path(lab.dataset), stored_rows(lab.kd)
        if how == "deleted":
            path.unlink()
        elif how == "damaged":
            path.write_bytes(path.read_bytes()[:-100])
        elif how == "of other columns":
            lab.dataset.save_table_index(TABLE, type(lab.dataset.load_table_index(TABLE))(pa.table({"a": [1]}), "x"))
        else:
            pd.DataFrame({"image_id": lab.dataset.list_image_ids(), "fingerprint": "f"}).to_parquet(path)
        assert set(lab.others(lab.never).values()) == {"behind"}
        lab.kd.refresh(RADON)
        assert (stale(lab.kd), stored_rows(lab.kd)) == (set(), before)

    def test_without_its_index_a_table_still_has_its_rows(self, lab):
        index_path(lab.dataset).unlink()
        n_rows = lab.kd.freshness(RADON).set_index("image_id")["n_rows"]
        assert n_rows[[record.image_id for record in lab.records]].tolist() == [2, 2, 0, 0]

    def test_a_table_that_was_deleted_is_made_again(self, lab):
        before = stored_rows(lab.kd)
        table_path(lab.dataset).unlink()
        assert set(lab.others(lab.never).values()) == {"behind"}
        lab.kd.refresh(RADON)
        assert (stale(lab.kd), stored_rows(lab.kd)) == (set(), before)

    def test_a_table_that_was_damaged_is_made_again(self, lab):
        before = stored_rows(lab.kd)
        table_path(lab.dataset).write_bytes(b"no Parquet")
        assert State.FRESH not in states(lab.kd).values()
        lab.kd.refresh(RADON)
        assert (stale(lab.kd), stored_rows(lab.kd)) == (set(), before)

    def test_of_one_number_changed_by_pandas_just_its_image_is_behind(self, lab):
        before = stored_rows(lab.kd)
        tamper(lab.dataset, lab.first.image_id)
        assert stale(lab.kd) == {lab.first.image_id}
        report = lab.kd.refresh(RADON)
        assert (list(report.rows), stale(lab.kd), stored_rows(lab.kd)) == ([lab.first.image_id], set(), before)

    def test_rows_that_pandas_removed_or_doubled_are_noticed(self, lab):
        table = pd.read_parquet(table_path(lab.dataset))
        own = table["image_id"] == lab.first.image_id
        pd.concat([table[~own], table[~own]]).to_parquet(table_path(lab.dataset))
        assert stale(lab.kd) == {lab.first.image_id, lab.second.image_id}

    def test_values_that_changed_places_are_noticed(self, lab):
        table = pd.read_parquet(table_path(lab.dataset))
        table.loc[table["image_id"] == lab.first.image_id, "roi_id"] = [2, 1]
        analyse(lab.first, 1, 2)
        lab.first.save_df_parquet(TABLE, reports(1, 2).assign(mean_velocity=[0.1, 0.2]))
        lab.kd.refresh(RADON)
        table = pd.read_parquet(table_path(lab.dataset))
        own = table["image_id"] == lab.first.image_id
        table.loc[own, "mean_velocity"] = table.loc[own, "mean_velocity"].to_numpy()[::-1]
        table.to_parquet(table_path(lab.dataset))
        assert stale(lab.kd) == {lab.first.image_id}

    def test_a_table_saved_by_pandas_with_the_same_rows_stays_fresh(self, lab):
        table = pd.read_parquet(table_path(lab.dataset))
        table.sample(frac=1, random_state=0)[sorted(table.columns)].to_parquet(table_path(lab.dataset))
        assert stale(lab.kd) == set()

    def test_a_table_restored_from_an_older_copy_is_noticed(self, lab):
        older = table_path(lab.dataset).read_bytes()
        analyse(lab.first, 1)
        lab.kd.refresh(RADON)
        after = stored_rows(lab.kd)
        table_path(lab.dataset).unlink()  # the commit, too, is another name of that file
        shutil.rmtree(lab.dataset.path / "tables" / ".commits")
        table_path(lab.dataset).write_bytes(older)
        assert stale(lab.kd) == {lab.first.image_id}
        lab.kd.refresh(RADON)
        assert (stale(lab.kd), stored_rows(lab.kd)) == (set(), after)

    def test_an_older_index_beside_a_newer_table_is_noticed(self, lab):
        older = index_path(lab.dataset).read_bytes()
        analyse(lab.first, 1)
        lab.kd.refresh(RADON)
        index_path(lab.dataset).write_bytes(older)
        assert stale(lab.kd) == {lab.first.image_id}

    def test_a_deleted_image_makes_nothing_false(self, lab):
        lab.dataset.delete_image(lab.first.image_id)
        assert lab.first.image_id not in states(lab.kd)
        assert stale(lab.kd) == set()
        assert lab.kd.refresh(RADON).removed == ()
        assert set(lab.kd.get_table(TABLE)["image_id"]) == {lab.second.image_id}

    def test_rows_of_images_that_were_deleted_by_hand_are_removed(self, lab):
        shutil.rmtree(lab.dataset.path / "images" / lab.first.image_id)
        report = lab.kd.refresh(RADON)
        assert report.removed == (lab.first.image_id,)
        assert report.summary() == "radon_report: 0 rows of 0 images, rows of 1 deleted image removed, 1 never analysed"
        assert set(stored_rows(lab.kd)) == {lab.second.image_id}

    @pytest.mark.slow
    def test_rows_of_deleted_images_that_are_removed_decide_no_type_and_no_order_of_columns(self, tmp_path):
        kd = KymDataset(tmp_path / "small.zarr")
        first = add_image(kd.dataset, 1).image_id
        kd.refresh_tables(INDEXERS)
        shutil.rmtree(kd.dataset.path / "images" / first)
        analyse(add_image(kd.dataset, 1), 1)
        kd.refresh_tables(INDEXERS)
        refreshed = kd.load_tables()
        kd.rebuild_tables(INDEXERS)
        for name, rebuilt in kd.load_tables().items():
            pd.testing.assert_frame_equal(refreshed[name], rebuilt)

    def test_an_image_whose_rows_were_changed_says_so(self, lab):
        tamper(lab.dataset, lab.first.image_id)
        assert lab.reason(lab.first) == "its rows were changed, or it is not known what they were made from"

    def test_rows_of_an_image_without_results_are_behind_even_where_nothing_is_known_of_them(self, lab):
        index_path(lab.dataset).unlink()
        artifact_path(lab.dataset, lab.first).unlink()
        assert (lab.state(lab.first), lab.reason(lab.first)) == ("behind", "its results are gone")

    @pytest.mark.parametrize("indexed", [True, False], ids=["with its index", "without its index"])
    def test_rows_of_deleted_images_are_named_with_their_number(self, lab, indexed):
        shutil.rmtree(lab.dataset.path / "images" / lab.first.image_id)
        if not indexed:
            index_path(lab.dataset).unlink()
        frame = lab.kd.freshness(RADON).set_index("image_id")
        assert frame.loc[lab.first.image_id, ["state", "n_rows"]].tolist() == ["deleted", 2]

    def test_rows_of_nobody_that_pandas_added_are_found_also_after_an_update_of_another_image(self, lab):
        table = pd.read_parquet(table_path(lab.dataset))
        pd.concat([table, table.head(1).assign(image_id="nobody")]).to_parquet(table_path(lab.dataset))
        lab.kd.update_image(RADON, lab.second.image_id)
        assert states(lab.kd)["nobody"] == "deleted"
        assert lab.kd.refresh(RADON).removed == ("nobody",)
        assert "nobody" not in stored_rows(lab.kd)

    def test_an_image_changed_by_pandas_is_found_also_after_an_update_of_another_image(self, lab):
        tamper(lab.dataset, lab.first.image_id)
        lab.kd.update_image(RADON, lab.second.image_id)
        frame = lab.kd.freshness(RADON).set_index("image_id")
        why = "its rows were changed, or it is not known what they were made from"
        assert frame.loc[lab.first.image_id].tolist() == ["behind", 2, why, True]

    def test_an_image_that_was_added_is_taken_in(self, lab):
        added = add_image(lab.dataset, 1)
        analyse(added, 1)
        assert stale(lab.kd) == {added.image_id}
        assert list(lab.kd.refresh(RADON).rows) == [added.image_id]


class TestRefresh:
    def test_of_what_is_unchanged_nothing_is_written(self, lab, tree_picture):
        lab.kd.rebuild(RADON)
        before = tree_picture(lab.dataset.path)
        report = lab.kd.refresh(RADON)
        assert tree_picture(lab.dataset.path) == before
        assert report.summary() == "radon_report: nothing to do, 1 never analysed"
        assert report.counts == {State.FRESH: 3, State.NEVER_ANALYSED: 1}

    @pytest.mark.parametrize("indexer", INDEXERS, ids=lambda indexer: indexer.name)
    def test_of_what_is_unchanged_nothing_is_written_by_any_indexer(self, lab, indexer, tree_picture):
        lab.kd.rebuild(indexer)
        before = tree_picture(lab.dataset.path)
        lab.kd.refresh(indexer)
        assert tree_picture(lab.dataset.path) == before

    def test_a_second_look_reads_no_artifact(self, lab, monkeypatch):
        lab.kd.rebuild(RADON)
        monkeypatch.setattr(ZarrImageRecord, "fingerprint", lambda *_: pytest.fail("an artifact was read"))
        assert stale(lab.kd) == set()

    def test_just_what_is_not_fresh_is_made_anew(self, lab):
        analyse(lab.first, 1)
        edit_roi(lab.second, 1, x1=12)
        noting = Noting()
        lab.kd.refresh(noting)
        assert sorted(noting.calls) == sorted([lab.first.image_id, lab.second.image_id])

    def test_it_says_what_was_done(self, lab):
        analyse(lab.first, 1)
        edit_roi(lab.second, 1, x1=12)
        lab.empty.save_df_parquet(TABLE, NOT_A_REPORT)
        report = lab.kd.refresh(RADON)
        assert report.summary() == "radon_report: 3 rows of 2 images, 1 failed, 1 never analysed, 1 outdated"
        assert report.rows == {lab.first.image_id: 1, lab.second.image_id: 2}
        assert report.states == {
            lab.first.image_id: State.FRESH,
            lab.second.image_id: State.OUTDATED,
            lab.empty.image_id: State.FAILED,
            lab.never.image_id: State.NEVER_ANALYSED,
        }

    def test_the_states_that_it_says_are_those_that_one_asks_for_after(self, lab):
        analyse(lab.first, 1)
        edit_roi(lab.second, 1, x1=12)
        lab.empty.save_df_parquet(TABLE, NOT_A_REPORT)
        for run in (lab.kd.refresh, lab.kd.rebuild):
            assert {image_id: str(state) for image_id, state in run(RADON).states.items()} == states(lab.kd)

    def test_it_makes_a_table_that_is_not_there(self, dataset):
        analyse(add_image(dataset, 1), 1)
        kd = KymDataset(dataset)
        kd.refresh(RADON)
        assert (len(kd.get_table(TABLE)), stale(kd)) == (1, set())

    def test_of_an_empty_dataset_it_makes_an_empty_table(self, dataset):
        kd = KymDataset(dataset)
        kd.refresh(RADON)
        assert len(kd.get_table(TABLE)) == 0
        assert kd.refresh(RADON).summary() == "radon_report: nothing to do"

    @pytest.mark.parametrize("n_images", [0, 2])
    def test_a_dataset_without_results_is_refreshed_once(self, dataset, n_images, tree_picture):
        for _ in range(n_images):
            add_image(dataset, 1)
        kd = KymDataset(dataset)
        kd.refresh(RADON)
        assert stale(kd) == set()
        before = tree_picture(dataset.path)
        kd.refresh(RADON)
        assert tree_picture(dataset.path) == before

    def test_what_was_only_renamed_is_read_once_and_then_known(self, lab, monkeypatch):
        edit_roi(lab.first, 1, name="new")
        lab.kd.refresh(RADON)
        monkeypatch.setattr(ZarrImageRecord, "fingerprint", lambda *_: pytest.fail("an artifact was read"))
        assert stale(lab.kd) == set()


class TestRefreshingSome:
    def test_only_these_are_looked_at(self, lab):
        analyse(lab.first, 1)
        analyse(lab.second, 1)
        noting = Noting()
        report = lab.kd.refresh(noting, image_ids=[lab.first.image_id, lab.empty.image_id])
        assert (noting.calls, list(report.rows)) == ([lab.first.image_id], [lab.first.image_id])
        assert stale(lab.kd) == {lab.second.image_id}

    def test_what_was_not_looked_at_is_found_later(self, lab):
        table = pd.read_parquet(table_path(lab.dataset))
        pd.concat([table, table.head(1).assign(image_id="nobody")]).to_parquet(table_path(lab.dataset))
        tamper(lab.dataset, lab.first.image_id)
        lab.kd.refresh(RADON, image_ids=[lab.second.image_id])
        assert stale(lab.kd) == {"nobody", lab.first.image_id}

    def test_freshness_of_some_is_that_of_all(self, lab):
        analyse(lab.first, 1)
        ids = sorted([lab.first.image_id, lab.never.image_id])
        every = lab.kd.freshness(RADON)
        pd.testing.assert_frame_equal(
            lab.kd.freshness(RADON, image_ids=ids), every[every["image_id"].isin(ids)].reset_index(drop=True)
        )


class TestRebuildingSome:
    def test_the_others_keep_their_rows_and_what_is_known_of_them(self, lab):
        before = stored_rows(lab.kd)
        analyse(lab.first, 1)
        analyse(lab.second, 1)
        lab.kd.rebuild(RADON, image_ids=[lab.first.image_id])
        after = stored_rows(lab.kd)
        assert after.pop(lab.first.image_id) != before.pop(lab.first.image_id)
        assert after == before
        assert states(lab.kd)[lab.second.image_id] == "behind"
        assert set(lab.others(lab.second, lab.never).values()) == {"fresh"}

    def test_an_image_that_is_named_twice_is_made_once(self, lab):
        noting = Noting()
        lab.kd.update_images(noting, [lab.first.image_id] * 3)
        assert noting.calls == [lab.first.image_id]
        assert len(lab.kd.get_table(TABLE)) == 4

    def test_of_none_nothing_is_written(self, lab, tree_picture):
        before = tree_picture(lab.dataset.path)
        report = lab.kd.rebuild(RADON, image_ids=[])
        assert (tree_picture(lab.dataset.path), report.summary()) == (before, "radon_report: nothing to do")


def _analyse_and(run):
    def operate(lab):
        analyse(lab.first, 1, mean=3.0)
        run(lab)

    return operate


def _save_changed(lab):
    lab.kd.get_table(TABLE)["mean_velocity"] = 7.0
    lab.kd.save_table(TABLE)


OPERATIONS = [
    pytest.param(_analyse_and(lambda lab: lab.kd.refresh(RADON)), id="refresh"),
    pytest.param(_analyse_and(lambda lab: lab.kd.rebuild(RADON)), id="rebuild"),
    pytest.param(_analyse_and(lambda lab: lab.kd.rebuild(RADON, image_ids=[lab.first.image_id])), id="rebuild of one"),
    pytest.param(_analyse_and(lambda lab: lab.kd.update_image(RADON, lab.first.image_id)), id="update"),
    pytest.param(_analyse_and(lambda lab: lab.kd.rebuild(RADON, watch=Watch(is_cancelled=lambda: True))), id="cancelled"),
    pytest.param(lambda lab: lab.first.save_df_parquet(TABLE, NOT_A_REPORT) or lab.kd.refresh(RADON), id="failing"),
    pytest.param(lambda lab: lab.dataset.delete_image(lab.first.image_id), id="image deleted"),
    pytest.param(lambda lab: tamper(lab.dataset, lab.first.image_id), id="changed by pandas"),
    pytest.param(_analyse_and(lambda lab: KymDataset(lab.dataset.path).refresh(RADON)), id="another window"),
    pytest.param(_save_changed, id="table saved"),
    pytest.param(lambda lab: lab.kd.current_rows(RADON), id="current rows"),
]


@pytest.mark.slow
@pytest.mark.parametrize("operate", OPERATIONS)
def test_the_cache_equals_the_file_after(operate, lab):
    lab.kd.get_table(TABLE)
    operate(lab)
    pd.testing.assert_frame_equal(lab.kd.get_table(TABLE), ZarrDataset(lab.dataset.path).load_table(TABLE))


class TestTheCache:
    def test_a_table_that_was_deleted_is_not_had_any_more(self, lab):
        lab.kd.get_table(TABLE)
        table_path(lab.dataset).unlink()
        with pytest.raises(TableNotFoundError, match="no table named 'radon_report'"):
            lab.kd.get_table(TABLE)

    def test_all_tables_are_loaded_by_default(self, lab):
        lab.kd.rebuild(VelocityEventsIndexer())
        loaded = KymDataset(lab.dataset).load_tables()
        assert {name: len(table) for name, table in loaded.items()} == {"radon_report": 4, "velocity_events": 0}

    def test_some_tables_are_loaded(self, lab):
        lab.kd.rebuild(VelocityEventsIndexer())
        kd = KymDataset(lab.dataset)
        assert list(kd.load_tables([TABLE])) == list(kd.tables) == [TABLE]

    def test_loading_a_table_that_is_not_there_is_said(self, lab):
        with pytest.raises(TableNotFoundError, match="no table named 'radon'; this dataset has 'radon_report'"):
            lab.kd.load_tables([TABLE, "radon"])

    def test_a_table_that_was_changed_is_saved(self, lab):
        _save_changed(lab)
        assert set(ZarrDataset(lab.dataset.path).load_table(TABLE)["mean_velocity"]) == {7.0}

    def test_rows_that_were_saved_by_hand_are_called_behind(self, lab):
        _save_changed(lab)
        assert stale(lab.kd) == {lab.first.image_id, lab.second.image_id}

    def test_saving_a_table_as_it_is_leaves_it_fresh(self, lab):
        lab.kd.get_table(TABLE)
        lab.kd.save_table(TABLE)
        assert stale(lab.kd) == set()

    def test_a_table_that_was_not_read_cannot_be_saved(self, dataset):
        kd = KymDataset(dataset)
        with pytest.raises(TableNotFoundError, match=r"^no table named 'radon' was read; the cache has none: read it with"):
            kd.save_table("radon")

    def test_all_tables_are_saved(self, lab):
        lab.kd.rebuild(VelocityEventsIndexer())
        lab.kd.load_tables()
        for table in lab.kd.tables.values():
            table["seen"] = True
        lab.kd.save_all_tables()
        again = KymDataset(lab.dataset.path).load_tables()
        assert all("seen" in table.columns for table in again.values())


class TestLongRuns:
    @pytest.mark.parametrize("run", ["rebuild", "refresh"])
    def test_progress_is_told_after_each_image(self, lab, run):
        for record in lab.records[:3]:
            analyse(record, 1)
        calls = []
        getattr(lab.kd, run)(RADON, watch=Watch(progress=lambda done, total, _: calls.append((done, total))))
        total = 4 if run == "rebuild" else 3
        assert calls == [(done, total) for done in range(1, total + 1)]

    @pytest.mark.slow
    @pytest.mark.parametrize("n", [0, 1, 2])
    @pytest.mark.parametrize("run", ["rebuild", "refresh", "update_images"])
    def test_a_cancelled_run_leaves_a_sound_table(self, lab, run, n):
        before = stored_rows(lab.kd)
        for record in lab.records[:3]:
            analyse(record, 1, mean=5.0)
        done: list[int] = []
        some = {"image_ids": sorted(record.image_id for record in lab.records[:3])} if run == "update_images" else {}
        report = getattr(lab.kd, run)(
            RADON, **some, watch=Watch(progress=lambda number, *_: done.append(number), is_cancelled=lambda: len(done) >= n)
        )
        assert (report.is_cancelled, len(report.rows)) == (True, n)
        assert report.summary().endswith("cancelled")
        after = stored_rows(lab.kd)
        for record in lab.records[:3]:
            if record.image_id in report.rows:
                assert lab.state(record) == "fresh"
            else:
                assert lab.state(record) == "behind"
                assert after.get(record.image_id) == before.get(record.image_id)
        lab.kd.refresh(RADON)
        assert stale(lab.kd) == set()

    def test_a_first_rebuild_that_is_cancelled_leaves_what_was_done(self, dataset):
        for _ in range(3):
            analyse(add_image(dataset, 1), 1)
        kd, done = KymDataset(dataset), []
        kd.rebuild(RADON, watch=Watch(progress=lambda number, *_: done.append(number), is_cancelled=lambda: len(done) >= 1))
        assert (len(kd.get_table(TABLE)), len(stale(kd))) == (1, 2)

    @pytest.mark.parametrize("kind", ["none", "threads", pytest.param("processes", marks=pytest.mark.trials)])
    def test_any_executor_gives_the_same_table(self, lab, kind):
        edit_roi(lab.second, 1, x1=12)
        lab.empty.save_df_parquet(TABLE, NOT_A_REPORT)
        expected = KymDataset(lab.dataset).rebuild(RADON)
        rows = stored_rows(lab.kd)
        spawning = multiprocessing.get_context("spawn")
        executors = {
            "none": nullcontext,
            "threads": lambda: ThreadPoolExecutor(2),
            "processes": lambda: ProcessPoolExecutor(1, mp_context=spawning),
        }
        with executors[kind]() as executor:
            report = lab.kd.rebuild(RADON, executor=executor)
        assert (report, stored_rows(lab.kd)) == (expected, rows)

    @pytest.mark.parametrize("n", [0, 20, 300])
    def test_a_run_in_threads_is_cancelled_between_images(self, dataset, n):
        with ThreadPoolExecutor(2) as executor:
            done: list[int] = []
            ids = [add_image(dataset).image_id] * 1 + [f"missing {number}" for number in range(400)]
            report = KymDataset(dataset).update_images(
                RADON,
                ids,
                executor=executor,
                watch=Watch(progress=lambda number, *_: done.append(number), is_cancelled=lambda: len(done) >= n),
            )
        assert (report.is_cancelled, len(report.rows) + len(report.failed)) == (True, n)

    def test_what_an_indexer_never_raises_passes_and_the_table_stays(self, lab, tree_picture):
        def stop(image_id):
            raise KeyboardInterrupt

        before = tree_picture(lab.dataset.path)
        with pytest.raises(KeyboardInterrupt):
            lab.kd.rebuild(Noting(before=stop))
        assert tree_picture(lab.dataset.path) == before


class TestIndexersOfOthers:
    @pytest.fixture
    def diameters(self, lab):
        lab.first.save_json("diameter", {"diameter_um": 5.0})
        lab.second.save_json("diameter", {"width": 5.0})
        return lab

    def test_one_that_raises_something_of_its_own_does_not_stop_the_others(self, diameters):
        report = diameters.kd.rebuild(KeysOfADict())
        assert report.failed == {diameters.second.image_id: "KeyError: 'diameter_um'"}
        assert list(stored_rows(diameters.kd, "diameter")) == [diameters.first.image_id]

    def test_it_is_told_why(self, diameters):
        diameters.kd.rebuild(KeysOfADict())
        frame = diameters.kd.freshness(KeysOfADict()).set_index("image_id")
        assert frame.loc[diameters.second.image_id].tolist() == ["failed", 0, "KeyError: 'diameter_um'", True]

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            pytest.param(lambda rec: None, "returned a NoneType where a DataFrame is expected", id="no frame"),
            pytest.param(lambda rec: pd.DataFrame({"image_id": ["x"]}), "lack the columns", id="columns missing"),
            pytest.param(
                lambda rec: pd.DataFrame({"image_id": ["x"], "diameter_um": [1.0]}), "have another image_id", id="image_id"
            ),
        ],
    )
    def test_rows_that_would_harm_the_table_are_refused(self, diameters, rows, message, monkeypatch):
        monkeypatch.setattr(KeysOfADict, "extract_rows", lambda self, rec: rows(rec))
        report = diameters.kd.rebuild(KeysOfADict())
        assert len(report.failed) == 4
        assert all(message in why for why in report.failed.values())


class TestFailed:
    def test_its_rows_stay_and_are_marked(self, lab):
        lab.first.save_df_parquet(TABLE, NOT_A_REPORT)
        lab.kd.refresh(RADON)
        table = lab.kd.get_table(TABLE)
        assert table.loc[table["outdated"], "image_id"].tolist() == [lab.first.image_id] * 2

    def test_a_rebuild_keeps_them_too(self, lab):
        lab.first.save_df_parquet(TABLE, NOT_A_REPORT)
        lab.kd.rebuild(RADON)
        table = lab.kd.get_table(TABLE)
        assert table.loc[table["outdated"], "image_id"].tolist() == [lab.first.image_id] * 2

    def test_it_is_tried_again_and_healed(self, lab):
        before = stored_rows(lab.kd)
        data = artifact_path(lab.dataset, lab.first).read_bytes()
        artifact_path(lab.dataset, lab.first).write_bytes(b"no Parquet")
        lab.kd.refresh(RADON)
        assert list(lab.kd.refresh(RADON).failed) == [lab.first.image_id]
        artifact_path(lab.dataset, lab.first).write_bytes(data)
        lab.kd.refresh(RADON)
        assert (lab.state(lab.first), stored_rows(lab.kd)) == ("fresh", before)

    def test_trying_again_in_vain_leaves_the_table_as_it_is(self, lab):
        lab.first.save_df_parquet(TABLE, NOT_A_REPORT)
        lab.kd.refresh(RADON)
        before = table_path(lab.dataset).read_bytes()
        lab.kd.refresh(RADON)
        assert table_path(lab.dataset).read_bytes() == before
        assert lab.state(lab.first) == "failed"

    def test_a_cause_outside_the_artifact_that_was_mended_is_healed_by_a_refresh(self, lab, monkeypatch):
        lab.never.save_json("diameter", {"width": 5.0})
        lab.kd.rebuild(KeysOfADict())
        rows = pd.DataFrame({"image_id": [lab.never.image_id], "diameter_um": [5.0]})
        monkeypatch.setattr(KeysOfADict, "extract_rows", lambda self, rec: rows)
        lab.kd.refresh(KeysOfADict())
        assert states(lab.kd, KeysOfADict())[lab.never.image_id] == "fresh"

    def test_old_rows_of_a_failed_image_that_do_not_fit_the_new_rows_of_another_stay(self, lab):
        lab.first.save_df_parquet(TABLE, reports(1).assign(grade="good"))
        lab.kd.refresh(RADON)
        lab.first.save_df_parquet(TABLE, NOT_A_REPORT)
        lab.second.save_df_parquet(TABLE, reports(1).assign(grade=3.5))
        report = lab.kd.refresh(RADON)
        assert set(report.failed) == {lab.first.image_id, lab.second.image_id}
        table = lab.kd.get_table(TABLE)
        assert table.loc[table["outdated"], "image_id"].nunique() == 2

    def test_an_image_that_does_not_fit_fails_until_the_other_is_mended(self, lab):
        lab.first.save_df_parquet(TABLE, reports(1).assign(grade="good"))
        lab.kd.refresh(RADON)
        lab.second.save_df_parquet(TABLE, reports(1).assign(grade=3.5))
        report = lab.kd.refresh(RADON)
        assert "do not fit together" in report.failed[lab.second.image_id]
        lab.first.save_df_parquet(TABLE, reports(1).assign(grade=2.0))
        lab.kd.refresh(RADON)
        lab.kd.refresh(RADON)
        assert (lab.state(lab.first), lab.state(lab.second)) == ("fresh", "fresh")


class TestReadOnly:
    @pytest.fixture
    def reading(self, lab):
        return KymDataset(lab.dataset.path, mode="r")

    def test_freshness_and_current_rows_write_nothing(self, lab, reading, tree_picture):
        analyse(lab.first, 1, mean=9.0)
        edit_roi(lab.second, 1, x1=12)
        index_path(lab.dataset).unlink()
        before = tree_picture(lab.dataset.path)
        reading.freshness(RADON)
        rows = rows_by_image(reading.current_rows(RADON))
        assert tree_picture(lab.dataset.path) == before
        lab.kd.refresh(RADON)
        assert rows == stored_rows(lab.kd)

    @pytest.mark.parametrize("damage", ["no table", "damaged table", "no index", "image gone"])
    def test_current_rows_are_those_that_a_refresh_would_make(self, lab, reading, damage):
        analyse(lab.first, 1, mean=9.0)
        if damage == "no table":
            table_path(lab.dataset).unlink()
        elif damage == "damaged table":
            table_path(lab.dataset).write_bytes(b"no Parquet")
        elif damage == "no index":
            index_path(lab.dataset).unlink()
        else:
            shutil.rmtree(lab.dataset.path / "images" / lab.second.image_id)
        rows = rows_by_image(reading.current_rows(RADON))
        lab.kd.refresh(RADON)
        assert rows == stored_rows(lab.kd)

    def test_current_rows_keep_those_of_failed_images_marked_as_a_refresh_does(self, lab, reading):
        lab.first.save_df_parquet(TABLE, NOT_A_REPORT)
        rows = rows_by_image(reading.current_rows(RADON))
        lab.kd.refresh(RADON)
        assert rows == stored_rows(lab.kd)

    def test_current_rows_of_a_fresh_table_are_the_table(self, lab, reading):
        pd.testing.assert_frame_equal(reading.current_rows(RADON), lab.kd.get_table(TABLE))

    def test_a_refresh_with_nothing_to_do_is_none(self, lab, reading):
        assert reading.refresh(RADON).summary() == "radon_report: nothing to do, 1 never analysed"

    def test_a_refresh_that_only_renamed_rois_need_is_none_either(self, lab, reading):
        edit_roi(lab.first, 1, name="new")
        assert reading.refresh(RADON).summary() == "radon_report: nothing to do, 1 never analysed"

    def test_a_refresh_with_something_to_do_is_refused(self, lab, reading):
        analyse(lab.first, 1)
        with pytest.raises(ReadOnlyError, match="opened for reading only"):
            reading.refresh(RADON)


class TestTwoWindows:
    @pytest.fixture
    def other(self, lab):
        return KymDataset(lab.dataset.path)

    def test_different_images_one_after_the_other(self, lab, other):
        analyse(lab.first, 1, mean=8.0)
        analyse(lab.second, 1, mean=9.0)
        lab.kd.update_image(RADON, lab.first.image_id)
        other.update_image(RADON, lab.second.image_id)
        assert set(lab.kd.get_table(TABLE)["mean_velocity"]) == {8.0, 9.0}
        assert (stale(lab.kd), stale(other)) == (set(), set())

    def test_different_images_interleaved(self, lab, other):
        analyse(lab.first, 1, mean=8.0)
        analyse(lab.second, 1, mean=9.0)
        noting = Noting(before=lambda image_id: other.update_image(RADON, lab.second.image_id))
        lab.kd.update_image(noting, lab.first.image_id)
        assert set(lab.kd.get_table(TABLE)["mean_velocity"]) == {8.0, 9.0}
        assert (stale(lab.kd), stale(other)) == (set(), set())

    def test_one_window_that_rebuilds_while_the_other_updates_makes_nothing_false(self, lab, other):
        first = lab.dataset.list_image_ids()[0]

        def meanwhile(image_id):
            if image_id == lab.dataset.list_image_ids()[-1]:
                analyse(lab.dataset.record(first), 1, mean=9.0)
                other.update_image(RADON, first)

        lab.kd.rebuild(Noting(before=meanwhile))
        lab.kd.refresh(RADON)
        assert (
            stored_rows(lab.kd)[first] == rows_by_image(reports(1, mean=9.0).assign(image_id=first, outdated=False))[first]
        )

    def test_what_pandas_changed_during_a_run_is_noticed_after_it(self, lab):
        analyse(lab.first, 1, mean=8.0)
        lab.kd.update_image(Noting(before=lambda _: tamper(lab.dataset, lab.second.image_id)), lab.first.image_id)
        assert stale(lab.kd) == {lab.second.image_id}

    def test_older_rows_that_come_between_the_table_and_its_index_are_noticed(self, lab, monkeypatch):
        older = lab.dataset.load_arrow(TABLE, image_ids=[lab.first.image_id])
        analyse(lab.first, 1, mean=8.0)
        real = ZarrDataset.commit_arrow

        def commit_and_be_overtaken(self, name, rows, *, like):
            written = real(self, name, rows, like=like)
            real(self, name, {lab.first.image_id: older})
            return written

        with monkeypatch.context() as patch:
            patch.setattr(ZarrDataset, "commit_arrow", commit_and_be_overtaken)
            lab.kd.update_image(RADON, lab.first.image_id)
        assert stale(lab.kd) == {lab.first.image_id}

    def test_an_artifact_that_is_written_while_it_is_read_is_read_again(self, lab):
        analyses = iter([2.0, 3.0])

        def write(image_id):
            mean = next(analyses, None)
            if mean:
                analyse(lab.first, 1, mean=mean)

        lab.kd.update_image(Noting(before=write), lab.first.image_id)
        assert set(lab.kd.get_table(TABLE).set_index("image_id").loc[[lab.first.image_id], "mean_velocity"]) == {3.0}
        assert lab.state(lab.first) == "fresh"

    def test_an_artifact_that_never_rests_is_not_called_fresh(self, lab):
        means = iter(range(1, 100))
        lab.kd.update_image(Noting(before=lambda _: analyse(lab.first, 1, mean=next(means))), lab.first.image_id)
        current = RADON.extract_rows(lab.first)["mean_velocity"].tolist()
        held = lab.kd.get_table(TABLE).set_index("image_id").loc[[lab.first.image_id], "mean_velocity"].tolist()
        assert held == current or lab.state(lab.first) == "behind"

    def test_an_image_that_is_deleted_during_a_run_leaves_no_rows(self, lab, other):
        analyse(lab.second, 1)
        lab.kd.update_image(Noting(before=lambda _: other.dataset.delete_image(lab.first.image_id)), lab.second.image_id)
        assert lab.first.image_id not in stored_rows(lab.kd)
        assert stale(lab.kd) == set()

    def test_an_image_that_is_deleted_after_it_was_read_leaves_no_rows(self, lab, other):
        ids = sorted([lab.first.image_id, lab.second.image_id])

        def delete_other(image_id):
            if image_id == ids[1]:
                other.dataset.delete_image(ids[0])

        report = lab.kd.update_images(Noting(before=delete_other), ids)
        assert (list(report.rows), report.removed) == ([ids[1]], (ids[0],))
        assert set(stored_rows(lab.kd)) == {ids[1]}
        assert stale(lab.kd) == set()


def events(*starts: float) -> pd.DataFrame:
    columns = ["roi_id", "event_id", "t0_s", "t1_s", "kind", "score"]
    rows = [(1, f"e{number}", start, start + 0.5, "stall", 1.0) for number, start in enumerate(starts)]
    return pd.DataFrame(rows, columns=columns)


def test_the_plan_of_issue_5(dataset):
    """Three images, events for some, reports as dict and as table; one image's events are edited and updated."""
    records = [add_image(dataset, 1) for _ in range(3)]
    row = reports(1).to_dict("records")[0]
    records[0].save_df_parquet(TABLE, reports(1))
    records[1].save_json(TABLE, row)
    records[2].save_json(TABLE, [row, {**row, "roi_id": 2}])
    records[0].save_df_parquet("velocity_events", events(0.1, 0.2))
    records[1].save_df_parquet("velocity_events", events(0.3))
    kd, indexer = KymDataset(dataset.path), VelocityEventsIndexer()
    assert kd.rebuild(RADON).rows == {record.image_id: n for record, n in zip(records, (1, 1, 2), strict=True)}
    assert kd.rebuild(indexer).rows == {record.image_id: n for record, n in zip(records, (2, 1, 0), strict=True)}

    before = stored_rows(kd, "velocity_events")
    records[1].save_df_parquet("velocity_events", events(0.7, 0.8, 0.9))
    assert states(kd, indexer) == {
        records[0].image_id: "fresh",
        records[1].image_id: "behind",
        records[2].image_id: "never analysed",
    }
    report = kd.update_image(indexer, records[1].image_id)

    assert report.summary() == "velocity_events: 3 rows of 1 image"
    after = stored_rows(kd, "velocity_events")
    assert {image_id for image_id in after if after[image_id] != before[image_id]} == {records[1].image_id}
    assert sorted(dict(one)["t0_s"] for one in after[records[1].image_id]) == [0.7, 0.8, 0.9]
    for name, table in kd.load_tables().items():
        pd.testing.assert_frame_equal(table, ZarrDataset(dataset.path).load_table(name))
    assert all(stale(kd, one) == set() for one in (RADON, indexer))


@pytest.mark.slow
def test_a_dataset_of_ours_is_fresh_from_birth(tmp_path):
    from kymflow_core.simulate import Scan, make_demo_dataset

    scan = Scan(name="short", velocity_mm_s=0.4, lines=60, pixels=32)
    kd = KymDataset(make_demo_dataset(tmp_path / "demo.zarr", scans=[scan]))
    found = {indexer.table_name: set(states(kd, indexer).values()) for indexer in INDEXERS}
    assert list(found.values()) == [{"fresh"}] * 6
    assert np.isfinite(kd.get_table("images")["duration_s"]).all()

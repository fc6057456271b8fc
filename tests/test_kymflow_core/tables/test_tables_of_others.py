"""Tables, indexers and masks that are not as ours: nothing is called true that is not, and nothing of others is lost."""

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from laboratory import RADON, TABLE, add_image, analyse, edit_roi, reports, states, table_path

from kymflow_core import AcqImage, ComputedFrom, ImageIndexer, KymDataset, RoiIndexer
from kymflow_core.headers.acquisition import local_time
from kymflow_core.indexers import ensure_image_id_column, find_indexers
from kymflow_core.tables.row_digests import row_digests
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ConflictError, DamagedError
from kymflow_zarr.formats.frames import frame_to_table


class Indexer:
    """Somebody's indexer: reads one JSON artifact, and does with it what a test wants."""

    name, table_name, schema_version, reads = "theirs", "theirs", "1", ("theirs.json",)

    def __init__(self, do):
        self._do = do

    def required_columns(self):
        return ["image_id", "roi_id"]

    def extract_rows(self, rec):
        if "theirs.json" not in rec.list_analysis_keys():
            return pd.DataFrame({"image_id": pd.Series([], dtype="str"), "roi_id": []})
        return ensure_image_id_column(self._do(rec), rec.image_id)


@pytest.fixture
def analysed(dataset):
    """Two images with ROIs 1 and 2 and a report on both."""
    records = [add_image(dataset, 1, 2) for _ in range(2)]
    for record in records:
        analyse(record, 1, 2)
    return records


@pytest.fixture
def kd(dataset, analysed):
    opened = KymDataset(dataset)
    opened.rebuild(RADON)
    return opened


def digests_of(frame):
    return row_digests(frame_to_table(frame, what="x"))


@pytest.mark.parametrize("value", [0.0, 0, False, ""], ids=repr)
def test_a_missing_value_has_another_digest_than(value):
    frames = [pd.DataFrame({"image_id": ["a"], "value": pd.Series([one], dtype="object")}) for one in (value, None)]
    typed = [frame.assign(value=frame["value"].astype(pd.Series([value]).dtype, errors="ignore")) for frame in frames[:1]]
    assert digests_of(typed[0]) != digests_of(frames[1])


def test_times_in_nanoseconds_have_digests_of_their_own():
    frames = [pd.DataFrame({"image_id": ["a"], "ns": [1_700_000_000_000_000_000 + more]}) for more in (0, 100)]
    assert digests_of(frames[0]) != digests_of(frames[1])


def test_digests_that_an_earlier_version_wrote_still_hold():
    frame = pd.DataFrame(
        {
            "image_id": ["a", "b", "a"],
            "number": [0.5, np.nan, -0.0],
            "count": [1, 2**62, -3],
            "gaps": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
            "text": ["x", None, ""],
            "when": pd.to_datetime(["2024-01-02 03:04:05", None, "2024-01-02 00:00:00"]),
            "list": [[1], [2, 3], None],
        }
    )
    assert digests_of(frame) == {"a": 5071506403095761295, "b": 4133024556217068909}


def test_an_image_that_nobody_analysed_and_somebody_saved_as_0_events_is_made_again(kd):
    kd.rebuild(ImageIndexer())
    kd.tables["images"] = kd.get_table("images").fillna({"n_events": 0.0})
    kd.save_table("images")
    assert set(states(kd, ImageIndexer()).values()) == {"behind"}
    kd.refresh(ImageIndexer())
    assert kd.get_table("images")["n_events"].isna().all()


@pytest.mark.parametrize(
    ("ids", "marks"),
    [
        pytest.param(["1", "2"], [True, False], id="text"),
        pytest.param([1.0, np.nan], [True, True], id="none for a row"),
        pytest.param([2.0, 1.0], [False, True], id="fractions"),
    ],
)
def test_rows_are_marked_whatever_the_type_of_their_roi_id(dataset, ids, marks):
    record = add_image(dataset, 1, 2)
    stated = ComputedFrom.of(AcqImage(record).rois, algorithm="theirs").to_json()
    record.save_json("theirs", {"x": 1}, computed_from=stated)
    edit_roi(record, 1, x1=5)
    kd, indexer = KymDataset(dataset), Indexer(lambda rec: pd.DataFrame({"roi_id": ids}))
    kd.refresh(indexer)
    assert kd.get_table("theirs")["outdated"].tolist() == marks


def test_a_mask_that_another_program_replaced_or_deleted_is_noticed(dataset):
    record = add_image(dataset)
    mask = np.zeros((6, 20), bool)
    mask[1:3, 4:8] = True
    reference = AcqImage(record).add_mask_roi(mask).reference
    kd = KymDataset(dataset)
    kd.rebuild(RoiIndexer())
    name = reference.rpartition("/")[2]
    mask[1:3, 4:12] = True
    record.save_array_artifact(name, mask)
    assert states(kd, RoiIndexer()) == {record.image_id: "behind"}
    kd.refresh(RoiIndexer())
    assert kd.get_table("rois")["x1"].tolist() == [12]
    record.delete_array_artifact(name)
    assert states(kd, RoiIndexer()) == {record.image_id: "behind"}
    kd.refresh(RoiIndexer())
    assert kd.get_table("rois")["mask"].tolist() == ["mask missing"]


def test_other_pixels_make_the_table_of_rois_be_behind(dataset):
    record = add_image(dataset, 1)
    kd = KymDataset(dataset)
    kd.rebuild(RoiIndexer())
    assert kd.get_table("rois")["max"].tolist() == [record.load_array().max()]
    # As between the two steps of an import of a changed file: the metadata say nothing new any more.
    record.replace_array(record.load_array() + 5)
    assert states(kd, RoiIndexer()) == {record.image_id: "behind"}
    before = kd.get_table("rois")["max"].tolist()
    kd.refresh(RoiIndexer())
    assert kd.get_table("rois")["max"].tolist() == [before[0] + 5]
    record.replace_array(record.load_array())
    assert states(kd, RoiIndexer()) == {record.image_id: "fresh"}


def test_pixels_that_are_damaged_fail_their_image_and_keep_its_rows(dataset):
    record = add_image(dataset, 1)
    kd = KymDataset(dataset)
    kd.rebuild(RoiIndexer())
    (shard,) = (path for path in (dataset.path / "images" / record.image_id / "data" / "c").rglob("*") if path.is_file())
    shard.write_bytes(shard.read_bytes()[:-9])
    kd.refresh(RoiIndexer())
    assert states(kd, RoiIndexer()) == {record.image_id: "failed"}
    assert kd.get_table("rois")["roi_id"].tolist() == [1]


def test_an_array_that_is_no_mask_changes_nothing(dataset):
    record = add_image(dataset, 1)
    kd = KymDataset(dataset)
    kd.rebuild(RoiIndexer())
    record.save_array_artifact("distances", np.ones((6, 20), np.float32))
    assert states(kd, RoiIndexer()) == {record.image_id: "fresh"}


def test_an_older_json_report_beside_a_newer_table_outdates_nothing(dataset):
    record = add_image(dataset, 1)
    stated = ComputedFrom.of(AcqImage(record).rois, algorithm="radon").to_json()
    record.save_json(TABLE, reports(1).to_dict("records"), computed_from=stated)
    edit_roi(record, 1, x1=5)
    analyse(record, 1)
    kd = KymDataset(dataset)
    kd.refresh(RADON)
    assert states(kd) == {record.image_id: "fresh"}


def test_a_table_whose_body_is_damaged_is_made_again_and_kept_aside(kd, dataset):
    path = table_path(dataset)
    data = bytearray(path.read_bytes())
    data[12] ^= 1
    path.write_bytes(bytes(data))
    opened = KymDataset(dataset.path)
    opened.refresh(RADON)
    assert len(opened.get_table(TABLE)) == 4
    assert any((dataset.path / ".quarantine").rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("run", ["refresh", "rebuild"])
@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(pd.DataFrame({"weight": [1.5]}), id="no image_id"),
        pytest.param(pd.DataFrame({"image_id": [None, "a"], "roi_id": [1, 2]}), id="an image_id is missing"),
        pytest.param(pd.DataFrame({"image_id": [1, 2], "roi_id": [1, 2]}), id="numbers for image_id"),
        pytest.param(pd.DataFrame({"image_id": ["a"], "grade": ["good"]}), id="other columns"),
    ],
)
def test_somebody_elses_table_of_the_same_name_is_kept_aside(dataset, analysed, theirs, run):
    theirs.to_parquet(table_path(dataset))
    kd = KymDataset(dataset)
    getattr(kd, run)(RADON)
    assert len(kd.get_table(TABLE)) == 4
    (kept,) = [path for path in (dataset.path / ".quarantine").rglob("*") if path.is_file()]
    pd.testing.assert_frame_equal(pd.read_parquet(kept), theirs)


def test_a_table_without_its_index_that_is_ours_is_not_set_aside(kd, dataset):
    (dataset.path / "index" / f"{TABLE}.parquet").unlink()
    kd.refresh(RADON)
    assert not (dataset.path / ".quarantine").exists()


def test_saving_a_table_that_another_program_wrote_since_is_refused(kd, dataset):
    mine = kd.get_table(TABLE)
    KymDataset(dataset.path).rebuild(RADON)
    other = KymDataset(dataset.path)
    other.tables[TABLE] = other.get_table(TABLE).assign(notes="theirs")
    other.save_table(TABLE)
    kd.tables[TABLE] = mine.assign(notes="mine")
    with pytest.raises(
        ConflictError, match=r"^not saved: another program wrote the table 'radon_report' since it was read"
    ):
        kd.save_table(TABLE)
    assert set(KymDataset(dataset.path).get_table(TABLE)["notes"]) == {"theirs"}


def test_a_table_is_compared_at_every_save_not_only_at_the_first(kd, dataset):
    kd.tables[TABLE] = kd.get_table(TABLE).assign(notes="mine")
    kd.save_table(TABLE)
    KymDataset(dataset.path).dataset.save_table(TABLE, kd.tables[TABLE].assign(notes="theirs"))
    with pytest.raises(
        ConflictError, match=r"^not saved: another program wrote the table 'radon_report' since it was read"
    ):
        kd.save_table(TABLE)
    assert set(KymDataset(dataset.path).get_table(TABLE)["notes"]) == {"theirs"}


def test_a_table_can_be_saved_again_by_who_saved_it_last(kd, dataset):
    for note in ("once", "twice"):
        kd.tables[TABLE] = kd.get_table(TABLE).assign(notes=note)
        kd.save_table(TABLE)
    assert set(KymDataset(dataset.path).get_table(TABLE)["notes"]) == {"twice"}


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_table_that_is_written_while_it_is_saved_is_not_replaced(kd, dataset, monkeypatch, commits):
    mine, theirs = kd.get_table(TABLE).assign(notes="mine"), kd.get_table(TABLE).assign(notes="theirs")
    real = Blobs.create

    def create(self, key, data):
        monkeypatch.setattr(Blobs, "create", real)
        for _ in range(commits):
            KymDataset(dataset.path).dataset.save_table(TABLE, theirs)
        real(self, key, data)

    monkeypatch.setattr(Blobs, "create", create)
    kd.tables[TABLE] = mine
    with pytest.raises(ConflictError, match="read it again, and make the change there"):
        kd.save_table(TABLE)
    assert set(KymDataset(dataset.path).get_table(TABLE)["notes"]) == {"theirs"}


def test_saving_all_tables_writes_only_those_that_were_changed(kd, dataset):
    kd.get_table(TABLE)
    before = table_path(dataset).stat().st_mtime_ns
    kd.save_all_tables()
    assert table_path(dataset).stat().st_mtime_ns == before


@pytest.mark.parametrize("run", ["refresh", "rebuild", "freshness"])
def test_without_the_folder_of_images_nothing_is_taken_for_deleted(kd, dataset, run):
    (dataset.path / "images").rename(dataset.path / "elsewhere")
    with pytest.raises(DamagedError, match=r"the folder of all images of .* is not there"):
        getattr(kd, run)(RADON)
    assert len(pd.read_parquet(table_path(dataset))) == 4


@pytest.mark.parametrize(
    "error",
    [RuntimeError, NotImplementedError, AssertionError, ImportError, EOFError, RecursionError, MemoryError, KeyError],
    ids=lambda error: error.__name__,
)
def test_whatever_an_indexer_raises_the_other_images_are_indexed(dataset, error):
    first, second = add_image(dataset, 1), add_image(dataset, 1)
    for record in (first, second):
        record.save_json("theirs", {"x": 1})

    def do(rec):
        if rec.image_id == first.image_id:
            raise error("why")
        return pd.DataFrame({"roi_id": [1]})

    report = KymDataset(dataset).refresh(Indexer(do))
    assert (list(report.rows), list(report.failed)) == ([second.image_id], [first.image_id])


@pytest.mark.parametrize("value", [2**70, {}, {"a": 1, 2: "b"}, object()], ids=["2**70", "{}", "odd keys", "object"])
def test_a_value_that_no_table_can_hold_fails_its_image_only(dataset, value):
    first, second = add_image(dataset, 1), add_image(dataset, 1)
    for record in (first, second):
        record.save_json("theirs", {"x": 1})

    def do(rec):
        return pd.DataFrame({"roi_id": [1], **({"odd": [value]} if rec.image_id == first.image_id else {})})

    report = KymDataset(dataset).refresh(Indexer(do))
    assert (list(report.rows), list(report.failed)) == ([second.image_id], [first.image_id])


def test_refreshing_one_image_without_a_table_makes_only_its_rows(dataset, analysed):
    kd = KymDataset(dataset)
    report = kd.refresh(RADON, image_ids=[analysed[0].image_id])
    assert list(report.rows) == [analysed[0].image_id]


@pytest.mark.parametrize("epoch_ns", [10**30, -(10**30), 10**24])
def test_a_time_that_no_calendar_has_is_not_known(epoch_ns):
    assert local_time(epoch_ns) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"reads": "x.json"}, "its reads must be a list of keys", id="a comma forgotten"),
        pytest.param({"reads": (1,)}, "its reads must be a list of keys", id="no text"),
        pytest.param({"schema_version": 2}, "its schema_version must be text", id="a number"),
    ],
)
def test_an_indexer_that_is_not_as_it_must_be_is_left_out_with_the_reason(changes, message, monkeypatch):
    made = type("Theirs", (Indexer,), changes)(None)
    monkeypatch.setattr(EntryPoint, "load", lambda self: made)
    found = find_indexers([], points=[EntryPoint("theirs", "somewhere:made", "napari_kymflow.indexers")])
    assert found.indexers == ()
    assert message in found.problems[0]


def test_a_package_whose_import_asserts_is_left_out(monkeypatch):
    def load(self):
        raise AssertionError("why")

    monkeypatch.setattr(EntryPoint, "load", load)
    found = find_indexers(
        [SimpleNamespace(table_name="x")], points=[EntryPoint("theirs", "a:b", "napari_kymflow.indexers")]
    )
    assert (len(found.indexers), len(found.problems)) == (1, 1)

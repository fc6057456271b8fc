"""Calibration and experiment metadata entered by hand: what is changed, what is refused, and what an undo puts back."""

import json
import math

import numpy as np
import pytest

from kymflow_core import AcqImage, ComputedFrom, MetadataEdit, edit_metadata, preview_edit, simulate, undo_edit
from kymflow_core.errors import MetadataError
from kymflow_core.images.metadata_fields import entered_value
from kymflow_core.simulate import Scan
from kymflow_zarr import Watch, ZarrDataset, ZarrImageRecord
from kymflow_zarr.errors import ConflictError, DatasetNotFoundError, NotSavedError, OlderDatasetError

HEADER = {"name": "scan", "seconds_per_line": 0.002, "um_per_pixel": 0.25, "calibration_source": "olympus_txt", "lab": "x"}
METADATA = {
    "header": HEADER,
    "experiment_metadata": {"species": "mouse", "depth": None, "cage": 7},
    "rois": [],
    "accepted": True,
    "another program": [1],
}
SPECIES, CAGE = ("experiment_metadata", "species"), ("experiment_metadata", "cage")


def add(dataset: ZarrDataset, metadata: object = METADATA) -> ZarrImageRecord:
    with dataset.build_record(np.zeros((4, 3), np.uint8)) as draft:
        draft.save_metadata_payload(metadata)
    return dataset.record(draft.image_id)


@pytest.fixture
def one(dataset) -> ZarrImageRecord:
    """A record with a calibration and entries that nobody knows."""
    return add(dataset)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> ZarrDataset:
    """Two simulated images with results that state their calibration; tests read it."""
    scans = [Scan(name=name, velocity_mm_s=0.4, lines=60, pixels=32) for name in ("one", "two")]
    return simulate.make_demo_dataset(tmp_path_factory.mktemp("preview") / "demo.zarr", scans=scans)


def edit(record: ZarrImageRecord, dataset: ZarrDataset, **entered: object):
    return edit_metadata(dataset, [record.image_id], MetadataEdit(**entered))


@pytest.mark.parametrize(
    ("entered", "header"),
    [
        pytest.param({"um_per_pixel": 0.3}, {"um_per_pixel": 0.3}, id="pixel"),
        pytest.param({"seconds_per_line": 1}, {"seconds_per_line": 1.0}, id="line"),
        pytest.param(
            {"seconds_per_line": 0.1, "um_per_pixel": 0.3}, {"seconds_per_line": 0.1, "um_per_pixel": 0.3}, id="both"
        ),
        pytest.param({"seconds_per_line": 0.002, "um_per_pixel": 0.3}, {"um_per_pixel": 0.3}, id="one of them as it was"),
    ],
)
def test_a_calibration_is_entered_and_its_source_is_the_hand(entered, header, one, dataset):
    edit(one, dataset, **entered)
    expected = {**METADATA, "header": {**HEADER, **header, "calibration_source": "entered by hand"}}
    assert one.load_metadata_payload() == expected


@pytest.mark.parametrize(
    ("entered", "changed"),
    [
        pytest.param({"experiment": {"species": "rat"}}, {"experiment_metadata": {"species": "rat"}}, id="text"),
        pytest.param({"experiment": {"depth": 40.5}}, {"experiment_metadata": {"depth": 40.5}}, id="number"),
        pytest.param({"experiment": {"species": None}}, {"experiment_metadata": {"species": None}}, id="cleared"),
        pytest.param({"experiment": {"drug": "AngII"}}, {"experiment_metadata": {"drug": "AngII"}}, id="new"),
        pytest.param({"accepted": False}, {"accepted": False}, id="accepted"),
    ],
)
def test_an_entry_is_changed_and_all_others_stay(entered, changed, one, dataset):
    edit(one, dataset, **entered)
    experiment = {**METADATA["experiment_metadata"], **changed.pop("experiment_metadata", {})}
    assert one.load_metadata_payload() == {**METADATA, **changed, "experiment_metadata": experiment}


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({}, id="none"),
        pytest.param({"header": {}, "experiment_metadata": {}}, id="empty"),
        pytest.param({"header": None, "experiment_metadata": None}, id="null"),
    ],
)
def test_a_record_without_metadata_gets_them(metadata, dataset):
    record = add(dataset, metadata)
    edit(record, dataset, um_per_pixel=0.3, experiment={"species": "rat"})
    assert record.load_metadata_payload() == {
        "header": {"seconds_per_line": None, "um_per_pixel": 0.3, "calibration_source": "entered by hand"},
        "experiment_metadata": {"species": "rat"},
    }


@pytest.mark.parametrize(
    "entered",
    [
        {"um_per_pixel": 0.25},
        {"seconds_per_line": 0.002, "um_per_pixel": 0.25},
        {"experiment": {"species": "mouse", "cage": 7}},
        {"accepted": True},
        {},
    ],
    ids=str,
)
def test_what_is_so_already_makes_no_revision(entered, one, dataset):
    report = edit(one, dataset, **entered)
    assert (report.changed, report.unchanged, len(one.history())) == ((), (one.image_id,), 1)


def test_each_edit_is_one_revision(one, dataset):
    edit(one, dataset, um_per_pixel=0.3, seconds_per_line=0.1, experiment={"species": "rat", "sex": "f"}, accepted=False)
    assert [revision.payload["header"]["um_per_pixel"] for revision in one.history()] == [0.25, 0.3]


def test_ome_zarr_is_told_of_the_new_calibration(one, dataset):
    edit(one, dataset, um_per_pixel=0.5)
    document = json.loads((dataset.path / "images" / one.image_id / "zarr.json").read_text())
    (multiscale,) = document["attributes"]["ome"]["multiscales"]
    assert multiscale["datasets"][0]["coordinateTransformations"] == [{"type": "scale", "scale": [0.002, 0.5]}]


def test_true_is_not_1(one, dataset):
    edit(one, dataset, experiment={"cage": True})
    edit(one, dataset, experiment={"cage": 1})
    assert one.load_metadata_payload()["experiment_metadata"]["cage"] is not True


@pytest.mark.parametrize("value", [0, -0.3, math.nan, math.inf, -math.inf, "0.3", True], ids=repr)
@pytest.mark.parametrize("name", ["seconds_per_line", "um_per_pixel"])
def test_a_calibration_that_is_no_number_above_0_is_refused(name, value):
    with pytest.raises(MetadataError, match=f"^{name} must be a number above 0, not {value!r}$"):
        MetadataEdit(**{name: value})


@pytest.mark.parametrize(
    ("entered", "message"),
    [
        ({"experiment": {"depth": math.nan}}, "depth must be text, a number, true, false or nothing, not nan"),
        ({"experiment": {"depth": [1]}}, r"depth must be text, a number, true, false or nothing, not \[1\]"),
        ({"experiment": {" ": 1}}, "an entry of the experiment needs a name, not ' '"),
        ({"experiment": {3: 1}}, "an entry of the experiment needs a name, not 3"),
        ({"accepted": "yes"}, "accepted must be true or false, not 'yes'"),
    ],
    ids=str,
)
def test_an_entry_that_cannot_be_stored_is_refused(entered, message):
    with pytest.raises(MetadataError, match=f"^{message}$"):
        MetadataEdit(**entered)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(MetadataError, match=r"^seconds_per_line .*; um_per_pixel .*; accepted .*$"):
        MetadataEdit(seconds_per_line=0, um_per_pixel=-1, accepted=3)


@pytest.mark.parametrize(("entered", "is_empty"), [({}, True), ({"accepted": False}, False), ({"um_per_pixel": 1}, False)])
def test_an_edit_knows_whether_it_is_empty(entered, is_empty):
    assert MetadataEdit(**entered).is_empty is is_empty


def test_the_report_holds_the_values_before_and_after(one, dataset):
    (change,) = edit(one, dataset, um_per_pixel=0.3, experiment={"species": "rat", "drug": "x"}).changed
    assert (change.image_id, change.name) == (one.image_id, "scan")
    assert change.before == {
        ("header", "seconds_per_line"): 0.002,
        ("header", "um_per_pixel"): 0.25,
        ("header", "calibration_source"): "olympus_txt",
        SPECIES: "mouse",
    }
    assert (change.after[SPECIES], change.after["header", "um_per_pixel"]) == ("rat", 0.3)


class TestManyRecords:
    @pytest.fixture
    def records(self, dataset):
        return [add(dataset) for _ in range(3)]

    @pytest.fixture
    def ids(self, records):
        return [record.image_id for record in records]

    def test_all_are_changed(self, records, ids, dataset):
        report = edit_metadata(dataset.path, ids, MetadataEdit(um_per_pixel=0.3))
        assert [change.image_id for change in report.changed] == ids
        assert report.summary() == "3 records changed"
        assert {record.load_metadata_payload()["header"]["um_per_pixel"] for record in records} == {0.3}

    def test_one_that_fails_does_not_stop_the_others(self, records, ids, dataset):
        history = dataset.path / "images" / ids[1] / "analysis"
        for path in history.rglob("*metadata*.json"):
            path.write_text("{")
        report = edit_metadata(dataset, [*ids, "no such id"], MetadataEdit(um_per_pixel=0.3))
        assert [change.image_id for change in report.changed] == [ids[0], ids[2]]
        assert [one.image_id for one in report.failed] == [ids[1], "no such id"]
        assert "is whole" in report.failed[0].reason
        assert report.summary().startswith(f"2 records changed; 2 failed: {ids[1][:8]}: none of the 1 revisions")

    def test_metadata_that_are_no_object_fail(self, dataset):
        record = add(dataset, {"experiment_metadata": ["mouse"]})
        (failed,) = edit(record, dataset, experiment={"species": "rat"}).failed
        assert failed.reason == "the entry 'experiment_metadata' of the metadata is a JSON list; an object is needed"

    def test_progress_is_told(self, ids, dataset):
        told = []
        edit_metadata(dataset, ids, MetadataEdit(accepted=False), watch=Watch(progress=lambda *step: told.append(step[:2])))
        assert told == [(1, 3), (2, 3), (3, 3)]

    def test_a_cancelled_edit_keeps_what_it_did(self, records, ids, dataset):
        answers = iter([False, True])
        report = edit_metadata(dataset, ids, MetadataEdit(accepted=False), watch=Watch(is_cancelled=lambda: next(answers)))
        assert [record.load_metadata_payload()["accepted"] for record in records] == [False, True, True]
        assert report.summary() == "Cancelled: 1 record changed"

    def test_a_dataset_that_is_gone_is_not_made(self, tmp_path):
        with pytest.raises(DatasetNotFoundError):
            edit_metadata(tmp_path / "gone.zarr", ["x"], MetadataEdit(accepted=True))
        assert not (tmp_path / "gone.zarr").exists()

    def test_the_older_programs_dataset_is_refused(self, older_dataset_path, tree_picture):
        before = tree_picture(older_dataset_path)
        with pytest.raises(OlderDatasetError, match="napari-kymflow upgrade"):
            edit_metadata(older_dataset_path, ["x"], MetadataEdit(um_per_pixel=0.3))
        assert tree_picture(older_dataset_path) == before


class TestAnotherProgram:
    """Somebody saves the record between the moment that it is read here and the moment that it is saved."""

    def between(self, monkeypatch, record, *, times: int, **changes):
        save, left = ZarrImageRecord.save_metadata_payload, [times]

        def racing(self, payload, *, expected=None):
            if left[0]:
                left[0] -= 1
                theirs = {**record.load_metadata_payload(), **changes, "their save": left[0]}
                save(record, theirs)
            return save(self, payload, expected=expected)

        monkeypatch.setattr(ZarrImageRecord, "save_metadata_payload", racing)

    def test_the_edit_is_made_on_top_of_theirs(self, monkeypatch, one, dataset):
        self.between(monkeypatch, one, times=1, accepted=False)
        report = edit(one, dataset, um_per_pixel=0.3)
        metadata = one.load_metadata_payload()
        assert (metadata["accepted"], metadata["header"]["um_per_pixel"], report.failed) == (False, 0.3, ())

    def test_the_report_holds_what_they_had_saved(self, monkeypatch, one, dataset):
        self.between(monkeypatch, one, times=1, experiment_metadata={"species": "hamster"})
        (change,) = edit(one, dataset, experiment={"species": "rat"}).changed
        assert change.before == {SPECIES: "hamster"}

    def test_one_who_keeps_saving_makes_it_fail(self, monkeypatch, one, dataset):
        self.between(monkeypatch, one, times=5)
        report = edit(one, dataset, um_per_pixel=0.3)
        assert (report.changed, "changed by another program" in report.failed[0].reason) == ((), True)
        assert one.load_metadata_payload()["header"] == HEADER

    @pytest.mark.parametrize("error", [NotSavedError("the disk is full"), ConflictError("again"), OSError("gone")])
    def test_a_disk_that_fails_is_said(self, error, monkeypatch, one, dataset):
        def fail(self, payload, *, expected=None):
            raise error

        monkeypatch.setattr(ZarrImageRecord, "save_metadata_payload", fail)
        assert edit(one, dataset, um_per_pixel=0.3).failed[0].reason == str(error)


class TestUndo:
    @pytest.mark.parametrize(
        "metadata",
        [
            pytest.param(METADATA, id="full"),
            pytest.param({}, id="none"),
            pytest.param({"header": {}, "experiment_metadata": {}}, id="empty"),
            pytest.param({"header": {"um_per_pixel": 0.25}}, id="one entry"),
        ],
    )
    def test_it_puts_back_exactly_what_was_there(self, metadata, dataset):
        record = add(dataset, metadata)
        before = json.dumps(record.load_metadata_payload(), sort_keys=True)
        report = edit(record, dataset, um_per_pixel=0.3, experiment={"species": "rat", "drug": "x"}, accepted=False)
        undone = undo_edit(dataset, report)
        assert json.dumps(record.load_metadata_payload(), sort_keys=True) == before
        assert ([one.image_id for one in undone.changed], undone.failed) == ([record.image_id], ())

    def test_it_is_a_revision_of_its_own(self, one, dataset):
        undo_edit(dataset, edit(one, dataset, accepted=False))
        assert [revision.payload["accepted"] for revision in one.history()] == [True, False, True]

    def test_an_undo_can_be_undone(self, one, dataset):
        report = edit(one, dataset, um_per_pixel=0.3, experiment={"drug": "x"})
        after = one.load_metadata_payload()
        undo_edit(dataset, undo_edit(dataset, report))
        assert one.load_metadata_payload() == after

    def test_what_somebody_changed_since_stays_and_is_said(self, one, dataset):
        report = edit(one, dataset, experiment={"species": "rat", "cage": 8})
        edit(one, dataset, experiment={"species": "hamster"})
        undone = undo_edit(dataset, report)
        assert one.load_metadata_payload()["experiment_metadata"] == {"species": "hamster", "depth": None, "cage": 7}
        assert undone.failed[0].reason == "species was changed by somebody since, and stays as it is now"

    @pytest.mark.parametrize("theirs", [{"um_per_pixel": 0.4}, {"seconds_per_line": 0.1}])
    def test_a_calibration_is_put_back_whole_or_not_at_all(self, theirs, one, dataset):
        report = edit(one, dataset, um_per_pixel=0.3)
        edit(one, dataset, **theirs)
        before = one.load_metadata_payload()
        undone = undo_edit(dataset, report)
        assert (one.load_metadata_payload(), undone.changed) == (before, ())
        assert undone.failed[0].reason == "the calibration was changed by somebody since, and stays as it is now"

    def test_what_somebody_put_back_already_is_nothing_to_do(self, one, dataset):
        report = edit(one, dataset, experiment={"species": "rat"})
        edit(one, dataset, experiment={"species": "mouse"})
        undone = undo_edit(dataset, report)
        assert (undone.changed, undone.unchanged, undone.failed) == ((), (one.image_id,), ())

    def test_rois_that_were_drawn_since_stay(self, one, dataset):
        report = edit(one, dataset, um_per_pixel=0.3)
        AcqImage(one).add_roi(x0=0, x1=2, y0=0, y1=3)
        undo_edit(dataset, report)
        image = AcqImage(one)
        assert (len(image.rois), image.header.um_per_pixel, image.header.calibration_source) == (1, 0.25, "olympus_txt")

    def test_a_record_that_was_deleted_fails_alone(self, one, dataset):
        other = add(dataset)
        report = edit_metadata(dataset, [one.image_id, other.image_id], MetadataEdit(accepted=False))
        dataset.delete_image(one.image_id)
        undone = undo_edit(dataset, report)
        assert ([one.image_id for one in undone.changed], len(undone.failed)) == ([other.image_id], 1)


class TestPreview:
    @pytest.mark.parametrize(
        ("entered", "n_changed", "n_rois"),
        [
            pytest.param({"um_per_pixel": 0.3}, 2, 4, id="another calibration"),
            pytest.param({"um_per_pixel": 0.5}, 0, 0, id="the same"),
            pytest.param({"experiment": {"species": "rat"}}, 2, 0, id="the experiment"),
            pytest.param({}, 0, 0, id="nothing"),
        ],
    )
    def test_it_counts_records_and_rois_with_results(self, entered, n_changed, n_rois, demo, tree_picture):
        before = tree_picture(demo.path)
        preview = preview_edit(demo.path, demo.list_image_ids(), MetadataEdit(**entered))
        assert (len(preview.changed), preview.n_outdated_rois) == (n_changed, n_rois)
        assert tree_picture(demo.path) == before

    def test_results_that_are_outdated_already_are_not_counted_again(self, one, dataset):
        said = ComputedFrom.of([], algorithm="radon", calibration=AcqImage(one).calibration)
        one.save_json("radon_report", [], computed_from=said.to_json())
        edit(one, dataset, um_per_pixel=0.3)
        assert preview_edit(dataset, [one.image_id], MetadataEdit(um_per_pixel=0.4)).outdated == {}

    def test_results_that_state_no_calibration_are_not_counted(self, one, dataset):
        one.save_json("radon_report", [], computed_from=ComputedFrom(algorithm="radon").to_json())
        assert preview_edit(dataset, [one.image_id], MetadataEdit(um_per_pixel=0.3)).outdated == {}

    def test_a_record_that_cannot_be_read_is_left_out(self, one, dataset):
        preview = preview_edit(dataset, ["no such id", one.image_id], MetadataEdit(um_per_pixel=0.3))
        assert preview.changed == (one.image_id,)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("depth", "45", 45),
        ("depth", "45.5", 45.5),
        ("depth", "shallow", "shallow"),
        ("depth", "", None),
        ("branch_order", "2", 2),
        ("species", "2", "2"),
    ],
)
def test_depth_and_branch_order_are_numbers_where_they_can_be(key, text, value):
    assert entered_value(key, text) == value
    assert isinstance(entered_value(key, text), type(value))


@pytest.mark.parametrize("value", ["oblique", True, 1])
def test_a_line_lies_along_or_across_or_nobody_knows(value, one, dataset):
    with pytest.raises(MetadataError, match="line_orientation must be along, across, unknown or nothing"):
        MetadataEdit(experiment={"line_orientation": value})
    for known in ("along", "across", "unknown", "", None):
        edit(one, dataset, experiment={"line_orientation": known})
        assert one.load_metadata_payload()["experiment_metadata"]["line_orientation"] == known

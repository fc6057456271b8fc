"""Calibration and experiment as a person reads and enters them: mixed values, texts, what is said of an edit."""

import math
from pathlib import Path

import pytest

from kymflow_core import EditReport, MetadataEdit, edit_metadata
from kymflow_core.errors import MetadataError
from kymflow_core.images.metadata_fields import ACCEPTED, KNOWN_KEYS
from kymflow_core.metadata_edit import EditPreview, NotChanged, RecordChange
from kymflow_zarr import ZarrDataset
from napari_kymflow.tables.metadata_form import (
    SECONDS,
    SOURCE,
    UM,
    MetadataForm,
    describe_edit,
    describe_extent,
    describe_records,
    describe_report,
    edit_of,
    fields_of,
    load_form,
    run_edit,
    text_of,
    title_of,
)

SPECIES, DEPTH, NOTE = (("experiment_metadata", key) for key in ("species", "depth", "note"))


def metadata(**experiment):
    return {
        "header": {"seconds_per_line": 0.00117, "um_per_pixel": 0.284, "calibration_source": "olympus_txt"},
        "experiment_metadata": experiment,
    }


def form(n=1, **values):
    names = tuple(f"scan {number}" for number in range(1, n + 1))
    return MetadataForm(path=Path("lab.zarr"), image_ids=names, names=names, **values)


def report(n=1, **values):
    changed = tuple(RecordChange(image_id=str(one), name=f"scan {one}", before={}, after={}) for one in range(n))
    return EditReport(changed=changed, **values)


@pytest.mark.parametrize(
    ("one", "value", "text"),
    [
        pytest.param(SECONDS, 0.00117, "1.17", id="ms"),
        pytest.param(SECONDS, 35.099 / 30000, "1.169967", id="many digits"),
        pytest.param(UM, 0.284, "0.284", id="µm"),
        pytest.param(UM, None, "", id="unknown"),
        pytest.param(SPECIES, "mouse", "mouse", id="text"),
        pytest.param(DEPTH, 45.5, "45.5", id="number"),
        pytest.param(SPECIES, True, "yes", id="true"),
        pytest.param(ACCEPTED, True, "yes", id="accepted"),
        pytest.param(ACCEPTED, False, "no", id="not accepted"),
        pytest.param(ACCEPTED, None, "not noted", id="nobody said"),
    ],
)
def test_a_value_is_read_as(one, value, text):
    assert text_of(one, value) == text


def test_of_one_record_each_field_has_its_text():
    found = fields_of([metadata(species="mouse")])
    assert [found[one].text for one in (SECONDS, UM, SOURCE, SPECIES)] == ["1.17", "0.284", "olympus_txt", "mouse"]
    assert not any(field.is_mixed for field in found.values())


def test_the_well_known_entries_come_first_and_all_others_follow():
    found = form(fields=fields_of([metadata(cage=7), metadata(drug="x")]))
    assert found.keys == (*KNOWN_KEYS, "cage", "drug")


@pytest.mark.parametrize(
    ("values", "text", "is_mixed"),
    [
        pytest.param(["mouse", "mouse"], "mouse", False, id="the same"),
        pytest.param(["mouse", "rat"], "", True, id="different"),
        pytest.param(["mouse", ""], "", True, id="one is empty"),
        pytest.param([None, ""], "", False, id="none and empty"),
        pytest.param([7, "7"], "7", False, id="number and text"),
    ],
)
def test_several_records(values, text, is_mixed):
    field = fields_of([metadata(species=value) for value in values])[SPECIES]
    assert (field.text, field.is_mixed) == (text, is_mixed)


def test_an_entry_that_is_no_single_value_is_not_shown():
    assert ("experiment_metadata", "cells") not in fields_of([metadata(cells=[1, 2])])


def test_metadata_that_are_not_objects_are_shown_as_empty():
    assert fields_of([{"header": 3, "experiment_metadata": ["x"]}])[UM].text == ""


@pytest.mark.parametrize(
    ("texts", "edit"),
    [
        pytest.param({}, MetadataEdit(), id="nothing"),
        pytest.param({SECONDS: "1.17"}, MetadataEdit(seconds_per_line=0.00117), id="ms become s"),
        pytest.param({UM: " 0.3 "}, MetadataEdit(um_per_pixel=0.3), id="spaces"),
        pytest.param({SPECIES: " rat "}, MetadataEdit(experiment={"species": "rat"}), id="text"),
        pytest.param({SPECIES: ""}, MetadataEdit(experiment={"species": ""}), id="cleared"),
        pytest.param({DEPTH: "45.5"}, MetadataEdit(experiment={"depth": 45.5}), id="number"),
        pytest.param({ACCEPTED: "no"}, MetadataEdit(accepted=False), id="not accepted"),
        pytest.param({ACCEPTED: "yes"}, MetadataEdit(accepted=True), id="accepted"),
    ],
)
def test_what_was_entered(texts, edit):
    assert edit_of(texts) == edit


def test_an_entry_can_be_added():
    assert edit_of({}, added=(" drug ", "AngII")) == MetadataEdit(experiment={"drug": "AngII"})


@pytest.mark.parametrize(
    ("texts", "added", "message"),
    [
        pytest.param({UM: "0,284"}, (), "µm per pixel: write '0,284' with a point, as '0.284'", id="decimal comma"),
        pytest.param({UM: "wide"}, (), "µm per pixel: 'wide' is no number above 0", id="word"),
        pytest.param({SECONDS: "-1"}, (), "ms per line: -1 is not above 0", id="negative"),
        pytest.param({SECONDS: "0"}, (), "ms per line: 0 is not above 0", id="zero"),
        pytest.param({SECONDS: "nan"}, (), "ms per line: 'nan' is no number above 0", id="not a number"),
        pytest.param({UM: "inf"}, (), "µm per pixel: 'inf' is no number above 0", id="infinite"),
        pytest.param({UM: ""}, (), "µm per pixel: type a number above 0; a calibration is not cleared", id="empty"),
        pytest.param({}, ("", "AngII"), "the new entry 'AngII' needs a name", id="no name"),
        pytest.param(
            {UM: "x", SECONDS: "y"},
            (),
            "µm per pixel: 'x' is no number above 0; ms per line: 'y' is no number above 0",
            id="both",
        ),
    ],
)
def test_what_cannot_be_understood_is_said_with_what_to_write(texts, added, message):
    with pytest.raises(MetadataError) as caught:
        edit_of(texts, added=added)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("preview", "n", "sentence"),
    [
        pytest.param(EditPreview(), 3, "Nothing is changed yet.", id="nothing"),
        pytest.param(EditPreview(changed=("a",)), 1, "1 record will change.", id="one"),
        pytest.param(EditPreview(changed=("a", "b")), 2, "2 records will change.", id="two"),
        pytest.param(
            EditPreview(changed=("a", "b")), 3, "2 records will change; 1 has these values already.", id="one has them"
        ),
        pytest.param(
            EditPreview(changed=("a", "b"), outdated={"a": frozenset({1, 2}), "b": frozenset({1})}),
            2,
            "2 records will change. The results of 3 ROIs in 2 records become outdated: calculated with the calibration of "
            "before. They stay, and are marked, until they are analysed again.",
            id="outdated",
        ),
        pytest.param(
            EditPreview(changed=("a",), outdated={"a": frozenset()}),
            1,
            "1 record will change. The results of 1 record become outdated: calculated with the calibration of before. "
            "They stay, and are marked, until they are analysed again.",
            id="outdated, of no ROI",
        ),
    ],
)
def test_what_saving_would_do_is_said(preview, n, sentence):
    assert describe_edit(preview, form(n)) == sentence


@pytest.mark.parametrize(
    ("shapes", "texts", "sentence"),
    [
        pytest.param(((30000, 38),), {}, "30,000 lines × 38 pixels = 35.1 s × 10.792 µm", id="as it is"),
        pytest.param(((30000, 38),), {UM: "0.5"}, "30,000 lines × 38 pixels = 35.1 s × 19 µm", id="as it is entered"),
        pytest.param(((30000, 38),), {UM: "x"}, "30,000 lines × 38 pixels = 35.1 s × unknown length", id="no number"),
        pytest.param(((30000, 38),), {UM: "", SECONDS: ""}, "30,000 lines × 38 pixels", id="unknown"),
        pytest.param(((30000, 38), (30000, 7)), {}, "The images have several sizes.", id="several sizes"),
        pytest.param((), {}, "", id="no image"),
    ],
)
def test_the_size_of_the_images_is_said(shapes, texts, sentence):
    assert describe_extent(form(shapes=shapes, fields=fields_of([metadata()])), texts) == sentence


@pytest.mark.parametrize(("n", "title"), [(1, "Calibration of scan 1"), (3, "Calibration of 3 records")])
def test_the_title_names_what_is_edited(n, title):
    assert title_of(form(n), "Calibration") == title


@pytest.mark.parametrize(
    ("n", "problems", "text"),
    [
        (1, (), "scan 1"),
        (4, (), "scan 1, scan 2, scan 3, scan 4"),
        (6, (), "scan 1, scan 2, scan 3, scan 4 and 2 more"),
        (1, ("it is damaged",), "scan 1. 1 record cannot be edited: it is damaged"),
    ],
)
def test_the_records_are_named(n, problems, text):
    assert describe_records(form(n, problems=problems)) == text


@pytest.mark.parametrize(
    ("done", "undone", "line"),
    [
        pytest.param(report(3), False, "Calibration saved in 3 records (More → Undo takes it back)", id="saved"),
        pytest.param(report(1), True, "Calibration put back in 1 record", id="undone"),
        pytest.param(
            report(1, unchanged=("x",)),
            False,
            "Calibration saved in 1 record (More → Undo takes it back); 1 had these values already",
            id="one had it",
        ),
        pytest.param(
            report(0, failed=(NotChanged(image_id="a", name="scan 7", reason="the disk is full"),)),
            False,
            "Calibration saved in 0 records; not saved in 1: scan 7: the disk is full",
            id="failed",
        ),
        pytest.param(
            report(1, is_cancelled=True),
            False,
            "Cancelled: Calibration saved in 1 record (More → Undo takes it back)",
            id="cancelled",
        ),
    ],
)
def test_what_came_of_it_is_one_line(done, undone, line):
    assert describe_report(done, "Calibration", undone=undone) == line


def test_a_form_is_read_from_records(demo_path, tree_picture):
    dataset = ZarrDataset(demo_path)
    first, *others = dataset.list_image_ids()
    edit_metadata(dataset, [first], MetadataEdit(experiment={"species": "mouse"}))
    before = tree_picture(demo_path)
    found = load_form(demo_path, [first, *others])
    assert (found.image_ids, found.shapes, found.problems) == ((first, *others), ((6000, 96),), ())
    assert set(found.names) == {"demo steady flow", "demo stall", "demo reversal"}
    assert (found.fields[UM].text, found.fields[SPECIES].is_mixed, found.fields[NOTE].text) == ("0.5", True, "simulated")
    assert tree_picture(demo_path) == before


def test_a_record_that_cannot_be_read_is_left_out_and_said(demo_path):
    found = load_form(demo_path, ["no such id"])
    assert (found.image_ids, len(found.problems)) == ((), 1)
    assert "no such id" in found.problems[0]


def test_an_edit_is_made_and_taken_back(demo_path):
    dataset = ZarrDataset(demo_path)
    ids = dataset.list_image_ids()
    done = run_edit(demo_path, MetadataEdit(um_per_pixel=0.7), ids)
    assert {load_form(demo_path, ids).fields[UM].text} == {"0.7"}
    run_edit(demo_path, done)
    assert math.isclose(float(load_form(demo_path, ids).fields[UM].text), 0.5)

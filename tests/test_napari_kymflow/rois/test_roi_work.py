"""What workers do for the ROI dock: rows of text, copies, painted labels, earlier revisions, files of other programs."""

import time
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.notifications import notification_manager

from kymflow_core import AcqImage, MaskROI, RectROI, RoiSet
from kymflow_core.errors import RoiError
from kymflow_core.images.roi_facts import RoiFacts
from kymflow_core.roi import DrawnShape
from kymflow_core.roi.bounds import Bounds, roi_bounds
from kymflow_core.roi.masks import MaskState
from kymflow_core.roi.pixels import RoiStats
from napari_kymflow.layers.tags import LayerTag
from napari_kymflow.rois.columns import COLUMNS, ListedRoi
from napari_kymflow.rois.copy_rois import copy_rois, records_of_shape
from napari_kymflow.rois.files import export_rois, import_imagej
from napari_kymflow.rois.revisions import describe_changes, load_revisions
from napari_kymflow.rois.rows import bounds_by_numbers, describe_roi, local_text, matches, parse_range

MASKED = {"mask_ref": "analysis_arrays/roi_mask_4"}
RECT = RectROI(roi_id=4, name="cell", note="odd", x0=2, x1=8, y0=10, y1=30, z=1, channel=2, meta=MASKED)
ELLIPSE = DrawnShape(type="ellipse", vertices=((10.2, 5.0), (10.2, 30.0), (40.0, 30.0), (40.0, 5.0)))
DRAWN = MaskROI(roi_id=5, reference=None, meta={"shape": ELLIPSE.to_dict()})
PAINTED = MaskROI(roi_id=6, reference="analysis_arrays/m")
TAG = LayerTag(role="rois", dataset_path="d", image_id="i", stretch=1, seconds_per_line=0.5, um_per_pixel=0.25)
FACTS = RoiFacts(stats=RoiStats(mean=12.3456, std=1.5, min=1, max=20, n=9), mask_state=MaskState.OUTDATED)


def row(roi, tag=TAG, facts=FACTS):
    bounds = roi_bounds(roi, (100, 50))
    return {column.name: column.text(ListedRoi(roi=roi, tag=tag, bounds=bounds, facts=facts)) for column in COLUMNS}


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        ({}, Bounds(x0=1, x1=4, y0=7, y1=9)),
        ({"all_time": True}, Bounds(x0=1, x1=4, y0=0, y1=100)),
        ({"all_positions": True}, Bounds(x0=0, x1=50, y0=7, y1=9)),
    ],
)
def test_a_rectangle_that_is_typed_in(whole, expected):
    assert bounds_by_numbers(7, 9, 1, 4, shape=(100, 50), **whole) == expected


def test_a_rectangle_as_a_row():
    assert row(RECT) == {
        "id": "4",
        "name": "cell",
        "kind": "rectangle",
        "lines": "10 – 30",
        "pixels": "2 – 8",
        "time (s)": "5.000 – 15.000",
        "space (µm)": "0.50 – 2.00",
        "mean ± std": "12.35 ± 1.5",
        "mask": "mask outdated",
        "note": "odd",
        "channel": "2",
        "z": "1",
    }


def test_a_drawn_roi_as_a_row_has_the_bounds_of_its_pixels():
    shown = row(DRAWN)
    assert (shown["kind"], shown["lines"], shown["pixels"], shown["mask"]) == (
        "ellipse",
        "11 – 40",
        "6 – 30",
        "with the save",
    )


def test_a_painted_mask_that_is_not_measured_yet_has_no_bounds():
    shown = row(PAINTED)
    assert (shown["kind"], shown["lines"], shown["time (s)"]) == ("mask", "–", "–")


def test_without_calibration_no_number_is_made_up():
    shown = row(RECT, replace(TAG, seconds_per_line=None, um_per_pixel=None))
    assert (shown["time (s)"], shown["space (µm)"]) == ("unknown", "unknown")


def test_what_is_not_measured_yet_is_no_number():
    assert row(RECT, facts=None)["mean ± std"] == "…"
    assert row(RECT, facts=RoiFacts())["mean ± std"] == "–"


@pytest.mark.parametrize("text", ["10 – 60", "10-60", "10 60", " 10:60 ", "10 to 60"])
def test_a_range_can_be_typed_in_several_ways(text):
    assert parse_range(text) == (10, 60)


@pytest.mark.parametrize("text", ["", "10", "a – b", "-1 – 5", "1.5 – 6"])
def test_what_is_no_range_is_refused_with_an_example(text):
    with pytest.raises(RoiError, match=r"is no range; type the first and the end, such as 10 – 60"):
        parse_range(text)


@pytest.mark.parametrize(("text", "found"), [("cell", True), ("odd rect", True), ("4", True), ("ellipse", False)])
def test_the_filter_looks_at_id_name_note_and_kind(text, found):
    assert matches(RECT, text.split()) is found


def test_a_roi_is_described_for_a_question():
    described = describe_roi(RECT, roi_bounds(RECT, (100, 50)))
    assert described == "“cell”, rectangle, lines 10 – 30, pixels 2 – 8, channel 2, z 1, note: odd"


def records(session):
    return list(session.image_ids)


def test_only_records_of_the_same_shape_are_offered(demo_session, demo_path):
    demo_session.dataset.add_image(np.zeros((40, 30), np.uint8))
    found = records_of_shape(demo_path, (6000, 96), without=records(demo_session)[0])
    assert sorted(found.values()) == ["demo reversal", "demo stall"]


def test_rois_of_every_kind_are_copied_with_new_ids_and_their_own_masks(demo_session, demo_path):
    first, second = records(demo_session)[:2]
    image = AcqImage.from_zarr(demo_path, first)
    inside = np.zeros(image.slice_shape, bool)
    inside[7, 3:9] = True
    image.add_mask_roi(inside, name="painted")
    drawn = replace(DRAWN, roi_id=image.rois.next_id)
    image.save_rois(image.rois.add(drawn))
    assert copy_rois(demo_path, first, list(image.rois)[1:], [second]) == {}
    there = AcqImage.from_zarr(demo_path, second)
    assert there.rois.ids == (1, 2, 3, 4, 5)
    assert there.get_roi(3).mask_ref is None
    np.testing.assert_array_equal(there.get_roi_mask(4), inside)
    np.testing.assert_array_equal(there.get_roi_mask(5), image.get_roi_mask(4))


def test_a_record_that_cannot_be_copied_to_is_named(demo_session, demo_path):
    first = records(demo_session)[0]
    failed = copy_rois(demo_path, first, [RECT], ["0" * 32])
    assert "no record" in failed["0" * 32]


def test_the_history_has_the_newest_save_first_and_what_changed(demo_session, demo_path):
    image = demo_session.record.image
    image.edit_roi(1, name="renamed")
    image.edit_roi(2, x1=61)
    image.add_roi(x0=1, x1=2, y0=3, y1=4)
    found = load_revisions(demo_path, demo_session.image_id)
    assert [one.changes for one in found[:3]] == ["1 added", "1 moved", "1 renamed or noted"]
    assert len(found[0].rois) == 3
    assert found[0].saved_utc > ""


def test_nothing_changed_is_said():
    assert describe_changes(RoiSet.of([RECT]), RoiSet.of([RECT])) == "no ROI changed"


@pytest.mark.slow
def test_masks_painted_as_labels_are_saved_as_they_are_painted(demo_session, viewer_model):
    inside = np.zeros((6000, 96), bool)
    inside[100:200, 5:20] = True
    demo_session.record.editor.image.add_mask_roi(inside, name="painted")
    demo_session.record.save()
    demo_session.record.masks.open_labels()
    layer = viewer_model.layers.selection.active
    assert isinstance(layer, Labels)
    assert np.array_equal(layer.data == 3, inside)
    layer.data[300:310, 40:50] = 3
    layer.data[1000:1010, 0:9] = 77
    viewer_model.layers.selection.active = layer
    demo_session.record.masks.save_labels()
    image = AcqImage(demo_session.dataset.record(demo_session.image_id))
    assert [(roi.roi_id, roi.name) for roi in image.rois][2:] == [(3, "painted"), (4, "label 77")]
    assert image.get_roi_mask(3)[305, 45]
    assert image.get_roi_mask(3)[150, 10]
    assert image.get_roi_mask(4).sum() == 90
    assert set(np.unique(layer.data)) == {0, 3, 4}


@pytest.mark.slow
def test_a_labels_layer_of_the_users_own_makes_new_rois_once(demo_session, viewer_model):
    labels = np.zeros((6000, 96), np.int32)
    labels[5:9, 5:9] = 1
    layer = viewer_model.add_labels(labels)
    viewer_model.layers.selection.active = layer
    demo_session.record.masks.save_labels()
    assert demo_session.record.rois.ids == (1, 2, 3)
    assert demo_session.record.rois.get(1).roi_type == "rect"
    viewer_model.layers.selection.active = layer
    demo_session.record.masks.save_labels()
    assert demo_session.record.rois.ids == (1, 2, 3)
    assert "No label was changed" in str(notification_manager.records[-1].message)


def test_labels_of_another_size_are_refused_with_the_reason(demo_session, viewer_model):
    viewer_model.layers.selection.active = viewer_model.add_labels(np.ones((5, 5), np.int32))
    demo_session.record.masks.save_labels()
    assert "the labels have the shape (5, 5), and the image (6000, 96)" in str(notification_manager.records[-1].message)
    assert demo_session.record.rois.ids == (1, 2)


@pytest.mark.slow
def test_a_drawn_roi_that_is_painted_on_keeps_its_id_and_loses_its_shape(demo_session, viewer_model):
    (roi_id,) = demo_session.record.editor.add_rois([DRAWN])
    demo_session.record.save()
    demo_session.record.selection.select([roi_id])
    demo_session.record.masks.open_labels()
    layer = viewer_model.layers.selection.active
    layer.data[3000, 50] = roi_id
    demo_session.record.masks.save_labels()
    roi = demo_session.record.rois.get(roi_id)
    assert (roi.drawn, demo_session.record.image.get_roi_mask(roi_id)[3000, 50]) == (None, True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rois.zip", "rois.geojson"])
def test_rois_of_every_kind_are_exported_and_what_is_lost_is_said(name, demo_session, tmp_path):
    inside = np.zeros((6000, 96), bool)
    inside[7, 3:9] = True
    demo_session.record.editor.image.add_mask_roi(inside, name="painted")
    demo_session.record.save()
    demo_session.record.editor.add_rois([DRAWN])
    lost = export_rois(tmp_path / name, demo_session.record.editor, demo_session.record.rois.ids)
    assert (tmp_path / name).stat().st_size > 0
    assert all(isinstance(line, str) for line in lost)


def test_rectangles_come_back_from_imagej_as_they_were(demo_session, tmp_path):
    export_rois(tmp_path / "rois.zip", demo_session.record.editor, (1, 2))
    rois, lost = import_imagej(tmp_path / "rois.zip", demo_session.record.editor)
    places = [(roi.name, roi.x0, roi.x1, roi.y0, roi.y1) for roi in rois]
    assert places == [(roi.name, roi.x0, roi.x1, roi.y0, roi.y1) for roi in demo_session.record.rois]
    assert lost == ()


def test_a_stored_time_is_shown_by_the_clock_of_this_computer(monkeypatch):
    monkeypatch.setenv("TZ", "Etc/GMT-2")
    time.tzset()
    try:
        assert local_text("2026-01-01T23:30:00.5+00:00") == "2026-01-02 01:30:00"
        assert local_text("2026-01-01T23:30:00Z") == "2026-01-02 01:30:00"
        assert local_text("long ago") == "long ago"
    finally:
        monkeypatch.undo()
        time.tzset()

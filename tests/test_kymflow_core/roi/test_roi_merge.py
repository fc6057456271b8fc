"""Two people's edits of the ROIs of one image."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core.roi import RectROI, RoiSet
from kymflow_core.roi.merge import merge_roi_sets
from property_tests import examples


def rect(roi_id, name=""):
    return RectROI(roi_id=roi_id, name=name, x0=0, x1=2, y0=0, y1=2)


BASE = RoiSet.of([rect(1), rect(2), rect(3)])


def renamed(rois, roi_id, name):
    return rois.replace(replace(rois.get(roi_id), name=name))


def names(rois):
    return {roi.roi_id: roi.name for roi in rois}


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        pytest.param(renamed(BASE, 1, "m"), BASE, {1: "m", 2: "", 3: ""}, id="only mine changed"),
        pytest.param(BASE, renamed(BASE, 1, "t"), {1: "t", 2: "", 3: ""}, id="only theirs changed"),
        pytest.param(renamed(BASE, 1, "m"), renamed(BASE, 2, "t"), {1: "m", 2: "t", 3: ""}, id="each changed another"),
        pytest.param(renamed(BASE, 1, "s"), renamed(BASE, 1, "s"), {1: "s", 2: "", 3: ""}, id="both the same change"),
        pytest.param(BASE.remove(2), renamed(BASE, 1, "t"), {1: "t", 3: ""}, id="I deleted one"),
        pytest.param(renamed(BASE, 1, "m"), BASE.remove(2), {1: "m", 3: ""}, id="they deleted one"),
        pytest.param(BASE.remove(2), renamed(BASE, 2, "t"), {1: "", 2: "t", 3: ""}, id="I deleted what they changed"),
        pytest.param(renamed(BASE, 2, "m"), BASE.remove(2), {1: "", 2: "m", 3: ""}, id="they deleted what I changed"),
        pytest.param(BASE.remove(2), BASE.remove(2), {1: "", 3: ""}, id="both deleted it"),
        pytest.param(BASE.add(rect(4, "m")), BASE, {1: "", 2: "", 3: "", 4: "m"}, id="I added one"),
    ],
)
def test_changes_of_both_sides_are_in_the_merged_set(mine, theirs, expected):
    merged = merge_roi_sets(BASE, mine, theirs)
    assert (names(merged.rois), merged.doubled) == (expected, ())


def test_a_roi_that_both_changed_is_kept_twice():
    merged = merge_roi_sets(BASE, renamed(BASE, 1, "m"), renamed(BASE, 1, "t"))
    assert names(merged.rois) == {1: "t", 2: "", 3: "", 4: "m"}
    assert merged.doubled == ((1, 4),)


def test_two_new_rois_with_the_same_id_are_both_kept():
    merged = merge_roi_sets(BASE, BASE.add(rect(4, "m")), BASE.add(rect(4, "t")))
    assert names(merged.rois) == {1: "", 2: "", 3: "", 4: "t", 5: "m"}


def test_ids_that_either_side_used_are_not_given_again():
    merged = merge_roi_sets(BASE, BASE.add(rect(4)).remove(4), BASE.add(rect(4)).remove(4).add(rect(5)))
    assert merged.rois.next_id == 6


@st.composite
def edited(draw):
    rois = BASE
    for roi_id in BASE.ids:
        action = draw(st.sampled_from(["keep", "rename", "delete"]))
        if action == "rename":
            rois = renamed(rois, roi_id, draw(st.sampled_from("abc")))
        elif action == "delete":
            rois = rois.remove(roi_id)
    for name in draw(st.lists(st.sampled_from("xyz"), max_size=2)):
        rois = rois.add(rect(rois.next_id, name))
    return rois


@settings(max_examples=examples(50))
@given(edited(), edited())
def test_every_change_of_either_side_is_somewhere_in_the_merged_set(mine, theirs):
    merged = names(merge_roi_sets(BASE, mine, theirs).rois)
    changed = [
        name for rois in (mine, theirs) for roi_id, name in names(rois).items() if name and names(BASE).get(roi_id) != name
    ]
    assert set(changed) <= set(merged.values())


@settings(max_examples=examples(50))
@given(edited())
def test_merging_with_nothing_changed_gives_the_changed_side(rois):
    assert names(merge_roi_sets(BASE, rois, BASE).rois) == names(rois)
    assert names(merge_roi_sets(BASE, BASE, rois).rois) == names(rois)

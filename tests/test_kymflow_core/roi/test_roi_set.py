import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core.errors import RoiError, RoiNotFoundError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.roi import MaskROI, RectROI, RoiSet
from property_tests import examples


def rect(roi_id: int, **changes: object) -> RectROI:
    return RectROI(roi_id=roi_id, **{"x0": 0, "x1": 5, "y0": 0, "y1": 7, **changes})


rois = st.one_of(
    st.builds(rect, st.just(0), name=st.text(max_size=5), x1=st.integers(1, 99)),
    st.builds(MaskROI, roi_id=st.just(0), reference=st.just("analysis_arrays/drawn"), note=st.text(max_size=5)),
)


@st.composite
def roi_sets(draw: st.DrawFn) -> RoiSet:
    ids = draw(st.lists(st.integers(0, 500), unique=True, max_size=5))
    members = [{**draw(rois).to_dict(), "roi_id": roi_id, "unknown": roi_id} for roi_id in ids]
    return RoiSet.from_json(members, next_id=draw(st.integers(1, 1000)))


@settings(max_examples=examples(50))
@given(roi_sets())
def test_a_set_comes_back_from_its_json_and_next_id(roi_set):
    assert RoiSet.from_json(roi_set.to_json(), next_id=roi_set.next_id) == roi_set


@settings(max_examples=examples(50))
@given(st.lists(st.sampled_from(["add", "remove first", "remove last"]), max_size=20))
def test_no_id_is_given_twice_whatever_is_added_and_removed(steps):
    roi_set, given_ids = RoiSet(), []
    for step in steps:
        if step == "add":
            given_ids.append(roi_set.next_id)
            roi_set = roi_set.add(rect(roi_set.next_id))
        elif len(roi_set):
            roi_set = roi_set.remove(roi_set.ids[0 if step == "remove first" else -1])
    assert len(set(given_ids)) == len(given_ids)


def test_an_id_deleted_before_saving_is_not_given_again_after_reopening(dataset, record):
    image = AcqImage(record)
    rois = image.rois.add(rect(image.rois.next_id))
    image.save_rois(rois.remove(rois.ids[-1]))
    reopened = AcqImage.from_zarr(dataset.path, record.image_id)
    assert (rois.ids[-1], reopened.rois.next_id) == (6, 7)


def test_deleting_every_roi_frees_no_id(dataset, record):
    image = AcqImage(record)
    image.save_rois(RoiSet((), image.rois.next_id))
    assert AcqImage.from_zarr(dataset.path, record.image_id).rois == RoiSet((), 6)


@pytest.mark.parametrize(
    ("next_id", "expected"),
    [pytest.param(1, 9, id="too low"), pytest.param(9, 9, id="just above"), pytest.param(40, 40, id="higher")],
)
def test_the_next_id_is_above_all_ids_and_not_below_the_one_given(next_id, expected):
    assert RoiSet.of([rect(8), rect(3)], next_id=next_id).next_id == expected


def test_two_rois_of_one_id_are_refused():
    with pytest.raises(RoiError, match=r"^ROI ids must differ, but \[2\] occur more than once among \[2, 1, 2\]$"):
        RoiSet.of([rect(2), rect(1), rect(2)])


def test_a_next_id_that_is_taken_is_refused():
    with pytest.raises(RoiError, match=r"^next_id must be above all ids, but it is 4 and the ids are \[4\]$"):
        RoiSet((rect(4),), next_id=4)


def test_adding_with_an_id_that_was_given_before_is_refused():
    roi_set = RoiSet.of([rect(1), rect(2)]).remove(2)
    with pytest.raises(RoiError, match=r"^ROI id 2 was given before; the next free one is 3$"):
        roi_set.add(rect(2))


def test_a_list_entry_that_is_no_object_is_refused():
    with pytest.raises(RoiError, match=r"^a ROI must be a JSON object, not 'rect'$"):
        RoiSet.from_json(["rect"])


@pytest.mark.parametrize(
    ("roi_set", "message"),
    [
        pytest.param(RoiSet.of([rect(1), rect(3)]), r"^no ROI 2; this image has \[1, 3\]$", id="others there"),
        pytest.param(RoiSet(), "^no ROI 2; this image has none$", id="empty"),
    ],
)
@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda roi_set: roi_set.get(2), id="get"),
        pytest.param(lambda roi_set: roi_set.remove(2), id="remove"),
        pytest.param(lambda roi_set: roi_set.replace(rect(2)), id="replace"),
    ],
)
def test_asking_for_an_unknown_id_says_which_there_are(ask, roi_set, message):
    with pytest.raises(RoiNotFoundError, match=message):
        ask(roi_set)


def test_an_unknown_id_is_a_key_error():
    with pytest.raises(KeyError, match=r"^no ROI 2; this image has none$"):
        RoiSet().get(2)


def test_replacing_keeps_the_order():
    roi_set = RoiSet.of([rect(3), rect(1), rect(2)]).replace(rect(1, name="new"))
    assert [(roi.roi_id, roi.name) for roi in roi_set] == [(3, ""), (1, "new"), (2, "")]


def test_a_change_leaves_the_set_itself_as_it_was():
    roi_set = RoiSet.of([rect(1)])
    roi_set.add(rect(2))
    assert roi_set.ids == (1,)


@pytest.mark.parametrize(("roi_id", "expected"), [(1, True), (2, False)])
def test_membership_goes_by_id(roi_id, expected):
    assert (roi_id in RoiSet.of([rect(1)])) is expected


def test_rois_that_exchange_their_ids_stay_two():
    both = RoiSet.of([rect(1, name="a"), rect(2, name="b")])
    assert both.renumbered({1: 2, 2: 1}) == RoiSet.of([rect(2, name="a"), rect(1, name="b")])


def test_no_two_rois_get_one_id():
    with pytest.raises(RoiError, match="ROI ids must differ"):
        RoiSet.of([rect(1), rect(2)]).renumbered({1: 2})

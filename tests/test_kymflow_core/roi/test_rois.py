import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core.errors import RoiError
from kymflow_core.roi import MaskROI, RectROI, roi_from_dict
from kymflow_zarr import JsonValue
from property_tests import examples

ENVELOPE_KEYS = {"roi_id", "roi_type", "version", "name", "note", "channel", "z", "data", "meta"}
FLAT_KEYS = {"dim0_start", "dim0_stop", "dim1_start", "dim1_stop"}
KNOWN_KEYS = ENVELOPE_KEYS | FLAT_KEYS | {"id", "x0", "x1", "y0", "y1", "mask_ref"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(st.text(max_size=8), json_values, max_size=3)
unknown_keys = st.dictionaries(st.text(max_size=8).filter(lambda key: key not in KNOWN_KEYS), json_values, max_size=3)
pixel_ranges = st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)).map(lambda ends: (ends[0], ends[0] + ends[1]))
mask_references = st.from_regex(r"analysis_arrays/[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)


@st.composite
def rect_data(draw: st.DrawFn) -> dict[str, JsonValue]:
    (x0, x1), (y0, y1) = draw(pixel_ranges), draw(pixel_ranges)
    return {"x0": x0, "x1": x1, "y0": y0, "y1": y1}


@st.composite
def envelopes(draw: st.DrawFn) -> dict[str, JsonValue]:
    roi_type = draw(st.sampled_from(["rect", "mask"]))
    data = draw(rect_data()) if roi_type == "rect" else {"mask_ref": draw(mask_references)}
    return {
        "roi_id": draw(st.integers(0, 10**9)),
        "roi_type": roi_type,
        "version": draw(st.text(max_size=8)),
        "name": draw(st.text(max_size=8)),
        "note": draw(st.text(max_size=8)),
        "channel": draw(st.integers(1, 9)),
        "z": draw(st.integers(0, 99)),
        "data": {**data, **draw(unknown_keys)},
        "meta": draw(json_objects),
        **draw(unknown_keys),
    }


@st.composite
def flat_rois(draw: st.DrawFn) -> dict[str, JsonValue]:
    (x0, x1), (y0, y1) = draw(pixel_ranges), draw(pixel_ranges)
    return {
        "id": draw(st.integers(0, 10**9)),
        "channel": draw(st.integers(1, 9)),
        "z": draw(st.integers(0, 99)),
        "name": draw(st.text(max_size=8)),
        "note": draw(st.text(max_size=8)),
        "dim0_start": y0,
        "dim0_stop": y1,
        "dim1_start": x0,
        "dim1_stop": x1,
        **draw(unknown_keys),
    }


def rect_envelope(**changes: object) -> dict:
    """A sound envelope with some of its entries changed; `data` and its bounds by their own names."""
    data = {"x0": 10, "x1": 50, "y0": 20, "y1": 60}
    envelope = {"roi_id": 6, "roi_type": "rect", "version": "1.0", "name": "roi1", "note": "", "channel": 1, "z": 0}
    envelope |= {"data": data, "meta": {}}
    for key, value in changes.items():
        (data if key in data else envelope)[key] = value
    return envelope


@settings(max_examples=examples(50))
@given(envelopes())
def test_an_envelope_comes_back_as_it_was_with_unknown_keys(envelope):
    assert roi_from_dict(envelope).to_dict() == envelope


@settings(max_examples=examples(50))
@given(envelopes().map(roi_from_dict))
def test_a_roi_comes_back_from_its_envelope(roi):
    assert roi_from_dict(roi.to_dict()) == roi


@settings(max_examples=examples(50))
@given(flat_rois())
def test_a_flat_older_roi_becomes_an_envelope_with_its_unknown_keys(flat):
    envelope = roi_from_dict(flat).to_dict()
    unknown = {key: value for key, value in flat.items() if key not in KNOWN_KEYS}
    assert envelope == {
        "roi_id": flat["id"],
        "roi_type": "rect",
        "version": "1.0",
        "name": flat["name"],
        "note": flat["note"],
        "channel": flat["channel"],
        "z": flat["z"],
        "data": {
            "x0": flat["dim1_start"],
            "x1": flat["dim1_stop"],
            "y0": flat["dim0_start"],
            "y1": flat["dim0_stop"],
        },
        "meta": {},
        **unknown,
    }


@settings(max_examples=examples(50))
@given(flat_rois())
def test_a_flat_older_roi_written_as_envelope_is_the_same_roi(flat):
    roi = roi_from_dict(flat)
    assert roi_from_dict(roi.to_dict()) == roi


def test_an_envelope_with_only_what_it_must_have_gets_the_defaults():
    roi = roi_from_dict({"roi_id": 1, "roi_type": "rect", "data": {"x0": 0, "x1": 1, "y0": 0, "y1": 1}})
    assert (roi.name, roi.note, roi.channel, roi.z, roi.version, roi.meta) == ("", "", 1, 0, "1.0", {})


@pytest.mark.parametrize("roi_type", ["line", "polygon"])
def test_a_reserved_type_is_not_implemented(roi_type):
    with pytest.raises(NotImplementedError, match=f"^ROI 6 is a {roi_type}; only 'rect' and 'mask' ROIs can be read yet$"):
        roi_from_dict(rect_envelope(roi_type=roi_type))


@pytest.mark.parametrize(
    "roi_type",
    [
        pytest.param("ellipse", id="another word"),
        pytest.param("Rect", id="capital"),
        pytest.param(None, id="null"),
        pytest.param(1, id="number"),
        pytest.param(["rect"], id="list"),
    ],
)
def test_an_unknown_type_is_refused_with_the_known_ones(roi_type):
    with pytest.raises(RoiError, match=r"^ROI 6 has roi_type .*; known are 'rect' and 'mask'$"):
        roi_from_dict(rect_envelope(roi_type=roi_type))


def test_an_unknown_type_is_a_value_error():
    with pytest.raises(ValueError, match="known are 'rect' and 'mask'"):
        roi_from_dict(rect_envelope(roi_type="ellipse"))


@pytest.mark.parametrize("value", [None, [], "rect", 3], ids=repr)
def test_a_roi_that_is_no_object_is_refused(value):
    with pytest.raises(RoiError, match=r"^a ROI must be a JSON object, not"):
        roi_from_dict(value)


@pytest.mark.parametrize("value", [None, [0, 1, 0, 1], "x", 5], ids=repr)
def test_data_that_is_no_object_is_refused(value):
    with pytest.raises(RoiError, match=r"^ROI 6 is not valid: data must be an object, not"):
        roi_from_dict(rect_envelope(data=value))


@pytest.mark.parametrize("bound", ["x0", "x1", "y0", "y1"])
def test_a_missing_bound_is_named(bound):
    envelope = rect_envelope()
    del envelope["data"][bound]
    with pytest.raises(RoiError, match=f"^ROI 6 is not valid: {bound} missing$"):
        roi_from_dict(envelope)


def test_a_missing_roi_id_is_named():
    envelope = rect_envelope()
    del envelope["roi_id"]
    with pytest.raises(RoiError, match=r"^ROI None is not valid: roi_id missing$"):
        roi_from_dict(envelope)


def test_a_missing_mask_ref_is_named():
    with pytest.raises(RoiError, match=r"^ROI 6 is not valid: mask_ref missing$"):
        roi_from_dict(rect_envelope(roi_type="mask"))


@pytest.mark.parametrize("key", ["id", "dim0_start", "dim0_stop", "dim1_start", "dim1_stop"])
def test_a_missing_entry_of_a_flat_roi_is_named_as_in_the_file(key):
    flat = {"id": 4, "dim0_start": 0, "dim0_stop": 30, "dim1_start": 0, "dim1_stop": 7}
    del flat[key]
    with pytest.raises(RoiError, match=f"is not valid: {key} missing$"):
        roi_from_dict(flat)


@pytest.mark.parametrize("bound", ["x0", "x1", "y0", "y1"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(True, id="bool"),
        pytest.param(30.0, id="whole float"),
        pytest.param(30.5, id="float"),
        pytest.param(math.nan, id="nan"),
        pytest.param("30", id="text"),
        pytest.param(None, id="null"),
    ],
)
def test_a_bound_that_is_no_integer_is_named(bound, value):
    with pytest.raises(RoiError, match=f"^ROI 6 is not valid: {bound} must be an integer, not {value!r}$"):
        roi_from_dict(rect_envelope(**{bound: value}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"x0": 50}, "x0 must be at least 0 and below x1, but x0 is 50 and x1 is 50", id="empty in x"),
        pytest.param({"x0": 51}, "x0 must be at least 0 and below x1, but x0 is 51 and x1 is 50", id="turned round in x"),
        pytest.param({"x0": -1}, "x0 must be at least 0 and below x1, but x0 is -1 and x1 is 50", id="negative x0"),
        pytest.param({"y0": 60}, "y0 must be at least 0 and below y1, but y0 is 60 and y1 is 60", id="empty in y"),
        pytest.param({"y1": 5}, "y0 must be at least 0 and below y1, but y0 is 20 and y1 is 5", id="turned round in y"),
        pytest.param({"y0": -3}, "y0 must be at least 0 and below y1, but y0 is -3 and y1 is 60", id="negative y0"),
        pytest.param({"roi_id": -1}, "roi_id must be an integer of at least 0, not -1", id="negative id"),
        pytest.param({"roi_id": True}, "roi_id must be an integer of at least 0, not True", id="id a bool"),
        pytest.param({"roi_id": 1.0}, "roi_id must be an integer of at least 0, not 1.0", id="id a float"),
        pytest.param({"roi_id": None}, "roi_id must be an integer of at least 0, not None", id="id null"),
        pytest.param({"channel": 0}, "channel must be an integer of at least 1, not 0", id="channel 0"),
        pytest.param({"channel": "1"}, "channel must be an integer of at least 1, not '1'", id="channel text"),
        pytest.param({"z": -1}, "z must be an integer of at least 0, not -1", id="negative z"),
        pytest.param({"z": 0.0}, "z must be an integer of at least 0, not 0.0", id="z a float"),
        pytest.param({"name": None}, "name must be text, not None", id="name null"),
        pytest.param({"note": 3}, "note must be text, not 3", id="note a number"),
        pytest.param({"version": 1.0}, "version must be text, not 1.0", id="version a number"),
        pytest.param({"meta": []}, r"meta must be an object, not \[\]", id="meta a list"),
    ],
)
def test_a_wrong_field_is_named(changes, message):
    with pytest.raises(RoiError, match=f"ROI .* is not valid: {message}$"):
        roi_from_dict(rect_envelope(**changes))


def test_all_wrong_fields_are_named_at_once():
    with pytest.raises(RoiError, match=r"channel must .*; z must .*; note must .*; x0 must .*; y0 must "):
        roi_from_dict(rect_envelope(channel=0, z=-1, note=None, x0=50, y0=60))


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("drawn", id="name alone"),
        pytest.param("analysis_arrays/", id="no name"),
        pytest.param("analysis_arrays/a/b", id="nested"),
        pytest.param("tables/drawn", id="another folder"),
        pytest.param(None, id="null"),
        pytest.param(4, id="number"),
    ],
)
def test_a_mask_roi_whose_reference_can_name_no_array_is_refused(reference):
    with pytest.raises(RoiError, match=r"^ROI 6 is not valid: data.mask_ref must be 'analysis_arrays/<name>', not"):
        roi_from_dict(rect_envelope(roi_type="mask", data={"mask_ref": reference}))


@pytest.mark.parametrize(
    ("meta", "mask_ref"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"mask_ref": "analysis_arrays/roi_mask_6"}, "analysis_arrays/roi_mask_6", id="there"),
        pytest.param({"mask_ref": 6}, None, id="not text"),
    ],
)
def test_the_mask_ref_of_a_rectangle_stands_in_its_meta(meta, mask_ref):
    assert roi_from_dict(rect_envelope(meta=meta)).mask_ref == mask_ref


def test_the_mask_ref_of_a_mask_roi_is_its_reference():
    assert MaskROI(roi_id=1, reference="analysis_arrays/drawn").mask_ref == "analysis_arrays/drawn"


def test_a_roi_does_not_change():
    roi = RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1)
    with pytest.raises(FrozenInstanceError, match="x0"):
        roi.x0 = 5


def test_a_changed_copy_is_checked_too():
    roi = RectROI(roi_id=1, x0=0, x1=1, y0=0, y1=1)
    with pytest.raises(RoiError, match="x0 must be at least 0 and below x1, but x0 is 0 and x1 is 0"):
        replace(roi, x1=0)

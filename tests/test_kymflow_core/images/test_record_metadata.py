"""What a record's metadata say, and how they are changed while others change them too."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_core import RectROI, RoiSet
from kymflow_core.errors import RoiError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.metadata import RecordMetadata, change_metadata
from kymflow_zarr import PIXELS_SHA256
from kymflow_zarr.errors import ConflictError
from property_tests import examples

everyday = settings(max_examples=examples(100))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["header", "rois", "next_roi_id", "experiment_metadata", "accepted", PIXELS_SHA256, "other"])
payloads = st.dictionaries(names | st.text(max_size=5), json_values, max_size=6)
headers = st.builds(
    AcquisitionHeader,
    name=st.text(max_size=5),
    shape=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    seconds_per_line=st.none() | st.floats(1e-6, 1),
    um_per_pixel=st.none() | st.floats(1e-3, 9),
    calibration_source=st.none() | st.text(max_size=5),
    channel_names=st.lists(st.text(max_size=3), max_size=2).map(tuple),
)
roi_sets = st.tuples(st.integers(0, 3), st.integers(1, 9)).map(
    lambda pair: RoiSet.of(
        (RectROI(roi_id=number, x0=0, x1=number, y0=2, y1=5) for number in range(1, pair[0] + 1)), next_id=pair[1]
    )
)


@everyday
@given(payloads)
def test_metadata_are_stored_exactly_as_they_were_read(payload):
    assert RecordMetadata.from_json(payload).to_json() == payload


@everyday
@given(payloads, headers, roi_sets, payloads)
def test_what_is_put_in_is_what_is_read(payload, header, rois, experiment):
    metadata = RecordMetadata.from_json(payload).with_header(header).with_rois(rois).with_experiment(experiment)
    assert (metadata.header, metadata.rois, metadata.n_rois, metadata.experiment) == (header, rois, len(rois), experiment)


@everyday
@given(payloads, headers, roi_sets)
def test_what_is_not_named_stays(payload, header, rois):
    changed = RecordMetadata.from_json(payload).with_header(header).with_rois(rois).with_accepted(accepted=True).to_json()
    named = ("header", "rois", "next_roi_id", "accepted")
    assert {key: value for key, value in changed.items() if key not in named} == {
        key: value for key, value in payload.items() if key not in named
    }


@everyday
@given(payloads)
def test_no_entry_hides_the_others(payload):
    metadata = RecordMetadata.from_json(payload)
    assert isinstance(metadata.header, AcquisitionHeader)
    assert metadata.n_rois == (len(payload["rois"]) if isinstance(payload.get("rois"), list) else 0)
    assert metadata.accepted == payload.get("accepted")


def test_entries_of_a_header_that_are_not_known_are_kept():
    metadata = RecordMetadata.from_json({"header": {"name": "old", "objective": "20x"}})
    changed = metadata.with_header(AcquisitionHeader(name="new")).to_json()["header"]
    assert (changed["name"], changed["objective"]) == ("new", "20x")


def test_no_metadata_say_nothing():
    metadata = RecordMetadata()
    found = (metadata.header, metadata.has_header, metadata.rois, metadata.experiment, metadata.accepted)
    assert found == (AcquisitionHeader(), False, RoiSet(), {}, None)
    assert (metadata.pixels_sha256, metadata.to_json()) == ("", {})


def test_rois_that_are_no_list_are_refused():
    with pytest.raises(RoiError, match=r"^the ROIs of the metadata are a JSON dict; a list is expected$"):
        _ = RecordMetadata.from_json({"rois": {"1": {}}}).rois


def test_metadata_of_a_record(dataset, rng):
    record = dataset.add_image(rng.integers(0, 9, (4, 3)))
    record.save_metadata_payload({PIXELS_SHA256: "ab", "accepted": False})
    metadata = RecordMetadata.load(record)
    assert (metadata.pixels_sha256, metadata.accepted) == ("ab", False)


def saving(others, saved):
    """Return a change that adds an entry, in whose midst other programs save `others` times."""

    def change(record):
        revision = record.load_revision()
        if len(saved) < others:
            saved.append(revision.number)
            record.save_metadata_payload({**revision.payload, f"other {len(saved)}": True})
        return record.save_metadata_payload({**revision.payload, "mine": True}, expected=revision)

    return change


@pytest.mark.parametrize("others", [0, 1, 4])
def test_a_change_is_saved_upon_what_others_saved_meanwhile(dataset, rng, others):
    record = dataset.add_image(rng.integers(0, 9, (4, 3)))
    change_metadata(record, saving(others, []))
    expected = {**{f"other {number}": True for number in range(1, others + 1)}, "mine": True}
    assert record.load_metadata_payload() == expected


def test_after_five_times_it_is_a_conflict(dataset, rng):
    record = dataset.add_image(rng.integers(0, 9, (4, 3)))
    with pytest.raises(ConflictError, match="not saved"):
        change_metadata(record, saving(5, []))
    assert "mine" not in record.load_metadata_payload()

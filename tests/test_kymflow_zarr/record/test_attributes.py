"""The attributes documents."""

import uuid
from datetime import UTC, datetime

import pytest

from kymflow_zarr.errors import DamagedError, InvalidValueError, NotADatasetError, UnsupportedVersionError
from kymflow_zarr.record.attributes import (
    DatasetAttributes,
    RecordAttributes,
    group_from_bytes,
    group_to_bytes,
    utc_now,
)

OURS = {"format": "kymflow_zarr", "schema_version": 2, "dataset_id": "d", "created_utc": "t"}


def test_the_time_now_is_utc_with_microseconds():
    assert datetime.strptime(utc_now(), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).utcoffset().total_seconds() == 0


def test_a_dataset_gets_a_uuid4():
    assert uuid.UUID(DatasetAttributes().dataset_id).version == 4


def test_two_datasets_get_different_ids():
    assert DatasetAttributes().dataset_id != DatasetAttributes().dataset_id


def test_dataset_attributes_survive_a_round_trip():
    attributes = DatasetAttributes()
    assert DatasetAttributes.from_json(attributes.to_json(), where="x") == attributes


def test_dataset_attributes_are_those_of_the_format():
    assert DatasetAttributes(dataset_id="d", created_utc="t").to_json() == {"kymflow": OURS}


def test_unknown_keys_beside_ours_are_let_be():
    assert DatasetAttributes.from_json({"kymflow": {**OURS, "later": 1}, "ome": {}}, where="x").dataset_id == "d"


@pytest.mark.parametrize("attributes", [{}, {"kymflow": 1}, {"kymflow": {}}, {"kymflow": {**OURS, "format": "other"}}])
def test_other_attributes_are_no_dataset(attributes):
    with pytest.raises(NotADatasetError, match="x is a zarr group, but not a kymflow dataset"):
        DatasetAttributes.from_json(attributes, where="x")


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_another_version_is_refused(version):
    with pytest.raises(UnsupportedVersionError, match=f"x has schema version {version}; this program reads version 2"):
        DatasetAttributes.from_json({"kymflow": {**OURS, "schema_version": version}}, where="x")


@pytest.mark.parametrize("key", ["dataset_id", "created_utc"])
def test_a_missing_identity_is_damage(key):
    with pytest.raises(DamagedError, match="x lacks dataset_id or created_utc"):
        DatasetAttributes.from_json({"kymflow": {**OURS, key: None}}, where="x")


@pytest.mark.parametrize("axes", [(), ("a0",), ("y", "x"), ("line", "pixel", "colour")], ids=len)
def test_record_attributes_survive_a_round_trip(axes):
    attributes = RecordAttributes(axes=axes)
    assert RecordAttributes.from_json(attributes.to_json(), where="x") == attributes


@pytest.mark.parametrize(
    "attributes", [{}, {"axes": "yx", "created_utc": "t"}, {"axes": ["y"]}, {"axes": [], "created_utc": 1}]
)
def test_record_attributes_that_lack_a_key_are_damage(attributes):
    with pytest.raises(DamagedError, match="x lacks axes or created_utc"):
        RecordAttributes.from_json(attributes, where="x")


def test_record_axes_twice_the_same_are_damage():
    with pytest.raises(DamagedError, match=r"x: axes \('y', 'y'\) do not fit"):
        RecordAttributes.from_json({"axes": ["y", "y"], "created_utc": "t"}, where="x")


def test_group_attributes_survive_a_round_trip():
    back = group_from_bytes(group_to_bytes({"a": [1]}), where="x")
    assert (back["a"], set(back)) == ([1], {"a", "kymflow"})


def test_group_attributes_that_are_no_json_are_refused():
    with pytest.raises(InvalidValueError, match=r"group attributes cannot be stored as JSON: \$\.attributes\.a is a set"):
        group_to_bytes({"a": set()})


@pytest.mark.parametrize("data", [b'{"node_type": "array"}', b"{}", b'{"node_type": "group", "attributes": 3}'])
def test_a_document_of_something_else_is_no_group(data):
    with pytest.raises(NotADatasetError, match="x does not describe a zarr group"):
        group_from_bytes(data, where="x")


def test_a_torn_group_document_is_damage():
    with pytest.raises(DamagedError, match="x is not readable JSON"):
        group_from_bytes(b'{"node_type": "gro', where="x")

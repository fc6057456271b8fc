"""Strict JSON, in and out."""

import json
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_zarr.errors import DamagedError, InvalidValueError
from kymflow_zarr.formats.strict_json import (
    canonical_sha256,
    from_bytes,
    is_readable_form,
    object_from_bytes,
    to_readable_bytes,
)
from property_tests import examples

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=examples(30))
@given(value=VALUES)
def test_a_value_survives_a_round_trip(value):
    assert from_bytes(to_readable_bytes(value, what="x"), what="x") == value


@settings(max_examples=examples(30))
@given(value=VALUES)
def test_a_digest_survives_a_round_trip(value):
    assert canonical_sha256(from_bytes(to_readable_bytes(value, what="x"), what="x")) == canonical_sha256(value)


@settings(max_examples=examples(30))
@given(value=VALUES)
def test_json_is_laid_out_as_pythons_own_encoder_does_it(value):
    assert to_readable_bytes(value, what="x") == json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert canonical_sha256({"a": 1, "b": 2}) == canonical_sha256({"b": 2, "a": 1})


def test_different_values_have_different_digests():
    assert canonical_sha256({"a": 1}) != canonical_sha256({"a": 2})


def test_a_mapping_other_than_a_dict_is_stored_as_an_object():
    assert json.loads(to_readable_bytes(MappingProxyType({"a": MappingProxyType({})}), what="x")) == {"a": {}}


def test_a_mapping_other_than_a_dict_has_the_digest_of_the_dict():
    assert canonical_sha256(MappingProxyType({"a": 1})) == canonical_sha256({"a": 1})


def test_text_stays_readable_in_the_file():
    assert "µm".encode() in to_readable_bytes({"unit": "µm"}, what="x")


CYCLE: list = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param({"a": [1, float("nan")]}, r"x cannot be stored as JSON: \$\.a\[1\] is nan; use null", id="NaN"),
        pytest.param(float("-inf"), r"\$ is -inf; use null", id="infinity"),
        pytest.param({"a": {1: 2}}, r"the key 1 at \$\.a is a int, not a string", id="key that is a number"),
        pytest.param([{1, 2}], r"\$\[0\] is a set", id="set"),
        pytest.param({"a": np.int64(3)}, r"\$\.a is a int64", id="NumPy integer"),
        pytest.param({"a": np.zeros(2)}, r"\$\.a is a ndarray", id="array"),
        pytest.param(b"x", r"\$ is a bytes", id="bytes"),
        pytest.param({"a": "\ud800"}, r"\$\.a is '\\ud800', which has half a character", id="lone surrogate"),
        pytest.param({"\ud800": 1}, r"the key '\\ud800' at \$ has half a character", id="lone surrogate in a key"),
        pytest.param(CYCLE, r"nested too deep, or contains itself", id="value that contains itself"),
    ],
)
def test_a_value_that_json_cannot_hold_is_refused_by_its_path(value, problem):
    with pytest.raises(InvalidValueError, match=problem):
        to_readable_bytes(value, what="x")


def test_every_problem_is_named_at_once():
    with pytest.raises(InvalidValueError, match=r"\$\.a is a set; \$\.b is a bytes"):
        to_readable_bytes({"a": set(), "b": b""}, what="x")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"a": 1', id="torn"),
        pytest.param(b"\0" * 20, id="zeros"),
        pytest.param(b'"\xff\xfe\xfd"', id="not UTF-8"),
        pytest.param(b"[NaN]", id="NaN"),
        pytest.param(b"[-Infinity]", id="infinity"),
        pytest.param(b"[1e999]", id="number out of range"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_bytes_that_are_no_json_are_damage(data):
    with pytest.raises(DamagedError, match="the file is not readable JSON"):
        from_bytes(data, what="the file")


@pytest.mark.parametrize(("data", "kind"), [(b"[]", "list"), (b"3", "int"), (b"null", "NoneType")])
def test_json_that_is_no_object_is_damage_where_an_object_is_expected(data, kind):
    with pytest.raises(DamagedError, match=f"the file holds a JSON {kind} where an object is expected"):
        object_from_bytes(data, what="the file")


def test_large_json_has_no_spaces_and_comes_back():
    value = {"rois": [{"roi_id": at, "name": f"vessel {at}"} for at in range(40_000)]}
    data = to_readable_bytes(value, what="x")
    assert (b" " in data.replace(b"vessel ", b""), from_bytes(data, what="x")) == (False, value)


@pytest.mark.slow
def test_large_json_that_an_earlier_version_indented_is_as_it_was_written():
    value = {"rois": list(range(200_000))}
    indented = json.dumps(value, indent=2).encode() + b"\n"
    assert is_readable_form(indented, value, what="x")
    assert not is_readable_form(indented.replace(b"\n ", b"\n"), value, what="x")


@pytest.mark.slow
def test_json_that_only_its_indent_makes_too_large_is_stored_without():
    value = [[0] * 100_000]
    for _ in range(400):
        value = [value]
    assert len(to_readable_bytes(value, what="x")) < 2**18


def test_a_key_that_json_would_turn_into_text_is_refused_however_large_the_rest_is():
    with pytest.raises(InvalidValueError, match=r"the key 1 at \$ is a int, not a string"):
        to_readable_bytes({1: "x" * 2**21}, what="x")

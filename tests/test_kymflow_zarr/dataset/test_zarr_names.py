"""Names are accepted or refused, never rewritten."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_zarr import array_group_key, array_name
from kymflow_zarr.errors import InvalidNameError
from kymflow_zarr.layout import revision_key, revision_number
from kymflow_zarr.names import MAX_LENGTH, RULE, check_name
from property_tests import examples

SOUND = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda name: not re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", name)
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a", id="one letter"),
        pytest.param("0", id="one digit"),
        pytest.param("roi_mask-6.v2", id="every sign"),
        pytest.param("console", id="begins like a reserved name"),
        pytest.param("x" * MAX_LENGTH, id="longest"),
    ],
)
def test_a_sound_name_comes_back_unchanged(name):
    assert check_name(name, what="table") == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("A", id="upper case"),
        pytest.param("é", id="not ASCII"),
        pytest.param("a b", id="space"),
        pytest.param("a/b", id="slash"),
        pytest.param("a\\b", id="backslash"),
        pytest.param("a:b", id="colon"),
        pytest.param("a\n", id="newline at the end"),
        pytest.param("_a", id="begins with a sign"),
        pytest.param("a.", id="ends with a dot"),
        pytest.param(".", id="dot"),
        pytest.param("..", id="two dots"),
        pytest.param("a..b", id="two dots inside"),
        pytest.param("nul", id="reserved on Windows"),
        pytest.param("com1.x", id="reserved on Windows, with an ending"),
        pytest.param("x" * (MAX_LENGTH + 1), id="too long"),
    ],
)
def test_a_bad_name_is_refused_with_the_rule(name):
    with pytest.raises(InvalidNameError, match=re.escape(f"table name {name[:120]!r} is not allowed: {RULE}")):
        check_name(name, what="table")


def test_a_nested_name_may_have_parts():
    assert check_name("radon/params", what="artifact", nested=True) == "radon/params"


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", "a/../b", "a/nul/b", "a/B"])
def test_each_part_of_a_nested_name_must_be_sound(name):
    with pytest.raises(InvalidNameError, match="'/' separates the parts of a nested name"):
        check_name(name, what="artifact", nested=True)


@settings(max_examples=examples(30))
@given(name=SOUND)
def test_an_array_name_survives_its_reference(name):
    assert array_name(array_group_key(check_name(name, what="array"))) == name


@pytest.mark.parametrize(
    "reference", ["", "mask", "analysis/mask", "analysis_arrays/", "analysis_arrays/a/b", "../analysis_arrays/a"]
)
def test_a_reference_to_something_else_holds_no_array_name(reference):
    assert array_name(reference) is None


@settings(max_examples=examples(30))
@given(number=st.integers(0, 10**17 - 1))
def test_a_revision_number_survives_its_file_name(number):
    assert revision_number(revision_key(number).rpartition("/")[2]) == number


@pytest.mark.parametrize(
    "name",
    [
        "metadata.json",
        "metadata.1.json",
        "metadata.00000001.json.tmp",
        "metadata.000000001.json",
        "metadata.100000000000000000.json",
        "metadata.\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661.json",
        "xmetadata.00000001.json",
    ],
)
def test_another_file_name_holds_no_revision_number(name):
    assert revision_number(name) is None

"""The lower floors are tested as on a server: without napari, without Qt."""

import sys

import pytest

from processes import WITH_A_WINDOW, asked_kinds


def test_no_module_of_the_lower_floors_or_of_their_tests_loads_a_window(pytestconfig):
    if "window" in asked_kinds(pytestconfig):
        pytest.skip("this process runs the plugin's tests too; without -n 0 it would not")
    assert {"kymflow_zarr", "kymflow_core"} <= set(sys.modules)
    assert not WITH_A_WINDOW & set(sys.modules)

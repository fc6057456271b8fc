"""The lower floors are tested as on a server: without napari, without Qt."""

import subprocess
import sys

import pytest

from processes import WITH_A_WINDOW, asked_kinds


def test_no_module_of_the_lower_floors_or_of_their_tests_loads_a_window(pytestconfig):
    if "window" in asked_kinds(pytestconfig):
        pytest.skip("this process runs the plugin's tests too; without -n 0 it would not")
    assert {"kymflow_zarr", "kymflow_core"} <= set(sys.modules)
    assert not WITH_A_WINDOW & set(sys.modules)


def test_importing_the_libraries_and_the_help_of_the_command_line_load_nothing_that_takes_long():
    heavy = {"dask", "napari", "numpy", "pandas", "pyarrow", "scipy", "tifffile", "zarr"}
    code = f"import sys, kymflow_zarr, kymflow_core, kymflow_core.cli; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

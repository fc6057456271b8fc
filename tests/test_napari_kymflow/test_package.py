"""What the package promises as a whole: light imports, a sound manifest."""

import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("package", "unwanted"),
    [
        pytest.param("napari_kymflow", {"qtpy", "PyQt6", "PySide6", "pandas", "napari", "zarr"}, id="plugin"),
        pytest.param("kymflow_core", {"napari", "qtpy", "magicgui", "vispy", "psygnal", "npe2"}, id="domain"),
        pytest.param(
            "kymflow_zarr", {"napari", "qtpy", "magicgui", "vispy", "psygnal", "npe2", "kymflow_core"}, id="storage"
        ),
    ],
)
@pytest.mark.trials
def test_importing_a_package_imports_nothing_unwanted(package, unwanted):
    code = f"import sys, {package}; found = {unwanted!r} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_command_of_the_manifest_can_be_imported():
    manifest = PluginManifest.from_distribution("napari-kymflow")
    manifest.validate_imports()


def test_the_readers_name_sorts_before_naparis_so_that_it_is_preselected():
    assert PluginManifest.from_distribution("napari-kymflow").display_name.lower() < "napari"


def test_the_manifest_at_the_root_is_a_link_to_the_packages():
    link = ROOT / "napari.yaml"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "src" / "napari_kymflow" / "napari.yaml"

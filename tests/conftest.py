"""Fixtures that tests of all floors share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def olympus_folder() -> Path:
    """The laboratory's real line scans; read only."""
    folder = SHARED / "olympus"
    if not folder.is_dir():
        pytest.skip(f"the laboratory's files are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def older_dataset_path() -> Path:
    """A dataset that the older program wrote; read only."""
    path = SHARED / "original_v01.zarr"
    if not path.is_dir():
        pytest.skip(f"the older program's dataset is not at {path}")
    return path

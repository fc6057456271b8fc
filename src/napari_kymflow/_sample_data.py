"""The simulated dataset, as napari's sample data and for the demo command."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_kymflow._reader import Layers


def make_sample_data() -> "Layers":
    """Make the simulated dataset in a temporary folder, and open it as if it had been dropped."""
    from kymflow_core.simulate import make_demo_dataset
    from napari_kymflow._reader import read

    path = Path(tempfile.mkdtemp(prefix="kymflow-demo-")) / "demo.zarr"
    make_demo_dataset(path)
    return read(str(path))

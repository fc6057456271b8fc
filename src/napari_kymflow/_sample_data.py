"""The simulated datasets, as napari's sample data."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_kymflow._reader import Layers


def make_sample_data() -> "Layers":
    """Make the small simulated dataset in a temporary folder, and open it as if it had been dropped."""
    from napari_kymflow._reader import read
    from napari_kymflow.tables.samples import make_sample

    return read(str(make_sample("small")))


def make_real_size_sample_data() -> "Layers":
    """Let the dataset dock make the simulated dataset of real size in a worker, and open it; at once without a window."""
    import napari

    from napari_kymflow._reader import NOTHING, read
    from napari_kymflow.tables.samples import make_sample

    viewer = napari.current_viewer()
    if viewer is None:
        return read(str(make_sample("real size")))
    from napari_kymflow.widgets.docks import do_when_idle, open_dataset_dock, open_docks

    open_docks(viewer)
    dock = open_dataset_dock(viewer)
    do_when_idle(dock, lambda: dock.samples.open("real size"))
    return NOTHING

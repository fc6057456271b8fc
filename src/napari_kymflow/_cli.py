"""The command line's part that needs a window: `demo` and `open`; the rest is in `kymflow_core.cli`."""

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from kymflow_core.cli import AsJson, Output, Quiet, app
from kymflow_core.errors import MissingPackageError
from kymflow_zarr.disk.local_path import address_of
from kymflow_zarr.errors import DatasetNotFoundError, OlderDatasetError
from napari_kymflow._reader import locate

_QT_BINDINGS = ("PySide6", "PyQt6", "PyQt5")
_WINDOW = (1500, 950)
"""The size of a window that is only rendered."""
_LONGEST_S = 60.0
_CALM_S = 0.5
"""How long nothing may be at work before a screenshot: docks are laid out, the view fitted, and shapes drawn for it."""

Screenshot = Annotated[Path | None, typer.Option(help="Render the window to this PNG file and end.")]


@app.command()
def demo(
    screenshot: Screenshot = None,
    dataset: Annotated[Path | None, typer.Option(help="Where to make the dataset; by default a temporary folder.")] = None,
    *,
    window: Annotated[bool, typer.Option("--window/--no-window", help="Whether napari is opened on it.")] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Open napari on a small dataset of simulated kymographs, to try everything on.

    Example: napari-kymflow demo
    """
    from kymflow_core.simulate import make_demo_dataset

    output = Output(as_json, quiet)
    with output.running():
        if window:
            _check_window()
        path = dataset or Path(tempfile.mkdtemp(prefix="kymflow-demo-")) / "demo.zarr"
        make_demo_dataset(path)
        output.say(f"The simulated dataset is {path}")
        output.result(dataset=str(path))
        if window:
            _show(path, screenshot, output)


@app.command(name="open")
def open_command(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            help="The dataset, such as lab.zarr or https://host/lab.zarr, or one record's folder in it; by default none."
        ),
    ] = None,
    screenshot: Screenshot = None,
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Open napari on a dataset, or with buttons for the first step.

    Example: napari-kymflow open lab.zarr

    Of a dataset of the older program, napari offers to make a copy in today's format.
    """
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet)
    with output.running():
        _check_window()
        if dataset is None:
            _show(None, screenshot, output)
            return
        if address := address_of(dataset):
            ZarrDataset(address.partition("/images/")[0], mode="r")  # raises where it cannot be read
        located = locate(str(dataset))
        if located is None:
            raise DatasetNotFoundError(
                f"there is no kymflow dataset at {dataset}; make one with: napari-kymflow import FOLDER {dataset}"
            )
        output.result(dataset=address_of(located[0]) or str(located[0]))
        try:
            output.result(records=len(ZarrDataset(located[0], mode="r").list_image_ids()))
        except OlderDatasetError:
            if screenshot is not None:  # nobody is there to answer the dialog that offers a copy
                raise
        _show(dataset, screenshot, output)


@app.command()
def install_shortcut(*, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Make an entry of the desktop that opens napari with the docks, without a terminal.

    Example: napari-kymflow install-shortcut

    It starts the Python that runs this command: repeat it where the environment moved.
    """
    from napari_kymflow.user.shortcut import install_shortcut as install

    output = Output(as_json, quiet)
    with output.running():
        _check_window()
        path = install()
        output.say(f"The shortcut is {path}")
        output.result(shortcut=str(path))


def _check_window() -> None:
    """Raise `MissingPackageError` where napari, or what it draws windows with, is not installed."""
    missing = [] if find_spec("napari") else ["napari"]
    missing += [] if any(map(find_spec, _QT_BINDINGS)) else ["a Qt binding (PySide6)"]
    if missing:
        raise MissingPackageError(
            f"{' and '.join(missing)} must be installed to open a window; install all with: "
            'python -m pip install "napari-kymflow[all]"'
        )


def _show(path: Path | None, screenshot: Path | None, output: Output) -> None:
    import napari
    import napari.qt

    from napari_kymflow.widgets.window.layout import fill_screen

    viewer = napari.Viewer(title="napari-kymflow")
    if screenshot is not None:
        viewer.window.resize(*_WINDOW)
    else:
        fill_screen()
    if path is not None:
        viewer.open(address_of(path) or str(path), plugin="napari-kymflow")
    else:
        from napari_kymflow.widgets.docks import open_docks

        open_docks(viewer)
    if screenshot is None:
        napari.run()
        return
    # Until the docks have their snapshot of the dataset: a worker that outlives its window ends the process.
    from napari_kymflow.widgets.docks import is_busy

    end = time.monotonic() + _LONGEST_S
    calm_since = time.monotonic()
    while time.monotonic() < min(end, calm_since + _CALM_S):
        napari.qt.get_qapp().processEvents()
        if is_busy(viewer):
            calm_since = time.monotonic()
    viewer.window.screenshot(str(screenshot), flash=False, canvas_only=False)
    viewer.close()
    output.say(f"Wrote {screenshot}")
    output.result(screenshot=str(screenshot))


def main() -> None:
    """Run the command line."""
    app()

"""A chart as a picture, copied or saved as PNG or SVG, and its numbers as CSV."""

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QBuffer, QIODevice
from qtpy.QtGui import QImage
from qtpy.QtSvg import QSvgGenerator
from qtpy.QtWidgets import QApplication, QFileDialog

from kymflow_zarr.disk.local_file import save_file
from napari_kymflow.plots.numbers import means_of, numbers_of
from napari_kymflow.plots.plots_view import ShownPlot
from napari_kymflow.widgets.plots.chart import Chart
from napari_kymflow.widgets.window.chosen_file import chosen_file

_DOTS = 3
"""How many pixels of a picture one of the screen is, so that it is sharp in print."""


def picture_of(chart: Chart) -> QImage:
    """Return a chart as for paper."""
    image = QImage(chart.viewport().size() * _DOTS, QImage.Format.Format_RGB32)
    chart.paint_for_paper(image, scale=_DOTS)
    return image


def _png(chart: Chart, _shown: ShownPlot) -> bytes:
    buffer = _buffer()
    picture_of(chart).save(buffer, "PNG")
    return bytes(buffer.data().data())


def _svg(chart: Chart, _shown: ShownPlot) -> bytes:
    buffer, generator = _buffer(), QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(chart.viewport().size())
    generator.setViewBox(chart.viewport().rect())
    generator.setTitle("Made by napari-kymflow")
    chart.paint_for_paper(generator)
    return bytes(buffer.data().data())


def _buffer() -> QBuffer:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    return buffer


def _numbers(_chart: Chart, shown: ShownPlot) -> bytes:
    return numbers_of(shown).to_csv(index=False).encode("utf-8")


def _means(_chart: Chart, shown: ShownPlot) -> bytes:
    return means_of(shown).to_csv(index=False).encode("utf-8")


KINDS: dict[str, Callable[[Chart, ShownPlot], bytes]] = {
    "PNG (*.png)": _png,
    "SVG (*.svg)": _svg,
    "Numbers as CSV (*.csv)": _numbers,
    "Means and n as CSV (*.csv)": _means,
}
"""What can be saved, as the file dialog has it."""


def choose_and_save(chart: Chart, shown: ShownPlot) -> None:
    """Ask for a file, and save the picture or the numbers there."""
    chosen, kind = QFileDialog.getSaveFileName(chart, "Save the plot", "plot", ";;".join(KINDS))
    found = chosen_file(chosen, kind, KINDS)
    if found is not None:
        save(chart, shown, *found)


def save(chart: Chart, shown: ShownPlot, path: Path, kind: str) -> None:
    """Save a plot as one of `KINDS`; say how it went."""
    try:
        save_file(path, KINDS[kind](chart, shown))
    except OSError as error:
        show_error(f"Not saved to {path}: {error}")
    else:
        show_info(f"Saved {path}")


def copy_picture(chart: Chart, _shown: ShownPlot) -> None:
    """Copy the chart as a picture."""
    QApplication.clipboard().setImage(picture_of(chart))
    show_info("Copied the picture")


def copy_numbers(_chart: Chart, shown: ShownPlot) -> None:
    """Copy what is drawn as numbers, to be pasted into a spreadsheet."""
    QApplication.clipboard().setText(numbers_of(shown).to_csv(sep="\t", index=False))
    show_info("Copied the numbers")


def copy_means(_chart: Chart, shown: ShownPlot) -> None:
    """Copy the means of the groups with n at each level, as the text below the plot has them."""
    QApplication.clipboard().setText(shown.text)
    show_info("Copied the means")

"""The menu that switches channels and sets their contrast."""

from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QCheckBox, QFormLayout, QMenu, QPushButton, QSlider, QWidget, QWidgetAction

from napari_kymflow.layers.tags import tag_of
from napari_kymflow.session.display import RecordDisplay
from napari_kymflow.session.session import KymSession

_STEPS = 10
"""Steps of the sliders a percent."""
_WIDTH, _SWATCH = 180, 12


class DisplayMenu(QMenu):
    """Shows the channels of the open record and the percentiles of the contrast, whenever it opens.

    Parameters
    ----------
    session
        The session.
    parent
        The dock.
    """

    def __init__(self, session: KymSession, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """Show how the open record is shown now."""
        self.clear()
        record = self._session.record
        if record is None:
            self.addAction("No record is open").setEnabled(False)
            return
        action = QWidgetAction(self)
        action.setDefaultWidget(_Form(record.display))
        self.addAction(action)


class _Form(QWidget):
    def __init__(self, display: RecordDisplay) -> None:
        super().__init__()
        self._display = display
        form = QFormLayout(self)
        channels = display.channels
        for layer in channels.values() if len(channels) > 1 else ():
            tag = tag_of(layer)
            check = QCheckBox(tag.channel_name if tag is not None else layer.name, self)
            check.setIcon(_swatch(layer.colormap.map(1.0)))
            check.setChecked(layer.visible)
            check.toggled.connect(partial(setattr, layer, "visible"))
            form.addRow(check)
        low, high = display.percentiles
        self._black = self._slider("Black below, in % of the pixels", 0, 20, low)
        self._white = self._slider("White above, in % of the pixels", 80, 100, high)
        form.addRow("Black", self._black)
        form.addRow("White", self._white)
        auto = QPushButton("Auto", self)
        auto.setToolTip("Forget the contrast that was set for this record in napari's layer controls")
        auto.clicked.connect(lambda _checked=False: display.set_auto())
        form.addRow(auto)

    def _slider(self, tip: str, least: int, most: int, value: float) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal, self)
        slider.setRange(least * _STEPS, most * _STEPS)
        slider.setValue(round(value * _STEPS))
        slider.setMinimumWidth(_WIDTH)
        slider.setToolTip(f"{tip}; it counts for all records of the dataset")
        slider.setAccessibleName(tip)
        slider.valueChanged.connect(self._on_moved)
        return slider

    def _on_moved(self, value: int) -> None:
        self._display.use_percentiles(self._black.value() / _STEPS, self._white.value() / _STEPS)


def _swatch(color: Any) -> QIcon:
    red, green, blue = (round(float(part) * 255) for part in color.ravel()[:3])
    picture = QPixmap(_SWATCH, _SWATCH)
    picture.fill(QColor(red, green, blue))
    return QIcon(picture)

"""Where the docks are: below the canvas, since a kymograph is wide and low, and sized to the window.

First comes the velocity, as wide as the canvas, and below it the tables and the ROIs side by side. Where the plots
are open, they are a tab beside the tables; the review is at the right of the canvas, which is then higher.

The rule of this room: whatever the way in, the window looks the same. What the user moved, or made larger, stays so; a dock
that is closed and opened again comes back where it was.
"""

from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow

from napari_kymflow.widgets.window.binding import soon

PLUGIN = "napari-kymflow"
DATASET, ROIS, FLOW = "Kymograph dataset", "Kymograph ROIs", "Kymograph flow"
PLOTS, REVIEW = "Kymograph plots", "Kymograph review"
DOCKS = (FLOW, DATASET, ROIS)
"""The docks that open together, in their order from above and from the left."""
_PLACED = (*DOCKS, PLOTS, REVIEW)
"""The docks that have a place of their own."""
_SIDES = (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea)
_AREAS = {REVIEW: Qt.DockWidgetArea.RightDockWidgetArea}
"""Where a dock belongs that is not below the canvas."""
_LEAST_HEIGHT, _MOST_HEIGHT = 300, 460
_GROWN_MS = 100
_LEAST_CANVAS = 140
"""Below this height, nobody sees a kymograph, and napari's own first window on a laptop leaves none of it."""
_PART_OF_HEIGHT = 0.4
_BESIDE_REVIEW, _LEAST_BESIDE_REVIEW, _FLOW_BESIDE_REVIEW = 0.26, 222, 165
"""The same while the review lies beside the canvas: its list of events is as high as the canvas."""
_REVIEWS_PART_OF_WIDTH = 0.35
_FLOW_PART, _LEAST_FLOW, _MOST_FLOW = 0.24, 190, 320
_DATASETS_PART_OF_WIDTH = 0.58
_LEFT_WIDTH = 260
"""About the narrowest that napari's own docks can be."""


@dataclass(slots=True)
class Places:
    """Where each dock was the last time: its area of the window, and its size."""

    areas: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, QSize] = field(default_factory=dict)


class PlacedDock(QObject):
    """Notes where one dock is, until it is closed, and tells when it moved, was shown or hidden.

    Parameters
    ----------
    name
        Which dock it is.
    dock
        The dock.
    places
        Where to note it.
    """

    changed = Signal()

    def __init__(self, name: str, dock: QDockWidget, places: Places) -> None:
        super().__init__(dock)
        self._name, self._places = name, places
        dock.topLevelChanged.connect(self.changed)
        dock.dockLocationChanged.connect(self._on_moved)
        dock.visibilityChanged.connect(self._on_shown)

    def _on_moved(self, area: Any) -> None:
        if area != Qt.DockWidgetArea.NoDockWidgetArea:
            self._places.areas[self._name] = area
        self.changed.emit()

    def _on_shown(self, shown: bool) -> None:  # Qt's signal
        dock: Any = self.parent()
        if not shown and not dock.isFloating():
            self._places.sizes[self._name] = dock.size()
        self.changed.emit()


class DockLayout(QObject):
    """The places of the docks in one window.

    Parameters
    ----------
    window
        The window; the layout lives as long.
    """

    docks_changed = Signal()
    """A dock of ours was moved, shown or hidden."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._places = Places()
        self._is_users = False
        least = window.minimumSizeHint()
        # No larger than that it must be: Qt has just made it so for the first dock.
        self._is_pushed = window.width() <= least.width() or window.height() <= least.height()
        self._size_before: QSize | None = window.size()
        self.is_new = True
        """Whether no dock was put into the window yet."""
        self._arranging = soon(self, self.arrange)
        self._on_screen = QTimer(self)
        self._on_screen.setSingleShot(True)
        self._on_screen.setInterval(_GROWN_MS)
        self._on_screen.timeout.connect(self.keep_on_screen)
        # napari's own docks need the whole height: else they push the window beyond a small screen.
        window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        window.installEventFilter(self)

    @property
    def _window(self) -> Any:
        # Asked for each time: on PySide6 a child that holds its parent keeps it for ever.
        return self.parent()

    def put(self, name: str, dock: QDockWidget) -> None:
        """Put a dock where it was the last time, or where it belongs; a dock that is there already stays."""
        if is_placed(dock):
            return
        self.is_new = False
        area = self._places.areas.get(name, _AREAS.get(name, Qt.DockWidgetArea.BottomDockWidgetArea))
        PlacedDock(name, dock, self._places).changed.connect(self._on_dock_changed)
        tables = self._docks_in(area).get(DATASET)
        if name == PLOTS and tables is not None:
            # Not beside them, not even for a moment: Qt would make the window wider for it.
            self._window.tabifyDockWidget(tables, dock)
            dock.raise_()
        else:
            self._window.addDockWidget(area, dock)
            self._stack(self._docks_in(area))
        self._resize(name, dock)
        # Qt makes the window larger where the docks need more than it has, and does so a moment later.
        self._on_screen.start()

    def keep_on_screen(self) -> None:
        """Make a window as large again as it was before its docks, so that a kymograph is seen, and on the screen."""
        before, self._size_before = self._size_before, None
        is_pushed, self._is_pushed = self._is_pushed, False
        if before is not None and not self._window.isMaximized() and not self._window.isFullScreen():
            is_pushed = is_pushed or self._fits(before)
            self._window.resize(before)
            missing = _LEAST_CANVAS - self._window.centralWidget().height()
            if is_pushed and missing > 0:
                self._window.resize(before.width(), before.height() + missing)
        screen, frame = self._window.screen().availableGeometry(), self._window.frameGeometry()
        if not is_pushed or self._fits(self._window.size()):
            return
        edges = frame.size() - self._window.size()
        self._window.resize(self._window.size().boundedTo(screen.size() - edges))
        frame = self._window.frameGeometry()
        left = max(screen.left(), min(frame.left(), screen.right() + 1 - frame.width()))
        top = max(screen.top(), min(frame.top(), screen.bottom() + 1 - frame.height()))
        self._window.move(left, top)

    def _on_resized(self, before: QSize) -> None:
        """Note whether Qt has made a window larger for its docks that was on the screen: nobody wanted it to leave it."""
        least = self._window.minimumSizeHint()
        was_too_small = before.width() < least.width() or before.height() < least.height()
        self._is_pushed = was_too_small and (self._is_pushed or self._fits(before))
        if self._is_pushed:
            self._on_screen.start()

    def _fits(self, size: QSize) -> bool:
        """Return whether the window, were it as large, is on the screen where it is."""
        window = self._window
        frame = window.frameGeometry()
        frame.setSize(frame.size() - window.size() + size)
        fills = window.isMaximized() or window.isFullScreen()
        return bool(fills or window.screen().availableGeometry().contains(frame))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  # Qt's name
        """Follow the window's size until the user drags a border between docks."""
        if isinstance(event, QResizeEvent) and watched is self.parent():
            self._on_resized(event.oldSize())
            self.arrange_later()
        elif event.type() == QEvent.Type.MouseButtonPress and watched is self.parent():
            # The window itself is only pressed on the borders between its docks.
            self._is_users = True
        return False

    def _on_dock_changed(self) -> None:
        self.arrange_later()
        self.docks_changed.emit()

    def arrange_later(self) -> None:
        """Arrange the docks once napari has shown what it is about to, unless the user did."""
        if not self._is_users:
            self._arranging.start()

    def arrange(self) -> None:
        """Give the docks below the canvas, and the review beside it, their parts of the window."""
        review = self._review
        if review is not None:
            # Qt would give it what its controls like, and the kymograph the rest.
            width = round(_REVIEWS_PART_OF_WIDTH * self._window.width())
            self._window.resizeDocks([review], [width], Qt.Orientation.Horizontal)
        docks = self._docks_in(Qt.DockWidgetArea.BottomDockWidgetArea)
        if not docks:
            return
        left = [dock for dock in self._window.findChildren(QDockWidget) if self._is_left(dock)]
        self._window.resizeDocks(left, [_LEFT_WIDTH] * len(left), Qt.Orientation.Horizontal)
        heights = {name: self._height_of(name) for name in docks if name != PLOTS or DATASET not in docks}
        self._window.resizeDocks([docks[name] for name in heights], [*heights.values()], Qt.Orientation.Vertical)
        lower = _lower(docks)
        if len(lower) > 1:
            width = sum(dock.width() for dock in lower)
            widths = [round(_DATASETS_PART_OF_WIDTH * width), round((1 - _DATASETS_PART_OF_WIDTH) * width)]
            self._window.resizeDocks(lower, widths, Qt.Orientation.Horizontal)

    def _stack(self, docks: dict[str, QDockWidget]) -> None:
        """Put docks of one area where they belong next to each other."""
        upper, lower = docks.get(FLOW), _lower(docks)
        if upper is not None and lower:
            self._window.splitDockWidget(upper, lower[0], Qt.Orientation.Vertical)
        if len(lower) > 1:
            self._window.splitDockWidget(*lower, Qt.Orientation.Horizontal)
        if DATASET in docks and PLOTS in docks:
            # Last: a dock that is split from another one leaves its tabs.
            self._window.tabifyDockWidget(docks[DATASET], docks[PLOTS])

    def has_below(self, name: str) -> bool:
        """Return whether a dock of ours is seen below the canvas."""
        dock = self._docks_in(Qt.DockWidgetArea.BottomDockWidgetArea).get(name)
        return dock is not None and dock.isVisible() and not dock.visibleRegion().isEmpty()

    def _height_of(self, name: str) -> int:
        height = float(self._window.height())
        if name == FLOW:
            return (
                _FLOW_BESIDE_REVIEW if self._is_reviewed else min(max(round(_FLOW_PART * height), _LEAST_FLOW), _MOST_FLOW)
            )
        if self._is_reviewed:
            return max(round(_BESIDE_REVIEW * height), _LEAST_BESIDE_REVIEW)
        return min(max(round(_PART_OF_HEIGHT * height), _LEAST_HEIGHT), _MOST_HEIGHT)

    @property
    def _is_reviewed(self) -> bool:
        """Whether the review lies beside the canvas."""
        return self._review is not None

    @property
    def _review(self) -> QDockWidget | None:
        """The review, where it is seen beside the canvas."""
        docks = (self._docks_in(area).get(REVIEW) for area in _SIDES)
        return next((dock for dock in docks if dock is not None and not dock.isHidden()), None)

    def _resize(self, name: str, dock: QDockWidget) -> None:
        size = self._places.sizes.get(name)
        if size is None or not self._is_users:
            self.arrange()
            return
        for length, way in ((size.width(), Qt.Orientation.Horizontal), (size.height(), Qt.Orientation.Vertical)):
            self._window.resizeDocks([dock], [length], way)

    def _docks_in(self, area: Any) -> dict[str, QDockWidget]:
        """Return our docks in an area of the window by name, in their order."""
        docks = [dock for dock in self._window.findChildren(QDockWidget) if self._window.dockWidgetArea(dock) == area]
        found = {name_of(dock): dock for dock in docks if not dock.isFloating()}
        return {name: found[name] for name in _PLACED if name in found}

    def _is_left(self, dock: QDockWidget) -> bool:
        return bool(self._window.dockWidgetArea(dock) == Qt.DockWidgetArea.LeftDockWidgetArea and dock.isVisible())


def _lower(docks: dict[str, QDockWidget]) -> list[QDockWidget]:
    """Return the docks of the lowest row, from the left: the tables, or the plots in their place, and the ROIs."""
    return [dock for dock in (docks.get(DATASET) or docks.get(PLOTS), docks.get(ROIS)) if dock is not None]


def layout_of(window: QMainWindow) -> DockLayout:
    """Return the layout of the docks in a window; the first call makes it."""
    return window.findChild(DockLayout) or DockLayout(window)


def is_placed(dock: QDockWidget) -> bool:
    """Return whether a dock was put where it belongs."""
    return dock.findChild(PlacedDock) is not None


def name_of(dock: QDockWidget) -> str | None:
    """Return which of our docks a dock of napari's is; None where it is another one."""
    return next((name for name in _PLACED if dock.windowTitle().startswith(name)), None)


def others_than(name: str) -> tuple[str, ...]:
    """Return the names of the other docks."""
    return tuple(other for other in DOCKS if other != name)


def fill_screen() -> None:
    """Make the windows of this program as large as the screen."""
    for window in QApplication.topLevelWidgets():
        if isinstance(window, QMainWindow):
            # Also where there is no window manager that knows what maximised is.
            window.resize(window.screen().availableGeometry().size())
            window.showMaximized()

"""Rows of `python -m benchmarks` in a real window, each against napari alone with the same image and the same ROIs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from _rows import Action, Row, Way
from _windows import TURNS, Window, alone, make_two, with_plugin

Sizes = dict[str, int]
USUAL = {"lines": 30_000, "pixels": 128, "rois": 3}
MANY_ROIS = {**USUAL, "rois": 1_000}
WIDE = {**USUAL, "pixels": 4096}
_open: list[Window] = []


def _make(sizes: Sizes) -> Callable[[Path, int], object]:
    def make_windows(folder: Path, _size: int) -> None:
        make_two(folder, **sizes)

    return make_windows


def _switch(folder: Path, sizes: Sizes, *, plugin: bool) -> Callable[[int], object]:
    """Return what shows the first or the second image in a new window, and draws it."""
    while _open:
        _open.pop().viewer.close()
    window = Window()
    _open.append(window)
    switch = with_plugin(window, folder / "two.zarr") if plugin else alone(window, folder, **sizes)

    def show(at: int) -> None:
        switch(at)
        window.settle()

    return show


def _first_picture(folder: Path, *, sizes: Sizes, plugin: bool) -> Action:
    return partial(_switch(folder, sizes, plugin=plugin), 0)


def _another(folder: Path, *, sizes: Sizes, plugin: bool) -> Action:
    show = _switch(folder, sizes, plugin=plugin)
    for at in (0, 1, 0):
        show(at)
    return partial(show, 1)


def _zoom(folder: Path, *, sizes: Sizes, plugin: bool) -> Action:
    _switch(folder, sizes, plugin=plugin)(0)
    window = _open[-1]

    def run() -> None:
        for forward in (True, False, True):
            for _ in range(TURNS):
                window.turn(forward=forward)

    return run


def _row(name: str, sizes: Sizes, way: Callable[..., Action], *, goal_s: float, make: Callable[[Path, int], object]) -> Row:
    def of(plugin: bool) -> Way:
        return lambda folder: way(folder, sizes=sizes, plugin=plugin)

    return Row(name=name, make=make, ours=of(True), peers={"napari alone": of(False)}, goal_s=goal_s, sizes=(1,))


_usual, _many_rois, _wide = _make(USUAL), _make(MANY_ROIS), _make(WIDE)
WINDOW_ROWS = (
    _row("first picture, 30000 x 128", USUAL, _first_picture, goal_s=0.8, make=_usual),
    _row("another record, 30000 x 128", USUAL, _another, goal_s=0.15, make=_usual),
    _row("30 steps of the zoom, 3 ROIs", USUAL, _zoom, goal_s=0.45, make=_usual),
    _row("30 steps of the zoom, 1000 ROIs", MANY_ROIS, _zoom, goal_s=1.2, make=_many_rois),
    _row("first picture, 30000 x 4096", WIDE, _first_picture, goal_s=0.8, make=_wide),
    _row("30 steps of the zoom, 30000 x 4096", WIDE, _zoom, goal_s=1.5, make=_wide),
)

"""What the readers of microscopes' own formats share: their libraries, their failures, and how axes become ours.

The rule of this room: the lines of a line scan are `y`, however a format calls their axis; an axis that no image has is
refused, and nothing is filled in.
"""

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow_core.calibration import positive
from kymflow_core.images.image_readers import DeferredPixels
from kymflow_zarr.errors import SourceError, whatever_is_raised

_ORDER = "TCZYX"
_SAME_STEP = 0.01
"""How far the mean of recorded times may be from the time that most lines take."""
_OF_A_LINE_SCAN = frozenset("TCYXS")


def load_library(name: str, path: Path, *, python: tuple[int, ...] = ()) -> Any:
    """Return a library of the extra `formats`.

    Raises
    ------
    SourceError
        When it is missing, with the command that installs it; when it runs on no Python older than `python`.
    """
    if sys.version_info[: len(python)] < python:
        raise SourceError(
            f"{path} needs Python {'.'.join(map(str, python))} or newer, on which the package {name} runs, and this is "
            f"Python {'.'.join(map(str, sys.version_info[:2]))}: export it as TIFF, or use a newer Python"
        )
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SourceError(
            f'{path} needs the package {name} ({error}): install it with `pip install "napari-kymflow[formats]"`, then '
            "import again"
        ) from error


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a file into a `SourceError` that names it, and asks for a sample."""
    try:
        with whatever_is_raised(partial(_failure_of, path, kind)):
            yield
    except MemoryError as error:  # a damaged size, which a library takes for true; other files can still be read
        raise _failure_of(path, kind, error) from error


def _failure_of(path: Path, kind: str, error: Exception) -> SourceError:
    raised: BaseException | None = error
    while raised is not None:  # what a library left open closes when nothing holds it, and Windows locks it until then
        traceback.clear_frames(raised.__traceback__)
        raised = raised.__context__
    text = " ".join(str(error).split()) or type(error).__name__
    return SourceError(
        f"{path} cannot be read as {kind} ({text}). If other programs open it, please report it to the developers with a "
        "small file of this kind, so that it can be read"
    )


class Arrangement:
    """How an array with one letter a dimension becomes an image of ours.

    Dimensions of length 1 go, but for Y and X. Where there is no Y, or only one line at each time, T is the lines. The
    values of a pixel ("S", red, green and blue) become channels.

    Raises
    ------
    SourceError
        When there is an axis that no image of ours has, or the array has no lines.
    """

    def __init__(self, path: Path, letters: str, shape: tuple[int, ...]) -> None:
        kept = [at for at, letter in enumerate(letters) if letter in "YX" or shape[at] != 1]
        left = "".join(letters[at] for at in kept)
        sizes = {letter: shape[at] for letter, at in zip(left, kept, strict=True)}
        self.is_line_scan = "T" in sizes and sizes.get("Y", 1) == 1 and set(left) <= _OF_A_LINE_SCAN
        if self.is_line_scan:
            sizes.pop("Y", None)
            kept = [at for at in kept if letters[at] != "Y"]
        named = {letter: self._name_of(letter, sizes) for letter in sizes}
        if not {"Y", "X"} <= set(named.values()) <= set(_ORDER) or len(set(named.values())) < len(left.replace("Y", "")):
            raise SourceError(
                f"{path} holds an image with the axes {dict(sizes)}, which is no line scan and no image of lines; "
                "export it as TIFF to import it"
            )
        order = sorted(kept, key=lambda at: _ORDER.index(named[letters[at]]))
        self._dropped = tuple(at for at in range(len(shape)) if at not in kept)
        self._order = tuple(sorted(kept).index(at) for at in order)
        self.axes = tuple(named[letters[at]].lower() for at in order)
        self.shape = tuple(shape[at] for at in order)

    def _name_of(self, letter: str, sizes: Mapping[str, int]) -> str:
        if self.is_line_scan and letter == "T":
            return "Y"
        return "C" if letter == "S" and "C" not in sizes else letter

    def pixels(self, dtype: np.dtype[Any], load: Callable[[], NDArray[Any]]) -> DeferredPixels:
        """Return the pixels of the image, of the array that `load` returns."""
        return DeferredPixels(shape=self.shape, dtype=np.dtype(dtype), load=lambda: self._arranged(load()))

    def _arranged(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(array.squeeze(self._dropped).transpose(self._order))


def in_unit(value: Any, unit: object, units: Mapping[str, float]) -> float | None:
    """Return a positive number in the unit that is 1 in `units`; None where it, or its unit, is not known."""
    number = positive(value)
    return number * units[unit] if number is not None and isinstance(unit, str) and unit in units else None


def seconds_between(times: Sequence[float] | NDArray[Any], lines: int) -> tuple[float | None, tuple[str, ...]]:
    """Return the time between lines by the recorded times in s, one a line; and why they were not used."""
    if len(times) < 2:
        return None, ()
    steps = np.diff(np.asarray(times, float))
    mean, usual = float(np.mean(steps)), float(np.median(steps))
    if len(times) != lines or not usual > 0 or abs(mean - usual) > _SAME_STEP * usual:
        return None, (f"{len(times)} times of {lines} lines, {mean:.6g} s apart on average, {usual:.6g} s mostly",)
    return mean, ()

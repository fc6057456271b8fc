"""A slice has its lines first, whatever the order in which the image stores its axes."""

from types import SimpleNamespace

import numpy as np
import pytest

from kymflow_core.images.slices import Slices, pixels_to_cut
from kymflow_core.roi.bounds import Bounds


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("axes", [("y", "x"), ("x", "y"), ("x", "t", "y"), ("c", "x", "z", "y"), ("z", "y", "c", "x")])
def test_a_slice_is_lines_by_positions(axes, holds, rng):
    sizes = {"y": 7, "x": 5, "t": 2, "c": 3, "z": 4}
    stored = rng.integers(0, 1000, tuple(sizes[axis] for axis in axes))
    at = {"t": 0, "c": 1 if "c" in axes else 0, "z": 2 if "z" in axes else 0}
    plane = stored[tuple(slice(None) if axis in ("y", "x") else at[axis] for axis in axes)]
    expected = plane if axes.index("y") < axes.index("x") else plane.swapaxes(0, 1)
    slices = Slices(stored, axes, holds=holds)
    asked = {"z": at["z"], "channel": at["c"] + 1}
    np.testing.assert_array_equal(slices.read(**asked), expected)
    part = slices.read(**asked, bounds=Bounds(x0=1, x1=3, y0=2, y1=6))
    np.testing.assert_array_equal(part, expected[2:6, 1:3])


class Holder:
    """Holds pixels in the way of a record, without an array in memory."""

    def __init__(self, shape):
        self.lazy = SimpleNamespace(shape=shape, dtype=np.dtype(np.uint16))

    def open_array(self):
        return self.lazy

    def load_array(self):
        return "whole"


@pytest.mark.parametrize(("shape", "is_whole"), [((30_000, 38), True), ((1, 2**21), True), ((2, 2**20 + 1), False)])
def test_up_to_two_million_pixels_are_read_whole(shape, is_whole):
    holder = Holder(shape)
    assert pixels_to_cut(holder) == ("whole" if is_whole else holder.lazy)

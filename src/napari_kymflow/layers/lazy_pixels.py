"""Pixels that are read from where they are stored, slice by slice, in napari's order of axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class LazyPixels:
    """Pixels that are read where they are indexed, with their axes in another order; nothing is kept.

    Parameters
    ----------
    pixels
        What holds them, with `shape`, `dtype` and numpy slicing.
    order
        Which of its axes comes where.
    fixed
        Where to stay along its other axes.
    """

    def __init__(self, pixels: Any, order: Sequence[int], fixed: Mapping[int, int]) -> None:
        self._pixels, self._order, self._fixed = pixels, tuple(order), dict(fixed)
        self.shape: tuple[int, ...] = tuple(pixels.shape[axis] for axis in order)
        self.dtype: np.dtype[Any] = pixels.dtype
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys = (*keys[:at], *[slice(None)] * (self.ndim - len(keys) + 1), *keys[at + 1 :])
        keys = (*keys, *[slice(None)] * (self.ndim - len(keys)))
        by_axis = {**self._fixed, **dict(zip(self._order, keys, strict=True))}
        part = np.asarray(self._pixels[tuple(by_axis[axis] for axis in sorted(by_axis))])
        # An axis at which one number was asked for is gone from the part.
        left = [axis for axis in self._order if isinstance(by_axis[axis], slice)]
        return part.transpose([sorted(left).index(axis) for axis in left])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

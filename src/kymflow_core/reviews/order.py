"""The order in which events are shown to a reviewer who must not know what they are of."""

import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from kymflow_core.reviews.entry import Entry

T = TypeVar("T")


def seed_of(dataset_id: str, reviewer: str, entries: Iterable[Entry] = ()) -> int:
    """Return the seed of a reviewer's order: that of their last blinded entry, else one of their own for a dataset.

    It is stored with each entry that is made in that order, so the order can be made again.
    """
    own = [one for one in entries if one.reviewer == reviewer and one.blinded_seed is not None]
    last = max(own, key=lambda one: (one.number, one.utc, one.entry_id), default=None)
    if last is not None and last.blinded_seed is not None:
        return last.blinded_seed
    return zlib.crc32(f"{dataset_id}/{reviewer}".encode())


def shuffled(items: Sequence[T], *, seed: int) -> list[T]:
    """Return items in an order that a seed alone decides."""
    places = np.random.default_rng(seed).permutation(len(items))
    return [items[place] for place in places]

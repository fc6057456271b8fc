"""Keys: the places inside a dataset, with `/` between their parts.

The rule of this room: a key never leads out of the folder that it is relative to, whoever wrote it.
"""

import functools
import os

from kymflow_zarr.errors import InvalidNameError

MAX_KEY_LENGTH = 1000
MAX_PART_BYTES = 255

_OUTSIDE = ("", ".", "..")
_SEPARATORS = frozenset("\0" if os.sep == "/" else "\0\\:")
"""New names have none of these anywhere; what is there already may have them where the system allows it."""


@functools.lru_cache(maxsize=4096)
def parts_of(key: str) -> tuple[str, ...]:
    """Return the parts of a key; raise `InvalidNameError` unless each stays where it is put, and a disk can hold it."""
    parts = key.split("/") if key else []
    if len(key) > MAX_KEY_LENGTH or not all(map(_is_place, parts)):
        raise InvalidNameError(f"{key[:200]!r} does not name a place inside the dataset")
    return tuple(parts)


def inside(key: str, name: str) -> str:
    """Return the key of something in a folder; the folder's own key may be empty."""
    return f"{key}/{name}" if key else name


def _is_place(part: str) -> bool:
    if part in _OUTSIDE or not _SEPARATORS.isdisjoint(part):
        return False
    try:
        return len(os.fsencode(part)) <= MAX_PART_BYTES
    except UnicodeEncodeError:
        return False

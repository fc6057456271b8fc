"""What the installed packages bring under a name, looked up once: to read what all of them say takes 20 ms each time."""

import functools
import importlib.metadata
from importlib.metadata import EntryPoint


@functools.cache
def entry_points(*, group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group; of a package that is installed while the program runs, after the next start."""
    return tuple(importlib.metadata.entry_points(group=group))

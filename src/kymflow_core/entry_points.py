"""Code of other packages: found through their entry points, and what it raises where it does not work.

The rule of this room: a package that does not work is named and left out; it stops nobody else.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint

from kymflow_core.errors import KymflowError
from kymflow_zarr.installed import entry_points

FOREIGN_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    ImportError,
    SyntaxError,
    EOFError,
    MemoryError,
)
"""What code of others raises while it is imported, made, or called with a file that it does not understand."""


def load_entry_points(
    group: str, what: str, take: Callable[[object], None], *, points: Sequence[EntryPoint] | None = None
) -> tuple[str, ...]:
    """Hand on the objects that installed packages bring, and return why others were left out, one sentence each.

    Parameters
    ----------
    group
        The entry-point group.
    what
        What one of them is called in a sentence, such as "indexer".
    take
        Is given each object, made without arguments where the entry point names a class; raises an error of ours where
        it is none that can be used.
    points
        The entry points; by default those that are installed.
    """
    problems = []
    for point in entry_points(group=group) if points is None else points:
        try:
            loaded = point.load()
            take(loaded() if isinstance(loaded, type) else loaded)
        except (KymflowError, *FOREIGN_ERRORS) as error:
            problems.append(f"the {what} {point.name!r} ({point.value}) was left out: {error}")
    return tuple(problems)

"""Whether the sums that take the time are compiled: numba is an optional extra, and gives the same numbers faster."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def compiled_sums() -> ModuleType | None:
    """Return the module of compiled sums where numba is installed, else None. Importing it takes a second."""
    return import_module("kymflow_core.flow.compiled") if find_spec("numba") is not None else None

"""Places: what a sealed file says of where it belongs, so that a file of another record is never taken for its own.

The rule of this room: a file says it inside its seal, under `of`. One that says nothing is of an earlier version of the
program and is believed; one that says another place than it lies in is not.
"""

from collections.abc import Mapping

from kymflow_zarr import layout
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue

OF = "of"
RECORD = "record"
DATASET = "dataset"
KEY = "key"
NUMBER = "number"
UNBOUND = "does not say where it belongs, so an exchange with another file could not be seen"
MISPLACED = "is not in its place"
"""How every sentence about a file of another place begins."""
_GROUP_FOLDERS = (layout.IMAGES, layout.TABLES, layout.INDEX)


def place_note(place: str, *, number: int | None = None) -> JsonObject | None:
    """Return what the file with a key in the dataset says of its place; None where it is in no dataset.

    Parameters
    ----------
    place
        The key, relative to the dataset.
    number
        Which revision it is, or which commit.
    """
    top, _, rest = place.partition("/")
    if top not in _GROUP_FOLDERS:
        return None
    image_id, _, inner = rest.partition("/")
    of: dict[str, JsonValue] = {RECORD: image_id, KEY: inner} if top == layout.IMAGES and inner else {KEY: place}
    return of if number is None else {**of, NUMBER: number}


def place_problem(said: JsonValue, of: JsonObject | None) -> str | None:
    """Return what is wrong where a file says another place than it has; None where it says none, or is in no dataset.

    Parameters
    ----------
    said
        What the file says under `of`.
    of
        What it should say, as `place_note`.
    """
    if said is None or of is None or said == of:
        return None
    return f"{MISPLACED}: it says that it is {_describe(said)}; put the file there that belongs there, or restore it"


def unbound_problem(said: JsonValue, of: JsonObject | None) -> str | None:
    """Return that a file says no place where it should, as files of earlier versions; None where it does."""
    return UNBOUND if said is None and of is not None else None


def check_place(said: JsonValue, of: JsonObject | None, *, what: str) -> None:
    """Raise `DamagedError` where a file says that it belongs elsewhere."""
    if problem := place_problem(said, of):
        raise DamagedError(f"{what} {problem}")


def _describe(said: JsonValue) -> str:
    if not isinstance(said, Mapping):
        return str(said)[:100]
    which = next((f" of {kind} {str(said[kind])[:36]}" for kind in (RECORD, DATASET) if said.get(kind)), "")
    return f"{str(said.get(KEY))[:200]}{which}"

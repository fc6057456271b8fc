"""What every artifact store accepts: refused here once, so that no store takes what another cannot."""

from collections.abc import Mapping

from kymflow_zarr.errors import DamagedError, InvalidNameError, InvalidValueError
from kymflow_zarr.formats.strict_json import JsonObject, JsonValue
from kymflow_zarr.names import check_name

TAKEN = ("metadata", "zarr")
"""A record's own JSON files; a name that a record cannot have, no store has."""


def check_portable_name(name: str, *, what: str) -> str:
    """Return `name` unchanged; raise `InvalidNameError` unless every store can have it.

    It has no '.', since in `<stem>.<name>.json` the last one must tell where the TIFF's name ends: the array "b.c" of
    `a.tif` and the array "c" of `a.b.tif` would be one file. It has no '/', since sidecar files lie in the TIFF's folder.
    """
    check_name(name, what=what)
    if "." in name:
        raise InvalidNameError(
            f"{what} name {name!r} is not allowed: in a store that may be a TIFF a name has no '.'; use '_' or '-'"
        )
    if name in TAKEN:
        raise InvalidNameError(f"{what} name {name!r} is not allowed: it is the metadata's or zarr's own; choose another")
    return name


def is_portable(name: str) -> bool:
    """Return whether every store can have the name."""
    try:
        check_portable_name(name, what="artifact")
    except InvalidNameError:
        return False
    return True


def check_object(name: str, value: JsonObject) -> JsonObject:
    """Return `value`, or raise `InvalidValueError` when it is no JSON object; what is in it, the JSON floor checks."""
    if not isinstance(value, Mapping):
        raise InvalidValueError(f"artifact {name!r} must be a JSON object, not a {type(value).__name__}")
    return value


def loaded_object(value: JsonValue, *, what: str) -> dict[str, JsonValue]:
    """Return a JSON value that must be an object; raise `DamagedError` when it is something else."""
    if not isinstance(value, dict):
        raise DamagedError(f"{what} holds a JSON {type(value).__name__} where an object is expected")
    return value

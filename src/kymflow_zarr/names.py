"""Accepts or refuses a name; never rewrites one, so that two names never become one."""

import re
from collections.abc import Collection

from kymflow_zarr.disk.keys import parts_of
from kymflow_zarr.errors import InvalidNameError

MAX_LENGTH = 96
"""Leaves room, inside zarr's own limit of about 208 characters, for suffixes and temporary names."""

RULE = (
    "a name has lower-case letters a-z, digits, '_', '-' and '.', starts and ends with a letter or digit, has no '..', "
    f"is no reserved Windows name and has at most {MAX_LENGTH} characters"
)

_PART = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?")
_WINDOWS = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")


def check_name(name: str, *, what: str, nested: bool = False) -> str:
    """Return `name` unchanged, or raise.

    Parameters
    ----------
    name
        The name of an artifact, table or array.
    what
        The thing named, for the message: "table", "array artifact".
    nested
        Whether `/` may separate parts, as in "radon/params".

    Raises
    ------
    InvalidNameError
        When the rule refuses the name; the message holds the rule.
    """
    parts = name.split("/") if nested else [name]
    if len(name) <= MAX_LENGTH and all(_is_sound(part) for part in parts):
        return name
    parts_rule = "; '/' separates the parts of a nested name" if nested else ""
    raise InvalidNameError(f"{what} name {name[:120]!r} is not allowed: {RULE}{parts_rule}")


def check_restored_name(name: str, *, what: str, reserved: Collection[str] = ()) -> str:
    """Return the name of a thing of another dataset unchanged, also one that an older program gave it, or raise.

    Raises
    ------
    InvalidNameError
        When it is no name of one visible file or folder, or reserved, in whatever case.
    """
    if not name or name.startswith(".") or "/" in name or name.casefold() in reserved:
        raise InvalidNameError(
            f"{what} name {name[:120]!r} cannot be restored: it is empty, hidden, a path, or the dataset's own"
        )
    parts_of(name)
    return name


def _is_sound(part: str) -> bool:
    return bool(_PART.fullmatch(part)) and ".." not in part and not _WINDOWS.fullmatch(part)

"""Which entries a record's metadata have, where each stands, and how one is read and replaced."""

import math
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from kymflow_core.errors import MetadataError
from kymflow_core.images.metadata import ACCEPTED as ACCEPTED_KEY
from kymflow_core.images.metadata import HEADER
from kymflow_zarr import JsonObject, JsonValue

KNOWN_KEYS: Final = (
    "subject_id",
    "vessel_id",
    "species",
    "sex",
    "age",
    "genotype",
    "condition",
    "treatment",
    "depth",
    "branch_order",
    "direction",
    "line_orientation",
    "date",
    "note",
)
"""What the experiment metadata of a laboratory usually have, in the order in which it is asked for."""
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"line_orientation": ("along", "across", "unknown")}
"""Entries that have one of a few values: a line lies along a vessel, for velocity, or across it, for its diameter."""
_NUMBERS: Final = ("depth", "branch_order")
"""Entries that are stored as numbers where they are some; "towards the left" stays text."""
Field: TypeAlias = tuple[str, str]
"""Where a value stands in a record's metadata: the section, empty for none, and the key in it."""
ACCEPTED: Final[Field] = ("", ACCEPTED_KEY)
CALIBRATION: Final[tuple[Field, ...]] = (
    (HEADER, "seconds_per_line"),
    (HEADER, "um_per_pixel"),
    (HEADER, "calibration_source"),
)


def entry_label(key: str) -> str:
    """Return what a person calls an entry of the experiment, such as "subject id"."""
    return key.replace("_", " ")


def entry_key(label: str) -> str:
    """Return the key of an entry that a person named, by its label or its key: inverse of `entry_label`."""
    return "_".join(label.split())


def entered_value(key: str, text: str) -> JsonValue:
    """Return what is stored for the text of an entry of the experiment: a number where the entry is one."""
    text = text.strip()
    if key not in _NUMBERS:
        return text
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() else number


def can_be_entered(value: object) -> bool:
    """Return whether a value can be an entry of the experiment: text, a finite number, true, false or nothing."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or isinstance(value, str | bool) or (is_number and math.isfinite(float(str(value))))


def values_of(metadata: JsonObject, fields: Iterable[Field]) -> dict[Field, JsonValue]:
    """Return the values that metadata have in some fields; one that is not there is left out."""
    found = {}
    for section, key in fields:
        held = metadata.get(section) if section else metadata
        if isinstance(held, Mapping) and key in held:
            found[section, key] = held[key]
    return found


def with_values(metadata: JsonObject, fields: Iterable[Field], values: Mapping[Field, JsonValue]) -> dict[str, JsonValue]:
    """Return metadata in which some fields have these values; one without a value is taken out."""
    changed = dict(metadata)
    for section, key in fields:
        held = changed.get(section, {}) if section else changed
        if held is not None and not isinstance(held, Mapping):
            raise MetadataError(
                f"the entry {section!r} of the metadata is a JSON {type(held).__name__}; an object is needed"
            )
        entries = {name: value for name, value in (held or {}).items() if name != key or (section, key) in values}
        if (section, key) in values:
            entries[key] = values[section, key]
        if section:
            changed[section] = entries
        else:
            changed = entries
    return changed


def is_same(one: object, other: object) -> bool:
    """Return whether two JSON values, or mappings of them, are equal; true is not 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    return isinstance(one, bool) == isinstance(other, bool) and one == other

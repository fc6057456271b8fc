"""What is exported, and what storage asks the caller of metadata that it does not understand.

The rule of this room: values alone. Another process gets the plan, so a plan for one has functions of modules only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.formats.tiff import Scale

ScalesOf: TypeAlias = Callable[[JsonObject], Mapping[str, Scale]]
"""Returns the scale of each axis that a record's metadata give."""
NameOf: TypeAlias = Callable[[JsonObject], str]
"""Returns the name that a record's metadata state."""
InfoOf: TypeAlias = Callable[[JsonObject], str]
"""Returns ImageJ's `Info` that a record's metadata have."""
TitlesOf: TypeAlias = Callable[[Sequence[str]], Mapping[str, str]]
"""Returns what is written above the columns of a CSV instead of their names, for those that have a title."""


def no_scales(_metadata: JsonObject) -> Mapping[str, Scale]:
    """Return that no scale is known: a `ScalesOf`."""
    return {}


def no_text(_metadata: JsonObject) -> str:
    """Return the empty text, where nothing is known: a `NameOf` and an `InfoOf`."""
    return ""


def no_titles(_names: Sequence[str]) -> Mapping[str, str]:
    """Return that no column has a title: a `TitlesOf`."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What is exported, and how it is named.

    Parameters
    ----------
    include_tiff
        Whether the pixels are, as `image.tif`. A folder without them cannot become a dataset again.
    include_tables
        Whether the dataset's tables are.
    friendly_names
        Whether a record's folder has the name of its file and the beginning of its id; by default the id alone.
    scales_of
        Returns the scale of each axis that the metadata state.
    name_of, info_of
        Return the name that the metadata state, for an image without a source file, and ImageJ's `Info`.
    titles_of
        Returns the titles of columns, which stand in each CSV instead of their names; Parquet always has the names.
    """

    include_tiff: bool = True
    include_tables: bool = True
    friendly_names: bool = False
    scales_of: ScalesOf = no_scales
    name_of: NameOf = no_text
    info_of: InfoOf = no_text
    titles_of: TitlesOf = no_titles

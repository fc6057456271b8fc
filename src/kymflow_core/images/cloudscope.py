"""What CloudScope saves next to an image file: `<file>.json` and `<file>.<analysis>.csv`; `<file>` has its ending.

The rule of this room: these files are kept whole, and not read. CloudScope's documentation
(https://mapmanager.github.io/cloudscope/users/saved-files/) says which files there are and what they are about, but neither
the keys of the JSON nor the columns of the CSVs.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from kymflow_zarr.importing.sidecars import Sidecars

STATE = "cloudscope/state"
_Value = TypeVar("_Value")


def with_cloudscope_named(path: Path, beside: Sidecars) -> Sidecars:
    """Return the artifacts next to an image with those of CloudScope under names of its own, and a note of them."""
    ending = path.suffix.removeprefix(".")
    if beside.metadata is not None:  # a record's folder: its artifacts have their names
        return beside
    renamed = {ending: STATE} if ending in beside.json_artifacts else {}
    renamed |= {
        name: f"cloudscope/{name.removeprefix(f'{ending}.')}"
        for name in beside.table_artifacts
        if name.startswith(f"{ending}.")
    }
    if not renamed:
        return beside
    note = f"kept, not read: what CloudScope saved next to it, as {', '.join(sorted(renamed.values()))}"
    return replace(
        beside,
        json_artifacts=_renamed(beside.json_artifacts, renamed),
        table_artifacts=_renamed(beside.table_artifacts, renamed),
        computed_from=_renamed(beside.computed_from, renamed),
        notes=(*beside.notes, note),
    )


def _renamed(values: Mapping[str, _Value], names: Mapping[str, str]) -> dict[str, _Value]:
    return {names.get(name, name): value for name, value in values.items()}

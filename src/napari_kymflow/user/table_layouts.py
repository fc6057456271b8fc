"""How the user has arranged the columns of each table, kept on this computer in one small JSON file.

The rule of this room: a layout is a comfort. A file that is missing, damaged or of another version is as good as none, and
reading it never raises.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from platformdirs import user_config_path

from napari_kymflow.user.documents import load_document, save_document

_KIND = "kymflow_table_layouts"
_VERSION = 1
HIDDEN_AT_FIRST = ("image_id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """Which columns of a table are hidden, how they are ordered, and how wide the user made them."""

    hidden: tuple[str, ...] = HIDDEN_AT_FIRST
    order: tuple[str, ...] = ()
    widths: Mapping[str, int] = field(default_factory=dict)
    """In pixels; only of columns that the user made wider or narrower."""

    def ordered(self, columns: Sequence[str]) -> list[str]:
        """Return a frame's columns as the user ordered them; an unknown one stays behind its neighbour."""
        placed = [name for name in self.order if name in columns]
        known = set(placed)
        for position, name in enumerate(columns):
            if name not in known:
                placed.insert(placed.index(columns[position - 1]) + 1 if position else 0, name)
        return placed

    def changed(self, *, order: Sequence[str], hidden: Collection[str], widths: Mapping[str, int]) -> "TableLayout":
        """Return the layout after the user changed some columns; what is known of columns not in `order` is kept."""
        absent = [name for name in self.hidden if name not in order]
        return TableLayout(
            hidden=(*(name for name in order if name in hidden), *absent),
            order=(*order, *(name for name in self.order if name not in order)),
            widths={**self.widths, **widths},
        )


def layouts_path() -> Path:
    """Return the file that layouts are kept in on this computer."""
    return user_config_path("napari-kymflow", appauthor=False) / "table_layouts.json"


def load_layout(table: str) -> TableLayout:
    """Return how a table was arranged; the default where that is not known."""
    return _to_layout(_load_tables().get(table))


def save_layout(table: str, layout: TableLayout) -> None:
    """Keep how a table is arranged; raise `OSError` where the file cannot be written, which then stays as it was."""
    tables = dict(_load_tables())
    tables[table] = {"hidden": list(layout.hidden), "order": list(layout.order), "widths": dict(layout.widths)}
    save_document(layouts_path(), {"tables": tables}, kind=_KIND, version=_VERSION)


def _load_tables() -> Mapping[str, object]:
    try:
        document = load_document(layouts_path(), kind=_KIND, version=_VERSION)
    except (OSError, ValueError):
        return {}
    tables = document.get("tables")
    return tables if isinstance(tables, Mapping) else {}


def _to_layout(value: object) -> TableLayout:
    if not isinstance(value, Mapping):
        return TableLayout()
    hidden, order, widths = value.get("hidden"), value.get("order"), value.get("widths")
    if not (_are_names(hidden) and _are_names(order) and isinstance(widths, Mapping)):
        return TableLayout()
    return TableLayout(
        hidden=tuple(hidden),
        order=tuple(dict.fromkeys(order)),
        widths={name: width for name, width in widths.items() if type(width) is int and width > 0},
    )


def _are_names(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)

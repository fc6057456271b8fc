"""Which rows of each table the user wants to see, for all docks that show some of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psygnal import Signal

from napari_kymflow.tables.filters import FilterError, rows_that_match, rows_with_text


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """What is typed above a table: the words to search in some columns, and a filter for single ones."""

    by_column: Mapping[str, str] = field(default_factory=dict)
    search: str = ""
    searched: tuple[str, ...] = ()

    def rows(self, frame: pd.DataFrame) -> NDArray[np.bool_] | None:
        """Return which rows are meant (n,), None for all.

        A text that is no filter, and one for a column that is not there, leaves all rows.
        """
        masks = []
        for name, text in self.by_column.items():
            if name in frame.columns:
                try:
                    masks.append(rows_that_match(frame[name], text))
                except FilterError:
                    continue  # the table says so below the column
        if self.search.strip():
            searched = [name for name in self.searched if name in frame.columns]
            masks.append(rows_with_text(frame[searched], self.search))
        return np.all(masks, axis=0) if masks else None


class TableFilters:
    """The filters of a viewer's tables, by the table's name."""

    changed = Signal(str)
    """The name of a table whose filter is another one now."""

    def __init__(self) -> None:
        self._filters: dict[str, RowFilter] = {}

    def of(self, table_name: str) -> RowFilter:
        """Return a table's filter."""
        return self._filters.get(table_name, RowFilter())

    def note(self, table_name: str, row_filter: RowFilter) -> None:
        """Take up what is typed above a table."""
        if row_filter != self.of(table_name):
            self._filters[table_name] = row_filter
            self.changed.emit(table_name)

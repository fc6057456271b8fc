"""A table view as every dock uses it."""

from qtpy.QtCore import QAbstractTableModel
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

_MOST_FITTED_ROWS = 200


def make_table_view(model: QAbstractTableModel, parent: QWidget, *, several: bool = False) -> QTableView:
    """Return a view of whole rows, sortable, without row numbers."""
    view = QTableView(parent)
    view.setModel(model)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    mode = QAbstractItemView.SelectionMode
    view.setSelectionMode(mode.ExtendedSelection if several else mode.SingleSelection)
    view.setWordWrap(False)
    # A visible row header makes a reset after scrolling take seconds in a long table.
    view.verticalHeader().setVisible(False)
    view.verticalHeader().setDefaultSectionSize(22)
    header = view.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    header.setStretchLastSection(True)
    header.setResizeContentsPrecision(_MOST_FITTED_ROWS)
    return view

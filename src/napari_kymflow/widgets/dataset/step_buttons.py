"""The buttons next to the dataset dock's tabs that open the previous and the next record."""

from collections.abc import Callable

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTabWidget, QWidget

from napari_kymflow.user.preferences import record_keys


def add_step_buttons(tabs: QTabWidget, on_previous: Callable[[], None], on_next: Callable[[], None]) -> list[QPushButton]:
    """Put the two buttons next to the tabs, and return them; their tips name the keys that do the same."""
    corner = QWidget(tabs)
    row = QHBoxLayout(corner)
    row.setContentsMargins(0, 0, 0, 2)
    buttons = []
    wanted = (("▲", "previous", on_previous), ("▼", "next", on_next))
    for (sign, which, on_clicked), keys in zip(wanted, record_keys(), strict=True):
        button = QPushButton(sign, corner)
        button.setToolTip(f"Open the {which} record of the list{f' ({keys})' if keys else ''}")
        button.setAccessibleName(f"{which} record")
        button.clicked.connect(on_clicked)
        row.addWidget(button)
        buttons.append(button)
    tabs.setCornerWidget(corner)
    return buttons

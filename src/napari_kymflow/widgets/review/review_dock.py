"""The review dock: the events of all records, and a verdict for each by key."""

from collections.abc import Callable, Sequence
from functools import partial

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QItemSelectionModel, QModelIndex
from qtpy.QtGui import QKeyEvent, QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from kymflow_core.errors import KymflowError
from kymflow_core.reviews.event import TRUE_STALL, UNREVIEWED, VERDICTS
from kymflow_zarr.errors import KymflowZarrError
from napari_kymflow.layers.echo_guard import EchoGuard
from napari_kymflow.review.event_review import VERDICT_KEYS, EventReview
from napari_kymflow.review.listed import ReviewFilter, brief, count_disputed, kinds_of
from napari_kymflow.user.reviewer import last_reviewer, note_reviewer
from napari_kymflow.widgets.review.model import ReviewTableModel
from napari_kymflow.widgets.table.view import forget_selection
from napari_kymflow.widgets.window.binding import bind_for_life
from napari_kymflow.widgets.window.dock import Dock, push_button
from napari_kymflow.widgets.window.enabling import enable
from napari_kymflow.widgets.window.keys import name_of_key
from napari_kymflow.widgets.window.keys_help import keys_button, show_keys
from napari_kymflow.widgets.window.layout import FLOW, REVIEW, name_of
from napari_kymflow.widgets.window.line_label import LineLabel

_ALL_KINDS, _ALL_VERDICTS = "all kinds", "all verdicts"
_NEXT_KEYS, _PREVIOUS_KEYS = ("N", "Space"), ("P", "Shift+Space")
_FAILURES = (KymflowError, KymflowZarrError, OSError)
_WIDTH = 330
_NO_EVENT = "No event is selected: click one in the list."
_FOUND = "The event was found by the analysis: only events made by hand can be deleted."
_NOTHING_DONE = "Nothing was done here since the dataset was opened."
_NOTHING_UNDONE = "Nothing was taken back."
_IS_BLINDED = "The review is blinded: what others say is hidden."
_ROW_HEIGHT = 20
_COLUMN_WIDTHS = (92, 76, 72, 84)
"""Of all columns but the last, the least: so that all are seen at once in the narrowest dock."""
_WIDEST_COLUMNS = (150, 100, 150, 150)
_NARROWED_FIRST = (0, 2, 3, 1)
_LEAST_LAST_WIDTH = 48
_MOST_FITTED_ROWS = 50
_DISPUTED = "Disagreements"
_SHORT = {UNREVIEWED: "none", TRUE_STALL: "stall"}
"""What stands on a button instead of a long verdict."""
_WAS_OPEN = "kymflow_was_open"


class ReviewTable(QTableView):
    """A table whose keys do something; a letter that is typed elsewhere, as into the note, is no verdict."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.actions_by_key: dict[str, Callable[[], object]] = {}
        """What each key does, such as "Ctrl+Z"."""
        self._fitting = EchoGuard()
        self._is_arranged = False
        self._wanted = _COLUMN_WIDTHS
        self.horizontalHeader().sectionResized.connect(self._on_section_resized)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  # Qt's name
        """Do what the key does; move through the rows with the others."""
        action = self.actions_by_key.get(name_of_key(event))
        if action is None:
            super().keyPressEvent(event)
        else:
            action()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802  # Qt's name
        """Make the columns as wide as there is room for."""
        super().resizeEvent(event)
        self.fit_columns()

    def fit_columns(self) -> None:
        """Make the columns as wide as their texts where there is room, unless the user chose."""
        if self._is_arranged:
            return
        fitting = (self.sizeHintForColumn(column) for column in range(len(_COLUMN_WIDTHS)))
        wanted = map(max, self._wanted, fitting)
        self._wanted = tuple(map(min, wanted, _WIDEST_COLUMNS))
        with self._fitting:
            for column, width in enumerate(_within(self._wanted, self.viewport().width() - _LEAST_LAST_WIDTH)):
                self.setColumnWidth(column, width)

    def _on_section_resized(self, column: int, _old: int, _new: int) -> None:
        # The last column takes what is left.
        if not self._fitting and column < len(_COLUMN_WIDTHS):
            self._is_arranged = True


class ReviewDock(Dock):
    """Lists the events of the open dataset, with a verdict by key, a note, filters, and how far the review is.

    Parameters
    ----------
    napari_viewer
        The viewer in which the events are shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.review = self._session.shared(EventReview)
        """What the dock shows."""
        self._echo = EchoGuard()
        self._model = ReviewTableModel(self.review)
        self._view = self._table()
        self._progress, self._agreement = QLabel(self), LineLabel(self)
        self._reason = QLabel(self)
        self._reason.setWordWrap(True)
        self._name = QLineEdit(last_reviewer(), self)
        self._name.setPlaceholderText("your name")
        self._name.setToolTip("Each verdict is stored with its reviewer")
        self._blinded = self._check("Blinded", "Hide names and what others say; the order is shuffled, and its seed stored")
        self._disputed = self._check(_DISPUTED, "Only events that two reviewers gave different verdicts")
        self._kind, self._verdict = QComboBox(self), QComboBox(self)
        self._kind.addItem(_ALL_KINDS)
        self._verdict.addItems([_ALL_VERDICTS, UNREVIEWED, *VERDICTS])
        self._note = QLineEdit(self)
        self._note.setPlaceholderText("note; Return keeps it")
        self._verdict_buttons = [
            self._button(
                f"{key} {_SHORT.get(verdict, verdict)}", f"{verdict} (key {key})", partial(self.review.judge, verdict)
            )
            for key, verdict in VERDICT_KEYS.items()
        ]
        self._buttons = {
            "previous": self._button(
                "◀", f"Previous event (keys {', '.join(_PREVIOUS_KEYS)})", partial(self.review.step, -1)
            ),
            "next": self._button("▶", f"Next event (keys {', '.join(_NEXT_KEYS)})", partial(self.review.step, 1)),
            "undo": self._button("Undo", "Take back what was done last (Ctrl+Z)", self.review.undo),
            "redo": self._button("Redo", "Do it again (Ctrl+Shift+Z)", self.review.redo),
            "delete": self._button("Delete", "Delete the event, if it was made by hand", self.review.delete_event),
            "reload": self._button("Reload", "Read what others have said since", self.review.load),
        }
        for name, control in (
            ("Events of the dataset", self._view),
            ("Your name", self._name),
            ("Kind of event", self._kind),
            ("Verdict", self._verdict),
            ("Note", self._note),
            ("Previous event", self._buttons["previous"]),
            ("Next event", self._buttons["next"]),
        ):
            control.setAccessibleName(name)
        self._lay_out()
        self.review.reviewer, self.review.filters = self._name.text(), ReviewFilter()
        self._blinded.setChecked(self.review.is_blinded)
        self._bind()
        self._on_changed()
        self.review.load()

    def _bind(self) -> None:
        session, review = self._session, self.review
        bind_for_life(
            self,
            [
                (session.dataset_changed, review.load),
                (review.changed, self._on_changed),
            ],
        )
        self._view.selectionModel().currentRowChanged.connect(self._on_row_chosen)
        self._name.editingFinished.connect(self._on_name_entered)
        self._name.returnPressed.connect(self._view.setFocus)  # the keys of verdicts come next
        self._blinded.toggled.connect(self._on_blinded)
        for changed in (self._kind.currentTextChanged, self._verdict.currentTextChanged, self._disputed.toggled):
            changed.connect(self._on_filter_changed)
        self._note.returnPressed.connect(self._on_note_entered)
        review_keys: dict[str, Callable[[], object]] = {
            **{key: partial(review.judge, verdict) for key, verdict in VERDICT_KEYS.items()},
            **dict.fromkeys(_NEXT_KEYS, partial(review.step, 1)),
            **dict.fromkeys(_PREVIOUS_KEYS, partial(review.step, -1)),
            "Ctrl+Z": review.undo,
            "Ctrl+Shift+Z": review.redo,
            "F1": partial(show_keys, self),
        }
        self._view.actions_by_key = {key: partial(self._do, action) for key, action in review_keys.items()}

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(3)
        rows: list[list[QWidget]] = [
            [self._name, self._blinded, self._buttons["reload"]],
            [self._kind, self._verdict, self._disputed],
        ]
        for row in rows:
            line = QHBoxLayout()
            for widget in row:
                line.addWidget(widget)
            layout.addLayout(line)
        layout.addWidget(self._view, stretch=1)
        verdicts = QHBoxLayout()
        verdicts.setSpacing(3)
        for button in self._verdict_buttons:
            # As wide as its words, not as Qt's style would have it: all six are one line.
            button.setMinimumWidth(button.fontMetrics().horizontalAdvance(button.text()) + 8)
            verdicts.addWidget(button)
        layout.addLayout(verdicts)
        steps = QHBoxLayout()
        for name in ("previous", "next"):
            steps.addWidget(self._buttons[name])
        steps.addWidget(self._note, stretch=1)
        for name in ("undo", "redo", "delete"):
            steps.addWidget(self._buttons[name])
        steps.addWidget(keys_button(self))
        layout.addLayout(steps)
        # In one line: each line below the list is an event that is not seen in it.
        state = QHBoxLayout()
        state.addWidget(self._progress)
        state.addWidget(self._agreement, stretch=1)
        layout.addLayout(state)
        layout.addWidget(self._reason)
        self.setMinimumWidth(_WIDTH)

    def _table(self) -> ReviewTable:
        view = ReviewTable(self)
        view.setModel(self._model)
        view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        view.setWordWrap(False)
        # Less than Qt's own: the docks have to fit on a laptop's screen.
        view.setMinimumHeight(2 * _ROW_HEIGHT)
        view.setTabKeyNavigation(False)
        view.verticalHeader().setVisible(False)
        view.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        view.horizontalHeader().setStretchLastSection(True)
        # It takes what is left, but is never narrower than this.
        view.setColumnWidth(len(_COLUMN_WIDTHS), _LEAST_LAST_WIDTH)
        view.horizontalHeader().setResizeContentsPrecision(_MOST_FITTED_ROWS)
        view.fit_columns()
        forget_selection(view.horizontalHeader(), self._model)
        return view

    def _button(self, text: str, tip: str, action: Callable[[], object]) -> QPushButton:
        return push_button(self, text, tip, partial(self._do, action))

    def _check(self, text: str, tip: str) -> QCheckBox:
        box = QCheckBox(text, self)
        box.setToolTip(tip)
        return box

    def _do(self, action: Callable[[], object], *_of_qt: object) -> None:
        try:
            action()
        except _FAILURES as error:
            show_error(str(error))

    def _on_changed(self) -> None:
        review = self.review
        with self._echo:
            self._model.refresh()
            self._view.fit_columns()
            self._show_kinds()
            keys = [one.key for one in review.shown]
            row = keys.index(review.current.key) if review.current and review.current.key in keys else -1
            index = self._model.index(row, 0) if row >= 0 else QModelIndex()
            flags = QItemSelectionModel.SelectionFlag
            self._view.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
            if row >= 0:
                self._view.scrollTo(index)
            note = review.current.reviewed.by(review.reviewer).note if review.current else ""
            if not self._note.hasFocus():
                self._note.setText(note)
            if not self._name.hasFocus():
                self._name.setText(review.reviewer)
        self._progress.setText(review.progress)
        disputed = count_disputed(review.events)
        self._disputed.setText(f"{_DISPUTED} ({disputed})" if disputed else _DISPUTED)
        enable(self._disputed, _IS_BLINDED if review.is_blinded else "")
        self._agreement.setText("; ".join(map(brief, review.agreements)))
        self._agreement.setToolTip("\n".join(one.summary() for one in review.agreements))
        problems = [f"A record cannot be read: {problem}" for problem in review.problems.values()]
        self._reason.setText("\n".join([*([review.why_not] if review.why_not else []), *problems]))
        self._reason.setVisible(bool(self._reason.text()))
        cannot = review.why_not or ("" if review.current is not None else _NO_EVENT)
        for control in (*self._verdict_buttons, self._note):
            enable(control, cannot)
        made_by_hand = review.current is not None and bool(review.current.event.made_by)
        enable(self._buttons["delete"], cannot or ("" if made_by_hand else _FOUND))
        enable(self._buttons["undo"], "" if review.can_undo else _NOTHING_DONE)
        enable(self._buttons["redo"], "" if review.can_redo else _NOTHING_UNDONE)

    def _show_kinds(self) -> None:
        kinds = [_ALL_KINDS, *kinds_of(self.review.events)]
        if kinds != [self._kind.itemText(place) for place in range(self._kind.count())]:
            chosen = self._kind.currentText()
            self._kind.clear()
            self._kind.addItems(kinds)
            self._kind.setCurrentText(chosen if chosen in kinds else _ALL_KINDS)

    def _on_row_chosen(self, index: QModelIndex, _before: QModelIndex) -> None:
        if not self._echo and index.isValid():
            self._do(partial(self.review.show, self.review.shown[index.row()]))

    def _on_name_entered(self) -> None:
        if self._name.text().strip() != self.review.reviewer:
            note_reviewer(self._name.text().strip())
            self.review.reviewer = self._name.text()

    def _on_blinded(self, checked: bool) -> None:
        if checked:
            self._disputed.setChecked(False)
        self.review.is_blinded = checked
        for dock in self._named_docks():
            # What the user had closed before stays closed.
            if checked:
                dock.setProperty(_WAS_OPEN, not dock.isHidden())
            dock.setVisible(not checked and bool(dock.property(_WAS_OPEN)))

    def _named_docks(self) -> list[QDockWidget]:
        """Return the docks of ours in this window that name records; the flow dock hides the names of ROIs instead."""
        docks: list[QDockWidget] = self.window().findChildren(QDockWidget)
        return [one for one in docks if name_of(one) not in (None, REVIEW, FLOW)]

    def _on_filter_changed(self) -> None:
        if self._echo:
            return
        kind, verdict = self._kind.currentText(), self._verdict.currentText()
        self.review.filters = ReviewFilter(
            kinds=frozenset() if kind == _ALL_KINDS else frozenset({kind}),
            verdicts=frozenset() if verdict == _ALL_VERDICTS else frozenset({verdict}),
            only_disagreements=self._disputed.isChecked(),
        )

    def _on_note_entered(self) -> None:
        self._do(partial(self.review.write_note, self._note.text().strip()))
        self._view.setFocus()


def _within(wanted: Sequence[int], room: int) -> list[int]:
    """Return the widths of the columns that fit into a room: the record's is narrowed first, the time's last."""
    widths = list(wanted)
    for column in _NARROWED_FIRST:
        excess = max(0, sum(widths) - room)
        widths[column] -= min(excess, widths[column] - _COLUMN_WIDTHS[column])
    return widths

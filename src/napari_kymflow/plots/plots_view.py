"""The plot of a viewer's dataset, kept up to date with its tables and their filters. No Qt.

The rule of this room: rows and numbers are made in a worker, and only what was asked for last is shown.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from psygnal import Signal

from kymflow_core.errors import PlotError
from kymflow_core.statistics.nested import plot_title
from kymflow_core.statistics.plots import Plot, make_plot
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.plots.choices import Choices, first_table, fitting, request_of
from napari_kymflow.plots.marks import Marks, marks_of
from napari_kymflow.plots.rows import PlotRows, list_tables, read_rows
from napari_kymflow.session.session import KymSession
from napari_kymflow.session.table_filters import RowFilter
from napari_kymflow.tables.row_place import place_of
from napari_kymflow.tables.snapshot import DatasetSnapshot

NO_DATASET = "No dataset is open."
NO_TABLE = "The dataset has no tables yet: click Refresh in the dock Kymograph dataset."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShownPlot:
    """What is shown: the choices as they fit the rows, the plot and its marks, or why there is none."""

    choices: Choices = field(default_factory=Choices)
    tables: tuple[str, ...] = ()
    rows: PlotRows = field(default_factory=PlotRows)
    plot: Plot | None = None
    marks: Marks = field(default_factory=Marks)
    problem: str = NO_DATASET

    @property
    def text(self) -> str:
        """The text below the plot: a line for each group's mean with n at each level, and what was left out."""
        if self.plot is None:
            return self.problem
        notes = [*self.rows.notes, *self.plot.notes, *self.marks.notes]
        lacking = [f"{plot_title(name)} not entered in {count:,} rows" for name, count in self.rows.missing_levels.items()]
        return "\n".join(
            [*(one.summary() for one in self.plot.means), *(["; ".join([*notes, *lacking])] if notes or lacking else [])]
        )


class PlotsView:
    """What the plots dock shows.

    Parameters
    ----------
    session
        The session whose dataset is plotted.
    """

    changed = Signal()
    """Something else is shown, or is about to be."""

    def __init__(self, session: KymSession) -> None:
        self._session = session
        self.choices = Choices()
        """What the user chose, as far as it is known."""
        self.shown = ShownPlot()
        """What is shown."""
        self.is_loading = False
        self._asked = 0
        self._read: tuple[Any, PlotRows] | None = None

    def choose(self, **choices: Any) -> None:
        """Plot something else: what is given counts in place of what was chosen before."""
        changed = replace(self.choices, **choices)
        if changed != self.choices:
            self.choices = changed
            self.load()

    def on_filter(self, table_name: str) -> None:
        """Follow the filter of a table."""
        if table_name == self.shown.choices.table:
            self.load()

    def load(self) -> None:
        """Make the plot anew; in a window a worker does it."""
        session = self._session
        self._asked += 1
        if session.path is None:
            self._take_up(self._asked, ShownPlot(choices=self.choices))
            return
        self.is_loading = True
        work = partial(_make, session.snapshot, session.path, self.choices, session.filters.of, self._read)
        session.window.run(work, partial(self._on_made, self._asked), partial(self._on_failed, self._asked))
        if self.is_loading:
            self.changed.emit()

    def open_row(self, label: int) -> None:
        """Open the record of a row of the plot, and go to its ROI and time.

        Raises
        ------
        KymflowError, KymflowZarrError
            When the record cannot be opened; the one that is shown stays.
        """
        row = self.shown.rows.row(label)
        image_id = str(row["image_id"])
        if not self._session.open_record(image_id):
            return
        self._session.go_to(place_of(row))

    def _on_made(self, asked: int, made: "tuple[ShownPlot, Any]") -> None:
        shown, read = made
        if asked == self._asked:
            self._read = read
            self.choices = shown.choices
        self._take_up(asked, shown)

    def _on_failed(self, asked: int, error: Exception) -> None:
        self._take_up(asked, ShownPlot(choices=self.choices, problem=str(error)))

    def _take_up(self, asked: int, shown: ShownPlot) -> None:
        if asked == self._asked:
            self.is_loading = False
            self.shown = shown
            self.changed.emit()


def _make(
    snapshot: DatasetSnapshot, path: Path, choices: Choices, filter_of: Any, read: tuple[Any, PlotRows] | None
) -> "tuple[ShownPlot, tuple[Any, PlotRows] | None]":
    """Return what is shown, and the rows, which another plot of the same rows need not read again."""
    tables: tuple[str, ...] = ()
    try:
        tables = tuple(list_tables(snapshot, path))
        table = first_table(list(tables), choices.table)
        if table is None:
            return ShownPlot(choices=choices, problem=NO_TABLE), None
        choices = replace(choices, table=table)
        row_filter: RowFilter = filter_of(table)
        key = (snapshot, path, table, row_filter, choices.only_good)
        if read is None or read[0] != key:
            read = key, read_rows(snapshot, path, table, row_filter, only_good=choices.only_good)
    except OUR_ERRORS as error:
        return ShownPlot(choices=choices, tables=tables, problem=str(error)), None
    rows = read[1]
    choices = fitting(choices, rows)
    try:
        plot = make_plot(rows.frame, request_of(choices, rows))
    except PlotError as error:
        return ShownPlot(choices=choices, tables=tables, rows=rows, problem=str(error)), read
    records = rows.frame["record"] if "record" in rows.frame.columns else None
    return ShownPlot(choices=choices, tables=tables, rows=rows, plot=plot, marks=marks_of(plot, records), problem=""), read

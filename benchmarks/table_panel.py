"""Show, sort, filter and search a long table: the plugin's `TablePanel`, painted, against pandas alone, without any window.

The baseline makes the same rows with pandas' own methods: all cells as text, which a table of items must have before it can
be shown, `sort_values`, and `str.contains`. What is kept on this computer of how columns are arranged is not touched.

Target: 0.5 s for each, with 1,000,000 rows of 8 columns. Needs no screen.
"""

import os
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
from _measure import Way, compare, parser_of, seconds, working_folder

if sys.platform == "linux" and "DISPLAY" not in os.environ:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    # Without a screen, Qt warns of every window that it has no size hints.
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_kymflow.user import table_layouts
from napari_kymflow.widgets.table.panel import TablePanel

WORDS = "mouse stall"


def make_events(rows: int) -> pd.DataFrame:
    """Return events as the tables hold them: ids and names that repeat, numbers, a word, a note."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, max(1, rows // 100), rows)
    start = rng.uniform(0, 30, rows)
    return pd.DataFrame(
        {
            "image_id": pd.Series([f"{number:032x}" for number in image]),
            "record": pd.Series([f"mouse {number % 40} line {number}" for number in image]),
            "roi_id": rng.integers(1, 4, rows),
            "t0_s": start,
            "t1_s": start + 0.25,
            "kind": pd.Series(rng.choice(["stall", "drop", "baseline_drop"], rows)),
            "score": rng.normal(size=rows),
            "note": pd.Series(np.where(rng.random(rows) < 0.01, "look again", "")),
        }
    )


def texts_of(frame: pd.DataFrame, words: str) -> pd.DataFrame:
    """Search by the plain way."""
    rows = np.ones(len(frame), dtype=bool)
    for word in words.split():
        hits = [frame[name].str.contains(word, case=False, regex=False) for name in ("record", "kind", "note")]
        rows &= np.logical_or.reduce([found.to_numpy(dtype=bool) for found in hits])
    return frame[rows]


def main() -> None:
    """Read the command line, make the events and the panel, run both ways of each."""
    parser = parser_of(__doc__, repeats=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    events = make_events(options.rows)
    application = QApplication.instance() or QApplication([])
    with working_folder(options.folder) as folder:
        table_layouts.layouts_path = lambda: folder / "layouts.json"
        panel = TablePanel("benchmark")
        panel.resize(900, 500)
        panel.show()
        panel.set_frame(events)

        def painted(action: Callable[[], object]) -> float:
            return seconds(lambda: (action(), application.processEvents()))

        def sort(name: str) -> float:
            panel.model.sort(-1)
            return painted(lambda: panel.model.sort(events.columns.get_loc(name), Qt.SortOrder.AscendingOrder))

        def filtered(search: str, filters: dict[str, str]) -> float:
            panel.search.setText(search)
            panel.header.set_texts(filters)
            taken = painted(panel.apply_filters)
            panel.clear_filters()
            return taken

        def show() -> float:
            panel.model.sort(-1)
            panel.set_frame(events.iloc[:0])
            return painted(lambda: panel.set_frame(events))

        def kinds() -> pd.DataFrame:
            return events[events["kind"].str.contains("drop", case=False, regex=False) & (events["score"] > 1)]

        actions: dict[str, tuple[Callable[[], float], Callable[[], object]]] = {
            "show": (show, lambda: events.astype(str)),
            "sort by a number": (lambda: sort("score"), lambda: events.sort_values("score", kind="stable")),
            "sort by a text": (lambda: sort("record"), lambda: events.sort_values("record", kind="stable")),
            "filter two columns": (lambda: filtered("", {"kind": "drop", "score": ">1"}), kinds),
            "search two words": (lambda: filtered(WORDS, {}), lambda: texts_of(events, WORDS)),
        }
        for name, (ours, plain) in actions.items():
            compare(
                f"{name}: {options.rows} rows of {events.shape[1]} columns",
                ours=Way(name="TablePanel", run=lambda _, ours=ours: ours()),
                baseline=Way(name="pandas alone", run=lambda _, plain=plain: seconds(plain)),
                repeats=options.repeats,
                folder=folder,
                target="0.5 s for 1,000,000 rows",
            )
        panel.close()


if __name__ == "__main__":
    main()

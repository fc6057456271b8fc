"""The table panel: what is shown, what the user does with it, and what is remembered."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_kymflow.user import table_layouts
from napari_kymflow.widgets.table import panel as panel_module
from napari_kymflow.widgets.table.panel import TablePanel

NAMES = ["image_id", "kind", "score", "event_id"]


@pytest.fixture(autouse=True)
def layouts(tmp_path, monkeypatch):
    """The file that layouts are kept in, instead of the user's own."""
    path = tmp_path / "layouts.json"
    monkeypatch.setattr(table_layouts, "layouts_path", lambda: path)
    return path


@pytest.fixture(autouse=True)
def _no_old_messages():
    notification_manager.records.clear()


@pytest.fixture
def frame():
    """Four events of two images; one has no score."""
    return pd.DataFrame(
        {
            "image_id": ["x", "x", "y", "y"],
            "kind": ["drop", "baseline_drop", "stall", "drop"],
            "score": [0.123456789, 2.0, np.nan, 1.0],
            "event_id": [1, 2, 3, 4],
        }
    )


@pytest.fixture
def new_panel(qtbot):
    """Make another panel of the same name, shown."""

    def make():
        made = TablePanel("events")
        made.resize(600, 300)
        qtbot.addWidget(made)
        made.show()
        qtbot.waitExposed(made)
        return made

    return make


@pytest.fixture
def panel(new_panel, frame):
    """A panel that shows the four events."""
    made = new_panel()
    made.set_frame(frame)
    return made


@pytest.fixture
def chosen(panel):
    """The event_ids of the rows that the panel said were chosen."""
    ids = []
    panel.row_activated.connect(lambda row: ids.append(row["event_id"]))
    return ids


def ids(panel):
    return [panel.model.row_at(place)["event_id"] for place in range(panel.model.rowCount())]


def selected(panel):
    places = {index.row() for index in panel.view.selectionModel().selectedIndexes()}
    return [panel.model.row_at(place)["event_id"] for place in sorted(places)]


def files_in(folder):
    return [path.name for path in folder.iterdir()]


def footer(panel):
    return panel._footer.text()


def write_filter(panel, name, text):
    panel.header.edit_of(name).setText(text)
    panel.apply_filters()


def messages():
    return [str(record.message) for record in notification_manager.records]


def click(qtbot, panel, place, modifier=Qt.KeyboardModifier.NoModifier):
    spot = panel.view.visualRect(panel.model.index(place, 1)).center()
    qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, modifier, pos=spot)


def test_the_id_is_hidden_at_first(panel):
    assert panel.columns.shown() == ["kind", "score", "event_id"]


@pytest.mark.parametrize(
    ("search", "filters", "found"),
    [
        pytest.param("drop", {}, [1, 2, 4], id="search"),
        pytest.param("", {"kind": "=drop"}, [1, 4], id="filter"),
        pytest.param("drop", {"score": ">=1"}, [2, 4], id="search and filter"),
        pytest.param("", {"kind": "drop", "score": "<1"}, [1], id="two filters"),
        pytest.param("y", {}, [], id="hidden columns are not searched"),
    ],
)
def test_searches_and_filters_go_together(panel, search, filters, found):
    panel.search.setText(search)
    for name, text in filters.items():
        panel.header.edit_of(name).setText(text)
    panel.apply_filters()
    assert ids(panel) == found


def test_typing_filters_a_moment_later(qtbot, panel):
    qtbot.keyClicks(panel.search, "stall")
    assert ids(panel) == [1, 2, 3, 4]
    qtbot.waitUntil(lambda: ids(panel) == [3])


def test_typing_below_a_header_filters_a_moment_later(qtbot, panel):
    panel.show_filters(shown=True)
    qtbot.keyClicks(panel.header.edit_of("kind"), "!drop")
    qtbot.waitUntil(lambda: ids(panel) == [3])


@pytest.mark.parametrize(
    ("search", "note", "text"),
    [
        pytest.param("", "", "4 rows", id="all"),
        pytest.param("stall", "", "1 of 4 rows", id="some"),
        pytest.param("stall", "3 outdated", "1 of 4 rows · without the filter: 3 outdated", id="some, and a note"),
    ],
)
def test_the_footer_counts_rows(panel, search, note, text):
    panel.search.setText(search)
    panel.apply_filters()
    panel.set_note(note)
    assert footer(panel) == text


def test_large_counts_are_grouped(panel):
    panel.set_frame(pd.DataFrame({"event_id": range(98_310)}), note="12 never analysed")
    write_filter(panel, "event_id", "<1204")
    assert footer(panel) == "1,204 of 98,310 rows · without the filter: 12 never analysed"


def test_a_filter_that_is_none_hides_nothing_and_says_why(panel):
    write_filter(panel, "score", "drop")
    edit = panel.header.edit_of("score")
    assert ids(panel) == [1, 2, 3, 4]
    assert "border" in edit.styleSheet()
    assert edit.toolTip() == footer(panel).splitlines()[1]
    assert "which holds numbers" in edit.toolTip()


def test_a_filter_that_is_mended_is_marked_no_more(panel):
    write_filter(panel, "score", "drop")
    write_filter(panel, "score", "1")
    edit = panel.header.edit_of("score")
    assert (edit.styleSheet(), ids(panel), footer(panel)) == ("", [4], "1 of 4 rows")
    assert "1..3" in edit.toolTip()


def test_filters_are_hidden_until_they_are_asked_for(qtbot, panel):
    assert not panel.header.edit_of("kind").isVisible()
    panel._filters_button.click()
    assert panel.header.edit_of("kind").isVisible()
    assert not panel.header.edit_of("image_id").isVisible()
    panel._filters_button.click()
    assert not panel.header.edit_of("kind").isVisible()


def test_hidden_filters_are_counted_on_their_button(panel):
    write_filter(panel, "kind", "drop")
    assert panel._filters_button.text() == "Filters (1)"


def spans(panel):
    header = panel.header
    columns = [panel.model.column_names.index(name) for name in panel.columns.shown()]
    return [(header.sectionViewportPosition(column), header.sectionSize(column)) for column in columns]


def edit_spans(panel):
    edits = [panel.header.edit_of(name) for name in panel.columns.shown()]
    return [(edit.x(), edit.width() + 1) for edit in edits]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda panel: None, id="at first"),
        pytest.param(lambda panel: panel.view.setColumnWidth(1, 400), id="wider"),
        pytest.param(lambda panel: panel.header.moveSection(3, 1), id="moved"),
        pytest.param(lambda panel: panel.columns.show("score", shown=False), id="hidden"),
        pytest.param(lambda panel: panel.columns.show("image_id", shown=True), id="shown"),
        pytest.param(lambda panel: panel.view.horizontalScrollBar().setValue(60), id="scrolled"),
    ],
)
def test_filters_stay_below_their_columns(panel, change):
    panel.resize(300, 300)
    panel.view.setColumnWidth(2, 300)
    panel.show_filters(shown=True)
    QApplication.processEvents()
    change(panel)
    assert edit_spans(panel) == spans(panel)


def test_filters_lie_between_the_names_and_the_rows(panel):
    panel.show_filters(shown=True)
    QApplication.processEvents()
    edit = panel.header.edit_of("kind")
    assert edit.y() > 0
    assert (
        panel.header.mapToGlobal(QPoint(0, edit.geometry().bottom())).y() < panel.view.viewport().mapToGlobal(QPoint()).y()
    )


def test_another_frame_keeps_filters_and_order(panel, frame):
    write_filter(panel, "kind", "drop")
    panel.view.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    panel.set_frame(pd.concat([frame, frame.assign(event_id=frame["event_id"] + 4)]))
    assert ids(panel) == [8, 6, 5, 4, 2, 1]


def test_a_filter_waits_while_its_column_is_away(panel, frame):
    write_filter(panel, "kind", "stall")
    panel.set_frame(pd.DataFrame())
    panel.set_frame(frame)
    assert ids(panel) == [3]


def test_the_order_is_marked_wherever_the_column_is(panel, frame):
    panel.view.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    panel.set_frame(frame[["event_id", "kind"]])
    assert (panel.header.sortIndicatorSection(), ids(panel)) == (0, [4, 3, 2, 1])


def test_without_rows_it_says_what_to_do(panel, frame):
    panel.set_empty_text("Nothing is analysed yet.")
    panel.set_frame(frame.iloc[:0])
    assert panel._empty.isVisible()
    assert panel._empty.text() == "Nothing is analysed yet."
    panel.set_frame(frame)
    assert panel.view.isVisible()


def test_filters_that_hide_everything_can_be_cleared(panel):
    panel.search.setText("drop")
    write_filter(panel, "kind", "stall")
    assert panel._no_match.isVisible()
    assert panel.view.isVisible()
    panel._clear_button.click()
    assert (ids(panel), panel._no_match.isVisible(), panel.search.text()) == ([1, 2, 3, 4], False, "")


def test_a_click_chooses_a_row(qtbot, panel, chosen):
    click(qtbot, panel, 2)
    assert chosen == [3]


def test_a_click_that_adds_to_the_selection_chooses_none(qtbot, panel, chosen):
    click(qtbot, panel, 0)
    click(qtbot, panel, 2, Qt.KeyboardModifier.ControlModifier)
    assert (chosen, selected(panel)) == ([1], [1, 3])


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_arrow_keys_move_and_return_chooses(qtbot, panel, chosen, key):
    panel.highlight({"event_id": [1]})
    qtbot.keyClick(panel.view, Qt.Key.Key_Down)
    assert (chosen, selected(panel)) == ([], [2])
    qtbot.keyClick(panel.view, key)
    assert chosen == [2]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        pytest.param({"image_id": ["y"]}, [3, 4], id="one column"),
        pytest.param({"image_id": ["x", "y"], "kind": {"drop"}}, [1, 4], id="every column"),
        pytest.param({"image_id": ["z"]}, [], id="no row"),
        pytest.param({"roi_id": [1]}, [], id="no such column"),
        pytest.param({}, [], id="nothing asked"),
    ],
)
def test_rows_are_highlighted_without_being_chosen(panel, chosen, values, found):
    panel.highlight({"event_id": [2]})
    panel.highlight(values)
    assert (selected(panel), chosen) == (found, [])


def test_a_highlighted_row_comes_into_view(panel):
    panel.set_frame(pd.DataFrame({"event_id": range(1000)}))
    panel.highlight({"event_id": [700]})
    seen = panel.view.rowAt(0), panel.view.rowAt(panel.view.viewport().height() - 1)
    assert seen[0] <= 700 <= seen[1]


def test_a_highlighted_row_that_is_seen_does_not_move(panel):
    panel.set_frame(pd.DataFrame({"event_id": range(1000)}))
    panel.highlight({"event_id": [2, 700]})
    assert panel.view.rowAt(0) == 0


@pytest.mark.parametrize(
    ("start", "delta", "now"),
    [
        pytest.param(None, 1, [2], id="the first at first"),
        pytest.param(2, 1, [1], id="next, as they are sorted"),
        pytest.param(1, -1, [2], id="previous"),
        pytest.param(4, 1, [], id="nothing after the last"),
        pytest.param(2, -1, [], id="nothing before the first"),
    ],
)
def test_steps_follow_the_rows_on_screen(panel, chosen, start, delta, now):
    write_filter(panel, "kind", "drop")
    panel.view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    if start is not None:
        panel.highlight({"event_id": [start]})
    panel.step(delta)
    assert chosen == now


def test_selected_rows_stay_selected(panel):
    panel.highlight({"event_id": [2, 3]})
    panel.view.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    assert selected(panel) == [3, 2]
    write_filter(panel, "kind", "drop")
    assert selected(panel) == [2]


def test_all_rows_stay_selected(panel):
    panel.view.selectAll()
    panel.view.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    assert selected(panel) == [4, 3, 2, 1]


def test_the_selected_rows_are_copied_in_full(qtbot, panel):
    panel.header.moveSection(3, 0)
    panel.highlight({"event_id": [1]})
    qtbot.keyClick(panel.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text().split("\n") == ["event\tkind\tscore", "1\tdrop\t0.123456789", ""]


def test_without_a_selection_all_shown_rows_are_copied(panel):
    write_filter(panel, "kind", "drop")
    panel.columns.show("score", shown=False)
    panel._copy_button.click()
    assert QApplication.clipboard().text().split("\n") == ["kind\tevent", "drop\t1", "baseline_drop\t2", "drop\t4", ""]
    assert messages()[-1] == "Copied 3 rows"


@pytest.mark.parametrize(
    ("kind", "read", "start"),
    [
        pytest.param("csv-excel", pd.read_csv, b"\xef\xbb\xbfkind,", id="CSV for Excel"),
        pytest.param("csv", pd.read_csv, b"kind,", id="CSV"),
        pytest.param("parquet", pd.read_parquet, b"PAR1", id="Parquet"),
    ],
)
def test_shown_rows_are_saved_with_their_id(tmp_path, panel, kind, read, start):
    write_filter(panel, "kind", "drop")
    panel.view.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    panel.columns.show("score", shown=False)
    path = tmp_path / "µ-events"
    panel.save(path, kind)
    assert path.read_bytes().startswith(start)
    event, image = ("event", "image id") if kind == "csv-excel" else ("event_id", "image_id")
    assert read(path).to_dict("list") == {
        "kind": ["drop", "baseline_drop", "drop"],
        event: [4, 2, 1],
        image: ["y", "x", "x"],
    }
    assert messages()[-1] == f"Saved 3 rows to {path}"


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, panel, monkeypatch):
    path = tmp_path / "events.csv"
    path.write_text("old")

    def cut_off(frame, file, **options):
        Path(file).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", cut_off)
    panel.save(path, "csv")
    assert (path.read_text(), files_in(tmp_path)) == ("old", ["events.csv"])
    assert messages()[-1] == f"Not saved to {path}: disk full"


def test_what_parquet_cannot_hold_is_said(tmp_path, panel):
    panel.set_frame(pd.DataFrame({"condition": pd.Series(["stim", 3], dtype=object)}))
    panel.save(tmp_path / "events.parquet", "parquet")
    assert files_in(tmp_path) == []
    assert messages()[-1].startswith(f"Not saved to {tmp_path / 'events.parquet'}: ")


def test_saving_can_be_left_to_another_thread(tmp_path, panel):
    later = []
    panel.run_in_background = lambda work, done: later.append((work, done))
    panel.save(tmp_path / "events.csv", "csv")
    assert not (tmp_path / "events.csv").exists()
    ((work, done),) = later
    done(work())
    assert (tmp_path / "events.csv").exists()


@pytest.mark.parametrize(
    ("chosen_name", "kind", "saved"),
    [
        pytest.param("events", "CSV (*.csv)", "events.csv", id="without a suffix"),
        pytest.param("events.csv", "CSV for Excel (*.csv)", "events.csv", id="with it"),
        pytest.param("events 1.5", "Parquet (*.parquet)", "events 1.5.parquet", id="with a dot"),
        pytest.param("events.parquet", "CSV (*.csv)", "events.parquet", id="of another kind"),
    ],
)
def test_the_file_has_the_suffix_of_its_kind(tmp_path, panel, monkeypatch, chosen_name, kind, saved):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *asked: (str(tmp_path / chosen_name), kind))
    panel._save_button.click()
    assert files_in(tmp_path) == [saved]


@pytest.mark.parametrize("kind", ["CSV for Excel (*.csv)", "Parquet (*.parquet)"])
def test_a_name_of_an_excel_file_says_what_is_written(tmp_path, panel, monkeypatch, kind):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *asked: (str(tmp_path / "events.XLSX"), kind))
    panel._save_button.click()
    (written,) = files_in(tmp_path)
    assert written.startswith("events.XLSX.")
    is_csv = written.endswith(".csv")
    said = f"Excel files are not written. {written} is CSV: Excel and LibreOffice open it."
    assert (said in messages()) == is_csv


def test_a_file_that_was_not_chosen_is_not_replaced(tmp_path, panel, monkeypatch):
    (tmp_path / "events.csv").write_text("old")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *asked: (str(tmp_path / "events"), "CSV (*.csv)"))
    panel._save_button.click()
    assert (tmp_path / "events.csv").read_text() == "old"
    assert "There is a events.csv already" in messages()[-1]


def test_nothing_is_saved_where_no_file_is_chosen(tmp_path, panel, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *asked: ("", ""))
    panel._save_button.click()
    assert files_in(tmp_path) == []


def test_the_columns_are_listed_to_be_shown_or_hidden(panel):
    panel.columns.fill_menu()
    actions = panel.columns.menu.actions()
    assert [(action.text(), action.isChecked()) for action in actions[:-2]] == [
        ("image id", False),
        ("kind", True),
        ("score", True),
        ("event", True),
    ]
    actions[1].trigger()
    assert panel.columns.shown() == ["score", "event_id"]
    actions[-1].trigger()
    assert panel.columns.shown() == NAMES


def test_the_last_column_cannot_be_hidden(panel):
    for name in ("kind", "score"):
        panel.columns.show(name, shown=False)
    panel.columns.fill_menu()
    assert [action.isEnabled() for action in panel.columns.menu.actions()[:4]] == [True, True, True, False]


def test_a_hidden_column_takes_its_filter_with_it(panel):
    write_filter(panel, "kind", "stall")
    panel.columns.show("kind", shown=False)
    assert (ids(panel), footer(panel)) == ([1, 2, 3, 4], "4 rows")


def test_the_next_panel_is_arranged_as_the_last_one(panel, new_panel, frame):
    panel.view.setColumnWidth(1, 133)
    panel.header.moveSection(panel.header.visualIndex(3), 0)
    panel.columns.show("score", shown=False)
    panel.hide()
    again = new_panel()
    again.set_frame(frame)
    assert (again.columns.shown(), again.view.columnWidth(1)) == (["event_id", "kind"], 133)


@pytest.mark.slow
def test_a_layout_is_kept_a_moment_after_the_change(qtbot, panel, layouts):
    panel.view.setColumnWidth(1, 133)
    qtbot.waitUntil(layouts.exists)
    assert table_layouts.load_layout("events").widths == {"kind": 133}


def test_what_the_user_did_not_change_is_not_remembered(panel, layouts, frame):
    panel.set_frame(frame[["kind", "score"]])
    panel.show_filters(shown=True)
    panel.resize(900, 300)
    panel.hide()
    assert not layouts.exists()


def test_a_layout_that_cannot_be_kept_is_said_once(panel, layouts):
    layouts.mkdir()
    panel.view.setColumnWidth(1, 133)
    panel.hide()
    panel.show()
    panel.hide()
    said = [message for message in messages() if message.startswith("How the columns are arranged cannot be remembered")]
    assert len(said) == 1


def test_columns_are_as_wide_as_what_they_hold(panel, frame):
    panel.set_frame(frame.assign(kind="x" * 500))
    panel.hide()
    fresh = TablePanel("others")
    fresh.set_frame(frame.assign(kind="x" * 500))
    assert 48 <= fresh.view.columnWidth(2) < fresh.view.columnWidth(1) == 280
    fresh.deleteLater()


def test_columns_are_fitted_once_there_are_rows(new_panel, frame):
    late = new_panel()
    late.search.setText("nowhere")
    late.set_frame(frame.assign(kind="x" * 500))
    narrow = late.view.columnWidth(1)
    late.clear_filters()
    assert narrow < late.view.columnWidth(1) == 280


def test_widths_do_not_jump_with_another_frame(panel, frame):
    before = panel.columns.widths()
    panel.set_frame(frame.assign(kind="x" * 500))
    assert panel.columns.widths() == before


def test_the_buttons_fit_beside_the_search(panel):
    buttons = [panel._filters_button, panel._columns_button, panel._copy_button, panel._save_button]
    assert panel.minimumSizeHint().width() <= 600
    assert all(button.width() >= button.sizeHint().width() for button in buttons)
    assert panel.search.width() > 150


def test_long_copies_are_left_to_another_thread(panel, monkeypatch):
    later = []
    monkeypatch.setattr(panel_module, "_MOST_COPIED_AT_ONCE", 3)
    panel.run_in_background = lambda work, done: later.append((work, done))
    panel.copy()
    assert len(later) == 1


def test_columns_are_fitted_to_a_few_rows(panel):
    assert panel.view.horizontalHeader().resizeContentsPrecision() == 50


def test_columns_are_fitted_once_more_where_it_is_asked(panel, frame, monkeypatch):
    panel.set_frame(frame)
    asked = []
    monkeypatch.setattr(panel.columns, "_fitting_width", lambda column: asked.append(column) or 60)
    panel.set_frame(frame)
    assert asked == [frame.columns.get_loc("image_id")]  # hidden, so it has no width to keep
    asked.clear()
    panel.set_frame(frame, fits=True)
    assert asked == list(range(frame.shape[1]))


def test_a_column_of_lists_is_sorted_filtered_and_searched(panel):
    panel.set_frame(pd.DataFrame({"odd": pd.Series([[2], None, [1]], dtype=object)}))
    panel.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    panel.search.setText("1")
    panel.header.edit_of("odd").setText("1")
    panel.apply_filters()
    assert panel.model.shown_rows.tolist() == [2]
    panel.highlight({"odd": ["[1]"]})


def test_the_selected_rows_are_whole_rows_of_the_frame_in_the_order_on_screen(panel):
    panel.highlight({"event_id": [2, 3]})
    panel.columns.show("score", shown=False)
    panel.view.sortByColumn(panel.model.column_names.index("event_id"), Qt.SortOrder.DescendingOrder)
    assert panel.selected["event_id"].tolist() == [3, 2]
    assert list(panel.selected.columns) == panel.model.column_names


def test_a_menu_is_asked_for_at_a_point_of_the_screen(qtbot, panel):
    with qtbot.waitSignal(panel.menu_asked) as asked:
        panel.view.customContextMenuRequested.emit(QPoint(3, 4))
    assert asked.args == [panel.view.viewport().mapToGlobal(QPoint(3, 4))]

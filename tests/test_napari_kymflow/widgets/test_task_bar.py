"""The line that shows long work: progress, cancelling, results, errors, and a bar that goes before its work ends."""

import threading
import time
from types import SimpleNamespace

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication, QEvent, QThread
from qtpy.QtWidgets import QWidget

from kymflow_core.errors import KymflowError
from kymflow_zarr.errors import DatasetNotFoundError
from napari_kymflow.widgets.window.task_bar import TaskBar, TaskHandle, kind_icon


@pytest.fixture(autouse=True)
def _no_old_messages():
    notification_manager.records.clear()
    yield
    notification_manager.records.clear()


@pytest.fixture
def bar(qtbot):
    widget = TaskBar()
    qtbot.addWidget(widget)
    widget.resize(700, 40)
    widget.show()
    return widget


@pytest.fixture
def gate():
    """What a task waits at until the test opens it; open at the end, so that no worker is left waiting."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def ended(bar, qtbot):
    """A function that waits until no task runs."""
    return lambda: qtbot.waitUntil(lambda: not bar.is_running)


def messages():
    return [str(record.message) for record in notification_manager.records]


def wait_at(gate):
    return lambda _handle: gate.wait(10)


def until_cancelled(handle):
    end = time.monotonic() + 10
    while not handle.is_cancelled() and time.monotonic() < end:
        time.sleep(0.002)
    return "cancelled" if handle.is_cancelled() else "never cancelled"


def raising(error):
    def work(_handle):
        raise error

    return work


def delete(widget):
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


class TestIdle:
    def test_a_new_bar_says_nothing(self, bar):
        assert (bar.text, bar.is_running, bar._bar.isVisible(), bar._cancel.isVisible()) == ("", False, False, False)

    @pytest.mark.parametrize(
        ("kind", "word"), [("info", "Done"), ("cancelled", "Cancelled"), ("warning", "Warning"), ("error", "Error")]
    )
    def test_a_result_has_a_word_for_its_kind(self, bar, kind, word):
        bar.show_result("three files", kind)
        assert (bar._badge.text(), bar._badge.isVisible(), bar.text) == (word, True, "three files")

    def test_each_kind_has_its_colour(self, bar):
        seen = set()
        for kind in ("info", "cancelled", "warning", "error"):
            bar.show_result("x", kind)
            seen.add(bar._badge.styleSheet())
        assert len(seen) == 4

    def test_an_empty_result_clears_the_line(self, bar):
        bar.show_result("three files", "error")
        bar.show_result("")
        assert (bar._badge.isVisible(), bar.text) == (False, "")

    def test_a_long_result_is_shortened(self, bar):
        bar.show_result("word " * 500)
        assert bar._label.text().endswith("…")

    def test_the_tooltip_has_all_of_a_long_result(self, bar):
        bar.show_result("word " * 500)
        assert bar._label.toolTip().count("word") == 500

    def test_a_wider_bar_shows_more(self, bar, qtbot):
        bar.show_result("word " * 40)
        before = len(bar._label.text())
        bar.resize(1400, 40)
        qtbot.waitUntil(lambda: len(bar._label.text()) > before)

    def test_a_long_result_does_not_widen_the_bar(self, bar):
        before = bar.minimumSizeHint().width()
        bar.show_result("word " * 500)
        assert bar.minimumSizeHint().width() < before + 150

    def test_line_ends_become_spaces(self, bar):
        bar.show_result("one\ntwo")
        assert bar.text == "one two"

    def test_markup_in_a_name_is_no_markup(self, bar):
        bar.show_result("<b>a</b> & b")
        assert bar._label.toolTip() == "<qt>&lt;b&gt;a&lt;/b&gt; &amp; b</qt>"

    def test_cancelling_nothing_does_nothing(self, bar):
        bar.cancel()
        assert (bar.text, bar.is_running) == ("", False)

    @pytest.mark.parametrize("kind", ["info", "warning", "error"])
    def test_the_icon_of_a_kind_is_drawn(self, qtbot, kind):
        assert kind_icon(kind).pixmap(16, 16).toImage().pixelColor(3, 8).alpha() == 255


class TestRunning:
    def test_the_title_is_shown(self, bar, gate):
        bar.run("Importing …", wait_at(gate), str)
        assert (bar.is_running, bar.text) == (True, "Importing …")

    def test_before_any_progress_the_bar_is_busy(self, bar, gate):
        bar.run("Importing …", wait_at(gate), str)
        assert (bar._bar.isVisible(), bar._bar.minimum(), bar._bar.maximum()) == (True, 0, 0)

    def test_an_older_result_goes(self, bar, gate):
        bar.show_result("older", "error")
        bar.run("Importing …", wait_at(gate), str)
        assert not bar._badge.isVisible()

    def test_progress_is_shown_with_its_name(self, bar, gate, qtbot):
        def work(handle):
            handle.progress(3, 10, "a.tif")
            gate.wait(10)

        bar.run("Importing …", work, str)
        qtbot.waitUntil(lambda: bar.text == "Importing … 3 of 10: a.tif")
        assert (bar._bar.value(), bar._bar.maximum()) == (3, 10)

    def test_progress_of_unknown_length_keeps_the_bar_busy(self, bar, gate, qtbot):
        def work(handle):
            handle.progress(3, 0, "a.tif")
            gate.wait(10)

        bar.run("Importing …", work, str)
        qtbot.waitUntil(lambda: bar.text == "Importing … a.tif")
        assert bar._bar.maximum() == 0

    def test_much_progress_is_shown_seldom(self, bar, qtbot, ended, monkeypatch):
        shown = []
        monkeypatch.setattr(bar._bar, "setValue", shown.append)

        def work(handle):
            for step in range(50_000):
                handle.progress(step, 50_000, "")

        bar.run("Counting …", work, lambda _result: "")
        ended()
        assert len(shown) < 500

    def test_the_last_of_much_progress_is_shown(self, bar, gate, qtbot):
        def work(handle):
            for step in range(1000):
                handle.progress(step, 1000, "")
            gate.wait(10)

        bar.run("Counting …", work, str)
        qtbot.waitUntil(lambda: bar._bar.value() == 999)

    def test_a_second_task_is_refused(self, bar, gate):
        bar.run("Importing …", wait_at(gate), str)
        with pytest.raises(RuntimeError, match=r"a task runs already: 'Importing …'"):
            bar.run("Verifying …", wait_at(gate), str)

    def test_work_is_done_in_another_thread(self, bar, ended):
        seen = []
        bar.run("…", lambda _handle: seen.append(threading.current_thread()), lambda _result: "")
        ended()
        assert seen[0] is not threading.main_thread()

    def test_what_is_done_afterwards_is_done_in_the_window_s_thread(self, bar, qtbot):
        seen = []
        bar.run("…", lambda _handle: None, lambda _result: seen.append(QThread.currentThread()) or "")
        qtbot.waitUntil(lambda: bool(seen))
        assert seen[0] is bar.thread()

    def test_others_are_told_when_it_runs(self, bar, ended):
        told = []
        bar.running_changed.connect(told.append)
        bar.run("…", lambda _handle: None, lambda _result: "")
        ended()
        assert told == [True, False]


class TestResult:
    def test_the_result_line_is_shown(self, bar, qtbot):
        bar.run("Importing …", lambda _handle: 3, lambda result: f"{result} files")
        qtbot.waitUntil(lambda: bar.text == "3 files")
        assert bar._badge.text() == "Done"

    def test_afterwards_nothing_can_be_cancelled(self, bar, ended):
        bar.run("Importing …", lambda _handle: 3, str)
        ended()
        assert (bar._cancel.isVisible(), bar._bar.isVisible()) == (False, False)

    def test_what_was_shown_with_a_kind_stays(self, bar, ended):
        def done(_result):
            bar.show_result("2 of 3 files", "warning")
            return ""

        bar.run("Importing …", lambda _handle: 3, done)
        ended()
        assert (bar._badge.text(), bar.text) == ("Warning", "2 of 3 files")

    def test_the_next_task_may_start_at_once(self, bar, gate, qtbot):
        def done(_result):
            bar.run("Rebuilding …", wait_at(gate), str)
            return "imported"

        bar.run("Importing …", lambda _handle: 3, done)
        qtbot.waitUntil(lambda: bar.text == "Rebuilding …")
        assert bar.is_running

    def test_an_error_as_a_value_is_a_value(self, bar, qtbot):
        bar.run("…", lambda _handle: ValueError("kept"), lambda result: f"got {result}")
        qtbot.waitUntil(lambda: bar.text == "got kept")


class TestCancelling:
    def test_the_button_cancels(self, bar, qtbot):
        bar.run("Importing …", until_cancelled, str)
        bar._cancel.click()
        qtbot.waitUntil(lambda: bar.text == "cancelled")

    def test_until_the_work_returns_it_says_so(self, bar, gate):
        bar.run("Importing …", wait_at(gate), str)
        bar.cancel()
        assert (bar.text, bar.is_running) == ("Cancelling after the present image …", True)

    def test_it_cannot_be_cancelled_twice(self, bar, gate):
        bar.run("Importing …", wait_at(gate), str)
        bar.cancel()
        assert not bar._cancel.isEnabled()

    def test_progress_meanwhile_does_not_take_the_text(self, bar, gate, qtbot):
        def work(handle):
            until_cancelled(handle)
            handle.progress(4, 10, "a.tif")
            gate.wait(10)

        bar.run("Importing …", work, str)
        bar.cancel()
        qtbot.waitUntil(lambda: bar._bar.value() == 4)
        assert bar.text == "Cancelling after the present image …"

    def test_the_next_task_is_not_cancelled(self, bar, gate, ended):
        bar.run("Importing …", until_cancelled, str)
        bar.cancel()
        ended()
        seen = []
        bar.run("Importing …", lambda handle: seen.append(handle.is_cancelled()), str)
        ended()
        assert seen == [False]

    def test_some_tasks_have_no_button(self, bar, gate):
        bar.run("Repairing …", wait_at(gate), str, can_cancel=False)
        assert not bar._cancel.isVisible()

    def test_napari_quitting_cancels(self, bar, qtbot):
        seen = []
        bar.run("Importing …", lambda handle: seen.append(until_cancelled(handle)), str)
        bar._worker.quit()
        qtbot.waitUntil(lambda: seen == ["cancelled"])

    def test_napari_quitting_ends_the_task(self, bar, ended):
        bar.run("Importing …", until_cancelled, str)
        bar._worker.quit()
        ended()
        assert (bar._badge.text(), bar.text) == ("Warning", "Importing … was stopped")

    def test_a_worker_that_is_asked_to_quit_cancels(self):
        handle, worker = TaskHandle(), SimpleWorker(abort_requested=True)
        handle.follow(worker)
        assert handle.is_cancelled()

    def test_a_worker_that_is_gone_cancels_nothing(self):
        handle = TaskHandle()
        handle.follow(SimpleWorker(abort_requested=True))
        assert not handle.is_cancelled()


class TestErrors:
    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(KymflowError("no such ROI"), id="of the domain"),
            pytest.param(DatasetNotFoundError("no such ROI"), id="of the storage"),
            pytest.param(OSError("no such ROI"), id="of the disk"),
        ],
    )
    class TestExpected:
        def test_is_shown_in_the_line(self, bar, ended, error):
            bar.run("…", raising(error), str)
            ended()
            assert (bar._badge.text(), bar.text) == ("Error", "no such ROI")

        def test_is_shown_by_napari(self, bar, ended, error):
            bar.run("…", raising(error), str)
            ended()
            assert messages() == ["no such ROI"]

        def test_is_told(self, bar, ended, error):
            told = []
            bar.run("…", raising(error), str, told.append)
            ended()
            assert told == ["no such ROI"]

        def test_afterwards_counts_too(self, bar, ended, error):
            told = []
            bar.run("…", lambda _handle: None, raising(error), told.append)
            ended()
            assert (bar._badge.text(), told) == ("Error", ["no such ROI"])

    @pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), RuntimeError("a bug")], ids=["other", "RuntimeError"])
    class TestUnexpected:
        def test_ends_the_task(self, bar, ended, error):
            bar.run("Importing …", raising(error), str)
            ended()
            assert (bar._badge.text(), bar.text) == ("Error", "Importing … ended with an error")

        def test_is_shown_by_napari(self, bar, ended, error):
            bar.run("…", raising(error), str)
            ended()
            assert messages() == ["a bug"]

        def test_is_told(self, bar, ended, error):
            told = []
            bar.run("…", raising(error), str, told.append)
            ended()
            assert told == ["a bug"]


class TestGone:
    @pytest.fixture
    def dock(self, qtbot):
        """A dock that a bar lies in."""
        widget = QWidget()
        widget.bar = TaskBar(widget)
        return widget

    def test_the_work_is_cancelled(self, dock, qtbot):
        seen = []
        dock.bar.run("…", lambda handle: seen.append(until_cancelled(handle)), str)
        delete(dock)
        qtbot.waitUntil(lambda: seen == ["cancelled"])

    def test_the_work_finishes_unseen(self, dock, qtbot, gate):
        seen, finished = [], threading.Event()

        def work(handle):
            gate.wait(10)
            handle.progress(1, 2, "unseen")
            finished.set()

        dock.bar.run("…", work, lambda _result: seen.append("done") or "")
        delete(dock)
        gate.set()
        qtbot.waitUntil(finished.is_set)
        qtbot.wait(150)
        assert seen == []


@pytest.mark.everyday
def test_napari_names_the_task_by_its_title(bar, gate, make_napari_viewer):
    viewer = make_napari_viewer()
    bar.run("Importing day 1 …", wait_at(gate), str)
    status = viewer.window._task_status_manager.get_status()
    gate.set()
    assert [line for line in status if "Importing day 1 …" in line] == status != []


class SimpleWorker(SimpleNamespace):
    """As much of a worker as a handle looks at."""

"""The dialog that verifies and repairs a dataset: what it shows, asks, allows, and leaves alone."""

import threading
from dataclasses import replace

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtGui import QGuiApplication

from kymflow_core import KymDataset
from kymflow_zarr import VerifyReport
from kymflow_zarr.verify.problems import Problem
from napari_kymflow.widgets.dataset.verify_dialog import Checked, VerifyDialog, describe_repair, describe_result


@pytest.fixture(autouse=True)
def _no_old_messages():
    notification_manager.records.clear()
    yield
    notification_manager.records.clear()


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """What was asked before a repair; the user says yes."""
    questions = []

    def say_yes(_self, what):
        questions.append(what)
        return True

    monkeypatch.setattr(VerifyDialog, "ask_repair", say_yes)
    return questions


@pytest.fixture
def dialog(demo_path, qtbot):
    shown = VerifyDialog(demo_path)
    # Closed by some tests, and so deleted by Qt.
    shown.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(shown)
    shown.show()
    return shown


@pytest.fixture
def idle(dialog, qtbot):
    """A function that waits until nothing runs."""
    return lambda: qtbot.waitUntil(lambda: not dialog.task_bar.is_running, timeout=20_000)


@pytest.fixture
def verified(dialog, idle):
    """A function that verifies, and waits for the end."""

    def verify():
        dialog._verify.click()
        idle()

    return verify


@pytest.fixture
def stranger(demo_path):
    """What is no record among the records: it can be repaired."""
    folder = demo_path / "images" / "notes"
    folder.mkdir()
    (folder / "x.txt").write_text("mine")
    return folder


@pytest.fixture
def torn(demo_path):
    """Pixels of one record that a bad disk tore: only a backup has them."""
    path = next(path for path in demo_path.glob("images/*/data/c/0/*") if path.is_file())
    path.write_bytes(path.read_bytes()[:-20])
    return path


@pytest.fixture
def slow(monkeypatch):
    """What verifying waits at before each record, until the test opens it."""
    gate = threading.Event()
    real = KymDataset.verify

    def verify(self, *, deep=False, repair=False, watch):
        def wait(*step):
            watch.progress(*step)
            gate.wait(10)

        return real(self, deep=deep, repair=repair, watch=replace(watch, progress=wait))

    monkeypatch.setattr(KymDataset, "verify", verify)
    yield gate
    gate.set()


def rows(dialog):
    return [dialog._problems.item(row).text().replace("\u200b", "") for row in range(dialog._problems.count())]


def state(dialog):
    return dialog._verify.isEnabled(), dialog._repair.isEnabled()


class TestBefore:
    def test_nothing_is_said_yet(self, dialog):
        assert (dialog._sentence.text(), dialog._problems.isVisible()) == ("", False)

    def test_it_can_verify_but_not_repair(self, dialog):
        assert state(dialog) == (True, False)

    def test_it_says_why_it_cannot_repair(self, dialog):
        assert dialog._repair.toolTip() == "Verify first"

    def test_other_windows_can_be_used_meanwhile(self, dialog):
        assert not dialog.isModal()

    def test_it_is_deleted_when_it_is_closed(self, demo_path, qtbot):
        dialog, gone = VerifyDialog(demo_path), []
        dialog.destroyed.connect(lambda *_: gone.append(dialog))
        dialog.show()
        dialog.close()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        assert len(gone) == 1


class TestSound:
    def test_one_sentence_says_so(self, dialog, verified):
        verified()
        assert dialog._sentence.text() == "This dataset is sound: all 3 records open, and nothing was left behind."

    def test_reading_every_byte_is_said(self, dialog, verified):
        dialog._deep.setChecked(True)
        verified()
        assert dialog._sentence.text().startswith("This dataset is sound: every byte of all 3 records was read")

    def test_no_list_is_shown(self, dialog, verified):
        verified()
        assert not dialog._problems.isVisible()

    def test_there_is_nothing_to_repair(self, dialog, verified):
        verified()
        assert (dialog._repair.isEnabled(), dialog._repair.toolTip()) == (False, "Nothing was found that can be repaired")

    def test_looking_writes_nothing(self, demo_path, verified, tree_picture):
        before = tree_picture(demo_path)
        verified()
        assert tree_picture(demo_path) == before


class TestProblems:
    def test_what_can_be_repaired_is_listed(self, dialog, stranger, verified):
        verified()
        assert rows(dialog) == ["Can be repaired: images/notes\nis not named by a uuid, so it is no record"]

    def test_the_summary_names_no_option_of_the_command_line(self, dialog, stranger, verified):
        verified()
        assert dialog._sentence.text() == "3 of 3 records are sound; 1 can be repaired."

    def test_what_can_be_repaired_may_be(self, dialog, stranger, verified):
        verified()
        assert state(dialog) == (True, True)

    def test_what_is_damaged_is_listed(self, dialog, torn, verified, demo_path):
        dialog._deep.setChecked(True)
        verified()
        assert [row.partition(":")[0] for row in rows(dialog)] == ["Damaged"]

    def test_what_is_damaged_is_listed_first(self, dialog, torn, stranger, verified):
        dialog._deep.setChecked(True)
        verified()
        assert [row.partition(":")[0] for row in rows(dialog)] == ["Damaged", "Can be repaired"]

    def test_what_is_damaged_needs_a_backup(self, dialog, torn, verified):
        dialog._deep.setChecked(True)
        verified()
        assert dialog._sentence.text().endswith("1 damaged. Only a backup can bring back what is damaged.")

    def test_what_is_damaged_cannot_be_repaired(self, dialog, torn, verified):
        dialog._deep.setChecked(True)
        verified()
        assert not dialog._repair.isEnabled()

    def test_pixels_are_not_read_unless_asked(self, dialog, torn, verified):
        verified()
        assert rows(dialog) == []

    def test_every_problem_has_an_icon(self, dialog, stranger, verified):
        verified()
        assert not dialog._problems.item(0).icon().isNull()

    def test_the_chosen_ones_are_copied(self, dialog, stranger, verified, qtbot):
        verified()
        dialog._problems.selectAll()
        dialog.activateWindow()
        dialog._problems.setFocus()
        qtbot.waitUntil(dialog._problems.hasFocus)
        qtbot.keyClick(dialog._problems, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        copied = "Can be repaired\timages/notes\tis not named by a uuid, so it is no record"
        assert QGuiApplication.clipboard().text() == copied

    def test_copying_nothing_keeps_the_clipboard(self, dialog, stranger, verified):
        verified()
        QGuiApplication.clipboard().setText("before")
        dialog._problems.clearSelection()
        dialog._problems.copy_chosen()
        assert QGuiApplication.clipboard().text() == "before"

    def test_looking_again_forgets_the_first_look(self, dialog, stranger, verified):
        verified()
        (stranger / "x.txt").unlink()
        stranger.rmdir()
        verified()
        assert rows(dialog) == []


class TestRepair:
    @pytest.fixture
    def repaired(self, dialog, stranger, verified, idle):
        """A dialog that repaired what it found."""
        verified()
        dialog._repair.click()
        idle()
        return dialog

    def test_it_asks_once(self, repaired, asked):
        assert len(asked) == 1

    def test_it_says_what_was_repaired(self, repaired):
        assert rows(repaired) == ["Repaired: images/notes\nis not named by a uuid, so it is no record"]

    def test_it_deletes_nothing(self, repaired, demo_path):
        (kept,) = (demo_path / ".quarantine").rglob("x.txt")
        assert kept.read_text() == "mine"

    @pytest.mark.slow
    def test_the_dataset_is_sound_afterwards(self, repaired, demo_path):
        assert KymDataset(demo_path, mode="r").verify(deep=True).problems == ()

    def test_there_is_no_more_to_repair(self, repaired):
        assert not repaired._repair.isEnabled()

    def test_the_sentence_says_so(self, repaired):
        assert repaired._sentence.text() == "3 of 3 records are sound; 1 repaired."

    def test_others_are_told(self, dialog, stranger, verified, qtbot):
        verified()
        with qtbot.waitSignal(dialog.repaired):
            dialog._repair.click()

    def test_nothing_is_repaired_when_the_user_says_no(self, dialog, stranger, verified, monkeypatch):
        monkeypatch.setattr(VerifyDialog, "ask_repair", lambda _self, _what: False)
        verified()
        dialog._repair.click()
        assert (stranger.exists(), dialog.task_bar.is_running) == (True, False)

    def test_a_dataset_that_is_gone_is_not_made_anew(self, dialog, stranger, verified, idle, demo_path):
        verified()
        demo_path.rename(demo_path.with_name("away"))
        dialog._repair.click()
        idle()
        assert not demo_path.exists()

    def test_a_repair_that_failed_can_be_tried_again(self, dialog, stranger, verified, idle, demo_path):
        verified()
        demo_path.rename(demo_path.with_name("away"))
        dialog._repair.click()
        idle()
        assert (state(dialog), dialog._close.isEnabled()) == ((True, False), True)

    def test_it_cannot_be_stopped(self, dialog, stranger, verified, slow):
        slow.set()
        verified()
        slow.clear()
        dialog._repair.click()
        assert (dialog.task_bar._cancel.isVisible(), dialog._close.isEnabled()) == (False, False)

    def test_the_dialog_stays_until_it_is_done(self, dialog, stranger, verified, slow):
        slow.set()
        verified()
        slow.clear()
        dialog._repair.click()
        dialog.close()
        assert dialog.isVisible()


class TestRunning:
    def test_neither_button_can_be_clicked(self, dialog, slow):
        dialog._verify.click()
        assert state(dialog) == (False, False)

    def test_progress_is_shown(self, dialog, slow, qtbot):
        dialog._verify.click()
        qtbot.waitUntil(lambda: dialog.task_bar.text == "Verifying demo.zarr … 0 of 3")

    def test_it_can_be_cancelled(self, dialog, slow, idle):
        dialog._verify.click()
        dialog.task_bar.cancel()
        slow.set()
        idle()
        assert dialog.task_bar.text == "Only a part of the dataset was checked"

    def test_after_cancelling_it_can_verify_again(self, dialog, slow, idle):
        dialog._verify.click()
        dialog.task_bar.cancel()
        slow.set()
        idle()
        assert state(dialog) == (True, False)

    def test_closing_cancels(self, dialog, slow):
        dialog._verify.click()
        dialog.close()
        assert (dialog.isVisible(), dialog.task_bar._handle.is_cancelled()) == (False, True)

    def test_a_dataset_that_is_gone_is_said(self, dialog, verified, demo_path):
        demo_path.rename(demo_path.with_name("away"))
        verified()
        assert dialog.task_bar.text == f"there is no dataset at {demo_path}"


def checked(*states, records=1, deep=False):
    problems = tuple(Problem(where="a", what="b", state=state) for state in states)
    return Checked(report=VerifyReport(records=records, damaged_records=0, problems=problems), deep=deep)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (checked(records=0), "This dataset is sound; it has no records yet."),
        (checked(), "This dataset is sound: its record opens, and nothing was left behind."),
        (checked(deep=True), "This dataset is sound: every byte of its record was read, and is as it was written."),
    ],
    ids=["no record", "one record", "one record, every byte"],
)
def test_the_sentence_for_a_sound_dataset(found, said):
    assert describe_result(found) == ("info", said)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (checked("repairable"), "warning"),
        (checked("damaged"), "error"),
        (checked("repairable", "damaged"), "error"),
    ],
    ids=["repairable", "damaged", "both"],
)
def test_the_worst_problem_says_how_bad_it_is(found, kind):
    assert describe_result(found)[0] == kind


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (checked("repairable"), "Repair 1 thing in lab.zarr?"),
        (checked("repairable", "repairable"), "Repair 2 things in lab.zarr?"),
        (checked("repairable"), "Nothing is deleted: what is set aside is in the dataset's folder .quarantine."),
        (checked("repairable", "damaged"), "1 damaged thing stays as it is: only a backup can bring that back."),
        (checked("repairable", "damaged", "damaged"), "2 damaged things stay as they are"),
    ],
    ids=["one", "two", "nothing is deleted", "one damaged", "two damaged"],
)
def test_the_question_says_what_a_repair_does(found, words):
    assert words in describe_repair("lab.zarr", found)

"""The line at the top of a dock: what it shows where it is too narrow, and what it still says."""

import pytest
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QWidget

from napari_kymflow.widgets.window.line_label import LineLabel, elided

TEXT = "<b>a long name of a dataset.zarr</b>, on a disk that cannot be written to"


def plain(text):
    document = QTextDocument()
    document.setHtml(text)
    return document.toPlainText()


def width_of(text, font):
    document = QTextDocument()
    document.setDefaultFont(font)
    document.setDocumentMargin(0)
    document.setHtml(text)
    return document.size().width()


@pytest.fixture
def label(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    made = LineLabel(parent)
    parent.show()
    made.setText(TEXT)
    yield made
    assert made.parent() is parent


@pytest.mark.parametrize("width", [20, 60, 150, 300])
def test_a_line_that_is_too_long_ends_in_dots_and_fits(width, label):
    shown = elided(TEXT, label.font(), width)
    assert plain(shown).endswith("…")
    assert plain(TEXT).startswith(plain(shown)[:-1])
    assert width_of(shown, label.font()) <= width


def test_what_is_cut_off_is_in_the_tooltip(label):
    label.resize(80, 20)
    assert (label.text(), label.toolTip()) == (TEXT, f"<qt>{TEXT}</qt>")
    label.resize(2000, 20)
    assert label.toolTip() == ""


def test_another_tooltip_stays(label):
    label.setToolTip("/where/it/is.zarr")
    label.resize(80, 20)
    assert label.toolTip() == "/where/it/is.zarr"

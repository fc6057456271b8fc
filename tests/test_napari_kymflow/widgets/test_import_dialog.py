"""The dialog before an import: what it asks, and what it says of a pattern before it can be used."""

from pathlib import Path, PurePath

import pytest

from kymflow_core import FolderPattern
from napari_kymflow.tables.import_form import FolderFacts, ImportWish
from napari_kymflow.widgets.dataset.import_dialog import ImportDialog

FILES = tuple(map(PurePath, ("A89/V1/one.tif", "A89/V1/two.tif", "A90/V1/three.tif", "four.tif", "five.tif")))


@pytest.fixture
def make_dialog(qtbot):
    def make(**facts):
        dialog = ImportDialog(Path("/data/scans"), FolderFacts(**facts))
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    return make


@pytest.mark.parametrize(
    ("facts", "merge", "pattern"),
    [
        pytest.param({"files": FILES}, False, True, id="subfolders"),
        pytest.param({"files": FILES[3:], "channels": ("scan_C1.tif",)}, True, False, id="channels"),
        pytest.param({"files": FILES, "channels": ("scan_C1.tif",)}, True, True, id="both"),
    ],
)
def test_it_asks_what_there_is_to_ask(facts, merge, pattern, make_dialog):
    dialog = make_dialog(**facts)
    assert [asked.native.isVisible() for asked in dialog.form] == [merge, pattern]
    assert (dialog.can_import, dialog.wish) == (True, ImportWish())


def test_there_is_nothing_to_ask_of_a_flat_folder():
    assert (FolderFacts(files=FILES[3:]).is_plain, FolderFacts(files=FILES).is_plain) == (True, False)


def test_it_shows_what_a_pattern_takes_from_the_folders(make_dialog):
    dialog = make_dialog(files=FILES)
    dialog.form.folder_names.value = "{subject id}/{vessel_id}"
    first, second, left_out = dialog.sentence.splitlines()
    assert [first, second] == [
        "A89/V1: subject id A89, vessel id V1",
        "A90/V1: subject id A90, vessel id V1",
    ]
    assert left_out.startswith("2 files get nothing: no folder lies between the file and the imported one")
    assert dialog.wish == ImportWish(folder_names=FolderPattern(text="{subject id}/{vessel_id}"))


def test_a_pattern_that_cannot_be_used_cannot_be_imported_with(make_dialog):
    dialog = make_dialog(files=FILES)
    dialog.form.folder_names.value = "{animal}"
    assert (dialog.can_import, "there is no entry 'animal'" in dialog.sentence) == (False, True)
    dialog.form.folder_names.value = " "
    assert (dialog.can_import, dialog.sentence, dialog.wish) == (True, "", ImportWish())

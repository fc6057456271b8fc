"""Entries of the experiment from folder names: what fits in one way is taken, what a person entered stays."""

import json
import sys

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from kymflow_core import FolderPattern, KymDataset, MetadataEdit, edit_metadata, fill_from_folders, undo_edit
from kymflow_core.cli import app
from kymflow_core.errors import MetadataError
from kymflow_core.folder_names import check_has_folders
from kymflow_core.images.metadata import RecordMetadata
from kymflow_zarr import ZarrDataset

TWO = "{subject_id}/{vessel_id}"


def scan(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.full((40, 12), value, np.uint16))


@pytest.fixture
def laboratory(tmp_path):
    """Line scans of two animals, and one scan that lies beside the folders."""
    folder = tmp_path / "laboratory"
    for number, place in enumerate(("A89/V1/one.tif", "A89/V2/two.tif", "A90/V1/three.tif", "four.tif")):
        scan(folder / place, number)
    return folder


def experiments(dataset):
    """The experiment metadata of each record, by the name of its file."""
    found = [RecordMetadata.load(record) for record in dataset.iter_records()]
    return {one.header.name: dict(one.experiment) for one in found}


@pytest.mark.parametrize(
    ("pattern", "folders", "found"),
    [
        pytest.param(TWO, "A89/V1", {"subject_id": "A89", "vessel_id": "V1"}, id="two folders"),
        pytest.param("{subject_id}/*/{vessel_id}", "A89/x/V1", {"subject_id": "A89", "vessel_id": "V1"}, id="any folder"),
        pytest.param("{ subject id }_{branch order}", "A89_2", {"subject_id": "A89", "branch_order": 2}, id="as in forms"),
        pytest.param("{subject_id}/**", "A89", {"subject_id": "A89"}, id="no further folder"),
        pytest.param("{subject_id}/**", "A89/x/y", {"subject_id": "A89"}, id="further folders"),
        pytest.param("mouse {subject_id}", "mouse 7", {"subject_id": "7"}, id="text and a number stay text"),
        pytest.param("{subject_id}_{age}", "A89_P90", {"subject_id": "A89", "age": "P90"}, id="two in one folder"),
        pytest.param("{subject_id}/{subject_id}-{vessel_id}", "A/A-V", {"subject_id": "A", "vessel_id": "V"}, id="again"),
        pytest.param("{depth} um", "45 um", {"depth": 45}, id="a number"),
        pytest.param("/{subject_id}\\{condition}/", "A/b", {"subject_id": "A", "condition": "b"}, id="other slashes"),
        pytest.param("a.b+{subject_id}", "a.b+1", {"subject_id": "1"}, id="signs of expressions"),
        pytest.param("{line_orientation}", "across", {"line_orientation": "across"}, id="a choice"),
    ],
)
def test_folders_that_fit_give_their_entries(pattern, folders, found):
    assert FolderPattern(text=pattern).match(folders.split("/")) == found


@pytest.mark.parametrize(
    ("pattern", "folders", "message"),
    [
        pytest.param(TWO, "A89", "its folders 'A89' do not fit '{subject_id}/{vessel_id}'", id="too few"),
        pytest.param(TWO, "A89/V1/x", "do not fit", id="too many"),
        pytest.param(TWO, "", "no folder lies between the file and the imported one", id="none"),
        pytest.param("mouse {subject_id}", "Mouse 7", "do not fit", id="other letters"),
        pytest.param("a.b {subject_id}", "axb 1", "do not fit", id="a point is a point"),
        pytest.param("{subject_id}/{subject_id}", "A/B", "do not fit", id="not the same"),
        pytest.param("{subject_id}_{vessel_id}", "a_b_c", "in several ways: subject id is 'a' or 'a_b'", id="several ways"),
        pytest.param("{line_orientation}", "oblique", "line_orientation must be along, across, unknown", id="no choice"),
    ],
)
def test_of_folders_that_do_not_fit_nothing_is_taken(pattern, folders, message):
    with pytest.raises(MetadataError) as caught:
        FolderPattern(text=pattern).match(folders.split("/") if folders else ())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "it names no entry in braces"),
        ("mice/*", "it names no entry in braces"),
        ("{mouse}", "there is no entry 'mouse'; there are subject id, vessel id"),
        ("{subject_id}//{vessel_id}", "a folder in it has no name"),
        ("{subject_id}/{vessel_id", "the braces in '{vessel_id' are not closed"),
        ("{{subject_id}}", "are not closed, or within each other"),
        ("{subject_id}*", "'{subject_id}*' has a star"),
        ("**/{subject_id}", "can only be at the end"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(pattern, message):
    with pytest.raises(MetadataError) as caught:
        FolderPattern(text=pattern)
    assert message in str(caught.value)


def test_new_images_get_what_their_folders_name(laboratory, dataset):
    report = dataset.import_folder(laboratory)
    named = fill_from_folders(dataset, laboratory, FolderPattern(text=TWO), report)
    assert experiments(dataset) == {
        "one": {"subject_id": "A89", "vessel_id": "V1"},
        "two": {"subject_id": "A89", "vessel_id": "V2"},
        "three": {"subject_id": "A90", "vessel_id": "V1"},
        "four": {},
    }
    assert list(named.not_fitting) == [laboratory / "four.tif"]
    assert named.summary() == "from folder names: 3 records changed; the folders of 1 file do not fit"


def test_images_that_were_there_get_them_too_and_what_a_person_entered_stays(laboratory, dataset):
    dataset.import_folder(laboratory)
    ids = {RecordMetadata.load(record).header.name: record.image_id for record in dataset.iter_records()}
    edit_metadata(dataset, [ids["one"]], MetadataEdit(experiment={"subject_id": "B1", "note": "mine", "vessel_id": ""}))
    edit_metadata(dataset, [ids["two"]], MetadataEdit(experiment={"subject_id": "A89", "vessel_id": "V2"}))
    named = fill_from_folders(dataset, laboratory, FolderPattern(text=TWO), dataset.import_folder(laboratory))
    assert experiments(dataset)["one"] == {"subject_id": "B1", "note": "mine", "vessel_id": "V1"}
    assert list(named.notes()) == ["one: subject_id stays 'B1', not 'A89'"]
    assert (named.edit.unchanged, len(named.edit.changed)) == ((ids["two"],), 2)


def test_it_is_taken_back_as_any_edit(laboratory, dataset):
    named = fill_from_folders(dataset, laboratory, FolderPattern(text=TWO), dataset.import_folder(laboratory))
    undo_edit(dataset, named.edit)
    assert set(map(len, experiments(dataset).values())) == {0}


def test_files_that_moved_get_the_names_of_the_folders_that_they_are_in_now(laboratory, dataset):
    dataset.import_folder(laboratory)
    (laboratory / "A89").rename(laboratory / "A91")
    fill_from_folders(dataset, laboratory, FolderPattern(text=TWO), dataset.import_folder(laboratory))
    assert experiments(dataset)["one"] == {"subject_id": "A91", "vessel_id": "V1"}


@pytest.mark.skipif(sys.platform == "win32", reason="makes a symbolic link")
def test_a_link_has_the_names_of_the_folders_that_it_is_in(laboratory, dataset, tmp_path):
    scan(tmp_path / "elsewhere" / "five.tif", 5)
    (laboratory / "A89" / "V1" / "five.tif").symlink_to(tmp_path / "elsewhere" / "five.tif")
    (laboratory / "A90" / "V1" / "again.tif").symlink_to(laboratory / "A89" / "V2" / "two.tif")
    named = fill_from_folders(dataset, laboratory, FolderPattern(text=TWO), dataset.import_folder(laboratory))
    assert experiments(dataset)["five"] == {"subject_id": "A89", "vessel_id": "V1"}
    assert experiments(dataset)["two"] == {"subject_id": "A89", "vessel_id": "V2"}
    assert {path.name for path in named.not_fitting} == {"four.tif", "again.tif"}


def test_an_exported_dataset_has_no_folders_to_name_anything(laboratory, dataset, tmp_path):
    dataset.import_folder(laboratory)
    dataset.export_legacy_folder(tmp_path / "exported")
    with pytest.raises(MetadataError, match="import it without folder names"):
        check_has_folders(tmp_path / "exported")


class TestOnTheCommandLine:
    def run(self, *arguments):
        return CliRunner().invoke(app, [str(one) for one in arguments])

    def test_the_table_has_columns_and_what_does_not_fit_is_named(self, laboratory, tmp_path):
        result = self.run("import", laboratory, tmp_path / "lab.zarr", "--folder-names", TWO)
        assert result.exit_code == 1
        assert f"nothing taken from the folders of {laboratory / 'four.tif'}: no folder lies between" in result.stderr
        images = KymDataset(tmp_path / "lab.zarr", mode="r").get_table("images").set_index("name")
        assert images["exp_subject_id"].dropna().to_dict() == {"one": "A89", "two": "A89", "three": "A90"}
        assert images["exp_vessel_id"].dropna().to_dict() == {"one": "V1", "two": "V2", "three": "V1"}

    @pytest.mark.slow
    def test_a_refresh_fills_the_tables_too(self, laboratory, tmp_path):
        (laboratory / "four.tif").unlink()
        self.run("import", laboratory, tmp_path / "lab.zarr")
        result = self.run("refresh", tmp_path / "lab.zarr", laboratory, "--folder-names", TWO, "--json")
        assert result.exit_code == 0
        assert len(json.loads(result.stdout)["folder_names"]["changed"]) == 3
        images = KymDataset(tmp_path / "lab.zarr", mode="r").get_table("images")
        assert images["exp_subject_id"].notna().all()

    def test_a_pattern_that_cannot_be_used_imports_nothing(self, laboratory, tmp_path):
        result = self.run("import", laboratory, tmp_path / "lab.zarr", "--folder-names", "{animal}")
        assert (result.exit_code, (tmp_path / "lab.zarr").exists()) == (1, False)
        assert "there is no entry 'animal'" in result.stderr

    def test_they_survive_an_export(self, laboratory, tmp_path):
        self.run("import", laboratory, tmp_path / "lab.zarr", "--folder-names", TWO)
        self.run("export", tmp_path / "lab.zarr", tmp_path / "out")
        self.run("import", tmp_path / "out", tmp_path / "again.zarr")
        one, other = (experiments(ZarrDataset(tmp_path / name, mode="r")) for name in ("lab.zarr", "again.zarr"))
        assert one == other != {}

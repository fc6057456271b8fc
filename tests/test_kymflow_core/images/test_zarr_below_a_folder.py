"""OME-Zarr images below an imported folder are imported; datasets and other zarr folders are left out, and reported."""

import json
import shutil
import sys

import numpy as np
import pytest
import tifffile
import zarr

from kymflow_core import AcqImage, FolderPattern, fill_from_folders
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.ome_metadata import describe_header
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import SourceError
from kymflow_zarr.exporting.ome_zarr import write_ome_zarr

HEADER = AcquisitionHeader(name="scan", seconds_per_line=0.002, um_per_pixel=0.25)


def write_image(path, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((40, 12), value, np.uint16)
    write_ome_zarr(path, pixels, axes=("y", "x"), described=describe_header(HEADER), labels={})
    return path


def write_group(path, **attributes):
    zarr.create_group(path, zarr_format=2, attributes=attributes)
    return path


@pytest.fixture
def folder(tmp_path):
    """A TIFF, and two OME-Zarr images further down."""
    made = tmp_path / "scans"
    write_image(made / "A89" / "V1" / "one.ome.zarr", 1)
    write_image(made / "A89" / "two.zarr", 2)
    tifffile.imwrite(made / "three.tif", np.full((40, 12), 3, np.uint16))
    return made


def values_of(dataset, files):
    return {file.path.name: int(dataset.record(file.image_id).load_array()[0, 0]) for file in files}


def test_images_are_imported_with_their_calibration(folder, dataset):
    report = dataset.import_folder(folder)
    assert values_of(dataset, report.imported) == {"one.ome.zarr": 1, "two.zarr": 2, "three.tif": 3}
    assert (report.failed, report.notes) == ((), ())
    by_name = {file.path.name: file.image_id for file in report.imported}
    header = AcqImage(dataset.record(by_name["two.zarr"])).header
    assert (header.seconds_per_line, header.um_per_pixel, header.calibration_source) == (0.002, 0.25, "ome_zarr")


def test_the_same_folder_again_has_nothing_new_and_a_change_is_found(folder, dataset):
    dataset.import_folder(folder)
    again = dataset.import_folder(folder)
    assert (again.summary(), again.incomplete) == ("0 imported, 3 skipped", ())
    shutil.rmtree(folder / "A89" / "two.zarr")
    write_image(folder / "A89" / "two.zarr", 9)
    assert dataset.import_folder(folder).changed == (folder / "A89" / "two.zarr",)
    report = dataset.import_folder(folder, on_changed="reingest_if_changed")
    assert values_of(dataset, report.replaced) == {"two.zarr": 9}


def test_an_image_that_was_imported_by_itself_is_known_below_its_folder(folder, dataset):
    dataset.import_folder(folder / "A89" / "two.zarr")
    report = dataset.import_folder(folder)
    assert (len(report.imported), len(report.skipped), report.incomplete) == (2, 1, ())


def test_images_of_a_collection_are_images(folder, dataset):
    collection = write_group(folder / "slides.zarr", **{"bioformats2raw.layout": 3})
    for number in (0, 1, 10):
        write_image(folder.parent / f"{number}.zarr", 20 + number).rename(collection / str(number))
    report = dataset.import_folder(folder)
    assert {"0": 20, "1": 21, "10": 30}.items() <= values_of(dataset, report.imported).items()
    assert report.failed == ()


def test_datasets_and_other_groups_are_left_out_and_named(folder, dataset, older_dataset_path, tmp_path):
    ZarrDataset(folder / "other.zarr").import_folder(folder / "A89" / "two.zarr")
    shutil.copytree(older_dataset_path, folder / "old.zarr")
    write_group(folder / "table.zarr", rows=3)
    (folder / "empty.zarr").mkdir()
    report = dataset.import_folder(folder)
    assert (len(report.imported), report.failed) == (3, ())
    assert {note.removeprefix(f"{folder}/") for note in report.notes} == {
        "other.zarr was skipped: it is a dataset of this program; open it instead",
        "old.zarr was skipped: it is a dataset of the older program; make a copy of it with `napari-kymflow upgrade`",
        "table.zarr was skipped: it is no OME-Zarr image",
        "empty.zarr was skipped: it is no OME-Zarr image",
    }


def test_the_dataset_that_is_filled_may_lie_in_the_folder(folder):
    inside = ZarrDataset(folder / "lab.zarr")
    for count in (3, 0):
        report = inside.import_folder(folder)
        assert (len(report.imported), report.notes, report.failed) == (count, (), ())


def test_a_folder_with_a_dataset_alone_has_nothing_to_import(dataset, tmp_path):
    ZarrDataset(tmp_path / "in" / "other.zarr").import_folder(write_image(tmp_path / "one.zarr"))
    with pytest.raises(SourceError, match=r"nothing was imported; .*other\.zarr was skipped: it is a dataset of this"):
        dataset.import_folder(tmp_path / "in")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        pytest.param("{", "two.zarr cannot be read", id="broken"),
        pytest.param({"version": "0.5", "plate": {}}, "is a plate of wells", id="plate"),
        pytest.param({"version": "9", "multiscales": [{}]}, "has version '9' of OME-Zarr", id="later version"),
    ],
)
def test_one_that_cannot_be_read_is_named_and_the_others_are_imported(attributes, reason, folder, dataset):
    document = folder / "A89" / "two.zarr" / "zarr.json"
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": attributes}}
    document.write_text(attributes if isinstance(attributes, str) else json.dumps(group))
    report = dataset.import_folder(folder)
    assert (len(report.imported), len(report.failed)) == (2, 1)
    assert reason in report.failed[0].reason


@pytest.mark.parametrize(("patterns", "count"), [(["*.tif"], 1), (["*.zarr"], 2), (["ONE*"], 1)])
def test_a_pattern_chooses(patterns, count, folder, dataset):
    assert len(dataset.import_folder(folder, patterns=patterns).imported) == count


def test_names_of_channels_put_no_folders_together(folder, dataset):
    for number in (1, 2):
        write_image(folder / f"scan_C{number}.zarr", number)
    report = dataset.import_folder(folder, merge_channels=True)
    assert (len(report.imported), report.failed) == (5, ())


def test_folder_names_are_those_around_the_image(folder, dataset):
    report = dataset.import_folder(folder, patterns=["*.zarr"])
    named = fill_from_folders(dataset, folder, FolderPattern(text="{subject_id}/{vessel_id}"), report)
    assert (len(named.edit.changed), list(named.not_fitting)) == (1, [folder / "A89" / "two.zarr"])


@pytest.mark.skipif(sys.platform == "win32", reason="makes a symbolic link")
def test_a_link_to_an_image_is_not_followed(folder, dataset, tmp_path):
    write_image(tmp_path / "elsewhere.zarr")
    (folder / "link.zarr").symlink_to(tmp_path / "elsewhere.zarr", target_is_directory=True)
    assert len(dataset.import_folder(folder).imported) == 3

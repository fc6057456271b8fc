"""What the reader opens, what it declines, and what it says of broken datasets."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import zarr
from napari.utils.notifications import notification_manager

from kymflow_zarr import ZarrDataset
from kymflow_zarr.upgrade import upgrade_dataset
from napari_kymflow import _reader
from napari_kymflow._reader import NOTHING, get_reader
from napari_kymflow.layers.tags import tag_of


@pytest.fixture
def messages():
    """The texts of the notifications that are shown from here on."""
    before = len(notification_manager.records)
    return lambda: [str(record.message) for record in notification_manager.records[before:]]


def record_folder(path):
    return path / "images" / ZarrDataset(path).list_image_ids()[1]


@pytest.mark.parametrize(
    "dropped",
    [
        pytest.param(lambda path: path, id="the dataset's folder"),
        pytest.param(lambda path: path / "zarr.json", id="the dataset's zarr.json"),
        pytest.param(record_folder, id="a record's folder"),
        pytest.param(lambda path: record_folder(path) / "zarr.json", id="a record's zarr.json"),
    ],
)
def test_a_dataset_and_a_record_are_ours(demo_path, dropped):
    layers = get_reader(str(dropped(demo_path)))(str(dropped(demo_path)))
    assert [kind for _, _, kind in layers] == ["image", "image", "shapes"]


def test_a_dropped_record_is_the_one_that_opens(demo_path):
    folder = record_folder(demo_path)
    layers = _reader.read(str(folder))
    assert layers[0][1]["metadata"]["kymflow"].image_id == folder.name


def test_a_renamed_dataset_is_still_ours(demo_path):
    renamed = demo_path.rename(demo_path.with_name("my data"))
    assert get_reader(str(renamed)) is not None


def foreign_zarr(tmp_path):
    zarr.create_group(tmp_path / "foreign.zarr")
    return tmp_path / "foreign.zarr"


def foreign_v2(tmp_path):
    zarr.create_group(tmp_path / "foreign.zarr", zarr_format=2, attributes={"format": "somebody else's"})
    return tmp_path / "foreign.zarr"


def empty_folder(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    return tmp_path / "empty.zarr"


def text_file(tmp_path):
    (tmp_path / "text.zarr").write_text("text")
    return tmp_path / "text.zarr"


def list_json(tmp_path):
    folder = empty_folder(tmp_path)
    (folder / "zarr.json").write_text("[1, 2]")
    return folder


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(foreign_zarr, id="a foreign zarr v3 group"),
        pytest.param(foreign_v2, id="a foreign zarr v2 group"),
        pytest.param(empty_folder, id="an empty folder"),
        pytest.param(text_file, id="a file"),
        pytest.param(list_json, id="a zarr.json that is a list"),
        pytest.param(lambda tmp_path: tmp_path / "gone.zarr", id="nothing"),
    ],
)
def test_what_is_not_ours_is_declined(tmp_path, make):
    assert get_reader(str(make(tmp_path))) is None


def test_several_paths_at_once_are_declined(demo_path):
    assert get_reader([str(demo_path), str(demo_path)]) is None


def test_declining_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from napari_kymflow._reader import get_reader; "
        f"assert get_reader({str(foreign_zarr(tmp_path))!r}) is None; "
        "heavy = {'pandas', 'zarr', 'napari', 'qtpy', 'kymflow_zarr', 'kymflow_core'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def torn_root(path):
    (path / "zarr.json").write_text('{"zarr_format": 3, "attrib')
    return "is not readable JSON"


def lost_root(path):
    (path / "zarr.json").unlink()
    return "restore that file from a backup"


def newer_version(path):
    text = (path / "zarr.json").read_text().replace('"schema_version": 2', '"schema_version": 99')
    (path / "zarr.json").write_text(text)
    return "has schema version 99"


@pytest.mark.parametrize("damage", [torn_root, lost_root, newer_version], ids=lambda damage: damage.__name__)
def test_a_broken_dataset_gives_one_message_and_no_layer(demo_path, messages, damage):
    expected = damage(demo_path)
    layers = get_reader(str(demo_path))(str(demo_path))
    assert layers == NOTHING
    assert len(messages()) == 1
    assert expected in messages()[0]


def test_without_a_window_a_dataset_of_the_older_program_is_refused_with_the_way_out(older_dataset_path, messages):
    assert get_reader(str(older_dataset_path))(str(older_dataset_path)) == NOTHING
    assert ["napari-kymflow upgrade OLD.zarr NEW.zarr" in text for text in messages()] == [True]


def test_a_mask_of_the_older_program_lies_at_its_rectangle(older_dataset_path, tmp_path):
    upgrade_dataset(older_dataset_path, tmp_path / "new.zarr")
    ((mask, _, _),) = [layer for layer in _reader.read(str(tmp_path / "new.zarr")) if layer[1]["name"] == "mask"]
    inside = np.zeros((400, 38), np.uint8)
    inside[5:60, 3:15] = 1
    np.testing.assert_array_equal(mask, inside)


def test_damaged_records_are_counted_and_the_next_one_opens(demo_path, messages):
    layers = _reader.read(str(demo_path))
    first = layers[0][1]["metadata"]["kymflow"].image_id
    shutil.rmtree(demo_path / "images" / first / "data" / "c")
    layers = _reader.read(str(demo_path))
    assert layers[0][1]["metadata"]["kymflow"].image_id != first
    (text,) = messages()
    assert text.startswith("At least 1 of 3 records is damaged")
    assert "has lost 1 of its files" in text
    assert f"napari-kymflow verify {demo_path}" in text


def test_a_dataset_without_images_says_what_to_do(tmp_path, messages):
    ZarrDataset.create(tmp_path / "new.zarr")
    assert _reader.read(str(tmp_path / "new.zarr")) == NOTHING
    assert "has no image yet" in messages()[0]


def test_reading_writes_nothing(demo_path):
    before = {path: path.stat().st_mtime_ns for path in demo_path.rglob("*")}
    _reader.read(str(demo_path))
    assert {path: path.stat().st_mtime_ns for path in demo_path.rglob("*")} == before


def test_a_real_record_opens_with_its_three_rois(lab_path):
    pixels, options, _ = _reader.read(str(lab_path))[0]
    assert (pixels.shape, pixels.dtype, options["name"]) == ((30000, 38), np.uint16, "Capillary1_0001")
    assert len(_reader.read(str(lab_path))[-1][1]["features"]["roi_id"]) == 3


def test_layers_of_others_have_no_tag():
    from napari.layers import Image

    assert tag_of(Image(np.zeros((2, 2)))) is None


def test_without_a_window_a_folder_of_tiffs_is_not_ours(olympus_folder):
    assert get_reader(str(olympus_folder)) is None

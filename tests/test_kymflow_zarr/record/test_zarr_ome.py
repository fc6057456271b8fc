"""Records as OME-Zarr images: what the metadata say, that they are valid, and that they are derived."""

import json

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image

from kymflow_zarr import OmeDescription, ZarrDataset
from kymflow_zarr.errors import DamagedError, InvalidValueError, ReadOnlyError
from kymflow_zarr.formats.places import UNBOUND
from kymflow_zarr.formats.seals import seal_document
from kymflow_zarr.importing.add import add_content
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.record.ome import image_to_ome, is_ome_image, ome_order
from kymflow_zarr.tables.sources import Source

LINE_SCAN = OmeDescription(name="scan", steps={"y": 0.002, "x": 0.5}, units={"x": "micrometer"}, notes={"y": "lines"})
SOURCE = Source(
    source_primary_path="a.tif", source_mtime_ns=1, source_size_bytes=1, source_sha256="00", ingested_epoch_ns=1
)
IMAGES = ["yx", "zyx", "cyx", "czyx", "tyx", "tzyx", "tczyx"]
NO_IMAGES = ["x", "zyxc", "tzyxc", "ytx", "xc", "tcx"]


def attributes_of(folder):
    return json.loads((folder / "zarr.json").read_text())["attributes"]


def opened(folder):
    return Image.from_zarr(zarr.open_group(folder, mode="r"))


class TestAxes:
    @pytest.mark.parametrize("axes", IMAGES)
    def test_in_the_order_time_channel_space_they_are_an_image(self, axes):
        assert is_ome_image(tuple(axes))

    @pytest.mark.parametrize("axes", NO_IMAGES)
    def test_others_are_none(self, axes):
        assert not is_ome_image(tuple(axes))

    def test_names_that_ome_zarr_cannot_type_are_none(self):
        assert not is_ome_image(("line", "pixel"))

    @pytest.mark.parametrize(("axes", "ordered"), [("zyxc", "czyx"), ("tzyxc", "tczyx"), ("xy", "yx"), ("yx", "yx")])
    def test_the_order_says_how_to_transpose(self, axes, ordered):
        assert "".join(axes[at] for at in ome_order(tuple(axes))) == ordered

    @pytest.mark.parametrize("axes", ["tcx", "yxq", "x"])
    def test_no_order_makes_an_image_of_what_is_none(self, axes):
        assert ome_order(tuple(axes)) is None


class TestAttributes:
    def test_a_line_scan_is_space_by_space(self):
        assert image_to_ome(("y", "x"), LINE_SCAN) == {
            "version": "0.5",
            "multiscales": [
                {
                    "name": "scan",
                    "axes": [
                        {"name": "y", "type": "space"},
                        {"name": "x", "type": "space", "unit": "micrometer"},
                    ],
                    "datasets": [{"path": "data", "coordinateTransformations": [{"type": "scale", "scale": [0.002, 0.5]}]}],
                    "metadata": {"y": "lines"},
                }
            ],
        }

    def test_what_is_not_known_has_the_step_1_and_no_unit(self):
        (image,) = image_to_ome(("t", "y", "x"), OmeDescription(units={"x": "micrometer"}))["multiscales"]
        assert image["datasets"][0]["coordinateTransformations"][0]["scale"] == [1.0, 1.0, 1.0]
        assert "unit" not in image["axes"][2]

    @pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_step_that_is_none_is_refused(self, step):
        with pytest.raises(InvalidValueError, match=r"steps along axes must be positive numbers, not \{'x': "):
            OmeDescription(steps={"x": step})


@pytest.mark.parametrize("axes", IMAGES)
def test_a_record_is_a_valid_image(dataset, rng, axes):
    record = dataset.add_image(rng.integers(0, 255, (2, 3, 4, 5, 6)[-len(axes) :]).astype("u1"), axes=tuple(axes))
    image = opened(dataset.path / "images" / record.image_id)
    assert [axis.name for axis in image.attributes.ome.multiscales[0].axes] == list(axes)


@pytest.mark.parametrize("axes", ["zyxc", "tzyxc"])
def test_a_record_whose_channels_come_last_says_nothing(dataset, axes):
    record = dataset.add_image(np.zeros((2,) * len(axes), "u1"), axes=tuple(axes))
    assert "ome" not in attributes_of(dataset.path / "images" / record.image_id)
    assert not record.save_ome(LINE_SCAN)


def test_what_was_imported_says_what_the_reader_knew(dataset, pixels):
    image_id = add_content(dataset, FileContent(pixels=pixels, axes=("y", "x"), ome=LINE_SCAN), SOURCE)
    assert attributes_of(dataset.path / "images" / image_id)["ome"] == image_to_ome(("y", "x"), LINE_SCAN)


class TestSave:
    def test_it_replaces_what_was_said(self, record, record_folder):
        assert record.save_ome(LINE_SCAN)
        assert attributes_of(record_folder)["ome"] == image_to_ome(("y", "x"), LINE_SCAN)

    def test_the_record_stays_sound_to_the_last_byte(self, dataset, record):
        record.save_ome(LINE_SCAN)
        assert dataset.verify(deep=True).problems == ()

    def test_what_other_programs_noted_stays(self, record, record_folder):
        document = json.loads((record_folder / "zarr.json").read_text())
        document["attributes"]["theirs"] = {"a": 1}
        (record_folder / "zarr.json").write_text(json.dumps(document))
        record.save_ome(LINE_SCAN)
        assert attributes_of(record_folder)["theirs"] == {"a": 1}

    def test_the_same_again_writes_nothing(self, record, record_folder):
        record.save_ome(LINE_SCAN)
        before = (record_folder / "zarr.json").stat()
        record.save_ome(LINE_SCAN)
        assert (record_folder / "zarr.json").stat() == before

    @pytest.mark.parametrize(
        ("old", "new"),
        [("0.5", "0.7"), ('"scale"', '"scalf"'), ('"micrometer"', '"nanometer"')],
        ids=["step", "key", "unit"],
    )
    def test_what_is_changed_in_it_is_found_and_repaired(self, dataset, record, record_folder, old, new):
        record.save_ome(LINE_SCAN)
        path = record_folder / "zarr.json"
        path.write_text(path.read_text().replace(old, new))
        (problem,) = dataset.verify(deep=True).problems
        assert (problem.state, "OME-Zarr metadata that were changed or damaged" in problem.what) == ("repairable", True)
        dataset.verify(deep=True, repair=True)
        assert dataset.verify(deep=True).problems == ()
        assert attributes_of(record_folder)["ome"] == image_to_ome(("y", "x"))

    def test_what_others_add_to_it_is_theirs_and_stays(self, dataset, record, record_folder):
        path = record_folder / "zarr.json"
        document = json.loads(path.read_text())
        document["attributes"]["ome"]["omero"] = {"channels": []}
        path.write_text(json.dumps(document, indent=2) + "\n")
        assert dataset.verify(deep=True).problems == ()
        record.save_ome(LINE_SCAN)
        assert attributes_of(record_folder)["ome"] == {"omero": {"channels": []}, **image_to_ome(("y", "x"), LINE_SCAN)}

    def test_it_comes_back_where_it_was_deleted(self, record, record_folder):
        document = json.loads((record_folder / "zarr.json").read_text())
        del document["attributes"]["ome"]
        (record_folder / "zarr.json").write_text(json.dumps(document))
        assert record.save_ome()
        assert opened(record_folder)

    def test_a_dataset_opened_for_reading_is_left(self, dataset, record, tree_picture):
        before = tree_picture(dataset.path)
        with pytest.raises(ReadOnlyError, match=r"not saved: .* is in a dataset opened for reading only"):
            ZarrDataset(dataset.path, mode="r").record(record.image_id).save_ome(LINE_SCAN)
        assert tree_picture(dataset.path) == before

    def test_damage_is_not_sealed_over(self, record, record_folder):
        document = json.loads((record_folder / "zarr.json").read_text())
        document["attributes"]["created_utc"] = "1999-01-01T00:00:00Z"
        (record_folder / "zarr.json").write_text(json.dumps(document))
        with pytest.raises(DamagedError, match=r"not saved: .* was changed since it was written"):
            record.save_ome(LINE_SCAN)

    def test_a_record_from_before_there_was_such_metadata_gets_them(self, record, record_folder, dataset):
        attributes = attributes_of(record_folder)
        older = {"axes": attributes["axes"], "created_utc": attributes["created_utc"]}
        document = {"zarr_format": 3, "node_type": "group", "attributes": older}
        sealed = seal_document(document, holder="attributes")
        (record_folder / "zarr.json").write_text(json.dumps(sealed, indent=2) + "\n")
        record.save_ome(LINE_SCAN)
        assert "ome" in attributes_of(record_folder)
        assert [problem.what for problem in dataset.verify(deep=True).problems] == [UNBOUND]

"""Images to OME-Zarr folders of their own: valid, whole or not at all, over nothing."""

import json

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image
from ome_zarr_models.v05.labels import Labels

from kymflow_zarr import OmeDescription
from kymflow_zarr.errors import DatasetExistsError, InvalidNameError, InvalidValueError, NotSavedError
from kymflow_zarr.exporting.ome_zarr import LabelImage, write_ome_zarr

DESCRIBED = OmeDescription(name="scan", steps={"y": 0.002, "x": 0.5}, units={"x": "micrometer"})


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out" / "scan.ome.zarr"


@pytest.fixture
def mask():
    mask = np.zeros((20, 6), bool)
    mask[2:5, 1:3] = True
    return mask


def opened(target):
    return zarr.open_group(target, mode="r", zarr_format=3)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_is_a_valid_image(target, pixels):
    write_ome_zarr(target, pixels, axes=("y", "x"), described=DESCRIBED)
    (multiscale,) = Image.from_zarr(opened(target)).attributes.ome.multiscales
    assert (multiscale.name, multiscale.datasets[0].path) == ("scan", "data")


def test_the_pixels_are_the_same(target, pixels):
    write_ome_zarr(target, pixels, axes=("y", "x"))
    np.testing.assert_array_equal(opened(target)["data"][...], pixels, strict=True)


@pytest.mark.parametrize(("axes", "ordered"), [("zyxc", "czyx"), ("tzyxc", "tczyx"), ("xy", "yx")])
def test_axes_are_put_in_order(target, rng, axes, ordered):
    pixels = rng.integers(0, 255, (2, 3, 4, 5, 6)[-len(axes) :]).astype("u1")
    write_ome_zarr(target, pixels, axes=tuple(axes))
    image = Image.from_zarr(opened(target))
    assert "".join(axis.name for axis in image.attributes.ome.multiscales[0].axes) == ordered
    expected = np.einsum(f"{axes}->{ordered}", pixels)
    np.testing.assert_array_equal(opened(target)["data"][...], expected)


class TestLabels:
    def test_they_are_valid_labels(self, target, pixels, mask):
        write_ome_zarr(target, pixels, axes=("y", "x"), labels={"cells": LabelImage(pixels=mask)})
        assert Labels.from_zarr(opened(target)["labels"]).label_paths == ["cells"]
        assert Image.from_zarr(opened(target))

    def test_true_and_false_become_1_and_0(self, target, pixels, mask):
        write_ome_zarr(target, pixels, axes=("y", "x"), labels={"cells": LabelImage(pixels=mask)})
        np.testing.assert_array_equal(opened(target)["labels/cells/data"][...], mask.astype("u1"), strict=True)

    def test_what_is_known_of_a_value_stands_in_its_properties(self, target, pixels, mask):
        label = LabelImage(pixels=mask.astype("u2") * 300, properties={300: {"name": "stall"}})
        write_ome_zarr(target, pixels, axes=("y", "x"), described=DESCRIBED, labels={"cells": label})
        ome = json.loads((target / "labels/cells/zarr.json").read_text())["attributes"]["ome"]
        assert ome["image-label"] == {
            "source": {"image": "../../"},
            "properties": [{"label-value": 300, "name": "stall"}],
        }
        assert ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] == [0.002, 0.5]

    def test_of_an_image_with_channels_they_have_none(self, target, rng):
        labels = {"cells": LabelImage(pixels=np.ones((2, 4, 5), "u1"))}
        write_ome_zarr(target, rng.integers(0, 9, (2, 4, 5, 3)), axes=("z", "y", "x", "c"), labels=labels)
        assert opened(target)["labels/cells/data"].metadata.dimension_names == ("z", "y", "x")

    @pytest.mark.parametrize(
        "label",
        [np.zeros((20, 5), bool), np.zeros((20, 6), float), np.zeros((1, 20, 6), bool)],
        ids=["other shape", "no whole numbers", "more axes"],
    )
    def test_others_are_refused(self, target, pixels, label):
        with pytest.raises(
            InvalidValueError, match=r"not exported: the labels 'cells' are .* of shape \(20, 6\) are needed"
        ):
            write_ome_zarr(target, pixels, axes=("y", "x"), labels={"cells": LabelImage(pixels=label)})
        assert not target.parent.exists()

    @pytest.mark.parametrize("name", ["../x", "A B", "zarr.json", ""])
    def test_a_name_that_is_none_is_refused(self, target, pixels, mask, name):
        with pytest.raises(InvalidNameError, match="labels name"):
            write_ome_zarr(target, pixels, axes=("y", "x"), labels={name: LabelImage(pixels=mask)})


class TestTarget:
    def test_nothing_is_written_over(self, target, pixels, tree_picture):
        target.mkdir(parents=True)
        (target / "mine.txt").write_text("mine")
        before = tree_picture(target)
        with pytest.raises(DatasetExistsError, match=r"not exported: there is something at .*scan\.ome\.zarr already"):
            write_ome_zarr(target, pixels, axes=("y", "x"))
        assert tree_picture(target) == before

    def test_nor_what_comes_there_meanwhile(self, target, pixels, monkeypatch):
        real = write_ome_zarr.__globals__["write_array"]

        def slow(*args, **options):
            target.mkdir(parents=True, exist_ok=True)
            (target / "mine.txt").write_text("mine")
            return real(*args, **options)

        monkeypatch.setattr("kymflow_zarr.exporting.ome_zarr.write_array", slow)
        with pytest.raises(DatasetExistsError, match="choose another name"):
            write_ome_zarr(target, pixels, axes=("y", "x"))
        assert (left_in(target), left_in(target.parent)) == (["mine.txt"], ["scan.ome.zarr"])

    @pytest.mark.parametrize("name", ["scan", "scan.tif", ".zarr"])
    def test_a_name_that_no_program_knows_is_refused(self, tmp_path, pixels, name):
        with pytest.raises(InvalidNameError, match=r"does not end in \.zarr"):
            write_ome_zarr(tmp_path / name, pixels, axes=("y", "x"))

    def test_the_inside_of_a_dataset_is_refused(self, dataset, pixels):
        with pytest.raises(InvalidNameError, match=r"is inside .*made\.zarr, which is data of its own"):
            write_ome_zarr(dataset.path / "images" / "scan.ome.zarr", pixels, axes=("y", "x"))

    def test_nothing_is_left_beside_it(self, target, pixels):
        write_ome_zarr(target, pixels, axes=("y", "x"))
        assert left_in(target.parent) == ["scan.ome.zarr"]

    def test_a_disk_that_fails_leaves_nothing(self, target, pixels, monkeypatch):
        def failing(*_args, **_options):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("kymflow_zarr.disk.steps.flush_tree", failing)
        with pytest.raises(NotSavedError, match="not saved: Input/output error"):
            write_ome_zarr(target, pixels, axes=("y", "x"))
        assert left_in(target.parent) == []


@pytest.mark.parametrize("axes", ["ab", "tx", "xc"])
def test_axes_that_make_no_image_are_refused(target, pixels, axes):
    with pytest.raises(InvalidValueError, match=r"not exported: an image with the axes .* is none of OME-Zarr's"):
        write_ome_zarr(target, pixels, axes=tuple(axes))

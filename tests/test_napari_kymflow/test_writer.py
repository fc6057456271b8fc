"""Layers saved through napari's File ▸ Save: ours as files of other programs, and nobody else's."""

import json
import zipfile
from pathlib import Path

import napari_builtins
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels, Shapes
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest

import napari_kymflow
from kymflow_core import AcqImage
from kymflow_core.roi_files.imagej import rois_from_imagej
from kymflow_zarr.importing.tiffs import read_tiff
from napari_kymflow._writer import write_geojson, write_imagej_rois, write_tiff
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.session.session import record_showing, session_of

MANIFESTS = {
    "ours": Path(napari_kymflow.__file__).with_name("napari.yaml"),
    "napari's": Path(napari_builtins.__file__).with_name("builtins.yaml"),
}


@pytest.fixture
def messages():
    """The texts of the notifications that are shown from here on."""
    before = len(notification_manager.records)
    return lambda: [str(record.message) for record in notification_manager.records[before:]]


@pytest.fixture
def layers(demo_session):
    """The layers of the open record, by role."""
    return {tag_of(layer).role: layer for layer in demo_session.viewer.layers}


def save(write, path, *layers):
    return write(str(path), [layer.as_layer_data_tuple() for layer in layers])


class TestTiff:
    def test_the_pixels_are_the_records_and_not_stretched(self, layers, demo_session, tmp_path):
        assert save(write_tiff, tmp_path / "a.tif", layers["pixels"]) == [str(tmp_path / "a.tif")]
        np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif").pixels, np.asarray(demo_session.record.image.pixels))

    def test_imagej_gets_the_calibration(self, layers, tmp_path):
        save(write_tiff, tmp_path / "a.tif", layers["pixels"])
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert (file.imagej_metadata["unit"], file.imagej_metadata["yunit"]) == ("um", "s")

    def test_a_mask_has_0_and_1(self, layers, demo_session, tmp_path):
        save(write_tiff, tmp_path / "mask.tiff", layers["mask"])
        mask = demo_session.record.image.get_roi_mask(2).astype("u1")
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "mask.tiff"), mask, strict=True)

    def test_labels_have_the_ids_of_their_rois(self, layers, demo_session, tmp_path):
        demo_session.record.selection.select([2])
        demo_session.record.masks.open_labels()
        (labels,) = (layer for layer in demo_session.viewer.layers if isinstance(layer, Labels))
        save(write_tiff, tmp_path / "labels.tif", labels)
        assert np.unique(tifffile.imread(tmp_path / "labels.tif")).tolist() == [0, 2]

    def test_a_channel_of_a_stack_keeps_its_axes(self, demo_session, rng_pixels, tmp_path):
        dataset = demo_session.dataset
        record = dataset.add_image(rng_pixels, axes=("z", "y", "x", "c"))
        demo_session.open_record(record.image_id)
        layer = next(one for one in demo_session.viewer.layers if tag_of(one).role == "pixels")
        save(write_tiff, tmp_path / "stack.tif", layer)
        with tifffile.TiffFile(tmp_path / "stack.tif") as file:
            assert file.series[0].axes == "ZYX"
            np.testing.assert_array_equal(file.asarray(), rng_pixels[..., 0])

    def test_values_that_imagej_does_not_have_are_kept_and_that_is_said(self, demo_session, tmp_path, messages):
        record = demo_session.dataset.add_image(np.full((20, 6), 1 / 3))
        demo_session.open_record(record.image_id)
        layer = next(one for one in demo_session.viewer.layers if tag_of(one).role == "pixels")
        save(write_tiff, tmp_path / "a.tif", layer)
        assert messages()[-1].startswith("a.tif has all values, but not ImageJ's calibration: ImageJ has no float64 images")
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), np.full((20, 6), 1 / 3))

    def test_a_disk_that_refuses_leaves_the_old_file(self, layers, tmp_path, messages, monkeypatch):
        (tmp_path / "a.tif").write_text("old")

        def full(*_args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.write", full)
        assert save(write_tiff, tmp_path / "a.tif", layers["pixels"]) == []
        assert (messages()[-1], (tmp_path / "a.tif").read_text()) == (
            f"not saved: {tmp_path / 'a.tif'}: No space left on device",
            "old",
        )

    def test_nothing_is_left_beside_it(self, layers, tmp_path):
        (tmp_path / "out").mkdir()
        save(write_tiff, tmp_path / "out" / "a.tif", layers["pixels"])
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tif"]


@pytest.fixture
def rng_pixels():
    return np.random.default_rng(0).integers(0, 9, (2, 20, 6, 3)).astype("u1")


class TestRois:
    def test_imagej_gets_those_on_the_screen(self, layers, demo_session, tmp_path):
        assert save(write_imagej_rois, tmp_path / "a.zip", layers["rois"]) == [str(tmp_path / "a.zip")]
        found = rois_from_imagej(tmp_path / "a.zip", next_id=1, shape=demo_session.record.image.slice_shape)
        assert [roi.name for roi in found.rois] == ["vessel", "centre, first half"]

    def test_what_is_not_saved_yet_is_there_too(self, layers, demo_session, tmp_path):
        layers["rois"].add_rectangles(np.array([[[10, 300], [10, 600], [20, 600], [20, 300]]]))
        save(write_geojson, tmp_path / "a.geojson", layers["rois"])
        collection = json.loads((tmp_path / "a.geojson").read_text())
        assert len(collection["features"]) == len(demo_session.record.rois) == 3

    def test_what_is_lost_is_said(self, layers, tmp_path, messages):
        save(write_imagej_rois, tmp_path / "a.zip", layers["rois"])
        assert messages()[-1].startswith("a.zip: ImageJ has no ROI ids")

    def test_two_rois_do_not_go_into_a_file_of_one(self, layers, tmp_path, messages):
        assert save(write_imagej_rois, tmp_path / "a.roi", layers["rois"]) == []
        assert "can hold exactly one ROI, not 2" in messages()[-1]

    def test_of_a_record_that_is_not_open_nothing_is_saved(self, layers, demo_session, tmp_path, messages):
        rois = layers["rois"]
        demo_session.close_record()
        assert save(write_geojson, tmp_path / "a.geojson", rois) == []
        assert "does not show the ROIs of a record that is open now" in messages()[-1]

    def test_the_record_of_a_layer_is_found(self, layers, demo_session):
        assert record_showing(tag_of(layers["rois"])) is demo_session.record


class TestDeclined:
    @pytest.mark.parametrize(
        ("write", "layer"),
        [
            (write_tiff, Image(np.zeros((4, 4)), name="mine")),
            (write_tiff, Labels(np.zeros((4, 4), int), name="mine")),
            (write_imagej_rois, Shapes(name="mine")),
            (write_geojson, Shapes(name="mine")),
        ],
    )
    def test_a_layer_that_is_none_of_ours(self, tmp_path, write, layer, messages):
        ending = {write_tiff: "tif", write_imagej_rois: "zip", write_geojson: "geojson"}[write]
        assert save(write, tmp_path / f"a.{ending}", layer) == []
        assert messages()[-1].startswith("“mine” is no layer of a kymflow record, so Kymflow does not save it: choose")
        assert list(tmp_path.glob("a.*")) == []

    def test_two_layers(self, layers, tmp_path, messages):
        assert save(write_tiff, tmp_path / "a.tif", layers["pixels"], layers["mask"]) == []
        assert messages()[-1] == "Kymflow saves one layer at a time: select it, and use Save Selected Layers."

    def test_another_ending(self, layers, tmp_path, messages):
        assert save(write_tiff, tmp_path / "a.png", layers["pixels"]) == []
        assert messages()[-1] == "a.png is not saved: Kymflow writes .tif and .tiff here; give it such a name."

    def test_a_name_without_an_ending_gets_one(self, layers, tmp_path):
        assert save(write_geojson, tmp_path / "a", layers["rois"]) == [str(tmp_path / "a.geojson")]

    def test_but_never_that_of_a_file_that_nobody_was_asked_about(self, layers, tmp_path, messages):
        (tmp_path / "a.geojson").write_text("old")
        assert save(write_geojson, tmp_path / "a", layers["rois"]) == []
        assert (tmp_path / "a.geojson").read_text() == "old"
        assert messages()[-1].startswith("a.geojson is there already, and was not replaced")


class TestWhoIsAsked:
    @pytest.fixture(params=[["ours", "napari's"], ["napari's", "ours"]], ids=["ours first", "napari first"])
    def manager(self, request):
        """A plugin manager that found the plugins in some order."""
        manager = PluginManager()
        for name in request.param:
            manager.register(PluginManifest.from_file(MANIFESTS[name]))
        return manager

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("path", "kind", "command"),
        [
            ("a.tif", "image", "napari.write_image"),
            ("a.tiff", "labels", "napari.write_labels"),
            ("a", "image", "napari.write_image"),
            ("a", "labels", "napari.write_labels"),
            ("a", "shapes", "napari.write_shapes"),
            ("a.csv", "shapes", "napari.write_shapes"),
            ("a.zip", "shapes", "napari-kymflow.write_imagej_rois"),
            ("a.geojson", "shapes", "napari-kymflow.write_geojson"),
        ],
    )
    def test_nobodys_saving_comes_to_us_unasked(self, manager, path, kind, command):
        assert manager.get_writer(path, [kind])[0].command == command

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("path", "kind", "command"),
        [("a.tif", "image", "write_tiff"), ("a.tif", "labels", "write_tiff"), ("a", "shapes", "write_imagej_rois")],
    )
    def test_who_asks_for_us_gets_us(self, manager, path, kind, command):
        writer, _ = manager.get_writer(path, [kind], plugin_name="napari-kymflow")
        assert writer.command == f"napari-kymflow.{command}"

    @pytest.mark.slow
    @pytest.mark.parametrize("kinds", [["image", "shapes"], ["image", "labels"], ["image", "image"], ["shapes", "shapes"]])
    def test_several_layers_are_not_ours_to_save(self, manager, kinds):
        assert not [one for one in manager.iter_compatible_writers(kinds) if one.command.startswith("napari-kymflow")]


@pytest.mark.everyday
def test_a_real_viewer_saves_through_us(make_napari_viewer, demo_path, tmp_path):
    viewer = make_napari_viewer()
    session = session_of(viewer)
    session.open_dataset(demo_path)
    session.open_record(session.image_ids[0])
    pixels, _, rois = viewer.layers
    assert pixels.save(str(tmp_path / "a.tif"), plugin="napari-kymflow") == [str(tmp_path / "a.tif")]
    viewer.layers.selection = {rois}
    assert viewer.layers.save(str(tmp_path / "a.zip"), selected=True) == [str(tmp_path / "a.zip")]
    assert zipfile.is_zipfile(tmp_path / "a.zip")
    image = AcqImage.from_path(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, np.asarray(session.record.image.pixels))
    session.close_record()


def test_a_users_own_tiff_is_napari_s_business(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.arange(12, dtype="u1").reshape(4, 3))
    assert layer.save(str(tmp_path / "mine.tif")) == [str(tmp_path / "mine.tif")]
    with tifffile.TiffFile(tmp_path / "mine.tif") as file:
        assert not file.is_imagej

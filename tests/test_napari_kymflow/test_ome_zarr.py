"""Records and exported images in another plugin's reader of OME-Zarr, which shows what other programs see."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_ome_zarr import napari_get_reader

from kymflow_core import AcqImage, export_ome_zarr
from kymflow_zarr import ZarrDataset
from napari_kymflow._reader import get_reader

# The other reader's own use of pandas, of 3.1 and later.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")


@pytest.fixture
def image(demo_path):
    """The first record of the demo dataset, which has a mask."""
    return AcqImage(next(ZarrDataset(demo_path).iter_records()))


@pytest.fixture
def folder(demo_path, image):
    return demo_path / "images" / image.source.image_id


@pytest.fixture
def exported(image, tmp_path):
    export_ome_zarr(image, tmp_path / "scan.ome.zarr")
    return tmp_path / "scan.ome.zarr"


def read(path):
    """Return what napari-ome-zarr reads, as layers of a viewer."""
    reader = napari_get_reader(str(path))
    viewer = ViewerModel()
    for levels, options, kind in reader(str(path)):
        getattr(viewer, f"add_{kind}")(levels[0], **options)
    return viewer.layers


class TestRecord:
    @pytest.mark.slow
    def test_it_is_one_image_with_the_same_pixels(self, folder, image):
        (layer,) = read(folder)
        np.testing.assert_array_equal(np.asarray(layer.data), np.asarray(image.pixels))

    @pytest.mark.slow
    def test_it_has_its_axes_and_scale(self, folder, image):
        (layer,) = read(folder)
        assert layer.axis_labels == ("y", "x")
        assert tuple(layer.scale) == (image.header.seconds_per_line, image.header.um_per_pixel)


class TestExported:
    def test_the_pixels_are_the_same(self, exported, image):
        np.testing.assert_array_equal(np.asarray(read(exported)[0].data), np.asarray(image.pixels))

    def test_the_masks_are_labels_with_the_rois_ids(self, exported, image):
        (labels,) = read(exported)[1:]
        (roi,) = (roi for roi in image.rois if roi.mask_ref)
        expected = np.where(image.get_roi_mask(roi.roi_id), roi.roi_id, 0)
        np.testing.assert_array_equal(np.asarray(labels.data), expected)

    def test_a_label_has_its_rois_name(self, exported, image):
        (labels,) = read(exported)[1:]
        (roi,) = (roi for roi in image.rois if roi.mask_ref)
        assert labels.features["name"].tolist() == [roi.name]

    def test_our_reader_leaves_it_to_others(self, exported):
        assert get_reader(str(exported)) is None

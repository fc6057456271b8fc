"""ROIs that ImageJ saved inside a TIFF, its selection and its overlay, are the record's."""

import json

import numpy as np
import pytest
import tifffile
from roifile import ROI_TYPE, ImagejRoi

from kymflow_core import AcqImage
from kymflow_core.images.acquisition_file import read_acquisition_file, read_for_import
from kymflow_core.roi import MaskROI, RectROI, RoiSet
from kymflow_zarr import ZarrDataset

SHAPE = (40, 12)


def rect(x0, y0, x1, y1, name=""):
    roi = ImagejRoi.frompoints([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], name=name)
    roi.roitype = ROI_TYPE.RECT
    roi.left, roi.top, roi.right, roi.bottom = x0, y0, x1, y1
    roi.integer_coordinates = roi.subpixel_coordinates = None
    roi.n_coordinates = 0
    return roi.tobytes()


def polygon(points, name=""):
    return ImagejRoi.frompoints(points, name=name).tobytes()


@pytest.fixture
def write(tmp_path):
    """A function that writes a TIFF of ImageJ's with entries of its own, and returns its path."""

    def write_tiff(pixels=None, **entries):
        path = tmp_path / "scan.tif"
        tifffile.imwrite(path, np.zeros(SHAPE, np.uint16) if pixels is None else pixels, imagej=True, metadata=entries)
        return path

    return write_tiff


def rois_of(content):
    return RoiSet.from_json(content.metadata.get("rois", []), next_id=content.metadata.get("next_roi_id", 1))


def test_the_selection_and_the_overlay_are_rois(write):
    path = write(ROI=rect(2, 5, 7, 15, "vessel"), Overlays=[polygon([[1, 1], [8, 1], [4, 9]], "bend"), rect(0, 0, 3, 4)])
    content = read_for_import(path)
    first, second, third = rois_of(content)
    assert (first, third) == (
        RectROI(roi_id=1, name="vessel", x0=2, x1=7, y0=5, y1=15),
        RectROI(roi_id=3, name="overlay 2", x0=0, x1=3, y0=0, y1=4),
    )
    assert isinstance(second, MaskROI)
    assert second.name == "bend"
    assert content.masks["roi_mask_2"].shape == SHAPE
    assert content.masks["roi_mask_2"][3, 4]
    assert not content.masks["roi_mask_2"][20:].any()
    assert content.notes[0] == "ImageJ's ROIs in it were taken: 'vessel', 'bend', 'overlay 2'"


def test_a_selection_that_is_in_the_overlay_too_is_one_roi(write):
    same = rect(2, 5, 7, 15, "vessel")
    assert len(rois_of(read_for_import(write(ROI=same, Overlays=[same])))) == 1


def test_what_cannot_be_a_roi_is_named(write):
    points = ImagejRoi.frompoints([[1, 1], [2, 2]], name="cells")
    points.roitype = ROI_TYPE.POINT
    content = read_for_import(write(ROI=points.tobytes(), Overlays=[b"Iout and no more", rect(90, 90, 95, 95, "far")]))
    assert "rois" not in content.metadata
    said = [line.removeprefix("of ImageJ's ROIs in it, ").partition(": left out: ") for line in content.notes[:3]]
    assert {name: bool(reason) for name, _, reason in said} == {"'cells'": True, "'overlay 1'": True, "'far'": True}


def test_those_of_the_older_program_come_first(write):
    path = write(ROI=rect(2, 5, 7, 15, "vessel"))
    envelope = RectROI(roi_id=7, name="older", x0=0, x1=3, y0=0, y1=4).to_dict()
    path.with_suffix(".json").write_text(json.dumps({"rois": [envelope]}))
    rois = rois_of(read_for_import(path))
    assert [(roi.roi_id, roi.name) for roi in rois] == [(7, "older"), (8, "vessel")]
    assert rois.next_id == 9


def test_those_that_were_saved_beside_the_tiff_are_all_there_are(write):
    image = AcqImage.from_path(write(ROI=rect(2, 5, 7, 15, "vessel")))
    assert [roi.name for roi in image.rois] == ["vessel"]
    image.delete_roi(1)
    assert len(rois_of(read_for_import(image.source.path))) == 0


def test_those_of_one_line_images_are_left_out(write):
    content = read_acquisition_file(write(np.zeros((30, 1, 12), np.uint16), axes="TYX", ROI=rect(2, 0, 7, 1)))
    assert content.axes == ("y", "x")
    assert "rois" not in content.metadata
    assert content.notes[0] == "1 of ImageJ's ROIs in it were left out: they lie in images of 1 lines"


def test_their_pixels_are_measured_in_a_record(write, tmp_path):
    pixels = np.arange(40 * 12, dtype=np.uint16).reshape(SHAPE)
    path = write(pixels, ROI=polygon([[1, 1], [8, 1], [4, 9]], "bend"))
    dataset = ZarrDataset.create(tmp_path / "d.zarr")
    (imported,) = dataset.import_paths([path], read_file=read_for_import).imported
    in_record, beside = AcqImage(dataset.record(imported.image_id)), AcqImage.from_path(path)
    assert in_record.roi_stats(1) == beside.roi_stats(1)
    assert in_record.roi_stats(1).n > 10

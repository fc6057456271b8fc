"""What the pixels of many ROIs say: as the image says one by one, and without an error where something is lost."""

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from kymflow_core import AcqImage, MaskROI, RectROI
from kymflow_core.images.roi_facts import RoiFacts, examine_rois
from kymflow_core.roi import DrawnShape
from kymflow_core.roi.bounds import Bounds
from kymflow_core.roi.masks import MaskState

SHAPE = (40, 30)
SQUARE = DrawnShape(type="polygon", vertices=((4.0, 3.0), (4.0, 8.0), (10.0, 8.0), (10.0, 3.0)))


@pytest.fixture
def image(dataset, rng) -> AcqImage:
    """An image with a rectangle 1, a saved polygon 2, and a painted ROI 3."""
    image = AcqImage(dataset.add_image(rng.integers(0, 99, SHAPE)))
    image.add_roi(x0=2, x1=9, y0=5, y1=17)
    image.save_rois(image.rois.add(MaskROI(roi_id=2, reference=None, meta={"shape": SQUARE.to_dict()})))
    mask = np.zeros(SHAPE, bool)
    mask[7, 3], mask[30, 20] = True, True
    image.add_mask_roi(mask)
    return image


@pytest.fixture(params=[pytest.param(0, id="few"), pytest.param(10, id="many, whose slice is held")])
def rois(request, image):
    """The image's ROIs, one that is not saved, and further ones."""
    unsaved = MaskROI(roi_id=4, reference=None, meta={"shape": SQUARE.to_dict()})
    more = [RectROI(roi_id=5 + number, x0=number, x1=number + 3, y0=0, y1=9) for number in range(request.param)]
    return [*image.rois, unsaved, *more]


def lose_masks(image, dataset):
    shutil.rmtree(dataset.path / "images" / image.source.image_id / "analysis_arrays")


def test_the_facts_are_those_of_each_roi(image, rois):
    facts = examine_rois(image, rois)
    assert {roi_id: one.stats for roi_id, one in facts.items()} == {roi.roi_id: image.measure(roi) for roi in rois}
    assert {roi_id: one.bounds for roi_id, one in facts.items()} == {roi.roi_id: image.bounds_of(roi) for roi in rois}


def test_the_masks_are_judged(image, rois):
    facts = examine_rois(image, rois)
    assert [facts[number].mask_state for number in (1, 2, 3, 4)] == ["", "mask", "mask", "with the save"]


def test_a_lost_mask_is_no_error_and_hides_no_other_roi(image, dataset, rois):
    lose_masks(image, dataset)
    facts = examine_rois(image, rois)
    place_of_the_polygon = Bounds(x0=3, x1=9, y0=4, y1=11)
    assert facts[2] == RoiFacts(bounds=place_of_the_polygon, mask_state=MaskState.MISSING)
    assert facts[3] == RoiFacts(mask_state=MaskState.MISSING)
    assert facts[1].stats == image.measure(image.rois.get(1))


def test_a_roi_in_a_channel_that_is_not_there_has_no_statistics(dataset, rng, rois):
    image = AcqImage(dataset.add_image(rng.integers(0, 99, (2, *SHAPE)), axes=("c", "y", "x")))
    elsewhere = [replace(roi, channel=7) for roi in rois if isinstance(roi, RectROI)]
    assert {one.stats for one in examine_rois(image, elsewhere).values()} == {None}


def test_each_mask_is_read_once(image, rois, monkeypatch):
    asked = Counter()
    load = type(image.source).load_array_artifact

    def counting(record, name):
        asked[name] += 1
        return load(record, name)

    monkeypatch.setattr(type(image.source), "load_array_artifact", counting)
    examine_rois(image, rois)
    assert asked == {"roi_mask_2": 1, "roi_mask_3": 1}

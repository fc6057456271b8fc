"""What a ROI's stored mask is worth: each kind of ROI in each state, in the rule, the table and the image alike."""

import shutil

import numpy as np
import pytest

from kymflow_core import AcqImage, MaskROI, RectROI
from kymflow_core.images.check_rois import check_rois
from kymflow_core.indexers import RoiIndexer
from kymflow_core.roi import DrawnShape
from kymflow_core.roi.masks import MaskState, load_stored_mask, mask_state
from kymflow_zarr.errors import ArtifactNotFoundError

SHAPE = (30, 20)
REFERENCE = "analysis_arrays/m"
SQUARE = DrawnShape(type="polygon", vertices=((4.0, 3.0), (4.0, 8.0), (10.0, 8.0), (10.0, 3.0)))


def square(shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[4:11, 3:9] = True
    return mask


def rect(reference=REFERENCE):
    return RectROI(roi_id=1, x0=3, x1=9, y0=4, y1=11, meta={} if reference is None else {"mask_ref": reference})


def drawn(reference=REFERENCE):
    return MaskROI(roi_id=1, reference=reference, meta={"shape": SQUARE.to_dict()})


PAINTED = MaskROI(roi_id=1, reference=REFERENCE)

CASES = [
    pytest.param(rect(None), None, "", id="rectangle without a mask"),
    pytest.param(rect(), square(), "mask", id="rectangle"),
    pytest.param(rect(), np.ones((7, 6), bool), "mask", id="rectangle, as the older program stored it"),
    pytest.param(rect(), ~square(), "mask outdated", id="rectangle changed since"),
    pytest.param(rect(), square((20, 30)), "mask outdated", id="rectangle, mask of another shape"),
    pytest.param(rect(), None, "mask missing", id="rectangle, mask lost"),
    pytest.param(rect("elsewhere/m"), square(), "mask missing", id="rectangle, reference to no array"),
    pytest.param(drawn(None), None, "with the save", id="drawn, not saved"),
    pytest.param(drawn(), square(), "mask", id="drawn"),
    pytest.param(drawn(), None, "mask missing", id="drawn, mask lost"),
    pytest.param(drawn(), square((20, 30)), "mask damaged", id="drawn, mask of another shape"),
    pytest.param(PAINTED, square(), "mask", id="painted"),
    pytest.param(PAINTED, square() * 255, "mask", id="painted, as numbers"),
    pytest.param(PAINTED, None, "mask missing", id="painted, mask lost"),
    pytest.param(PAINTED, square((20, 30)), "mask damaged", id="painted, mask of another shape"),
]


class Arrays:
    """A mask in memory, or none."""

    def __init__(self, stored):
        self._stored = stored

    def load_array_artifact(self, name):
        if name != "m" or self._stored is None:
            raise ArtifactNotFoundError(name)
        return self._stored


@pytest.mark.parametrize(("roi", "stored", "expected"), CASES)
def test_the_state_of(roi, stored, expected):
    found = load_stored_mask(Arrays(stored), roi, SHAPE)
    assert found.state == expected
    usable = found.state == MaskState.SOUND
    assert (found.pixels is not None) >= usable
    if usable:
        assert np.array_equal(found.pixels, square())


def test_the_rule_is_pure():
    assert mask_state(PAINTED, square(), SHAPE) is MaskState.SOUND


@pytest.fixture(params=["rectangle", "drawn", "painted"])
def masked(request, dataset, rng) -> AcqImage:
    """An image with one ROI of a kind, with its mask."""
    image = AcqImage(dataset.add_image(rng.integers(0, 9, SHAPE)))
    if request.param == "rectangle":
        image.add_roi(x0=3, x1=9, y0=4, y1=11)
        image.materialize_rect_roi_mask(1)
    elif request.param == "drawn":
        image.save_rois(image.rois.add(drawn(None)))
    else:
        image.add_mask_roi(square())
    return image


def arrays_folder(image, dataset):
    return dataset.path / "images" / image.source.image_id / "analysis_arrays" / "roi_mask_1"


def lose(image, dataset):
    shutil.rmtree(arrays_folder(image, dataset))


def tear(image, dataset):
    shutil.rmtree(arrays_folder(image, dataset) / "data" / "c")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        pytest.param(lambda image, dataset: None, "mask", id="sound"),
        pytest.param(lose, "mask missing", id="lost"),
        pytest.param(tear, "mask damaged", id="torn"),
    ],
)
def test_the_table_and_the_image_say_the_same(masked, dataset, damage, expected):
    damage(masked, dataset)
    again = AcqImage(dataset.record(masked.source.image_id))
    rows = RoiIndexer().extract_rows(again.source)
    assert (rows["mask"].tolist(), again.stored_mask(again.rois.get(1)).state) == ([expected], expected)
    assert bool(list(check_rois(again.source))) == (expected == "mask missing")

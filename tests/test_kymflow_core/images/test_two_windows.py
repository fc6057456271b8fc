"""Two windows on one record: what one of them saved is not changed by the other."""

from dataclasses import replace

import numpy as np
import pytest

from kymflow_core import AcqImage
from kymflow_core.errors import RoiError
from kymflow_core.images.check_rois import check_rois
from kymflow_core.roi.pixels import rect_mask
from kymflow_zarr.errors import ConflictError


def test_the_mask_of_one_window_is_not_replaced_by_the_others(dataset, record, monkeypatch):
    mine, theirs = (AcqImage(dataset.record(record.image_id)) for _ in range(2))
    listed = mine.source.list_array_artifacts()
    theirs.save_rois(theirs.rois.replace(replace(theirs.rois.get(1), x1=4)))
    theirs.materialize_rect_roi_mask(1)
    # This window looked for free names before the other one saved.
    monkeypatch.setattr(mine.source, "list_array_artifacts", lambda: listed)
    with pytest.raises(ConflictError):
        mine.materialize_rect_roi_mask(1)
    saved = AcqImage(dataset.record(record.image_id))
    name = saved.rois.get(1).mask_ref.partition("/")[2]
    np.testing.assert_array_equal(saved.load_mask(name), rect_mask(saved.rois.get(1), (30, 20)))


@pytest.mark.parametrize("rois", [{"1": {}}, "none", 3])
def test_rois_that_are_no_list_are_said_and_not_overwritten(record, rois):
    record.save_metadata_payload({"rois": rois})
    with pytest.raises(RoiError, match=r"the ROIs of the metadata are a JSON .*; a list is expected"):
        AcqImage(record)
    assert "a list is expected" in next(check_rois(record))

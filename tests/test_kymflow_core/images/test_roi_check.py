"""What `verify` says of ROIs, which storage does not know."""

import numpy as np
import pytest

from kymflow_core import KymDataset
from kymflow_core.images.check_rois import check_rois

RECT = {"roi_id": 1, "roi_type": "rect", "data": {"x0": 2, "x1": 9, "y0": 5, "y1": 17}}


def masked(**meta):
    return {**RECT, "meta": meta}


def save_rois(record, *rois):
    payload = record.load_metadata_payload()
    record.save_metadata_payload({**payload, "rois": list(rois)})


def test_sound_rois_have_no_problem(record):
    assert list(check_rois(record)) == []


def test_a_record_without_rois_has_no_problem(dataset, rng):
    assert list(check_rois(dataset.add_image(rng.integers(0, 9, (4, 3))))) == []


@pytest.mark.parametrize(
    ("rois", "expected"),
    [
        pytest.param([RECT, RECT], "ROI ids must differ, but [1] occur more than once among [1, 1]", id="an id twice"),
        pytest.param([3], "a ROI must be a JSON object, not 3", id="no object"),
        pytest.param(
            [masked(mask_ref="analysis_arrays/gone")],
            "ROI 1 refers to the mask 'analysis_arrays/gone', which is not there; the record has ['drawn']",
            id="a mask that is gone",
        ),
        pytest.param(
            [masked(mask_ref="../other/drawn")],
            "ROI 1 refers to the mask '../other/drawn', which is no array of its record",
            id="a mask outside the record",
        ),
        pytest.param(
            [masked(mask_ref="analysis_arrays/../drawn")],
            "ROI 1 refers to the mask 'analysis_arrays/../drawn', which is no array of its record",
            id="a mask by a way out",
        ),
    ],
)
def test_it_says(record, rois, expected):
    save_rois(record, *rois)
    assert list(check_rois(record)) == [expected]


def test_a_mask_of_another_shape_does_not_fit(record):
    record.save_array_artifact("small", np.ones((3, 3), bool))
    save_rois(record, masked(mask_ref="analysis_arrays/small"))
    assert list(check_rois(record)) == ["ROI 1 has a mask of shape (3, 3) in an image of {'y': 30, 'x': 20}"]


def test_a_mask_as_the_older_program_stored_it_fits(record):
    record.save_array_artifact("older", np.ones((12, 7), bool))
    save_rois(record, masked(mask_ref="analysis_arrays/older"))
    assert list(check_rois(record)) == []


def test_a_kymograph_dataset_verifies_its_rois(dataset, record):
    save_rois(record, RECT, RECT)
    report = KymDataset(dataset).verify()
    assert (report.exit_code, report.damaged_records) == (2, 1)

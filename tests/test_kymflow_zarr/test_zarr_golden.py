"""The golden stores are read as they were written; see tests/golden/README.md."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import ZarrDataset, array_name

GOLDEN = Path(__file__).parents[1] / "golden" / "v2.zarr"
FIRST = "9eb28751-a72f-4d9d-987e-e6701539d4c7"
SECOND = "7b3f1b43-eaf1-4105-8401-696bab21c086"
RAMP = np.arange(120, dtype=np.uint16).reshape(20, 6) * 500
ROI = {
    "roi_id": 6,
    "roi_type": "rect",
    "version": "1.0",
    "name": "roi1",
    "note": "",
    "channel": 1,
    "z": 0,
    "data": {"x0": 1, "x1": 5, "y0": 2, "y1": 12},
    "meta": {"mask_ref": "analysis_arrays/roi_mask_6"},
}


@pytest.fixture
def golden():
    """The golden store, opened for reading."""
    return ZarrDataset(GOLDEN, mode="r")


@pytest.fixture
def first(golden):
    """Its record with ROI, mask and artifacts."""
    return golden.record(FIRST)


def test_the_dataset_keeps_its_id(golden):
    assert golden.dataset_id == "1d5884a8-5255-4300-be24-f074658a22b5"


def test_the_dataset_is_sound(golden):
    assert golden.validate() == []


def test_the_records_are_those_written(golden):
    assert golden.list_image_ids() == [SECOND, FIRST]


def test_the_record_with_a_known_time_comes_first(golden):
    records = golden.iter_records(order_by="acquired_local_epoch_ns")
    assert [record.image_id for record in records] == [FIRST, SECOND]


@pytest.mark.parametrize(("image_id", "pixels"), [(FIRST, RAMP), (SECOND, RAMP[::-1] + 1)], ids=["first", "second"])
def test_the_pixels_are_those_written(golden, image_id, pixels):
    np.testing.assert_array_equal(golden.record(image_id).load_array(), pixels, strict=True)


@pytest.mark.parametrize(("image_id", "axes"), [(FIRST, ("y", "x")), (SECOND, ("line", "pixel"))], ids=["first", "second"])
def test_the_axes_are_those_written(golden, image_id, axes):
    assert golden.record(image_id).get_axes() == axes


def test_the_newest_of_two_revisions_speaks(first):
    revision = first.load_revision()
    assert (revision.number, revision.committed) == (1, True)


def test_the_metadata_have_the_header_and_the_roi_envelope(first):
    assert first.load_metadata_payload() == {
        "header": {"um_per_pixel": 0.5, "seconds_per_line": 0.002, "acquired_local_epoch_ns": 1_700_000_000_000_000_000},
        "rois": [ROI],
    }


def test_a_record_without_metadata_has_none(golden):
    assert golden.record(SECOND).load_revision().number == -1


def test_the_mask_that_the_roi_names_is_true_inside_it(first):
    expected = np.zeros((20, 6), bool)
    expected[2:12, 1:5] = True
    mask = first.load_array_artifact(array_name(ROI["meta"]["mask_ref"]))
    np.testing.assert_array_equal(mask, expected, strict=True)


def test_the_artifacts_are_those_written(first):
    assert (first.list_analysis_keys(), first.list_array_artifacts()) == (
        ["radon/params.json", "radon_report.parquet"],
        ["roi_mask_6"],
    )


def test_the_json_artifact_is_the_one_written(first):
    expected = {"window": 16, "angles": [0.5, 1.5], "unit": "µm", "none": None, "on": True}
    assert first.load_json("radon/params") == expected


def test_the_table_artifact_is_the_one_written(first):
    expected = pd.DataFrame(
        {
            "time_s": [0.0, 0.5],
            "velocity_um_per_s": [1.5, np.nan],
            "note": ["a", "µ"],
            "count": [1, 2],
            "good": [True, False],
        }
    )
    pd.testing.assert_frame_equal(first.load_df_parquet("radon_report"), expected)


def test_the_dataset_table_is_the_one_written(golden):
    expected = pd.DataFrame({"image_id": [FIRST, FIRST, SECOND], "roi_id": [6, 6, 0], "velocity": [1.5, 2.5, -3.5]})
    pd.testing.assert_frame_equal(golden.load_table("velocity"), expected)


def test_the_tables_are_those_written(golden):
    assert (golden.list_table_names(), len(golden.load_sources_index())) == (["velocity"], 0)


def test_reading_leaves_the_golden_store_untouched(golden, tree_picture):
    before = tree_picture(GOLDEN)
    for record in golden.iter_records():
        record.load_array()
        record.load_revision()
    golden.validate()
    assert tree_picture(GOLDEN) == before


@pytest.mark.parametrize("name", ["v2-sealed", "v2-places"])
def test_the_later_stores_are_read_as_they_were_written(name):
    dataset = ZarrDataset(GOLDEN.with_name(f"{name}.zarr"), mode="r")
    record = dataset.record(FIRST)
    np.testing.assert_array_equal(record.load_array(), RAMP, strict=True)
    assert (record.load_metadata_payload()["rois"], record.list_revisions()) == ([ROI], [0, 1])
    assert record.load_array_artifact("roi_mask_6").sum() == 40
    assert record.is_held_by_metadata("roi_mask_6")
    assert record.load_json("radon/params") == {"window": 16, "angles": [0.5, 1.5], "unit": "µm", "none": None, "on": True}
    assert record.load_json("list") == [1, 2]
    assert record.load_computed_from("radon_report.parquet") == {"rois": {}}
    assert record.load_df_parquet("radon_report")["note"].tolist() == ["a", "µ"]
    assert record.load_df_csv_gz("velocity")["v"].tolist() == [1.5, 2.5]
    assert dataset.load_table("velocity")["velocity"].tolist() == [1.5, 2.5, -3.5]
    assert dataset.load_table_index("velocity").table_digest == dataset.table_digest("velocity")
    assert dataset.validate() == []


def test_the_store_whose_files_say_their_places_is_sound_to_the_last_byte():
    assert ZarrDataset(GOLDEN.with_name("v2-places.zarr"), mode="r").verify(deep=True).problems == ()

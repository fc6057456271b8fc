import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from kymflow_core.errors import RoiError, RoiNotFoundError
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_core.roi import MaskROI, RectROI, RoiSet
from kymflow_core.roi.pixels import rect_mask
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import ArtifactNotFoundError, ConflictError, RecordNotFoundError, SourceError


@pytest.fixture
def image(record):
    """The small record as an acquired image."""
    return AcqImage(record)


@pytest.fixture
def tiff_image(scan_path):
    """A TIFF with one ROI next to it, as an acquired image."""
    roi = '{"rois": [{"roi_id": 1, "roi_type": "rect", "data": {"x0": 0, "x1": 3, "y0": 1, "y1": 9}}]}'
    scan_path.with_suffix(".json").write_text(roi)
    return AcqImage.from_path(scan_path)


def stored_files(dataset):
    return {path: path.read_bytes() for path in dataset.path.rglob("*") if path.is_file()}


def edited(image: AcqImage, roi_id: int = 1, **changes: object) -> RoiSet:
    return image.rois.replace(replace(image.rois.get(roi_id), **changes))


def test_an_image_knows_its_header(image):
    assert (image.name, image.header.seconds_per_line, image.header.um_per_pixel) == ("small scan", 0.002, 0.25)


def test_an_image_knows_its_experiment(image):
    assert image.experiment_metadata == {"species": "mouse"}


def test_an_image_knows_its_rois(image):
    assert (image.rois.ids, image.rois.next_id) == ((1, 2, 3), 6)


def test_an_image_without_metadata_knows_nothing(dataset):
    image = AcqImage(dataset.add_image(np.zeros((4, 5), np.uint8)))
    assert (image.name, image.header.um_per_pixel, image.experiment_metadata, len(image.rois)) == ("", None, {}, 0)


def test_the_pixels_are_not_read_when_an_image_is_opened(dataset, record):
    shutil.rmtree(dataset.path / "images" / record.image_id / "data")
    assert AcqImage(record).name == "small scan"


def test_opening_writes_nothing(dataset, record):
    before = stored_files(dataset)
    AcqImage.from_zarr(dataset.path, record.image_id).slice_pixels()
    assert stored_files(dataset) == before


def test_opening_an_unknown_record_says_so(dataset):
    with pytest.raises(RecordNotFoundError, match=r"^no record 'nobody' in"):
        AcqImage.from_zarr(dataset.path, "nobody")


@pytest.mark.parametrize(
    ("shape", "index"),
    [
        pytest.param((6, 7), (slice(None), slice(None)), id="y x"),
        pytest.param((4, 6, 7), (2,), id="z y x"),
        pytest.param((4, 6, 7, 3), (2, slice(None), slice(None), 1), id="z y x c"),
        pytest.param((2, 4, 6, 7, 3), (0, 2, slice(None), slice(None), 1), id="t z y x c"),
    ],
)
def test_a_slice_of_the_pixels_is(shape, index, dataset, rng):
    pixels = rng.integers(0, 1000, shape, dtype=np.uint16)
    image = AcqImage(dataset.add_image(pixels))
    found = image.slice_pixels(z=2, channel=2)
    np.testing.assert_array_equal(found, pixels[index])
    assert isinstance(found, np.ndarray)


@pytest.mark.parametrize("shape", [(6, 7), (4, 6, 7), (4, 6, 7, 3), (2, 4, 6, 7, 3)], ids=str)
def test_the_shape_of_a_slice_is(shape, dataset):
    assert AcqImage(dataset.add_image(np.zeros(shape, np.uint8))).slice_shape == (6, 7)


def test_the_first_slice_is_read_unless_another_is_asked_for(dataset, rng):
    pixels = rng.integers(0, 1000, (4, 6, 7, 3), dtype=np.uint16)
    np.testing.assert_array_equal(AcqImage(dataset.add_image(pixels)).slice_pixels(), pixels[0, :, :, 0])


def test_roi_stats_are_those_of_numpy(image):
    inside = image.source.load_array()[5:17, 2:9].astype(np.float64)
    stats = image.roi_stats(1)
    assert (stats.mean, stats.std, stats.min, stats.max, stats.n) == pytest.approx(
        (inside.mean(), inside.std(), inside.min(), inside.max(), inside.size)
    )


def test_roi_stats_are_of_the_rois_own_slice_and_channel(dataset, rng):
    pixels = rng.integers(0, 1000, (4, 6, 7, 3), dtype=np.uint16)
    image = AcqImage(dataset.add_image(pixels))
    image.save_rois(RoiSet.of([RectROI(roi_id=1, x0=1, x1=4, y0=2, y1=5, z=3, channel=2)]))
    assert image.roi_stats(1).mean == pytest.approx(pixels[3, 2:5, 1:4, 1].mean())


@pytest.mark.parametrize("ask", ["materialize_rect_roi_mask"])
def test_a_mask_roi_is_not_implemented_for(ask, image):
    with pytest.raises(NotImplementedError, match=r"^ROI 3 is a mask; this works on rectangles only yet$"):
        getattr(image, ask)(3)


@pytest.mark.parametrize("ask", ["roi_stats", "materialize_rect_roi_mask", "get_roi_mask"])
@pytest.mark.parametrize("error", [KeyError, RoiNotFoundError])
def test_an_unknown_roi_is_said_readably_by(ask, error, image):
    with pytest.raises(error, match=r"^no ROI 9; this image has \[1, 2, 3\]$"):
        getattr(image, ask)(9)


def test_saved_rois_come_back(image, dataset):
    rois = edited(image, name="vessel", x1=11).remove(2).add(RectROI(roi_id=6, x0=0, x1=1, y0=0, y1=1, meta={"a": [1]}))
    image.save_rois(rois)
    assert AcqImage.from_zarr(dataset.path, image.source.image_id).rois == rois


def test_saved_rois_are_the_images_rois(image):
    rois = image.rois.remove(2)
    image.save_rois(rois)
    assert image.rois == rois


def test_one_handle_saves_again_and_again(image):
    for name in ("one", "two", "three"):
        image.save_rois(edited(image, name=name))
    assert AcqImage(image.source).rois.get(1).name == "three"


def test_saving_rois_keeps_metadata_that_nobody_knows(image):
    before = image.source.load_metadata_payload()
    image.save_rois(edited(image, name="new"))
    after = image.source.load_metadata_payload()
    assert {key: after[key] for key in before if key != "rois"} == {key: before[key] for key in before if key != "rois"}


def test_saving_rois_keeps_keys_of_a_roi_that_nobody_knows(image):
    image.save_rois(edited(image, name="new"))
    assert image.source.load_metadata_payload()["rois"][0]["lab"] == "kept"


def test_the_second_of_two_handles_that_save_gets_a_conflict(image):
    other = AcqImage(image.source)
    other.save_rois(edited(other, name="first"))
    with pytest.raises(ConflictError, match=r"^not saved: .* was changed by another program since it was read"):
        image.save_rois(edited(image, name="second"))


def test_a_conflict_leaves_what_the_first_handle_saved(image):
    other = AcqImage(image.source)
    other.save_rois(edited(other, name="first"))
    with pytest.raises(ConflictError, match="load it again and repeat the change"):
        image.save_rois(edited(image, name="second"))
    assert AcqImage(image.source).rois.get(1).name == "first"


def test_a_conflict_leaves_the_image_as_it_was_read(image):
    before = image.rois
    other = AcqImage(image.source)
    other.save_rois(edited(other, name="first"))
    with pytest.raises(ConflictError, match="not saved"):
        image.save_rois(edited(image, name="second"))
    assert image.rois == before


def test_materializing_returns_the_mask_ref(image):
    assert image.materialize_rect_roi_mask(1) == "analysis_arrays/roi_mask_1"


def test_the_stored_mask_is_the_whole_slice_true_exactly_inside(image):
    image.materialize_rect_roi_mask(1)
    mask = image.source.load_array_artifact("roi_mask_1")
    assert mask.dtype == np.bool_
    assert mask.tolist() == [[5 <= y < 17 and 2 <= x < 9 for x in range(20)] for y in range(30)]


def test_the_mask_of_a_stack_is_one_slice(dataset):
    image = AcqImage(dataset.add_image(np.zeros((3, 6, 7, 2), np.uint8)))
    image.save_rois(RoiSet.of([RectROI(roi_id=1, x0=1, x1=4, y0=2, y1=5, z=2)]))
    image.materialize_rect_roi_mask(1)
    assert image.source.load_array_artifact("roi_mask_1").shape == (6, 7)


def test_the_mask_has_the_axes_of_a_slice(image):
    image.materialize_rect_roi_mask(1)
    assert image.source.get_array_artifact_axes("roi_mask_1") == ("y", "x")


def test_the_mask_ref_is_saved_in_the_meta_of_the_rectangle(image):
    reference = image.materialize_rect_roi_mask(1)
    (saved, *_) = image.source.load_metadata_payload()["rois"]
    assert (saved["roi_type"], saved["meta"]) == ("rect", {"mask_ref": reference})


def test_materializing_twice_writes_nothing_new(image, dataset):
    image.materialize_rect_roi_mask(1)
    before = stored_files(dataset)
    image.materialize_rect_roi_mask(1)
    assert stored_files(dataset) == before


def test_materializing_by_name_twice_after_an_edit_writes_nothing_new(image, dataset):
    image.materialize_rect_roi_mask(1, name="vessel")
    image.save_rois(edited(image, x1=11))
    image.materialize_rect_roi_mask(1, name="vessel")
    before = stored_files(dataset)
    assert image.materialize_rect_roi_mask(1, name="vessel") == "analysis_arrays/vessel_2"
    assert stored_files(dataset) == before


def test_an_edited_rectangle_is_materialized_under_a_new_name(image):
    first = image.materialize_rect_roi_mask(1)
    image.save_rois(edited(image, x1=11))
    assert (first, image.materialize_rect_roi_mask(1)) == ("analysis_arrays/roi_mask_1", "analysis_arrays/roi_mask_1_2")


def test_the_mask_before_an_edit_stays(image):
    image.materialize_rect_roi_mask(1)
    before = image.source.load_array_artifact("roi_mask_1")
    image.save_rois(edited(image, x1=11))
    image.materialize_rect_roi_mask(1)
    np.testing.assert_array_equal(image.source.load_array_artifact("roi_mask_1"), before)


def test_a_given_name_is_used(image):
    assert image.materialize_rect_roi_mask(1, name="vessel") == "analysis_arrays/vessel"


def test_a_given_name_never_overwrites_another_mask(image):
    before = image.source.load_array_artifact("drawn")
    assert image.materialize_rect_roi_mask(1, name="drawn") == "analysis_arrays/drawn_2"
    np.testing.assert_array_equal(image.source.load_array_artifact("drawn"), before)


def test_a_mask_that_is_gone_is_written_again(image):
    image.save_rois(edited(image, meta={"mask_ref": "analysis_arrays/gone"}))
    assert image.materialize_rect_roi_mask(1) == "analysis_arrays/roi_mask_1"


def test_several_masks_are_one_commit(image):
    before = image.source.load_revision().number
    references = image.materialize_masks([1, 2])
    assert references == {1: "analysis_arrays/roi_mask_1", 2: "analysis_arrays/roi_mask_2"}
    assert image.source.load_revision().number == before + 1


def test_a_conflict_while_materializing_leaves_no_dangling_reference(image):
    other = AcqImage(image.source)
    other.save_rois(edited(other, name="first"))
    with pytest.raises(ConflictError, match="not saved"):
        image.materialize_rect_roi_mask(1)
    assert AcqImage(image.source).rois.get(1).mask_ref is None


def test_materializing_needs_a_name_that_can_be_stored(image):
    with pytest.raises(ValueError, match=r"^array artifact name 'My Mask' is not allowed"):
        image.materialize_rect_roi_mask(1, name="My Mask")


def test_a_rectangle_without_a_mask_has_no_mask_state(image):
    assert image.stored_mask(image.rois.get(1)).state == ""


def test_a_materialized_rectangle_has_a_mask(image):
    image.materialize_rect_roi_mask(1)
    assert image.stored_mask(image.rois.get(1)).state == "mask"


def test_an_edited_rectangle_has_an_outdated_mask(image):
    image.materialize_rect_roi_mask(1)
    image.save_rois(edited(image, x1=11))
    assert image.stored_mask(image.rois.get(1)).state == "mask outdated"


def test_a_renamed_rectangle_keeps_its_mask(image):
    image.materialize_rect_roi_mask(1)
    image.save_rois(edited(image, name="other", note="other"))
    assert image.stored_mask(image.rois.get(1)).state == "mask"


@pytest.mark.parametrize("reference", ["elsewhere/mask", "analysis_arrays/gone"])
def test_a_mask_ref_to_no_array_is_a_missing_mask(image, reference):
    roi = replace(image.rois.get(1), meta={"mask_ref": reference})
    assert image.stored_mask(roi).state == "mask missing"


def test_the_mask_of_a_rectangle_is_exact_without_being_stored(image):
    expected = np.zeros((30, 20), dtype=bool)
    expected[5:17, 2:9] = True
    np.testing.assert_array_equal(image.get_roi_mask(1), expected)


def test_the_mask_of_a_mask_roi_is_the_stored_one(image):
    np.testing.assert_array_equal(image.get_roi_mask(3), image.source.load_array_artifact("drawn"))


def test_a_tiff_is_an_image_too(tiff_image, scan_path):
    np.testing.assert_array_equal(tiff_image.slice_pixels(), tifffile.imread(scan_path))
    assert (tiff_image.name, tiff_image.axes, tiff_image.slice_shape) == ("scan", ("y", "x"), (40, 12))


def test_a_tiff_has_the_rois_beside_it(tiff_image):
    assert tiff_image.rois == RoiSet.of([RectROI(roi_id=1, x0=0, x1=3, y0=1, y1=9)])


def test_the_rois_of_a_tiff_can_be_measured(tiff_image, scan_path):
    assert tiff_image.roi_stats(1).mean == pytest.approx(tifffile.imread(scan_path)[1:9, 0:3].mean())


def test_the_rois_of_a_tiff_are_saved_beside_it_and_the_older_file_stays(tiff_image, scan_path):
    before = scan_path.with_suffix(".json").read_bytes()
    tiff_image.add_roi(x0=2, x1=4, y0=0, y1=40, name="vessel")
    tiff_image.edit_roi(1, note="seen")
    again = AcqImage.from_path(scan_path)
    assert [(roi.roi_id, roi.name, roi.note) for roi in again.rois] == [(1, "", "seen"), (2, "vessel", "")]
    assert scan_path.with_suffix(".json").read_bytes() == before
    visible = [path.name for path in scan_path.parent.iterdir() if not path.name.startswith(".")]
    assert sorted(visible) == ["scan.json", "scan.kymflow.json", "scan.tif"]


def test_masks_of_a_tiff_are_saved_beside_it_and_never_replaced(tiff_image, scan_path):
    assert tiff_image.materialize_rect_roi_mask(1) == "analysis_arrays/roi_mask_1"
    tiff_image.edit_roi(1, x1=6)
    assert tiff_image.materialize_rect_roi_mask(1) == "analysis_arrays/roi_mask_1_2"
    again = AcqImage.from_path(scan_path)
    np.testing.assert_array_equal(again.load_mask("roi_mask_1_2"), rect_mask(again.rois.get(1), (40, 12)))
    assert again.load_mask("roi_mask_1").sum() == 24


def test_two_programs_on_one_tiff_are_told(tiff_image, scan_path):
    AcqImage.from_path(scan_path).edit_roi(1, name="theirs")
    with pytest.raises(ConflictError, match="were saved by another program meanwhile; read them again"):
        tiff_image.edit_roi(1, name="mine")
    tiff_image.reload()
    tiff_image.edit_roi(1, note="both")
    assert AcqImage.from_path(scan_path).rois.get(1).name == "theirs"


def test_what_was_saved_beside_a_tiff_is_imported_with_its_masks(tiff_image, scan_path, tmp_path):
    inside = np.zeros((40, 12), bool)
    inside[3:9, 2:5] = True
    tiff_image.add_mask_roi(inside, name="painted")
    dataset = ZarrDataset.create(tmp_path / "new.zarr")
    dataset.import_folder(scan_path.parent, read_file=read_acquisition_file)
    imported = AcqImage(dataset.record(dataset.list_image_ids()[0]))
    assert [roi.name for roi in imported.rois] == ["", "painted"]
    np.testing.assert_array_equal(imported.get_roi_mask(2), inside)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"format": "kymflow_tiff", "version": 2}',
            r"scan\.kymflow\.json .* version 2; 'kymflow_tiff', version 1 is known",
        ),
        ('{"format": "kymflow_tiff", "version": 1}', r"lacks its revision or its metadata"),
        ("{", r"scan\.kymflow\.json"),
    ],
)
def test_a_file_beside_a_tiff_that_is_not_understood_is_said(text, message, scan_path):
    scan_path.with_name("scan.kymflow.json").write_text(text)
    with pytest.raises(SourceError, match=message):
        AcqImage.from_path(scan_path)


def test_a_mask_roi_beside_a_tiff_has_no_mask_to_load(scan_path):
    mask = MaskROI(roi_id=1, reference="analysis_arrays/drawn").to_dict()
    scan_path.with_suffix(".json").write_text(json.dumps({"rois": [mask]}))
    with pytest.raises(ArtifactNotFoundError, match=r"no array artifact named 'drawn'"):
        AcqImage.from_path(scan_path).get_roi_mask(1)


def test_a_tiff_that_cannot_be_read_is_said_when_it_is_opened(scan_folder):
    with pytest.raises(SourceError, match=r"gone\.tif cannot be read"):
        AcqImage.from_path(scan_folder / "gone.tif")


@pytest.mark.parametrize(
    ("z", "channel"),
    [pytest.param(3, 1, id="z too high"), pytest.param(-1, 1, id="z negative"), pytest.param(0, 0, id="channel 0")],
)
def test_a_slice_that_is_not_there_is_refused(tmp_path, z, channel):
    record = ZarrDataset(tmp_path / "d.zarr").add_image(np.zeros((3, 4, 5, 2), np.uint8))
    with pytest.raises(RoiError, match=f"no slice at z {z}, channel {channel}"):
        AcqImage(record).slice_pixels(z=z, channel=channel)


class TestOlderMask:
    """The older program stored a rectangle's mask in the rectangle's own shape, True everywhere."""

    @pytest.fixture
    def older(self, record):
        record.save_array_artifact("older", np.ones((12, 7), bool))
        payload = record.load_metadata_payload()
        payload["rois"][0]["meta"] = {"mask_ref": "analysis_arrays/older"}
        record.save_metadata_payload(payload)
        return AcqImage(record)

    def test_it_is_placed_at_its_rectangle(self, older):
        np.testing.assert_array_equal(older.load_mask("older"), rect_mask(older.rois.get(1), (30, 20)))

    def test_it_counts_as_the_rectangles_mask(self, older):
        assert older.stored_mask(older.rois.get(1)).state == "mask"

    def test_materializing_writes_it_anew_in_the_images_shape(self, older):
        name = older.materialize_rect_roi_mask(1).partition("/")[2]
        assert (name, older.source.load_array_artifact(name).shape) == ("roi_mask_1", (30, 20))

    def test_one_that_is_not_true_everywhere_is_left_as_it_is(self, record):
        record.save_array_artifact("other", np.eye(12, 7, dtype=bool))
        assert AcqImage(record).load_mask("other").shape == (12, 7)


def test_masks_belong_to_the_metadata_that_name_them(image, record):
    image.materialize_rect_roi_mask(1)
    assert (record.is_held_by_metadata("roi_mask_1"), record.is_held_by_metadata("drawn")) == (True, False)

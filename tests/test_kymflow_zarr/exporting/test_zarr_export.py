"""A dataset as a folder, and the same dataset again."""

import hashlib
import io
import json
import re
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from kymflow_zarr import Watch, ZarrDataset, ZarrImageRecord
from kymflow_zarr.arrays.npy import npy_to_bytes
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import CancelledError, FolderNotEmptyError, KymflowZarrError, NotSavedError, SourceError
from kymflow_zarr.exporting import document
from kymflow_zarr.exporting.document import ExportDocument, ExportedFile, ExportedImage, load_export
from kymflow_zarr.formats.csv import parse_csv
from kymflow_zarr.formats.tiff import Scale, array_to_tiff, tiff_to_array
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.tables.sources import Source
from property_tests import examples


@pytest.fixture(scope="module")
def two_processes():
    """An executor of two processes: to start them costs more than the work."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.fixture(params=["threads", pytest.param("processes", marks=pytest.mark.trials)])
def executor(request):
    """An executor of two."""
    if request.param == "processes":
        yield request.getfixturevalue("two_processes")
        return
    with ThreadPoolExecutor(2) as executor:
        yield executor


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of an export, but for when it was made."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = {key: item for key, item in json.loads(files["dataset.json"]).items() if key != "exported_utc"}
    return {**files, "dataset.json": json.dumps(said).encode()}


DTYPES = ("bool", "u1", "u2", "i2", "u4", "i8", "f2", "f4", "f8", "c8")


def scales_of(metadata):
    header = metadata.get("header", {})
    return {"y": Scale(size=header["s"], unit="s"), "x": Scale(size=header["um"], unit="um")} if header else {}


def content_of(record: ZarrImageRecord) -> dict:
    """All that a record holds, to compare."""
    keys = record.list_analysis_keys()
    return {
        "pixels": _as_value(record.load_array()),
        "axes": record.get_axes(),
        "created": record.load_attributes().created_utc,
        "metadata": record.load_metadata_payload(),
        "history": [(one.number, one.payload, one.saved_utc) for one in record.history()],
        "artifacts": {key: record.load_analysis_bytes(key) for key in keys},
        "statements": {key: record.load_computed_from(key) for key in keys},
        "arrays": {
            name: (
                _as_value(record.load_array_artifact(name)),
                record.get_array_artifact_axes(name),
                record.is_held_by_metadata(name),
            )
            for name in record.list_array_artifacts()
        },
    }


def _as_value(array):
    return array.dtype.str, array.shape, array.tobytes()


def check_same(one: ZarrDataset, other: ZarrDataset) -> None:
    assert one.list_image_ids() == other.list_image_ids()
    for image_id in one.list_image_ids():
        assert content_of(one.record(image_id)) == content_of(other.record(image_id))
    assert one.list_table_names() == other.list_table_names()
    for name in one.list_table_names():
        pd.testing.assert_frame_equal(one.load_table(name), other.load_table(name))
    sources = [
        dataset.load_sources_index().drop(columns="source_relative_path").sort_values("image_id", ignore_index=True)
        for dataset in (one, other)
    ]
    pd.testing.assert_frame_equal(*sources)


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9_]{0,5}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name not in ("metadata", "zarr", "con", "prn", "aux", "nul", "history", "provenance")
)
NESTED = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text().filter(lambda k: k != "kymflow"), inner, max_size=3)
    ),
    max_leaves=8,
)
FRAMES = st.lists(
    st.tuples(st.integers(-9, 9), st.floats(), st.text(st.characters(codec="utf-8"), max_size=5), st.booleans()), max_size=4
).map(
    lambda rows: pd.DataFrame(rows, columns=["n", "µm", "text", "flag"]).astype(
        {"n": "int64", "µm": "float64", "text": "str", "flag": "bool"}
    )
)
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays(np.dtype(dtype), array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
)
RECORDS = st.fixed_dictionaries(
    {
        "pixels": ARRAYS,
        "metadata": st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=3),
        "json": st.dictionaries(NESTED, JSON, max_size=2),
        "tables": st.dictionaries(NESTED, FRAMES, max_size=2),
        "csv": st.dictionaries(NESTED, FRAMES, max_size=1),
        "arrays": st.dictionaries(NAMES, ARRAYS, max_size=2),
        "said": st.none() | st.just({"algorithm": "radon", "rois": {"1": {}}}),
        "has_source": st.booleans(),
    }
)


def fill(dataset: ZarrDataset, wanted: dict) -> str:
    """Add a random record."""
    with dataset.build_record(wanted["pixels"]) as draft:
        for payload in wanted["metadata"]:
            draft.save_metadata_payload(payload)
        for name, value in wanted["json"].items():
            draft.save_json(name, value, computed_from=wanted["said"])
        for name, frame in wanted["tables"].items():
            draft.save_df_parquet(name, frame, computed_from=wanted["said"])
        for name, frame in wanted["csv"].items():
            draft.save_df_csv_gz(name, frame)
        for number, (name, array) in enumerate(wanted["arrays"].items()):
            draft.save_array_artifact(name, array, held_by_metadata=number == 0)
    return draft.image_id


@settings(max_examples=examples(20), suppress_health_check=list(HealthCheck))
@given(records=st.lists(RECORDS, max_size=2), tables=st.dictionaries(NAMES, FRAMES, max_size=2), friendly=st.booleans())
def test_export_and_import_are_the_identity(tmp_path_factory, records, tables, friendly):
    tmp_path = tmp_path_factory.mktemp("identity")
    dataset = ZarrDataset.create(tmp_path / "one.zarr")
    ids = [fill(dataset, wanted) for wanted in records]
    for image_id, wanted in zip(ids, records, strict=True):
        if wanted["has_source"]:
            source = Source(
                source_primary_path=f"/lab/{image_id}.tif",
                source_mtime_ns=1,
                source_size_bytes=2,
                source_sha256="ab",
                ingested_epoch_ns=3,
            )
            dataset.record(image_id).save_json("provenance", source.to_json())
            dataset._sources.add({image_id: source})
    for name, frame in tables.items():
        if name != "sources":
            rows = [frame.assign(image_id=image_id) for image_id in [*ids, "not a record"]]
            dataset.save_table(name, pd.concat(rows, ignore_index=True))
    report = dataset.export_legacy_folder(tmp_path / "out", friendly_names=friendly, scales_of=scales_of_nothing)
    assert report.failed == ()
    again = ZarrDataset(tmp_path / "two.zarr")
    back = again.ingest_legacy_folder(tmp_path / "out")
    assert (back.failed, [note for file in back.imported for note in file.notes]) == ((), [])
    check_same(dataset, again)
    assert again.verify(deep=True).problems == dataset.verify(deep=True).problems
    shutil.rmtree(tmp_path)


def scales_of_nothing(_metadata):
    return {}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """The dataset `filled`, and the folder `out` that it was exported to; tests copy both."""
    folder = tmp_path_factory.mktemp("exported")
    dataset = ZarrDataset.create(folder / "made.zarr")
    pixels = np.random.default_rng(0).integers(0, 60_000, (20, 6)).astype(np.uint16)
    with dataset.build_record(pixels) as draft:
        draft.save_metadata_payload({"header": {"s": 0.002, "um": 0.25}, "rois": []})
        draft.save_metadata_payload({"header": {"s": 0.002, "um": 0.25}, "rois": [{"roi_id": 1}]})
        draft.save_json("radon/params", {"window": 16}, computed_from={"algorithm": "radon"})
        draft.save_df_parquet("radon/report", pd.DataFrame({"µm": [1.5]}))
        draft.save_df_csv_gz("trace", pd.DataFrame({"v": [1.5]}))
        mask = np.zeros(pixels.shape, bool)
        mask[:3] = True
        draft.save_array_artifact("mask", mask, held_by_metadata=True)
    dataset.save_table("report", pd.DataFrame({"image_id": [draft.image_id], "v": [1.0]}))
    dataset.export_legacy_folder(folder / "out", scales_of=scales_of)
    return folder


@pytest.fixture
def filled(original, tmp_path) -> ZarrDataset:
    """A dataset of one calibrated record with artifacts of every kind, and a table."""
    return ZarrDataset(shutil.copytree(original / "made.zarr", tmp_path / "made.zarr"))


@pytest.fixture
def out(tmp_path) -> Path:
    """Where the dataset is exported to."""
    return tmp_path / "out"


@pytest.fixture
def exported(original, filled, out) -> Path:
    """The exported dataset; return the folder of its record."""
    shutil.copytree(original / "out", out)
    return out / "images" / filled.list_image_ids()[0]


class TestExport:
    def test_every_thing_has_its_file(self, exported, out):
        assert sorted(path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()) == [
            "array_artifacts/mask.npy",
            "array_artifacts/mask.tif",
            "history/metadata.00000000.json",
            "history/metadata.00000001.json",
            "image.tif",
            "metadata.json",
            "radon/params.json",
            "radon/report.csv",
            "radon/report.parquet",
            "trace.csv.gz",
        ]
        assert sorted(path.name for path in (out / "tables").iterdir()) == [
            "report.csv",
            "report.parquet",
            "sources.csv",
            "sources.parquet",
        ]

    def test_the_document_has_the_digest_of_each_file(self, exported, out):
        document = json.loads((out / "dataset.json").read_text())
        files = [*document["images"][0]["files"], *document["tables"]]
        assert {file["path"]: file["sha256"] for file in files} == {
            path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in out.rglob("*")
            if path.is_file() and path.name != "dataset.json"
        }

    def test_fiji_reads_micrometres_and_seconds(self, exported):
        with tifffile.TiffFile(exported / "image.tif") as tiff:
            page, said = tiff.pages[0], tiff.imagej_metadata
            x, y = (page.tags[name].value for name in ("XResolution", "YResolution"))
            assert (x[1] / x[0], y[1] / y[0], said["unit"], said["yunit"]) == (0.25, 0.002, "um", "s")
            assert tiff.series[0].axes == "YX"

    def test_a_mask_is_white_on_black_in_fiji(self, exported):
        assert sorted(np.unique(tifffile.imread(exported / "array_artifacts" / "mask.tif")).tolist()) == [0, 255]

    def test_a_csv_begins_with_the_mark_that_excel_needs(self, exported):
        assert (exported / "radon" / "report.csv").read_bytes().startswith(b"\xef\xbb\xbf\xc2\xb5m\n")

    def test_nothing_is_written_into_the_dataset(self, filled, out, tree_picture):
        before = tree_picture(filled.path)
        ZarrDataset(filled.path, mode="r").export_legacy_folder(out)
        assert tree_picture(filled.path) == before

    def test_without_tiffs_and_tables(self, filled, out):
        filled.export_legacy_folder(out, include_tiff=False, include_tables=False)
        assert not list(out.rglob("image.*"))
        assert [path.name for path in sorted((out / "tables").iterdir())] == ["sources.csv", "sources.parquet"]

    def test_a_friendly_folder_has_the_name_of_the_file(self, dataset, tiff_folder, out):
        dataset.import_folder(tiff_folder)
        dataset.export_legacy_folder(out, friendly_names=True)
        names = sorted(path.name.rpartition(" ")[0] for path in (out / "images").iterdir())
        assert names == ["a", "b", "c"]

    def test_progress_is_told(self, filled, out):
        told = []
        filled.export_legacy_folder(out, watch=Watch(progress=lambda *args: told.append(args)))
        assert told == [(0, 1, filled.list_image_ids()[0])]

    def test_a_folder_with_other_files_is_refused(self, filled, out):
        out.mkdir()
        (out / "mine.txt").write_text("mine")
        with pytest.raises(FolderNotEmptyError, match=r"there is something at .*out already; choose a new folder, or say"):
            filled.export_legacy_folder(out)
        assert [path.name for path in out.iterdir()] == ["mine.txt"]

    def test_an_empty_folder_is_taken(self, filled, out):
        out.mkdir()
        filled.export_legacy_folder(out)
        assert (out / "dataset.json").exists()

    def test_told_to_overwrite_other_files_stay(self, filled, out, exported):
        (out / "mine.txt").write_text("mine")
        (exported / "metadata.json").write_text("old")
        filled.export_legacy_folder(out, overwrite=True)
        assert (out / "mine.txt").read_text() == "mine"
        assert json.loads((exported / "metadata.json").read_text())["rois"] == [{"roi_id": 1}]

    def test_a_folder_inside_the_dataset_is_refused(self, filled):
        with pytest.raises(FolderNotEmptyError, match="share folders; choose another folder"):
            filled.export_legacy_folder(filled.path / "out")

    @pytest.mark.parametrize("is_there", [True, False], ids=["an empty folder", "a new folder"])
    def test_what_comes_into_the_folder_meanwhile_is_not_replaced(self, filled, out, is_there):
        if is_there:
            out.mkdir()

        def come(*_args):
            out.mkdir(exist_ok=True)
            (out / "precious.txt").write_text("mine")

        with pytest.raises(FolderNotEmptyError, match="there is something at"):
            filled.export_legacy_folder(out, watch=Watch(progress=come))
        assert [path.name for path in out.iterdir()] == ["precious.txt"]

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
    def test_an_empty_folder_keeps_who_may_read_it(self, filled, out):
        out.mkdir()
        out.chmod(0o2770)
        filled.export_legacy_folder(out)
        assert out.stat().st_mode & 0o7777 == 0o2770

    def test_the_folder_that_one_is_in_can_be_given(self, filled, out, monkeypatch):
        out.mkdir()
        monkeypatch.chdir(out)
        filled.export_legacy_folder(".")
        assert (out / "dataset.json").exists()

    def test_a_link_is_the_folder_that_it_leads_to(self, filled, out, tmp_path):
        out.mkdir()
        (tmp_path / "link").symlink_to(out, target_is_directory=True)
        filled.export_legacy_folder(tmp_path / "link")
        assert (out / "dataset.json").exists()

    @pytest.mark.parametrize("name", ["tables", "Images", "tables/deep.zarr"])
    def test_a_folder_in_which_the_dataset_would_be_written_into_is_refused(self, tmp_path, name):
        dataset = ZarrDataset.create(tmp_path / "project" / name)
        with pytest.raises(FolderNotEmptyError, match="share folders; choose another folder"):
            dataset.export_legacy_folder(tmp_path / "project", overwrite=True)

    def test_an_overwriting_that_is_stopped_leaves_no_document_of_other_files(self, filled, out, exported):
        def stop(*_args):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            filled.export_legacy_folder(out, overwrite=True, watch=Watch(progress=stop))
        assert not (out / "dataset.json").exists()

    def test_a_disk_that_is_full_leaves_nothing(self, filled, out, monkeypatch):
        def full(_blobs, key, data):
            if key.endswith("image.tif"):
                raise NotSavedError("not saved: the disk is nearly full")
            return write(_blobs, key, data)

        write = Blobs.write
        monkeypatch.setattr(Blobs, "write", full)
        with pytest.raises(NotSavedError, match="the disk is nearly full"):
            filled.export_legacy_folder(out)
        assert not out.exists()

    def test_a_record_that_goes_away_meanwhile_is_said_and_the_others_go_out(self, filled, out):
        other = filled.add_image(np.zeros((3, 4)))

        def lose(done, _total, _name):
            if done == 0:
                shutil.rmtree(filled.path / "images" / filled.list_image_ids()[-1])

        report = filled.export_legacy_folder(out, watch=Watch(progress=lose))
        assert (report.records, len(report.failed)) == (1, 1)
        assert "deleted or moved to the trash while the dataset was exported" in report.failed[0].reason
        assert other.image_id

    @pytest.mark.parametrize(
        "error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")], ids=repr
    )
    def test_a_file_that_the_system_refuses_is_said_and_the_rest_goes_out(self, filled, out, monkeypatch, error):
        def refuse(blobs, key, **options):
            if key.endswith("params.json"):
                raise error
            return read(blobs, key, **options)

        read = Blobs.read
        monkeypatch.setattr(Blobs, "read", refuse)
        report = filled.export_legacy_folder(out)
        assert (report.records, [error.strerror in one.reason for one in report.failed]) == (1, [True])

    def test_names_that_would_be_file_and_folder_both_go_out_and_come_back(self, dataset, out, tmp_path):
        record = dataset.add_image(np.zeros((3, 4)))
        record.save_df_parquet("a", pd.DataFrame({"v": [1]}))
        record.save_json("a.csv/x", 1)
        record.save_json("image.tif/x", 2)
        assert dataset.export_legacy_folder(out).failed == ()
        again = ZarrDataset(tmp_path / "again.zarr")
        assert again.ingest_legacy_folder(out).failed == ()
        check_same(dataset, again)

    def test_names_that_differ_in_case_go_out_and_come_back(self, dataset, out, tmp_path):
        record = dataset.add_image(np.zeros((3, 4)))
        for name in ("Radon", "radon", "CON", "a:b"):  # as older datasets may have them
            record.restore_analysis(f"{name}.json", b'{"v": 1}')
        dataset.export_legacy_folder(out)
        names = [path.name.casefold() for path in (out / "images" / record.image_id).glob("*.json")]
        assert len(set(names)) == 4
        assert not any(":" in name or name.startswith("con.") for name in names)
        again = ZarrDataset(tmp_path / "again.zarr")
        assert again.ingest_legacy_folder(out).failed == ()
        check_same(dataset, again)

    def test_an_export_that_is_stopped_leaves_nothing(self, filled, out):
        def stop(*_args):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            filled.export_legacy_folder(out, watch=Watch(progress=stop))
        assert (out.exists(), [path.name for path in out.parent.iterdir()]) == (False, ["made.zarr"])

    @pytest.mark.slow
    @pytest.mark.parametrize("friendly_names", [False, True], ids=["ids", "friendly"])
    def test_an_executor_writes_the_same_folder(self, filled, out, tmp_path, executor, friendly_names):
        for number in range(40):
            with filled.build_record(np.full((3, 4), number)) as draft:
                draft.save_metadata_payload({"header": {"name": "scan"}})
        (filled.path / "images" / filled.list_image_ids()[3] / "zarr.json").write_text("{")
        plain = filled.export_legacy_folder(tmp_path / "plain", friendly_names=friendly_names)
        done: list[int] = []
        report = filled.export_legacy_folder(
            out, executor=executor, friendly_names=friendly_names, watch=Watch(progress=lambda at, *_: done.append(at))
        )
        assert (report.records, report.files, report.failed) == (plain.records, plain.files, plain.failed)
        assert len(report.failed) == 1
        assert done == list(range(1, 42))
        assert files_of(out) == files_of(tmp_path / "plain")

    def test_a_disk_that_fails_in_an_executor_leaves_nothing(self, filled, out, monkeypatch):
        def failing(_path):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("kymflow_zarr.disk.steps.flush_file", failing)
        with ThreadPoolExecutor(2) as executor, pytest.raises(NotSavedError, match="not saved: Input/output error"):
            filled.export_legacy_folder(out, executor=executor)
        assert (out.exists(), [path.name for path in out.parent.iterdir()]) == (False, ["made.zarr"])

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_each_file_is_flushed_once_before_the_folder_appears(self, filled, out, monkeypatch, jobs):
        flushed: list[str] = []

        def note(path):
            assert not out.exists()
            flushed.append(re.sub(r".*/building-[^/]*/?", "", path))

        for number in range(20):
            filled.add_image(np.full((3, 4), number))
        monkeypatch.setattr("kymflow_zarr.disk.steps.flush_file", note)
        monkeypatch.setattr("kymflow_zarr.disk.steps.flush_folder", lambda path: path == str(out.parent) or note(path))
        with ThreadPoolExecutor(jobs) as executor:
            filled.export_legacy_folder(out, executor=executor if jobs > 1 else None)
        written = [path.relative_to(out).as_posix() for path in out.rglob("*")]
        assert sorted(one for one in flushed if one in written) == sorted(written)

    def test_a_cancel_waits_for_what_was_begun_and_leaves_nothing(self, filled, out):
        for number in range(20):
            filled.add_image(np.full((3, 4), number))
        asked: list[int] = []
        with ThreadPoolExecutor(2) as executor, pytest.raises(CancelledError, match="the export was cancelled"):
            filled.export_legacy_folder(
                out, executor=executor, watch=Watch(is_cancelled=lambda: asked.append(1) or len(asked) > 1)
            )
        assert (out.exists(), [path.name for path in out.parent.iterdir()]) == (False, ["made.zarr"])

    def test_what_is_damaged_is_said_and_the_rest_goes_out(self, filled, out, pixels):
        filled.add_image(pixels)
        (image_id,) = [
            one for one in filled.list_image_ids() if (filled.path / "images" / one / "analysis/trace.csv.gz").exists()
        ]
        (filled.path / "images" / image_id / "analysis/radon/params.json").write_text("{")
        report = filled.export_legacy_folder(out)
        (failed,) = report.failed
        assert "params.json is not readable JSON" in failed.reason
        assert (report.records, (out / "images" / image_id / "image.tif").exists()) == (2, True)
        assert report.summary().endswith("1 thing could not be read")

    def test_pixels_that_no_tiff_can_hold_are_npy_and_that_is_said(self, dataset, out):
        dataset.add_image(np.zeros((0, 4)))
        report = dataset.export_legacy_folder(out)
        assert "a TIFF cannot hold float64 pixels of the shape (0, 4); they are in image.npy" in report.notes[0]


class TestRestore:
    def test_a_second_import_does_nothing(self, filled, exported, out, tree_picture, tmp_path):
        again = ZarrDataset(tmp_path / "again.zarr")
        again.ingest_legacy_folder(out)
        before = tree_picture(again.path)
        report = again.ingest_legacy_folder(out)
        assert (report.imported, len(report.skipped), report.failed) == ((), 1, ())
        assert tree_picture(again.path) == before

    @pytest.mark.slow
    def test_an_executor_makes_the_same_dataset(self, filled, out, tmp_path, executor):
        for number in range(40):
            with filled.build_record(np.full((3, 4), number)) as draft:
                draft.save_metadata_payload({"header": {"name": "scan"}})
        filled.export_legacy_folder(out)
        lost = filled.list_image_ids()[20]
        (out / "images" / lost / "image.tif").unlink()
        plain, again = ZarrDataset(tmp_path / "plain.zarr"), ZarrDataset(tmp_path / "again.zarr")
        expected = plain.import_folder(out)
        done: list[int] = []
        report = again.import_folder(out, executor=executor, watch=Watch(progress=lambda at, *_: done.append(at)))
        assert report == expected
        assert (len(report.imported), [one.path.name for one in report.failed]) == (40, [lost])
        assert done == list(range(1, 42))
        check_same(plain, again)
        assert len(again.import_folder(out, executor=executor).skipped) == 40

    def test_rows_are_added_to_a_table_that_is_there(self, filled, exported, out, tmp_path):
        again = ZarrDataset(tmp_path / "again.zarr")
        other = again.add_image(np.zeros((3, 4)))
        again.save_table("report", pd.DataFrame({"image_id": [other.image_id], "v": [2.0]}))
        again.ingest_legacy_folder(out)
        table = again.load_table("report")
        assert dict(zip(table["image_id"], table["v"], strict=True)) == {other.image_id: 2.0, exported.name: 1.0}

    @pytest.fixture
    def back(self, out, tmp_path):
        """A function that imports the export into a new dataset; returns what was said, and the record if it came in."""

        def restore():
            again = ZarrDataset(tmp_path / "back.zarr")
            report = again.ingest_legacy_folder(out)
            record = again.record(report.imported[0].image_id) if report.imported else None
            return report, record

        return restore

    def test_a_json_that_was_edited_is_taken_and_that_is_said(self, exported, back):
        path = exported / "radon" / "params.json"
        path.write_text(path.read_text().replace("16", "32"))
        report, record = back()
        assert record.load_json("radon/params") == {"window": 32}
        assert record.load_computed_from("radon/params.json") == {"algorithm": "radon"}
        assert "params.json was changed since the export; it was taken as it is now" in report.imported[0].notes[0]

    def test_metadata_that_were_edited_become_the_next_revision(self, exported, back):
        path = exported / "metadata.json"
        path.write_text(path.read_text().replace('"roi_id": 1', '"roi_id": 7'))
        _, record = back()
        assert [one.payload["rois"] for one in record.history()] == [[], [{"roi_id": 1}], [{"roi_id": 7}]]

    def test_a_csv_that_was_edited_is_not_read_and_that_is_said(self, exported, back):
        (exported / "radon" / "report.csv").write_text("edited")
        report, _ = back()
        (note,) = report.imported[0].notes
        assert note.endswith(
            "report.csv was changed since the export, but the Parquet file of the same name is what was taken"
        )

    def test_a_file_of_somebody_else_is_said(self, exported, back):
        (exported / "mine.txt").write_text("mine")
        report, _ = back()
        assert "1 files in images" in report.imported[0].notes[0]
        assert "were not imported: mine.txt" in report.imported[0].notes[0]

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            pytest.param(lambda f: (f / "image.tif").unlink(), "image.tif is missing; copy the exported", id="no image"),
            pytest.param(lambda f: (f / "image.tif").write_bytes(b"x"), "cannot be read as a TIFF", id="no TIFF"),
            pytest.param(
                lambda f: tifffile.imwrite(f / "image.tif", np.zeros((3, 3), np.uint16)),
                r"holds uint16 values of the shape \(3, 3\); uint16 values of the shape \(20, 6\) were exported",
                id="another image",
            ),
            pytest.param(
                lambda f: np.save(f / "array_artifacts/mask.npy", np.array([{}]), allow_pickle=True),
                "only numbers and booleans are read",
                id="npy with objects",
            ),
            pytest.param(
                lambda f: (f / "array_artifacts/mask.npy").write_bytes(npy_to_bytes(np.zeros(4))[:-1]),
                "31 do; restore it",
                id="npy cut off",
            ),
            pytest.param(lambda f: (f / "radon/params.json").write_text("{"), "not readable JSON", id="no JSON"),
            pytest.param(lambda f: (f / "radon/report.parquet").write_text("x"), "not readable Parquet", id="no Parquet"),
            pytest.param(lambda f: (f / "trace.csv.gz").write_text("x" * 30), "not readable gzip", id="no gzip"),
            pytest.param(
                lambda f: (f / "history/metadata.00000000.json").write_text('{"metadata": {}}'),
                "revision 0 is not what was saved",
                id="another revision",
            ),
        ],
    )
    def test_a_damaged_record_stays_out_whole(self, exported, back, tmp_path, damage, reason):
        damage(exported)
        report, record = back()
        assert (record, len(report.failed)) == (None, 1)
        assert re.search(reason, report.failed[0].reason)
        again = ZarrDataset(tmp_path / "back.zarr", mode="r")
        assert (again.list_image_ids(), len(again.load_table("report"))) == ([], 0)

    def test_a_damaged_record_keeps_no_other_out(self, filled, out, tmp_path):
        other = filled.add_image(np.zeros((3, 4)))
        filled.export_legacy_folder(out)
        (out / "images" / other.image_id / "image.tif").unlink()
        report = ZarrDataset(tmp_path / "again.zarr").ingest_legacy_folder(out)
        assert (len(report.imported), len(report.failed)) == (1, 1)

    def test_an_export_without_pixels_is_refused_record_by_record(self, filled, out, back):
        filled.export_legacy_folder(out, include_tiff=False)
        report, _ = back()
        assert "was exported without its pixels, so no record can be made of it" in report.failed[0].reason

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            pytest.param({"version": 3}, r"is of version 3; this program reads version 2: update it", id="newer"),
            pytest.param({"images": {}}, r"lacks its list of images", id="no images"),
            pytest.param({"images": [3]}, r"an entry that is no exported record: 3", id="no record"),
            pytest.param(
                {"tables": [{"path": "../../x", "kind": "table", "name": "x", "sha256": ""}]},
                "names a file that is not in the folder",
                id="leads out",
            ),
        ],
    )
    def test_a_document_that_cannot_be_used_is_refused(self, exported, out, tmp_path, change, reason):
        document = json.loads((out / "dataset.json").read_text())
        (out / "dataset.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(SourceError, match=reason):
            ZarrDataset(tmp_path / "again.zarr").ingest_legacy_folder(out)
        assert not (tmp_path / "again.zarr").exists()

    def test_what_came_in_before_a_stop_has_its_rows(self, filled, out, tmp_path):
        other = filled.add_image(np.zeros((3, 4)))
        filled.save_table("report", pd.DataFrame({"image_id": filled.list_image_ids(), "v": [1.0, 2.0]}))
        filled.export_legacy_folder(out)

        def stop(done, _total, _name):
            if done == 1:
                raise KeyboardInterrupt

        again = ZarrDataset(tmp_path / "again.zarr")
        with pytest.raises(KeyboardInterrupt):
            again.ingest_legacy_folder(out, watch=Watch(progress=stop))
        assert set(again.load_table("report")["image_id"]) == set(again.list_image_ids())
        again.ingest_legacy_folder(out)
        check_same(filled, again)
        assert other.image_id in again.list_image_ids()

    @pytest.mark.shared
    def test_the_older_programs_dataset_upgraded_and_exported_comes_back(self, older_dataset_path, out, tmp_path):
        from kymflow_zarr.upgrade import upgrade_dataset

        upgrade_dataset(older_dataset_path, tmp_path / "new.zarr")
        upgraded = ZarrDataset(tmp_path / "new.zarr", mode="r")
        report = upgraded.export_legacy_folder(out)
        again = ZarrDataset(tmp_path / "again.zarr")
        again.ingest_legacy_folder(out)
        assert (report.failed, report.records) == ((), 2)
        check_same(upgraded, again)
        assert again.attributes.upgraded_from == upgraded.attributes.upgraded_from


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "zyxc", "tzyxc", ("a0", "a1", "a2")], ids=lambda axes: "".join(axes))
def test_a_tiff_holds_what_it_was_made_of(rng, dtype, axes):
    array = rng.integers(0, 2, size=(3, 2, 4, 5, 1)[-len(axes) :]).astype(dtype)
    data = array_to_tiff(array, tuple(axes), {"x": Scale(size=0.3, unit="um"), "z": Scale(size=2.0, unit="um")})
    again = tiff_to_array(data, axes=tuple(axes), shape=array.shape, dtype=array.dtype, what="x")
    np.testing.assert_array_equal(again, array, strict=True)


@pytest.mark.parametrize(
    "size", [0.284, 0.5, 35.099 / 30000, 33.299 / 30000, 1e-5, 3.0, 1 / 3, 1e-9, 7.123456789, 2**32 - 2]
)
def test_a_step_comes_back_to_the_last_digit(size):
    scales = {"x": Scale(size=size, unit="um"), "y": Scale(size=size, unit="s")}
    with tifffile.TiffFile(io.BytesIO(array_to_tiff(np.zeros((3, 4), np.uint8), "yx", scales))) as tiff:
        read = [tiff.pages[0].tags[name].value for name in ("XResolution", "YResolution")]
    assert [below / above for above, below in read] == pytest.approx([size] * 2, rel=1e-9)


@pytest.mark.parametrize("size", [1e-320, 1e-12, 1e-10, 6e-10, 1e12, 1e300, float("inf"), float("nan"), -1.0, 0.0])
def test_a_step_that_a_tiff_cannot_say_is_not_known_in_it(size):
    data = array_to_tiff(np.zeros((3, 4), np.uint8), "yx", {"x": Scale(size=size, unit="um")})
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert tiff.imagej_metadata["unit"] == "pixel"


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0)], ids=str)
def test_what_a_tiff_cannot_hold_gives_none(shape):
    assert array_to_tiff(np.zeros(shape), ("a0", "a1")[: len(shape)], {}) is None


def test_a_record_of_an_id_that_is_none_is_refused(dataset):
    with (
        pytest.raises(KymflowZarrError, match=r"'../x' cannot be the id of a record"),
        dataset.build_record(np.zeros((2, 2)), image_id="../x"),
    ):
        pass


def test_signed_16_bit_numbers_are_written_as_imagej_writes_them(rng, tmp_path):
    pixels = rng.integers(-(2**15), 2**15 - 1, (20, 6), dtype=np.int16)
    (tmp_path / "x.tif").write_bytes(array_to_tiff(pixels, "yx", {}))
    with tifffile.TiffFile(tmp_path / "x.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray(), pixels.astype(np.int32) + 2**15)
        said = tiff.imagej_metadata
        assert tiff.pages.first.dtype == np.uint16
    assert [said[key] for key in ("cf", "c0", "c1", "vunit")] == [0, -32768.0, 1.0, "Gray Value"]
    np.testing.assert_array_equal(read_tiff(tmp_path / "x.tif").pixels, pixels, strict=True)


def test_the_info_of_imagej_is_written_whole(tmp_path):
    text = "a line of settings\n" * 400
    with tifffile.TiffFile(io.BytesIO(array_to_tiff(np.zeros((3, 4), np.uint8), "yx", {}, info=text))) as tiff:
        assert tiff.imagej_metadata["Info"] == text


def test_names_in_an_exported_csv_stay_text(dataset, record, out):
    record.save_df_parquet("mice", pd.DataFrame({"mouse": ["007", "12"], "v": [1, 2]}))
    record.save_df_parquet("rooms", pd.DataFrame({"room": ["7", "8"], "v": [1, 2]}))
    dataset.export_legacy_folder(out)
    for name, column in (("mice", "mouse"), ("rooms", "room")):
        (path,) = out.rglob(f"{name}.csv")
        frame = parse_csv(path.read_bytes(), where=name).frame
        pd.testing.assert_frame_equal(frame, record.load_df_parquet(name))
        assert all(isinstance(one, str) for one in frame[column])


class TestManyRecords:
    @pytest.fixture
    def lines(self, tmp_path, monkeypatch):
        """An export of three records, each a line, and the dataset that it is of."""
        monkeypatch.setattr(document, "MOST_INSIDE", 2)
        dataset = ZarrDataset.create(tmp_path / "many.zarr")
        for at in range(3):
            dataset.add_image(np.full((4, 3), at, np.uint8)).save_json("params", {"at": at})
        dataset.export_legacy_folder(tmp_path / "out")
        return dataset, tmp_path / "out"

    def test_each_is_a_line_and_they_come_back(self, lines, tmp_path):
        dataset, out = lines
        assert len((out / "images.jsonl").read_text().splitlines()) == 3
        again = ZarrDataset.create(tmp_path / "again.zarr")
        assert again.import_folder(out).failed == ()
        assert [record.load_json("params") for record in again.iter_records()] == [
            record.load_json("params") for record in dataset.iter_records()
        ]
        assert again.verify(deep=True).problems == ()

    @pytest.mark.parametrize("left", [b"", b"{}\n"])
    def test_lines_that_are_cut_off_are_refused(self, lines, tmp_path, left):
        _, out = lines
        (out / "images.jsonl").write_bytes(left)
        with pytest.raises(SourceError, match=r"says that images.jsonl has 3 records, and there are"):
            ZarrDataset(tmp_path / "again.zarr").import_folder(out)

    def test_an_export_of_fewer_records_in_its_place_has_none_of_its_lines(self, lines, tmp_path):
        dataset, out = lines
        dataset.delete_image(dataset.list_image_ids()[0])
        dataset.export_legacy_folder(out, overwrite=True)
        assert not (out / "images.jsonl").exists()
        again = ZarrDataset.create(tmp_path / "again.zarr")
        assert len(again.import_folder(out).imported) == 2

    @pytest.mark.trials
    def test_a_document_of_more_records_than_one_json_file_has_room_for_is_read_again(self, tmp_path):
        file = ExportedFile(path="images/x/image.tif", kind="json", name="n" * 60, sha256="0" * 64)
        image = ExportedImage(image_id="x" * 36, folder="images/x", axes=("y", "x"), created_utc="", files=(file,) * 15)
        whole = ExportDocument(dataset_id="d", created_utc="", exported_utc="", schema_version=2, images=(image,) * 15_000)
        assert sum(map(len, whole.lines())) > 2**25
        blobs = Blobs(tmp_path, read_only=False)
        blobs.write_lines("images.jsonl", whole.lines())
        blobs.write("dataset.json", json.dumps(whole.to_json()).encode())
        assert load_export(tmp_path) == whole

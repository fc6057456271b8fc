"""An exported folder that was edited, or made by somebody else, or whose import was stopped."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import ZarrDataset, pixels_digest
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import InvalidNameError, SourceError
from kymflow_zarr.importing.file_reader import PLAIN
from kymflow_zarr.importing.restore import _Restore
from kymflow_zarr.tables.sources import Source


def source_at(path: str) -> Source:
    """Return a source as an import notes it."""
    return Source(source_primary_path=path, source_mtime_ns=1, source_size_bytes=2, source_sha256="ab", ingested_epoch_ns=3)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """The dataset `filled`, and the folder `out` that it was exported to; tests copy both."""
    folder = tmp_path_factory.mktemp("exported")
    dataset = ZarrDataset.create(folder / "made.zarr")
    pixels = np.random.default_rng(0).integers(0, 60_000, (20, 6)).astype(np.uint16)
    with dataset.build_record(pixels) as draft:
        draft.save_metadata_payload({"header": {}})
        draft.save_json("params", {"window": 16})
        draft.save_array_artifact("mask", np.ones(pixels.shape, bool))
    dataset.add_image(pixels)
    ids = dataset.list_image_ids()
    dataset.save_table("report", pd.DataFrame({"image_id": ids, "v": [1.0, 2.0]}))
    dataset._sources.add({image_id: source_at(f"/lab/{image_id}.tif") for image_id in ids})
    dataset.export_legacy_folder(folder / "out")
    return folder


@pytest.fixture
def filled(original, tmp_path) -> ZarrDataset:
    """Two records, one with metadata and an artifact of each kind, with rows in a table and among the sources."""
    return ZarrDataset(shutil.copytree(original / "made.zarr", tmp_path / "made.zarr"))


@pytest.fixture
def out(original, tmp_path) -> Path:
    """The folder that `filled` was exported to."""
    return shutil.copytree(original / "out", tmp_path / "out")


@pytest.fixture
def target(tmp_path) -> ZarrDataset:
    """Where the folder is imported into."""
    return ZarrDataset(tmp_path / "target.zarr")


class TestStoppedBeforeItsTables:
    @pytest.fixture
    def stopped(self, out, target, monkeypatch) -> ZarrDataset:
        """A dataset that has the records, and none of their rows."""
        other = target.add_image(np.zeros((3, 4)))
        target.save_table("report", pd.DataFrame({"image_id": [other.image_id], "v": [3.0]}))
        with monkeypatch.context() as killed:
            killed.setattr(_Restore, "restore_tables", lambda *_args: None)
            target.ingest_legacy_folder(out)
        return target

    def test_the_next_import_adds_the_rows(self, stopped, out):
        assert len(stopped.ingest_legacy_folder(out).skipped) == 2
        assert sorted(stopped.load_table("report")["v"]) == [1.0, 2.0, 3.0]
        assert len(stopped.load_sources_index()) == 2

    def test_a_row_that_is_there_stays(self, stopped, out, filled):
        changed = filled.list_image_ids()[0]
        stopped.replace_rows("report", {changed: pd.DataFrame({"image_id": [changed], "v": [9.0]})})
        stopped.ingest_legacy_folder(out)
        assert sorted(stopped.load_table("report")["v"]) == [2.0, 3.0, 9.0]

    def test_a_complete_one_is_not_written(self, stopped, out, tree_picture):
        stopped.ingest_legacy_folder(out)
        before = tree_picture(stopped.path)
        stopped.ingest_legacy_folder(out)
        assert tree_picture(stopped.path) == before


class TestWhatIsAnExport:
    @pytest.mark.parametrize(
        "text",
        [
            pytest.param('{"images": [], "annotations": []}', id="COCO"),
            pytest.param("[1]", id="a list"),
            pytest.param('["kymflow_export"]', id="a list with our name"),
            pytest.param('{"format": "other"}', id="another format"),
            pytest.param("{", id="damaged"),
        ],
    )
    def test_another_programs_document_is_passed_over(self, text, tiff_folder, target):
        (tiff_folder / "dataset.json").write_text(text)
        assert len(target.ingest_legacy_folder(tiff_folder).imported) == 3

    def test_a_damaged_document_of_ours_is_said(self, out, target):
        (out / "dataset.json").write_text((out / "dataset.json").read_text()[:-9])
        with pytest.raises(SourceError, match=r"dataset\.json cannot be used: dataset\.json is not readable JSON"):
            target.ingest_legacy_folder(out)

    def test_a_name_that_no_disk_can_have_is_no_export(self, tmp_path):
        assert not ZarrDataset.is_export(tmp_path / ("n" * 300))

    def test_a_document_that_the_disk_does_not_give_is_said(self, out, monkeypatch):
        def fail(*_args):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Blobs, "open", fail)
        with pytest.raises(SourceError, match=r"dataset\.json cannot be read \(Permission denied\); nothing was imported"):
            ZarrDataset.is_export(out)


class TestTables:
    def restore_as(self, name, out, target):
        """Import the export with its table under another name; return why it could not be."""
        document = json.loads((out / "dataset.json").read_text())
        (table,) = (entry for entry in document["tables"] if entry["path"] == "tables/report.parquet")
        table["name"] = name
        (out / "dataset.json").write_text(json.dumps(document))
        report = target.ingest_legacy_folder(out)
        assert len(target.list_image_ids()) == 2
        return [failure.reason for failure in report.failed]

    def test_one_with_a_name_that_an_older_program_gave_it_keeps_it(self, out, target):
        assert self.restore_as("Kym Events", out, target) == []
        assert target.list_table_names() == ["Kym Events"]
        assert len(target.load_table("Kym Events")) == 2

    def test_rows_are_added_to_such_a_table(self, out, target):
        self.restore_as("Kym Events", out, target)
        target.delete_image(target.list_image_ids()[0])
        assert self.restore_as("Kym Events", out, target) == []
        assert len(target.load_table("Kym Events")) == 2

    @pytest.mark.parametrize("name", ["", ".hidden", "a/b", "Sources"])
    def test_a_name_that_is_no_tables_is_refused(self, name, out, target):
        (reason,) = self.restore_as(name, out, target)
        assert "cannot be restored: it is empty, hidden, a path, or the dataset's own" in reason
        assert target.list_table_names() == []


def edit(out, change, *, kind=None):
    """Change the entry of the first record that has one of a kind, or of its first file of that kind."""
    document = json.loads((out / "dataset.json").read_text())
    files = [(image, file) for image in document["images"] for file in image["files"] if file["kind"] == (kind or "json")]
    image, file = files[0]
    (file if kind else image).update(change)
    (out / "dataset.json").write_text(json.dumps(document))


class TestEditedDocument:
    @pytest.mark.parametrize(
        ("kind", "change", "reason"),
        [
            pytest.param("image", {"shape": [1] * 70 + [20, 6]}, "do not fit the shape", id="72 dimensions"),
            pytest.param(
                "image",
                {"shape": [1] * 70, "axes": [f"a{n}" for n in range(70)]},
                "no array has the shape",
                id="70 dimensions with axes",
            ),
            pytest.param("image", {"shape": [2**60, 0]}, "no array has the shape", id="a huge shape"),
            pytest.param("image", {"shape": [2, 10, 6]}, "do not fit the shape", id="shape of other axes"),
            pytest.param("image", {"axes": ["z", "y", "x"]}, "do not fit the shape", id="too many axes"),
            pytest.param("array", {"axes": ["y", "y"]}, "do not fit the shape", id="an axis twice"),
            pytest.param("image", {"dtype": "{'names': ['a'], 'formats': ['u2']}"}, "no type of numbers", id="structured"),
            pytest.param("image", {"dtype": "u2,u2"}, "no type of numbers", id="two types"),
            pytest.param("image", {"dtype": "u3"}, "no type of numbers", id="3 bytes"),
            pytest.param("image", {"dtype": "f16"}, "no type of numbers", id="long double"),
            pytest.param("revision", {"name": "abc"}, "no exported file", id="revision of letters"),
            pytest.param("revision", {"name": "-5"}, "no exported file", id="revision below 0"),
            pytest.param("revision", {"name": "9" * 30}, "no exported file", id="revision of 30 digits"),
            pytest.param(None, {"folder": "../x"}, "is not in the folder", id="folder outside"),
            pytest.param(None, {"folder": "/etc"}, "is not in the folder", id="folder at the root"),
            pytest.param(None, {"folder": ""}, "is not in the folder", id="no folder"),
        ],
    )
    def test_what_cannot_be_is_said_before_anything_is_imported(self, kind, change, reason, out, target):
        edit(out, change, kind=kind)
        with pytest.raises(SourceError, match=rf"dataset\.json cannot be used: .*{reason}"):
            target.ingest_legacy_folder(out)
        assert not target.path.exists()

    def test_other_axes_than_the_pixels_have_keep_a_record_out(self, out, target):
        edit(out, {"axes": ["x", "y"]})
        report = target.ingest_legacy_folder(out)
        assert (len(report.imported), len(report.failed)) == (1, 1)
        assert "has the axes ('x', 'y'), and its pixels ('y', 'x')" in report.failed[0].reason

    def test_attributes_that_would_make_a_dataset_that_does_not_open_are_refused(self, out, target):
        document = json.loads((out / "dataset.json").read_text())
        document["attributes"] = {"upgraded_from": {"x": "y" * (5 << 20)}}
        (out / "dataset.json").write_text(json.dumps(document))
        with pytest.raises(SourceError, match="its attributes have more than 256 KB, which no dataset has"):
            target.ingest_legacy_folder(out)

    @pytest.mark.parametrize("name", ["zarr.json", "a/b", ".hidden", "", ".."])
    def test_an_array_of_a_name_that_none_has_keeps_its_record_out(self, name, out, target):
        edit(out, {"name": name}, kind="array")
        report = target.ingest_legacy_folder(out)
        assert (len(report.imported), len(report.failed)) == (1, 1)
        assert f"array artifact name {name!r} cannot be restored" in report.failed[0].reason

    def test_an_array_keeps_the_name_that_an_older_program_gave_it(self, out, target):
        edit(out, {"name": "My Mask"}, kind="array")
        target.ingest_legacy_folder(out)
        assert any(record.list_array_artifacts() == ["My Mask"] for record in target.iter_records())

    @pytest.mark.parametrize("kind", ["revision", "array"])
    def test_one_thing_twice_keeps_its_record_out_and_that_is_said(self, kind, out, target):
        document = json.loads((out / "dataset.json").read_text())
        (entry,) = (file for image in document["images"] for file in image["files"] if file["kind"] == kind)
        files = next(image["files"] for image in document["images"] if entry in image["files"])
        files.append({**entry, "held_by_metadata": True})
        (out / "dataset.json").write_text(json.dumps(document))
        report = target.ingest_legacy_folder(out)
        assert (len(report.imported), len(report.skipped), len(report.failed)) == (1, 0, 1)

    def test_a_folder_that_cannot_be_listed_keeps_no_record_out(self, out, target, monkeypatch):
        def fail(*_args, **_options):
            raise PermissionError(errno.EACCES, "Permission denied")

        real = Blobs.files
        monkeypatch.setattr(Blobs, "files", lambda self, *args: (fail if self.root == out else real)(self, *args))
        report = target.ingest_legacy_folder(out)
        assert (len(report.imported), report.failed) == (2, ())
        assert "has files that are not of the export is not known: " in report.imported[0].notes[0]

    def test_a_hidden_artifact_keeps_its_record_out(self, out, target):
        edit(out, {"name": "sub/.hidden"}, kind="json")
        (failed,) = target.ingest_legacy_folder(out).failed
        assert "'sub/.hidden.json' is no JSON, Parquet or CSV artifact of a record" in failed.reason


@pytest.mark.parametrize("number", [-5, 10**17])
def test_a_number_that_no_revision_has_is_not_restored(number, record):
    record.save_metadata_payload({"header": {}})
    with pytest.raises(InvalidNameError, match=f"{number} cannot be the number of a revision"):
        record.restore_revision(number, record.load_revision_bytes(0))


class TestCheckedRecords:
    @pytest.fixture(autouse=True)
    def fault_finding_reader(self, monkeypatch):
        """An installed reader that finds a record with an artifact wrong."""
        reader = replace(PLAIN, check_record=lambda record: ["ROI 1 is odd"] if record.list_analysis_keys() else [])
        monkeypatch.setattr("kymflow_zarr.importing.plan.installed_reader", lambda: reader)

    def test_a_changed_one_stays_out(self, out, target):
        (path,) = out.rglob("params.json")
        path.write_text(path.read_text().replace("16", "32"))
        report = target.ingest_legacy_folder(out)
        assert (len(report.imported), len(target.list_image_ids())) == (1, 1)
        assert report.failed[0].reason == (
            "files of it were changed since the export, and ROI 1 is odd; mend them, then import"
        )

    def test_one_that_was_exported_so_comes_in_and_that_is_said(self, out, target):
        report = target.ingest_legacy_folder(out)
        assert sorted(file.notes for file in report.imported) == [(), ("it is as it was exported, and ROI 1 is odd",)]


class TestPartsOfAnExport:
    def test_one_records_folder_is_one_record(self, out, target):
        (mask,) = out.rglob("array_artifacts/mask.tif")
        report = target.ingest_legacy_folder(mask.parents[1])
        assert [file.path.name for file in report.imported] == ["image.tif"]
        assert [record.list_array_artifacts() for record in target.iter_records()] == [["mask"]]

    def test_the_folder_of_records_has_no_more_records_than_folders(self, out, target):
        assert len(target.ingest_legacy_folder(out / "images").imported) == 2

    def test_an_edited_copy_of_a_table_is_named(self, dataset, record, target, tmp_path):
        dataset.save_table("mine", pd.DataFrame({"image_id": [record.image_id], "v": [1]}))
        folder = tmp_path / "with table"
        dataset.export_legacy_folder(folder)
        (folder / "tables" / "mine.csv").write_text("image_id,v\nx,2\n")
        (note,) = target.ingest_legacy_folder(folder).notes
        assert note.startswith("tables/mine.csv was changed since the export, but the Parquet file")

    def test_a_turned_image_keeps_its_record_out(self, dataset, record, target, tmp_path):
        folder = tmp_path / "turned"
        dataset.export_legacy_folder(folder)
        path = folder / "images" / record.image_id / "image.tif"
        tifffile.imwrite(path, tifffile.imread(path).T)
        (failed,) = target.ingest_legacy_folder(folder).failed
        assert "were exported" in failed.reason
        assert target.list_image_ids() == []

    def test_of_edited_pixels_the_metadata_have_the_digest(self, dataset, record, target, tmp_path):
        folder = tmp_path / "edited"
        dataset.export_legacy_folder(folder)
        path = folder / "images" / record.image_id / "image.tif"
        other = tifffile.imread(path) + 1
        tifffile.imwrite(path, other)
        (imported,) = target.ingest_legacy_folder(folder).imported
        assert any("are outdated" in note for note in imported.notes)
        assert target.record(record.image_id).load_metadata_payload()["pixels_sha256"] == pixels_digest(other)

    def test_one_below_another_folder_is_left_out_and_that_is_said(self, out, tiff_folder, target):
        shutil.move(out, tiff_folder / "exported")
        report = target.import_folder(tiff_folder)
        assert (len(report.imported), report.failed) == (3, ())
        said = f"{tiff_folder / 'exported'} was skipped: it is an exported dataset; import that folder by itself"
        assert report.notes == (said,)

    def test_a_damaged_one_below_another_folder_is_left_out_too(self, out, tiff_folder, target):
        shutil.move(out, tiff_folder / "exported")
        (tiff_folder / "exported" / "dataset.json").write_text('{"format": "kymflow_export"')
        report = target.import_folder(tiff_folder)
        assert (len(report.imported), len(report.failed)) == (3, 1)
        assert "is not readable JSON" in report.failed[0].reason

    def test_another_programs_document_leaves_no_folder_out(self, tiff_folder, target):
        (tiff_folder / "day 2" / "dataset.json").write_text('{"images": []}')
        assert len(target.import_folder(tiff_folder).imported) == 3

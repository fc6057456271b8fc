"""What `verify` finds and repairs, one broken thing at a time, and that a repair loses nothing."""

import gzip
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.errors import CancelledError, DamagedError, ReadOnlyError
from kymflow_zarr.formats.seals import seal_around_foreign
from kymflow_zarr.formats.strict_json import to_readable_bytes
from kymflow_zarr.record.attributes import OF_RECORD
from kymflow_zarr.verify.verify import VerifyReport


@pytest.fixture(scope="module")
def original(tiff_folder_original, tmp_path_factory):
    """A folder with the dataset `lab` and its TIFFs; tests copy it."""
    folder = tmp_path_factory.mktemp("lab")
    dataset = ZarrDataset.create(folder / "made.zarr")
    dataset.import_folder(shutil.copytree(tiff_folder_original, folder / "tiffs"))
    record = next(dataset.iter_records())
    record.save_metadata_payload({"rois": [1]})
    record.save_metadata_payload({"rois": [1, 2]})
    record.save_json("radon/params", {"window": 16})
    record.save_df_parquet("report", pd.DataFrame({"v": [1.0, 2.0]}))
    record.save_df_csv_gz("raw", pd.DataFrame({"v": [1.0, 2.0]}))
    record.save_array_artifact("mask", np.ones((20, 6), bool))
    dataset.save_table("velocity", pd.DataFrame({"image_id": dataset.list_image_ids(), "v": [1.0, 2.0, 3.0]}))
    return folder


@pytest.fixture
def lab(original, tiff_folder, tmp_path):
    """Three imported images; the first with two revisions, artifacts of every kind and rows in a table."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    dataset = ZarrDataset(tmp_path / "made.zarr")
    dataset.rebuild_manifest()
    return dataset


@pytest.fixture
def first(lab):
    return next(lab.iter_records())


@pytest.fixture
def folder(lab, first):
    """Where the first record lies."""
    return lab.path / "images" / first.image_id


def said(report):
    return [(problem.where.rpartition("/")[2], problem.state) for problem in report.problems]


def flip(path, position=-20):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


def edit(path, change):
    """Change a JSON document without its seal."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document, indent=2) + "\n")


def quarantined(dataset):
    folder = dataset.path / ".quarantine"
    return sorted(path.name.partition("~")[2] for path in folder.iterdir()) if folder.exists() else []


class TestSound:
    @pytest.mark.parametrize("deep", [False, True])
    def test_a_sound_dataset_has_no_problem(self, lab, deep):
        report = lab.verify(deep=deep)
        assert (report.problems, report.exit_code, report.summary()) == ((), 0, "3 of 3 records are sound")

    @pytest.mark.parametrize(("damaged", "summary"), [(0, "1 of 1 record is sound"), (1, "0 of 1 record opens; 1 damaged")])
    def test_of_one_record_it_speaks_in_the_singular(self, damaged, summary):
        assert VerifyReport(records=1, damaged_records=damaged, problems=()).summary() == summary

    @pytest.mark.parametrize("deep", [False, True])
    def test_looking_writes_nothing(self, lab, tree_picture, deep):
        before = tree_picture(lab.path)
        lab.verify(deep=deep)
        assert tree_picture(lab.path) == before

    def test_repairing_what_is_sound_writes_nothing(self, lab, tree_picture):
        before = tree_picture(lab.path)
        lab.verify(deep=True, repair=True)
        assert tree_picture(lab.path) == before

    def test_progress_is_told_for_each_record(self, lab):
        calls = []
        lab.verify(watch=Watch(progress=lambda done, total, _: calls.append((done, total))))
        assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]

    @pytest.mark.parametrize("deep", [False, True])
    def test_several_at_once_find_the_same_in_the_same_order(self, lab, folder, deep, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.spread.CHUNK", 1)
        flip(folder / "data/c/0/0", position=-6)
        (folder / "analysis/metadata.json").unlink()
        with ThreadPoolExecutor(2) as executor:
            assert lab.verify(deep=deep, executor=executor) == lab.verify(deep=deep)

    def test_several_at_once_stop_when_they_are_cancelled(self, lab, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.spread.CHUNK", 1)
        asked = iter([False, False])
        with ThreadPoolExecutor(1) as executor, pytest.raises(CancelledError, match="looking for damage was cancelled"):
            lab.verify(watch=Watch(is_cancelled=lambda: next(asked, True)), executor=executor)

    def test_a_repair_is_done_here_whatever_the_executor(self, lab, folder):
        (folder / "analysis/metadata.json").unlink()
        with ThreadPoolExecutor(1) as executor:
            executor.shutdown()
            assert lab.verify(repair=True, executor=executor).summary() == "3 of 3 records are sound; 1 repaired"

    def test_repairing_for_reading_only_is_refused(self, lab):
        with pytest.raises(ReadOnlyError, match=r"not repaired: .* opened for reading only"):
            ZarrDataset(lab.path, mode="r").verify(repair=True)


class TestDamaged:
    """What only a backup has: it is said, and a repair leaves it as it is."""

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("data/c/0/0", id="pixels"),
            pytest.param("analysis_arrays/mask/data/c/0/0", id="mask"),
            pytest.param("analysis/radon/params.json", id="JSON"),
            pytest.param("analysis/report.parquet", id="Parquet"),
            pytest.param("analysis/raw.csv.gz", id="CSV"),
        ],
    )
    def test_a_flipped_bit_of(self, lab, folder, name):
        flip(folder / name, position=-6)
        report = lab.verify(deep=True)
        assert (report.exit_code, report.damaged_records) == (2, 1)
        assert report.summary() == "2 of 3 records open; 1 damaged"
        assert len(report.problems) == 1

    def test_a_changed_shape_of_pixels_is_seen_by_its_seal(self, lab, first, folder):
        edit(folder / "data/zarr.json", lambda document: document.update(shape=[10, 6]))
        assert said(lab.verify()) == [("data", "damaged")]

    def test_pixels_are_not_read_unless_deep(self, lab, folder):
        flip(folder / "data/c/0/0")
        assert lab.verify().problems == ()

    def test_a_repair_leaves_them(self, lab, folder, tree_picture):
        flip(folder / "data/c/0/0")
        before = tree_picture(lab.path)
        report = lab.verify(deep=True, repair=True)
        assert (report.exit_code, tree_picture(lab.path) == before) == (2, True)

    def test_other_axes_than_the_pixels_have(self, lab, folder):
        path = folder / "zarr.json"
        document = json.loads(path.read_text())
        document["attributes"]["axes"] = ["z", "y", "x"]
        path.write_text(json.dumps(seal_around_foreign(document, "attributes", ours=OF_RECORD)))
        (problem,) = lab.verify().problems
        assert problem.what == "has the axes ('z', 'y', 'x') for pixels of shape (20, 6)"

    def test_what_the_domain_says_of_a_record(self, lab, first):
        report = lab.verify(check_record=lambda record: ["is odd"] if record.image_id == first.image_id else [])
        assert [(problem.where, problem.what) for problem in report.problems] == [(f"images/{first.image_id}", "is odd")]

    def test_one_damaged_record_does_not_hide_the_others(self, lab):
        for image_id in lab.list_image_ids():
            flip(lab.path / "images" / image_id / "data/c/0/0")
        assert lab.verify(deep=True).damaged_records == 3


class TestRepaired:
    """What the rest of the dataset can make whole again: said as repairable, and gone after a repair."""

    def check_repair(self, lab, *, deep=False):
        before = lab.verify(deep=deep)
        assert (before.exit_code, {problem.state for problem in before.problems}) == (1, {"repairable"})
        repaired = lab.verify(deep=deep, repair=True)
        assert (repaired.exit_code, all(problem.repaired for problem in repaired.problems)) == (0, True)
        assert lab.verify(deep=True).problems == ()
        return before

    @pytest.mark.slow
    @pytest.mark.parametrize("content", [b"", b"{", b'{"rois": [1, 2]', b"[]"])
    def test_a_torn_readable_copy(self, lab, first, folder, content):
        path = folder / "analysis/metadata.json"
        whole = path.read_bytes()
        path.write_bytes(content)
        self.check_repair(lab)
        assert (path.read_bytes(), first.load_metadata_payload()) == (whole, {"rois": [1, 2]})

    @pytest.mark.slow
    @pytest.mark.parametrize("content", [b"", b'{"rois": [1, 2]', b"[]"])
    def test_torn_metadata_that_no_revision_has_are_set_aside(self, lab, first, folder, content):
        shutil.rmtree(folder / "analysis/history")
        (lab.path / "index/manifest.json.gz").unlink(missing_ok=True)  # which knows of revisions that are gone
        (folder / "analysis/metadata.json").write_bytes(content)
        self.check_repair(lab)
        (kept,) = (lab.path / ".quarantine").iterdir()
        assert (kept.name.partition("~")[2], kept.read_bytes()) == (
            f"images%2F{first.image_id}%2Fanalysis%2Fmetadata.json",
            content,
        )

    def test_a_record_whose_torn_metadata_were_set_aside_can_be_saved_into(self, lab, first, folder):
        shutil.rmtree(folder / "analysis/history")
        (folder / "analysis/metadata.json").write_bytes(b"{")
        with pytest.raises(DamagedError, match="is not readable JSON"):
            first.save_metadata_payload({"rois": [3]})
        lab.verify(repair=True)
        first.save_metadata_payload({"rois": [3]})
        assert first.load_metadata_payload() == {"rois": [3]}

    def test_metadata_that_somebody_corrects_meanwhile_are_not_set_aside(self, lab, first, folder):
        shutil.rmtree(folder / "analysis/history")
        path = folder / "analysis/metadata.json"
        path.write_bytes(b"{")

        def correct(_record):
            path.write_text('{"rois": [3]}')
            return []

        lab.verify(repair=True, check_record=correct)
        assert first.load_metadata_payload() == {"rois": [3]}

    def test_a_missing_readable_copy(self, lab, folder):
        (folder / "analysis/metadata.json").unlink()
        self.check_repair(lab)

    def test_an_older_readable_copy(self, lab, first, folder):
        (folder / "analysis/metadata.json").write_bytes(to_readable_bytes({"rois": [1]}, what="the older copy"))
        self.check_repair(lab)
        assert first.load_metadata_payload() == {"rois": [1, 2]}

    def test_an_edit_by_hand_becomes_a_revision(self, lab, first, folder):
        (folder / "analysis/metadata.json").write_text('{"rois": ["by hand"]}')
        self.check_repair(lab)
        assert [one.payload["rois"] for one in first.history()][-2:] == [[1, 2], ["by hand"]]

    def test_a_damaged_newest_revision_that_the_copy_has(self, lab, first, folder):
        flip(folder / f"analysis/history/metadata.{first.history()[-1].number:08d}.json", position=5)
        self.check_repair(lab)
        assert first.load_metadata_payload() == {"rois": [1, 2]}
        assert len(quarantined(lab)) == 1

    def test_a_damaged_older_revision_is_set_aside(self, lab, first, folder):
        flip(folder / f"analysis/history/metadata.{first.history()[0].number:08d}.json")
        self.check_repair(lab, deep=True)
        assert first.load_metadata_payload() == {"rois": [1, 2]}

    @pytest.mark.slow
    @pytest.mark.parametrize("damage", [b"", b"PAR1 no more", None], ids=["empty", "torn", "a flipped bit"])
    def test_a_damaged_table_is_set_aside(self, lab, damage):
        path = lab.path / "tables/velocity.parquet"
        path.write_bytes(damage) if damage is not None else flip(path)
        self.check_repair(lab)
        assert "tables%2Fvelocity.parquet" in quarantined(lab)
        assert lab.list_table_names() == []

    def test_damaged_sources_are_made_again_from_the_records(self, lab):
        before = lab.load_sources_index().sort_values("image_id", ignore_index=True)
        (lab.path / "tables/sources.parquet").write_bytes(b"no table")
        self.check_repair(lab)
        after = lab.load_sources_index().sort_values("image_id", ignore_index=True)
        pd.testing.assert_frame_equal(after, before)

    def test_sources_that_lack_a_record(self, lab):
        before = lab.load_sources_index()
        (lab.path / "tables/sources.parquet").unlink()
        report = self.check_repair(lab)
        assert [problem.what for problem in report.problems] == ["lacks 3 records, which know their files"]
        assert set(lab.load_sources_index()["image_id"]) == set(before["image_id"])

    def test_rows_of_a_record_that_is_gone(self, lab, folder):
        shutil.rmtree(folder)
        self.check_repair(lab)
        assert (len(lab.load_table("velocity")), len(lab.load_sources_index())) == (2, 2)

    def test_a_table_of_another_program_without_image_ids_is_set_aside(self, lab):
        pd.DataFrame({"v": [1.0]}).to_parquet(lab.path / "tables/foreign.parquet")
        self.check_repair(lab)
        assert "tables%2Fforeign.parquet" in quarantined(lab)

    def test_what_is_no_record_is_set_aside(self, lab):
        (lab.path / "images/notes").mkdir()
        (lab.path / "images/notes/x.txt").write_text("mine")
        self.check_repair(lab)
        (kept,) = (lab.path / ".quarantine").rglob("x.txt")
        assert kept.read_text() == "mine"

    def test_a_damaged_manifest(self, lab):
        (lab.path / "index/manifest.json.gz").write_bytes(gzip.compress(b"{}"))
        self.check_repair(lab)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["building-x~images", "deleted-x~images", "old name"])
    def test_old_left_overs_in_staging_are_set_aside(self, lab, name, two_days_later):
        left = lab.path / ".staging" / name
        left.mkdir(parents=True)
        (left / "half").write_text("half")
        two_days_later()
        self.check_repair(lab)
        assert not left.exists()

    def test_an_array_that_a_stopped_program_had_moved_aside_is_put_back(self, lab, first, folder, two_days_later):
        place = folder / "analysis_arrays/mask"
        staged = lab.path / ".staging" / f"replaced-x~images%2F{first.image_id}%2Fanalysis_arrays%2Fmask"
        staged.parent.mkdir(exist_ok=True)
        place.rename(staged)
        two_days_later()
        self.check_repair(lab)
        assert first.load_array_artifact("mask").all()

    def test_an_old_temporary_file_is_set_aside(self, lab, folder, two_days_later):
        left = folder / "analysis" / f".{'a' * 32}.tmp"
        left.write_text("half")
        two_days_later()
        self.check_repair(lab)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "name",
        [
            "images/zarr.json",
            "tables/zarr.json",
            "index/zarr.json",
            "RECORD/analysis/zarr.json",
            "RECORD/analysis_arrays/zarr.json",
        ],
    )
    @pytest.mark.parametrize("damage", ["missing", "torn", "a flipped bit"])
    def test_a_group_that_says_nothing_is_written_again(self, lab, first, name, damage):
        path = lab.path / name.replace("RECORD", f"images/{first.image_id}")
        whole = path.read_bytes()
        if damage == "missing":
            path.unlink()
        elif damage == "torn":
            path.write_bytes(whole[:20])
        else:
            flip(path)
        self.check_repair(lab, deep=True)
        assert path.read_bytes() == whole

    @pytest.mark.parametrize(
        ("name", "strip"),
        [
            pytest.param("zarr.json", lambda document: document["attributes"]["kymflow"].pop("sha256"), id="root"),
            pytest.param("RECORD/zarr.json", lambda document: document["attributes"].pop("kymflow"), id="record"),
            pytest.param("RECORD/data/zarr.json", lambda document: document["attributes"].pop("kymflow"), id="array"),
            pytest.param("RECORD/analysis/radon/params.json", lambda document: document.pop("kymflow"), id="artifact"),
            pytest.param(
                "RECORD/analysis/history/metadata.00000000.json", lambda document: document.pop("kymflow"), id="revision"
            ),
        ],
    )
    def test_a_document_without_a_seal_is_sealed(self, lab, first, name, strip):
        path = lab.path / name.replace("RECORD", f"images/{first.image_id}")
        whole = path.read_bytes()
        edit(path, strip)
        self.check_repair(lab, deep=True)
        assert json.loads(path.read_bytes()) == json.loads(whole)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["RECORD/analysis/report.parquet", "tables/velocity.parquet"])
    def test_a_table_without_a_seal_is_sealed(self, lab, first, name):
        path = lab.path / name.replace("RECORD", f"images/{first.image_id}")
        before = pd.read_parquet(path)
        path.unlink()
        before.to_parquet(path)
        self.check_repair(lab, deep=True)
        pd.testing.assert_frame_equal(pd.read_parquet(path), before)


class TestYoungLeftOvers:
    """Somebody may be at work right now."""

    def test_what_is_being_built_is_let_be(self, lab):
        (lab.path / ".staging/building-x~images").mkdir(parents=True)
        assert lab.verify(deep=True, repair=True).problems == ()

    def test_a_temporary_file_is_let_be(self, lab, folder):
        (folder / "analysis" / f".{'a' * 32}.tmp").write_text("half")
        assert lab.verify(deep=True, repair=True).problems == ()


class TestReport:
    def test_a_repair_that_fails_says_why(self, lab, folder, monkeypatch):
        (folder / "analysis/metadata.json").unlink()

        def fail(*_args):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        report = lab.verify(repair=True)
        assert report.exit_code == 1
        assert "not repaired: " in report.problems[0].what

    def test_it_counts_what_was_repaired_and_what_could_be(self, lab, folder):
        (folder / "analysis/metadata.json").unlink()
        assert lab.verify().summary() == "3 of 3 records are sound; 1 can be repaired, with --repair"
        assert lab.verify(repair=True).summary() == "3 of 3 records are sound; 1 repaired"

    def test_it_is_json(self, lab, folder):
        (folder / "analysis/metadata.json").unlink()
        report = json.loads(json.dumps(lab.verify().to_json()))
        assert (report["exit_code"], report["records"], report["damaged_records"]) == (1, 3, 0)
        assert report["problems"][0]["state"] == "repairable"

    def test_validate_gives_the_same_problems(self, lab, folder):
        (folder / "analysis/metadata.json").unlink()
        assert tuple(lab.validate()) == lab.verify().problems


def test_importing_again_after_a_repair_brings_nothing_twice(lab, tiff_folder):
    (lab.path / "tables/sources.parquet").write_bytes(b"no table")
    lab.verify(repair=True)
    assert len(lab.import_folder(tiff_folder).skipped) == 3


def test_one_torn_provenance_does_not_stop_an_import(lab, tiff_folder, folder):
    (lab.path / "tables/sources.parquet").unlink()
    (folder / "analysis/provenance.json").write_text("{")
    tifffile.imwrite(tiff_folder / "new.tif", np.zeros((5, 4), np.uint16))
    report = lab.import_folder(tiff_folder)
    assert "new.tif" in [file.path.name for file in report.imported]
    assert any("provenance" in failure.reason for failure in report.failed)

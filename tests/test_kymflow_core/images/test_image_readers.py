"""Files that are no TIFFs: found, read, known again, exported, and readers of other packages that do not work."""

import json
import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from kymflow_core import AcqImage, RectROI, RoiSet
from kymflow_core.cli import app
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.image_readers import (
    GROUP,
    DeferredPixels,
    ImageInFile,
    find_image_readers,
    installed_image_readers,
    read_image,
)
from kymflow_core.images.metadata import RecordMetadata
from kymflow_zarr import FileContent, ZarrDataset
from kymflow_zarr.errors import SourceError

PIXELS = np.arange(480, dtype=np.uint16).reshape(40, 12)


class ToyReader:
    """Reads `.toy`: a JSON object whose pixels are in `<stem>.parts/<n>.raw`."""

    name = "toy"
    endings = (".toy",)

    def files_of(self, path):
        return sorted(path.with_suffix(".parts").glob("*.raw"))

    def read(self, path):
        scan = json.loads(path.read_text())
        if "raises" in scan:
            raise KeyError(scan["raises"])

        def load():
            data = b"".join(one.read_bytes() for one in self.files_of(path))
            return np.frombuffer(data, np.uint16).reshape(-1, 12)

        header = AcquisitionHeader(**scan.get("header", {}), shape=tuple(scan.get("stated", ())))
        pixels = DeferredPixels(shape=tuple(scan["shape"]), dtype=np.dtype(np.uint16), load=load)
        image = ImageInFile(pixels=pixels, axes=tuple(scan.get("axes", "yx")), header=header, name="first")
        return [image] * scan.get("images", 1)


@pytest.fixture
def install(monkeypatch):
    """A function that installs image readers as packages would, by their names in a module."""

    def put(**readers):
        module = ModuleType("toy_package")
        vars(module).update(readers)
        monkeypatch.setitem(sys.modules, "toy_package", module)
        points = [EntryPoint(name, f"toy_package:{name}", GROUP) for name in readers]
        monkeypatch.setattr(
            "kymflow_core.images.image_readers.entry_points", lambda *, group: points if group == GROUP else []
        )
        installed_image_readers.cache_clear()

    yield put
    monkeypatch.undo()
    installed_image_readers.cache_clear()


@pytest.fixture
def toy_path(tmp_path, install):
    """A file of the toy format in a folder of its own, and its reader installed."""
    install(ToyReader=ToyReader)
    return write(tmp_path / "scans" / "scan.toy", header={"seconds_per_line": 0.002, "um_per_pixel": 0.25})


@pytest.fixture
def dataset(tmp_path):
    return ZarrDataset(tmp_path / "lab.zarr")


def write(path: Path, pixels=PIXELS, **scan) -> Path:
    path.with_suffix(".parts").mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(np.array_split(pixels, 2)):
        (path.with_suffix(".parts") / f"{number}.raw").write_bytes(part.tobytes())
    path.write_text(json.dumps({"shape": list(pixels.shape), **scan}))
    return path


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def later(path: Path) -> None:
    """Give a file another time, as writing it again does."""
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))


class TestImport:
    def test_it_becomes_a_record_with_its_header_and_its_sidecars(self, toy_path, dataset):
        toy_path.with_name("scan.mine.json").write_text('{"a": 1}')
        toy_path.with_name("scan.json").write_text('{"rois": [], "experiment_metadata": {"species": "mouse"}}')
        report = dataset.import_folder(toy_path.parent)
        assert [(one.path, one.notes) for one in report.imported] == [(toy_path, ())]
        record = dataset.record(report.imported[0].image_id)
        np.testing.assert_array_equal(record.load_array(), PIXELS)
        header = RecordMetadata.load(record).header
        assert (header.name, header.seconds_per_line, header.calibration_source) == ("scan", 0.002, "toy")
        assert (record.load_json("mine"), AcqImage(record).experiment_metadata["species"]) == ({"a": 1}, "mouse")

    def test_the_same_folder_again_does_nothing_and_a_change_of_any_of_its_files_is_reported(self, toy_path, dataset):
        image_id = dataset.import_folder(toy_path.parent).imported[0].image_id
        assert dataset.import_folder(toy_path.parent).skipped == (toy_path,)
        part = toy_path.with_suffix(".parts") / "1.raw"
        part.write_bytes((PIXELS[20:] + 1).tobytes())
        later(part)
        assert dataset.import_folder(toy_path.parent).changed == (toy_path,)
        report = dataset.import_folder(toy_path.parent, on_changed="reingest_if_changed")
        assert [one.image_id for one in report.replaced] == [image_id]
        assert dataset.record(image_id).load_array()[-1, -1] == 480

    def test_it_is_recognised_where_it_has_moved(self, toy_path, dataset):
        dataset.import_folder(toy_path.parent)
        moved = toy_path.parent.rename(toy_path.parent.with_name("moved"))
        report = dataset.import_folder(moved, relink=True)
        assert ([one.path.name for one in report.moved], report.imported) == (["scan.toy"], ())
        assert dataset.import_folder(moved).skipped == (moved / "scan.toy",)

    def test_a_record_that_was_imported_with_less_is_completed(self, toy_path, dataset):
        def bare(_path):
            return FileContent(pixels=PIXELS, axes=("y", "x"))

        dataset.import_folder(toy_path.parent, patterns=("*.toy",), read_file=bare)
        report = dataset.import_folder(toy_path.parent)
        assert (len(report.incomplete), report.failed) == (1, ())
        report = dataset.import_folder(toy_path.parent, complete=True)
        assert (len(report.completed), report.failed) == (1, ())
        assert RecordMetadata.load(next(dataset.iter_records())).header.um_per_pixel == 0.25

    def test_one_whose_results_another_program_writes_is_completed_by_the_next_import(self, toy_path, dataset):
        def bare(_path):
            return FileContent(pixels=PIXELS, axes=("y", "x"))

        (file,) = dataset.import_folder(toy_path.parent, patterns=("*.toy",), read_file=bare).imported
        with dataset.record(file.image_id).claim("results"):
            report = dataset.import_folder(toy_path.parent, complete=True)
        assert [one.reason for one in report.failed] == [
            "another program is writing results of its record; import the folder again"
        ]
        assert len(dataset.import_folder(toy_path.parent, complete=True).completed) == 1

    @pytest.mark.slow
    def test_the_command_line_imports_exports_and_imports_again(self, toy_path, tmp_path):
        lab, again, exported = tmp_path / "lab.zarr", tmp_path / "again.zarr", tmp_path / "exported"
        assert run("import", toy_path.parent, lab).stdout.splitlines()[-1] == "1 imported, 0 skipped"
        assert run("import", toy_path.parent, lab).stdout.splitlines()[-1] == "0 imported, 1 skipped"
        later(toy_path)
        toy_path.write_text(toy_path.read_text().replace("0.25", "0.5"))
        assert (
            "scan.toy: has changed since it was imported; --reread-changed reads it again"
            in run("import", toy_path.parent, lab).stdout
        )
        assert run("export", lab, exported).exit_code == 0
        assert run("import", exported, again).exit_code == 0
        one, other = (next(ZarrDataset(path).iter_records()) for path in (lab, again))
        assert (one.image_id, one.load_metadata_payload()) == (other.image_id, other.load_metadata_payload())
        np.testing.assert_array_equal(one.load_array(), other.load_array())
        with tifffile.TiffFile(next(exported.rglob("image.tif"))) as tiff:
            assert tiff.imagej_metadata["yunit"] == "s"

    def test_with_a_tiff_of_its_name_the_tiff_is_the_record_and_keeps_its_sidecars(self, toy_path, dataset):
        tifffile.imwrite(toy_path.with_suffix(".tif"), PIXELS)
        toy_path.with_name("scan.mine.json").write_text('{"a": 1}')
        report = dataset.import_folder(toy_path.parent)
        assert [one.path.name for one in report.imported] == ["scan.tif"]
        assert next(dataset.iter_records()).load_json("mine") == {"a": 1}
        assert report.notes[0].endswith(
            "files in the microscope's own format, not imported as images of their own: scan.toy"
        )

    def test_it_is_opened_and_annotated_where_it_lies(self, toy_path):
        image = AcqImage.from_path(toy_path)
        image.save_rois(RoiSet.of([RectROI(roi_id=1, x0=1, x1=5, y0=0, y1=40)]))
        assert (toy_path.parent / "scan.kymflow.json").exists()
        assert AcqImage.from_path(toy_path).rois.ids == (1,)


class TestRefused:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("scan", "why"),
        [
            pytest.param(
                {"shape": [41, 12]}, r"states uint16 pixels of the shape \(41, 12\), and uint16 .* \(40, 12\)", id="shape"
            ),
            pytest.param({"stated": [42, 12]}, "states 42 lines, and 40 can be read", id="lines"),
            pytest.param({"shape": [10**7, 12]}, "which 985 bytes cannot hold", id="too many bytes"),
            pytest.param({"axes": "ty"}, r"its axes are \('t', 'y'\)", id="axes"),
            pytest.param({"raises": "Key"}, r"the image reader toy failed \(KeyError: 'Key'\)", id="raises"),
            pytest.param({"images": 0}, "holds no image", id="none"),
        ],
    )
    def test_a_file_with_less_than_it_states_fails_alone(self, scan, why, toy_path, dataset):
        write(toy_path.with_name("bad.toy"), **scan)
        report = dataset.import_folder(toy_path.parent)
        assert [one.path.name for one in report.imported] == ["scan.toy"]
        assert [one.path.name for one in report.failed] == ["bad.toy"]
        with pytest.raises(SourceError, match=why):
            raise SourceError(report.failed[0].reason)

    def test_of_several_images_the_first_is_taken_and_the_others_named(self, toy_path):
        write(toy_path, images=3)
        image, _ = read_image(toy_path, ToyReader())
        assert image.notes[0].startswith("it holds 3 images, and only the first is read, first (40, 12); the others are")


class TestFound:
    @pytest.mark.parametrize(
        ("attributes", "why"),
        [
            pytest.param(
                {"read": None}, "it is no image reader: it needs name, endings, files_of and read", id="no method"
            ),
            pytest.param({"name": ""}, "its name must be text, such as 'leica_lif', not ''", id="no name"),
            pytest.param({"name": "tiff"}, "another image reader has the name 'tiff' already", id="name taken"),
            pytest.param({"endings": (".tif",)}, "the image reader 'tiff' reads .tif already", id="ending taken"),
            pytest.param({"endings": ".toy"}, "its endings must be several texts such as '.lif'", id="one text"),
            pytest.param({"endings": ("TOY",)}, "its endings must be several texts such as '.lif'", id="no dot"),
            pytest.param({"endings": ()}, "its endings must be several texts such as '.lif'", id="none"),
        ],
    )
    def test_one_that_cannot_be_used_is_named_and_left_out(self, attributes, why, install):
        install(Broken=type("Broken", (ToyReader,), attributes))
        found = find_image_readers()
        assert found.problems[0].startswith(f"the image reader 'Broken' (toy_package:Broken) was left out: {why}")
        assert ".toy" not in found.by_ending

    def test_the_report_names_it_and_imports_the_others(self, install, tmp_path, dataset):
        install(number=3)
        write(tmp_path / "scans" / "scan.toy")
        left_out = "image reader 'number' (toy_package:number) was left out: it is no image reader: it needs name, endings"
        with pytest.raises(SourceError, match=r"nothing was imported\. The image reader 'number'"):
            dataset.import_folder(tmp_path / "scans")
        tifffile.imwrite(tmp_path / "scans" / "other.tif", PIXELS)
        report = dataset.import_folder(tmp_path / "scans")
        assert [one.path.name for one in report.imported] == ["other.tif"]
        assert left_out in report.notes[0]

    def test_a_file_that_nobody_reads_is_refused_with_what_is_read(self, tmp_path):
        with pytest.raises(SourceError, match=r"scan.xyz has an ending that no installed reader takes; .tif, .tiff"):
            AcqImage.from_path(tmp_path / "scan.xyz")

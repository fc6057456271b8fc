"""Fixtures of the domain floor: small synthetic files, and the laboratory's files imported once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

from kymflow_core.images.acquisition_file import read_acquisition_file
from kymflow_zarr import ImportReport, ZarrDataset, ZarrImageRecord


@dataclass(frozen=True, kw_only=True)
class LabImport:
    """The laboratory's files, imported: the copied folder, the dataset, and what the import said."""

    folder: Path
    dataset: ZarrDataset
    report: ImportReport

    def record(self, file_name: str) -> ZarrImageRecord:
        """Return the record that came from the file of that name."""
        (image_id,) = (file.image_id for file in self.report.imported if file.path.name == file_name)
        return self.dataset.record(image_id)

    def notes(self, file_name: str) -> tuple[str, ...]:
        """Return what was said of the file of that name."""
        (notes,) = (file.notes for file in self.report.imported if file.path.name == file_name)
        return notes


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives the same numbers in every run."""
    return np.random.default_rng(20221102)


@pytest.fixture(scope="session")
def lab_import(olympus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> LabImport:
    """The laboratory's files in a dataset; tests read it and never write."""
    folder = tmp_path_factory.mktemp("laboratory")
    shutil.copytree(olympus_folder, folder / "olympus")
    dataset = ZarrDataset.create(folder / "lab.zarr")
    report = dataset.import_folder(folder / "olympus", read_file=read_acquisition_file)
    return LabImport(folder=folder / "olympus", dataset=dataset, report=report)


@pytest.fixture
def scan_folder(tmp_path: Path) -> Path:
    """A folder for TIFFs."""
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


@pytest.fixture
def scan_path(scan_folder: Path) -> Path:
    """A line scan of 40 lines of 12 pixels, with nothing next to it."""
    path = scan_folder / "scan.tif"
    tifffile.imwrite(path, np.arange(480, dtype=np.uint16).reshape(40, 12))
    return path


@pytest.fixture
def second_scan_path(scan_folder: Path) -> Path:
    """Another sound line scan in the same folder; the import comes to it last."""
    path = scan_folder / "sound.tif"
    tifffile.imwrite(path, np.ones((40, 12), dtype=np.uint16))
    return path


@pytest.fixture
def header_text() -> str:
    """An Olympus header of a scan of 40 lines of 12 pixels: 0.25 µm/pixel, 0.002 s/line."""
    lines = [
        '"[General]"\t""',
        '"Name"\t"scan.oir"',
        '"Date"\t"11/02/2022 12:30:15.461 PM"',
        '"[Dimensions]"\t""',
        '"X Dimension"\t"12, 0.0 - 3.000 [um], 0.250 [um/pixel]"',
        '"T Dimension"\t"1, 0.000 - 0.080 [s], Interval FreeRun"',
        '"[Image]"\t""',
        '"Image Size"\t"12 * 40 [pixel]"',
        '"Image Size(Unit Converted)"\t"3.000 [um] * 100.000 [ms]"',
        '"[Reference Image]"\t""',
        '"Image Size"\t"512 * 512 [pixel]"',
        '"[Channel 1]"\t""',
        '"Channel Name"\t"RNDD2"',
        '"[Channel 2]"\t""',
        '"Channel Name"\t"TRITC µ"',
    ]
    return "\r\n".join(lines) + "\r\n"


@pytest.fixture
def dataset(tmp_path: Path) -> ZarrDataset:
    """A dataset without records."""
    return ZarrDataset.create(tmp_path / "small.zarr")


@pytest.fixture
def record(dataset: ZarrDataset, rng: np.random.Generator) -> ZarrImageRecord:
    """A record of 30 lines of 20 pixels with two rectangles, a mask ROI, and metadata that nobody knows."""
    with dataset.build_record(rng.integers(0, 1000, (30, 20), dtype=np.uint16)) as draft:
        drawn = np.zeros((30, 20), dtype=bool)
        drawn[::3, 1::2] = True
        draft.save_array_artifact("drawn", drawn, axes=("y", "x"))
        draft.save_metadata_payload(
            {
                "header": {"name": "small scan", "seconds_per_line": 0.002, "um_per_pixel": 0.25},
                "experiment_metadata": {"species": "mouse"},
                "rois": [
                    {"roi_id": 1, "roi_type": "rect", "data": {"x0": 2, "x1": 9, "y0": 5, "y1": 17}, "lab": "kept"},
                    {"roi_id": 2, "roi_type": "rect", "data": {"x0": 0, "x1": 20, "y0": 0, "y1": 30}},
                    {"roi_id": 3, "roi_type": "mask", "data": {"mask_ref": "analysis_arrays/drawn"}},
                ],
                "next_roi_id": 6,
                "accepted": True,
                "another program": {"deep": [1, None, "µ"]},
            }
        )
    return dataset.record(draft.image_id)

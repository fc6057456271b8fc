"""What an import did, in words."""

from pathlib import Path

import pytest

from kymflow_zarr import ImportReport
from kymflow_zarr.exporting.export import ExportReport
from kymflow_zarr.reports import FailedFile, ImportedFile, MovedFile
from napari_kymflow.tables.report_text import (
    export_details,
    import_details,
    import_headline,
    needs_reading,
    relink_report,
)

FILE = ImportedFile(path=Path("/lab/x.tif"), image_id="a")
NOTED = ImportedFile(path=Path("/lab/y.tif"), image_id="b", notes=("calibration unknown",))
FAILED = FailedFile(path=Path("/lab/z.tif"), reason="/lab/z.tif is truncated")
MOVED = MovedFile(path=Path("/new/x.tif"), image_id="a", was=Path("/lab/x.tif"))


@pytest.mark.parametrize(
    ("report", "headline"),
    [
        pytest.param(
            ImportReport(imported=(FILE,) * 41, skipped=(Path("s"),) * 3, failed=(FAILED,) * 2),
            "41 imported · 3 skipped (unchanged) · 2 failed",
            id="as asked",
        ),
        pytest.param(ImportReport(), "0 imported · 0 skipped (unchanged)", id="nothing"),
        pytest.param(
            ImportReport(skipped=(Path("s"), Path("c")), changed=(Path("c"),), moved=(MOVED,), replaced=(FILE,)),
            "0 imported · 1 read again · 1 skipped (unchanged) · 1 changed since · 1 moved",
            id="all else",
        ),
    ],
)
def test_the_headline_counts(report, headline):
    assert import_headline(report) == headline


def test_details_name_every_file_and_why():
    report = ImportReport(imported=(FILE, NOTED), changed=(Path("/lab/c.tif"),), moved=(MOVED,), failed=(FAILED,))
    assert import_details(report).splitlines() == [
        "Not imported; mend these and import the folder again:",
        "  /lab/z.tif is truncated",
        "",
        "Changed since they were imported; their records are as they were:",
        "  /lab/c.tif",
        "",
        "In the dataset already, but moved or renamed since; they were not imported twice:",
        "  /new/x.tif",
        "    was /lab/x.tif",
        "",
        "Worth knowing:",
        "  y.tif: calibration unknown",
    ]


@pytest.mark.parametrize(
    ("wanted", "failed", "line", "details"),
    [
        (1, (), "Noted where 1 file is now", ""),
        (3, (), "Noted where 3 files are now", ""),
        (2, (FAILED,), "Noted where 1 file is now · 1 could not be noted", "Not noted:\n  /lab/z.tif is truncated"),
    ],
)
def test_what_could_not_be_noted_is_named(wanted, failed, line, details):
    assert relink_report(wanted, failed) == (line, details)


@pytest.mark.parametrize(
    ("report", "expected"), [(ImportReport(imported=(FILE,)), False), (ImportReport(failed=(FAILED,)), True)]
)
def test_only_what_has_details_needs_reading(report, expected):
    assert needs_reading(report) is expected


def test_an_export_says_what_is_missing_in_it():
    report = ExportReport(folder=Path("out"), records=1, tables=0, files=3, failed=(FAILED,), notes=("odd",))
    assert export_details(report).splitlines() == [
        "Could not be read, and is not in the folder:",
        "  /lab/z.tif is truncated",
        "",
        "Worth knowing:",
        "  odd",
    ]

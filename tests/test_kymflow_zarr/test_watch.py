"""How long work is watched and stopped: kept in part, or not at all."""

import pytest

from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.errors import CancelledError
from kymflow_zarr.watch import UNWATCHED

CANCELLED = Watch(is_cancelled=lambda: True)


def test_by_default_nobody_watches():
    assert (UNWATCHED.progress(1, 2, "a"), UNWATCHED.is_cancelled(), UNWATCHED.check("it was cancelled")) == (
        None,
        False,
        None,
    )


def test_a_cancelled_export_leaves_nothing(dataset, record, tmp_path):
    with pytest.raises(CancelledError, match="the export was cancelled; export again to have a whole folder"):
        dataset.export_legacy_folder(tmp_path / "out", watch=CANCELLED)
    assert not (tmp_path / "out").exists()


def test_a_cancelled_restore_keeps_what_was_restored(dataset, pixels, tmp_path):
    for _ in range(3):
        dataset.add_image(pixels)
    dataset.export_legacy_folder(tmp_path / "out")
    seen = []
    watch = Watch(progress=lambda *step: seen.append(step), is_cancelled=lambda: len(seen) == 2)
    again = ZarrDataset(tmp_path / "again.zarr")
    report = again.import_folder(tmp_path / "out", watch=watch)
    assert (report.is_cancelled, len(report.imported), len(again.list_image_ids())) == (True, 2, 2)
    assert len(again.import_folder(tmp_path / "out").imported) == 1


def test_a_cancelled_verification_says_so(dataset, record):
    with pytest.raises(CancelledError, match="looking for damage was cancelled"):
        dataset.verify(watch=CANCELLED)

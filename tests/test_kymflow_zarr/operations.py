"""What people do to a dataset, as calls that can be made, fail, and be made again."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from states import MASK_NAME, Sample, rectangle, table_rows, write_tiffs

from kymflow_core.images.acq_image import AcqImage
from kymflow_core.roi import RoiSet
from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import NotSavedError, RecordNotFoundError
from kymflow_zarr.tables.tables import PartLimits, Tables

PIXELS = np.arange(60, dtype=np.uint16).reshape(10, 6)

Call: TypeAlias = Callable[[], object]


class Inline(Executor):
    """Runs what is submitted at once, in the thread that submits it, so that the order of all steps is always the same."""

    def submit(self, fn, /, *args, **kwargs) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - what an executor does with it
            future.set_exception(error)
        return future


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing to do.

    Parameters
    ----------
    prepare
        Opens the sample and returns the call; the folder is for files to import. Calling it twice is a plain retry.
    in_parts
        Whether it consists of several changes, so that each may be done or not.
    from_nothing
        Whether there is no dataset before.
    adds
        Whether doing it twice gives two. Then it is not done again after a crash that came when it was done.
    lacks
        What the disk cannot do, as for `FailingDisk`. Then a crash may leave an array between two moves, or a torn commit,
        and the old state is whole after a repair only.
    """

    prepare: Callable[[Sample, Path], Call]
    in_parts: bool = False
    from_nothing: bool = False
    adds: bool = False
    lacks: str = ""


def _import(names: tuple[str, ...]) -> Callable[[Sample, Path], Call]:
    def prepare(sample: Sample, folder: Path) -> Call:
        write_tiffs(folder, names, np.random.default_rng(2))
        dataset = ZarrDataset(sample.path)
        return lambda: dataset.import_folder(folder, executor=Inline())

    return prepare


def _restore(sample: Sample, folder: Path) -> Call:
    out = folder.parent / "exported"
    if not out.exists():
        source = ZarrDataset(folder.parent / "exported.zarr")
        with source.build_record(PIXELS) as draft:
            draft.save_metadata_payload({"rois": []})
            draft.save_json("params", {"window": 32})
        source.save_table("restored", table_rows(draft.image_id, 2))
        source.export_legacy_folder(out)
    dataset = ZarrDataset(sample.path)

    def call() -> None:
        report = dataset.ingest_legacy_folder(out)
        if report.failed:
            raise NotSavedError(report.failed[0].reason)

    return call


def _add_image(sample: Sample, folder: Path) -> Call:
    dataset = ZarrDataset(sample.path)
    return lambda: dataset.add_image(PIXELS)


def _save_rois(sample: Sample, folder: Path) -> Call:
    image = AcqImage.from_zarr(sample.path, sample.full)
    rois = RoiSet.of([replace(image.rois.get(1), note="moved", x1=5), rectangle(3)], next_id=4)
    return lambda: image.save_rois(rois)


def _save_first_rois(sample: Sample, folder: Path) -> Call:
    dataset = ZarrDataset(sample.path)
    bare = [image_id for image_id in dataset.list_image_ids() if image_id != sample.full]
    image = AcqImage(dataset.record(*bare) if bare else dataset.add_image(PIXELS))
    return lambda: image.save_rois(RoiSet.of([rectangle(1)]))


def _save_mask(sample: Sample, folder: Path) -> Call:
    image = AcqImage.from_zarr(sample.path, sample.full)
    return lambda: image.materialize_masks([2], name=MASK_NAME)


def _replace_rows(sample: Sample, folder: Path) -> Call:
    dataset = ZarrDataset(sample.path)
    dataset.replace_rows("events", {sample.full: table_rows(sample.full, 3)})
    return lambda: dataset.replace_rows("events", {sample.full: table_rows(sample.full, 4, value=1)})


def _tables_in_parts(sample: Sample) -> tuple[Tables, str]:
    """The sample's tables, where one of two records has a part and counts as long, and the other record."""
    dataset, tables = ZarrDataset(sample.path), Tables(Blobs(sample.path, read_only=False), PartLimits(least_rows=1))
    if not tables.exists("long"):
        tables.save("long", table_rows(dataset.add_image(PIXELS).image_id, 3))
        tables.replace_rows("long", {sample.full: table_rows(sample.full, 3)})
    (other,) = (image_id for image_id in dataset.list_image_ids() if image_id != sample.full)
    return tables, other


def _write_part(sample: Sample, folder: Path) -> Call:
    tables, _ = _tables_in_parts(sample)
    return lambda: tables.replace_rows("long", {sample.full: table_rows(sample.full, 4, value=1)})


def _replace_parts(sample: Sample, folder: Path) -> Call:
    tables, other = _tables_in_parts(sample)
    return lambda: tables.replace_rows("long", {other: table_rows(other, 0)})


def _save_table(sample: Sample, folder: Path) -> Call:
    dataset = ZarrDataset(sample.path)
    return lambda: dataset.save_table("velocity", table_rows(sample.full, 2))


def _save_json(name: str) -> Callable[[Sample, Path], Call]:
    def prepare(sample: Sample, folder: Path) -> Call:
        record = ZarrDataset(sample.path).record(sample.full)
        return lambda: record.save_json(name, {"window": 32})

    return prepare


def _save_parquet(sample: Sample, folder: Path) -> Call:
    record = ZarrDataset(sample.path).record(sample.full)
    return lambda: record.save_df_parquet("radon", pd.DataFrame({"line": [1], "velocity": [0.5]}))


def _replace_array(sample: Sample, folder: Path) -> Call:
    record = ZarrDataset(sample.path).record(sample.full)
    if "labels" not in record.list_array_artifacts():
        record.save_array_artifact("labels", np.ones((20, 6), np.uint8))
    return lambda: record.save_array_artifact("labels", np.full((20, 6), 7, np.uint8))


def _take_out(take: Callable[[ZarrDataset, str], None]) -> Callable[[Sample, Path], Call]:
    def prepare(sample: Sample, folder: Path) -> Call:
        dataset = ZarrDataset(sample.path)
        if dataset.list_image_ids() == [sample.full]:
            dataset.add_image(PIXELS)

        def call() -> None:
            # Done by halves, the record is gone and rows of it are left: then only a repair can finish it.
            with suppress(RecordNotFoundError):
                take(dataset, sample.full)
            if dataset.verify(repair=True).exit_code:
                raise NotSavedError("not repaired")

        return call

    return prepare


OPERATIONS = {
    "save ROIs": Operation(prepare=_save_rois),
    "save a mask": Operation(prepare=_save_mask),
    "replace rows": Operation(prepare=_replace_rows),
    "write a part of a table": Operation(prepare=_write_part),
    "replace rows of a table in parts": Operation(prepare=_replace_parts),
    "write a part where files cannot be linked": Operation(prepare=_write_part, lacks="link"),
    "save a table": Operation(prepare=_save_table),
    "import two files": Operation(prepare=_import(("a", "b")), in_parts=True),
    "import into a new dataset": Operation(prepare=_import(("a",)), in_parts=True, from_nothing=True),
    "make the records of an export": Operation(prepare=_restore, in_parts=True),
    "add an image": Operation(prepare=_add_image, adds=True),
    "save the first ROIs": Operation(prepare=_save_first_rois),
    "replace a JSON artifact": Operation(prepare=_save_json("params")),
    "save a nested JSON artifact": Operation(prepare=_save_json("radon/params")),
    "replace a table artifact": Operation(prepare=_save_parquet),
    "replace an array artifact": Operation(prepare=_replace_array),
    "replace an array where folders cannot swap": Operation(prepare=_replace_array, lacks="swap"),
    "save ROIs where files cannot be linked": Operation(prepare=_save_rois, lacks="link"),
    "replace rows where files cannot be linked": Operation(prepare=_replace_rows, lacks="link"),
    "delete an image": Operation(prepare=_take_out(ZarrDataset.delete_image), in_parts=True),
    "move an image to the trash": Operation(prepare=_take_out(ZarrDataset.move_to_trash), in_parts=True),
}

"""A small dataset whose images are analysed, edited and damaged, and the questions that tests ask of its tables."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from kymflow_core import AcqImage, ComputedFrom, KymDataset, RadonReportIndexer, RectROI, RoiSet
from kymflow_core.indexers import ArtifactReader, DatasetIndexer
from kymflow_zarr import ZarrDataset, ZarrImageRecord

RADON = RadonReportIndexer()
TABLE = RADON.table_name
NOT_A_REPORT = pd.DataFrame({"roi_id": [1]})
"""A report that lacks columns: no rows can be made of it."""


def reports(*roi_ids: int, mean: float = 0.5) -> pd.DataFrame:
    columns = {"mean_velocity": mean, "median_velocity": 0.4, "n_valid": 100, "notes": "fine"}
    return pd.DataFrame({"roi_id": pd.Series(roi_ids, dtype="int64"), **columns}).reset_index(drop=True)


def add_image(dataset: ZarrDataset, *roi_ids: int) -> ZarrImageRecord:
    """Add an image of 6 lines of 20 pixels with rectangles of these ids."""
    rois = RoiSet.of([RectROI(roi_id=roi_id, x0=2, x1=9, y0=1, y1=5) for roi_id in roi_ids])
    with dataset.build_record(np.zeros((6, 20), np.uint8)) as draft:
        draft.save_metadata_payload({"rois": rois.to_json(), "next_roi_id": rois.next_id})
    return dataset.record(draft.image_id)


def analyse(record: ZarrImageRecord, *roi_ids: int, mean: float = 0.5) -> None:
    """Write a report on some ROIs, none for an analysis that found nothing; it states what it was computed from."""
    rois = AcqImage(record).rois
    said = ComputedFrom.of([rois.get(roi_id) for roi_id in roi_ids], algorithm="radon")
    record.save_df_parquet(TABLE, reports(*roi_ids, mean=mean), computed_from=said.to_json())


def edit_roi(record: ZarrImageRecord, roi_id: int, **changes: object) -> None:
    image = AcqImage(record)
    image.save_rois(image.rois.replace(replace(image.rois.get(roi_id), **changes)))


def artifact_path(dataset: ZarrDataset, record: ZarrImageRecord, name: str = TABLE) -> Path:
    return dataset.path / "images" / record.image_id / "analysis" / f"{name}.parquet"


def table_path(dataset: ZarrDataset, name: str = TABLE) -> Path:
    return dataset.path / "tables" / f"{name}.parquet"


def index_path(dataset: ZarrDataset, name: str = TABLE) -> Path:
    return dataset.path / "index" / f"{name}.parquet"


def tamper(dataset: ZarrDataset, image_id: str, *, by: float = 100.0, name: str = TABLE) -> None:
    """Change one number of one image in a table, by pandas, as a person with a notebook does."""
    path = table_path(dataset, name)
    frame = pd.read_parquet(path)
    own = frame["image_id"] == image_id
    if own.any():
        frame.loc[own, "mean_velocity"] += by
    frame.to_parquet(path)


def states(kd: KymDataset, indexer: DatasetIndexer = RADON) -> dict[str, str]:
    """The state of each image."""
    frame = kd.freshness(indexer)
    return dict(zip(frame["image_id"], frame["state"], strict=True))


def stale(kd: KymDataset, indexer: DatasetIndexer = RADON) -> set[str]:
    """The images that an update is needed for."""
    frame = kd.freshness(indexer)
    return set(frame.loc[frame["needs_update"], "image_id"])


def rows_by_image(table: pd.DataFrame) -> dict[str, frozenset]:
    """The rows of each image that has some, whatever their order, that of the columns, and columns without a value."""
    records = ({name: value for name, value in row.items() if not pd.isna(value)} for row in table.to_dict("records"))
    found: dict[str, list] = {}
    for row in records:
        found.setdefault(row["image_id"], []).append(tuple(sorted(row.items())))
    return {image_id: frozenset(rows) for image_id, rows in found.items()}


def stored_rows(kd: KymDataset, name: str = TABLE) -> dict[str, frozenset]:
    """The rows of each image in the table's file."""
    return rows_by_image(ZarrDataset(kd.dataset.path, mode="r").load_table(name))


class Noting:
    """A radon report indexer that notes for which images it was called, and can be interrupted."""

    def __init__(self, *, before: Callable[[str], None] = lambda image_id: None) -> None:
        self.calls: list[str] = []
        self._before = before

    name = RADON.name
    table_name = RADON.table_name
    schema_version = RADON.schema_version
    reads = RADON.reads

    def required_columns(self) -> list[str]:
        return RADON.required_columns()

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        self.calls.append(rec.image_id)
        self._before(rec.image_id)
        return RADON.extract_rows(rec)


class KeysOfADict:
    """Somebody's indexer with a mistake: it looks for a key that not every artifact has."""

    name = "diameter"
    table_name = "diameter"
    schema_version = "1"
    reads = ("diameter.json",)

    def required_columns(self) -> list[str]:
        return ["image_id", "diameter_um"]

    def extract_rows(self, rec: ArtifactReader) -> pd.DataFrame:
        values: Iterable[float] = ()
        if "diameter.json" in rec.list_analysis_keys():
            values = [rec.load_json("diameter")["diameter_um"]]
        ids = pd.Series([rec.image_id for _ in values], dtype="str")
        return pd.DataFrame({"image_id": ids, "diameter_um": pd.Series(values, dtype="float64")})

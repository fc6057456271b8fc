"""What a dataset must hold after what its writers noted in their journals, and what it holds.

Both are contents: one value for each kind of thing, of which each is as it was before an operation, or as it is after it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from states import digest

from kymflow_core.images.acq_image import AcqImage
from kymflow_zarr import ZarrDataset

Contents: TypeAlias = dict[str, Any]


def contents_of(path: Path, image_id: str) -> Contents:
    """Read a dataset, and of one record the ROIs and artifacts; a mask only counts where it is its ROI's."""
    dataset = ZarrDataset(path, mode="r")
    record = dataset.record(image_id)
    image = AcqImage(record)
    tables = {name: dataset.load_table(name) for name in dataset.list_table_names()}
    return {
        "records": len(dataset.list_image_ids()),
        "images": {digest(dataset.record(one).load_array()) for one in dataset.list_image_ids()},
        "files": set(dataset.load_sources_index()["source_primary_path"]),
        "rois": {roi.name: roi.note for roi in image.rois},
        "masks": {roi.name for roi in image.rois if image.stored_mask(roi).state == "mask"},
        "rows": {one: set(rows["value"]) for one, rows in tables["events"].groupby("image_id")},
        "table": set(tables["velocity"]["value"]) if "velocity" in tables else None,
        "json": record.load_json("params"),
        "parquet": record.load_df_parquet("radon").to_dict("list"),
        "array": set(record.load_array_artifact("labels").flat) if "labels" in record.list_array_artifacts() else None,
    }


def after(contents: Contents, entries: Iterable[dict]) -> Contents:
    """Return what contents become by acknowledged things."""
    for entry in entries:
        contents = {**contents, **_changed(contents, entry)}
    return contents


def split(journal: list[dict]) -> tuple[list[dict], list[dict]]:
    """Return what was acknowledged, and what was begun last where that was not, as if it was acknowledged."""
    done = [entry for entry in journal if not entry["what"].startswith(("begin ", "ended"))]
    last = journal[-1:]
    begun = [
        {**entry, "what": entry["what"].removeprefix("begin ")} for entry in last if entry["what"].startswith("begin ")
    ]
    return done, begun


def _changed(contents: Contents, entry: dict) -> Contents:
    match entry["what"]:
        case "import":
            return {
                "records": contents["records"] + 1,
                "images": contents["images"] | {entry["pixels"]},
                "files": contents["files"] | {entry["file"]},
            }
        case "delete":
            return {
                "records": contents["records"] - 1,
                "images": contents["images"] - {entry["pixels"]},
                "files": contents["files"] - {entry["file"]},
            }
        case "roi":
            return {"rois": {**contents["rois"], entry["name"]: ""}}
        case "edit":
            return {"rois": {**contents["rois"], entry["name"]: str(entry["number"])}}
        case "mask":
            return {"masks": contents["masks"] | {entry["name"]}}
        case "rows":
            return {"rows": {**contents["rows"], entry["image_id"]: {entry["number"]}}}
        case "json":
            return {"json": {"number": entry["number"]}}
        case "parquet":
            return {"parquet": {"number": [entry["number"]] * 3}}
        case kind:
            return {kind: {entry["number"]}}

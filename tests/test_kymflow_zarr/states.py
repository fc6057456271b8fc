"""A small dataset with something of every kind in it, and what a dataset says of itself, as values that compare."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from kymflow_core.images.acq_image import AcqImage
from kymflow_core.roi import RectROI, RoiSet
from kymflow_zarr import ZarrDataset, ZarrImageRecord, array_name

MASK_NAME = "roi_mask"
_NOT_COMPARED = ("ingested_epoch_ns",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Where a sample dataset lies, and the record that has everything in it."""

    path: Path
    full: str


def make_sample(path: Path, tiffs: Path) -> Sample:
    """Make a dataset of one imported TIFF, with ROIs, a mask, a JSON artifact, a table artifact and a table."""
    write_tiffs(tiffs, ("full",), np.random.default_rng(1))
    dataset = ZarrDataset.create(path)
    (image_id,) = (file.image_id for file in dataset.import_folder(tiffs).imported)
    record = dataset.record(image_id)
    image = AcqImage(record)
    image.save_rois(RoiSet.of([rectangle(1), rectangle(2)]))
    image.materialize_masks([1], name=MASK_NAME)
    record.save_json("params", {"window": 16, "method": "radon", "angles": [0.5, 1.0, 89.5]})
    record.save_df_parquet("radon", pd.DataFrame({"line": range(30), "velocity": np.linspace(-1.0, 1.0, 30)}))
    dataset.replace_rows("events", {image_id: table_rows(image_id, 3)})
    return Sample(path=path, full=image_id)


def write_tiffs(folder: Path, names: tuple[str, ...], rng: np.random.Generator) -> None:
    """Write small TIFFs of noise; those that are there already stay as they are, with their times."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (folder / f"{name}.tif").exists():
            continue
        tifffile.imwrite(folder / f"{name}.tif", rng.integers(0, 60_000, (20, 6)).astype(np.uint16))


def rectangle(roi_id: int, **changes) -> RectROI:
    return RectROI(roi_id=roi_id, **{"x0": 0, "x1": 4, "y0": roi_id % 19, "y1": 20, "name": f"vessel {roi_id}", **changes})


def table_rows(image_id: str, count: int, *, value: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"image_id": [image_id] * count, "event": range(count), "value": [value] * count})


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(repr((array.shape, array.dtype.str)).encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


class Reader:
    """Reads all that a dataset holds through its public interface, as a value that compares.

    Records are called by their pixels and masks by their content, as every run chooses new ids and names of masks. A mask
    that no ROI refers to does not count, nor do times. A record whose files are byte for byte those of one that was read
    before is not read again.
    """

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._read: dict[bytes, tuple[str, dict]] = {}

    def state_of(self, path: Path) -> dict[str, dict]:
        """Return the state of a dataset; empty where there is none."""
        if not (path / "zarr.json").exists():
            return {"records": {}, "tables": {}}
        dataset = ZarrDataset(path, mode="r")
        records: dict[str, dict] = {}
        for image_id in dataset.list_image_ids():
            label, state = self._record(path, dataset.record(image_id))
            records[f"{label} once more" if label in records else label] = state
        frames = {name: dataset.load_table(name) for name in dataset.list_table_names()}
        frames["sources"] = dataset.load_sources_index()
        return {"records": records, "tables": {name: _rows(frame, self._labels) for name, frame in frames.items()}}

    def _record(self, path: Path, record: ZarrImageRecord) -> tuple[str, dict]:
        fingerprint = _fingerprint(path / "images" / record.image_id)
        if fingerprint not in self._read:
            self._read[fingerprint] = digest(record.load_array()), _record_state(record)
        self._labels[record.image_id] = self._read[fingerprint][0]
        return self._read[fingerprint]


def lies_between(state: dict, old: dict, new: dict) -> bool:
    """Return whether each record is as in `old` or in `new`, and each row of a table is in one, and there if in both."""
    labels = {*state["records"], *old["records"], *new["records"]}
    if not all(state["records"].get(label) in (old["records"].get(label), new["records"].get(label)) for label in labels):
        return False
    names = {*state["tables"], *old["tables"], *new["tables"]}
    return all(
        set(one) & set(other) <= set(rows) <= set(one) | set(other)
        for rows, one, other in ([tables["tables"].get(name, []) for tables in (state, old, new)] for name in names)
    )


def _record_state(record: ZarrImageRecord) -> dict:
    revision = record.load_revision()
    artifacts = [key.rpartition(".")[::2] for key in record.list_analysis_keys()]
    return {
        "axes": record.get_axes(),
        "committed": revision.committed or revision.number < 0,
        "metadata": _with_masks(revision.payload, record),
        "json": {name: _plain(record.load_json(name)) for name, ending in artifacts if ending == "json"},
        "parquet": {name: _rows(record.load_df_parquet(name), {}) for name, ending in artifacts if ending == "parquet"},
        "arrays": {
            name: digest(record.load_array_artifact(name))
            for name in record.list_array_artifacts()
            if not name.startswith(MASK_NAME)
        },
    }


def _with_masks(payload: Mapping, record: ZarrImageRecord) -> dict:
    return {**payload, "rois": [_with_mask(roi, record) for roi in payload.get("rois", [])]}


def _with_mask(roi: Mapping, record: ZarrImageRecord) -> Mapping:
    reference = roi["meta"].get("mask_ref")
    if reference is None:
        return roi
    return {**roi, "meta": {**roi["meta"], "mask_ref": digest(record.load_array_artifact(array_name(reference)))}}


def _rows(frame: pd.DataFrame, labels: Mapping[str, str]) -> list[tuple]:
    kept = frame[[name for name in frame.columns if name not in _NOT_COMPARED]]
    return sorted(tuple((name, labels.get(value, value)) for name, value in row.items()) for row in kept.to_dict("records"))


def _plain(value):
    return {key: item for key, item in value.items() if key not in _NOT_COMPARED} if isinstance(value, Mapping) else value


def _fingerprint(folder: Path) -> bytes:
    hasher = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            data = path.read_bytes()
            hasher.update(f"{path.relative_to(folder)} {len(data)} ".encode() + data)
    return hasher.digest()

"""Makes the copy of an older dataset.

The rule of this room: the older dataset is only read, the copy appears whole or not at all, and it is compared with the
original, array by array and file by file, before it does.
"""

from dataclasses import dataclass
from pathlib import Path

from kymflow_zarr import layout
from kymflow_zarr.counted import counted
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.recognize import GROUPS
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.local_path import local_path
from kymflow_zarr.errors import DamagedError, DatasetExistsError
from kymflow_zarr.record.attributes import DatasetAttributes, group_to_bytes
from kymflow_zarr.record.groups import write_empty_group
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.upgrade.comparing import compare_record, compare_tables
from kymflow_zarr.upgrade.copying import copy_other_files, copy_record, copy_tables
from kymflow_zarr.upgrade.older import OlderDataset
from kymflow_zarr.watch import UNWATCHED, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeReport:
    """What an upgrade copied."""

    records: int
    tables: tuple[str, ...]

    def summary(self) -> str:
        """Return one line."""
        records, tables = counted(self.records, "record"), counted(len(self.tables), "table")
        return f"{records} and {tables} copied, and compared with the original"


def upgrade_dataset(
    old: str | Path,
    new: str | Path,
    *,
    describe: DescribeImage | None = None,
    watch: Watch = UNWATCHED,
) -> UpgradeReport:
    """Copy a dataset of the older program (`schema_version: 1`, zarr v2) into a new dataset.

    Ids, pixels, dtypes, axes, metadata, artifacts, arrays, tables and other files are kept, with the names that they have,
    also such as would be refused today. `.json.gz` becomes `.json`, NaN null, the metadata the first revision of a history.
    Whatever is not the same afterwards, and what this program has no place for, lies as it was in `older/`.

    Parameters
    ----------
    old
        The older dataset; it is only read.
    new
        Where the copy is to be; nothing may be there.
    describe
        Says what a record's metadata say of its axes; without, every step in its OME-Zarr metadata is 1.
    watch
        Shows before each record how far the copy is; when cancelled, nothing is at `new`.

    Raises
    ------
    NotADatasetError
        When `old` is none of the older program's.
    DatasetExistsError
        When there is something at `new`, even if it came there only now, or `new` is inside `old`.
    DamagedError
        When something in `old` cannot be read; then nothing is at `new`.
    NotSavedError
        When the disk fails or is full; then nothing is at `new`.
    """
    source, target = OlderDataset(old), local_path(new)
    taken = DatasetExistsError(f"there is something at {target} already; give the upgraded dataset a new name")
    if target.exists():
        raise taken
    if source.path.resolve() in target.resolve().parents:
        raise DatasetExistsError(f"{target} is inside {source.path}, which is only read; choose another place")
    place = Blobs(target.parent, read_only=False)
    try:
        with place.build(target.name, keep_reserve=True, replace=False, is_dataset=True) as draft:
            report = _copy(source, draft, describe, watch)
            compare_tables(source, Dataset(draft.root, mode="r"))
    except FileExistsError as error:
        raise taken from error
    finally:
        place.forget_empty_staging()
    return report


def _copy(source: OlderDataset, draft: Blobs, describe: DescribeImage | None, watch: Watch) -> UpgradeReport:
    created_utc = str(source.attributes.get("created_utc", ""))
    attributes = DatasetAttributes(created_utc=created_utc, upgraded_from=source.attributes)
    draft.write(layout.GROUP_DOCUMENT, group_to_bytes(attributes.to_json()))
    for group in GROUPS:
        write_empty_group(draft, group, dataset_id=attributes.dataset_id)
    converted = {layout.V2_ATTRIBUTES, layout.MANIFEST}
    ids = source.list_image_ids()
    for done, image_id in enumerate(ids):
        watch.check("the copy was cancelled; nothing was written")
        watch.progress(done, len(ids), "")
        key = layout.record_key(image_id)
        old, new = source.record(image_id), draft.sub(key)
        try:
            same = copy_record(old, new, describe)
        except DamagedError as error:
            raise DamagedError(f"not upgraded: {error}") from error
        compare_record(old, ZarrImageRecord(new, image_id))
        converted |= {f"{key}/{path}" for path in same}
    tables = tuple(source.tables.names())
    converted |= copy_tables(source, draft)
    copy_other_files(source.blobs, draft, converted)
    return UpgradeReport(records=len(ids), tables=tables)

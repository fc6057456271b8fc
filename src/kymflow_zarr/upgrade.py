"""A dataset of the older program, copied into the new format with nothing lost.

The rule of this room: the older dataset is only read, the copy appears whole or not at all, and it is compared with the
original, array by array and file by file, before it does.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from kymflow_zarr import _layout
from kymflow_zarr._arrays import write_array
from kymflow_zarr._blobs import Blobs
from kymflow_zarr._frames import table_from_parquet, table_to_parquet
from kymflow_zarr._import import find_lost_sources
from kymflow_zarr._json import MAX_DOCUMENT_BYTES, JsonObject, JsonValue, object_from_bytes
from kymflow_zarr._metadata import save_revision
from kymflow_zarr._seals import artifact_to_bytes
from kymflow_zarr.dataset import ZarrDataset
from kymflow_zarr.errors import DamagedError, DatasetExistsError, NotADatasetError
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.schema import DatasetAttributes, RecordAttributes, group_to_bytes
from kymflow_zarr.sources import Sources
from kymflow_zarr.tables import Tables

UpgradeProgress: TypeAlias = Callable[[int, int], None]
OLDER_ATTRIBUTES_ARTIFACT = "older/attributes"
"""The JSON artifact that keeps what the older program said of a record besides its axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeReport:
    """What an upgrade copied."""

    records: int
    tables: tuple[str, ...]

    def summary(self) -> str:
        """Return one line."""
        return f"{self.records} records and {len(self.tables)} tables copied, and compared with the original"


def upgrade_dataset(old: str | Path, new: str | Path, *, progress: UpgradeProgress | None = None) -> UpgradeReport:
    """Copy a dataset of the older program (`schema_version: 1`, zarr v2) into a new dataset.

    Ids, pixels, dtypes, axes, metadata, artifacts, arrays, tables and other files are kept, with the names that they have,
    also such as would be refused today. `.json.gz` becomes `.json`; the metadata become the first revision of a history.

    Parameters
    ----------
    old
        The older dataset; it is only read.
    new
        Where the copy is to be; nothing may be there.
    progress
        Called before each record with the number done and the number of all.

    Raises
    ------
    NotADatasetError
        When `old` is none of the older program's.
    DatasetExistsError
        When there is something at `new`.
    DamagedError
        When something in `old` cannot be read; then nothing is at `new`.
    NotSavedError
        When the disk fails or is full; then nothing is at `new`.
    """
    source = ZarrDataset(old, mode="r")
    if not source.attributes.is_older:
        raise NotADatasetError(f"{source.path} is a dataset of this format already; there is nothing to upgrade")
    target = Path(new)
    if target.exists():
        raise DatasetExistsError(f"there is something at {target} already; give the upgraded dataset a new name")
    place = Blobs(target.parent, read_only=False)
    with place.build(target.name, keep_reserve=True) as draft:
        report = _copy(source, draft, progress)
        _compare(source, ZarrDataset(draft.root, mode="r"))
    place.forget_empty_staging()
    return report


def _copy(source: ZarrDataset, draft: Blobs, progress: UpgradeProgress | None) -> UpgradeReport:
    old = Blobs(source.path, read_only=True)
    attributes = DatasetAttributes(
        dataset_id=str(uuid.uuid4()),
        created_utc=source.attributes.created_utc,
        upgraded_from=object_from_bytes(
            old.read(_layout.OLDER_ATTRIBUTES, limit=MAX_DOCUMENT_BYTES), what=str(source.path)
        ),
    )
    draft.write(_layout.GROUP_DOCUMENT, group_to_bytes(attributes.to_json()))
    for group in (_layout.IMAGES, _layout.TABLES, _layout.INDEX):
        draft.write(f"{group}/{_layout.GROUP_DOCUMENT}", group_to_bytes({}))
    ids = source.list_image_ids()
    for done, image_id in enumerate(ids):
        if progress:
            progress(done, len(ids))
        key = _layout.record_key(image_id)
        try:
            _copy_record(source.record(image_id), old.sub(key), draft.sub(key))
        except DamagedError as error:
            raise DamagedError(f"not upgraded: {error}") from error
    tables = tuple(source.list_table_names())
    for name in tables:
        key = _layout.table_key(name)
        draft.write(key, table_to_parquet(table_from_parquet(old.read(key), what=old.describe(key))))
    for path in old.files(""):
        if path.split("/")[0] not in (_layout.IMAGES, _layout.TABLES, _layout.INDEX):
            draft.write(path, old.read(path))
    copy, sources = ZarrDataset(draft.root), Sources(Tables(draft))
    lost, _ = find_lost_sources(copy, sources)
    sources.add(lost)
    return UpgradeReport(records=len(ids), tables=tables)


def _copy_record(record: ZarrImageRecord, old: Blobs, new: Blobs) -> None:
    attributes = record.load_attributes()
    kept = RecordAttributes(axes=attributes.axes, created_utc=attributes.created_utc)
    new.write(_layout.GROUP_DOCUMENT, group_to_bytes(kept.to_json()))
    for group in (_layout.RECORD_ANALYSIS, _layout.RECORD_ARRAYS):
        new.write(f"{group}/{_layout.GROUP_DOCUMENT}", group_to_bytes({}))
    write_array(new, _layout.RECORD_DATA, record.load_array(), axes=attributes.axes, chunks=None)
    for name in record.list_array_artifacts():
        key = _layout.array_group_key(name)
        new.write(f"{key}/{_layout.GROUP_DOCUMENT}", group_to_bytes({"older": _older_attributes(old, key)}))
        axes = record.get_array_artifact_axes(name)
        write_array(new, _layout.array_data_key(name), record.load_array_artifact(name), axes=axes, chunks=None)
    payload = record.load_metadata_payload()
    if payload:
        save_revision(new, payload, expected=None)
    _write_json(new, OLDER_ATTRIBUTES_ARTIFACT, _older_attributes(old, ""))
    for path in old.files(""):
        if not _is_of_array(path):
            _copy_file(record, old, new, path)


def _is_of_array(path: str) -> bool:
    parts = path.split("/")
    return parts[0] == _layout.RECORD_DATA or (parts[0] == _layout.RECORD_ARRAYS and parts[2:3] == [_layout.RECORD_DATA])


def _copy_file(record: ZarrImageRecord, old: Blobs, new: Blobs, path: str) -> None:
    folder, _, key = path.partition("/")
    if folder != _layout.RECORD_ANALYSIS:
        new.write(path, old.read(path))
        return
    name = key.removesuffix(_layout.JSON_GZ).removesuffix(_layout.JSON)
    if name == _layout.METADATA:
        return
    if key.endswith((_layout.JSON, _layout.JSON_GZ)):
        _write_json(new, name, record.load_json(name))
    elif key.endswith(_layout.PARQUET):
        new.write(path, table_to_parquet(table_from_parquet(old.read(path), what=old.describe(path))))
    else:
        new.write(path, old.read(path))


def _write_json(new: Blobs, name: str, value: JsonValue) -> None:
    new.write(_layout.artifact_key(name, _layout.JSON), artifact_to_bytes(value, what=f"artifact {name!r}"))


def _older_attributes(old: Blobs, key: str) -> JsonObject:
    name = f"{key}/{_layout.OLDER_ATTRIBUTES}" if key else _layout.OLDER_ATTRIBUTES
    try:
        return object_from_bytes(old.read(name, limit=MAX_DOCUMENT_BYTES), what=old.describe(name))
    except FileNotFoundError:
        return {}


def _compare(old: ZarrDataset, new: ZarrDataset) -> None:
    """Raise `DamagedError` unless everything that can be read of the original is read alike of the copy."""
    if old.list_image_ids() != new.list_image_ids() or old.list_table_names() != new.list_table_names():
        raise DamagedError(f"not upgraded: the copy of {old.path} has other records or tables; the disk may be failing")
    for image_id in old.list_image_ids():
        _compare_record(old.record(image_id), new.record(image_id))
    for name in old.list_table_names():
        _check_alike(old.load_table(name).equals(new.load_table(name)), f"table {name!r}")


def _compare_record(old: ZarrImageRecord, new: ZarrImageRecord) -> None:
    where = f"of record {old.image_id}"
    _check_alike(_alike(old.load_array(), new.load_array()), f"pixels {where}")
    _check_alike(old.load_attributes() == new.load_attributes(), f"attributes {where}")
    _check_alike(old.load_metadata_payload() == new.load_metadata_payload(), f"metadata {where}")
    _check_alike(old.list_array_artifacts() == new.list_array_artifacts(), f"arrays {where}")
    for name in old.list_array_artifacts():
        _check_alike(_alike(old.load_array_artifact(name), new.load_array_artifact(name)), f"array {name!r} {where}")
    for key in old.list_analysis_keys():
        name = key.removesuffix(_layout.JSON_GZ).removesuffix(_layout.JSON)
        if name != key:
            _check_alike(old.load_json(name) == new.load_json(name), f"artifact {name!r} {where}")
        elif key.endswith(_layout.PARQUET):
            table = key.removesuffix(_layout.PARQUET)
            _check_alike(old.load_df_parquet(table).equals(new.load_df_parquet(table)), f"artifact {key!r} {where}")


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    same_type = one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
    return same_type and one.shape == other.shape and one.tobytes() == other.astype(one.dtype).tobytes()


def _check_alike(alike: object, what: str) -> None:
    if not alike:
        raise DamagedError(f"not upgraded: the {what} came out otherwise than it is; the disk may be failing")

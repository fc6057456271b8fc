"""A dataset of the older program, copied into the new format with nothing lost.

The rule of this room: the older dataset is only read, the copy appears whole or not at all, and it is compared with the
original, array by array and file by file, before it does.
"""

import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import write_array
from kymflow_zarr.dataset.lost_sources import find_lost_sources
from kymflow_zarr.dataset.recognize import GROUPS, is_uuid
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError, DatasetExistsError, NotADatasetError
from kymflow_zarr.formats.frames import table_from_parquet, table_to_frame, table_to_parquet
from kymflow_zarr.formats.seals import artifact_to_bytes
from kymflow_zarr.formats.strict_json import MAX_BYTES, MAX_DOCUMENT_BYTES, from_bytes, object_from_bytes
from kymflow_zarr.record.attributes import DatasetAttributes, RecordAttributes, group_to_bytes, record_to_bytes
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.record.revisions import save_revision
from kymflow_zarr.tables.sources import SOURCE_PATH, Source, Sources
from kymflow_zarr.tables.tables import IMAGE_ID, Tables
from kymflow_zarr.watch import UNWATCHED, Watch
from kymflow_zarr.zarr_dataset import ZarrDataset

_ZARR_DOCUMENTS = (layout.OLDER_GROUP, layout.OLDER_ARRAY)
"""What zarr itself writes, and writes again in another form."""
_CHUNK = re.compile(r"\d+([./]\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeReport:
    """What an upgrade copied."""

    records: int
    tables: tuple[str, ...]

    def summary(self) -> str:
        """Return one line."""
        records = f"{self.records} record{'' if self.records == 1 else 's'}"
        tables = f"{len(self.tables)} table{'' if len(self.tables) == 1 else 's'}"
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
    source = ZarrDataset(old, mode="r")
    if not source.attributes.is_older:
        raise NotADatasetError(f"{source.path} is a dataset of this format already; there is nothing to upgrade")
    target = Path(new)
    taken = DatasetExistsError(f"there is something at {target} already; give the upgraded dataset a new name")
    if target.exists():
        raise taken
    if source.path.resolve() in target.resolve().parents:
        raise DatasetExistsError(f"{target} is inside {source.path}, which is only read; choose another place")
    place = Blobs(target.parent, read_only=False)
    try:
        with place.build(target.name, keep_reserve=True, replace=False) as draft:
            report = _copy(source, Blobs(source.path, read_only=True), draft, describe, watch)
            _compare(source, ZarrDataset(draft.root, mode="r"))
    except FileExistsError as error:
        raise taken from error
    finally:
        place.forget_empty_staging()
    return report


def _copy(
    source: ZarrDataset,
    old: Blobs,
    draft: Blobs,
    describe: DescribeImage | None,
    watch: Watch,
) -> UpgradeReport:
    said = old.read(layout.OLDER_ATTRIBUTES, limit=MAX_DOCUMENT_BYTES)
    attributes = DatasetAttributes(
        dataset_id=str(uuid.uuid4()),
        created_utc=source.attributes.created_utc,
        upgraded_from=object_from_bytes(said, what=str(source.path)),
    )
    draft.write(layout.GROUP_DOCUMENT, group_to_bytes(attributes.to_json()))
    for group in GROUPS:
        draft.write(f"{group}/{layout.GROUP_DOCUMENT}", group_to_bytes({}))
    converted = {layout.OLDER_ATTRIBUTES, layout.MANIFEST}
    ids = source.list_image_ids()
    for done, image_id in enumerate(ids):
        watch.check("the copy")
        watch.progress(done, len(ids), "")
        key = layout.record_key(image_id)
        try:
            made = _copy_record(source.record(image_id), old.sub(key), draft.sub(key), describe)
        except DamagedError as error:
            raise DamagedError(f"not upgraded: {error}") from error
        converted |= {f"{key}/{path}" for path in made}
    tables = tuple(source.list_table_names())
    converted |= _copy_tables(source, old, draft)
    for path in (*old.files(""), *old.files("", hidden=True)):
        if path not in converted and path.rpartition("/")[2] not in _ZARR_DOCUMENTS:
            _keep(old, draft, path)
    return UpgradeReport(records=len(ids), tables=tables)


def _keep(old: Blobs, draft: Blobs, path: str) -> None:
    """Copy a file as it is: to where it was, if nothing of this format is or can be there, else into `older/`."""
    parts = path.split("/")
    in_place = not any(part.startswith(".") for part in parts) and not draft.exists(path)
    stranger = parts[0] == layout.IMAGES and (len(parts) < 3 or not is_uuid(parts[1]))
    target = path if in_place and not stranger else f"{layout.OLDER_ORIGINALS}/{path}"
    draft.write(target, old.read(path))
    _check_alike(draft.read(target) == old.read(path), f"file {path!r}")


def _copy_tables(source: ZarrDataset, old: Blobs, draft: Blobs) -> set[str]:
    """Write the tables, and the sources from what the table and the records say; return which files they were."""
    converted = set()
    for name in source.list_table_names():
        key = layout.table_key(name)
        draft.write(key, table_to_parquet(table_from_parquet(old.read(key), what=old.describe(key))))
        converted.add(key)
    sources = Sources(Tables(draft))
    sources.add(_older_sources(source, old))
    lost, _ = find_lost_sources(ZarrDataset(draft.root), sources)
    sources.add(lost)
    return converted


def _older_sources(source: ZarrDataset, old: Blobs) -> dict[str, Source]:
    """Return what the older dataset's own table says of its files, as far as it has rows of records."""
    key = layout.table_key(layout.SOURCES_TABLE)
    if not old.exists(key):
        return {}
    frame = table_to_frame(table_from_parquet(old.read(key), what=old.describe(key)), what=old.describe(key))
    ids = set(source.list_image_ids())
    if not {IMAGE_ID, SOURCE_PATH} <= set(frame.columns):
        return {}
    rows = [{str(name): item for name, item in row.items()} for row in frame.to_dict("records")]
    return {row[IMAGE_ID]: Source.of_older(row) for row in rows if row[IMAGE_ID] in ids}


def _copy_record(record: ZarrImageRecord, old: Blobs, new: Blobs, describe: DescribeImage | None) -> set[str]:
    """Write a record in this format, and return which of its files are the same in it, in whatever form."""
    attributes = record.load_attributes()
    kept = RecordAttributes(axes=attributes.axes, created_utc=attributes.created_utc)
    payload = record.load_metadata_payload()
    new.write(layout.GROUP_DOCUMENT, record_to_bytes(kept, describe(payload) if describe else None))
    for group in (layout.RECORD_ANALYSIS, layout.RECORD_ARRAYS):
        new.write(f"{group}/{layout.GROUP_DOCUMENT}", group_to_bytes({}))
    write_array(new, layout.RECORD_DATA, record.load_array(), axes=attributes.axes, chunks=None)
    converted = _chunks(old, layout.RECORD_DATA)
    for name in record.list_array_artifacts():
        key = layout.array_data_key(name)
        new.write(f"{layout.array_group_key(name)}/{layout.GROUP_DOCUMENT}", group_to_bytes({}))
        axes = record.get_array_artifact_axes(name)
        write_array(new, key, record.load_array_artifact(name), axes=axes, chunks=None)
        converted |= _chunks(old, key)
    if payload:
        save_revision(new, payload, expected=None)
    for key in record.list_analysis_keys():
        converted |= _copy_artifact(record, old, new, key)
    if _is_strict(old, layout.RECORD_METADATA):
        converted.add(layout.RECORD_METADATA)
    return converted


def _chunks(old: Blobs, key: str) -> set[str]:
    return {f"{key}/{name}" for name in old.files(key) if _CHUNK.fullmatch(name)}


def _copy_artifact(record: ZarrImageRecord, old: Blobs, new: Blobs, key: str) -> set[str]:
    """Write one artifact, and return its file where nothing is lost by that."""
    path = f"{layout.RECORD_ANALYSIS}/{key}"
    name = key.removesuffix(layout.JSON_GZ).removesuffix(layout.JSON)
    if key.endswith(layout.PARQUET):
        new.write(path, table_to_parquet(table_from_parquet(old.read(path), what=old.describe(path))))
        return {path}
    if name == key:
        return set()
    target = layout.artifact_key(name, layout.JSON)
    if not new.exists(target):
        new.write(target, artifact_to_bytes(record.load_json(name), what=f"artifact {name!r}"))
    return {path} if path == target and _is_strict(old, path) else set()


def _is_strict(old: Blobs, path: str) -> bool:
    """Return whether a JSON file is there and says nothing that strict JSON cannot."""
    try:
        from_bytes(old.read(path, limit=MAX_BYTES), what=path)
    except (DamagedError, FileNotFoundError):
        return False
    return True


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
        name = key.removesuffix(layout.JSON_GZ).removesuffix(layout.JSON)
        if name != key:
            _check_alike(old.load_json(name) == new.load_json(name), f"artifact {name!r} {where}")
        elif key.endswith(layout.PARQUET):
            table = key.removesuffix(layout.PARQUET)
            _check_alike(old.load_df_parquet(table).equals(new.load_df_parquet(table)), f"artifact {key!r} {where}")


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    same_type = one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
    return same_type and one.shape == other.shape and one.tobytes() == other.astype(one.dtype).tobytes()


def _check_alike(alike: object, what: str) -> None:
    if not alike:
        raise DamagedError(f"not upgraded: the {what} came out otherwise than it is; the disk may be failing")

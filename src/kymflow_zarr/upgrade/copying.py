"""Writes the records, the tables and all other files of an older dataset into a new one that is being built.

The rule of this room: every function that writes something in today's form returns which files say the same there. All
others are copied as they are.
"""

import re
from contextlib import suppress

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import write_array
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.lost_sources import find_lost_sources
from kymflow_zarr.dataset.recognize import is_uuid
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.csv_gz import bind_csv_gz
from kymflow_zarr.formats.parquet import table_from_parquet, table_to_parquet
from kymflow_zarr.formats.places import place_note
from kymflow_zarr.formats.seals import artifact_to_bytes
from kymflow_zarr.formats.strict_json import MAX_BYTES, from_bytes
from kymflow_zarr.record.attributes import record_to_bytes
from kymflow_zarr.record.groups import write_empty_group
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.revisions import save_revision
from kymflow_zarr.tables.sources import Sources
from kymflow_zarr.tables.tables import Tables
from kymflow_zarr.upgrade.comparing import check_alike
from kymflow_zarr.upgrade.older import JSON_GZ, OlderDataset, OlderRecord, artifact_name

_ZARR_DOCUMENTS = (layout.V2_GROUP, layout.V2_ARRAY)
"""What zarr itself writes, and writes again in another form."""
_CHUNK = re.compile(r"\d+([./]\d+)*")


def copy_record(old: OlderRecord, new: Blobs, describe: DescribeImage | None) -> set[str]:
    """Write a record in this format, and return which of its files are the same in it, in whatever form."""
    attributes, metadata = old.load_attributes(), old.load_metadata()
    of = place_note(new.place(layout.GROUP_DOCUMENT))
    new.write(layout.GROUP_DOCUMENT, record_to_bytes(attributes, describe(metadata) if describe else None, of=of))
    for group in (layout.RECORD_ANALYSIS, layout.RECORD_ARRAYS):
        write_empty_group(new, group)
    write_array(new, layout.RECORD_DATA, old.load_array(), axes=attributes.axes, chunks=None)
    converted = _chunks(old, layout.RECORD_DATA)
    for name in old.list_array_artifacts():
        key = layout.array_data_key(name)
        write_empty_group(new, layout.array_group_key(name))
        write_array(new, key, old.load_array_artifact(name), axes=None, chunks=None)
        converted |= _chunks(old, key)
    if metadata:
        save_revision(new, metadata, expected=None)
    for key in old.list_analysis_keys():
        converted |= _copy_artifact(old, new, key)
    for key in old.blobs.files(layout.RECORD_ANALYSIS):
        if key.endswith(layout.CSV_GZ):
            _seal_csv_gz(old.blobs, new, f"{layout.RECORD_ANALYSIS}/{key}")
    if _is_strict(old.blobs, layout.RECORD_METADATA):
        converted.add(layout.RECORD_METADATA)
    return converted


def copy_tables(old: OlderDataset, new: Blobs) -> set[str]:
    """Write the tables, and the sources from what the table and the records say; return which files they were."""
    converted = set()
    for name in old.tables.names():
        key = layout.table_key(name)
        _copy_parquet(old.blobs, new, key)
        converted.add(key)
    sources = Sources(Tables(new))
    sources.add(old.load_sources())
    lost, _ = find_lost_sources(Dataset(new.root, mode="r"), sources)
    sources.add(lost)
    return converted


def copy_other_files(old: Blobs, new: Blobs, converted: set[str]) -> None:
    """Copy every file that is not among the converted ones: nothing of the older dataset is lost."""
    for path in (*old.files(""), *old.files("", hidden=True)):
        if path not in converted and path.rpartition("/")[2] not in _ZARR_DOCUMENTS:
            _keep(old, new, path)


def _keep(old: Blobs, new: Blobs, path: str) -> None:
    """Copy a file as it is: to where it was, if nothing of this format is or can be there, else into `older/`."""
    parts = path.split("/")
    in_place = not any(part.startswith(".") for part in parts) and not path.endswith(JSON_GZ) and not new.exists(path)
    stranger = parts[0] == layout.IMAGES and (len(parts) < 3 or not is_uuid(parts[1]))
    target = path if in_place and not stranger else f"{layout.OLDER_ORIGINALS}/{path}"
    new.write(target, old.read(path))
    check_alike(new.read(target) == old.read(path), f"file {path!r}")


def _chunks(old: OlderRecord, key: str) -> set[str]:
    return {f"{key}/{name}" for name in old.blobs.files(key) if _CHUNK.fullmatch(name)}


def _copy_artifact(old: OlderRecord, new: Blobs, key: str) -> set[str]:
    """Write one artifact, and return its file where nothing is lost by that."""
    path = f"{layout.RECORD_ANALYSIS}/{key}"
    if key.endswith(layout.PARQUET):
        _copy_parquet(old.blobs, new, path)
        return {path}
    name = artifact_name(key)
    target = layout.artifact_key(name, layout.JSON)
    of = place_note(new.place(target))
    new.write(target, artifact_to_bytes(old.load_json(key), what=f"artifact {name!r}", of=of))
    return {path} if path == target and _is_strict(old.blobs, path) else set()


def _copy_parquet(old: Blobs, new: Blobs, key: str) -> None:
    table = table_from_parquet(old.read(key), what=old.describe(key))
    new.write(key, table_to_parquet(table, of=place_note(new.place(key))))


def _seal_csv_gz(old: Blobs, new: Blobs, key: str) -> None:
    """Write a gzipped CSV with a seal; the file itself goes among those that are kept as they were."""
    with suppress(DamagedError):
        new.write(key, bind_csv_gz(old.read(key), what=old.describe(key), of=place_note(new.place(key))))


def _is_strict(old: Blobs, path: str) -> bool:
    """Return whether a JSON file is there and says nothing that strict JSON cannot."""
    try:
        from_bytes(old.read(path, limit=MAX_BYTES), what=path)
    except (DamagedError, FileNotFoundError):
        return False
    return True

"""Compares a copy with the older dataset that it was made of; both are read anew from disk."""

from typing import Any

from numpy.typing import NDArray

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.upgrade.older import OlderDataset, OlderRecord, artifact_name


def compare_record(old: OlderRecord, new: ZarrImageRecord) -> None:
    """Raise `DamagedError` unless everything that can be read of a record is read alike of its copy."""
    where = f"of record {old.image_id}"
    check_alike(_are_alike(old.load_array(), new.load_array()), f"pixels {where}")
    check_alike(old.load_attributes() == new.load_attributes(), f"attributes {where}")
    check_alike(old.load_metadata() == new.load_metadata_payload(), f"metadata {where}")
    check_alike(old.list_array_artifacts() == new.list_array_artifacts(), f"arrays {where}")
    for name in old.list_array_artifacts():
        check_alike(_are_alike(old.load_array_artifact(name), new.load_array_artifact(name)), f"array {name!r} {where}")
    for key in old.list_analysis_keys():
        name = artifact_name(key)
        if key.endswith(layout.PARQUET):
            check_alike(old.load_df_parquet(key).equals(new.load_df_parquet(name)), f"artifact {key!r} {where}")
        else:
            check_alike(old.load_json(key) == new.load_json(name), f"artifact {name!r} {where}")


def compare_tables(old: OlderDataset, new: Dataset) -> None:
    """Raise `DamagedError` unless the copy has the same records and tables."""
    if old.list_image_ids() != new.list_image_ids() or old.tables.names() != new.list_table_names():
        raise DamagedError(f"not upgraded: the copy of {old.path} has other records or tables; the disk may be failing")
    for name in old.tables.names():
        check_alike(old.tables.load(name).equals(new.load_table(name)), f"table {name!r}")


def check_alike(alike: object, what: str) -> None:
    """Raise `DamagedError` where something of the copy is not as it is in the original."""
    if not alike:
        raise DamagedError(f"not upgraded: the {what} came out otherwise than it is; the disk may be failing")


def _are_alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    same_type = one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
    return same_type and one.shape == other.shape and one.tobytes() == other.astype(one.dtype).tobytes()

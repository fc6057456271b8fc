"""What is wrong with a dataset: finds, never raises, never repairs, writes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from kymflow_zarr import _layout
from kymflow_zarr._blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.tables import IMAGE_ID, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that `validate` found: where, and what is wrong."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Records(Protocol):
    """The records of a dataset, as far as finding problems goes."""

    def list_image_ids(self) -> list[str]:
        """Return the ids of all records."""

    def record(self, image_id: str) -> ZarrImageRecord:
        """Return one record."""


def find_problems(dataset: Records, blobs: Blobs) -> list[Problem]:
    """Return what is wrong with the records, tables and left-overs of the dataset in the folder `blobs`."""
    ids = dataset.list_image_ids()
    tables = Tables(blobs)
    problems = [
        Problem(where=f"{_layout.IMAGES}/{name}", what="is not named by a uuid, so it is no record")
        for name in blobs.names(_layout.IMAGES)
        if name not in (*ids, _layout.GROUP_DOCUMENT)
    ]
    for image_id in ids:
        problems += _problems_of(_layout.record_key(image_id), _checks(dataset.record(image_id)))
    for name in [*tables.names(), _layout.SOURCES_TABLE]:
        if tables.exists(name):
            problems += _table_problems(tables, name, set(ids))
    problems += [
        Problem(where=f"{_layout.STAGING}/{name}", what="was left behind by a program that was stopped")
        for name in blobs.names(_layout.STAGING)
    ]
    return problems


def _checks(record: ZarrImageRecord) -> list[Callable[[], object]]:
    return [
        record.load_attributes,
        record.load_revision,
        record.open_array,
        *(partial(record.open_array_artifact, name) for name in record.list_array_artifacts()),
        *(partial(_load_artifact, record, key) for key in record.list_analysis_keys()),
    ]


def _table_problems(tables: Tables, name: str, ids: set[str]) -> list[Problem]:
    where = f"{_layout.TABLES}/{name}"
    try:
        frame = tables.load(name)
    except (KymflowZarrError, OSError) as error:
        return [Problem(where=where, what=str(error))]
    if IMAGE_ID not in frame.columns:
        return [Problem(where=where, what=f"has no column {IMAGE_ID!r}")]
    gone = sorted(set(frame[IMAGE_ID].dropna().astype(str)) - ids)
    if not gone:
        return []
    return [Problem(where=where, what=f"has rows of {len(gone)} records that are gone, {gone[0]} first")]


def _load_artifact(record: ZarrImageRecord, key: str) -> object:
    name, _, ending = key.rpartition(".")
    return record.load_json(name) if ending == "json" else record.load_df_parquet(name)


def _problems_of(where: str, checks: Sequence[Callable[[], object]]) -> list[Problem]:
    problems = []
    for check in checks:
        try:
            check()
        except (KymflowZarrError, OSError) as error:
            problems.append(Problem(where=where, what=str(error)))
    return problems

"""What a dataset held when it was looked at: its records, its tables, and what their rows are worth. No viewer, no Qt.

The rule of this room: a look is a value that is made in a worker and shown by the docks. A quick look, made at once, knows
no state yet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pandas as pd

from kymflow_core import ImageIndexer, KymDataset
from kymflow_core.freshness import State
from kymflow_core.indexers import DatasetIndexer, reads_results
from kymflow_core.indexers.images import local_time
from kymflow_zarr import Manifest, ZarrDataset
from kymflow_zarr.errors import DamagedError, TableNotFoundError
from napari_kymflow._records import OUR_ERRORS

Told: TypeAlias = Callable[[int, int, str], None]

_IMAGES = ImageIndexer()
_FEW = 100
"""Records that can be opened without anybody waiting."""
_MOST_OPENED = 1000
"""Records whose rows are made only to be shown; of more, the table has to be refreshed first."""
_NOTHING = pd.DataFrame({"image_id": pd.Series([], dtype="str")})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What a dataset held.

    `image_ids` are the records in the order of their acquisition; `images` are the rows of the table `images`, made anew
    where it is not fresh. `tables` and `problems` are the tables by name, and why others cannot be read; `worth` is what
    `KymDataset.freshness` says, by table, and empty in a quick look; `notes` are sentences for the user.
    """

    image_ids: tuple[str, ...] = ()
    images: pd.DataFrame = field(default_factory=_NOTHING.copy)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    worth: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_quick: bool = True

    def states(self, table_name: str) -> "pd.Series[str]":
        """Return the state of each image in a table, by image; empty where it is not known yet."""
        worth = self.worth.get(table_name)
        return pd.Series([], dtype="str") if worth is None else worth.set_index("image_id")["state"]


def quick_look(dataset: ZarrDataset) -> Look:
    """Return the records as the tables have them, at once; the order of records that are not in them is by id."""
    ids = dataset.list_image_ids()
    try:
        images = dataset.load_table(_IMAGES.table_name)
    except (TableNotFoundError, DamagedError):
        images = _NOTHING
    if ("acquired" not in images.columns or not set(ids) <= set(images["image_id"])) and len(ids) <= _FEW:
        images = _images_of(dataset.load_manifest())
    return Look(image_ids=_in_order(ids, images), images=images)


def full_look(
    dataset: ZarrDataset,
    indexers: Sequence[DatasetIndexer],
    *,
    before: Look | None = None,
    told: Told | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Look:
    """Return all that the docks show; safe in a worker, writes nothing.

    Parameters
    ----------
    dataset, indexers
        What is looked at.
    before
        An earlier look, whose tables are taken where their files have not changed.
    told
        Called with the number of images done, of all, and what is done.
    cancelled
        Asked between images.
    """
    tables = KymDataset(dataset)
    ids = dataset.list_image_ids()
    worth = {indexer.table_name: tables.freshness(indexer) for indexer in indexers}
    frames, digests, problems, notes = {}, {}, {}, tuple[str, ...]()
    stale = int(worth[_IMAGES.table_name]["needs_update"].sum())
    if not stale and _IMAGES.table_name in dataset.list_table_names():
        images = tables.get_table(_IMAGES.table_name)
    elif stale <= _MOST_OPENED:
        images = tables.current_rows(
            _IMAGES, progress=(lambda done, total: told(done, total, "images")) if told else None, cancelled=cancelled
        )
    else:
        images = quick_look(dataset).images
        notes = (f"{stale:,} records are not in the tables as they are now: click Refresh",)
    for name in dataset.list_table_names():
        try:
            digests[name] = dataset.table_digest(name)
            is_known = before is not None and before.digests.get(name) == digests[name] and name in before.tables
            frames[name] = before.tables[name] if before is not None and is_known else dataset.load_table(name)
        except OUR_ERRORS as error:
            problems[name] = str(error)
    return Look(
        image_ids=_in_order(ids, images),
        images=images.sort_values("image_id", ignore_index=True),
        tables=frames,
        digests=digests,
        problems=problems,
        worth=worth,
        notes=notes,
        is_quick=False,
    )


def look_at_image(dataset: ZarrDataset, indexers: Sequence[DatasetIndexer], image_id: str, *, before: Look) -> Look:
    """Return an earlier look with one image looked at again; safe in a worker, writes nothing."""
    tables = KymDataset(dataset)
    worth = {}
    for indexer in indexers:
        own = tables.freshness(indexer, image_ids=[image_id])
        old = before.worth.get(indexer.table_name, own)
        worth[indexer.table_name] = pd.concat([old[old["image_id"] != image_id], own], ignore_index=True)
    frames, digests, problems = dict(before.tables), dict(before.digests), dict(before.problems)
    for name in dataset.list_table_names():
        try:
            digest = dataset.table_digest(name)
            if digests.get(name) != digest or name not in frames:
                frames[name], digests[name] = dataset.load_table(name), digest
            problems.pop(name, None)
        except OUR_ERRORS as error:
            problems[name] = str(error)
    images = before.images[before.images["image_id"] != image_id]
    try:
        rows = _IMAGES.extract_rows(dataset.record(image_id))
        images = pd.concat([images, rows], ignore_index=True)
    except OUR_ERRORS:
        pass  # its state says so
    ids = dataset.list_image_ids()
    return Look(
        image_ids=_in_order(ids, images),
        images=images.sort_values("image_id", ignore_index=True),
        tables=frames,
        digests=digests,
        problems=problems,
        worth=worth,
        is_quick=False,
    )


def counts_of(states: "pd.Series[str]") -> str:
    """Return what is not fresh, such as "3 outdated · 12 never analysed"; empty where all is."""
    found = states.value_counts()
    order = (State.OUTDATED, State.BEHIND, State.FAILED, State.DELETED, State.NEVER_ANALYSED)
    return " · ".join(f"{found[state.value]:,} {state}" for state in order if found.get(state.value, 0))


def result_tables(indexers: Sequence[DatasetIndexer]) -> list[str]:
    """Return the tables that hold results of analyses."""
    return [indexer.table_name for indexer in indexers if reads_results(indexer)]


def _images_of(manifest: Manifest) -> pd.DataFrame:
    rows = [
        {
            "image_id": entry.image_id,
            "name": entry.name or "",
            "acquired": local_time(entry.acquired_local_epoch_ns),
            "shape": " × ".join(map(str, entry.shape)),
        }
        for entry in manifest.entries
    ]
    return pd.DataFrame(rows, columns=["image_id", "name", "acquired", "shape"]).astype("str")


def _in_order(ids: Sequence[str], images: pd.DataFrame) -> tuple[str, ...]:
    """Return records by acquisition, then by name; those of unknown time last."""
    known = images[images["image_id"].isin(list(ids))]
    if "acquired" not in known.columns:
        return tuple(ids)
    keyed = known.assign(unknown=known["acquired"].fillna("") == "", name=known["name"].fillna(""))
    ordered = keyed.sort_values(["unknown", "acquired", "name", "image_id"])["image_id"].drop_duplicates().tolist()
    there = set(ordered)
    return (*ordered, *(image_id for image_id in ids if image_id not in there))

"""A snapshot of a dataset: its records, its tables, and what their rows are worth. No viewer, no Qt.

The rule of this room: a snapshot is a value that is made in a worker and shown by the docks. A quick snapshot, made at
once, knows no state yet.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from kymflow_core import ImageIndexer, KymDataset
from kymflow_core.artifacts import VELOCITY
from kymflow_core.headers.acquisition import local_time
from kymflow_core.indexers import DatasetIndexer, reads_results
from kymflow_core.tables.freshness import State
from kymflow_zarr import Manifest, Watch, ZarrDataset
from kymflow_zarr.errors import DamagedError, TableNotFoundError
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow.errors import OUR_ERRORS

_IMAGES = ImageIndexer()
_FEW = 100
"""Records that can be opened without anybody waiting."""
_MOST_OPENED = 1000
"""Records whose rows are made only to be shown; of more, the table has to be refreshed first."""
_SERIES = (VELOCITY,)
"""Tables of one row a window, of which only small ones are read: nobody looks through millions of rows in a list."""
_MOST_LISTED = 100_000
"""Rows of such a table that the docks read."""
_TIME = "%Y-%m-%d %H:%M:%S"
_NEEDED = ("image_id", "name", "acquired")
"""Columns that the table `images` has; one without them is somebody else's."""
_NOTHING = pd.DataFrame({name: pd.Series([], dtype="str") for name in _NEEDED})
_FAILURES = (*OUR_ERRORS, ValueError, TypeError, LookupError, ArithmeticError, OSError, AttributeError)
"""What an indexer, also one of another package, and a table that somebody else wrote end in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetSnapshot:
    """What a dataset held.

    `image_ids` are the records in the order of their acquisition; `images` are the rows of the table `images`, made anew
    where it is not fresh. `tables` and `problems` are the tables by name, without those too long for a list, and why others
    cannot be read; `worth` is what `KymDataset.freshness` says, by table, and empty in a quick look; `notes` are sentences
    for the user.
    """

    image_ids: tuple[str, ...] = ()
    images: pd.DataFrame = field(default_factory=_NOTHING.copy)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    worth: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_quick: bool = True

    def rows_of(self, table_name: str) -> int:
        """Return how many rows a table has, also one that was not read; 0 where that is not known."""
        worth = self.worth.get(table_name)
        return 0 if worth is None else int(worth["n_rows"].sum())

    def is_too_long(self, table_name: str) -> bool:
        """Return whether a table was not read since it has more rows than anybody looks through."""
        return table_name in _SERIES and self.rows_of(table_name) > _MOST_LISTED

    def why_empty(self, table_name: str) -> str:
        """Return why nothing of a table is shown; empty where that is not known, or it has no rows."""
        if self.is_too_long(table_name):
            return (
                f"{self.rows_of(table_name):,} rows are too many for a list: read tables/{table_name}.parquet, in the "
                "dataset's folder, with another program"
            )
        return self.problems.get(table_name, "")

    def states(self, table_name: str) -> "pd.Series[str]":
        """Return the state of each image in a table, by image; empty where it is not known yet."""
        worth = self.worth.get(table_name)
        return pd.Series([], dtype="str") if worth is None else worth.set_index("image_id")["state"]


def quick_snapshot(dataset: ZarrDataset) -> DatasetSnapshot:
    """Return the records as the tables have them, at once; the order of records that are not in them is by id."""
    ids = dataset.list_image_ids()
    try:
        images = _usable(dataset.load_table(_IMAGES.table_name))
    except (TableNotFoundError, DamagedError):
        images = _NOTHING
    if not set(ids) <= set(images["image_id"]) and len(ids) <= _FEW:
        images = _images_of(dataset.load_manifest())
    return DatasetSnapshot(image_ids=_in_order(ids, images), images=images)


def full_snapshot(
    dataset: ZarrDataset,
    indexers: Sequence[DatasetIndexer],
    *,
    before: DatasetSnapshot | None = None,
    watch: Watch = UNWATCHED,
) -> DatasetSnapshot:
    """Return all that the docks show; safe in a worker, writes nothing.

    Parameters
    ----------
    dataset, indexers
        The dataset.
    before
        An earlier look, whose tables are taken where their files have not changed.
    watch
        Shows how far the work is; when cancelled, it stops between images.
    """
    tables = KymDataset(dataset)
    worth, failed = _worth_of(tables, indexers)
    images, notes = _images_now(tables, worth.get(_IMAGES.table_name), watch=watch)
    frames, digests, problems = _read_tables(dataset, before or DatasetSnapshot(), worth)
    return DatasetSnapshot(
        image_ids=_in_order(dataset.list_image_ids(), images),
        images=images.sort_values("image_id", ignore_index=True),
        tables=frames,
        digests=digests,
        problems={**failed, **problems},
        worth=worth,
        notes=notes,
        is_quick=False,
    )


def snapshot_of_image(
    dataset: ZarrDataset, indexers: Sequence[DatasetIndexer], image_id: str, *, before: DatasetSnapshot
) -> DatasetSnapshot:
    """Return an earlier snapshot with one image read again; safe in a worker, writes nothing."""
    own, failed = _worth_of(KymDataset(dataset), indexers, image_ids=[image_id])
    worth = {}
    for name, row in own.items():
        old = before.worth.get(name, row)
        worth[name] = pd.concat([old[old["image_id"] != image_id], row], ignore_index=True)
    frames, digests, problems = _read_tables(dataset, before, worth)
    images = before.images[before.images["image_id"] != image_id]
    try:
        rows = _usable(_IMAGES.extract_rows(dataset.record(image_id)))
        images = pd.concat([images, rows], ignore_index=True)
    except _FAILURES:
        pass  # its state says so
    return DatasetSnapshot(
        image_ids=_in_order(dataset.list_image_ids(), images),
        images=images.sort_values("image_id", ignore_index=True),
        tables=frames,
        digests=digests,
        problems={**failed, **problems},
        worth=worth,
        notes=before.notes,
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


def _worth_of(
    tables: KymDataset, indexers: Sequence[DatasetIndexer], *, image_ids: Sequence[str] | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return what the rows of each table are worth, and why that is not known of others."""
    worth, failed = {}, {}
    for indexer in indexers:
        name = indexer.table_name
        try:
            worth[name] = tables.freshness(indexer, image_ids=image_ids)
        except _FAILURES as error:
            failed[name] = f"what the rows of {name!r} are worth is not known: {error}"
    return worth, failed


def _images_now(
    tables: KymDataset,
    worth: pd.DataFrame | None,
    *,
    watch: Watch,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows of all images as they are now, without the counts that may be old, and notes about them."""
    if worth is None:
        quick = quick_snapshot(tables.dataset).images
        return _without_counts(quick, quick["image_id"]), ()
    stale = worth.loc[worth["needs_update"], "image_id"]
    if len(stale) > _MOST_OPENED:
        note = f"{len(stale):,} records are not in the tables as they are now: click Refresh"
        return _without_counts(quick_snapshot(tables.dataset).images, stale), (note,)
    is_fresh = not len(stale) and _IMAGES.table_name in tables.dataset.list_table_names()
    try:
        images = _usable(tables.get_table(_IMAGES.table_name) if is_fresh else tables.current_rows(_IMAGES, watch=watch))
    except _FAILURES:
        return _without_counts(quick_snapshot(tables.dataset).images, stale), ()  # the table's own state has the reason
    if len(stale) and watch.is_cancelled():
        count = f"{len(stale):,} record{'' if len(stale) == 1 else 's'}"
        return _without_counts(images, stale), (f"Cancelled: the counts of {count} are not shown: click Refresh",)
    return images, ()


def _without_counts(images: pd.DataFrame, image_ids: Collection[str]) -> pd.DataFrame:
    """Return the rows with the counts of some images blank: these may have changed since."""
    rows = images["image_id"].isin(list(image_ids))
    return images.assign(**{name: images[name].mask(rows) for name in ("n_rois", "n_events") if name in images.columns})


def _read_tables(
    dataset: ZarrDataset, before: DatasetSnapshot, worth: Mapping[str, pd.DataFrame]
) -> tuple[dict[str, pd.DataFrame], dict[str, str], dict[str, str]]:
    """Return the tables to look through, their digests, and why others cannot be read; those that stayed are not read."""
    frames, digests, problems = {}, {}, {}
    known = DatasetSnapshot(worth=worth)
    for name in [name for name in dataset.list_table_names() if not known.is_too_long(name)]:
        try:
            digest = dataset.table_digest(name)
            is_known = name in before.tables and before.digests.get(name) == digest
            frames[name] = before.tables[name] if is_known else dataset.load_table(name)
            digests[name] = digest
        except _FAILURES as error:
            problems[name] = str(error)
    return frames, digests, problems


def _usable(images: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table `images`, what is needed of them as text; nothing if another program wrote the table."""
    if not set(_NEEDED) <= set(images.columns):
        return _NOTHING
    rows = images[images["image_id"].notna()]
    acquired = rows["acquired"]
    if pd.api.types.is_datetime64_any_dtype(acquired):
        rows = rows.assign(acquired=acquired.dt.strftime(_TIME))
    return rows.astype(dict.fromkeys(_NEEDED, "str"))


def _images_of(manifest: Manifest) -> pd.DataFrame:
    rows = [
        {
            "image_id": entry.image_id,
            "name": entry.name or "",
            "acquired": acquired.strftime(_TIME) if acquired else "",
            "shape": " × ".join(map(str, entry.shape)),
        }
        for entry in manifest.entries
        for acquired in [local_time(entry.acquired_local_epoch_ns)]
    ]
    return pd.DataFrame(rows, columns=["image_id", "name", "acquired", "shape"]).astype("str")


def _in_order(ids: Sequence[str], images: pd.DataFrame) -> tuple[str, ...]:
    """Return records by acquisition, then by name; those of unknown time last."""
    known = images[images["image_id"].isin(list(ids))]
    keyed = known.assign(unknown=known["acquired"].fillna("") == "", name=known["name"].fillna(""))
    ordered = keyed.sort_values(["unknown", "acquired", "name", "image_id"])["image_id"].drop_duplicates().tolist()
    there = set(ordered)
    return (*ordered, *(image_id for image_id in ids if image_id not in there))

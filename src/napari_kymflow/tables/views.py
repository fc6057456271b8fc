"""What the dataset dock shows: frames of text and numbers made of a snapshot. Pure.

The rule of this room: nothing is read here, and a million rows are made without a loop over them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from kymflow_core.columns import table_title
from kymflow_core.indexers import RoiIndexer, VelocityEventsIndexer
from kymflow_core.indexers.images import EXPERIMENT
from kymflow_core.tables.freshness import State
from napari_kymflow.layers.shapes import name_or_note
from napari_kymflow.tables.snapshot import DatasetSnapshot, counts_of

NOT_SAVED, KEPT, DAMAGED, UNKNOWN = "not saved", "not saved: ROIs were kept, open it to take them up", "damaged", "…"
NO_CALIBRATION = "calibration unknown"
_EVENTS = VelocityEventsIndexer().table_name
"""The table without whose results a record is not plainly fresh: no events and never looked for are not the same."""
_ROIS = RoiIndexer().table_name
_ROI = ["image_id", "roi_id"]
ROI_NAME = "roi_name"
"""The column that no table has on disk: a ROI that is called otherwise makes no result outdated."""
_RANK: Mapping[str, int] = {
    State.NEVER_ANALYSED: 1,
    State.FRESH: 2,
    UNKNOWN: 3,
    State.BEHIND: 4,
    State.DELETED: 5,
    State.OUTDATED: 6,
    State.FAILED: 7,
}
"""Of several tables, the state that a person must know of first counts for the record."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A frame to show, a text for each row of some columns, and the line below it."""

    frame: pd.DataFrame
    tooltips: Mapping[str, Sequence[str]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetViews:
    """All that the dock shows of a snapshot."""

    snapshot: DatasetSnapshot = field(default_factory=DatasetSnapshot)
    records: View = field(default_factory=lambda: View(frame=pd.DataFrame()))
    tables: Mapping[str, View] = field(default_factory=dict)


def make_views(snapshot: DatasetSnapshot, results: Sequence[str], *, before: DatasetViews | None = None) -> DatasetViews:
    """Return what is shown of a snapshot; views of tables that have not changed since `before` are taken from there."""
    tables = {}
    for name in snapshot.tables:
        if before is not None and name in before.tables and _is_same(name, snapshot, before.snapshot):
            tables[name] = before.tables[name]
        else:
            tables[name] = table_view(snapshot, name)
    return DatasetViews(snapshot=snapshot, records=records_view(snapshot, results), tables=tables)


def _is_same(name: str, snapshot: DatasetSnapshot, before: DatasetSnapshot) -> bool:
    worth, old = snapshot.worth.get(name), before.worth.get(name)
    return (
        snapshot.tables[name] is before.tables.get(name)
        and worth is not None
        and old is not None
        and worth.equals(old)
        and snapshot.images[["image_id", "name"]].equals(before.images[["image_id", "name"]])
        and snapshot.tables.get(_ROIS) is before.tables.get(_ROIS)
    )


def records_view(snapshot: DatasetSnapshot, results: Sequence[str]) -> View:
    """Return the list of records.

    Parameters
    ----------
    look
        What was seen.
    results
        The tables of results, which make a record fresh or not.
    """
    ids = list(snapshot.image_ids)
    images = snapshot.images.drop_duplicates("image_id").set_index("image_id").reindex(ids)
    words, gaps, reasons = _states(snapshot, results, ids)
    um, seconds = _numbers(images, "um_per_pixel"), _numbers(images, "seconds_per_line")
    uncalibrated = (images.index.isin(snapshot.images["image_id"]) & (um.isna() | seconds.isna())).tolist()
    calibration = [NO_CALIBRATION if lacks else "" for lacks in uncalibrated]
    states = [" · ".join(filter(None, parts)) for parts in zip(words, gaps, calibration, strict=True)]
    condition = f"{EXPERIMENT}condition"
    frame = pd.DataFrame(
        {
            "record": [name or image_id[:8] for name, image_id in zip(_texts(images, "name"), ids, strict=True)],
            "state": pd.Series(states, dtype="str"),
            "acquired": _or_none(_texts(images, "acquired")),
            "condition": _or_none(_texts(images, condition)),
            "ROIs": _numbers(images, "n_rois").to_numpy(),
            "events": _numbers(images, "n_events").to_numpy(),
            "lines × pixels": _or_none(_texts(images, "shape")),
            "ms per line": (seconds * 1000).to_numpy(),
            "µm per pixel": um.to_numpy(),
        }
    )
    for name in images.columns:
        column = name.removeprefix(EXPERIMENT)
        if name.startswith(EXPERIMENT) and column not in frame.columns and images[name].notna().any():
            frame[column] = images[name].to_numpy()
    frame["image_id"] = pd.Series(ids, dtype="str")
    return View(
        frame=frame, tooltips={"record": _about(images), "state": reasons}, note=counts_of(pd.Series(words, dtype="str"))
    )


def with_marks(view: View, *, unsaved: Collection[str], kept: Collection[str]) -> View:
    """Return the list of records with those marked that have unsaved ROIs: on screen, or kept since an earlier time."""
    if not unsaved and not kept:
        return view
    frame = view.frame.copy()
    frame.loc[frame["image_id"].isin(list(kept)), "state"] = KEPT
    frame.loc[frame["image_id"].isin(list(unsaved)), "state"] = NOT_SAVED
    return View(frame=frame, tooltips=view.tooltips, note=view.note)


def table_view(snapshot: DatasetSnapshot, name: str) -> View:
    """Return a dataset table with each row's record first, what the row is worth second, and the name of its ROI."""
    table, worth = _in_order(snapshot.tables[name], snapshot.image_ids), snapshot.worth.get(name)
    if _ROIS in snapshot.tables:
        table = _with_roi_names(table, snapshot.tables[_ROIS])
    lacks_id = "image_id" not in table.columns
    ids = pd.Series([""] * len(table), dtype="str") if lacks_id else table["image_id"].astype("str").fillna("")
    codes, distinct = pd.factorize(ids)
    names = snapshot.images.drop_duplicates("image_id").set_index("image_id")["name"]
    labels = np.array([_name(names.get(one), one) for one in distinct], dtype=object)
    shown = _renamed(table.drop(columns=["image_id", "outdated"], errors="ignore"), ["record", "image_id"])
    shown.insert(0, "record", pd.Series(labels[codes] if len(labels) else [], dtype="str", index=shown.index))
    tooltips: dict[str, Sequence[str]] = {}
    if worth is not None:
        by_image = worth.drop_duplicates("image_id").set_index("image_id").reindex(distinct)
        states = by_image["state"].fillna(UNKNOWN).to_numpy(dtype=object)
        reasons = by_image["reason"].fillna("").to_numpy(dtype=object)
        settled = by_image["needs_update"].eq(other=False).to_numpy(dtype=bool)
        row_states, row_reasons, row_settled = (values[codes] for values in (states, reasons, settled))
        if "outdated" in table.columns:
            # An image is outdated where one of its ROIs is; the rows of the others hold, once the marks are written.
            marked = table["outdated"].eq(other=True).fillna(value=False).to_numpy(dtype=bool)
            row_states = np.where((row_states == State.OUTDATED) & ~marked & row_settled, State.FRESH.value, row_states)
            row_states = np.where((row_states == State.FRESH) & marked, State.OUTDATED.value, row_states)
        shown = _renamed(shown, ["state"])
        shown.insert(1, "state", pd.Series(row_states, dtype="str", index=shown.index))
        tooltips["state"] = list(row_reasons)
    shown["image_id"] = ids
    of_images = snapshot.states(name)
    counts = counts_of(of_images)
    note = f"of {len(of_images):,} image{'' if len(of_images) == 1 else 's'} {counts}" if counts else ""
    return View(frame=shown, tooltips=tooltips, note=note)


def _in_order(table: pd.DataFrame, image_ids: Sequence[str]) -> pd.DataFrame:
    """Return a table's rows in the order of the list of records, and of the ROIs of each; else as they are."""
    if "image_id" not in table.columns:
        return table.reset_index(drop=True)
    place = table["image_id"].map({image_id: at for at, image_id in enumerate(image_ids)}).fillna(len(image_ids))
    keys = [place.to_numpy(dtype=np.float64)]
    if "roi_id" in table.columns and pd.api.types.is_numeric_dtype(table["roi_id"]):
        keys.insert(0, table["roi_id"].to_numpy(dtype=np.float64, na_value=np.nan))
    # Stable: the events of a ROI stay in their order.
    return table.iloc[np.lexsort(keys)].reset_index(drop=True)


def _with_roi_names(table: pd.DataFrame, rois: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a ROI's id in each row with its name beside it; another table, also one of ROIs, as it is."""
    is_named = {"name", "note"} <= {*rois.columns} and not {"name", ROI_NAME} & {*table.columns}
    if not is_named or not _is_of_rois(rois) or not _is_of_rois(table):
        return table
    texts = zip(rois["name"].fillna("").astype("str"), rois["note"].fillna("").astype("str"), strict=True)
    called = _or_none([name_or_note(name, note) for name, note in texts])
    names = _keys(rois).assign(name=called.to_numpy()).drop_duplicates(_ROI)
    named = _keys(table).merge(names, how="left", on=_ROI)["name"].astype("str").rename(ROI_NAME)
    at = list(table.columns).index("roi_id") + 1
    return pd.concat([table.iloc[:, :at], named, table.iloc[:, at:]], axis="columns")


def _is_of_rois(table: pd.DataFrame) -> bool:
    """Return whether each row names its image and its ROI; another program's table may name them in its own way."""
    if not {*_ROI} <= {*table.columns}:
        return False
    kind = table["roi_id"].dtype
    is_number = pd.api.types.is_integer_dtype(kind) or pd.api.types.is_float_dtype(kind)
    return is_number and pd.api.types.is_string_dtype(table["image_id"])


def _keys(table: pd.DataFrame) -> pd.DataFrame:
    """Return what names the ROI of each row, in types that any two tables compare by."""
    return table[_ROI].astype({"image_id": "str", "roi_id": "float64"})


def _states(snapshot: DatasetSnapshot, results: Sequence[str], ids: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return, for each record, the word that counts, what a fresh one still lacks, and a line for each table of results."""
    if snapshot.is_quick:
        return [UNKNOWN] * len(ids), [""] * len(ids), ["Looking …"] * len(ids)
    ranks = np.zeros(len(ids), dtype=np.int64)
    lines: list[list[str]] = [[] for _ in ids]
    never: list[list[str]] = [[] for _ in ids]
    for name in [name for name in results if name in snapshot.worth]:
        worth = snapshot.worth[name].drop_duplicates("image_id").set_index("image_id").reindex(ids)
        states = worth["state"].fillna(UNKNOWN).tolist()
        ranks = np.maximum(ranks, [_RANK[state] for state in states])
        for place, (state, count, reason) in enumerate(zip(states, worth["n_rows"], worth["reason"], strict=True)):
            lines[place].append(f"{table_title(name)}: {_state_line(state, count, reason)}")
            if name == _EVENTS and state == State.NEVER_ANALYSED:
                never[place].append(table_title(name).lower())
    by_rank = {0: UNKNOWN, **{rank: str(state) for state, rank in _RANK.items()}}
    words = [by_rank[int(rank)] for rank in ranks]
    broken = snapshot.worth.get("images", pd.DataFrame({"image_id": [], "state": [], "reason": []}))
    failed = broken[broken["state"] == State.FAILED.value]
    damaged = dict(zip(failed["image_id"].tolist(), failed["reason"].tolist(), strict=True))
    for place in [place for place, image_id in enumerate(ids) if image_id in damaged]:
        words[place] = DAMAGED
        lines[place].insert(0, str(damaged[ids[place]]))
    gaps = [
        f"{', '.join(names)} {State.NEVER_ANALYSED}" if names and word == State.FRESH else ""
        for names, word in zip(never, words, strict=True)
    ]
    return words, gaps, ["\n".join(one) for one in lines]


def _state_line(state: str, count: float, reason: object) -> str:
    if state == State.FRESH:
        return f"{state}, {int(count)} row{'' if count == 1 else 's'}"
    return f"{state}: {reason}" if isinstance(reason, str) and reason else state


def _about(images: pd.DataFrame) -> list[str]:
    """Return what the tooltip of each record says: size and calibration."""
    columns = [_texts(images, "shape"), _numbers(images, "seconds_per_line"), _numbers(images, "um_per_pixel")]
    more = [_numbers(images, "duration_s"), _numbers(images, "length_um"), _texts(images, "source")]
    return [_about_one(*values) for values in zip(*columns, *more, strict=True)]


def _about_one(shape: str, seconds: float, um: float, duration: float, length: float, source: str) -> str:
    lines = [f"{shape} (lines × pixels)" if shape else "size not known yet"]
    lines.append(
        f"{seconds * 1000:.5g} ms per line, {duration:.5g} s" if seconds == seconds else "seconds per line unknown"
    )
    lines.append(f"{um:.5g} µm per pixel, {length:.5g} µm" if um == um else "µm per pixel unknown")
    return "\n".join([*lines, *([source] if source else [])])


def _texts(images: pd.DataFrame, name: str) -> list[str]:
    if name not in images.columns:
        return [""] * len(images)
    return images[name].astype("str").fillna("").tolist()


def _or_none(texts: Sequence[str]) -> "pd.Series[str]":
    return pd.Series([text or None for text in texts], dtype="str")


def _numbers(images: pd.DataFrame, name: str) -> "pd.Series[float]":
    if name not in images.columns:
        return pd.Series(np.nan, index=images.index)
    values = images[name]
    # Lists and the like are no numbers, and none to coerce either.
    return pd.to_numeric(values.astype("str") if values.dtype == object else values, errors="coerce").astype("float64")


def _renamed(frame: pd.DataFrame, taken: Collection[str]) -> pd.DataFrame:
    """Return a copy whose columns have names of text, and none of those that are taken."""
    names: list[str] = []
    for column in frame.columns:
        name = str(column)
        while name in taken or name in names:
            name = f"{name} (table)"
        names.append(name)
    return frame.set_axis(names, axis="columns")


def _name(known: object, image_id: str) -> str:
    return known if isinstance(known, str) and known else image_id[:8]

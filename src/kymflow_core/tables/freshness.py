"""Whether a dataset table still tells the truth of one image: a pure truth table.

The rule of this room: nothing is read or written here. Content decides, never time.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What the rows of one image in one table are worth."""

    FRESH = "fresh"
    """The table has what the artifacts say, which may be 0 rows."""
    NEVER_ANALYSED = "never analysed"
    """There is nothing that rows could be made of. That is not 0 rows."""
    BEHIND = "behind"
    """The artifacts are newer than the table; updating the table cures it."""
    OUTDATED = "outdated"
    """What was analysed is no longer as it was; only analysing again cures it."""
    FAILED = "failed"
    """No rows could be made of what is there."""
    DELETED = "deleted"
    """The image is gone, and the table still has rows of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentState:
    """What one image's artifacts are now.

    `fingerprint` is a digest of their content, empty where there is none; `changes` lists what is no longer as it was when
    they were computed; `problem` is the reason why they cannot be read.
    """

    fingerprint: str = ""
    changes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What one image's rows in the table were made from, as its index has it.

    `version` is the indexer's, empty where it is not known what the rows were made from; `n_rows` how many rows the table
    has of the image, `error` why they could not be made anew; `rows_digest` and `file_stamp` are shortcuts: the rows'
    content, and the artifacts' files, when they were made.
    """

    fingerprint: str = ""
    version: str = ""
    n_rows: int = 0
    changes: tuple[str, ...] = ()
    error: str = ""
    rows_digest: int = 0
    file_stamp: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What one image's rows are worth, why, and whether an update of the table would change something."""

    state: State
    n_rows: int = 0
    reason: str = ""
    needs_update: bool = False


def decide(seen: CurrentState | None, indexed: Indexed | None, *, version: str, n_rows: int = 0) -> Freshness:
    """Return what the rows of one image are worth.

    Parameters
    ----------
    seen
        The artifacts now; None where there is no such image any more.
    indexed
        What the index says; None where it says nothing, or something of another table.
    version
        The indexer's version now.
    n_rows
        How many rows the table has of the image, where the index says nothing of it.
    """
    n_rows = indexed.n_rows if indexed else n_rows
    if seen is None:
        return Freshness(state=State.DELETED, n_rows=n_rows, reason="the image was deleted", needs_update=True)
    if seen.problem:
        return Freshness(state=State.FAILED, n_rows=n_rows, reason=seen.problem, needs_update=True)
    is_same = indexed is not None and (indexed.fingerprint, indexed.version) == (seen.fingerprint, version)
    if indexed is not None and is_same and indexed.error:
        return Freshness(state=State.FAILED, n_rows=n_rows, reason=indexed.error, needs_update=True)
    marks_differ = indexed is None or not is_same or indexed.changes != seen.changes
    if not seen.fingerprint:
        if n_rows:
            return Freshness(state=State.BEHIND, n_rows=n_rows, reason="its results are gone", needs_update=True)
        return Freshness(state=State.NEVER_ANALYSED, needs_update=marks_differ)
    if seen.changes:
        return Freshness(state=State.OUTDATED, n_rows=n_rows, reason="; ".join(seen.changes), needs_update=marks_differ)
    if marks_differ:
        return Freshness(
            state=State.BEHIND, n_rows=n_rows, reason=_why_behind(seen, indexed, version, n_rows), needs_update=True
        )
    return Freshness(state=State.FRESH, n_rows=n_rows)


def _why_behind(seen: CurrentState, indexed: Indexed | None, version: str, n_rows: int) -> str:
    if indexed is None or not indexed.version:
        return "its rows were changed, or it is not known what they were made from" if n_rows else "not in the table yet"
    if indexed.version != version:
        return "the table was made by another version of the program"
    if indexed.fingerprint != seen.fingerprint:
        return "its results are newer than the table"
    return "what was analysed is again as it was"

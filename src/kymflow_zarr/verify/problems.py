"""One thing that is wrong with a dataset, as `verify` reports it, and how a check becomes a problem."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kymflow_zarr.errors import KymflowZarrError

State: TypeAlias = Literal["repairable", "damaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where, what, and whether it can be made whole again without a backup.

    `repaired` is True after it was.
    """

    where: str
    what: str
    state: State = "damaged"
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}{' (repaired)' if self.repaired else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, with what would make it whole again; None where only a backup can."""

    where: str
    what: str
    repair: Callable[[], object] | None = None

    def problem(self, *, repaired: bool = False, why_not: str = "") -> Problem:
        """Return the problem that the report has."""
        state: State = "damaged" if self.repair is None else "repairable"
        what = f"{self.what}; not repaired: {why_not}" if why_not else self.what
        return Problem(where=self.where, what=what, state=state, repaired=repaired)


Findings: TypeAlias = Iterator[Finding]


def found(where: str, what: str | None, repair: Callable[[], object] | None = None) -> Findings:
    """Yield a finding where there is something to say."""
    if what:
        yield Finding(where=where, what=what, repair=repair)


def failing(where: str, check: Callable[[], object], repair: Callable[[], object] | None = None) -> Findings:
    """Yield a finding where a check raises, or returns something to say."""
    try:
        said = check()
    except (KymflowZarrError, OSError) as error:
        said = str(error)
    if isinstance(said, str):
        yield Finding(where=where, what=said, repair=repair)

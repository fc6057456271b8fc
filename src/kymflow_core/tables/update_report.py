"""What an indexer run did, as a value."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from kymflow_core.tables.freshness import State
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import DamagedError

Unusable: TypeAlias = DamagedError | PermissionError | IsADirectoryError
"""Why a table cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an indexer run did.

    `rows` are the images whose rows were made anew, with the number of their rows. `failed` has the reasons why images
    failed: their rows stay as they were, marked as outdated. `removed` are deleted images whose rows were taken out of the
    table. `states` is what the rows of the images are worth after the run, `is_cancelled` whether it was stopped early.
    """

    table_name: str
    rows: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    states: Mapping[str, State] = field(default_factory=dict)
    is_cancelled: bool = False

    @property
    def counts(self) -> dict[State, int]:
        """The number of images in each state; those without an image are left out."""
        return dict(Counter(self.states.values()))

    def summary(self) -> str:
        """Return one line, such as "radon_report: 5 rows of 3 images, 1 failed"."""
        n_rows, n_images = counted(sum(self.rows.values()), "row"), counted(len(self.rows), "image")
        text = f"{self.table_name}: {n_rows} of {n_images}"
        if not self.rows and not self.failed and not self.removed:
            text = f"{self.table_name}: nothing to do"
        parts = [
            f"{len(self.failed)} failed" if self.failed else "",
            f"rows of {counted(len(self.removed), 'deleted image')} removed" if self.removed else "",
            *(
                f"{count} {state}"
                for state, count in sorted(self.counts.items())
                if state in (State.OUTDATED, State.NEVER_ANALYSED, State.BEHIND)
            ),
            "cancelled" if self.is_cancelled else "",
        ]
        return ", ".join([text, *filter(None, parts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedTables:
    """What a run did to several tables: a report of each, and by the table's name why others could not be used."""

    reports: tuple[UpdateReport, ...]
    unusable: Mapping[str, Unusable] = field(default_factory=dict)

    def checked(self) -> tuple[UpdateReport, ...]:
        """Return the reports; raise why the first table could not be used where one could not."""
        for error in self.unusable.values():
            raise error
        return self.reports

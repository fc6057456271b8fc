"""How a long piece of work is watched: it reports how far it came, and asks whether to stop. The only home of both.

The rule of this room: work on one thing after another stops between two of them, keeps what was done, and its report says
that it was cancelled. Work that is done whole or not at all raises `CancelledError`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kymflow_zarr.errors import CancelledError


def _ignore(_done: int, _total: int, _name: str) -> None:
    """Report to nobody."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who watches a long piece of work; by default nobody.

    Parameters
    ----------
    progress
        Called with the number done, the number of all, and the name of what is worked on, which may be empty. It is called
        in the thread that asked for the work.
    is_cancelled
        Asked before each piece of the work.
    """

    progress: Callable[[int, int, str], object] = _ignore
    is_cancelled: Callable[[], bool] = _never

    def check(self, reason: str) -> None:
        """Raise `CancelledError` where the work is to stop; `reason` says what was cancelled, and what of it stays."""
        if self.is_cancelled():
            raise CancelledError(reason)


UNWATCHED = Watch()
"""Reports to nobody, and is never cancelled."""

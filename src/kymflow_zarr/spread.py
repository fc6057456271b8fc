"""Spreads work on many records over any executor: threads, processes, or a cluster whose machines see the same paths.

The rule of this room: what is handed over is small, a path and some ids, and so is what comes back. Progress is reported,
and a cancel asked for, in the thread that started the work.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

from kymflow_zarr.watch import Watch

CHUNK = 16
"""Records that are handed over together: each call costs about as much as one record."""
WAITING = 8
"""Chunks that are handed over at a time; after a cancel no more than these are waited for."""

_I = TypeVar("_I")
_T = TypeVar("_T")


def spread(
    submit: Callable[[Sequence[_I]], "Future[list[_T]]"], records: Sequence[_I], watch: Watch
) -> Generator[_T, None, None]:
    """Yield what the chunks gave, as they are done; where the watch is cancelled, without those that were not begun.

    Where it is closed before its end, what was begun is waited for: nobody works on any more then.

    Parameters
    ----------
    submit
        Hands some records to an executor.
    records
        Their ids, or whatever tells what is to be done with each.
    watch
        Asked whether to stop.
    """
    chunks = iter([records[start : start + CHUNK] for start in range(0, len(records), CHUNK)])
    pending: set[Future[list[_T]]] = set()
    try:
        while True:
            while len(pending) < WAITING and not watch.is_cancelled():
                chunk = next(chunks, None)
                if chunk is None:
                    break
                pending.add(submit(chunk))
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()
    finally:
        for future in pending:
            future.cancel()
        wait(pending)

"""Spreads work on many records over any executor: threads, processes, or a cluster whose machines see the same paths.

The rule of this room: what is handed over is small, a path and some ids, and so is what comes back. Progress is reported,
and a cancel asked for, in the thread that started the work.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from typing import TypeVar

from kymflow_zarr.errors import WorkerLostError
from kymflow_zarr.watch import Watch

CHUNK = 16
"""Records that are handed over together: each call costs about as much as one record."""
WAITING = 8
"""Chunks that are handed over at a time; after a cancel no more than these are waited for."""

LOST = (
    "a process that shared the work was ended from outside, as a system does whose memory is full; what was done by then "
    "is whole, and nothing half done counts: do the same again, with fewer processes at once where memory is short"
)
"""What a `WorkerLostError` says."""

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

    Raises
    ------
    WorkerLostError
        When a process of the executor was ended from outside.
    """
    chunks = iter([records[start : start + CHUNK] for start in range(0, len(records), CHUNK)])
    pending: set[Future[list[_T]]] = set()
    try:
        while True:
            while len(pending) < WAITING and not watch.is_cancelled():
                chunk = next(chunks, None)
                if chunk is None:
                    break
                with lost_workers_named():
                    pending.add(submit(chunk))
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                with lost_workers_named():
                    found = future.result()
                yield from found
    finally:
        for future in pending:
            future.cancel()
        wait(pending)


@contextmanager
def lost_workers_named() -> Iterator[None]:
    """Raise `WorkerLostError` where an executor says that one of its processes is gone, and that it does nothing more."""
    try:
        yield
    except BrokenExecutor as error:
        raise WorkerLostError(LOST) from error

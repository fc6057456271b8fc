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

_T = TypeVar("_T")


def spread(
    submit: Callable[[Sequence[str]], "Future[list[_T]]"], image_ids: Sequence[str], watch: Watch
) -> Generator[_T, None, None]:
    """Yield what the chunks gave, as they are done; where the watch is cancelled, without those that were not begun.

    Parameters
    ----------
    submit
        Hands some ids to an executor.
    image_ids
        All of them.
    watch
        Asked whether to stop.
    """
    chunks = iter([image_ids[start : start + CHUNK] for start in range(0, len(image_ids), CHUNK)])
    pending: set[Future[list[_T]]] = set()
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

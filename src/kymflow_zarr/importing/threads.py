"""The work on several files at once, in threads, and what was imported by it.

The rule of this room: the threads that do the work note what was imported. Ctrl-C stops the thread that asked for it, at
any place, so that thread may miss a file that is imported already.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition
from typing import TypeAlias

from kymflow_zarr.importing.known_files import KnownFile
from kymflow_zarr.reports import FailedFile, ImportedFile
from kymflow_zarr.tables.sources import Source

_AHEAD = 4
"""How many files are read and packed before the first of them is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyThere:
    """A file that another import has added, or whose record it has completed, since this import began."""

    path: Path
    known: Mapping[str, Source] = field(default_factory=dict)


FileResult: TypeAlias = tuple[ImportedFile, Source] | FailedFile | AlreadyThere


class FilesWork:
    """The work on one file after another, in whatever threads, and the sources of what was imported by it."""

    def __init__(self, work: Callable[[KnownFile], FileResult]) -> None:
        self._work = work
        self._change = Condition()
        self._running = 0
        self._is_stopped = False
        self._sources: dict[str, Source] = {}

    def __call__(self, file: KnownFile) -> FileResult:
        """Do the work on one file."""
        with self._change:
            if self._is_stopped:
                raise CancelledError
            self._running += 1
        try:
            result = self._work(file)
            if isinstance(result, tuple):
                imported, source = result
                self._sources[imported.image_id] = source
            elif isinstance(result, AlreadyThere):
                self._sources |= result.known
            return result
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()

    def stop(self) -> dict[str, Source]:
        """Begin no more, wait for what was begun, and return the source of each imported record."""
        with self._change:
            self._is_stopped = True
            self._change.wait_for(lambda: self._running == 0)
        return self._sources


def in_order(
    pool: Executor, files: Sequence[KnownFile], work: Callable[[KnownFile], FileResult], is_cancelled: Callable[[], bool]
) -> Iterator[tuple[KnownFile, "Future[FileResult]"]]:
    """Yield each file with its result to wait for; only a few are ahead, since each holds an image in memory.

    When it is cancelled, those that were begun are still waited for.
    """
    rest = iter(files)
    pending: deque[tuple[KnownFile, Future[FileResult]]] = deque()
    try:
        while True:
            if is_cancelled():
                rest = iter(())
                pending = deque(one for one in pending if not one[1].cancel())
            for file in itertools.islice(rest, _AHEAD - len(pending)):
                pending.append((file, pool.submit(work, file)))
            if not pending:
                return
            yield pending[0]
            pending.popleft()
    finally:
        for _, future in pending:
            future.cancel()


@contextmanager
def threads_or(executor: Executor | None) -> Iterator[Executor]:
    """Give the caller's executor, or threads: reading, hashing and flushing go on while another file is packed."""
    own = ThreadPoolExecutor(max_workers=min(4, (os.cpu_count() or 1) + 1), thread_name_prefix="import")
    with own if executor is None else nullcontext(executor) as pool:
        yield pool

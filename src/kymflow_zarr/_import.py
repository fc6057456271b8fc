"""Files into records, several at a time, each whole or not at all.

The rule of this room: what was imported is known, whatever happens afterwards. Each record carries its provenance; the
sources table is written once, also when the import is interrupted, and what a killed one left out is added by the next.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from kymflow_zarr import _layout
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    DamagedError,
    InvalidValueError,
    KymflowZarrError,
    RecordNotFoundError,
    SourceError,
)
from kymflow_zarr.ingest import FailedFile, FileContent, ImportedFile, ImportReport, Progress, ReadFile
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.sources import UNKNOWN, Source, Sources, size_and_time
from kymflow_zarr.tables import IMAGE_ID

_AHEAD = 4
"""How many files are read and packed before the first of them is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyThere:
    """A file that another import brought in since this one began."""

    path: Path


_Result: TypeAlias = tuple[ImportedFile, Source] | FailedFile | AlreadyThere
_Pending: TypeAlias = "deque[tuple[Path, Future[_Result]]]"


class Target(Protocol):
    """What an import needs of a dataset."""

    def list_image_ids(self) -> list[str]:
        """Return the ids of all records."""

    def record(self, image_id: str) -> ZarrImageRecord:
        """Return one record."""

    def claim(self, what: str) -> AbstractContextManager[bool]:
        """Claim a piece of work for a while; False inside the block where another program has it."""

    def add_content(self, content: FileContent, source: Source) -> str:
        """Add a record of one file, and return its id."""


@dataclass(slots=True)
class _Outcome:
    """What the import has done so far."""

    imported: list[ImportedFile] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)
    added: dict[str, Source] = field(default_factory=dict)

    def report(self) -> ImportReport:
        return ImportReport(
            imported=tuple(self.imported),
            skipped=tuple(self.skipped),
            changed=tuple(self.changed),
            failed=tuple(self.failed),
        )


def import_files(
    target: Target,
    sources: Sources,
    files: Sequence[Path],
    *,
    read_file: ReadFile,
    progress: Progress | None,
    executor: Executor | None,
) -> ImportReport:
    """Add a record for every file that no record came from; the arguments are those of `ZarrDataset.import_folder`."""
    outcome = _Outcome()
    claims = Claims(target, set(target.list_image_ids()))
    known = _known_files(target, sources, outcome)
    new = [path for path in files if not _is_known(path, known, outcome)]
    done = len(outcome.skipped)
    pending: _Pending = deque()
    try:
        with _executor(executor) as pool:
            work = partial(_import_one, target, claims, read_file)
            for path, future in _in_order(pool, new, work, pending):
                if progress:
                    progress(done, len(files), path.name)
                _note(future.result(), outcome)
                done += 1
    except BaseException:
        # What was imported stays imported, also when interrupted; the table is not why it was.
        _note_rest(pending, outcome)
        with suppress(KymflowZarrError):
            sources.add(outcome.added)
        raise
    sources.add(outcome.added)
    return outcome.report()


def _import_one(target: Target, claims: "Claims", read_file: ReadFile, path: Path) -> _Result:
    where = str(path.resolve())
    with target.claim(f"import of {where}") as mine:
        if not mine:
            return FailedFile(path=path, reason="another program is importing it right now; import the folder again later")
        if claims.is_taken(where):
            return AlreadyThere(path=path)
        try:
            source = Source.from_file(path)
            content = read_file(path)
            if not source.is_unchanged(path):
                return FailedFile(path=path, reason="it is still being written; import it again when that is done")
        except (SourceError, OSError) as error:
            return FailedFile(path=path, reason=str(error))
        try:
            image_id = target.add_content(content, source)
        except InvalidValueError as error:
            return FailedFile(path=path, reason=str(error))
        return ImportedFile(path=path, image_id=image_id, notes=content.notes), source


class Claims:
    """What another import may have brought in since this one began; that it is not brought in twice.

    Parameters
    ----------
    target
        The dataset.
    seen
        The records whose sources are known.
    """

    def __init__(self, target: Target, seen: set[str]) -> None:
        self._target = target
        self._seen = seen
        self._paths: set[str] = set()

    def is_taken(self, where: str) -> bool:
        """Return whether a record that came since has this file; to be asked while the file is claimed."""
        for image_id in set(self._target.list_image_ids()) - self._seen:
            with suppress(DamagedError, ArtifactNotFoundError, RecordNotFoundError):
                value = self._target.record(image_id).load_json(_layout.PROVENANCE)
                self._paths.add(Source.from_json(value, where=image_id).source_primary_path)
            self._seen.add(image_id)  # last, so that no other thread takes it for looked at before it is
        return where in self._paths


def _note(result: _Result, outcome: _Outcome) -> None:
    if isinstance(result, FailedFile):
        outcome.failed.append(result)
        return
    if isinstance(result, AlreadyThere):
        outcome.skipped.append(result.path)
        return
    file, source = result
    outcome.imported.append(file)
    outcome.added[file.image_id] = source


def _is_known(path: Path, known: Mapping[str, tuple[int, int]], outcome: _Outcome) -> bool:
    known_as = known.get(str(path.resolve()))
    if known_as is None:
        return False
    outcome.skipped.append(path)
    if UNKNOWN not in known_as and known_as != size_and_time(path):
        outcome.changed.append(path)
    return True


def _known_files(target: Target, sources: Sources, outcome: _Outcome) -> dict[str, tuple[int, int]]:
    """Return size and modification time by path, after adding what a stopped import left out of the table."""
    lost, damaged = find_lost_sources(target, sources)
    sources.add(lost)
    outcome.failed += [FailedFile(path=Path(where), reason=reason) for where, reason in damaged.items()]
    frame = sources.load()
    frame = frame[frame[IMAGE_ID].isin(target.list_image_ids())]  # a file whose record was deleted may come again
    sizes_and_times = zip(frame["source_size_bytes"], frame["source_mtime_ns"], strict=True)
    return dict(zip(frame["source_primary_path"], sizes_and_times, strict=True))


def find_lost_sources(target: Target, sources: Sources) -> tuple[dict[str, Source], dict[str, str]]:
    """Return the sources that records know of and the table does not, and why a record's own cannot be read."""
    listed = sources.image_ids()
    lost: dict[str, Source] = {}
    damaged: dict[str, str] = {}
    for image_id in target.list_image_ids():
        if image_id in listed:
            continue
        record = target.record(image_id)
        if f"{_layout.PROVENANCE}{_layout.JSON}" not in record.list_analysis_keys():
            continue
        try:
            lost[image_id] = Source.from_json(record.load_json(_layout.PROVENANCE), where=f"provenance of {image_id}")
        except DamagedError as error:
            damaged[_layout.record_key(image_id)] = str(error)
    return lost, damaged


@contextmanager
def _executor(executor: Executor | None) -> Iterator[Executor]:
    """Give the caller's executor, or threads: reading, hashing and flushing go on while another file is packed."""
    own = ThreadPoolExecutor(max_workers=min(4, (os.cpu_count() or 1) + 1), thread_name_prefix="import")
    with own if executor is None else nullcontext(executor) as pool:
        yield pool


def _in_order(
    pool: Executor, paths: Sequence[Path], work: Callable[[Path], _Result], pending: _Pending
) -> Iterator[tuple[Path, "Future[_Result]"]]:
    """Yield each path with its result to wait for; only a few are ahead, since each holds an image in memory."""
    rest = iter(paths)
    try:
        while True:
            for path in itertools.islice(rest, _AHEAD - len(pending)):
                pending.append((path, pool.submit(work, path)))
            if not pending:
                return
            yield pending[0]
            pending.popleft()
    finally:
        for _, future in pending:
            future.cancel()


def _note_rest(pending: _Pending, outcome: _Outcome) -> None:
    """Note the files that were under way when the import was interrupted, and got done."""
    futures = [future for _, future in pending if not future.cancelled()]
    wait(futures)
    for future in futures:
        if future.exception() is None:
            _note(future.result(), outcome)

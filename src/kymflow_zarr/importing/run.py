"""Files into records, several at a time, each whole or not at all.

The rule of this room: what was imported is known, whatever happens afterwards. Each record carries its provenance; the
sources table is written once, also when the import is interrupted, and what a killed one left out is added by the next.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.lost_sources import find_lost_sources
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    DamagedError,
    DatasetNotFoundError,
    KymflowZarrError,
    NotSavedError,
    ReadOnlyError,
    RecordNotFoundError,
    SourceError,
)
from kymflow_zarr.importing.add import add_content
from kymflow_zarr.importing.changed_file import Renew, keep_metadata, replace_content
from kymflow_zarr.importing.content import Channels, FileContent, OnChanged, ReadFile
from kymflow_zarr.importing.known_files import KnownFile, KnownFiles
from kymflow_zarr.importing.threads import AlreadyThere, FileResult, FilesWork, in_order, threads_or
from kymflow_zarr.reports import FailedFile, ImportedFile, ImportReport, MovedFile, Progress
from kymflow_zarr.tables.sources import Source, Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """How files are read, and what becomes of those that have changed."""

    read_file: ReadFile
    channels: Channels | None = None
    merge_channels: bool = False
    on_changed: OnChanged = "skip"
    renew: Renew = keep_metadata

    def read(self, file: KnownFile) -> FileContent:
        """Read one file, or the files of one record."""
        if not file.further:
            return self.read_file(file.path)
        if self.channels is None:
            raise SourceError(f"{file.path} is one of several files of a scan; say how their channels are read together")
        return self.channels.read(file.paths)


@dataclass(slots=True)
class _Outcome:
    """What the import has done so far."""

    imported: list[ImportedFile] = field(default_factory=list)
    replaced: list[ImportedFile] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    moved: list[MovedFile] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)
    seen_again: dict[str, Source] = field(default_factory=dict)

    def report(self) -> ImportReport:
        return ImportReport(
            imported=tuple(self.imported),
            replaced=tuple(self.replaced),
            skipped=tuple(self.skipped),
            changed=tuple(self.changed),
            moved=tuple(self.moved),
            failed=tuple(self.failed),
        )


def import_files(
    dataset: Dataset,
    sources: Sources,
    files: Sequence[Path],
    *,
    how: ImportPlan,
    progress: Progress | None,
    executor: Executor | None,
) -> ImportReport:
    """Add a record for every file that no record came from; the arguments are those of `ZarrDataset.import_folder`."""
    outcome = _Outcome()
    claims = Claims(dataset, set(dataset.list_image_ids()))
    known = _known_files(dataset, sources, outcome)
    files = _usable(files, outcome)
    grouped = known.group(files, how.channels.group(files) if how.channels and how.merge_channels else {})
    outcome.failed += [FailedFile(path=path, reason=reason) for path, reason in grouped.refused.items()]
    units = grouped.units
    identified = [_identify(known, path, further, outcome) for path, further in units]
    wanted = [file for file in identified if file is not None and _is_wanted(file, dataset, how, outcome)]
    done = len(units) - len(wanted)
    work = FilesWork(partial(_import_one, dataset, claims, how))
    try:
        with threads_or(executor) as pool:
            for file, future in in_order(pool, wanted, work):
                if progress:
                    progress(done, len(units), file.path.name)
                _note(future.result(), file, outcome)
                done += 1
        sources.add(outcome.seen_again | work.stop())
    except BaseException:
        # What was imported stays imported, also when interrupted; the table is not why it was.
        with suppress(KymflowZarrError):
            sources.add(outcome.seen_again | work.stop())
        raise
    return outcome.report()


def _usable(files: Sequence[Path], outcome: _Outcome) -> list[Path]:
    """Return the files whose places can be noted, each once: the file itself rather than links to it, which are skipped."""
    by_place: dict[Path, Path] = {}
    for path in sorted(dict.fromkeys(files), key=_is_link):
        try:
            place = path.resolve()
            _check_is_text(place)
        except SourceError as error:
            outcome.failed.append(FailedFile(path=path, reason=str(error)))
        except OSError as error:
            outcome.failed.append(_unreadable(path, error))
        except RuntimeError:  # links that lead in a circle, before Python 3.13
            outcome.failed.append(FailedFile(path=path, reason=f"{path} is a link that leads to no file; remove it"))
        else:
            if by_place.setdefault(place, path) != path:
                outcome.skipped.append(path)
    kept = set(by_place.values())
    return [path for path in files if path in kept]


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # said of the file where it is read
        return False


def _check_is_text(place: Path) -> None:
    """Raise `SourceError` for a path with bytes that are no text: no table and no JSON can hold it."""
    try:
        str(place).encode()
    except UnicodeEncodeError as error:
        shown = str(place).encode(errors="backslashreplace").decode()
        raise SourceError(f"its path is not UTF-8 ({shown}); rename the file, or its folder, to import it") from error


def _identify(known: KnownFiles, path: Path, further: Sequence[Path], outcome: _Outcome) -> KnownFile | None:
    """Return what is known of a file; None where it went away since it was found, or cannot be looked at."""
    try:
        return known.identify(path, further)
    except OSError as error:
        outcome.failed.append(_unreadable(path, error))
    except KymflowZarrError as error:  # of a folder that is one image: something in it is no file
        outcome.failed.append(FailedFile(path=path, reason=str(error)))
    return None


def _unreadable(path: Path, error: OSError) -> FailedFile:
    return FailedFile(path=path, reason=f"{path} cannot be read ({error.strerror or error})")


def _is_wanted(file: KnownFile, dataset: Dataset, how: ImportPlan, outcome: _Outcome) -> bool:
    """Return whether a file is to be read, and note what becomes of it where it is not."""
    if file.standing == "new" or (file.standing == "changed" and how.on_changed == "reingest_if_changed"):
        return True
    if file.standing == "moved" and file.source is not None:
        was = Path(file.source.source_primary_path)
        outcome.moved.append(MovedFile(path=file.path, further=file.further, image_id=file.image_id, was=was))
        return False
    if file.standing == "touched" and file.source is not None:
        try:
            # The time that it has now, so that its content need not be read again at the next import.
            outcome.seen_again[file.image_id] = file.source.moved_to(file.path, dataset=dataset.path, further=file.further)
        except OSError as error:
            outcome.failed.append(_unreadable(file.path, error))
            return False
    outcome.skipped.append(file.path)
    if file.standing == "changed":
        outcome.changed.append(file.path)
    return False


def _import_one(dataset: Dataset, claims: "Claims", how: ImportPlan, file: KnownFile) -> FileResult:
    path, where = file.path, str(file.path.resolve())
    with dataset.claim(f"import of {where}") as mine:
        if not mine:
            return FailedFile(path=path, reason="another program is importing it right now; import the folder again later")
        if file.standing == "new" and claims.is_taken(where):
            return AlreadyThere(path=path)
        try:
            source = Source.from_file(*file.paths, dataset=dataset.path)
            content = how.read(file)
            if not source.is_unchanged(*file.paths):
                return FailedFile(path=path, reason="it is still being written; import it again when that is done")
        except (SourceError, OSError) as error:
            return FailedFile(path=path, reason=str(error))
        try:
            if file.standing == "changed":
                notes = replace_content(dataset.record(file.image_id), content, source, renew=how.renew)
                return ImportedFile(path=path, image_id=file.image_id, notes=(*content.notes, *notes)), source
            image_id = add_content(dataset, content, source)
        except (NotSavedError, ReadOnlyError, DatasetNotFoundError):  # these are true of every file
            raise
        except RecordNotFoundError:
            reason = f"its record {file.image_id} was deleted meanwhile; import the folder again for a new one"
            return FailedFile(path=path, reason=reason)
        except KymflowZarrError as error:
            return FailedFile(path=path, reason=str(error))
        return ImportedFile(path=path, image_id=image_id, notes=content.notes), source


class Claims:
    """What another import may have brought in since this one began; that it is not brought in twice.

    Parameters
    ----------
    dataset
        The dataset.
    seen
        The records whose sources are known.
    """

    def __init__(self, dataset: Dataset, seen: set[str]) -> None:
        self._target = dataset
        self._seen = seen
        self._paths: set[str] = set()

    def is_taken(self, where: str) -> bool:
        """Return whether a record that came since has this file; to be asked while the file is claimed."""
        for image_id in set(self._target.list_image_ids()) - self._seen:
            with suppress(DamagedError, ArtifactNotFoundError, RecordNotFoundError):
                value = self._target.record(image_id).load_json(layout.PROVENANCE)
                self._paths.add(Source.from_json(value, where=image_id).source_primary_path)
            self._seen.add(image_id)  # last, so that no other thread takes it for looked at before it is
        return where in self._paths


def _note(result: FileResult, file: KnownFile, outcome: _Outcome) -> None:
    if isinstance(result, FailedFile):
        outcome.failed.append(result)
        return
    if isinstance(result, AlreadyThere):
        outcome.skipped.append(result.path)
        return
    imported, _ = result
    (outcome.replaced if file.standing == "changed" else outcome.imported).append(imported)


def _known_files(dataset: Dataset, sources: Sources, outcome: _Outcome) -> KnownFiles:
    """Return which files the records came from, after adding what a stopped import left out of the table."""
    lost, damaged = find_lost_sources(dataset, sources)
    sources.add(lost)
    outcome.failed += [FailedFile(path=Path(where), reason=reason) for where, reason in damaged.items()]
    there = set(dataset.list_image_ids())  # a file whose record was deleted may come again
    by_image = {image_id: source for image_id, source in sources.load_by_image().items() if image_id in there}
    return KnownFiles(by_image, dataset.path)

"""Files into records, several at a time, each whole or not at all.

The rule of this room: what was imported is known, whatever happens afterwards. Each record carries its provenance; the
sources table is written once, also when the import is interrupted, and what a killed one left out is added by the next.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.lost_sources import find_lost_sources
from kymflow_zarr.disk.presence import Presence
from kymflow_zarr.errors import (
    DatasetNotFoundError,
    KymflowZarrError,
    NotSavedError,
    ReadOnlyError,
    RecordNotFoundError,
    SourceError,
)
from kymflow_zarr.importing.add import add_content
from kymflow_zarr.importing.changed_file import replace_content
from kymflow_zarr.importing.claims import Claims, provenance_of
from kymflow_zarr.importing.complete_record import complete_record
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.importing.file_reader import FileReader
from kymflow_zarr.importing.known_files import KnownFile, KnownFiles
from kymflow_zarr.importing.listing import Listings
from kymflow_zarr.importing.plan import ImportPlan
from kymflow_zarr.importing.threads import AlreadyThere, FileResult, FilesWork, in_order, threads_or
from kymflow_zarr.importing.usable import usable_files
from kymflow_zarr.reports import (
    FailedFile,
    ImportedFile,
    ImportReport,
    IncompleteRecord,
    MovedFile,
    describe_companions,
)
from kymflow_zarr.tables.sources import Digested, Source, Sources
from kymflow_zarr.watch import Watch

_MOST_NAMED = 5


@dataclass(slots=True)
class _Outcome:
    """What the import has done so far."""

    imported: list[ImportedFile] = field(default_factory=list)
    replaced: list[ImportedFile] = field(default_factory=list)
    completed: list[ImportedFile] = field(default_factory=list)
    incomplete: list[IncompleteRecord] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    moved: list[MovedFile] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)
    companions: dict[Path, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    seen_again: dict[str, Source] = field(default_factory=dict)

    def note(self, file: KnownFile, result: FileResult) -> None:
        if isinstance(result, FailedFile):
            self.failed.append(result)
        elif isinstance(result, AlreadyThere):
            self.skipped.append(result.path)
        else:
            of_standing = {"new": self.imported, "changed": self.replaced}
            of_standing.get(file.standing, self.completed).append(result[0])

    def report(self, reader: FileReader, *, is_cancelled: bool) -> ImportReport:
        return ImportReport(
            imported=tuple(self.imported),
            replaced=tuple(self.replaced),
            completed=tuple(self.completed),
            incomplete=tuple(self.incomplete),
            skipped=tuple(self.skipped),
            changed=tuple(self.changed),
            moved=tuple(self.moved),
            failed=tuple(self.failed),
            reads=reader.reads,
            notes=(*reader.left_out(), *describe_companions(self.companions), *self.lacking.values(), *self.unused),
            is_cancelled=is_cancelled,
        )


def import_files(
    dataset: Dataset,
    sources: Sources,
    files: Sequence[Path],
    *,
    plan: ImportPlan,
    watch: Watch,
    executor: Executor | None = None,
) -> ImportReport:
    """Add a record for every file that no record came from, and do with the others what the plan says.

    Arguments are those of `ZarrDataset.import_folder`, and it raises as that.
    """
    reader = plan.choose_reader()
    run = _Run(dataset, plan, reader, Claims(dataset), Listings(tuple(reader.endings())))
    wanted, total = run.look_at(files, sources)
    outcome, done = run.outcome, total - len(wanted)
    if not wanted:
        dataset.add_sources(outcome.seen_again)
        return outcome.report(run.reader, is_cancelled=False)
    outcome.unused = [note for folder in sorted({file.path.parent for file in wanted}) for note in run.unused_in(folder)]
    with dataset.importing() as presence:
        work = FilesWork(partial(run.import_one, presence))
        presence.stays = True  # until the sources table has what is imported
        try:
            with threads_or(executor) as pool:
                for file, future in in_order(pool, wanted, work, watch.is_cancelled):
                    watch.progress(done, total, file.path.name)
                    outcome.note(file, future.result())
                    done += 1
            dataset.add_sources(outcome.seen_again | work.stop())
        except BaseException:
            # What was imported stays imported, also when interrupted; the table is not why it was.
            with suppress(KymflowZarrError):
                dataset.add_sources(outcome.seen_again | work.stop())
                presence.stays = False
            raise
        presence.stays = False
    return outcome.report(run.reader, is_cancelled=done < total)


@dataclass(slots=True)
class _Run:
    """One import, and what its threads share."""

    dataset: Dataset
    plan: ImportPlan
    reader: FileReader
    claims: Claims
    listings: Listings
    outcome: _Outcome = field(default_factory=_Outcome)
    digests: dict[Path, Digested] = field(default_factory=dict)

    def look_at(self, files: Sequence[Path], sources: Sources) -> tuple[list[KnownFile], int]:
        """Return the files that are to be read, and how many records' files there are."""
        known = self._known_files(sources)
        usable = usable_files(files)
        self.outcome.failed += usable.failed
        self.outcome.skipped += usable.links
        sets = self.reader.sets_of(usable.files)
        by_name = self.reader.scans_by_name(usable.files, sets) if self.plan.merge_channels else {}
        grouped = known.group([one for one in usable.files if one not in sets.companions], {**by_name, **sets.scans})
        self.outcome.failed += [FailedFile(path=path, reason=reason) for path, reason in grouped.refused.items()]
        identified = [
            self._identify(known, path, further, image)
            for path, further in grouped.units
            for image in self.reader.images_of(path)
        ]
        identified += self._companions_that_are_records(known, sets.companions)
        wanted = [file for file in identified if file is not None and self._is_wanted(file)]
        return wanted, len(identified)

    def unused_in(self, folder: Path) -> list[str]:
        """Return a sentence on the files of a folder that look like results but are of no image, where there are some."""
        strays = self.listings.of(folder).strays
        if not strays:
            return []
        named = ", ".join(strays[:_MOST_NAMED]) + (
            f" and {len(strays) - _MOST_NAMED} more" if len(strays) > _MOST_NAMED else ""
        )
        why = "not used, since the name begins with that of no image"
        return [f"{folder.name}: {why}: {named}; name results as the image, such as scan.results.csv next to scan.tif"]

    def _companions_that_are_records(self, known: KnownFiles, companions: Mapping[Path, str]) -> list[KnownFile]:
        """Return the companions that an earlier import made records of, and note the others."""
        found = [file for path in companions if (file := self._identify(known, path, ())) is not None]
        self.outcome.companions |= {file.path: companions[file.path] for file in found if file.standing == "new"}
        return [file for file in found if file.standing != "new"]

    def _known_files(self, sources: Sources) -> KnownFiles:
        """Return which files the records came from, after adding what a stopped import left out of the table."""
        lost, damaged = find_lost_sources(self.dataset, sources)
        self.dataset.add_sources(lost)
        self.outcome.failed += [FailedFile(path=Path(where), reason=reason) for where, reason in damaged.items()]
        there = set(self.dataset.list_image_ids())  # a file whose record was deleted may come again
        by_image = {image_id: source for image_id, source in sources.load_by_image().items() if image_id in there}
        return KnownFiles(by_image, self.dataset.path)

    def _identify(self, known: KnownFiles, path: Path, further: Sequence[Path], image: str = "") -> KnownFile | None:
        """Return what is known of a file; None where it went away since it was found, or cannot be read."""
        try:
            return known.identify(path, further, image)
        except OSError as error:
            self.outcome.failed.append(FailedFile.unreadable(path, error))
        except KymflowZarrError as error:  # of a folder that is one image: something in it is no file
            self.outcome.failed.append(FailedFile(path=path, reason=str(error)))
        return None

    def _is_wanted(self, file: KnownFile) -> bool:
        """Return whether a file is to be read, and note what becomes of it where it is not."""
        outcome, source = self.outcome, file.source
        if file.lacking:
            names = f"{', '.join(file.lacking[:3])}{' …' if len(file.lacking) > 3 else ''}"
            outcome.lacking[file.image_id] = (
                f"the image of {file.path} was made of {1 + len(source.further_names()) if source else 0} files, and "
                f"{len(file.lacking)} of them {'is' if len(file.lacking) == 1 else 'are'} not there any more: {names}; its "
                "record stays as it is"
            )
        if file.standing == "new" or (file.standing == "changed" and self.plan.on_changed == "reingest_if_changed"):
            return True
        if file.standing == "moved" and source is not None:
            was = Path(source.source_primary_path)
            outcome.moved.append(MovedFile(path=file.path, further=file.further, image_id=file.image_id, was=was))
            return False
        if file.standing == "touched" and source is not None:
            try:
                # The time that it has now, so that its content need not be read again at the next import.
                source = source.moved_to(file.path, dataset=self.dataset.path, further=file.further)
            except OSError as error:
                outcome.failed.append(FailedFile.unreadable(file.path, error))
                return False
            outcome.seen_again[file.image_id] = source
        if file.standing == "changed":
            outcome.changed += [file.path] if file.path not in outcome.changed else []
        elif source is not None and self._may_add_to(file, source):
            if self.plan.complete:
                return True
            outcome.incomplete.append(IncompleteRecord(path=file.path, image_id=file.image_id, reader=source.reader))
        outcome.skipped.append(file.path)
        return False

    def _may_add_to(self, file: KnownFile, source: Source) -> bool:
        """Return whether the reader may add to a record, of which an import that was stopped may have known more."""
        try:
            record = self.dataset.record(file.image_id)
            if not self.reader.knows_more_than(source, record.load_metadata_payload):
                return False
            own = provenance_of(record)
            if own is None or self.reader.knows_more_than(own, record.load_metadata_payload):
                return True
        except KymflowZarrError:  # deleted meanwhile; or damaged, which `verify` reports
            return False
        noted = self.outcome.seen_again.get(file.image_id, source)
        self.outcome.seen_again[file.image_id] = replace(noted, reader=own.reader, reader_version=own.reader_version)
        return False

    def import_one(self, presence: Presence, file: KnownFile) -> FileResult:
        """Read one file into a record; what goes wrong with it alone is returned, not raised."""
        path, where = file.path, str(file.path.resolve())
        with self.dataset.claim(f"import of {where} {file.image}".rstrip()) as mine:
            if not mine:
                reason = "another program is importing it right now; import the folder again later"
                return FailedFile(path=path, reason=reason)
            if file.standing == "new" and self.claims.is_taken(where, presence, file.image):
                return AlreadyThere(path=path)
            try:
                source = self.reader.signed(self._source_of(file))
                content = self.reader.read_record(file.paths, self.listings.of(path.parent), image=file.image)
                if not source.is_unchanged(*file.paths):
                    return FailedFile(path=path, reason="it is still being written; import it again when that is done")
            except (SourceError, OSError) as error:
                return FailedFile(path=path, reason=str(error))
            try:
                return self._save(file, content, source)
            except (NotSavedError, ReadOnlyError, DatasetNotFoundError):  # these are true of every file
                raise
            except RecordNotFoundError:
                reason = f"its record {file.image_id} was deleted during the import; import the folder again for a new one"
                return FailedFile(path=path, reason=reason)
            except KymflowZarrError as error:
                return FailedFile(path=path, reason=str(error))

    def _source_of(self, file: KnownFile) -> Source:
        """Return the source of a file, or of an image in it; of several images, the file is digested once."""
        digested = file.digested or self.digests.get(file.path)
        source = Source.from_file(*file.paths, dataset=self.dataset.path, digested=digested, image=file.image)
        size, mtime_ns, sha256 = source.source_size_bytes, source.source_mtime_ns, source.source_sha256
        self.digests[file.path] = Digested(size=size, mtime_ns=mtime_ns, sha256=sha256)
        return source

    def _save(self, file: KnownFile, content: FileContent, source: Source) -> FileResult:
        """Make the record of a new file, or give that of a known one what it is to have."""
        if file.standing == "new":
            image_id = add_content(self.dataset, content, source)
            self.claims.note(image_id)
            return ImportedFile(path=file.path, image_id=image_id, notes=content.notes), source
        record = self.dataset.record(file.image_id)
        reader = self.reader
        if file.standing == "changed":
            # Only pixels and header are read again, so that the rest is still what the earlier reader made of it.
            was = file.source or source
            source = replace(source, reader=was.reader, reader_version=was.reader_version)
            notes = replace_content(record, content, source, renew=reader.renew, describe=reader.describe)
        else:
            own = provenance_of(record)
            if own is not None and not reader.knows_more_than(own, record.load_metadata_payload):
                return AlreadyThere(path=file.path, known={file.image_id: own})
            if reader.merge_metadata is None:
                raise SourceError(f"the reader {reader.name} adds nothing to records that are there already")
            notes = complete_record(record, content, source, merge=reader.merge_metadata, describe=reader.describe)
        return ImportedFile(path=file.path, image_id=file.image_id, notes=(*content.notes, *notes)), source

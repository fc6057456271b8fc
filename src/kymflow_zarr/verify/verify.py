"""Finds what a crash or a bad disk left behind, and repairs what can be.

The rules of this room: looking writes nothing and never stops at the first damage; repair never deletes truth, and what it
sets aside is in `.quarantine`. A program that is at work right now leaves half-built things too, so those are called
left behind only after `LEFT_AFTER_SECONDS`.
"""

import itertools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from kymflow_zarr import layout
from kymflow_zarr.counted import counted
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.manifest import Manifest, load_manifest, save_manifest, stored_manifest
from kymflow_zarr.dataset.recognize import is_uuid
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.foreign_files import describe_foreign, is_of_system
from kymflow_zarr.disk.staging import place_of
from kymflow_zarr.errors import KymflowZarrError, ReadOnlyError
from kymflow_zarr.formats.parquet import parquet_problem
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import UNBOUND, place_note
from kymflow_zarr.formats.seals import UNSEALED
from kymflow_zarr.formats.strict_json import JsonValue
from kymflow_zarr.record.record import CheckRecord
from kymflow_zarr.record.revisions import list_revisions
from kymflow_zarr.spread import spread
from kymflow_zarr.verify.metadata import is_set_aside
from kymflow_zarr.verify.owners import Owners
from kymflow_zarr.verify.problems import Finding, Findings, Problem, failing, found
from kymflow_zarr.verify.record import record_findings
from kymflow_zarr.verify.root import root_findings
from kymflow_zarr.verify.sealing import seal_artifact
from kymflow_zarr.verify.tables import sources_findings, table_findings
from kymflow_zarr.watch import Watch

_CANCELLED = "looking for damage was cancelled; what was repaired by then stays"
LEFT_AFTER_SECONDS = 24 * 3600
MISSED_AFTER_SECONDS = 60
"""After which something that was moved out of its place, and is missing there, is not about to be replaced."""

_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What `verify` found in a dataset of so many records."""

    records: int
    damaged_records: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """Files of other programs, such as a system's previews: no damage, and no part of the dataset."""

    @property
    def exit_code(self) -> int:
        """0 where the dataset is sound, also after a repair; 1 where something can be repaired; 2 where it is damaged."""
        left = {problem.state for problem in self.problems if not problem.repaired}
        return 2 if "damaged" in left else 1 if left else 0

    def summary(self) -> str:
        """Return one line, such as "997 of 1000 records open; 3 damaged; 4 things can be repaired"."""
        sound = self.records - self.damaged_records
        one = self.records == 1
        does = ("opens" if one else "open") if self.damaged_records else ("is sound" if one else "are sound")
        parts = [f"{sound} of {self.records} record{'' if one else 's'} {does}"]
        if self.damaged_records:
            parts.append(f"{self.damaged_records} damaged")
        repaired = sum(problem.repaired for problem in self.problems)
        repairable = sum(problem.state == "repairable" and not problem.repaired for problem in self.problems)
        if repaired:
            parts.append(f"{repaired} repaired")
        if repairable:
            parts.append(f"{repairable} can be repaired, with --repair")
        return "; ".join(parts)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the report for scripts."""
        return {
            "exit_code": self.exit_code,
            "records": self.records,
            "damaged_records": self.damaged_records,
            "problems": [asdict(problem) for problem in self.problems],
            "notes": list(self.notes),
        }


def verify_dataset(
    blobs: Blobs,
    dataset: Dataset,
    *,
    deep: bool,
    repair: bool,
    check_record: CheckRecord | None,
    watch: Watch,
    executor: Executor | None = None,
) -> VerifyReport:
    """Look at the dataset in the folder `blobs`; the arguments are those of `ZarrDataset.verify`."""
    if repair and blobs.read_only:
        raise ReadOnlyError(f"not repaired: {blobs.root} is opened for reading only")
    newest = {entry.image_id: entry.newest_revision for entry in stored_manifest(blobs).entries}
    ids = dataset.list_image_ids()
    here = _Look(blobs=blobs, dataset=dataset, deep=deep, repair=repair, check=check_record)
    looked: Iterator[tuple[str, list[Problem]]] = (here.record(one, newest.get(one, -1)) for one in ids)
    if executor is not None and not repair:
        numbers = {one: newest.get(one, -1) for one in ids}
        looked = spread(partial(_submit, executor, dataset.path, numbers, deep, check_record), ids, watch)
    by_record: dict[str, list[Problem]] = {}
    watch.progress(0, len(ids), "")
    watch.check(_CANCELLED)
    for done, (image_id, of_record) in enumerate(looked, start=1):
        by_record[image_id] = of_record
        watch.progress(done, len(ids), "")
        watch.check(_CANCELLED)
    watch.check(_CANCELLED)  # an executor is given no more of them then
    problems = [problem for image_id in ids for problem in by_record[image_id]]
    damaged = {one for one, found in by_record.items() if any(_is_damage(problem) for problem in found)}
    for where, findings in (
        (layout.GROUP_DOCUMENT, root_findings(blobs, dataset, deep=deep)),
        (layout.STAGING, _of_left_overs(blobs, repair=repair)),
        (layout.IMAGES, _of_strangers(blobs)),
        (layout.table_key(layout.SOURCES_TABLE), sources_findings(blobs, dataset, deep=deep)),
        (layout.MANIFEST, _of_manifest(blobs, dataset, deep=deep)),
        (layout.INDEX, _of_indexes(blobs, deep=deep)),
        (layout.TABLES, table_findings(blobs, dataset, deep=deep)),
    ):
        problems += _settle(where, findings, repair=repair)
    notes = _notes(blobs, {problem.where for problem in problems})
    return VerifyReport(records=len(ids), damaged_records=len(damaged), problems=tuple(problems), notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How records are looked at."""

    blobs: Blobs
    dataset: Dataset
    deep: bool
    repair: bool
    check: CheckRecord | None

    def record(self, image_id: str, newest: int) -> tuple[str, list[Problem]]:
        """Return what is wrong with a record, whose newest revision that was seen is given; nothing of one that is gone."""
        owners = Owners(self.blobs, self.dataset)
        findings = _of_record(self.blobs, self.dataset, image_id, deep=self.deep, check=self.check, owners=owners)
        findings = itertools.chain(_lost_revision(self.blobs, image_id, newest), findings)
        problems = _settle(layout.record_key(image_id), findings, repair=self.repair)
        is_there = self.blobs.is_listed(layout.record_key(image_id))  # else deleted while it was looked at
        return image_id, problems if is_there else []


def look_at_records(
    path: Path, newest: Mapping[str, int], deep: bool, check: CheckRecord | None
) -> list[tuple[str, list[Problem]]]:
    """Return what is wrong with some records of the dataset at a path: what an executor is given, in whatever process."""
    dataset, blobs = Dataset(path, mode="r"), Blobs(path, read_only=True)
    look = _Look(blobs=blobs, dataset=dataset, deep=deep, repair=False, check=check)
    return [look.record(image_id, number) for image_id, number in newest.items()]


def _submit(
    executor: Executor, path: Path, newest: Mapping[str, int], deep: bool, check: CheckRecord | None, ids: Sequence[str]
) -> "Future[list[tuple[str, list[Problem]]]]":
    return executor.submit(look_at_records, path, {one: newest[one] for one in ids}, deep, check)


def _is_damage(problem: Problem) -> bool:
    return problem.state == "damaged" and not problem.repaired


def _notes(blobs: Blobs, named: set[str]) -> tuple[str, ...]:
    """Return what files of other programs lie in a dataset, but for those that are problems."""
    keys = blobs.files("", hidden=None)
    there = set(keys)
    said = {key: describe_foreign(key, there) for key in keys if not key.startswith((layout.QUARANTINE, layout.STAGING))}
    return tuple(f"{key}: {what}" for key, what in said.items() if what and key not in named)


def _settle(where: str, findings: Findings, *, repair: bool) -> list[Problem]:
    """Return the problems of the findings, after repairing them where `repair` asks for it.

    What cannot be looked at any further is one problem more, of the place `where`.
    """
    all_found: list[Finding] = []
    try:
        all_found.extend(findings)
    except (KymflowZarrError, OSError) as error:
        all_found.append(Finding(where=where, what=str(error)))
    return [_repaired(finding) if repair else finding.problem() for finding in all_found]


def _repaired(finding: Finding) -> Problem:
    if finding.repair is None:
        return finding.problem()
    try:
        finding.repair()
    except (KymflowZarrError, OSError) as error:
        return finding.problem(why_not=str(error))
    return finding.problem(repaired=True)


def _of_record(
    blobs: Blobs, dataset: Dataset, image_id: str, *, deep: bool, check: CheckRecord | None, owners: Owners
) -> Findings:
    where = layout.record_key(image_id)
    folder, record = blobs.sub(where), dataset.held_record(image_id)
    yield from record_findings(folder, record, where=where, deep=deep, check=check, owners=owners)


def _lost_revision(blobs: Blobs, image_id: str, newest: int) -> Findings:
    """Yield that the newest revision that the manifest has seen is gone, unless a repair set it aside."""
    key = layout.record_key(image_id)
    try:
        folder = blobs.sub(key)
        is_gone = newest > max(list_revisions(folder), default=-1) and not is_set_aside(folder, newest)
    except (KymflowZarrError, OSError):  # said of the record itself
        return
    if is_gone:
        what = "is gone: the newest save of ROIs and notes that was seen; restore it from a backup"
        yield from found(f"{key}/{layout.revision_key(newest)}", what)


def _of_left_overs(blobs: Blobs, *, repair: bool) -> Findings:
    staged = blobs.names(layout.STAGING)
    hidden = [key for key in blobs.files("", hidden=True) if _is_temporary(key)]
    if not staged and not hidden:
        return
    # Looking writes nothing, and so has only this machine's clock.
    now = blobs.now() if repair else time.time()
    for name in staged:
        key = f"{layout.STAGING}/{name}"
        try:
            age = blobs.age_seconds(key, now=now)
        except FileNotFoundError:  # whoever was building it is done
            continue
        place = place_of(key)
        if name.startswith("replaced-") and place and not blobs.exists(place):
            if age > MISSED_AFTER_SECONDS:
                yield from found(place, "is missing; a stopped program had moved it aside", partial(_put_back, blobs, key))
        elif age > LEFT_AFTER_SECONDS:
            yield from found(key, "was left behind by a program that was stopped", partial(blobs.set_aside_if_there, key))
    for key in hidden:
        yield from _of_temporary(blobs, key, now)


def _put_back(blobs: Blobs, key: str) -> None:
    with blobs.unless_gone(key):  # another program has put it back
        blobs.put_back(key)


def _is_temporary(key: str) -> bool:
    folder, _, name = key.rpartition("/")
    return bool(_TEMPORARY.fullmatch(name)) and not folder.startswith(layout.QUARANTINE)


def _of_temporary(blobs: Blobs, key: str, now: float) -> Findings:
    try:
        left = blobs.age_seconds(key, now=now) > LEFT_AFTER_SECONDS
    except FileNotFoundError:
        return
    if left:
        yield from found(key, "was left behind by a program that was stopped", partial(blobs.set_aside_if_there, key))


def _of_strangers(blobs: Blobs) -> Findings:
    for name in blobs.names(layout.IMAGES):
        if name != layout.GROUP_DOCUMENT and not is_uuid(name) and not is_of_system(name):
            key = f"{layout.IMAGES}/{name}"
            yield from found(key, "is not named by a uuid, so it is no record", partial(blobs.set_aside_if_there, key))


def _of_manifest(blobs: Blobs, dataset: Dataset, *, deep: bool) -> Findings:
    if not blobs.is_listed(layout.MANIFEST):
        return
    renew = partial(_renew_manifest, blobs, dataset)
    yield from failing(layout.MANIFEST, partial(_manifest_problem, blobs, dataset, deep=deep), renew)


def _of_indexes(blobs: Blobs, *, deep: bool) -> Findings:
    for name in blobs.names(layout.INDEX):
        key = f"{layout.INDEX}/{name}"
        if name.endswith(layout.PARQUET):
            for finding in failing(key, partial(_index_problem, blobs, key, deep=deep)):
                only_seal = finding.what in (UNSEALED, UNBOUND)
                what = finding.what if only_seal else f"{finding.what}; it can be made again"
                yield from found(key, what, partial(seal_artifact if only_seal else Blobs.set_aside_if_there, blobs, key))


def _index_problem(blobs: Blobs, key: str, *, deep: bool) -> str | None:
    return parquet_problem(
        blobs.read(key, limit=MAX_PARQUET_BYTES), what=blobs.describe(key), deep=deep, of=place_note(blobs.place(key))
    )


def _manifest_problem(blobs: Blobs, dataset: Dataset, *, deep: bool) -> str | None:
    data = blobs.read(layout.MANIFEST)
    manifest = Manifest.from_bytes(data, what=blobs.describe(layout.MANIFEST))
    if not deep:
        return None
    if manifest.to_bytes() != data:
        return "was changed or damaged since it was written; it can be made again"
    fresh = {entry.image_id: entry for entry in load_manifest(blobs, dataset.list_image_ids(), trust=False).entries}
    lying = 0
    for entry in manifest.entries:
        now = fresh.get(entry.image_id)
        lying += now is not None and now.stamp == entry.stamp and now != entry
    return f"says what is not so of {counted(lying, 'record')}; it can be made again" if lying else None


def _renew_manifest(blobs: Blobs, dataset: Dataset) -> None:
    blobs.set_aside_if_there(layout.MANIFEST)
    save_manifest(blobs, load_manifest(blobs, dataset.list_image_ids()))

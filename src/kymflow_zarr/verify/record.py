"""What is wrong with one record: finds and says how to repair, repairs nothing itself.

The rule of this room: what can be made again from the rest of the record is repairable; all else only a backup has.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import array_plan, check_chunks, check_complete, digest_chunks, noted_chunks
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError, KymflowZarrError
from kymflow_zarr.formats.parquet import parquet_problem
from kymflow_zarr.formats.parquet_limits import MAX_PARQUET_BYTES
from kymflow_zarr.formats.places import MISPLACED, UNBOUND, place_note, place_problem, unbound_problem
from kymflow_zarr.formats.seals import LINE_ENDS, UNSEALED, document_seal_state, said_place, strip_foreign
from kymflow_zarr.formats.strict_json import (
    MAX_BYTES,
    MAX_DOCUMENT_BYTES,
    JsonObject,
    object_from_bytes,
    to_readable_bytes,
)
from kymflow_zarr.record.artifact_files import file_problem
from kymflow_zarr.record.attributes import OF_RECORD, group_to_bytes, is_ome_changed, with_ome
from kymflow_zarr.record.groups import group_place
from kymflow_zarr.record.record import CheckRecord, ZarrImageRecord
from kymflow_zarr.verify.metadata import metadata_findings
from kymflow_zarr.verify.owners import Owners
from kymflow_zarr.verify.problems import Findings, failing, found
from kymflow_zarr.verify.sealing import renew_line_ends, rewrite, seal_array, seal_artifact, seal_group

_CHANGED = "was changed or damaged since it was written"
_OME_CHANGED = "has OME-Zarr metadata that were changed or damaged since they were written; a repair makes them again"
_NOT_OURS_CHANGED = "was changed since it was written, but nothing in it that is this program's"


def record_findings(
    blobs: Blobs,
    record: ZarrImageRecord,
    *,
    where: str,
    deep: bool,
    check: CheckRecord | None,
    owners: Owners,
) -> Findings:
    """Yield what is wrong with one record.

    Parameters
    ----------
    blobs
        The record's folder.
    record
        The record.
    where
        Its folder's key in the dataset, for messages.
    deep
        Whether every byte is looked at.
    check
        What else is wrong with it.
    owners
        Says which other record's metadata lie in the place of the readable copy.
    """
    is_elsewhere = _is_elsewhere(blobs)
    for finding in _all_findings(blobs, record, where, deep=deep, check=check, owners=owners):
        # What is of another record has to go back there first: made whole here, it would be lost for both.
        yield replace(finding, repair=None) if is_elsewhere else finding


def _is_elsewhere(blobs: Blobs) -> bool:
    """Return whether the folder, or its results, say that they are another record's."""
    for key in (layout.GROUP_DOCUMENT, f"{layout.RECORD_ANALYSIS}/{layout.GROUP_DOCUMENT}"):
        try:
            document = object_from_bytes(blobs.read(key, limit=MAX_DOCUMENT_BYTES), what=key)
        except (KymflowZarrError, OSError):  # said of the file itself
            continue
        if place_problem(said_place(document, holder=layout.ATTRIBUTES), place_note(blobs.place(key))):
            return True
    return False


def _all_findings(
    blobs: Blobs, record: ZarrImageRecord, where: str, *, deep: bool, check: CheckRecord | None, owners: Owners
) -> Findings:
    odd = _odd_entries(blobs)
    named = set()
    for finding in _findings_of_parts(blobs, record, where, deep=deep, odd=odd, owners=owners):
        named.add(finding.where)
        yield finding
    for key, what in odd.items():
        if f"{where}/{key}" not in named:
            yield from found(f"{where}/{key}", what, partial(_set_odd_aside, blobs, key))
    if check is not None:
        yield from _checked(record, where, check)


def _odd_entries(blobs: Blobs) -> dict[str, str]:
    """Return what is neither a file nor a folder among a record's results and arrays; other damage is found elsewhere."""
    odd: dict[str, str] = {}
    for folder in (layout.RECORD_ANALYSIS, layout.RECORD_ARRAYS):
        with suppress(KymflowZarrError, OSError):
            odd |= dict(blobs.odd_entries(folder))
    return odd


def _set_odd_aside(blobs: Blobs, key: str) -> None:
    """Set aside what is neither a file nor a folder; what another program has saved in its place since stays."""
    if key in _odd_entries(blobs):
        blobs.set_aside_if_there(key)


def _findings_of_parts(
    blobs: Blobs, record: ZarrImageRecord, where: str, *, deep: bool, odd: Collection[str], owners: Owners
) -> Findings:
    yield from failing(where, partial(_attributes_problem, blobs, record))
    if not blobs.is_folder(layout.RECORD_ANALYSIS):
        what = "is missing, with the ROIs, notes and results that were in it; restore it from a backup"
        yield from found(f"{where}/{layout.RECORD_ANALYSIS}", what)
    yield from metadata_findings(blobs, record, where, deep=deep, owners=owners)
    yield from _array_findings(blobs, layout.RECORD_DATA, where, deep=deep)
    for name in record.list_array_artifacts():
        findings = list(_array_findings(blobs, layout.array_data_key(name), where, deep=deep))
        if findings and blobs.is_listed(layout.array_group_key(name)):  # else deleted while it was looked at
            yield from findings
    for key in record.list_analysis_keys():
        path = f"{layout.RECORD_ANALYSIS}/{key}"
        if path not in odd:
            findings = list(_artifact_findings(blobs, record, key, where, deep=deep, owners=owners))
            if findings and blobs.is_listed(path):
                yield from findings
    if deep:
        yield from _group_findings(blobs, record, where)


def _group_problem(blobs: Blobs, key: str, *, of: JsonObject | None, ours: Collection[str] | None = None) -> str | None:
    """Return what is wrong with the `zarr.json` of a group, looking at every byte; None where it is as it was written.

    Its seal covers the attributes `ours`; by default all of them.
    """
    try:
        data = blobs.read(key, limit=MAX_DOCUMENT_BYTES)
    except FileNotFoundError:
        return "is missing"
    document = object_from_bytes(data, what=blobs.describe(key))
    covered = document if ours is None else strip_foreign(document, layout.ATTRIBUTES, ours=ours)
    return _document_problem(data, covered, document, of)


def _document_problem(data: bytes, document: JsonObject, whole: JsonObject, of: JsonObject | None) -> str | None:
    """Return what is wrong with a metadata document of zarr: `document` is what its seal covers, `whole` all of it.

    `of` is what it should say of its place.
    """
    state = document_seal_state(document, holder=layout.ATTRIBUTES)
    if state == "unsealed":
        return UNSEALED
    if state == "broken":
        return _CHANGED
    said = said_place(document, holder=layout.ATTRIBUTES)
    if problem := place_problem(said, of) or unbound_problem(said, of):
        return problem
    return None if data == to_readable_bytes(whole, what="metadata") else _NOT_OURS_CHANGED


def _attributes_problem(blobs: Blobs, record: ZarrImageRecord) -> str | None:
    axes = record.load_attributes().axes
    try:
        shape = array_plan(blobs, layout.RECORD_DATA).shape
    except (FileNotFoundError, DamagedError):  # said of the array itself
        return None
    return None if len(axes) == len(shape) else f"has the axes {axes} for pixels of shape {shape}"


def _array_findings(blobs: Blobs, key: str, where: str, *, deep: bool) -> Findings:
    """Yield what is wrong with an array; where another program replaces it meanwhile, it is looked at again."""
    document = f"{key}/{layout.GROUP_DOCUMENT}"
    while True:
        stamp = blobs.stamp(document)
        findings = list(_findings_of_array(blobs, key, where, deep=deep))
        if not findings or blobs.stamp(document) == stamp:
            yield from findings
            return


def _findings_of_array(blobs: Blobs, key: str, where: str, *, deep: bool) -> Findings:
    document = f"{key}/{layout.GROUP_DOCUMENT}"
    problems = list(failing(f"{where}/{key}", partial(_try_array, blobs, key, deep=deep)))
    yield from problems
    if not deep or problems or not blobs.exists(document):
        return
    data = blobs.read(document, limit=MAX_DOCUMENT_BYTES)
    parsed = object_from_bytes(data, what=blobs.describe(document))
    of = place_note(blobs.place(document))
    said = _document_problem(data, strip_foreign(parsed, layout.ATTRIBUTES), parsed, of)
    if said is None and noted_chunks(parsed) != digest_chunks(blobs, key):
        what = "has other chunks than were written: another array's, or changed ones; restore it from a backup"
        yield from found(f"{where}/{key}", what)
    # The array itself was just found to be whole.
    yield from found(f"{where}/{document}", said, partial(seal_array, blobs, key, document))


def _try_array(blobs: Blobs, key: str, *, deep: bool) -> None:
    try:
        if deep:
            check_chunks(blobs, key)
        else:
            check_complete(blobs, key)
    except FileNotFoundError as error:
        raise DamagedError("is missing; restore it from a backup") from error


def _artifact_findings(
    blobs: Blobs, record: ZarrImageRecord, key: str, where: str, *, deep: bool, owners: Owners
) -> Findings:
    path = f"{layout.RECORD_ANALYSIS}/{key}"
    place = f"{where}/{path}"
    if deep or key.endswith(layout.PARQUET):
        try:
            said = _file_problem(blobs, path, deep=deep)
        except (KymflowZarrError, OSError) as error:
            said = str(error)
        repairs = {UNSEALED: seal_artifact, UNBOUND: seal_artifact, LINE_ENDS: renew_line_ends}
        if said == UNSEALED and (owner := owners.copied(blobs, path)):
            said = f"{MISPLACED}: it is the readable copy of the metadata of record {owner}; restore what belongs there"
        yield from found(place, said, partial(repairs[said], blobs, path) if said in repairs else None)
    elif key.endswith(layout.JSON):
        yield from failing(place, partial(_load, record.load_json, key, layout.JSON))
    else:
        yield from failing(place, partial(_load, record.load_df_csv_gz, key, layout.CSV_GZ))


def _file_problem(blobs: Blobs, key: str, *, deep: bool) -> str | None:
    what, of = blobs.describe(key), place_note(blobs.place(key))
    data = blobs.read(key, limit=MAX_BYTES if key.endswith(layout.JSON) else MAX_PARQUET_BYTES)
    return file_problem(key, data, what=what, of=of) if deep else parquet_problem(data, what=what, deep=False, of=of)


def _load(load: Callable[[str], object], key: str, ending: str) -> None:
    load(key.removesuffix(ending))


def _group_findings(blobs: Blobs, record: ZarrImageRecord, where: str) -> Findings:
    own = layout.GROUP_DOCUMENT
    yield from telling_group_findings(blobs, own, f"{where}/{own}", of=group_place(blobs, own), ours=OF_RECORD)
    changed = partial(_ome_problem, blobs)
    yield from failing(f"{where}/{layout.GROUP_DOCUMENT}", changed, partial(_renew_ome, blobs, record))
    # Made again, an empty folder would look like that of a record without results.
    analysis = [layout.RECORD_ANALYSIS] if blobs.is_folder(layout.RECORD_ANALYSIS) else []
    folders = [*analysis, layout.RECORD_ARRAYS]
    folders += [layout.array_group_key(name) for name in record.list_array_artifacts()]
    for folder in folders:
        key = f"{folder}/{layout.GROUP_DOCUMENT}"
        yield from empty_group_findings(blobs, key, where=f"{where}/{key}", of=group_place(blobs, key))


def _ome_problem(blobs: Blobs) -> str | None:
    """Return whether a record's OME-Zarr metadata are not as they were written; other damage is found elsewhere."""
    try:
        data = blobs.read(layout.GROUP_DOCUMENT, limit=MAX_DOCUMENT_BYTES)
        changed = is_ome_changed(object_from_bytes(data, what=layout.GROUP_DOCUMENT))
    except (KymflowZarrError, OSError):
        return None
    return _OME_CHANGED if changed else None


def _renew_ome(blobs: Blobs, record: ZarrImageRecord) -> None:
    axes = record.load_attributes().axes

    def renew(data: bytes) -> bytes:
        document = object_from_bytes(data, what=layout.GROUP_DOCUMENT)
        return to_readable_bytes(with_ome(document, axes, None), what="record attributes")

    rewrite(blobs, layout.GROUP_DOCUMENT, renew)


def telling_group_findings(
    blobs: Blobs, key: str, where: str, *, of: JsonObject | None, ours: Collection[str] = ()
) -> Findings:
    """Yield what is wrong with the `zarr.json` of a group whose attributes nothing else knows.

    `ours` are this program's attributes other than the reserved key; the rest belong to other programs. `of` is what it
    should say of its place.
    """
    for finding in failing(where, partial(_group_problem, blobs, key, of=of, ours=ours)):
        sealing = partial(seal_group, blobs, key, ours=ours, of=of)
        only_seal = (UNSEALED, UNBOUND, _NOT_OURS_CHANGED)
        yield from found(where, finding.what, sealing if finding.what in only_seal else None)


def empty_group_findings(blobs: Blobs, key: str, *, where: str, of: JsonObject | None, trusted: bool = False) -> Findings:
    """Yield what is wrong with the `zarr.json` of a group that only tells other tools that there is a group.

    Made again where it is another group's, it would hide that the folder is; unless that is `trusted`.
    """
    renew = partial(_renew_group, blobs, key, of)
    for finding in failing(where, partial(_group_problem, blobs, key, of=of)):
        keeps = finding.what.startswith(MISPLACED) and not trusted
        sealing = partial(seal_group, blobs, key, ours=(), of=of) if finding.what == UNBOUND else renew
        yield from found(where, finding.what, None if keeps else sealing)


def _renew_group(blobs: Blobs, key: str, of: JsonObject | None) -> None:
    blobs.write(key, group_to_bytes({}, of=of))


def _checked(record: ZarrImageRecord, where: str, check: CheckRecord) -> Findings:
    try:
        said = list(check(record))
    except (KymflowZarrError, OSError) as error:
        said = [str(error)]
    for one in said:
        yield from found(where, one)

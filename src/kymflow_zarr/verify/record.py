"""What is wrong with one record: finds and says how to repair, repairs nothing itself.

The rule of this room: what can be made again from the rest of the record is repairable; all else only a backup has.
"""

from collections.abc import Callable, Collection
from functools import partial

from kymflow_zarr import layout
from kymflow_zarr.arrays.arrays import array_plan, check_chunks, check_complete
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError, KymflowZarrError
from kymflow_zarr.formats.frames import parquet_problem, table_from_parquet, table_to_parquet
from kymflow_zarr.formats.seals import (
    LINE_ENDS,
    UNSEALED,
    artifact_from_bytes,
    artifact_problem,
    artifact_to_bytes,
    document_seal_state,
    seal_document,
    strip_foreign,
)
from kymflow_zarr.formats.strict_json import (
    MAX_BYTES,
    MAX_DOCUMENT_BYTES,
    JsonObject,
    object_from_bytes,
    to_readable_bytes,
)
from kymflow_zarr.record.attributes import OF_RECORD, group_to_bytes, is_ome_changed, seal_again, with_ome
from kymflow_zarr.record.record import CheckRecord, ZarrImageRecord
from kymflow_zarr.record.revisions import (
    HELD_TOO,
    adopt_edit,
    describe_copy,
    is_held_by_copy,
    is_misplaced,
    list_copies,
    list_revisions,
    load_revision,
    readable_copy_problem,
    revision_problem,
    write_readable_copy,
)
from kymflow_zarr.verify.problems import Findings, failing, found

_CHANGED = "was changed or damaged since it was written"
_OME_CHANGED = "has OME-Zarr metadata that were changed or damaged since they were written; a repair makes them again"
_NOT_OURS_CHANGED = "was changed since it was written, but nothing in it that is this program's"


def record_findings(
    blobs: Blobs, record: ZarrImageRecord, *, where: str, deep: bool, check: CheckRecord | None
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
    """
    odd = {**_odd_entries(blobs, layout.RECORD_ANALYSIS), **_odd_entries(blobs, layout.RECORD_ARRAYS)}
    named = set()
    for finding in _findings_of_parts(blobs, record, where, deep=deep, odd=odd):
        named.add(finding.where)
        yield finding
    for key, what in odd.items():
        if f"{where}/{key}" not in named:
            yield from found(f"{where}/{key}", what, partial(blobs.set_aside, key))
    if check is not None:
        yield from _checked(record, where, check)


def _odd_entries(blobs: Blobs, folder: str) -> dict[str, str]:
    """Return what is neither a file nor a folder below a folder of a record; other damage is found elsewhere."""
    try:
        return dict(blobs.odd_entries(folder))
    except (KymflowZarrError, OSError):
        return {}


def _findings_of_parts(blobs: Blobs, record: ZarrImageRecord, where: str, *, deep: bool, odd: Collection[str]) -> Findings:
    yield from failing(where, partial(_attributes_problem, blobs, record))
    if not blobs.is_folder(layout.RECORD_ANALYSIS):
        what = "is missing, with the ROIs, notes and results that were in it; restore it from a backup"
        yield from found(f"{where}/{layout.RECORD_ANALYSIS}", what)
    yield from _metadata_findings(blobs, where, deep=deep)
    yield from _array_findings(blobs, layout.RECORD_DATA, where, deep=deep)
    for name in record.list_array_artifacts():
        yield from _array_findings(blobs, layout.array_data_key(name), where, deep=deep)
    for key in record.list_analysis_keys():
        if f"{layout.RECORD_ANALYSIS}/{key}" not in odd:
            yield from _artifact_findings(blobs, record, key, where, deep=deep)
    if deep:
        yield from _group_findings(blobs, record, where)


def _group_problem(blobs: Blobs, key: str, *, ours: Collection[str] | None = None) -> str | None:
    """Return what is wrong with the `zarr.json` of a group, looking at every byte; None where it is as it was written.

    Its seal covers the attributes `ours`; by default all of them.
    """
    try:
        data = blobs.read(key, limit=MAX_DOCUMENT_BYTES)
    except FileNotFoundError:
        return "is missing"
    document = object_from_bytes(data, what=blobs.describe(key))
    covered = document if ours is None else strip_foreign(document, layout.ATTRIBUTES, ours=ours)
    return _document_problem(data, covered, document)


def _document_problem(data: bytes, document: JsonObject, whole: JsonObject) -> str | None:
    """Return what is wrong with a metadata document of zarr: `document` is what its seal covers, `whole` all of it."""
    state = document_seal_state(document, holder=layout.ATTRIBUTES)
    if state == "unsealed":
        return UNSEALED
    if state == "broken":
        return _CHANGED
    return None if data == to_readable_bytes(whole, what="metadata") else _NOT_OURS_CHANGED


def _attributes_problem(blobs: Blobs, record: ZarrImageRecord) -> str | None:
    axes = record.load_attributes().axes
    try:
        shape = array_plan(blobs, layout.RECORD_DATA).shape
    except (FileNotFoundError, DamagedError):  # said of the array itself
        return None
    return None if len(axes) == len(shape) else f"has the axes {axes} for pixels of shape {shape}"


def _metadata_findings(blobs: Blobs, where: str, *, deep: bool) -> Findings:
    for key in list_copies(blobs):
        what = "is no revision; a synchronized folder may have put another person's save there: compare, then move it away"
        copied = describe_copy(blobs, key) or what
        yield from found(f"{where}/{key}", copied, partial(blobs.set_aside, key) if copied == HELD_TOO else None)
    numbers = list_revisions(blobs)
    for number in numbers if deep else numbers[-1:]:
        key = layout.revision_key(number)
        said = revision_problem(blobs, number)
        if said == UNSEALED:
            if deep:
                yield from found(f"{where}/{key}", said, partial(_seal_revision, blobs, key))
        elif said == LINE_ENDS:
            yield from found(f"{where}/{key}", said, partial(_renew_line_ends, blobs, key))
        elif said:
            safe = number != numbers[-1] or _is_no_loss(blobs, number)
            yield from found(f"{where}/{key}", said, partial(_set_revision_aside, blobs, key) if safe else None)
    try:
        said = readable_copy_problem(blobs)
    except DamagedError as error:
        if not numbers:  # otherwise the findings about revisions report it
            what = (
                f"{error}: correct it, if somebody edited it; a repair sets it aside, so that the record can be saved into"
            )
            yield from found(f"{where}/{layout.RECORD_METADATA}", what, partial(_set_torn_metadata_aside, blobs))
        return
    yield from found(f"{where}/{layout.RECORD_METADATA}", said, partial(_renew_copy, blobs))


def _is_no_loss(blobs: Blobs, number: int) -> bool:
    """Return whether the newest revision, which is not whole, can be set aside without losing what it alone has."""
    if is_held_by_copy(blobs, without=number):
        return True
    key = layout.revision_key(number)
    if not blobs.is_regular(key):
        return True
    try:
        return is_misplaced(object_from_bytes(blobs.read(key, limit=MAX_BYTES), what=key), number)
    except DamagedError:
        return False


def _set_revision_aside(blobs: Blobs, key: str) -> None:
    blobs.set_aside(key)
    adopt_edit(blobs)


def _set_torn_metadata_aside(blobs: Blobs) -> None:
    """Set `metadata.json` aside where no revision has it, unless somebody has corrected it in between."""
    try:
        load_revision(blobs)
    except DamagedError:
        blobs.set_aside(layout.RECORD_METADATA)


def _renew_copy(blobs: Blobs) -> None:
    adopt_edit(blobs)
    write_readable_copy(blobs)


def _array_findings(blobs: Blobs, key: str, where: str, *, deep: bool) -> Findings:
    document = f"{key}/{layout.GROUP_DOCUMENT}"
    problems = list(failing(f"{where}/{key}", partial(_try_array, blobs, key, deep=deep)))
    yield from problems
    if not deep or problems or not blobs.exists(document):
        return
    data = blobs.read(document, limit=MAX_DOCUMENT_BYTES)
    parsed = object_from_bytes(data, what=blobs.describe(document))
    said = _document_problem(data, strip_foreign(parsed, layout.ATTRIBUTES), parsed)
    # The array itself was just found to be whole.
    yield from found(f"{where}/{document}", said, partial(_seal_zarr_document, blobs, document))


def _try_array(blobs: Blobs, key: str, *, deep: bool) -> None:
    try:
        if deep:
            check_chunks(blobs, key)
        else:
            check_complete(blobs, key)
    except FileNotFoundError as error:
        raise DamagedError("is missing; restore it from a backup") from error


def _artifact_findings(blobs: Blobs, record: ZarrImageRecord, key: str, where: str, *, deep: bool) -> Findings:
    path = f"{layout.RECORD_ANALYSIS}/{key}"
    place = f"{where}/{path}"
    if key.endswith(layout.JSON) and deep:
        try:
            said = artifact_problem(blobs.read(path, limit=MAX_BYTES), what=blobs.describe(path))
        except (KymflowZarrError, OSError) as error:
            said = str(error)
        repairs = {UNSEALED: _seal_json, LINE_ENDS: _renew_line_ends}
        yield from found(place, said, partial(repairs[said], blobs, path) if said in repairs else None)
    elif key.endswith(layout.PARQUET):
        yield from _parquet_findings(blobs, path, place, deep=deep)
    elif key.endswith(layout.JSON):
        yield from failing(place, partial(_load, record.load_json, key, layout.JSON))
    else:
        yield from failing(place, partial(_load, record.load_df_csv_gz, key, layout.CSV_GZ))


def _parquet_findings(blobs: Blobs, key: str, where: str, *, deep: bool) -> Findings:
    try:
        said = parquet_problem(blobs.read(key), what=blobs.describe(key), deep=deep)
    except (KymflowZarrError, OSError) as error:
        said = str(error)
    yield from found(where, said, partial(_seal_parquet, blobs, key) if said == UNSEALED else None)


def _load(load: Callable[[str], object], key: str, ending: str) -> None:
    load(key.removesuffix(ending))


def _group_findings(blobs: Blobs, record: ZarrImageRecord, where: str) -> Findings:
    yield from telling_group_findings(blobs, layout.GROUP_DOCUMENT, f"{where}/{layout.GROUP_DOCUMENT}", ours=OF_RECORD)
    changed = partial(_ome_problem, blobs)
    yield from failing(f"{where}/{layout.GROUP_DOCUMENT}", changed, partial(_renew_ome, blobs, record))
    # Made again, an empty folder would look like that of a record without results.
    analysis = [layout.RECORD_ANALYSIS] if blobs.is_folder(layout.RECORD_ANALYSIS) else []
    folders = [*analysis, layout.RECORD_ARRAYS]
    folders += [layout.array_group_key(name) for name in record.list_array_artifacts()]
    for folder in folders:
        key = f"{folder}/{layout.GROUP_DOCUMENT}"
        yield from failing(f"{where}/{key}", partial(_group_problem, blobs, key), partial(_renew_group, blobs, key))


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

    _rewrite(blobs, layout.GROUP_DOCUMENT, renew)


def telling_group_findings(blobs: Blobs, key: str, where: str, *, ours: Collection[str] = ()) -> Findings:
    """Yield what is wrong with the `zarr.json` of a group whose attributes nothing else knows.

    `ours` are this program's attributes other than the reserved key; the rest belong to other programs.
    """
    for finding in failing(where, partial(_group_problem, blobs, key, ours=ours)):
        sealing = partial(_seal_zarr_document, blobs, key, ours=ours)
        yield from found(where, finding.what, sealing if finding.what in (UNSEALED, _NOT_OURS_CHANGED) else None)


def empty_group_findings(blobs: Blobs, key: str) -> Findings:
    """Yield what is wrong with the `zarr.json` of a group that only tells other tools that there is a group."""
    yield from failing(key, partial(_group_problem, blobs, key), partial(_renew_group, blobs, key))


def _renew_group(blobs: Blobs, key: str) -> None:
    blobs.write(key, group_to_bytes({}))


def _checked(record: ZarrImageRecord, where: str, check: CheckRecord) -> Findings:
    try:
        said = list(check(record))
    except (KymflowZarrError, OSError) as error:
        said = [str(error)]
    for one in said:
        yield from found(where, one)


def _seal_revision(blobs: Blobs, key: str) -> None:
    def seal(data: bytes) -> bytes:
        document = object_from_bytes(data, what=blobs.describe(key))
        return to_readable_bytes(seal_document(document), what=key)

    _rewrite(blobs, key, seal)


def _seal_zarr_document(blobs: Blobs, key: str, *, ours: Collection[str] = ()) -> None:
    def seal(data: bytes) -> bytes:
        document = object_from_bytes(data, what=blobs.describe(key))
        return to_readable_bytes(seal_again(document, ours=ours), what=key)

    _rewrite(blobs, key, seal)


def _seal_json(blobs: Blobs, key: str) -> None:
    _rewrite(blobs, key, lambda data: artifact_to_bytes(artifact_from_bytes(data, what=blobs.describe(key)), what=key))


def _renew_line_ends(blobs: Blobs, key: str) -> None:
    _rewrite(blobs, key, lambda data: data.replace(b"\r\n", b"\n"))


def _seal_parquet(blobs: Blobs, key: str) -> None:
    _rewrite(blobs, key, lambda data: table_to_parquet(table_from_parquet(data, what=blobs.describe(key))))


def _rewrite(blobs: Blobs, key: str, change: Callable[[bytes], bytes]) -> None:
    """Replace a file by the same with a seal, unless another program has replaced it in between."""
    before = blobs.stamp(key)
    data = change(blobs.read(key))
    if blobs.stamp(key) == before:
        blobs.write(key, data)

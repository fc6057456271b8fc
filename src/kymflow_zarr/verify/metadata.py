"""What is wrong with the metadata of one record: its revisions, and the readable copy of the newest.

The rule of this room: what the history has can be made again. A revision is set aside only where that loses nothing: where
something is saved that nothing else holds, a person decides.
"""

from functools import partial

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.staging import place_of
from kymflow_zarr.errors import DamagedError, KymflowZarrError
from kymflow_zarr.formats.places import UNBOUND
from kymflow_zarr.formats.seals import LINE_ENDS, UNSEALED
from kymflow_zarr.formats.strict_json import MAX_BYTES, object_from_bytes
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.record.revision_checks import (
    HELD_TOO,
    describe_copy,
    is_held_by_copy,
    list_copies,
    misplaced_problem,
    missing_revisions,
    readable_copy_problem,
    revision_problem,
)
from kymflow_zarr.record.revisions import (
    adopt_edit,
    has_own_copy,
    list_revisions,
    load_revision,
    sealed_revision,
    write_readable_copy,
)
from kymflow_zarr.verify.owners import Owners
from kymflow_zarr.verify.problems import Findings, found
from kymflow_zarr.verify.sealing import renew_line_ends, seal_revision


def metadata_findings(blobs: Blobs, record: ZarrImageRecord, where: str, *, deep: bool, owners: Owners) -> Findings:
    """Yield what is wrong with the metadata of a record, whose folder is `blobs`, and `where` its key in the dataset.

    `owners` says which other record's readable copy lies in the place of its own.
    """
    owner = None if _has_own_copy(blobs, record) else owners.owner(blobs)
    for key in list_copies(blobs):
        what = "is no revision; a synchronized folder may have put another person's save there: compare, then move it away"
        copied = describe_copy(blobs, key) or what
        yield from found(f"{where}/{key}", copied, partial(blobs.set_aside_if_there, key) if copied == HELD_TOO else None)
    if owner is not None:
        what = f"is the readable copy of the metadata of record {owner}, and of no revision of this one"
        yield from found(f"{where}/{layout.RECORD_METADATA}", what, partial(_replace_copy, blobs))
    yield from _revision_findings(blobs, where, deep=deep, is_own=owner is None)
    if owner is None:
        yield from _copy_findings(blobs, record, where)


def _has_own_copy(blobs: Blobs, record: ZarrImageRecord) -> bool:
    try:
        return has_own_copy(blobs, record.load_revision())
    except KymflowZarrError:  # said of the revisions
        return False


def _revision_findings(blobs: Blobs, where: str, *, deep: bool, is_own: bool) -> Findings:
    """Yield what is wrong with revisions; `is_own` says whether the readable copy is this record's."""
    numbers = list_revisions(blobs)
    for number in numbers if deep else numbers[-1:]:
        key = layout.revision_key(number)
        said = revision_problem(blobs, number)
        if said in (UNSEALED, UNBOUND):
            if deep:
                yield from found(f"{where}/{key}", said, partial(seal_revision, blobs, key, number))
        elif said == LINE_ENDS:
            yield from found(f"{where}/{key}", said, partial(renew_line_ends, blobs, key))
        elif said:
            some_are_ours = any(sealed_revision(blobs, one) for one in numbers)
            safe = _is_no_loss(blobs, number, is_own=is_own, some_are_ours=some_are_ours)
            safe = safe if number == numbers[-1] else some_are_ours
            yield from found(f"{where}/{key}", said, partial(_set_revision_aside, blobs, number, said) if safe else None)
    if deep:
        for number in missing_revisions(blobs, numbers):
            if not is_set_aside(blobs, number):
                what = "is gone, and a later one was saved upon it; restore it from a backup"
                yield from found(f"{where}/{layout.revision_key(number)}", what)


def _copy_findings(blobs: Blobs, record: ZarrImageRecord, where: str) -> Findings:
    try:
        said = readable_copy_problem(blobs, record.load_revision())
    except DamagedError as error:
        if not list_revisions(blobs):  # otherwise the findings about revisions report it
            what = (
                f"{error}: correct it, if somebody edited it; a repair sets it aside, so that the record can be saved into"
            )
            yield from found(f"{where}/{layout.RECORD_METADATA}", what, partial(_set_torn_metadata_aside, blobs))
        return
    yield from found(f"{where}/{layout.RECORD_METADATA}", said, partial(_renew_copy, blobs))


def is_set_aside(blobs: Blobs, number: int) -> bool:
    """Return whether a repair has set a revision aside, and not something else that lay in its place."""
    place = blobs.place(layout.revision_key(number))
    return any(_may_be(blobs, data, number) for name, data in blobs.quarantined() if place_of(name) == place)


def _may_be(blobs: Blobs, data: bytes, number: int) -> bool:
    try:
        return misplaced_problem(blobs, object_from_bytes(data, what="it"), number) is None
    except DamagedError:
        return True


def _is_no_loss(blobs: Blobs, number: int, *, is_own: bool, some_are_ours: bool) -> bool:
    """Return whether the newest revision, which is not whole, can be set aside without losing what it alone has."""
    if is_own and is_held_by_copy(blobs, without=number):
        return True
    key = layout.revision_key(number)
    if not blobs.is_regular(key):
        return True
    try:
        document = object_from_bytes(blobs.read(key, limit=MAX_BYTES), what=key)
    except DamagedError:
        return False
    return some_are_ours and misplaced_problem(blobs, document, number) is not None


def _set_revision_aside(blobs: Blobs, number: int, said: str) -> None:
    """Set a revision aside that this was said of; one that another program has saved under its number since stays."""
    key = layout.revision_key(number)
    with blobs.unless_gone(key):
        if revision_problem(blobs, number) == said:
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


def _replace_copy(blobs: Blobs) -> None:
    """Set the copy of another record's metadata aside, and write the record's own where it has some."""
    blobs.set_aside(layout.RECORD_METADATA)
    try:
        own = load_revision(blobs)
    except KymflowZarrError:  # said of its revisions
        return
    if own.number >= 0:
        write_readable_copy(blobs)

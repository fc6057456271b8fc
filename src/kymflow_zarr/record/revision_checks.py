"""What is wrong with a record's revisions and their readable copy, and what other computers put next to them.

The rule of this room: it looks and says, and changes nothing; nothing is chosen between two versions.
"""

from collections.abc import Iterator, Mapping

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.foreign_files import copied_from, is_of_system
from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.places import place_problem, unbound_problem
from kymflow_zarr.formats.seals import LINE_ENDS, UNSEALED, document_seal_state, has_other_line_ends, said_place
from kymflow_zarr.formats.strict_json import JsonObject, canonical_sha256, is_readable_form, object_from_bytes
from kymflow_zarr.layout import RECORD_HISTORY, RECORD_METADATA, ROIS, revision_key, revision_number
from kymflow_zarr.record.revisions import (
    REVISION,
    Revision,
    copy_from_bytes,
    list_revisions,
    load_history,
    load_readable_copy,
    load_revision,
    read_metadata_file,
    revision_of,
    revision_place,
    sealed_revision,
)

HELD_TOO = "is another computer's copy of metadata that the history has too; a repair moves it away"


def list_strangers(blobs: Blobs) -> list[str]:
    """Return the files among the revisions that are none, such as a synchronized folder's copy of another laptop's."""
    names = blobs.names(RECORD_HISTORY)
    return [name for name in names if revision_number(name) is None and not is_of_system(name)]


def list_copies(blobs: Blobs) -> list[str]:
    """Return the keys of what a synchronized folder has of other computers' metadata, revisions and readable copies."""
    copies = [f"{RECORD_HISTORY}/{name}" for name in list_strangers(blobs)]
    folder, _, readable = RECORD_METADATA.rpartition("/")
    names = blobs.names(folder)
    return [*copies, *(f"{folder}/{name}" for name in names if copied_from(name, names) == readable)]


def describe_copy(blobs: Blobs, key: str) -> str | None:
    """Return how another computer's version of metadata differs from the record's own; None where it is no metadata.

    Nothing is chosen: both may have ROIs that the other lacks.
    """
    try:
        document = object_from_bytes(read_metadata_file(blobs, key), what=blobs.describe(key))
    except (DamagedError, FileNotFoundError):
        return None
    inner = document.get("metadata")
    theirs = inner if isinstance(inner, Mapping) else document
    own = load_revision(blobs)
    if canonical_sha256(theirs) in {one.sha256 for one in load_history(blobs)}:
        return HELD_TOO
    which = f"revision {document.get(REVISION)}" if isinstance(inner, Mapping) else "the metadata"
    return (
        f"is another computer's version of {which}, a conflict: it has {_rois(theirs)}, and the record's own metadata "
        f"(revision {own.number}) have {_rois(own.payload)}; choose or merge, then move it away"
    )


def _rois(metadata: JsonObject) -> str:
    """Return which ROIs metadata have, such as "ROIs 1 (vessel), 2"."""
    rois = metadata.get(ROIS)
    envelopes = [one for one in rois if isinstance(one, Mapping)] if isinstance(rois, list) else []
    named = [f"{one.get('roi_id')} ({one['name']})" if one.get("name") else str(one.get("roi_id")) for one in envelopes]
    return f"ROI{'' if len(named) == 1 else 's'} {', '.join(named)}" if named else "no ROI"


def is_held_by_copy(blobs: Blobs, *, without: int) -> bool:
    """Return whether `metadata.json` has what no whole revision but `without` has, so that it would not be lost with it."""
    copy = load_readable_copy(blobs)
    if copy is None:
        return False
    others = (sealed_revision(blobs, number) for number in list_revisions(blobs) if number != without)
    return canonical_sha256(copy) not in {one.sha256 for one in others if one is not None}


def misplaced_problem(blobs: Blobs, sealed: JsonObject, number: int) -> str | None:
    """Return what is wrong where the file in the place of a revision is another one, as it was written; else None."""
    return _place_problem(blobs, sealed, number) if document_seal_state(sealed) == "whole" else None


def _place_problem(blobs: Blobs, sealed: JsonObject, number: int) -> str | None:
    if sealed.get(REVISION) != number:
        return f"lies in the place of revision {number} and says that it is revision {sealed.get(REVISION)}"
    return place_problem(said_place(sealed), revision_place(blobs, number))


def is_torn(blobs: Blobs, number: int) -> bool:
    """Return whether the file of a revision is neither whole nor, as it was written, another one."""
    if sealed_revision(blobs, number) is not None:
        return False
    key = revision_key(number)
    try:
        sealed = object_from_bytes(read_metadata_file(blobs, key), what=key)
    except (DamagedError, FileNotFoundError):
        return True
    return misplaced_problem(blobs, sealed, number) is None


def missing_revisions(blobs: Blobs, numbers: list[int]) -> Iterator[int]:
    """Yield revisions that later ones were saved upon, and that are gone.

    Revisions of earlier versions do not say upon which they were saved: it was the one before.
    """
    there = set(numbers)
    for before, number in zip([-1, *numbers], numbers, strict=False):
        found = sealed_revision(blobs, number)
        if found is None:
            continue
        follows = number - 1 if found.follows is None else found.follows
        if before < follows and follows not in there:
            yield follows


def revision_problem(blobs: Blobs, number: int) -> str | None:
    """Return what is wrong with a revision's file, looking at every byte of it; None where it is as it was written."""
    key = revision_key(number)
    try:
        data = read_metadata_file(blobs, key)
        sealed = object_from_bytes(data, what=blobs.describe(key))
    except DamagedError as error:
        return str(error)
    state = document_seal_state(sealed)
    if state == "whole" and (misplaced := _place_problem(blobs, sealed, number)):
        return misplaced
    if state == "broken" or revision_of(blobs, number, sealed) is None:
        return "was changed or damaged since it was written"
    if has_other_line_ends(data, sealed):
        return LINE_ENDS
    if not is_readable_form(data, sealed, what="metadata"):
        return "is not as this program writes it: it was changed or damaged"
    return UNSEALED if state == "unsealed" else unbound_problem(said_place(sealed), revision_place(blobs, number))


def readable_copy_problem(blobs: Blobs, newest: Revision) -> str | None:
    """Return what is wrong with `metadata.json`; None where it is the newest revision's, byte for byte."""
    if newest.number < 0:
        return None
    if not newest.committed:
        return "holds what no revision holds: it was edited by hand, or damaged; the next save keeps it as a revision"
    try:
        data = read_metadata_file(blobs, RECORD_METADATA)
    except FileNotFoundError:
        return "is missing; the history has it"
    except DamagedError as error:
        return f"{error}; a repair sets it aside and writes the newest revision there"
    try:
        copy_from_bytes(data, what="it")
    except DamagedError as error:
        return f"{error}: correct it, if somebody edited it; a repair sets it aside and writes the newest revision there"
    if is_readable_form(data, newest.payload, what="metadata"):
        return None
    return "is not the newest revision as this program writes it; the history has it"

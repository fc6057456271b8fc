"""ROIs that are not saved yet, kept on this computer until they are: one small JSON file a record.

The rule of this room: a draft is written soon after an edit, since the program may be killed, and when the dataset refuses;
so it lies elsewhere, in the user's own data folder. It is deleted only after its ROIs were saved, or taken back, or when
the user says so.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from kymflow_core import RoiSet
from kymflow_core.errors import KymflowError
from napari_kymflow.user.documents import load_document, save_document

_KIND = "kymflow_draft"
_VERSION = 1
_MOST_DRAFTS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """ROIs that are not saved, and the saved ones that they were made from."""

    base: RoiSet
    rois: RoiSet
    reason: str = ""
    kept_utc: str = ""
    number: int = 1
    """Which of a record's drafts it is: an older draft that nobody restored is never replaced."""


def drafts_folder() -> Path:
    """Return where drafts are kept on this computer."""
    return user_data_path("napari-kymflow", appauthor=False) / "drafts"


def draft_path(dataset_id: str, image_id: str, number: int = 1) -> Path:
    """Return the file of a record's draft, wherever its dataset is moved."""
    return drafts_folder() / f"{_key(dataset_id, image_id)}-{number}.json"


def keep_draft(dataset_id: str, image_id: str, draft: Draft) -> Path:
    """Write a record's draft, or replace it, whole; raise `OSError` where that fails too."""
    path = draft_path(dataset_id, image_id, draft.number)
    fields = {
        "dataset_id": dataset_id,
        "image_id": image_id,
        "kept_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": draft.reason,
        "base": _to_json(draft.base),
        "rois": _to_json(draft.rois),
    }
    save_document(path, fields, kind=_KIND, version=_VERSION)
    return path


def load_draft(dataset_id: str, image_id: str) -> Draft | None:
    """Return a record's oldest draft; None where there is none.

    Raises
    ------
    ValueError
        When a draft cannot be read; it is left where it is.
    """
    for number in range(1, _MOST_DRAFTS + 1):
        path = draft_path(dataset_id, image_id, number)
        try:
            return replace(_from_document(load_document(path, kind=_KIND, version=_VERSION)), number=number)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, KymflowError) as error:
            raise ValueError(f"the unsaved ROIs kept in {path} cannot be read ({error}); move the file away") from error
    return None


def free_draft_number(dataset_id: str, image_id: str) -> int:
    """Return the number for a record's next draft, so that it replaces none; the last one is replaced after many."""
    numbers = range(1, _MOST_DRAFTS + 1)
    return next((number for number in numbers if not draft_path(dataset_id, image_id, number).exists()), _MOST_DRAFTS)


def records_with_drafts(dataset_id: str, image_ids: Iterable[str]) -> set[str]:
    """Return which records have ROIs that were kept and not saved."""
    folder = drafts_folder()
    there = {path.name.partition("-")[0] for path in folder.glob("*.json")} if folder.is_dir() else set()
    return {image_id for image_id in image_ids if _key(dataset_id, image_id) in there}


def drop_draft(dataset_id: str, image_id: str, number: int) -> None:
    """Delete a record's draft, where there is one."""
    draft_path(dataset_id, image_id, number).unlink(missing_ok=True)


def _key(dataset_id: str, image_id: str) -> str:
    return hashlib.sha256(f"{dataset_id}/{image_id}".encode()).hexdigest()[:32]


def _from_document(document: Mapping[str, Any]) -> Draft:
    return Draft(
        base=_from_json(document["base"]),
        rois=_from_json(document["rois"]),
        reason=str(document.get("reason", "")),
        kept_utc=str(document.get("kept_utc", "")),
    )


def _to_json(rois: RoiSet) -> dict[str, object]:
    return {"rois": rois.to_json(), "next_roi_id": rois.next_id}


def _from_json(value: Mapping[str, object]) -> RoiSet:
    rois, next_id = value["rois"], value["next_roi_id"]
    if not isinstance(rois, list) or not isinstance(next_id, int):
        raise TypeError("rois must be a list and next_roi_id an integer")
    return RoiSet.from_json(rois, next_id=next_id)

"""The reviewer's name, as it was entered last on this computer.

The rule of this room: it is a convenience. Whatever is wrong with the file, the name is entered again.
"""

from contextlib import suppress
from pathlib import Path

from platformdirs import user_config_path

from napari_kymflow.user.documents import load_document, save_document

_KIND, _VERSION = "kymflow_reviewer", 1


def reviewer_path() -> Path:
    """Return the file."""
    return user_config_path("napari-kymflow", appauthor=False) / "reviewer.json"


def last_reviewer() -> str:
    """Return the name; empty where none was entered."""
    try:
        name = load_document(reviewer_path(), kind=_KIND, version=_VERSION).get("name")
    except (OSError, ValueError):
        return ""
    return name if isinstance(name, str) else ""


def note_reviewer(name: str) -> None:
    """Keep the name for the next time."""
    with suppress(OSError):  # it is entered again then
        save_document(reviewer_path(), {"name": name}, kind=_KIND, version=_VERSION)

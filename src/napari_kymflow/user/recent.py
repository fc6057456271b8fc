"""The datasets that were opened last on this computer, and the folders that they are filled from: one small JSON file.

The rule of this room: this is a list of conveniences. Whatever is wrong with it, data open all the same.
"""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

_FORMAT = "kymflow_recent"
_VERSION = 1
_MOST = 10
_DOCUMENT = "zarr.json"


def recent_path() -> Path:
    """Return the file of the list."""
    return user_config_path("napari-kymflow", appauthor=False) / "recent.json"


def recent_datasets() -> tuple[Path, ...]:
    """Return the datasets that are still there, newest first; one on a disk that is away comes back with its disk."""
    return tuple(path for path in _load() if _is_there(path))


def note_recent(path: str | Path) -> None:
    """Put a dataset first in the list; the oldest of more than ten is forgotten."""
    newest = Path(path).absolute()
    # A full disk or a locked home folder must not stop somebody from opening data, and there is nothing to do about it.
    with suppress(OSError):
        _save([newest, *(known for known in _load() if known != newest)][:_MOST], _load_folders())


def forget_recent() -> None:
    """Forget all of them.

    Raises
    ------
    OSError
        When the list cannot be deleted.
    """
    recent_path().unlink(missing_ok=True)


def folder_of(dataset_id: str) -> Path | None:
    """Return the folder from which a dataset was filled last on this computer; None where that is not known."""
    folder = _load_folders().get(dataset_id)
    return Path(folder) if folder else None


def note_folder(dataset_id: str, folder: str | Path) -> None:
    """Remember the folder from which a dataset is filled."""
    folders = {**_load_folders(), dataset_id: str(Path(folder).absolute())}
    with suppress(OSError):  # as in `note_recent`
        _save(_load(), folders)


def _load() -> list[Path]:
    paths = _document().get("paths")
    return [Path(path) for path in paths if isinstance(path, str) and path] if isinstance(paths, list) else []


def _load_folders() -> dict[str, str]:
    folders = _document().get("folders")
    return {key: one for key, one in folders.items() if isinstance(one, str)} if isinstance(folders, dict) else {}


def _document() -> dict[str, Any]:
    try:
        document = json.loads(recent_path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (_FORMAT, _VERSION):
        return {}
    return document


def _save(paths: list[Path], folders: dict[str, str]) -> None:
    path = recent_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"format": _FORMAT, "version": _VERSION, "paths": [str(one) for one in paths], "folders": folders}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".recent-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _is_there(path: Path) -> bool:
    try:
        return (path / _DOCUMENT).is_file()
    except OSError:  # a folder that may not be looked into
        return False

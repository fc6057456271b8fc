"""The datasets that were opened last on this computer, and the folders that they are filled from: one small JSON file.

The rule of this room: this is a list of conveniences. Whatever is wrong with it, data open all the same.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from kymflow_zarr.disk.local_path import address_of
from napari_kymflow.user.documents import load_document, save_document

_KIND = "kymflow_recent"
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
    """Put a dataset first in the list; the oldest of more than ten is forgotten. An address is not noted."""
    if address_of(path):
        return
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


def _document() -> Mapping[str, Any]:
    try:
        return load_document(recent_path(), kind=_KIND, version=_VERSION)
    except (OSError, ValueError):
        return {}


def _save(paths: list[Path], folders: dict[str, str]) -> None:
    fields = {"paths": [str(one) for one in paths], "folders": folders}
    save_document(recent_path(), fields, kind=_KIND, version=_VERSION)


def _is_there(path: Path) -> bool:
    try:
        return (path / _DOCUMENT).is_file()
    except OSError:  # a folder that may not be looked into
        return False

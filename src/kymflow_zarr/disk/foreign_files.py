"""Files that other programs put into every folder: previews and settings of systems, copies of synchronizing programs.

The rule of this room: they are known by their names only, and are never taken for a file of the dataset, nor for damage.
"""

import re
from collections.abc import Collection

_OF_SYSTEMS = {
    "thumbs.db": "previews of Windows Explorer",
    "ehthumbs.db": "previews of Windows Explorer",
    "desktop.ini": "settings of a folder of Windows Explorer",
    ".ds_store": "settings of a folder of macOS",
    "icon\r": "the icon of a folder of macOS",
    ".directory": "settings of a folder of KDE",
}
_COPY = re.compile(
    r" ?\([^()/]*(?:conflict|konflikt|conflit)[^()/]*\)"  # Dropbox, Nextcloud, Seafile, pCloud; English to Spanish
    r"|\.sync-conflict-[0-9]{8}-[0-9]{6}-[A-Z0-9]{7}"  # Syncthing
    r"|_conflict-[0-9]{8}-[0-9]{6}",  # ownCloud
    re.IGNORECASE,
)
_NUMBERED = re.compile(r" \([0-9]{1,3}\)(?=\.[^/]*$)")
"""How Google Drive and browsers call a copy; only where the file itself is there too."""


def is_of_system(key: str) -> bool:
    """Return whether a file is one that a system puts into folders that somebody looked at."""
    name = key.rpartition("/")[2]
    return name.casefold() in _OF_SYSTEMS or name.startswith("._")


def copied_from(key: str, there: Collection[str]) -> str | None:
    """Return of which file among `there` a file is a synchronizing program's copy, by its name; None where it is none."""
    folder, _, name = key.rpartition("/")
    original = _COPY.sub("", name)
    if original == name:
        original = _NUMBERED.sub("", name)
        if original == name or f"{folder}/{original}".lstrip("/") not in there:
            return None
    return f"{folder}/{original}".lstrip("/")


def is_foreign(key: str, there: Collection[str]) -> bool:
    """Return whether a file is a system's or a synchronizing program's, and none of the dataset."""
    return is_of_system(key) or copied_from(key, there) is not None


def describe_foreign(key: str, there: Collection[str]) -> str | None:
    """Return what a file of another program is, and what to do with it; None where it is none."""
    name = key.rpartition("/")[2]
    if is_of_system(key):
        what = _OF_SYSTEMS.get(name.casefold(), "settings that macOS keeps next to a file")
        return f"{what}; it is no part of the dataset, and can be deleted"
    original = copied_from(key, there)
    if original is None:
        return None
    return (
        f"another computer's version of {original.rpartition('/')[2]}, which a synchronizing program put there; it is not "
        "used: compare the two, then move this one away"
    )

"""Where the files of an export lie: names that every disk can have, and no two that are one on some.

The rule of this room: pure. A file's place is made from its name; what its name was stands in the export's document.
"""

import re
from pathlib import PurePosixPath

_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_MOST_BYTES = 120
"""Of a folder's friendly name, so that paths below it stay within what Windows can open."""


class Places:
    """Hands out places in one folder; two that differ only in upper and lower case are never handed out."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """Return a place for a file or folder, as near to the wanted one as may be."""
        parts = [_portable(part) for part in wanted.split("/")]
        place = "/".join(parts)
        number = 2
        while place.casefold() in self._taken:
            path = PurePosixPath(*parts)
            stem, dot, ending = path.name.partition(".")
            place = str(path.with_name(f"{stem}~{number}{dot}{ending}"))
            number += 1
        self._taken.add(place.casefold())
        return place


def friendly_folder(source_name: str, image_id: str) -> str:
    """Return the name of a record's folder: the name of its file without its ending, and the beginning of its id."""
    name = _portable(PurePosixPath(source_name.replace("\\", "/")).stem)
    while len(name.encode()) > _MOST_BYTES:
        name = name[:-1]
    return f"{name.strip()} {image_id[:8]}" if source_name else image_id


def _portable(part: str) -> str:
    text = _FORBIDDEN.sub("_", part).rstrip(" .")
    return f"_{text}" if not text or _RESERVED.fullmatch(text) else text

"""Where the files of an export lie: names that every disk can have, and no two that are one on some.

The rule of this room: pure. A file's place is made from its name; its original name is in the export's document.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_MOST_BYTES = 120
"""Of a folder's friendly name, so that paths below it stay within what Windows can open."""


class Places:
    """Hands out places in one folder; two that differ only in upper and lower case are never handed out.

    Nor is a file's place ever a folder of another file: of the names "a.csv" and "a.csv/b", one is changed.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, wanted: str) -> str:
        """Return a place for a file, as near to the wanted one as may be."""
        return self._take(wanted, self._files)

    def take_folder(self, wanted: str) -> str:
        """Return a place for a folder that nothing else lies in, as near to the wanted one as may be."""
        return self._take(wanted, self._folders)

    def _take(self, wanted: str, kind: set[str]) -> str:
        *parents, name = [_portable(part) for part in wanted.split("/")]
        place = self._free("/".join([*self._enter(parents), name]), self._files, self._folders)
        kind.add(place.casefold())
        return place

    def _enter(self, parents: list[str]) -> list[str]:
        """Return folders for the wanted ones, which may have other files in them, but are no files."""
        entered: list[str] = []
        for part in parents:
            place = self._free("/".join([*entered, part]), self._files)
            self._folders.add(place.casefold())
            entered = place.split("/")
        return entered

    @staticmethod
    def _free(wanted: str, *taken: set[str]) -> str:
        if not _is_in(wanted, taken):
            return wanted
        place, number = wanted, 2
        path = PurePosixPath(wanted)
        stem, dot, ending = path.name.partition(".")
        while _is_in(place, taken):
            place = str(path.with_name(f"{stem}~{number}{dot}{ending}"))
            number += 1
        return place


def _is_in(place: str, taken: Iterable[set[str]]) -> bool:
    folded = place.casefold()
    return any(folded in one for one in taken)


def friendly_folder(source_name: str, image_id: str) -> str:
    """Return the name of a record's folder: the name of its file without its ending, and the beginning of its id."""
    name = _portable(PurePosixPath(source_name.replace("\\", "/")).stem)
    while len(name.encode()) > _MOST_BYTES:
        name = name[:-1]
    return f"{name.strip()} {image_id[:8]}" if source_name else image_id


def _portable(part: str) -> str:
    text = _FORBIDDEN.sub("_", part).rstrip(" .")
    return f"_{text}" if not text or _RESERVED.fullmatch(text) else text

"""The stamps of a record's files where nothing is odd, in a third of the time: thousands of records are asked for them.

The rule of this room: whatever is not just a file in a folder of the record gives no answer. Then a `ZarrImageRecord` is
asked, which says what is wrong. An answer is the same text as that of `ZarrImageRecord.file_stamp`.
"""

import os
import stat
from collections.abc import Sequence
from functools import lru_cache

from kymflow_zarr import layout

_HISTORY = layout.RECORD_HISTORY
_OF_FOLDERS = (layout.MASKS_KEY, layout.PIXEL_VALUES_KEY)
_number = lru_cache(maxsize=1024)(layout.revision_number)


class QuickStamps:
    """The stamps of one record's files; each file is looked at once.

    Parameters
    ----------
    folder
        The record's folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._history = f"{folder}/{_HISTORY}"
        self._stamps: dict[str, str | None] = {}
        self._newest: int | None = None
        self._sound: dict[str, bool] = {}

    def file_stamp(self, keys: Sequence[str]) -> str | None:
        """Return the same as `ZarrImageRecord.file_stamp`; None where only that can tell."""
        if not self._is_folder("") or not self._is_folder(layout.RECORD_ANALYSIS):
            return None
        if any("/" in key for key in keys):
            return None
        if layout.PIXELS_KEY in keys:
            own = self.stamp(layout.RECORD_PIXELS_DOCUMENT)
            others = self.file_stamp([key for key in keys if key != layout.PIXELS_KEY])
            return None if own is None or others is None else f"{own} {others}"
        stamps = ["" if key in _OF_FOLDERS else self.stamp(f"{layout.RECORD_ANALYSIS}/{key}") for key in keys]
        if layout.METADATA_KEY in keys:
            newest = self.newest_revision()
            stamps.append(None if newest is None else str(newest))
        if layout.MASKS_KEY in keys:
            arrays = self._tree(layout.RECORD_ARRAYS)
            stamps += arrays if len(arrays) > 1 or None in arrays else []  # one is the document of the folder itself
        if layout.PIXEL_VALUES_KEY in keys:
            stamps += self._tree(layout.RECORD_DATA)
        return None if None in stamps else " ".join(one for one in stamps if one is not None)

    def newest_revision(self) -> int | None:
        """Return the number of the newest revision of the metadata, whole or not, -1 for none; None as `file_stamp`."""
        if self._newest is None and self._is_folder(_HISTORY):
            try:
                names = os.listdir(self._history)
            except FileNotFoundError:
                names = []
            except OSError:
                return None
            self._newest = max((number for number in map(_number, names) if number is not None), default=-1)
        return self._newest

    def stamp(self, key: str) -> str | None:
        """Return the stamp of a file, in the record or a folder in it; empty where there is none; None as `file_stamp`."""
        if key not in self._stamps:
            self._stamps[key] = self._look(key) if self._is_folder(key.rpartition("/")[0]) else None
        return self._stamps[key]

    def _tree(self, top: str) -> list[str | None]:
        """Return the key, from a folder, and the stamp of each file below it, sorted by key; [None] as `file_stamp`."""
        keys = _walk(f"{self._folder}/{top}", "") if self._is_folder(top) else None
        if keys is None:
            return [None]
        stamps = [(key, self._look(f"{top}/{key}")) for key in sorted(keys)]
        return [None if stamp is None else f"{key} {stamp}" for key, stamp in stamps]

    def _look(self, key: str) -> str | None:
        try:
            status = os.lstat(f"{self._folder}/{key}")
        except FileNotFoundError:
            return ""
        except OSError:
            return None
        if stat.S_ISLNK(status.st_mode):
            return None
        return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"

    def _is_folder(self, key: str) -> bool:
        """Return whether there is a folder, and no link to one; or nothing, but where the record itself should be."""
        if key not in self._sound:
            try:
                self._sound[key] = stat.S_ISDIR(os.lstat(f"{self._folder}/{key}" if key else self._folder).st_mode)
            except FileNotFoundError:
                self._sound[key] = bool(key)
            except OSError:
                self._sound[key] = False
        return self._sound[key]


def _walk(path: str, below: str) -> list[str] | None:
    """Return the keys of all files below a folder that are not hidden; None where there is a link."""
    try:
        with os.scandir(path) as listed:
            entries = list(listed)
    except FileNotFoundError:
        return []
    except OSError:
        return None
    keys: list[str] = []
    for entry in entries:
        if entry.is_symlink():
            return None
        if entry.is_dir(follow_symlinks=False):
            inner = _walk(entry.path, f"{below}{entry.name}/")
            if inner is None:
                return None
            keys += inner
        elif entry.name[0] != ".":
            keys.append(f"{below}{entry.name}")
    return keys

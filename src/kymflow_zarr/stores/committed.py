"""A JSON object next to an image file whose saves are commits: of two programs that save at once none loses anything.

The rule of this room: the exclusive create of `.kymflow/<digest of the file's name>.<n+1>.json` is the commit; it holds the
whole new object, and then the file itself becomes another name of it. The first save is the exclusive create of the file.
Each object says which number it is, and by an id of which file: what was left of another file of that name is not believed.
"""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from kymflow_zarr import layout
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError, KymflowZarrError
from kymflow_zarr.formats.seals import artifact_from_bytes, artifact_to_bytes
from kymflow_zarr.formats.strict_json import MAX_BYTES, JsonObject, JsonValue

REVISION = "revision"
FILE_ID = "file_id"
RECENT = "recent"
"""The ids of the last commits, the newest last: so whoever was slow to look again sees whether others built upon his."""
_MOST_RECENT = 64
_NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The newest object, where there is one, and what the next commit must say; by default that of a first save."""

    value: JsonValue = None
    is_there: bool = False
    next_number: int = 1
    file_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    recent: tuple[str, ...] = ()


class CommittedFile:
    """One JSON file and its commits.

    Parameters
    ----------
    blobs
        The folder that it lies in.
    key
        Its name.
    """

    def __init__(self, blobs: Blobs, key: str) -> None:
        self._blobs = blobs
        self.key = key
        # In whatever case somebody spells the name; and a digest is never too long for a disk.
        self._digest = hashlib.sha256(key.casefold().encode(errors="surrogateescape")).hexdigest()[:32]

    def newest(self) -> Committed:
        """Return the newest object.

        Raises
        ------
        DamagedError
            When the file cannot be read, or is not what was saved.
        """
        numbers = self._numbers()  # before the file is read, so that no commit in between is skipped
        while True:
            try:
                value = self._read(self.key)
            except _NO_FILE:
                return Committed()
            held, file_id = _number_and_id(value)
            last = max(numbers, default=held)
            if last > held:  # not published yet, or an older one was put over it; or forgotten since the list was made
                found, newer = next(self._sound(numbers, file_id), (held, value))
                again = self._numbers()
                if max(again, default=held) > last:
                    numbers = again
                    continue
                if found > held:
                    value, (held, file_id) = newer, _number_and_id(newer)
            number = max(last, held) + 1
            return Committed(
                value=value,
                is_there=True,
                next_number=number,
                file_id=file_id or uuid.uuid4().hex,
                recent=_recent(value),
            )

    def commit(self, value: JsonObject, upon: Committed) -> bool:
        """Write an object as the next commit upon what was read; return False where another program has saved since.

        Raises
        ------
        InvalidValueError
            When the object is not strict JSON.
        DamagedError
            When there is no higher number.
        """
        number = upon.next_number
        if number > layout.LAST_NUMBER:
            raise DamagedError(
                f"not saved: {self._blobs.describe(self.key)} has the highest number that there can be, which no save "
                "comes to; move it, and the folder .kymflow next to it, away"
            )
        me = uuid.uuid4().hex[:8]
        recent: list[JsonValue] = [*upon.recent[1 - _MOST_RECENT :], me]
        data = artifact_to_bytes({**value, REVISION: number, FILE_ID: upon.file_id, RECENT: recent}, what=self.key)
        own = self._commit_key(number) if upon.is_there else self.key
        try:
            self._blobs.create(own, data)
        except FileExistsError:
            return False
        if not upon.is_there:
            return True
        if not self._holds(me, upon.file_id):
            self._blobs.forget(own)
            return False
        # Where the rest fails the save is done all the same: every reader looks at the commits too.
        with suppress(KymflowZarrError, OSError):
            self._publish(upon.file_id)
        return True

    def _commit_key(self, number: int) -> str:
        return layout.beside_commit_key(self._digest, number)

    def _numbers(self) -> list[int]:
        found = map(layout.beside_commit_name, self._blobs.names(layout.COMMITS_BESIDE))
        return sorted(one[1] for one in found if one and one[0] == self._digest)

    def _read(self, key: str) -> JsonValue:
        return artifact_from_bytes(self._blobs.read(key, limit=MAX_BYTES), what=self._blobs.describe(key))

    def _sound(self, numbers: list[int], file_id: str) -> Iterator[tuple[int, JsonValue]]:
        """Yield the commits that are whole and of this file, the newest first; files of earlier versions have no id."""
        for number in reversed(numbers):
            try:
                value = self._read(self._commit_key(number))
            except (*_NO_FILE, DamagedError):
                continue
            said, of_file = _number_and_id(value)
            if said == number and file_id in ("", of_file):
                yield number, value

    def _holds(self, commit_id: str, file_id: str) -> bool:
        """Return whether a commit that was just written is the newest one, or others were made upon it.

        Else its number had been taken before and was forgotten since, or the file is another one: the newest commit is
        never forgotten, an older one once a newer one was published. Where others saved more often since than ids are kept,
        nobody knows, and it counts as not done.
        """
        try:
            newest = self.newest()
        except DamagedError:
            return False
        return newest.file_id == file_id and commit_id in newest.recent

    def _publish(self, file_id: str) -> None:
        """Let the file be the newest commit, also where another program commits too; forget older ones."""
        published = -1
        while (newest := next(self._sound(self._numbers(), file_id), None)) is not None and newest[0] > published:
            published = newest[0]
            self._blobs.duplicate(self._commit_key(published), self.key)
        for number in self._numbers():
            if number < published:
                self._blobs.forget(self._commit_key(number))


def _number_and_id(value: JsonValue) -> tuple[int, str]:
    """Return which number an object says that it is, -1 where it says none, and of which file."""
    if not isinstance(value, dict):
        return -1, ""
    number, file_id = value.get(REVISION), value.get(FILE_ID)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= layout.LAST_NUMBER:
        number = -1
    return number, file_id if isinstance(file_id, str) else ""


def _recent(value: JsonValue) -> tuple[str, ...]:
    found = value.get(RECENT) if isinstance(value, dict) else None
    return tuple(str(one) for one in found) if isinstance(found, list) else ()

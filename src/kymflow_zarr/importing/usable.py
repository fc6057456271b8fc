"""Which of the files that were found can be imported: each once, also where links lead to it, and with a path in UTF-8."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kymflow_zarr.errors import SourceError
from kymflow_zarr.reports import FailedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableFiles:
    """The files, in the order in which they were found; links to others of them; and why some cannot be imported."""

    files: tuple[Path, ...]
    links: tuple[Path, ...]
    failed: tuple[FailedFile, ...]


def usable_files(files: Sequence[Path]) -> UsableFiles:
    """Return which files can be imported: of a file and links to it, the file itself."""
    by_place: dict[Path, Path] = {}
    links, failed = list[Path](), list[FailedFile]()
    for path in sorted(dict.fromkeys(files), key=_is_link):
        try:
            place = path.resolve()
            _check_is_text(place)
        except SourceError as error:
            failed.append(FailedFile(path=path, reason=str(error)))
        except OSError as error:
            failed.append(FailedFile.unreadable(path, error))
        except RuntimeError:  # links that lead in a circle, before Python 3.13
            failed.append(FailedFile(path=path, reason=f"{path} is a link that leads to no file; remove it"))
        else:
            if by_place.setdefault(place, path) != path:
                links.append(path)
    kept = set(by_place.values())
    return UsableFiles(files=tuple(path for path in files if path in kept), links=tuple(links), failed=tuple(failed))


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # reported where the file is read
        return False


def _check_is_text(place: Path) -> None:
    """Raise `SourceError` for a path with bytes that are no text: no table and no JSON can hold it."""
    try:
        str(place).encode()
    except UnicodeEncodeError as error:
        shown = str(place).encode(errors="backslashreplace").decode()
        raise SourceError(f"its path is not UTF-8 ({shown}); rename the file, or its folder, to import it") from error

"""Where a file that was chosen in a dialog goes, and as what it is saved. An ending that was typed counts first."""

from collections.abc import Iterable
from pathlib import Path

from napari.utils.notifications import show_error, show_info

_SPREADSHEETS = (".xlsx", ".xls", ".ods")


def chosen_file(chosen: str, kind: str, kinds: Iterable[str]) -> tuple[Path, str] | None:
    """Return the file and its kind; None where no file was chosen, or it is there already and was not named whole.

    Parameters
    ----------
    chosen, kind
        What the dialog returned: a path, empty for none, and one of the `kinds`.
    kinds
        What the dialog offered, such as "PNG (*.png)".
    """
    if not chosen:
        return None
    path = Path(chosen)
    typed = [one for one in kinds if ending_of(one) == path.suffix.lower()]
    if kind in typed:
        return path, kind
    if typed:
        return path, typed[0]
    path = path.with_name(path.name + ending_of(kind))
    if path.exists():
        show_error(f"There is a {path.name} already; to replace it, choose it by its whole name.")
        return None
    if Path(chosen).suffix.lower() in _SPREADSHEETS and ending_of(kind) == ".csv":
        show_info(f"Excel files are not written. {path.name} is CSV: Excel and LibreOffice open it.")
    return path, kind


def ending_of(kind: str) -> str:
    """Return the ending of a kind's files, such as ".png"."""
    return kind.rpartition("*")[2].rstrip(")")

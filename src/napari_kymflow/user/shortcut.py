"""A start without a terminal: an entry of the desktop that opens napari with our docks. No Qt.

The rule of this room: an entry names the Python that it was made by, so it works without an active environment, and is made
again after the environment moved. A file that we did not write is never replaced.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "Kymflow"
_MARK = "made by napari-kymflow install-shortcut"
_COMMENT = "Kymographs of blood flow in napari"
_SPECIAL = str.maketrans({one: f"\\{one}" for one in '\\"`$'})


def install_shortcut(
    *,
    system: str | None = None,
    python: Path | None = None,
    home: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Path:
    """Write the entry for a system, and return where it is.

    Parameters
    ----------
    system
        As `sys.platform` says it; by default this one.
    python
        The Python that has the program; by default the one that runs.
    home
        The user's folder.
    environment
        What the system tells the program; by default `os.environ`.

    Raises
    ------
    FileExistsError
        When there is a file of that name that this function did not write.
    FileNotFoundError
        When there is no folder of the desktop, on Windows and macOS.
    OSError
        When the disk refuses.
    """
    python, home, system = python or Path(sys.executable), home or Path.home(), system or sys.platform
    if system == "win32":
        path, text = _desktop(home) / f"{NAME}.cmd", windows_script(python)
    elif system == "darwin":
        path, text = _desktop(home) / f"{NAME}.command", mac_script(python)
    else:
        data = (os.environ if environment is None else environment).get("XDG_DATA_HOME", "")
        # The specification: what is no absolute path does not count.
        folder = Path(data) if Path(data).is_absolute() else home / ".local" / "share"
        path, text = folder / "applications" / "napari-kymflow.desktop", desktop_entry(python)
    _write(path, text)
    if system == "darwin":
        path.chmod(0o755)
    return path


def desktop_entry(python: Path) -> str:
    """Return the entry of a Linux desktop, as the Desktop Entry Specification 1.5 wants it."""
    # In an entry, a backslash stands for itself only where it is doubled, also within quotes.
    words = (f'"{word.translate(_SPECIAL)}"'.replace("\\", "\\\\").replace("%", "%%") for word in _command(python))
    icon = Path(__file__).parents[1] / "icon.png"
    return "\n".join(
        [
            "[Desktop Entry]",
            f"# {_MARK}",
            "Type=Application",
            "Version=1.5",
            f"Name={NAME}",
            f"Comment={_COMMENT}",
            f"Exec={' '.join(words)} %f",
            f"Icon={icon}",
            "Terminal=false",
            "Categories=Science;Education;",
            "",
        ]
    )


def mac_script(python: Path) -> str:
    """Return the script that a double click on macOS runs, in a window of its Terminal."""
    return f"#!/bin/sh\n# {_MARK}\nexec {shlex.join(_command(python))}\n"


def windows_script(python: Path) -> str:
    """Return the script that a double click on Windows runs; the window of the command line closes at once."""
    # The Python without a window of its own, which lies next to the other one.
    command = _command(python.with_name("pythonw.exe"))
    words = " ".join(f'"{word}"'.replace("%", "%%") for word in command)
    lines = ["@echo off", f"rem {_MARK}", "chcp 65001 >nul", f'start "" {words} %*', ""]
    return "\r\n".join(lines)


def _command(python: Path) -> Sequence[str]:
    return [str(python), "-m", "napari_kymflow", "open"]


def _desktop(home: Path) -> Path:
    places = [home / "Desktop", home / "OneDrive" / "Desktop"]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise FileNotFoundError(f"there is no folder {places[0]} to put the shortcut into: make it, and try again")
    return found


def _write(path: Path, text: str) -> None:
    if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise FileExistsError(f"there is a file {path} that this program did not write: move it away, and try again")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")

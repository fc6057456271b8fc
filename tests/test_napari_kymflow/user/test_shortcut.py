"""The entries of the desktop: where they are, what they start, and that nothing else is replaced."""

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from napari_kymflow.user.shortcut import desktop_entry, install_shortcut, mac_script, windows_script

PYTHON = Path("/opt/my env/bin/python")
ODD = 'odd "$name" \\ 100% `x`'


def made(tmp_path, system="linux", **environment):
    return install_shortcut(system=system, python=PYTHON, home=tmp_path, environment=environment)


def test_on_linux_it_is_an_application_of_the_user(tmp_path):
    assert made(tmp_path) == tmp_path / ".local/share/applications/napari-kymflow.desktop"


def test_on_linux_the_users_data_folder_counts_where_it_is_absolute(tmp_path):
    assert made(tmp_path, XDG_DATA_HOME=str(tmp_path / "data")) == tmp_path / "data/applications/napari-kymflow.desktop"
    assert made(tmp_path, XDG_DATA_HOME="data").is_relative_to(tmp_path / ".local")


def test_the_entry_starts_the_python_that_made_it(tmp_path):
    lines = dict(line.split("=", 1) for line in made(tmp_path).read_text().splitlines() if "=" in line)
    assert lines["Exec"] == '"/opt/my env/bin/python" "-m" "napari_kymflow" "open" %f'
    assert (lines["Type"], lines["Name"], lines["Terminal"]) == ("Application", "Kymflow", "false")
    assert Path(lines["Icon"]).is_file()


def test_special_characters_are_escaped_as_the_specification_says():
    exec_line = next(line for line in desktop_entry(Path("/a") / ODD).splitlines() if line.startswith("Exec="))
    assert exec_line.startswith(r'Exec="/a/odd \\"\\$name\\" \\\\ 100%% \\`x\\`" ')


@pytest.mark.trials
@pytest.mark.skipif(shutil.which("gio") is None, reason="needs GLib's gio, which starts entries as a desktop does")
@pytest.mark.parametrize("name", ["python", "my python", ODD.replace("%", "")])  # GLib looks for a file with %% in its name
def test_a_desktop_starts_it(tmp_path, name):
    started, part, python = tmp_path / "started", tmp_path / "part", tmp_path / name
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{part}" && mv "{part}" "{started}"\n')
    python.chmod(0o755)
    entry = install_shortcut(system="linux", python=python, home=tmp_path, environment={})
    subprocess.run(["gio", "launch", str(entry), str(tmp_path)], check=True, env={**os.environ, "HOME": str(tmp_path)})
    end = time.monotonic() + 60
    while not started.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert started.read_text().splitlines() == ["-m", "napari_kymflow", "open", str(tmp_path)]


def test_on_macos_it_is_a_script_that_may_be_run(tmp_path):
    (tmp_path / "Desktop").mkdir()
    path = made(tmp_path, "darwin")
    assert path == tmp_path / "Desktop/Kymflow.command"
    assert path.stat().st_mode & stat.S_IXUSR
    assert mac_script(PYTHON).endswith("exec '/opt/my env/bin/python' -m napari_kymflow open\n")


@pytest.mark.parametrize("desktop", ["Desktop", "OneDrive/Desktop"])
def test_on_windows_it_is_a_script_on_the_desktop(tmp_path, desktop):
    (tmp_path / desktop).mkdir(parents=True)
    assert made(tmp_path, "win32") == tmp_path / desktop / "Kymflow.cmd"


def test_on_windows_no_window_of_the_command_line_stays():
    lines = windows_script(Path("C:/100% mine/python.exe")).split("\r\n")
    assert lines[-2].replace("\\", "/") == 'start "" "C:/100%% mine/pythonw.exe" "-m" "napari_kymflow" "open" %*'


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_without_a_desktop_it_says_so(tmp_path, system):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*Desktop to put the shortcut into: make it"):
        made(tmp_path, system)


def test_it_is_made_again_after_the_environment_moved(tmp_path):
    made(tmp_path)
    path = install_shortcut(system="linux", python=Path("/new/python"), home=tmp_path, environment={})
    assert '"/new/python"' in path.read_text()


def test_a_file_of_somebody_else_stays(tmp_path):
    path = made(tmp_path)
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"that this program did not write: move it away"):
        made(tmp_path)
    assert path.read_text() == "mine"

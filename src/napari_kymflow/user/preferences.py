"""What the user prefers, kept by napari with its own settings (menu *Preferences*, page *Kymflow*)."""

from typing import Any

from napari.settings import get_plugin_settings

_PLUGIN = "napari-kymflow"


def autosaves() -> bool:
    """Return whether ROI edits are saved by themselves."""
    return bool(_rois().autosave)


def autosave_preferred() -> Any:
    """Return napari's event of another preference of `autosaves`, wherever it was entered."""
    return _rois().events.autosave


def set_autosaves(*, value: bool) -> None:
    """Prefer that ROI edits are saved by themselves, or that they are not."""
    _rois().autosave = value


def autorefreshes() -> bool:
    """Return whether the tables follow by themselves after ROIs were saved."""
    return bool(_tables().autorefresh)


def record_keys() -> tuple[str, str]:
    """Return the keys that open the previous and the next record of the list, such as "Alt+Up"; empty for none."""
    return str(_tables().previous_record_key), str(_tables().next_record_key)


def _rois() -> Any:
    return get_plugin_settings(_PLUGIN).rois


def _tables() -> Any:
    return get_plugin_settings(_PLUGIN).tables

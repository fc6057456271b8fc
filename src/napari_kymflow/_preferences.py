"""What the user prefers, kept by napari with its own settings (menu *Preferences*, page *Kymflow*)."""

from typing import Any

from napari.settings import get_plugin_settings

_PLUGIN = "napari-kymflow"


def autosaves() -> bool:
    """Return whether ROI edits are saved by themselves."""
    return bool(_rois().autosave)


def set_autosaves(*, value: bool) -> None:
    """Prefer that ROI edits are saved by themselves, or that they are not."""
    _rois().autosave = value


def _rois() -> Any:
    return get_plugin_settings(_PLUGIN).rois

"""Opens dropped datasets: sniffs fast, hands back a reader, never raises.

The rule of this room: what a folder is, its attributes say, never its name. A folder that is not ours is declined with one
small file read; a dataset of ours that is broken gives one message. Of a dataset of the older program, a copy is offered.
Of a folder of TIFFs, for which napari asks which reader to use anyway, an import is offered. A single TIFF is never ours:
napari would ask before each TIFF of every user.
Nothing heavy is imported until something is ours.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from napari_kymflow.session.session import KymSession

Layers: TypeAlias = list[tuple[Any, ...]]
Reader: TypeAlias = Callable[[str | Sequence[str]], Layers]

_MOST_BYTES = 1 << 20
_MOST_LISTED = 5000
_TIFF = (".tif", ".tiff")
_FORMATS = ("kymflow_zarr", "kymflow_zarr_v1")
NOTHING: Layers = [(None,)]
"""What a napari reader returns that opened something, but has no layer to add."""


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for a kymflow dataset, or one record of it, given as its folder or its `zarr.json`; else None.

    Of a folder of TIFFs, where there is a window, it returns what offers to make a dataset of it.
    """
    if not isinstance(path, str):
        return None
    if locate(path) is not None:
        return read
    return offer_import if _has_window() and _has_tiffs(Path(path)) else None


def locate(path: str) -> tuple[Path, str | None] | None:
    """Return the dataset's folder and the record's id that a path means, or None where it is none of ours."""
    if ":/" in path and not Path(path).exists():
        return _locate_at(path)
    folder = Path(path).resolve()
    if folder.name == "zarr.json":
        folder = folder.parent
    if _is_dataset(folder):
        return folder, None
    if folder.parent.name == "images" and _is_dataset(folder.parent.parent):
        return folder.parent.parent, folder.name
    return None


def read(path: str | Sequence[str]) -> Layers:
    """Open a dataset: its first record, or the one that was dropped, as layers, and the docks where there is a window."""
    import napari
    from napari.components import ViewerModel
    from napari.utils.notifications import show_error

    from kymflow_zarr.errors import OlderDatasetError
    from napari_kymflow.errors import OUR_ERRORS
    from napari_kymflow.session.session import session_of

    located = locate(path) if isinstance(path, str) else None
    if located is None:
        return NOTHING
    dataset_path, image_id = located
    viewer = napari.current_viewer()
    # Without a window, as in scripts, the layers alone are returned.
    host = viewer if viewer is not None else ViewerModel()
    session = session_of(host)
    try:
        if not session.open_dataset(dataset_path):
            return NOTHING
    except OlderDatasetError as error:
        if viewer is None:
            show_error(str(error))
        else:
            from napari_kymflow.widgets.docks import offer_copy

            offer_copy(viewer, dataset_path)
        return NOTHING
    except OUR_ERRORS as error:
        show_error(str(error))
        return NOTHING
    if viewer is not None:
        from napari_kymflow.widgets.docks import open_docks

        open_docks(viewer)
    return _layers(session, image_id)


def offer_import(path: str | Sequence[str]) -> Layers:
    """Open the docks, and offer to make a dataset of a folder of TIFFs."""
    import napari

    viewer = napari.current_viewer()
    if viewer is not None and isinstance(path, str):
        from napari_kymflow.widgets.docks import do_when_idle, open_dataset_dock, open_docks

        open_docks(viewer)
        dock = open_dataset_dock(viewer)
        do_when_idle(dock, lambda: dock.exchange.offer([Path(path).resolve()]))
    return NOTHING


def _has_window() -> bool:
    napari = sys.modules.get("napari")
    return napari is not None and napari.current_viewer() is not None


def _has_tiffs(folder: Path) -> bool:
    """Return whether one of the first entries below a folder is a TIFF."""
    names = itertools.islice(((parent, name) for parent, _, names in os.walk(folder) for name in names), _MOST_LISTED)
    return any(name.lower().endswith(_TIFF) and not name.startswith(".") for _, name in names)


def _layers(session: "KymSession", image_id: str | None) -> Layers:
    """Return the layers of one record, or of the first that can be read; say how many cannot, in one message."""
    from napari.utils.notifications import show_error, show_info, show_warning

    from kymflow_zarr.errors import RemoteError
    from napari_kymflow.errors import OUR_ERRORS

    if image_id is not None:
        try:
            return _layers_of(session, image_id)
        except OUR_ERRORS as error:
            show_error(str(error))
            if session.record is None:
                session.close_record()
            return NOTHING
    if not session.image_ids:
        show_info("The dataset has no image yet. Drop a folder of TIFFs onto the canvas, or click Import TIFFs….")
    reasons = []
    layers = None
    for candidate in session.image_ids:
        try:
            layers = _layers_of(session, candidate)
        except RemoteError as error:  # says nothing of the record, and the next one would wait as long
            show_error(str(error))
            session.close_record()
            return NOTHING
        except OUR_ERRORS as error:
            reasons.append(str(error))
            continue
        break
    if layers is None:
        session.close_record()
    if reasons:
        say = show_warning if layers is not None else show_error
        count = f"{len(reasons)} of {len(session.image_ids)} records {'is' if len(reasons) == 1 else 'are'} damaged"
        # It tries records until one opens.
        say(
            f"{count if layers is None else f'At least {count}'}: {reasons[0]}. "
            f"To see all that is wrong: napari-kymflow verify {session.path}"
        )
    return layers or NOTHING


def _layers_of(session: "KymSession", image_id: str) -> Layers:
    """Return the layers of a record for napari to add; none where it is shown by those that are there already."""
    if session.opens_elsewhere(image_id):
        return NOTHING
    if not session.has_layers:
        return session.layers_of(image_id)
    session.open_record(image_id)
    return NOTHING


def _locate_at(path: str) -> tuple[Path, str | None] | None:
    """As `locate`, of an address; None also where it cannot be read: it may be another program's."""
    from kymflow_zarr import ZarrDataset
    from kymflow_zarr.disk.local_path import address_of
    from kymflow_zarr.errors import KymflowZarrError

    dataset, _, image_id = (address_of(path) or "").removesuffix("/zarr.json").partition("/images/")
    try:
        if not dataset or not ZarrDataset(dataset, mode="r").is_remote:
            return None
    except KymflowZarrError:
        return None
    return Path(dataset), image_id or None


def _is_dataset(folder: Path) -> bool:
    for name, keys in (("zarr.json", ("attributes", "kymflow", "format")), (".zattrs", ("format",))):
        try:
            with (folder / name).open("rb") as file:
                value: Any = json.loads(file.read(_MOST_BYTES))
        except OSError:
            continue
        except ValueError:
            break
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value in _FORMATS
    # Nothing that can be read: it is ours if it has our rooms, and opening it will say what is broken.
    return all((folder / room).is_dir() for room in ("images", "tables", "index"))

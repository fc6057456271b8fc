"""Where something new goes on the user's disk: a free name, and what is wrong with a place. No Qt."""

import os
from pathlib import Path

ZARR = ".zarr"


def free_place(wanted: Path) -> Path:
    """Return a path at which there is nothing, as near to the wanted one as may be."""
    ending = ZARR if wanted.name.endswith(ZARR) else ""
    start = wanted.name.removesuffix(ending)
    place, number = wanted, 2
    while place.exists():
        place, number = wanted.with_name(f"{start} {number}{ending}"), number + 1
    return place


def copy_place(original: Path) -> Path:
    """Return where a copy of a dataset can go: next to it, or in the user's own folder where that cannot be written to."""
    folder = original.parent if os.access(original.parent, os.W_OK) else Path.home()
    return free_place(folder / f"{original.name.removesuffix(ZARR)} copy{ZARR}")


def dataset_place(files: Path) -> Path:
    """Return where a dataset of a folder of TIFFs, or of one TIFF, can go: next to it, else in the user's own folder."""
    folder = files.parent if os.access(files.parent, os.W_OK) else Path.home()
    return free_place(folder / f"{files.name if files.is_dir() else files.stem}{ZARR}")


def copy_problem(original: Path, place: str) -> str:
    """Return why a copy of a dataset cannot go to a place that somebody typed; empty where it can."""
    problem = place_problem(place, what="copy", such_as=copy_place(original))
    if not problem and original.resolve() in Path(place.strip()).resolve().parents:
        return "The copy cannot be inside the original; choose another folder."
    return problem


def place_problem(place: str, *, what: str, such_as: Path) -> str:
    """Return why something new, called `what`, cannot go to a place that somebody typed; empty where it can."""
    new = Path(place.strip())
    if not new.name or not new.is_absolute():
        return f"Give the whole path of the {what}, such as {such_as}"
    try:
        if new.exists():
            return f"There is something named {new.name} in this folder already; choose another name."
        if not new.parent.is_dir():
            return f"There is no folder {new.parent}; choose one that is there."
    except OSError as error:  # a name that no disk can have
        return f"The {what} cannot have this name ({error.strerror or error}); choose another."
    return "" if os.access(new.parent, os.W_OK) else f"{new.parent} cannot be written to; choose another folder."

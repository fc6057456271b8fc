"""Where the page of the documentation on a dock is: on the site, where one is public, else on this computer. No Qt."""

from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

START = "index.md"
PAGES: Mapping[str, str] = {
    "Kymograph dataset": "guides/look.md",
    "Kymograph ROIs": "annotate.md",
    "Kymograph flow": "flow_dock.md",
    "Kymograph review": "review.md",
    "Kymograph plots": "plots.md",
}
"""The page on each dock, by the dock's name."""

_PACKAGE = "napari-kymflow"
_LABEL = "Documentation, "
_INSTALLED = ("share", "doc", _PACKAGE)
"""Where the wheel puts the documentation, below the environment's folder."""


def find_page(dock: str | None) -> str | Path:
    """Return the page on a dock, by its name: an address on the web, or a file; the first page for another dock.

    Raises
    ------
    FileNotFoundError
        When the documentation is neither public nor installed.
    """
    page = PAGES.get(dock or "", START)
    urls = distribution(_PACKAGE).metadata.get_all("Project-URL") or []
    address = next((url.removeprefix(_LABEL) for url in urls if url.startswith(_LABEL)), "")
    return address_of(page, address) if address else _file_of(page, installed_folders())


def address_of(page: str, documentation: str) -> str:
    """Return the address of a page.

    Parameters
    ----------
    page
        The page, such as "guides/look.md".
    documentation
        The address of the documentation: a site, or its first page among the files of a repository.
    """
    if documentation.endswith(START):
        return f"{documentation.removesuffix(START)}{page}"
    return f"{documentation.rstrip('/')}/{page.removesuffix('.md').removesuffix('index')}".rstrip("/") + "/"


def installed_folders() -> Sequence[Path]:
    """Return the folders that may have the documentation: that of the source, and that of the installed wheel."""
    source = Path(__file__).parents[3] / "docs"
    files = distribution(_PACKAGE).files or []
    installed = [file for file in files if file.name == START and file.parts[-4:-1] == _INSTALLED]
    return [source, *(Path(str(file.locate())).resolve().parent for file in installed)]


def _file_of(page: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        if (folder / page).is_file():
            return folder / page
    raise FileNotFoundError(
        f"the page {page} is not installed: install napari-kymflow from a wheel, or read docs/{page} in its source"
    )

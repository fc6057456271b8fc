"""Where the page on a dock is."""

from types import SimpleNamespace

import pytest

from napari_kymflow.user import help_pages
from napari_kymflow.user.help_pages import PAGES, address_of, find_page
from napari_kymflow.widgets.window.layout import DOCKS


@pytest.mark.parametrize(
    ("documentation", "page", "address"),
    [
        ("https://example.org/kymflow", "guides/look.md", "https://example.org/kymflow/guides/look/"),
        ("https://example.org/kymflow/", "index.md", "https://example.org/kymflow/"),
        ("https://example.org/x/blob/HEAD/docs/index.md", "review.md", "https://example.org/x/blob/HEAD/docs/review.md"),
    ],
)
def test_the_address_of_a_page(documentation, page, address):
    assert address_of(page, documentation) == address


@pytest.mark.parametrize("dock", [*PAGES, None])
def test_each_dock_has_a_page_that_is_there(dock):
    assert find_page(dock).is_file()


def test_no_dock_is_forgotten():
    assert set(DOCKS) <= set(PAGES)


def test_a_public_address_comes_first(monkeypatch):
    urls = ["Source, https://example.org/x", "Documentation, https://example.org/docs"]
    metadata = SimpleNamespace(get_all=lambda name: urls)
    monkeypatch.setattr(help_pages, "distribution", lambda name: SimpleNamespace(metadata=metadata, files=[]))
    assert find_page("Kymograph review") == "https://example.org/docs/review/"


def test_where_there_is_none_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(help_pages, "installed_folders", list)
    with pytest.raises(FileNotFoundError, match=r"review\.md is not installed: install .* from a wheel"):
        find_page("Kymograph review")


def test_the_installed_wheel_has_the_pages_where_its_list_of_files_says(monkeypatch, tmp_path):
    class File(SimpleNamespace):
        name = "index.md"
        parts = ("..", "..", "..", "share", "doc", "napari-kymflow", "index.md")

        def locate(self):
            return tmp_path / "index.md"

    monkeypatch.setattr(help_pages, "distribution", lambda name: SimpleNamespace(files=[File()]))
    assert help_pages.installed_folders()[1] == tmp_path.resolve()

"""What of the package's metadata is known when it is built: a README whose links work on the package index, and addresses.

The rule of this room: the public address stands once, in `pyproject.toml` under `[tool.hatch.metadata.hooks.custom]`.
While it is empty, nothing is invented: a link of the README to a file becomes its text, and a picture is left out.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>(?!https?://|#|mailto:)[^)]+)\)")
_FILES, _PICTURES = "/blob/HEAD/", "/raw/HEAD/"
"""Where GitHub shows the files of a repository, and their bytes."""


class ReadmeHook(MetadataHookInterface):
    """Puts the README and the addresses into the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` and `urls`."""
        address = str(self.config.get("address", "")).rstrip("/")
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(text, address)}
        if address:
            metadata["urls"] = {
                "Source": address,
                "Issues": f"{address}/issues",
                "Changelog": f"{address}{_FILES}CHANGELOG.md",
                "Documentation": str(self.config.get("documentation", "")) or f"{address}{_FILES}docs/index.md",
            }


def with_absolute_links(text: str, address: str) -> str:
    """Return a Markdown text whose links to files of the project lead to an address; without one, to nothing.

    Parameters
    ----------
    text
        The text, with links that are relative to the project's folder.
    address
        Of the repository, such as "https://example.org/laboratory/project"; or empty.
    """

    def absolute(found: re.Match[str]) -> str:
        if not address:
            return "" if found["picture"] else found["text"]
        where = _PICTURES if found["picture"] else _FILES
        return f"{found['picture']}[{found['text']}]({address}{where}{found['target']})"

    return _LINK.sub(absolute, text)

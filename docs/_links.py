"""A hook of mkdocs: links of a page to files of the project that are not on the site become their text.

In the repository such a link, as that to the README, leads somewhere; the site has the pages of `docs` only.
"""

import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>\.\./[^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: object) -> str:
    """Return the text of a page as it is on the site; mkdocs calls this for each page."""
    folder, docs = Path(page.file.abs_src_path).parent, Path(config["docs_dir"]).resolve()

    def on_site(found: re.Match[str]) -> str:
        target = (folder / found["target"]).resolve()
        return found["text"] if target.exists() and not target.is_relative_to(docs) else found[0]

    return _LINK.sub(on_site, markdown)

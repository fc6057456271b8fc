"""Small JSON files that this program keeps on the user's own computer; each states its format and version.

The rule of this room: a file is written whole and flushed, and what another program or a later version wrote is not read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kymflow_zarr.disk.local_file import save_file


def load_document(path: Path, *, kind: str, version: int) -> Mapping[str, Any]:
    """Return what is in a file of a kind.

    Raises
    ------
    OSError
        When it is not there, or cannot be read.
    ValueError
        When it is damaged, or of another kind or version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(document, Mapping) or (document.get("format"), document.get("version")) != (kind, version):
        raise ValueError("it has another format or version")
    return document


def save_document(path: Path, fields: Mapping[str, object], *, kind: str, version: int) -> None:
    """Write a file of a kind, and its folder; raise `OSError` where the disk refuses, and the file stays as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(path, json.dumps({"format": kind, "version": version, **fields}, indent=1).encode())

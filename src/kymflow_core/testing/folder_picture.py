"""A folder at one moment, to see that nothing in it was changed."""

from pathlib import Path


def picture(top: Path) -> dict[str, tuple[int, bytes]]:
    """Return every path below a folder, with its modification time and bytes."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in top.rglob("*")}

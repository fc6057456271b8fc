"""One small file anywhere on a local disk, written whole and flushed: a list, a draft, a table, an export.

The rule of this room: a reader sees the old file or the new one, also after a power cut. An error leaves the old file as it
was, and nothing next to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kymflow_zarr.disk import steps
from kymflow_zarr.disk.local_path import local_path


def save_file(path: str | Path, content: bytes) -> None:
    """Replace a file, or make it, in a folder that is there; raise `OSError` where the disk refuses."""
    with saving_file(path) as temporary:
        steps.write_file(str(temporary), content, flush=False)


@contextmanager
def saving_file(path: str | Path) -> Iterator[Path]:
    """Give another name in the same folder to write to; leaving the block flushes that file and puts it in its place.

    For writers that want a name, such as Parquet's. Raises `OSError` where the disk refuses, and what the block raises.
    """
    place = local_path(path).absolute()
    with steps.temporary_file(str(place)) as temporary:
        yield Path(temporary)
        steps.flush_file(temporary)
        steps.replace(temporary, str(place))
        steps.flush_folder(str(place.parent))

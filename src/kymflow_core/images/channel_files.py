"""Several TIFFs of one scan, one a channel, as one image: `scan_C1.tif` with `scan_C2.tif`, or `…C001` with `…C002`.

The rule of this room: only on request, since a name alone does not say that two files belong together; and files that do
not fit together are not put together, but said.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kymflow_core.images.acquisition_file import read_for_import
from kymflow_core.images.metadata import RecordMetadata
from kymflow_zarr import FileContent
from kymflow_zarr.errors import SourceError
from kymflow_zarr.importing.listing import FolderListing

_CHANNEL = re.compile(r"(?P<scan>.+?)(?:[_-][Cc](?P<short>[0-9]{1,2})|[_-]?C(?P<long>[0-9]{3}))")


def group_channels(files: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return, of each scan with several files, that of its first channel with the others, in the order of their numbers."""
    scans: dict[tuple[Path, str, str], dict[int, Path]] = {}
    for path in files:
        match = _CHANNEL.fullmatch(path.stem)
        if match:
            number = int(match["short"] or match["long"])
            scans.setdefault((path.parent, match["scan"], path.suffix.lower()), {}).setdefault(number, path)
    ordered = [[channels[number] for number in sorted(channels)] for channels in scans.values()]
    return {first: others for first, *others in ordered if others}


def read_channels(paths: Sequence[Path], listing: FolderListing | None = None) -> FileContent:
    """Read the files of one scan as an image with the axes `c, y, x`, and the sidecars of the first of them.

    `listing` is of their folder, which is listed anew without.

    Raises
    ------
    SourceError
        When one cannot be read, has no lines of pixels alone, or another shape or dtype than the first.
    """
    first = read_for_import(paths[0], listing)
    others = [read_for_import(path, listing) for path in paths[1:]]
    pixels = [first.pixels, *(other.pixels for other in others)]
    for path, channel in zip(paths, pixels, strict=True):
        if channel.ndim != 2 or (channel.shape, channel.dtype) != (pixels[0].shape, pixels[0].dtype):
            raise SourceError(
                f"the channels do not fit together: {paths[0].name} has {pixels[0].dtype} pixels of the shape "
                f"{pixels[0].shape}, {path.name} has {channel.dtype} pixels of the shape {channel.shape}; import them one "
                "by one"
            )
    names = ", ".join(path.name for path in paths)
    metadata = RecordMetadata.from_json(first.metadata)
    header = replace(metadata.header, shape=(len(paths), *pixels[0].shape))
    return replace(
        first,
        pixels=np.stack(pixels),
        axes=("c", "y", "x"),
        metadata=metadata.with_header(header).to_json(),
        notes=(
            *first.notes,
            f"{len(paths)} channels in one record: {names}",
            *(note for path, other in zip(paths[1:], others, strict=True) for note in _left_out(path, other)),
        ),
    )


def _left_out(path: Path, content: FileContent) -> list[str]:
    """Say what lies beside the file of a further channel and is not in the record."""
    count = RecordMetadata.from_json(content.metadata).n_rois
    names = [*content.json_artifacts, *content.table_artifacts, *content.csv_gz_artifacts, *content.array_artifacts]
    found = [*([f"{count} ROI{'' if count == 1 else 's'}"] if count else []), *sorted([*names, *content.masks])]
    if not found:
        return []
    return [
        f"what lies beside {path.name} is not in the record: {', '.join(found)}; import without merging channels to have it"
    ]

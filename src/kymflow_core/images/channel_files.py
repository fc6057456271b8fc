"""Several TIFFs of one scan, one a channel, as one image: `scan_C1.tif` with `scan_C2.tif`, and other ways to number them.

The rule of this room: a name alone puts files together only on request; and files that do not fit together stay apart and
are reported.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kymflow_core.images.acquisition_file import read_for_import
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.ome_metadata import describe_header
from kymflow_zarr import FileContent
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.ome_xml import describe_elsewhere
from kymflow_zarr.importing.listing import FolderListing

_CHANNELS = (
    re.compile(r"(.+?[_-][Cc])([0-9]{1,2})()"),
    re.compile(r"(.+?[_-]?C)([0-9]{3})()"),
    re.compile(r"(.+?[_-][Cc]h)([0-9]{1,2})()"),  # Leica: scan_ch00
    re.compile(r"(.+?_Ch)([0-9]{1,2})(_[0-9]{6}(?:\.ome)?)"),  # Bruker: scan_Cycle00001_Ch1_000001.ome
    re.compile(r"(C)([0-9]{1,2})(-.+)"),  # ImageJ's "Split Channels": C1-scan
)
"""What stands before the number of a channel in a file's name without its ending, the number, and what stands behind."""


def group_channels(files: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return, of each scan with several files, that of its first channel with the others, in the order of their numbers."""
    scans: dict[tuple[Path, str, str, str], dict[int, Path]] = {}
    for path in files:
        match = next(filter(None, (pattern.fullmatch(path.stem) for pattern in _CHANNELS)), None)
        if match:
            before, number, behind = match.groups()
            scans.setdefault((path.parent, before, behind, path.suffix.lower()), {}).setdefault(int(number), path)
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
                "by one, each with its name as the pattern"
            )
    names = ", ".join(path.name for path in paths)
    metadata = RecordMetadata.from_json(first.metadata)
    header = replace(metadata.header, shape=(len(paths), *pixels[0].shape), channel_names=_channel_names((first, *others)))
    return replace(
        first,
        pixels=np.stack(pixels),
        axes=("c", "y", "x"),
        metadata=metadata.with_header(header).to_json(),
        ome=describe_header(header),
        elsewhere={},
        notes=(
            *_notes(paths, (first, *others)),
            f"{len(paths)} channels in one record: {names}",
            *(note for path, other in zip(paths[1:], others, strict=True) for note in _left_out(path, other)),
        ),
    )


def _channel_names(contents: Sequence[FileContent]) -> tuple[str, ...]:
    """Return the name of each channel, where every file has one; else what the first file says."""
    found = [RecordMetadata.from_json(content.metadata).header.channel_names for content in contents]
    return tuple(names[0] for names in found) if all(len(names) == 1 for names in found) else found[0]


def _notes(paths: Sequence[Path], contents: Sequence[FileContent]) -> list[str]:
    """Return what is worth knowing of several files, once; not that they are a set, where all of it is in the record."""
    there = {path.name for path in paths}
    notes: dict[str, None] = {}
    for path, content in zip(paths, contents, strict=True):
        of_set = [*describe_elsewhere(content.elsewhere)] if there.issuperset(content.elsewhere) else []
        for note in content.notes:
            if note not in of_set and note not in notes:
                notes[note if path == paths[0] else f"{path.name}: {note}"] = None
    return list(notes)


def _left_out(path: Path, content: FileContent) -> list[str]:
    """Return a note on the sidecars of a further channel's file that are not in the record."""
    count = RecordMetadata.from_json(content.metadata).n_rois
    names = [*content.json_artifacts, *content.table_artifacts, *content.csv_gz_artifacts, *content.array_artifacts]
    found = [*([counted(count, "ROI")] if count else []), *sorted([*names, *content.masks])]
    if not found:
        return []
    return [
        (
            f"these sidecars of {path.name} are not in the record: {', '.join(found)}; "
            "import without merging channels to have them"
        )
    ]

"""Runs the extraction of many images: one after another, or by any executor. Stops between images.

The rule of this room: it knows no table. Each image is looked at once for all tables. Progress is reported in the thread
that started the run. Where Ctrl-C ends it, what was done by then is handed over all the same.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import Extraction, extract
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.spread import spread

Asked: TypeAlias = tuple[str, Sequence[int]]
"""An image, and which of the indexers are asked for its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What images gave for each indexer, in their order; `is_interrupted`: Ctrl-C was pressed before the last was done."""

    of_each: list[list[Extraction]]
    is_interrupted: bool

    def stop_if_interrupted(self) -> None:
        """Go on with what Ctrl-C asks for, once what was done is saved: raise `KeyboardInterrupt`."""
        if self.is_interrupted:
            raise KeyboardInterrupt


def run_extraction(
    dataset: ZarrDataset,
    wanted: Sequence[tuple[DatasetIndexer, Sequence[str]]],
    *,
    watch: Watch,
    executor: Executor | None,
) -> Extracted:
    """Return for each indexer what its images gave; without those that were not done when the run was stopped."""
    indexers = [indexer for indexer, _ in wanted]
    asked: dict[str, list[int]] = {}
    for at, (_, image_ids) in enumerate(wanted):
        for image_id in image_ids:
            asked.setdefault(image_id, []).append(at)
    images: list[Asked] = list(asked.items())
    stream = (_extract(dataset, indexers, image) for image in images)
    if executor is not None:
        stream = spread(partial(_submit, executor, dataset.path, indexers), images, watch)
    name = indexers[0].table_name if len(indexers) == 1 else ""
    found: dict[str, dict[int, Extraction]] = {}
    is_interrupted = False
    try:
        for done, made in enumerate(_until(stream, watch), start=1):
            image_id = made[0].image_id
            found[image_id] = dict(zip(asked[image_id], made, strict=True))
            watch.progress(done, len(images), name)
    except KeyboardInterrupt:
        is_interrupted = True
    of_each = [[found[one][at] for one in image_ids if one in found] for at, (_, image_ids) in enumerate(wanted)]
    return Extracted(of_each=of_each, is_interrupted=is_interrupted)


def extract_many(path: Path, indexers: Sequence[DatasetIndexer], images: Sequence[Asked]) -> list[list[Extraction]]:
    """Return the rows of some images of the dataset at a path: what an executor is given, in whatever process."""
    dataset = ZarrDataset(path, mode="r")
    return [_extract(dataset, indexers, image) for image in images]


def _extract(dataset: ZarrDataset, indexers: Sequence[DatasetIndexer], image: Asked) -> list[Extraction]:
    image_id, asked = image
    return extract(dataset, [indexers[at] for at in asked], image_id)


def _submit(
    executor: Executor, path: Path, indexers: Sequence[DatasetIndexer], images: Sequence[Asked]
) -> "Future[list[list[Extraction]]]":
    return executor.submit(extract_many, path, indexers, images)


def _until(stream: Iterator[list[Extraction]], watch: Watch) -> Iterator[list[Extraction]]:
    while not watch.is_cancelled():
        try:
            yield next(stream)
        except StopIteration:
            return

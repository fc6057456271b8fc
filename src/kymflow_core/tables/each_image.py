"""Runs the extraction of many images: one after another, or by any executor. Stops between images.

The rule of this room: it knows no table. Progress is reported in the thread that started the run.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import Extraction, extract, extract_many
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.spread import spread


def run_extraction(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    image_ids: Sequence[str],
    *,
    watch: Watch,
    executor: Executor | None,
) -> list[Extraction]:
    """Return what the images gave, in their order; without those that were not begun when the run was cancelled."""
    found: dict[str, Extraction] = {}
    one_by_one: Iterator[Extraction] = (extract(dataset, indexer, image_id) for image_id in image_ids)
    stream = one_by_one
    if executor is not None:
        stream = spread(partial(_submit, executor, dataset.path, indexer), image_ids, watch)
    for done, extraction in enumerate(_until(stream, watch), start=1):
        found[extraction.image_id] = extraction
        watch.progress(done, len(image_ids), indexer.table_name)
    return [found[image_id] for image_id in image_ids if image_id in found]


def _submit(
    executor: Executor, path: Path, indexer: DatasetIndexer, image_ids: Sequence[str]
) -> "Future[list[Extraction]]":
    return executor.submit(extract_many, path, indexer, image_ids)


def _until(stream: Iterator[Extraction], watch: Watch) -> Iterator[Extraction]:
    while not watch.is_cancelled():
        try:
            yield next(stream)
        except StopIteration:
            return

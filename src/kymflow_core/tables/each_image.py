"""Runs the extraction of many images: one after another, or by any executor. Stops between images.

The rule of this room: it knows no table. Progress is reported in the thread that started the run.
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from kymflow_core.indexers.protocol import DatasetIndexer
from kymflow_core.tables.extraction import Extraction, extract, extract_many
from kymflow_zarr import Watch, ZarrDataset

_CHUNK = 16
"""Images that an executor is given together: each call costs about as much as one image."""
_WAITING = 8
"""Chunks that are handed to an executor at a time; after a cancel no more than these are waited for."""


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
    one_by_one = (extract(dataset, indexer, image_id) for image_id in image_ids)
    stream = _spread(dataset, indexer, image_ids, watch, executor) if executor else one_by_one
    for done, extraction in enumerate(_until(stream, watch), start=1):
        found[extraction.image_id] = extraction
        watch.progress(done, len(image_ids), indexer.table_name)
    return [found[image_id] for image_id in image_ids if image_id in found]


def _until(stream: Iterator[Extraction], watch: Watch) -> Iterator[Extraction]:
    while not watch.is_cancelled():
        try:
            yield next(stream)
        except StopIteration:
            return


def _spread(
    dataset: ZarrDataset,
    indexer: DatasetIndexer,
    image_ids: Sequence[str],
    watch: Watch,
    executor: Executor,
) -> Generator[Extraction, None, None]:
    chunks = iter([image_ids[start : start + _CHUNK] for start in range(0, len(image_ids), _CHUNK)])
    pending: set[Future[list[Extraction]]] = set()
    while True:
        while len(pending) < _WAITING and not watch.is_cancelled():
            chunk = next(chunks, None)
            if chunk is None:
                break
            pending.add(executor.submit(extract_many, dataset.path, indexer, chunk))
        if not pending:
            return
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            yield from future.result()

"""One file's content as a new record, whole or not at all."""

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.importing.content import FileContent
from kymflow_zarr.record.record import ZarrImageRecord
from kymflow_zarr.tables.sources import Source


def add_content(dataset: Dataset, content: FileContent, source: Source) -> str:
    """Add a record of one file with all that the file gave, and return its id: the file's own, where it is free."""
    if content.image_id is not None and not dataset.has_record(content.image_id):
        try:
            return _build(dataset, content, source, image_id=content.image_id)
        except FileExistsError as error:
            if isinstance(error, KymflowZarrError):
                raise
            # Taken in between: a copy of the same file is imported at the same time.
    return _build(dataset, content, source, image_id=None)


def _build(dataset: Dataset, content: FileContent, source: Source, *, image_id: str | None) -> str:
    with dataset.build_record(content.pixels, axes=content.axes, image_id=image_id, described=content.ome) as draft:
        if content.metadata:
            draft.save_metadata_payload(content.metadata)
        save_artifacts(draft, content)
        for name, array in content.masks.items():
            draft.save_array_artifact(name, array, held_by_metadata=True)
        draft.save_json(layout.PROVENANCE, source.to_json())
    return draft.image_id


def save_artifacts(record: ZarrImageRecord, content: FileContent) -> None:
    """Save the artifacts of one file, each with what it was computed from."""
    for name, value in content.json_artifacts.items():
        record.save_json(name, value, computed_from=content.computed_from.get(name))
    for name, frame in content.table_artifacts.items():
        record.save_df_parquet(name, frame, computed_from=content.computed_from.get(name))
    for name, frame in content.csv_gz_artifacts.items():
        record.save_df_csv_gz(name, frame)
    for name, array in content.array_artifacts.items():
        record.save_array_artifact(name, array)

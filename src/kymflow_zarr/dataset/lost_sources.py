"""Records whose source the table `sources` does not have, as after an import that was stopped."""

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.errors import KymflowZarrError, RecordNotFoundError
from kymflow_zarr.tables.sources import Source, Sources


def find_lost_sources(dataset: Dataset, sources: Sources) -> tuple[dict[str, Source], dict[str, str]]:
    """Return the sources that records know of and the table does not, and why a record's own cannot be read."""
    listed = sources.image_ids()
    lost: dict[str, Source] = {}
    damaged: dict[str, str] = {}
    for image_id in dataset.list_image_ids():
        if image_id in listed:
            continue
        try:
            record = dataset.record(image_id)
            if f"{layout.PROVENANCE}{layout.JSON}" in record.list_analysis_keys():
                lost[image_id] = Source.from_json(record.load_json(layout.PROVENANCE), where=f"provenance of {image_id}")
        except RecordNotFoundError:  # deleted in between
            continue
        except (KymflowZarrError, OSError) as error:
            if not dataset.has_record(image_id):
                continue
            damaged[layout.record_key(image_id)] = str(error)
    return lost, damaged

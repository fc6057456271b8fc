"""What is reviewed in a dataset, read in a worker: the events and logs of every record.

The rule of this room: a record that cannot be read is named, and does not stop the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kymflow_core.errors import KymflowError
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.reviews.entry import Entry
from kymflow_core.reviews.event import Event
from kymflow_core.reviews.log import load_entries
from kymflow_core.reviews.review import load_events
from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import KymflowZarrError, RemoteError


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReview:
    """One record's detected events, and what was said of events in it."""

    name: str
    detected: tuple[Event, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedReviews:
    """What was read of a dataset, by image id; `problems` says of which records nothing could be read, and why."""

    path: Path
    dataset_id: str
    records: dict[str, RecordReview] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def with_anew(self, other: "LoadedReviews") -> "LoadedReviews":
        """Return these with some records as they were read anew."""
        anew = {*other.records, *other.problems}
        kept = {image_id: problem for image_id, problem in self.problems.items() if image_id not in anew}
        records = {image_id: one for image_id, one in self.records.items() if image_id not in anew}
        return replace(self, records={**records, **other.records}, problems={**kept, **other.problems})


def load_reviews(path: Path, image_ids: Iterable[str] | None = None) -> LoadedReviews:
    """Return the events of some records of a dataset, or of all, with the entries about them; safe in a worker."""
    dataset = ZarrDataset(path, mode="r")
    loaded = LoadedReviews(path=path, dataset_id=dataset.dataset_id)
    for image_id in dataset.list_image_ids() if image_ids is None else image_ids:
        try:
            record = dataset.record(image_id)
            name = RecordMetadata.load(record).header.name or image_id[:8]
            loaded.records[image_id] = RecordReview(name=name, detected=load_events(record), entries=load_entries(record))
        except RemoteError:  # says nothing of the record
            raise
        except (KymflowError, KymflowZarrError, OSError) as error:
            loaded.problems[image_id] = str(error)
    return loaded

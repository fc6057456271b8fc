"""The ROIs of one image, as a frozen value: every change returns a new set."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from kymflow_core.errors import RoiError, RoiNotFoundError
from kymflow_core.roi.rois import ROI, roi_from_dict
from kymflow_zarr import JsonObject, JsonValue


@dataclass(frozen=True)
class RoiSet:
    """ROIs of both kinds, in their order, with unique ids.

    `next_id` is the id that the next new ROI gets. It only grows, and is saved, so that the id of a deleted ROI is never
    given again: results that were computed for the old one would be taken for the new one's.

    Raises
    ------
    RoiError
        When two ROIs have the same id, or `next_id` is not above all.
    """

    rois: tuple[ROI, ...] = ()
    next_id: int = 1

    def __post_init__(self) -> None:
        ids = [roi.roi_id for roi in self.rois]
        if len(self._by_id) < len(ids):
            twice = sorted(roi_id for roi_id, count in Counter(ids).items() if count > 1)
            raise RoiError(f"ROI ids must differ, but {twice} occur more than once among {ids}")
        if ids and self.next_id <= max(ids):
            raise RoiError(f"next_id must be above all ids, but it is {self.next_id} and the ids are {ids}")

    def __iter__(self) -> Iterator[ROI]:
        return iter(self.rois)

    def __len__(self) -> int:
        return len(self.rois)

    def __contains__(self, roi_id: object) -> bool:
        return roi_id in self._by_id

    @cached_property
    def _by_id(self) -> dict[int, ROI]:
        return {roi.roi_id: roi for roi in self.rois}

    @classmethod
    def of(cls, rois: Iterable[ROI], *, next_id: int = 1) -> Self:
        """Return a set of these ROIs, with a `next_id` of at least the one given."""
        held = tuple(rois)
        return cls(held, max([next_id, *(roi.roi_id + 1 for roi in held)]))

    @classmethod
    def from_json(cls, envelopes: Sequence[JsonValue], *, next_id: int = 1) -> Self:
        """Read a list of envelopes; raise as `roi_from_dict` does."""
        return cls.of((roi_from_dict(_as_object(envelope)) for envelope in envelopes), next_id=next_id)

    def to_json(self) -> list[JsonValue]:
        """Return the list of envelopes: inverse of `from_json`."""
        return [roi.to_dict() for roi in self.rois]

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids, in order."""
        return tuple(roi.roi_id for roi in self.rois)

    def get(self, roi_id: int) -> ROI:
        """Return one ROI; raise `RoiNotFoundError` with the ids that are there."""
        if roi_id in self._by_id:
            return self._by_id[roi_id]
        raise RoiNotFoundError(f"no ROI {roi_id}; this image has {list(self.ids) or 'none'}")

    def renumbered(self, ids: Mapping[int, int]) -> "RoiSet":
        """Return the set with the new id that each of some ROIs has in `ids`; raise `RoiError` where two would have one."""
        if not ids:
            return self
        return RoiSet.of((replace(roi, roi_id=ids.get(roi.roi_id, roi.roi_id)) for roi in self), next_id=self.next_id)

    def add(self, roi: ROI) -> "RoiSet":
        """Return the set with one more ROI, whose id must be `next_id` or above."""
        if roi.roi_id < self.next_id:
            raise RoiError(f"ROI id {roi.roi_id} was given before; the next free one is {self.next_id}")
        return RoiSet((*self.rois, roi), roi.roi_id + 1)

    def replace(self, roi: ROI) -> "RoiSet":
        """Return the set with the ROI of the same id replaced."""
        self.get(roi.roi_id)
        return RoiSet(tuple(roi if old.roi_id == roi.roi_id else old for old in self.rois), self.next_id)

    def remove(self, roi_id: int) -> "RoiSet":
        """Return the set without one ROI; its id stays used."""
        self.get(roi_id)
        return RoiSet(tuple(roi for roi in self.rois if roi.roi_id != roi_id), self.next_id)


def _as_object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise RoiError(f"a ROI must be a JSON object, not {value!r}")
    return value

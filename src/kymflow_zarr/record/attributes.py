"""The attributes documents of a dataset and of a record: frozen, versioned, exact inverses of their JSON.

Authoritative. The rule of this room: a document that was built is sound; `from_json` raises with every problem at once.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from kymflow_zarr.arrays.arrays import check_axes
from kymflow_zarr.errors import DamagedError, InvalidValueError, NotADatasetError, UnsupportedVersionError
from kymflow_zarr.formats.seals import SEAL, seal_around_foreign, seal_document
from kymflow_zarr.formats.strict_json import (
    JsonObject,
    JsonValue,
    canonical_sha256,
    object_from_bytes,
    to_readable_bytes,
)
from kymflow_zarr.layout import (
    ATTRIBUTES,
    ATTRIBUTES_KEY,
    FORMAT,
    OME,
    SCHEMA_VERSION,
)
from kymflow_zarr.record.ome import OmeDescription, image_to_ome


def utc_now() -> str:
    """Return the time now as ISO 8601 text in UTC with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetAttributes:
    """Who a dataset is: its id, and when it was made.

    `upgraded_from` is, in a copy of a dataset of the older program, what the attributes of that one said.
    """

    dataset_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_utc: str = field(default_factory=utc_now)
    upgraded_from: JsonObject = field(default_factory=dict)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the attributes of the dataset's root group."""
        ours: dict[str, JsonValue] = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "dataset_id": self.dataset_id,
            "created_utc": self.created_utc,
        }
        if self.upgraded_from:
            ours["upgraded_from"] = self.upgraded_from
        return {ATTRIBUTES_KEY: ours}

    @classmethod
    def from_json(cls, attributes: JsonObject, *, where: str) -> Self:
        """Read the attributes of a root group.

        Raises
        ------
        NotADatasetError
            When they are not a kymflow dataset's.
        UnsupportedVersionError
            When they are of another schema version.
        DamagedError
            When the id or the time is missing.
        """
        ours = attributes.get(ATTRIBUTES_KEY)
        if not isinstance(ours, Mapping) or ours.get("format") != FORMAT:
            raise NotADatasetError(f"{where} is a zarr group, but not a kymflow dataset")
        version = ours.get("schema_version")
        if version != SCHEMA_VERSION:
            raise UnsupportedVersionError(
                f"{where} has schema version {version}; this program reads version {SCHEMA_VERSION}: update it"
            )
        dataset_id, created_utc = ours.get("dataset_id"), ours.get("created_utc")
        if not isinstance(dataset_id, str) or not isinstance(created_utc, str):
            raise DamagedError(f"{where} lacks dataset_id or created_utc in its attributes")
        older = ours.get("upgraded_from")
        return cls(
            dataset_id=dataset_id, created_utc=created_utc, upgraded_from=older if isinstance(older, Mapping) else {}
        )


OF_RECORD = ("axes", "created_utc")
"""The attributes of a record's group that are this program's; what else is there is another program's."""
OME_SHA256 = "ome_sha256"
"""Under the reserved key, the digest of the OME-Zarr metadata."""
_OF_OME = ("version", "multiscales")
"""What this program writes into the OME-Zarr metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAttributes:
    """What a record's group states: the axes of the pixels, and when the record was made."""

    axes: tuple[str, ...]
    created_utc: str = field(default_factory=utc_now)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the attributes of the record's group."""
        return {"axes": list(self.axes), "created_utc": self.created_utc}

    @classmethod
    def from_json(cls, attributes: JsonObject, *, where: str) -> Self:
        """Read a record group's attributes; raise `DamagedError` naming what is wrong."""
        axes, created_utc = attributes.get("axes"), attributes.get("created_utc")
        if not isinstance(axes, list) or not isinstance(created_utc, str):
            raise DamagedError(f"{where} lacks axes or created_utc in its attributes")
        try:
            return cls(axes=check_axes([str(axis) for axis in axes], len(axes)), created_utc=created_utc)
        except InvalidValueError as error:
            raise DamagedError(f"{where}: {error}") from error


def record_to_bytes(
    attributes: RecordAttributes, described: OmeDescription | None = None, *, of: JsonObject | None = None
) -> bytes:
    """Return the `zarr.json` of a new record's group, with OME-Zarr metadata where its axes are such an image's."""
    document: JsonObject = {"zarr_format": 3, "node_type": "group", ATTRIBUTES: attributes.to_json()}
    sealed = seal_around_foreign(document, ATTRIBUTES, ours=OF_RECORD, of=of)
    return to_readable_bytes(with_ome(sealed, attributes.axes, described), what="record attributes")


def with_ome(document: JsonObject, axes: tuple[str, ...], described: OmeDescription | None) -> dict[str, JsonValue]:
    """Return the document of a record's group with its OME-Zarr metadata made anew; all else is left.

    They can be replaced at any time, so the seal does not cover them, but a digest of them next to it does; what
    other programs added to them is theirs.
    """
    ome = image_to_ome(axes, described)
    attributes = group_attributes(document, where="the record")
    old, seal = attributes.get(OME), attributes.get(SEAL)
    added = {key: item for key, item in old.items() if key not in _OF_OME} if isinstance(old, Mapping) else {}
    kept = {key: item for key, item in attributes.items() if key != OME}
    whole = kept if ome is None else {**kept, OME: {**added, **ome}}
    if not isinstance(seal, Mapping):
        return {**document, ATTRIBUTES: whole}
    noted = {key: item for key, item in seal.items() if key != OME_SHA256}
    marked = noted if ome is None else {**noted, OME_SHA256: canonical_sha256(ome)}
    return seal_around_foreign({**document, ATTRIBUTES: {**whole, SEAL: marked}}, ATTRIBUTES, ours=OF_RECORD)


def seal_again(document: JsonObject, *, ours: Collection[str], of: JsonObject | None) -> dict[str, JsonValue]:
    """Return a document with a seal of the attributes `ours`, and where it has OME-Zarr metadata a digest of these."""
    sealed = seal_around_foreign(document, ATTRIBUTES, ours=ours, of=of)
    attributes = sealed[ATTRIBUTES]
    ome, seal = (attributes.get(key) if isinstance(attributes, Mapping) else None for key in (OME, SEAL))
    if not isinstance(attributes, Mapping) or not isinstance(ome, Mapping) or not isinstance(seal, Mapping):
        return sealed
    digest = canonical_sha256({key: ome[key] for key in _OF_OME if key in ome})
    marked = {**attributes, SEAL: {**seal, OME_SHA256: digest}}
    return seal_around_foreign({**document, ATTRIBUTES: marked}, ATTRIBUTES, ours=ours, of=of)


def is_ome_changed(document: JsonObject) -> bool:
    """Return whether what this program wrote into a record's OME-Zarr metadata is not there as it was written."""
    attributes = group_attributes(document, where="the record")
    ome, seal = attributes.get(OME), attributes.get(SEAL)
    noted = seal.get(OME_SHA256) if isinstance(seal, Mapping) else None
    ours = {key: ome[key] for key in _OF_OME if key in ome} if isinstance(ome, Mapping) else {}
    return noted is not None and noted != canonical_sha256(ours)


def group_to_bytes(attributes: JsonObject, *, of: JsonObject | None = None) -> bytes:
    """Return the sealed `zarr.json` of a zarr v3 group (zarr v3 core specification, "Group metadata")."""
    document: JsonObject = {"zarr_format": 3, "node_type": "group", ATTRIBUTES: attributes}
    return to_readable_bytes(seal_document(document, holder=ATTRIBUTES, of=of), what="group attributes")


def group_from_bytes(data: bytes, *, where: str) -> JsonObject:
    """Return the attributes in the `zarr.json` of a group, the seal among them."""
    return group_attributes(object_from_bytes(data, what=where), where=where)


def group_attributes(document: JsonObject, *, where: str) -> JsonObject:
    """Return the attributes in the document of a group; raise `NotADatasetError` where it is of something else."""
    attributes = document.get(ATTRIBUTES, {})
    if document.get("node_type") != "group" or not isinstance(attributes, Mapping):
        raise NotADatasetError(f"{where} does not describe a zarr group")
    return attributes

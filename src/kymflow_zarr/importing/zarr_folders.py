"""The `.zarr` folders below an imported folder: which of them are images, or hold some, and which are something else.

The rule of this room: only attributes are read. A folder that is damaged is taken for an image, whose import says so.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kymflow_zarr.dataset.recognize import load_attributes
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, OlderDatasetError, SourceError
from kymflow_zarr.formats.strict_json import MAX_DOCUMENT_BYTES, JsonObject, JsonValue, object_from_bytes
from kymflow_zarr.layout import (
    ATTRIBUTES,
    ATTRIBUTES_KEY,
    GROUP_DOCUMENT,
    OLDER_FORMAT,
    OME,
    V2_ATTRIBUTES,
)

ENDING = ".zarr"
COLLECTION = "bioformats2raw.layout"
"""What a collection of images has, each in a folder named by its number."""
IS_DATASET = "it is a dataset of this program; open it instead"
IS_OLDER = "it is a dataset of the older program; make a copy of it with `napari-kymflow upgrade`"
NO_IMAGE = "it is no OME-Zarr image"
PASSED_OVER = frozenset({IS_DATASET, IS_OLDER, NO_IMAGE})
_OF_IMAGES = ("multiscales", "plate", "well", "labels")


def images_in(path: Path) -> tuple[list[Path], str]:
    """Return the images that a folder is, or that are in it; where there are none, why it is passed over."""
    blobs = Blobs(path.absolute(), read_only=True)
    with suppress(KymflowZarrError, OSError):
        if load_attributes(blobs) is not None:
            return [], IS_DATASET
    try:
        attributes = load_ome_attributes(blobs, path)
    except OlderDatasetError:
        return [], IS_OLDER
    except SourceError:
        return [], NO_IMAGE
    except (KymflowZarrError, OSError):
        return [path], ""
    if COLLECTION in attributes:
        return [path / name for name in _numbered(blobs)] or [path], ""
    return ([path], "") if any(key in attributes for key in _OF_IMAGES) else ([], NO_IMAGE)


def load_ome_attributes(blobs: Blobs, path: Path) -> JsonObject:
    """Return the attributes that OME-Zarr has a say in.

    Raises
    ------
    SourceError
        When the folder is no zarr group, or a dataset of ours.
    OlderDatasetError
        When it is one of the older program.
    DamagedError
        When the attributes cannot be read.
    """
    for name in (GROUP_DOCUMENT, V2_ATTRIBUTES):
        try:
            data = blobs.read(name, limit=MAX_DOCUMENT_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            continue
        # Some programs write NaN, as the limits of a channel's display say.
        document = object_from_bytes(data, what=blobs.describe(name), lenient=True)
        if name == V2_ATTRIBUTES:
            if document.get("format") == OLDER_FORMAT:
                raise OlderDatasetError.at(str(path))
            return document
        attributes = as_object(document.get(ATTRIBUTES))
        if "format" in as_object(attributes.get(ATTRIBUTES_KEY)):
            raise SourceError(f"{path} is a kymflow dataset; its images are the folders in {path / 'images'}")
        return as_object(attributes.get(OME))
    raise SourceError(f"{path} is no OME-Zarr image: it has neither {GROUP_DOCUMENT} nor {V2_ATTRIBUTES}")


def _numbered(blobs: Blobs) -> list[str]:
    names = (name for name in blobs.names("") if name.isascii() and name.isdecimal() and blobs.is_folder(name))
    return sorted(names, key=int)


def as_object(value: JsonValue) -> JsonObject:
    """Return an object of a document; an empty one where there is something else."""
    return value if isinstance(value, Mapping) else {}

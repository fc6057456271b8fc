"""The OME-Zarr metadata of a kymograph: rows are lines, columns are space.

Derived from the header, which is the truth. The rule of this room: OME-Zarr knows no image of one axis in space and one in
time, so a kymograph's `y` is declared as space, with the seconds of a line as its step and without a unit; the notes
state what it really is.
"""

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.metadata import RecordMetadata
from kymflow_zarr import JsonObject, JsonValue, OmeDescription, ZarrDataset, ZarrImageRecord
from kymflow_zarr.errors import KymflowZarrError

NOTES = "kymflow"
"""The key in OME-Zarr's `metadata` that has the calibration, so that it comes back from an exported image."""

BEAM = ("dwell_s", "scan_direction")
"""Entries of a header on how the line was scanned, which the notes have by the same names."""


def describe_header(header: AcquisitionHeader) -> OmeDescription:
    """Return what a header states about the axes; a calibration that is not known is left out."""
    steps = {"y": header.seconds_per_line, "x": header.um_per_pixel}
    notes: dict[str, JsonValue] = {
        "y": "lines; the scale is seconds per line" if header.seconds_per_line else "lines",
        "seconds_per_line": header.seconds_per_line,
        "um_per_pixel": header.um_per_pixel,
    }
    # Only where they are known, so that what is derived from older headers stays as it is.
    notes |= {key: value for key in BEAM if (value := getattr(header, key)) is not None}
    return OmeDescription(
        name=header.name,
        steps={axis: step for axis, step in steps.items() if step is not None},
        units={"x": "micrometer"},
        notes={NOTES: notes},
    )


def describe_metadata(metadata: JsonObject) -> OmeDescription:
    """Return what a record's metadata state about its axes, as `describe_header` of their header."""
    return describe_header(RecordMetadata.from_json(metadata).header)


def update_ome(record: ZarrImageRecord, header: AcquisitionHeader) -> str:
    """Make a record's OME-Zarr metadata say what its header says; to be called after the header was saved.

    It may be called at any time and as often as one likes: where nothing changed, nothing is written. It raises none of the
    storage's errors, since the header is saved already, and what is derived from it can be made again.

    Returns
    -------
    str
        Why the metadata could not be made: the dataset is only read, the disk is full, or the record's axes are no OME-Zarr
        image. Empty where they say now what the header says.
    """
    try:
        is_image = record.save_ome(describe_header(header))
        axes = record.get_axes()
    except KymflowZarrError as error:
        return str(error)
    return "" if is_image else f"record {record.image_id} has the axes {axes}, which are no OME-Zarr image as they lie"


def follow_header(record: ZarrImageRecord) -> str:
    """Make a record's OME-Zarr metadata say what its newest header says, also where another program saves one meanwhile.

    Returns as `update_ome`, and raises none of the storage's errors either.
    """
    try:
        while True:
            header = RecordMetadata.load(record).header
            said = update_ome(record, header)
            if said or RecordMetadata.load(record).header == header:
                return said
    except KymflowZarrError as error:
        return str(error)


def rebuild_ome(dataset: ZarrDataset) -> dict[str, str]:
    """Make all records' OME-Zarr metadata anew, also of records that had none yet.

    Returns
    -------
    dict
        By image id, why a record's could not be made, as in `update_ome`.
    """
    reasons = {}
    for record in dataset.iter_records():
        try:
            said = follow_header(record)
        except OSError as error:
            said = str(error)
        if said:
            reasons[record.image_id] = said
    return reasons

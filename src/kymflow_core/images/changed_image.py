"""The metadata of a record whose file has changed, or of which more is read than before.

The rule of this room: what people drew, edited or entered stays as it is. What a file gives is added where the record has
nothing, and what is left out is reported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from kymflow_core.calibration import BY_HAND
from kymflow_core.errors import KymflowError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.metadata import EXPERIMENT, HEADER, ROIS, RecordMetadata
from kymflow_core.roi import ROI, MaskROI, RectROI, RoiSet
from kymflow_zarr import FileContent, JsonObject, JsonValue, ZarrImageRecord, array_name
from kymflow_zarr.errors import SourceError
from kymflow_zarr.importing.changed_file import Renewed
from kymflow_zarr.importing.complete_record import Merged


def renewed_metadata(record: ZarrImageRecord, content: FileContent) -> Renewed:
    """Return the metadata of a record whose file has changed: its own, with the header of the file as it is now.

    A calibration that was entered by hand stays, and so does one that the file no longer has, with the dwell time and the
    direction of scanning. ROIs and results in the sidecars are not read again: the record has its own.

    Raises
    ------
    SourceError
        When the image has another shape now, and a ROI of the record does not fit it.
    """
    metadata = RecordMetadata.load(record)
    if record.get_axes() != content.axes:
        raise SourceError(
            f"it has the axes {content.axes} now, and its record {record.get_axes()}; import it under another name, as a "
            "new record"
        )
    if record.get_shape() != content.pixels.shape:
        _check_rois_fit(record, metadata, content)
    old, new = metadata.header, RecordMetadata.from_json(content.metadata).header
    keeps = old.is_calibrated and (old.calibration_source == BY_HAND or not new.is_calibrated)
    if keeps:
        new = replace(
            new,
            seconds_per_line=old.seconds_per_line,
            um_per_pixel=old.um_per_pixel,
            calibration_source=old.calibration_source,
            dwell_s=new.dwell_s if new.is_calibrated or new.dwell_s is not None else old.dwell_s,
            scan_direction=new.scan_direction if new.is_calibrated else new.scan_direction or old.scan_direction,
        )
    renewed = metadata.with_header(replace(new, shape=content.pixels.shape))
    return Renewed(metadata=renewed.to_json(), notes=tuple(_notes(old, new, content)))


def _notes(old: AcquisitionHeader, new: AcquisitionHeader, content: FileContent) -> Iterator[str]:
    for name, unit in (("seconds_per_line", "s per line"), ("um_per_pixel", "µm per pixel")):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield f"its calibration was {before or 'unknown'} and is {now or 'unknown'} {unit} now"
    has_rois = RecordMetadata.from_json(content.metadata).n_rois > 0
    if content.table_artifacts or content.json_artifacts or content.array_artifacts or has_rois:
        yield "ROIs and results next to it were not read again: its record keeps its own"


def _check_rois_fit(record: ZarrImageRecord, metadata: RecordMetadata, content: FileContent) -> None:
    sizes = dict(zip(content.axes, content.pixels.shape, strict=True))
    held = _rois_of(metadata)
    outside = [
        roi.roi_id
        for roi in held
        if isinstance(roi, MaskROI) or roi.mask_ref or (isinstance(roi, RectROI) and _is_outside(roi, sizes))
    ]
    if outside:
        raise SourceError(
            f"it has changed its shape from {record.get_shape()} to {content.pixels.shape}, which the ROIs {outside} of "
            "its record do not fit; delete them, or import the file under another name, as a new record"
        )


def _is_outside(roi: RectROI, sizes: Mapping[str, int]) -> bool:
    return roi.x1 > sizes.get("x", 0) or roi.y1 > sizes.get("y", 0)


def completed_metadata(record: ZarrImageRecord, content: FileContent) -> Merged:
    """Return what a record gets of its file that was not read when it was imported.

    A calibration that is known stays, whoever entered it, and so do all other entries that the record has. ROIs are added
    whose ids were never given in the record. Results are added with what they state of the ROIs that they were computed
    from, so that they are outdated where the record's ROI is another. Results that state nothing are left out where they
    are of a ROI that the file does not have as the record has it.

    Raises
    ------
    SourceError
        When the ROIs of the record cannot be read.
    """
    own, new = record.load_metadata_payload(), content.metadata
    held, of_file = _rois_of(RecordMetadata.from_json(own)), _rois_of(RecordMetadata.from_json(new))
    added, notes = _rois_to_add(record, held, of_file, content)
    metadata: dict[str, JsonValue] = {**new, **{key: value for key, value in own.items() if value is not None}}
    metadata[HEADER] = _with_entries(_header_with_calibration(own, new), new.get(HEADER))
    if EXPERIMENT in new:
        metadata[EXPERIMENT] = _with_entries(own.get(EXPERIMENT), new[EXPERIMENT])
    if ROIS in new:
        rois = RoiSet.of((*held, *added), next_id=max(held.next_id, of_file.next_id))
        metadata = RecordMetadata.from_json(metadata).with_rois(rois).to_json()
    drawn = {roi.roi_id for roi in held if roi not in of_file.rois}
    unstated = {
        name
        for name, frame in content.table_artifacts.items()
        if name not in content.computed_from and "roi_id" in frame.columns and drawn & set(frame["roi_id"])
    }
    notes += [
        f"the results {name!r} were left out: they do not say of which ROIs they are, and the record has ROIs of its own"
        for name in sorted(unstated)
    ]
    names = {*content.json_artifacts, *content.table_artifacts, *content.csv_gz_artifacts, *content.array_artifacts}
    return Merged(
        metadata=metadata,
        masks=frozenset(name for roi in added if roi.mask_ref and (name := array_name(roi.mask_ref))),
        artifacts=frozenset(names - unstated),
        notes=tuple(notes),
    )


def _rois_of(metadata: RecordMetadata) -> RoiSet:
    try:
        return metadata.rois
    except KymflowError as error:
        raise SourceError(f"the ROIs of its record cannot be read: {error}") from error


def _rois_to_add(
    record: ZarrImageRecord, held: RoiSet, of_file: RoiSet, content: FileContent
) -> tuple[list[ROI], list[str]]:
    """Return the ROIs of a file that its record gets, and why others are left out."""
    added, notes = list[ROI](), list[str]()
    arrays = set(record.list_array_artifacts())
    for roi in of_file:
        name = array_name(roi.mask_ref) if roi.mask_ref else None
        if roi in held.rois:
            continue
        if roi.roi_id in held:
            notes.append(f"ROI {roi.roi_id} stays as it is in the record; the file has another of that number")
        elif roi.roi_id < held.next_id:
            notes.append(f"ROI {roi.roi_id} of the file was left out: a ROI of that number was deleted in the record")
        elif name in arrays and not np.array_equal(record.load_array_artifact(str(name)), content.masks[str(name)]):
            notes.append(f"ROI {roi.roi_id} of the file was left out: the record has another mask {name!r}")
        else:
            added.append(roi)
    return added, notes


def _header_with_calibration(own: JsonObject, new: JsonObject) -> JsonObject:
    """Return the record's header, with the numbers of the calibration that only the file knows, and whose they are."""
    held = own.get(HEADER)
    header = dict(held) if isinstance(held, Mapping) else {}
    known, read = (RecordMetadata.from_json(one).header for one in (own, new))
    lacking = {
        key: value
        for key in ("seconds_per_line", "um_per_pixel")
        if getattr(known, key) is None and (value := getattr(read, key)) is not None
    }
    if lacking:
        sources = [known.calibration_source] if len(lacking) == 1 else []
        named = dict.fromkeys(source for source in (*sources, read.calibration_source) if source)
        header |= {**lacking, "calibration_source": ", ".join(named) or None}
    return header


def _with_entries(own: JsonValue, new: JsonValue) -> JsonValue:
    """Return an object of the record's metadata with the entries that only the file's has; the record's own win."""
    if not isinstance(own, Mapping) or not isinstance(new, Mapping):
        return new if own is None else own
    entered = {key: value for key, value in own.items() if value not in (None, "", [], {})}
    fields = {"fields": _with_entries(own["fields"], new["fields"])} if {"fields"} <= own.keys() & new.keys() else {}
    return {**own, **new, **entered, **fields}

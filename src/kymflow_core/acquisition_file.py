"""One TIFF with all that lies beside it: the microscope's header, the older program's ROIs and results.

The rule of this room: the TIFF's shape wins, what is unknown stays unknown, and both are said in the notes.
"""

from dataclasses import replace
from pathlib import Path

from kymflow_core import legacy
from kymflow_core.errors import HeaderError, KymflowError
from kymflow_core.headers import AcquisitionHeader, OlympusHeader
from kymflow_core.headers.acquisition import calibration_of_voxels
from kymflow_core.ome_metadata import describe_header
from kymflow_core.tiff_sidecar import load_saved, load_saved_masks
from kymflow_zarr import FileContent, JsonValue
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.ingest import read_tiff
from kymflow_zarr.stores import TiffSidecarStore


def read_acquisition_file(path: Path) -> FileContent:
    """Read a TIFF, its Olympus header, its sidecars and its results; a `ReadFile` for `ZarrDataset.import_folder`.

    Raises
    ------
    SourceError
        When the TIFF, or a file of the older program beside it, cannot be read: then nothing of it is imported, so that
        it can be mended and imported whole.
    """
    tiff = read_tiff(path)
    try:
        sidecar = legacy.read_sidecar(path)
        results = legacy.read_results(path)
    except KymflowError as error:
        raise SourceError(str(error)) from error
    header, notes = _read_header(path, tiff.pixels.shape)
    if not header.is_calibrated and sidecar is not None:
        header, notes = _with_calibration_of(sidecar, header, notes)
    if not header.is_calibrated:
        notes = (*notes, "calibration unknown: no header gives µm per pixel and seconds per line")
    metadata = _metadata(header, sidecar)
    try:
        saved = load_saved(TiffSidecarStore(path))
        masks = load_saved_masks(path, saved.payload) if saved else {}
    except (KymflowError, KymflowZarrError) as error:
        raise SourceError(str(error)) from error
    if saved is not None:
        metadata = {**saved.payload, "header": header.to_json()}
    return replace(
        tiff,
        metadata=metadata,
        array_artifacts=masks,
        json_artifacts=results.json_artifacts,
        table_artifacts=results.table_artifacts,
        computed_from=results.computed_from(sidecar.rois) if sidecar is not None else {},
        notes=notes,
        ome=describe_header(header),
    )


def _read_header(path: Path, shape: tuple[int, ...]) -> tuple[AcquisitionHeader, tuple[str, ...]]:
    bare = AcquisitionHeader(name=path.stem, shape=shape)
    text = path.with_suffix(".txt")
    if not text.exists():
        return bare, ()
    try:
        olympus = OlympusHeader.parse(text.read_bytes())
    except HeaderError as error:
        return bare, (f"the header {text.name} was not used: {error}",)
    header = replace(
        bare,
        seconds_per_line=olympus.seconds_per_line,
        um_per_pixel=olympus.um_per_pixel,
        calibration_source="olympus_txt" if olympus.um_per_pixel or olympus.seconds_per_line else None,
        acquired_local_epoch_ns=olympus.acquired_local_epoch_ns,
        channel_names=olympus.channel_names,
        fields=olympus.fields(),
    )
    return header, _contradictions(text.name, olympus, shape)


def _contradictions(name: str, olympus: OlympusHeader, shape: tuple[int, ...]) -> tuple[str, ...]:
    lines, pixels = shape[-2:]
    if olympus.lines in (None, lines) and olympus.pixels in (None, pixels):
        return ()
    sizes = ((olympus.lines, "lines"), (olympus.pixels, "pixels"))
    said = " of ".join(f"{number} {what}" for number, what in sizes if number is not None)
    return (
        f"the header {name} says {said}, but the TIFF has {lines} lines of {pixels} pixels; the TIFF's shape was taken",
    )


def _with_calibration_of(
    sidecar: legacy.Sidecar, header: AcquisitionHeader, notes: tuple[str, ...]
) -> tuple[AcquisitionHeader, tuple[str, ...]]:
    seconds_per_line, um_per_pixel = calibration_of_voxels(sidecar.header)
    if seconds_per_line is None or um_per_pixel is None:
        return header, notes
    calibrated = replace(
        header,
        seconds_per_line=header.seconds_per_line or seconds_per_line,
        um_per_pixel=header.um_per_pixel or um_per_pixel,
        calibration_source="sidecar",
    )
    return calibrated, (*notes, "calibration taken from the older program's .json: no microscope header gives it")


def _metadata(header: AcquisitionHeader, sidecar: legacy.Sidecar | None) -> dict[str, JsonValue]:
    metadata: dict[str, JsonValue] = {"header": header.to_json()}
    if sidecar is not None:
        metadata["experiment_metadata"] = sidecar.experiment_metadata
        metadata["rois"] = sidecar.rois.to_json()
        metadata["next_roi_id"] = sidecar.rois.next_id
        metadata["accepted"] = sidecar.accepted
    return metadata

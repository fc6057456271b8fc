"""One TIFF with all that lies beside it: the microscope's header, the older program's ROIs and results.

The rule of this room: the TIFF's shape wins, what is unknown stays unknown, and both are said in the notes.
"""

from dataclasses import replace
from pathlib import Path

from kymflow_core import legacy
from kymflow_core.errors import KymflowError
from kymflow_core.headers import AcquisitionHeader, installed_header_readers, read_header
from kymflow_core.headers.older_sidecar import NAME as OLDER_SIDECAR
from kymflow_core.ome_metadata import describe_header
from kymflow_core.tiff_sidecar import load_saved, load_saved_masks
from kymflow_zarr import FileContent, JsonValue
from kymflow_zarr.errors import KymflowZarrError, SourceError
from kymflow_zarr.ingest import read_tiff
from kymflow_zarr.stores import TiffSidecarStore


def read_acquisition_file(path: Path) -> FileContent:
    """Read a TIFF, its header, its sidecars and its results; a `ReadFile` for `ZarrDataset.import_folder`.

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
    found = installed_header_readers()
    read = read_header(path, tiff.pixels.shape, found.readers)
    header, notes = read.header, (*found.problems, *read.notes)
    if header.calibration_source == OLDER_SIDECAR:
        notes = (*notes, "calibration taken from the older program's .json: no microscope header gives it")
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
        masks=masks,
        json_artifacts=results.json_artifacts,
        table_artifacts=results.table_artifacts,
        computed_from=results.computed_from(sidecar.rois, header) if sidecar is not None else {},
        notes=notes,
        ome=describe_header(header),
    )


def _metadata(header: AcquisitionHeader, sidecar: legacy.Sidecar | None) -> dict[str, JsonValue]:
    metadata: dict[str, JsonValue] = {"header": header.to_json()}
    if sidecar is not None:
        metadata["experiment_metadata"] = sidecar.experiment_metadata
        metadata["rois"] = sidecar.rois.to_json()
        metadata["next_roi_id"] = sidecar.rois.next_id
        metadata["accepted"] = sidecar.accepted
    return metadata

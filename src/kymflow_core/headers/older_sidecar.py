"""The header in the older program's `<stem>.json`: voxels that were entered, or read from a header that is gone."""

from pathlib import Path

from kymflow_core.errors import HeaderError, SidecarError
from kymflow_core.headers.acquisition import AcquisitionHeader, calibration_of_voxels
from kymflow_core.older_program.results import read_sidecar

NAME = "sidecar"


class OlderSidecarReader:
    """Takes the calibration from the older program's sidecar."""

    name = NAME

    def read(self, path: Path, shape: tuple[int, ...]) -> AcquisitionHeader | None:
        """Return the calibration of `<stem>.json`; None where there is none; raises `HeaderError`."""
        try:
            sidecar = read_sidecar(path)
        except SidecarError as error:
            raise HeaderError(str(error)) from error
        if sidecar is None:
            return None
        seconds_per_line, um_per_pixel = calibration_of_voxels(sidecar.header)
        return AcquisitionHeader(seconds_per_line=seconds_per_line, um_per_pixel=um_per_pixel)

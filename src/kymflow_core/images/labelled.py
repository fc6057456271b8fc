"""The pixels of an image as an xarray array: axes with names, coordinates in s and µm, channels by name."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kymflow_core.errors import MissingPackageError
from kymflow_core.headers import AcquisitionHeader

if TYPE_CHECKING:
    import xarray

_DIMENSIONS = {"y": "time", "x": "position", "c": "channel"}


def labelled_array(pixels: Any, axes: tuple[str, ...], header: AcquisitionHeader) -> "xarray.DataArray":
    """Return all pixels with their coordinates; see `AcqImage.to_xarray`."""
    try:
        import xarray
    except ImportError as error:
        raise MissingPackageError(
            "an image becomes an xarray array only where xarray is installed; install it with: pip install xarray"
        ) from error
    values = np.asarray(pixels[...])
    sizes = dict(zip(axes, values.shape, strict=True))
    steps = {"y": (header.seconds_per_line, "s"), "x": (header.um_per_pixel, "µm")}
    coordinates: dict[str, Any] = {
        _DIMENSIONS[axis]: (_DIMENSIONS[axis], np.arange(sizes[axis]) * step, {"units": unit})
        for axis, (step, unit) in steps.items()
        if axis in sizes and step is not None
    }
    count = sizes.get("c", 1)
    if "c" in sizes or header.channel_names:
        names = header.channel_names if len(header.channel_names) == count else tuple(map(str, range(1, count + 1)))
        coordinates["channel"] = ("channel", list(names)) if "c" in sizes else names[0]
    return xarray.DataArray(
        values,
        dims=[_DIMENSIONS.get(axis, axis) for axis in axes],
        coords=coordinates,
        name=header.name or None,
        attrs=_attributes(header),
    )


def _attributes(header: AcquisitionHeader) -> dict[str, str | float]:
    known: dict[str, str | float | None] = {
        "seconds_per_line": header.seconds_per_line,
        "um_per_pixel": header.um_per_pixel,
        "calibration_source": header.calibration_source,
        "acquired": header.acquired.isoformat() if header.acquired else None,
    }
    return {key: value for key, value in known.items() if value is not None}

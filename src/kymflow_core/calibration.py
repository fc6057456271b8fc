"""What lines and pixels are in seconds and µm, where that is known.

The rule of this room: a physical number comes from a known calibration, or it is refused; no value is ever made up.
"""

import sys
from dataclasses import dataclass
from typing import Protocol, Self, TypeGuard

from kymflow_core.errors import CalibrationError
from kymflow_zarr import JsonValue

BY_HAND = "entered by hand"
"""The source of a calibration that somebody entered."""


class HasCalibration(Protocol):
    """What may know how long a line takes and how wide a pixel is: an `AcquisitionHeader` or a `Calibration`."""

    @property
    def seconds_per_line(self) -> float | None:
        """The time from one line to the next."""

    @property
    def um_per_pixel(self) -> float | None:
        """The distance from one pixel to the next along the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Both numbers, known: positive and finite."""

    seconds_per_line: float
    um_per_pixel: float

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {value!r}"
            for name, value in (("seconds_per_line", self.seconds_per_line), ("um_per_pixel", self.um_per_pixel))
            if positive(value) is None
        ]
        if wrong:
            raise CalibrationError(f"{' and '.join(wrong)}; a number above 0 is needed")

    @classmethod
    def of(cls, header: HasCalibration, *, record: str) -> Self:
        """Return what a header knows.

        Parameters
        ----------
        header
            The header.
        record
            What the image is called in the message.

        Raises
        ------
        CalibrationError
            When one of the numbers is not known; the message says which, and how to enter it.
        """
        seconds_per_line, um_per_pixel = header.seconds_per_line, header.um_per_pixel
        if seconds_per_line is None or um_per_pixel is None:
            unknown = {"seconds per line": seconds_per_line, "µm per pixel": um_per_pixel}
            what = " and ".join(name for name, value in unknown.items() if value is None)
            raise CalibrationError(
                f"the calibration of {record} is unknown ({what}), so there is no result in seconds and µm. Enter it in "
                "the dataset dock with More → Calibration…, or in Python with kymflow_core.edit_metadata"
            )
        return cls(seconds_per_line=seconds_per_line, um_per_pixel=um_per_pixel)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiExtent:
    """Where a ROI lies, from its first line and pixel to the end of its last: in s and µm from those of the image."""

    t0_s: float
    t1_s: float
    x0_um: float
    x1_um: float

    @classmethod
    def of_box(cls, box: tuple[slice, slice], calibration: Calibration) -> Self:
        """Return the extent of a box of rows (y) and columns (x), half-open."""
        rows, columns = box
        return cls(
            t0_s=rows.start * calibration.seconds_per_line,
            t1_s=rows.stop * calibration.seconds_per_line,
            x0_um=columns.start * calibration.um_per_pixel,
            x1_um=columns.stop * calibration.um_per_pixel,
        )

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.t1_s - self.t0_s

    @property
    def length_um(self) -> float:
        """How long it is along the line."""
        return self.x1_um - self.x0_um


def is_finite(value: JsonValue) -> TypeGuard[float]:
    """Return whether a value is a finite number."""
    # Compared, not asked of `math`: JSON has integers that are too large for a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def positive(value: JsonValue) -> float | None:
    """Return a value as a float where it is a positive finite number, else None."""
    return float(value) if is_finite(value) and value > 0 else None

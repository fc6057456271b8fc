"""What a microscope states about one image, whatever its file format: a frozen value and its JSON.

The rule of this room: what is not known is None. There is no default calibration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Self, TypeAlias, TypeGuard, get_args

from kymflow_core.calibration import is_finite, positive
from kymflow_zarr import JsonObject, JsonValue

ScanDirection: TypeAlias = Literal["one-way", "both-ways"]


def local_time(epoch_ns: int | None) -> datetime | None:
    """Return a microscope's wall-clock time in ns since 1970; None where it is not known, or no calendar has it."""
    if epoch_ns is None:
        return None
    try:
        return datetime(1970, 1, 1) + timedelta(microseconds=epoch_ns // 1000)
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionHeader:
    """The header of one line scan.

    `seconds_per_line` and `um_per_pixel` calibrate rows (y, time) and columns (x, space). `acquired_local_epoch_ns` is the
    microscope's local wall-clock time in nanoseconds since 1970, with no time zone known. `calibration_source` says where
    the calibration is from: the name of the header's reader, such as "olympus_txt", "imagej_tiff", "ome_xml" or "sidecar"
    (the older program's JSON), two of them where each gave one number, or "entered by hand". `dwell_s` is how long the beam
    stays on one pixel, in s. `scan_direction` is "both-ways" where every second line is scanned backwards. `scan_path` has
    the points (y, x) of the line, in pixels of the frame on which it was drawn. `fields` are the header's other entries, as
    text. `unread` says what a reader found and could not understand; it is for a note, and not stored.
    """

    name: str = ""
    shape: tuple[int, ...] = ()
    seconds_per_line: float | None = None
    um_per_pixel: float | None = None
    calibration_source: str | None = None
    acquired_local_epoch_ns: int | None = None
    channel_names: tuple[str, ...] = ()
    dwell_s: float | None = None
    scan_direction: ScanDirection | None = None
    scan_path: tuple[tuple[float, float], ...] = ()
    fields: JsonObject = field(default_factory=dict)
    unread: tuple[str, ...] = field(default=(), compare=False)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the `header` of a record's metadata."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "seconds_per_line": self.seconds_per_line,
            "um_per_pixel": self.um_per_pixel,
            "calibration_source": self.calibration_source,
            "acquired_local_epoch_ns": self.acquired_local_epoch_ns,
            "channel_names": list(self.channel_names),
            "dwell_s": self.dwell_s,
            "scan_direction": self.scan_direction,
            "scan_path": [list(point) for point in self.scan_path],
            "fields": dict(self.fields),
        }

    @classmethod
    def from_json(cls, header: JsonObject) -> Self:
        """Read a `header`: inverse of `to_json`. An entry that is missing, or not of its type, is not known."""
        shape, channels, fields = header.get("shape"), header.get("channel_names"), header.get("fields")
        acquired = header.get("acquired_local_epoch_ns")
        return cls(
            name=_text(header.get("name")) or "",
            shape=tuple(size for size in shape if isinstance(size, int)) if _is_list(shape) else (),
            seconds_per_line=positive(header.get("seconds_per_line")),
            um_per_pixel=positive(header.get("um_per_pixel")),
            calibration_source=_text(header.get("calibration_source")),
            acquired_local_epoch_ns=acquired if isinstance(acquired, int) else None,
            channel_names=tuple(str(channel) for channel in channels) if _is_list(channels) else (),
            dwell_s=positive(header.get("dwell_s")),
            scan_direction=_direction(header.get("scan_direction")),
            scan_path=_points(header.get("scan_path")),
            fields=fields if isinstance(fields, Mapping) else {},
        )

    @property
    def acquired(self) -> datetime | None:
        """The microscope's local time, without a zone; None where it is not known, or no calendar has it."""
        return local_time(self.acquired_local_epoch_ns)

    @property
    def is_calibrated(self) -> bool:
        """Whether both the time of a line and the size of a pixel are known."""
        return self.seconds_per_line is not None and self.um_per_pixel is not None


def calibration_of_voxels(header: JsonObject) -> tuple[float | None, float | None]:
    """Return seconds per line and µm per pixel of the older program's `voxels`, where their units are "s" and "um".

    That program writes voxels of 1.0 with the unit "px" where it knows nothing; these are not a calibration.
    """
    voxels, units = header.get("voxels"), header.get("voxels_units")
    if not _is_list(voxels) or not _is_list(units) or len(voxels) != 2 or len(units) != 2:
        return None, None
    return (
        positive(voxels[0]) if units[0] == "s" else None,
        positive(voxels[1]) if units[1] == "um" else None,
    )


def wall_clock_ns(taken: datetime) -> int:
    """Return a time as a laboratory's clock shows it, in ns since 1970; to the microsecond, which a float is not."""
    # UTC here only keeps the reading machine's own time zone out of the arithmetic.
    since = taken.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def _is_list(value: JsonValue) -> TypeGuard[Sequence[JsonValue]]:
    return isinstance(value, list | tuple)


def _direction(value: JsonValue) -> ScanDirection | None:
    return next((known for known in get_args(ScanDirection) if known == value), None)


def _points(value: JsonValue) -> tuple[tuple[float, float], ...]:
    """Return the points of a line; none where one of them is no pair of finite numbers."""
    found = [point for point in value if _is_list(point) and len(point) == 2] if _is_list(value) else []
    numbers = [number for point in found for number in point if is_finite(number)]
    if not _is_list(value) or len(numbers) != 2 * len(value):
        return ()
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None

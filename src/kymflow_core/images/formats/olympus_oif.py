"""Olympus' `.oif` (a text file, and a folder of TIFFs) and `.oib` (the same in one file), read with oiffile.

The rule of this room: of a line scan the axis T is the lines. The time between them is taken where the settings state it
twice, and both mean the same.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.headers.acquisition import wall_clock_ns
from kymflow_core.images.formats.shared import Arrangement, in_unit, load_library, reading
from kymflow_core.images.image_readers import ImageInFile

_KIND = "Olympus' .oif or .oib"
_UM = {"um": 1.0, "nm": 1e-3, "mm": 1e3}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_SAME = 1e-3
_DATE = "%Y-%m-%d %H:%M:%S"


class OifReader:
    """Reads `.oif` files with their folder, and `.oib` files."""

    name = "olympus_oif"
    endings = (".oif", ".oib")

    def files_of(self, path: Path) -> Sequence[Path]:
        """Return the files in the folder of an `.oif`."""
        folder = path.with_name(f"{path.name}.files")
        return sorted(one for one in folder.iterdir() if one.is_file()) if folder.is_dir() else ()

    def read(self, path: Path) -> Sequence[ImageInFile]:
        """Return the image; raise `SourceError` where it cannot be read."""
        oiffile = load_library("oiffile", path)
        with reading(path, _KIND), oiffile.OifFile(str(path)) as oif:
            sizes = dict(zip(oif.axes, oif.shape, strict=True))
            letters, shape = _layout(oif, sizes)
            arranged = Arrangement(path, letters, shape)
            pixels = arranged.pixels(oif.dtype, lambda: _load(path))
            header = _header(oif.mainfile, sizes, arranged)
        return [ImageInFile(pixels=pixels, axes=arranged.axes, header=header)]


def _layout(oif: Any, sizes: Mapping[str, int]) -> tuple[str, tuple[int, ...]]:
    """Return the axes of the TIFFs together: those in their names, then those of a page; raise where a TIFF is missing."""
    series = oif.series[0]
    named = dict(zip(series.axes, series.shape, strict=True))
    stated = {letter: sizes.get(letter, 1) for letter in named}
    if named != stated or len(series) != math.prod(named.values()):
        raise ValueError(f"its settings state {sizes}, and it has {len(series)} TIFFs for {named}")
    page = {letter: size for letter, size in sizes.items() if letter not in named}
    return "".join((*named, *page)), (*named.values(), *page.values())


def _load(path: Path) -> NDArray[Any]:
    with reading(path, _KIND), load_library("oiffile", path).OifFile(str(path)) as oif:
        pixels: NDArray[Any] = oif.series[0].asarray()
        _, shape = _layout(oif, dict(zip(oif.axes, oif.shape, strict=True)))
        if pixels.shape != shape:
            raise ValueError(f"its settings state the shape {shape}, and its TIFFs have {pixels.shape}")
        return pixels


def _header(settings: Mapping[str, Any], sizes: Mapping[str, int], arranged: Arrangement) -> AcquisitionHeader:
    image, common = _section(settings, "Reference Image Parameter"), _section(settings, "Acquisition Parameters Common")
    seconds, unread = _seconds_per_line(settings) if arranged.is_line_scan else (None, ())
    date, not_a_date = _acquired(common.get("ImageCaputreDate"))  # the settings' own spelling
    return AcquisitionHeader(
        shape=(sizes["T" if arranged.is_line_scan else "Y"], sizes["X"]),
        seconds_per_line=seconds,
        um_per_pixel=in_unit(image.get("WidthConvertValue"), image.get("WidthUnit"), _UM),
        acquired_local_epoch_ns=date,
        channel_names=_channel_names(settings, arranged),
        fields={name: {key: str(value) for key, value in _section(settings, name).items()} for name in settings},
        unread=(*unread, *not_a_date),
    )


def _seconds_per_line(settings: Mapping[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    """Return the time between lines, and what of it could not be understood."""
    axes = [_section(settings, f"Axis {at} Parameters Common") for at in range(8)]
    time = next((axis for axis in axes if axis.get("AxisCode") == "T"), {})
    stated = in_unit(time.get("Interval"), time.get("UnitName"), _SECONDS)
    numbers = [time.get(key) for key in ("StartPosition", "EndPosition", "MaxSize")]
    begin, end, lines = (one if isinstance(one, int | float) else math.nan for one in numbers)
    if not lines > 1:
        return None, ()
    measured = in_unit(abs(end - begin) / (lines - 1), time.get("UnitName"), _SECONDS)
    if stated is not None and measured is not None and math.isclose(stated, measured, rel_tol=_SAME):
        return stated, ()
    return None, (f"lines {stated} s apart by their interval, {measured} s by their first and last time",)


def _acquired(text: object) -> tuple[int | None, tuple[str, ...]]:
    if text is None:
        return None, ()
    try:
        return wall_clock_ns(datetime.strptime(str(text), _DATE)), ()  # no time zone is stated
    except ValueError:
        return None, (f"the date {text!r}",)


def _channel_names(settings: Mapping[str, Any], arranged: Arrangement) -> tuple[str, ...]:
    """Return the name of each channel, where the settings name as many as there are."""
    count = dict(zip(arranged.axes, arranged.shape, strict=True)).get("c", 1)
    named = [_section(settings, f"Channel {number} Parameters").get("DyeName") for number in range(1, count + 1)]
    return tuple(map(str, named)) if all(named) else ()


def _section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = settings.get(name)
    return section if isinstance(section, Mapping) else {}

"""Records as NWB files, the format in which laboratories publish: one file a record.

The rule of this room: what NWB demands and nobody knows is not made up. A number that is not known is NaN, a text
"unknown"; a record without a time of acquisition, or without the time of a line, is left out with the reason. Only the time
zone, which microscopes do not state and NWB demands, is that of the computer that exports, and each file says so.

A line scan is a `TwoPhotonSeries`, whose `scan_line_rate` is made for it: each line is a frame of one row, so its data are
(lines, pixels, 1) and its rate is that of the lines. An `ImageSeries` has no imaging plane and so no size of a pixel, and
ROIs could not refer to a plain `TimeSeries`. ROIs are a `PlaneSegmentation`: since the plane is a line, the mask of a ROI
is its pixels, each weighted with the part of the ROI's lines in which it belongs to the ROI; the lines are in columns of
their own. Velocities are a `TimeSeries` for each ROI, channel and method, next to the ROIs in the processing module
`ophys`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.errors import ImageError, KymflowError, MissingPackageError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import VelocityIndexer
from kymflow_core.roi import ROI
from kymflow_zarr import JsonObject, Watch, ZarrDataset, ZarrImageRecord
from kymflow_zarr.disk.local_file import saving_file
from kymflow_zarr.disk.local_path import local_path
from kymflow_zarr.errors import FolderNotEmptyError, KymflowZarrError
from kymflow_zarr.exporting.names import Places, friendly_folder
from kymflow_zarr.reports import FailedFile
from kymflow_zarr.watch import UNWATCHED

if TYPE_CHECKING:
    from pynwb import NWBFile

_UNKNOWN = "unknown"
_ZONE = "session_start_time is the microscope's local time; its time zone is that of the computer that wrote this file"
_AGE = re.compile(r"P(\d+(\.\d+)?[YMWD])+(/(P(\d+(\.\d+)?[YMWD])+)?)?")
_AGE_IN_WORDS = re.compile(r"(\d+)\s*(day|week|month|year)s?", re.IGNORECASE)
_ANY_AGE = "P0D/"
"""NWB's form of an age of which only is known that it is not below 0."""
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F", "u": "U", "o": "O"}
_SUBJECT = ("species", "genotype", "strain")
_TRIES = 3
"""How often a record is read that others change meanwhile."""
_REGULAR = 1e-6
"""Part of a step by which times may differ from equal steps, and count as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NwbReport:
    """What an export to NWB wrote, and which records it left out, each with the reason."""

    folder: Path
    files: tuple[Path, ...] = ()
    failed: tuple[FailedFile, ...] = ()

    def summary(self) -> str:
        """Return one line."""
        count = len(self.files)
        left_out = f", {len(self.failed)} not exported" if self.failed else ""
        return f"{count} record{'' if count == 1 else 's'} exported as NWB{left_out}"


def export_nwb(dataset: ZarrDataset, folder: str | Path, *, overwrite: bool = False, watch: Watch = UNWATCHED) -> NwbReport:
    """Write every record of a dataset as `<name>_<id>.nwb` into a folder.

    Parameters
    ----------
    dataset
        The dataset; it is only read.
    folder
        Where the files go; made if it is not there.
    overwrite
        Whether files may be written into a folder that has others; of the same name, they are replaced.
    watch
        Shows before each record how far the export is, and stops it; whole files stay.

    Raises
    ------
    MissingPackageError
        When pynwb is not installed.
    FolderNotEmptyError
        When the folder has files, and `overwrite` is not given.
    OSError
        When a file cannot be written.
    """
    _check_installed()
    target = local_path(folder)
    if not overwrite and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FolderNotEmptyError(
            f"not exported: there is something at {target} already; choose a new folder, or say that its files may be "
            "overwritten"
        )
    target.mkdir(parents=True, exist_ok=True)
    places, files, failed = Places(), list[Path](), list[FailedFile]()
    ids = dataset.list_image_ids()
    for done, image_id in enumerate(ids):
        watch.check("the export was cancelled; the files that are there are whole")
        watch.progress(done, len(ids), image_id)
        try:
            name = AcqImage(dataset.record(image_id)).name
            path = target / places.take(f"{friendly_folder(name, image_id)}.nwb")
            _write(_file_of_one_moment(dataset, image_id), path)
        except (KymflowError, KymflowZarrError, ValueError, TypeError) as error:
            failed.append(FailedFile(path=Path(image_id), reason=str(error)))
        else:
            files.append(path)
    return NwbReport(folder=target, files=tuple(files), failed=tuple(failed))


def write_nwb(record: ZarrImageRecord, path: Path) -> None:
    """Write one record as an NWB file, whole or not at all.

    Raises
    ------
    ImageError
        When NWB needs something that is not known, or has no place for the image; the message says which.
    MissingPackageError
        When pynwb is not installed.
    """
    _check_installed()
    _write(_file_of(record), path)


def _write(file: "NWBFile", path: Path) -> None:
    import h5py
    from pynwb import NWBHDF5IO

    # Opened here, since pynwb warns of every path that does not end in .nwb.
    with saving_file(path) as temporary, h5py.File(temporary, "w") as opened, NWBHDF5IO(file=opened, mode="w") as io:
        io.write(file)


def _check_installed() -> None:
    try:
        import pynwb  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            'NWB files are written by pynwb, which is not installed; install it with: pip install "napari-kymflow[nwb]"'
        ) from error


def _file_of_one_moment(dataset: ZarrDataset, image_id: str) -> "NWBFile":
    """Return a record's file, whose ROIs and velocities belong together; raise `ImageError` where others always save."""
    for _ in range(_TRIES):
        record = dataset.held_record(image_id)
        moment, file = record.moment(), _file_of(record)
        if record.again().moment() == moment:
            return file
    raise ImageError(f"other programs changed it each of the {_TRIES} times that it was read; export it again")


def _file_of(record: ZarrImageRecord) -> "NWBFile":
    from pynwb import NWBFile

    image = AcqImage(record)
    header, name = image.header, image.name or record.image_id
    if header.acquired is None:
        raise ImageError(f"{name} has no time of acquisition, which NWB needs")
    if header.seconds_per_line is None:
        raise ImageError(f"{name} has no seconds per line, which NWB needs; enter its calibration")
    if image.axes not in (("y", "x"), ("c", "y", "x")):
        raise ImageError(f"{name} has the axes {image.axes}; line scans (y, x) or (c, y, x) are exported to NWB")
    file = NWBFile(
        session_description=f"line scan {name}",
        identifier=record.image_id,
        session_start_time=header.acquired.astimezone(),
        session_id=name.replace("/", "_"),
        notes="\n".join([_ZONE, *_notes(image.experiment_metadata)]),
        subject=_subject(image.experiment_metadata),
    )
    plane = _add_line_scans(file, image, header, header.seconds_per_line)
    module = file.create_processing_module(name="ophys", description="regions of interest, and the velocity in them")
    _add_rois(module, image, plane)
    _add_velocities(module, record)
    return file


def _notes(experiment: JsonObject) -> list[str]:
    return [f"{key}: {value}" for key, value in experiment.items() if value not in (None, "")]


def _subject(experiment: JsonObject) -> Any:
    """Return what is noted of the animal; an age or sex that NWB has no form for is in the description, as it is noted."""
    from pynwb.file import Subject

    noted = {key: str(value) for key, value in experiment.items() if value not in (None, "")}
    sex, age = _SEXES.get(noted.get("sex", "").casefold()), _age(noted.get("age", ""))
    unsaid = [f"{key}: {noted[key]}" for key, known in (("age", age), ("sex", sex)) if key in noted and known is None]
    return Subject(
        subject_id=noted.get("subject_id", _UNKNOWN),
        age=age or _ANY_AGE,
        sex=sex or "U",
        description="; ".join(unsaid) or None,
        **{key: noted[key] for key in _SUBJECT if key in noted},
    )


def _age(noted: str) -> str | None:
    """Return an age in the form of ISO 8601, "P12W"; None where it is noted otherwise than so, or as "12 weeks"."""
    if _AGE.fullmatch(noted):
        return noted
    words = _AGE_IN_WORDS.fullmatch(noted.strip())
    return f"P{words[1]}{words[2][0].upper()}" if words else None


def _add_line_scans(file: "NWBFile", image: AcqImage, header: AcquisitionHeader, seconds_per_line: float) -> Any:
    """Add each channel's pixels, and return the imaging plane, which is the scanned line."""
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb.ophys import OpticalChannel, TwoPhotonSeries

    channels = image.channels_available
    names = header.channel_names if len(header.channel_names) == len(channels) else tuple(f"channel {n}" for n in channels)
    rate, um = 1.0 / seconds_per_line, header.um_per_pixel
    spacing = {} if um is None else {"grid_spacing": [um, um], "grid_spacing_unit": "micrometers"}
    plane = file.create_imaging_plane(
        name="scanned_line",
        description="the line that was scanned again and again; its only axis is x",
        optical_channel=[
            OpticalChannel(name=f"channel_{number}", description=name, emission_lambda=np.nan)
            for number, name in zip(channels, names, strict=True)
        ],
        device=file.create_device(name="microscope", description=_microscope(header)),
        excitation_lambda=np.nan,
        indicator=_UNKNOWN,
        location=str(image.experiment_metadata.get("region") or _UNKNOWN),
        imaging_rate=rate,
        **spacing,
    )
    for number, name in zip(channels, names, strict=True):
        pixels = image.slice_pixels(channel=number)
        file.add_acquisition(
            TwoPhotonSeries(
                name="line_scan" if len(channels) == 1 else f"line_scan_channel_{number}",
                description=f"{name}; each line of the scan is a frame of one row: (lines, pixels, 1)",
                data=H5DataIO(pixels[:, :, np.newaxis], compression="gzip"),
                unit="a.u.",
                rate=rate,
                starting_time=0.0,
                imaging_plane=plane,
                scan_line_rate=rate,
                dimension=[pixels.shape[1], 1],
            )
        )
    return plane


def _microscope(header: AcquisitionHeader) -> str:
    return f"calibration from {header.calibration_source}" if header.calibration_source else _UNKNOWN


def _add_rois(module: Any, image: AcqImage, plane: Any) -> None:
    from pynwb.ophys import ImageSegmentation

    rois = list(image.rois)
    if not rois:
        return
    segmentation = ImageSegmentation(name="ImageSegmentation")
    module.add(segmentation)
    table = segmentation.create_plane_segmentation(
        name="rois",
        description="regions of the line scan: pixels along the line in pixel_mask, lines in columns; ranges are half-open",
        imaging_plane=plane,
    )
    texts = {"roi_name": "what it is called", "note": "what was noted", "kind": "rect or mask"}
    numbers = {"channel": "counts from 1", "first_line": "its first line", "end_line": "the line after its last"}
    for name, description in {**texts, **numbers}.items():
        table.add_column(name=name, description=description)
    for roi in rois:
        table.add_roi(id=roi.roi_id, **_roi_row(image, roi))


def _roi_row(image: AcqImage, roi: ROI) -> dict[str, Any]:
    bounds = image.bounds_of(roi)
    rows, columns = bounds.slices
    inside: NDArray[np.bool_] = image.mask_of(roi)[rows, columns]
    weights = inside.mean(axis=0)
    mask = [(columns.start + at, 0, float(weight)) for at, weight in enumerate(weights) if weight > 0]
    texts = {"roi_name": roi.name, "note": roi.note, "kind": roi.roi_type}
    return {
        "pixel_mask": mask,
        **texts,
        "channel": roi.channel,
        "first_line": rows.start,
        "end_line": rows.stop,
    }


def _add_velocities(module: Any, record: ZarrImageRecord) -> None:
    from pynwb import TimeSeries

    windows = VelocityIndexer().extract_rows(record)
    for name, group in _series(windows):
        times = _times(group["time_s"].to_numpy())
        method = str(group["method"].iloc[0])
        shared = {"comments": f"method: {method}; ROI {group['roi_id'].iloc[0]}, channel {group['channel'].iloc[0]}"}
        speed = {"unit": "m/s", "conversion": 1e-3, **times, **shared}
        module.add(
            TimeSeries(
                name=f"velocity_{name}",
                description="velocity of each window in mm/s, signed by direction; NaN where it is not valid",
                data=group["velocity_mm_s"].to_numpy(),
                **speed,
            )
        )
        interval = group[["velocity_low_mm_s", "velocity_high_mm_s"]].to_numpy()
        if not np.isnan(interval).all():
            what = "ends of the 95 % interval of the velocity in mm/s: low, high"
            module.add(TimeSeries(name=f"interval_{name}", description=what, data=interval, **speed))
        quality = group["quality"].to_numpy()
        if not np.isnan(quality).all():
            what = "probability that the velocity is right"
            module.add(TimeSeries(name=f"quality_{name}", description=what, data=quality, unit="1", **times, **shared))


def _series(windows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the windows of each ROI, channel and method with a name, in the order of time."""
    several_methods = windows.groupby(["roi_id", "channel"])["method"].transform("nunique") > 1
    for (roi_id, channel, method), group in windows.groupby(["roi_id", "channel", "method"], dropna=False):
        further = (
            f"_{re.sub(r'[^a-z0-9]+', '_', str(method).lower()).strip('_')}" if several_methods[group.index[0]] else ""
        )
        yield f"roi_{roi_id}_channel_{channel}{further}", group.sort_values("time_s")


def _times(seconds: NDArray[np.float64]) -> Mapping[str, Any]:
    """Return the times as a start and a rate where the steps are equal, else one by one."""
    steps = np.diff(seconds)
    if len(steps) and steps[0] > 0:
        equal = seconds[0] + np.arange(len(seconds)) * (seconds[-1] - seconds[0]) / len(steps)
        if np.abs(seconds - equal).max() <= _REGULAR * steps[0]:
            return {"starting_time": float(seconds[0]), "rate": float(len(steps) / (seconds[-1] - seconds[0]))}
    return {"timestamps": seconds}

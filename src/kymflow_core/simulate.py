"""Synthetic kymographs of known velocity, and a small dataset of them to try the program on.

The model: red blood cells are dark dips in a bright plasma; the row of cells moves along the line as one, so line `i` is a
fixed pattern shifted by the distance that the cells have gone. Photon noise is Poisson. The true velocity of every line is
known, so that an analysis can be measured against it.
 `simulate_kymograph` makes the scans of the demo dataset, in mm/s. `simulate_cells` makes what is difficult, in pixels per
line: few photons, stripes, flickering lines, sparse cells, several lanes, a beam that moves while it scans.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.artifacts import RADON_REPORT, VELOCITY, VELOCITY_EVENTS
from kymflow_core.computed_from import ComputedFrom
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.images.ome_metadata import describe_header
from kymflow_core.indexers import INDEXERS
from kymflow_core.roi import ROI, RectROI, RoiSet
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_zarr import Watch, ZarrDataset
from kymflow_zarr.watch import UNWATCHED

if TYPE_CHECKING:
    from kymflow_core.images.velocity_of_roi import RoiVelocity

PLASMA_COUNTS = 420.0
CELL_DEPTH = 0.75
CELL_LENGTH_UM = 6.0
CELL_SPACING_UM = 14.0
_FIRST_SCAN_NS = 1_767_261_600 * 10**9
_BETWEEN_SCANS_NS = 60 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A stretch of time with another velocity: from `t0_s` to `t1_s`, in mm/s."""

    t0_s: float
    t1_s: float
    velocity_mm_s: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is simulated: one line scan with a base velocity and episodes of other velocities."""

    name: str
    velocity_mm_s: float
    episodes: tuple[Episode, ...] = ()
    lines: int = 6000
    pixels: int = 96
    seconds_per_line: float = 0.001
    um_per_pixel: float = 0.5

    def true_velocity(self) -> NDArray[np.float64]:
        """Return the velocity of every line in mm/s, positive towards larger x."""
        times = np.arange(self.lines) * self.seconds_per_line
        velocity = np.full(self.lines, self.velocity_mm_s)
        for episode in self.episodes:
            velocity[(times >= episode.t0_s) & (times < episode.t1_s)] = episode.velocity_mm_s
        return velocity


DEMO_SCANS = (
    Scan(name="demo steady flow", velocity_mm_s=0.4),
    Scan(
        name="demo stall",
        velocity_mm_s=0.5,
        episodes=(
            Episode(t0_s=1.8, t1_s=2.6, velocity_mm_s=0.0, kind="stall"),
            Episode(t0_s=4.2, t1_s=4.5, velocity_mm_s=0.0, kind="stall"),
        ),
    ),
    Scan(
        name="demo reversal",
        velocity_mm_s=0.35,
        episodes=(
            Episode(t0_s=2.5, t1_s=3.7, velocity_mm_s=-0.25, kind="reversal"),
            Episode(t0_s=4.6, t1_s=5.2, velocity_mm_s=0.8, kind="speed-up"),
        ),
    ),
)


def _real_size(name: str, velocity_mm_s: float, *episodes: Episode) -> Scan:
    size = Scan(name=name, velocity_mm_s=velocity_mm_s, episodes=episodes)
    return replace(size, lines=30_000, pixels=38, seconds_per_line=0.00117, um_per_pixel=0.284)


REAL_SIZE_SCANS = (
    _real_size("real size steady flow", 0.9),
    _real_size(
        "real size stalls",
        0.6,
        Episode(t0_s=6.0, t1_s=8.5, velocity_mm_s=0.0, kind="stall"),
        Episode(t0_s=20.0, t1_s=21.2, velocity_mm_s=0.0, kind="stall"),
    ),
    _real_size(
        "real size reversal",
        0.7,
        Episode(t0_s=12.0, t1_s=15.0, velocity_mm_s=-0.4, kind="reversal"),
        Episode(t0_s=25.0, t1_s=28.0, velocity_mm_s=1.4, kind="speed-up"),
    ),
)
"""As long, as wide and as finely sampled as line scans of a capillary that a laboratory recorded: 35 s of 10.8 µm."""


def simulate_kymograph(scan: Scan, *, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return a kymograph of `scan`, shape (lines, pixels): rows are time, columns space."""
    gone_um: NDArray[np.float64] = np.cumsum(scan.true_velocity()) * 1000.0 * scan.seconds_per_line
    positions = np.arange(scan.pixels) * scan.um_per_pixel
    start, stop = positions[0] - np.max(gone_um), positions[-1] - np.min(gone_um)
    grid = np.arange(start - CELL_SPACING_UM, stop + CELL_SPACING_UM, scan.um_per_pixel / 4)
    pattern = _cells(grid, rng)
    counts = np.interp(positions[None, :] - gone_um[:, None], grid, pattern)
    return rng.poisson(counts * _illumination(scan.pixels)).astype(np.uint16)


def _cells(grid: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    number = max(2, int(np.ptp(grid) / CELL_SPACING_UM))
    centres = grid[0] + (np.arange(number) + rng.uniform(-0.3, 0.3, number)) * CELL_SPACING_UM
    behind = np.searchsorted(centres, grid).clip(1, number - 1)
    distance = np.minimum(np.abs(grid - centres[behind]), np.abs(grid - centres[behind - 1]))
    depth: NDArray[np.float64] = CELL_DEPTH * np.exp(-0.5 * (distance / (CELL_LENGTH_UM / 2.355)) ** 2)
    return PLASMA_COUNTS * (1 - depth)


def _illumination(pixels: int) -> NDArray[np.float64]:
    """Return a gentle fall-off towards both ends of the line, as where the scan leaves the vessel."""
    x = np.linspace(-1.0, 1.0, pixels)
    return 1.0 - 0.45 * np.abs(x) ** 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CellScene:
    """Cells that pass a line, and what makes them hard to measure. Lengths are in pixels.

    Parameters
    ----------
    pixels
        Width of the line.
    cell_length, spacing
        Mean length of a cell, which varies by a quarter, and mean distance from one to the next; gaps are exponential.
    photons
        Mean photons in a pixel of plasma.
    contrast
        What part of the light a cell takes, or gives where cells are `bright`.
    blur
        Standard deviation of the optical blur.
    stripes
        How uneven the illumination of the columns is: standard deviation of its logarithm, roughly.
    line_noise
        Standard deviation of the brightness from line to line.
    drift
        Standard deviation of the logarithm of the brightness over hundreds of lines.
    beam_delay
        What part of the time of a line the beam needs from one pixel to the next.
    read_noise
        Standard deviation of the detector, in photons.
    lanes, lane_spread
        Rows of cells side by side, and the relative standard deviation of their speeds.
    """

    pixels: int = 38
    cell_length: float = 14.0
    spacing: float = 35.0
    photons: float = 30.0
    contrast: float = 0.7
    bright: bool = False
    blur: float = 1.0
    stripes: float = 0.0
    line_noise: float = 0.0
    drift: float = 0.0
    beam_delay: float = 0.0
    read_noise: float = 0.0
    lanes: int = 1
    lane_spread: float = 0.0


_STEPS_PER_PIXEL = 4


def simulate_cells(
    scene: CellScene, pixels_per_line: NDArray[np.float64], *, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a kymograph, shape (lines, pixels), of cells with the speed `pixels_per_line` of each line."""
    light = np.zeros((len(pixels_per_line), scene.pixels))
    for _ in range(scene.lanes):
        factor = 1 + scene.lane_spread * rng.standard_normal() if scene.lanes > 1 else 1.0
        light += _lane(scene, pixels_per_line * factor, rng) / scene.lanes
    light = 1 - scene.contrast + scene.contrast * light if scene.bright else 1 - scene.contrast * light
    if scene.stripes:
        light *= np.exp(1.5 * scene.stripes * _smooth(rng.standard_normal(scene.pixels), 0.8))
    if scene.drift:
        slow = _smooth(rng.standard_normal(len(light)), 200.0)
        light *= np.exp(scene.drift * slow / max(float(slow.std()), 1e-9))[:, None]
    if scene.line_noise:
        light *= 1 + scene.line_noise * rng.standard_normal((len(light), 1))
    counts = rng.poisson(np.clip(light, 0, None) * scene.photons)
    return np.asarray(counts + scene.read_noise * rng.standard_normal(counts.shape), np.float32)


def _lane(scene: CellScene, speeds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return which part of each pixel a row of cells covers; the beam reaches pixel x `beam_delay` times x later."""
    gone = np.concatenate([[0.0], np.cumsum(speeds[:-1])])
    positions = np.arange(scene.pixels)
    along = positions - gone[:, None] - speeds[:, None] * scene.beam_delay * positions
    start = float(along.min()) - 3 * scene.cell_length - 8
    grid = np.arange(start, float(along.max()) + 3 * scene.cell_length + 8, 1 / _STEPS_PER_PIXEL)
    covered = np.zeros(len(grid))
    gap = max(scene.spacing - scene.cell_length, 0.5)
    place = start
    while place < grid[-1]:
        place += rng.exponential(gap)
        length = scene.cell_length * rng.uniform(0.75, 1.25)
        first, behind = (round((edge - start) * _STEPS_PER_PIXEL) for edge in (place, place + length))
        covered[first:behind] = 1.0
        place += length
    lit: NDArray[np.float64] = np.interp(along, grid, _smooth(covered, scene.blur * _STEPS_PER_PIXEL))
    return lit


def _smooth(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return the values blurred by a Gaussian of the standard deviation `width`; the ends are joined."""
    frequencies = np.fft.rfftfreq(len(values))
    blurred = np.fft.rfft(values) * np.exp(-2 * (np.pi * frequencies * width) ** 2)
    smooth: NDArray[np.float64] = np.fft.irfft(blurred, len(values))
    return smooth


def make_demo_dataset(
    path: str | Path, *, scans: Sequence[Scan] = DEMO_SCANS, seed: int = 7, watch: Watch = UNWATCHED
) -> ZarrDataset:
    """Make a dataset of simulated kymographs with ROIs, one mask, reports, events, velocity series and all tables.

    The reports and events state the true values of the simulation, and say so in their notes. The velocity series of the
    first ROI is measured, in windows that do not overlap.

    Raises
    ------
    DatasetExistsError
        When there is a dataset at `path`.
    CancelledError
        When `watch` is cancelled; the dataset has the records that were made by then.
    """
    rng = np.random.default_rng(seed)
    dataset = ZarrDataset.create(path)
    for number, scan in enumerate(scans):
        watch.check("The simulation was cancelled")
        watch.progress(number, len(scans), scan.name)
        _add_scan(dataset, scan, rng, acquired_local_epoch_ns=_FIRST_SCAN_NS + number * _BETWEEN_SCANS_NS)
    KymDataset(dataset).rebuild_tables(INDEXERS).checked()
    return dataset


def _add_scan(dataset: ZarrDataset, scan: Scan, rng: np.random.Generator, *, acquired_local_epoch_ns: int) -> None:
    header = AcquisitionHeader(
        name=scan.name,
        shape=(scan.lines, scan.pixels),
        seconds_per_line=scan.seconds_per_line,
        um_per_pixel=scan.um_per_pixel,
        calibration_source="simulated",
        acquired_local_epoch_ns=acquired_local_epoch_ns,
        channel_names=("simulated plasma",),
    )
    margin = scan.pixels // 8
    vessel = RectROI(roi_id=1, name="vessel", x0=margin, x1=scan.pixels - margin, y0=0, y1=scan.lines)
    rois = RoiSet.of(
        [
            vessel,
            RectROI(roi_id=2, name="centre, first half", x0=3 * margin, x1=5 * margin, y0=0, y1=scan.lines // 2),
        ]
    )
    pixels = simulate_kymograph(scan, rng=rng)
    with dataset.build_record(pixels) as draft:
        metadata = RecordMetadata().with_header(header).with_experiment({"note": "simulated"}).with_rois(rois)
        draft.save_metadata_payload(metadata.to_json())
        stated = ComputedFrom.of(rois, algorithm="simulation", calibration=header).to_json()
        draft.save_df_parquet(RADON_REPORT, _true_report(scan, rois), computed_from=stated)
        first = ComputedFrom.of([rois.get(1)], algorithm="simulation", calibration=header).to_json()
        draft.save_df_parquet(VELOCITY_EVENTS, _true_events(scan), computed_from=first)
        measured = _measured(pixels[:, vessel.x0 : vessel.x1], vessel, metadata)
        draft.save_df_parquet(VELOCITY, measured.windows, computed_from=measured.statement.to_json())
        AcqImage(draft).materialize_rect_roi_mask(2)
        draft.save_ome(describe_header(header))


def _measured(pixels: NDArray[np.uint16], roi: ROI, metadata: RecordMetadata) -> "RoiVelocity":
    """Return the velocity in the pixels of a ROI that has all lines."""
    # scipy is loaded only where a velocity is measured.
    from kymflow_core.flow import VelocitySettings
    from kymflow_core.images.velocity_of_roi import measure_roi

    window = VelocitySettings().lines_of_window(metadata.header.seconds_per_line)
    settings = VelocitySettings(step=window)
    return measure_roi(pixels, roi, metadata, settings, first_line=0, previous_events=pd.DataFrame())


def _true_report(scan: Scan, rois: RoiSet) -> pd.DataFrame:
    velocity = scan.true_velocity()
    return pd.DataFrame(
        [
            {
                "roi_id": roi.roi_id,
                "channel": roi.channel,
                "mean_velocity": float(velocity[roi.y0 : roi.y1].mean()),
                "median_velocity": float(np.median(velocity[roi.y0 : roi.y1])),
                "n_valid": roi.y1 - roi.y0,
                "notes": "true velocity of the simulation",
            }
            for roi in rois
            if isinstance(roi, RectROI)
        ]
    )


def _true_events(scan: Scan) -> pd.DataFrame:
    rows = [
        {
            "roi_id": 1,
            "event_id": event_id,
            "t0_s": episode.t0_s,
            "t1_s": episode.t1_s,
            "kind": episode.kind,
            "score": abs(episode.velocity_mm_s - scan.velocity_mm_s),
            "note": "true episode of the simulation; score is the change in mm/s",
        }
        for event_id, episode in enumerate(scan.episodes, start=1)
    ]
    return pd.DataFrame(rows, columns=["roi_id", "event_id", "t0_s", "t1_s", "kind", "score", "note"])

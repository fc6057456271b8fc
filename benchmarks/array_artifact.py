"""Save a large array artifact: `ZarrImageRecord.save_array_artifact` against `zarr.create_array`.

The array is a distance map, smooth float32. Ours compresses and seals each chunk, builds the array aside, flushes it and
renames it in. zarr writes with its own default chunks and codecs to the same disk, with no checksum and no flush.

Target: 0.3 s for 64 MB.
"""

import math
from pathlib import Path

import numpy as np
import zarr
from _measure import Way, compare, parser_of, seconds, working_folder
from numpy.typing import NDArray

from kymflow_zarr import ZarrDataset

CENTRES = ((0.2, 0.3), (0.7, 0.6), (0.4, 0.9))


def distance_map(side: int) -> NDArray[np.float32]:
    """Return the distance in pixels to the nearest of three points, shape (side, side)."""
    y, x = np.ogrid[:side, :side]
    distances = [np.hypot(y - cy * side, x - cx * side) for cy, cx in CENTRES]
    return np.stack(distances).min(axis=0).astype(np.float32)


def save_artifact(values: NDArray[np.float32], folder: Path) -> float:
    """Save by our way."""
    record = ZarrDataset.create(folder / "ours.zarr").add_image(np.zeros((8, 8), np.uint8))
    return seconds(lambda: record.save_array_artifact("distance", values))


def create_array(values: NDArray[np.float32], folder: Path) -> float:
    """Save by the plain way."""
    return seconds(lambda: zarr.create_array(folder / "plain.zarr", data=values))


def main() -> None:
    """Read the command line, make the array, run both ways."""
    parser = parser_of(__doc__, repeats=7)
    parser.add_argument("--megabytes", type=float, default=64.0, help="in 2**20 bytes")
    options = parser.parse_args()
    values = distance_map(max(1, math.isqrt(int(options.megabytes * 2**20 / 4))))
    with working_folder(options.folder) as folder:
        compare(
            f"array artifact of {values.shape[0]} x {values.shape[1]} float32, {values.nbytes / 2**20:.1f} MB",
            ours=Way(name="save_array_artifact, flushed", run=lambda empty: save_artifact(values, empty)),
            baseline=Way(name="zarr.create_array, not flushed", run=lambda empty: create_array(values, empty)),
            repeats=options.repeats,
            folder=folder,
            target="0.3 s for 64 MB",
        )


if __name__ == "__main__":
    main()

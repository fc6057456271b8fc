"""Rasterize one large polygon: `shape_mask` of `kymflow_core.roi.raster` against `skimage.draw.polygon2mask`, as napari.

The polygon is a closed curve with as many vertices as asked for, over most of the image. Both give the same pixels, which
is checked in every run. The default image is smaller than the largest in use, since the baseline takes minutes there.

Target: 1 s for 30000 x 4096 pixels.
"""

from pathlib import Path

import numpy as np
from _measure import Way, compare, parser_of, seconds, working_folder
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from kymflow_core.roi.raster import shape_mask


def wavy_outline(vertices: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return a closed curve (vertices, 2) as (y, x) in pixels, to 1/1000, within an image of `shape`."""
    angles = np.linspace(0, 2 * np.pi, num=vertices, endpoint=False)
    radius = 0.42 + 0.06 * np.sin(9 * angles)
    points = [(0.5 + radius * np.sin(angles)) * shape[0], (0.5 + radius * np.cos(angles)) * shape[1]]
    return np.round(np.column_stack(points), 3)


def main() -> None:
    """Read the command line, make the polygon, run both ways."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--lines", type=int, default=6000)
    parser.add_argument("--pixels", type=int, default=1000)
    parser.add_argument("--vertices", type=int, default=64)
    options = parser.parse_args()
    shape = (options.lines, options.pixels)
    outline = wavy_outline(options.vertices, shape)
    if not np.array_equal(shape_mask("polygon", outline, shape), polygon2mask(shape, outline)):
        raise SystemExit("the two ways have different pixels")

    def ours(empty: Path) -> float:
        return seconds(lambda: shape_mask("polygon", outline, shape))

    def baseline(empty: Path) -> float:
        return seconds(lambda: polygon2mask(shape, outline))

    with working_folder(options.folder) as folder:
        compare(
            f"polygon of {options.vertices} vertices on {shape[0]} x {shape[1]} pixels",
            ours=Way(name="shape_mask", run=ours),
            baseline=Way(name="skimage.draw.polygon2mask", run=baseline),
            repeats=options.repeats,
            folder=folder,
            target="1 s for 30000 x 4096",
        )


if __name__ == "__main__":
    main()

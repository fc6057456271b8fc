"""Import one folder of ever more small TIFFs: what one file costs must not depend on how many others there are.

Each size is imported into a new dataset, and once more when nothing is new. The growth exponent is the slope of the whole
time over the number of files, both as logarithms: 1 where each file costs the same, 2 where each costs as much as there are
files. The TIFFs are in the system's cache.

Target: an exponent of at most 1.1, for both. With `--repeats 1` each size is imported once; `--files 100 1000` leaves
out the largest.
"""

import math
import statistics
from pathlib import Path

import numpy as np
import tifffile
from _measure import as_time, parser_of, print_table, seconds, settle, working_folder

from kymflow_zarr import ZarrDataset

GOAL = 1.1


def growth_exponent(sizes: list[int], times: list[float]) -> float:
    """Return the slope of the line of least squares through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def make_tiffs(folder: Path, files: int) -> Path:
    """Write small TIFFs, each with other pixels."""
    folder.mkdir()
    for number in range(files):
        tifffile.imwrite(folder / f"scan_{number:05d}.tif", np.full((16, 8), number, np.uint16))
    return folder


def measure(tiffs: Path, empty: Path) -> tuple[float, float]:
    """Return how long the first import takes, and one of nothing new."""
    dataset = ZarrDataset.create(empty / "ours.zarr")
    settle()
    first = seconds(lambda: dataset.import_folder(tiffs))
    settle()
    return first, seconds(lambda: ZarrDataset(dataset.path).import_folder(tiffs))


def main() -> None:
    """Read the command line, import each size, fit the growth."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument(
        "--files", type=int, nargs="+", default=[100, 1000, 5000], help="how many TIFFs; at least two different numbers"
    )
    options = parser.parse_args()
    if min(options.files) == max(options.files):
        parser.error("growth needs at least two different numbers of --files")
    medians: dict[str, list[float]] = {"import": [], "import again": []}
    with working_folder(options.folder) as folder:
        for files in options.files:
            tiffs = make_tiffs(folder / f"tiffs {files}", files)
            runs = []
            for _ in range(options.repeats):
                with working_folder(folder) as empty:
                    runs.append(measure(tiffs, empty))
            for name, times in zip(medians, zip(*runs, strict=True), strict=True):
                medians[name].append(statistics.median(times))
    rows, largest = {}, 0.0
    for name, times in medians.items():
        a_file = [time / files for time, files in zip(times, options.files, strict=True)]
        exponent = growth_exponent(options.files, times)
        largest = max(largest, exponent)
        costs = ", ".join(f"{files}: {as_time(time).strip()}" for files, time in zip(options.files, a_file, strict=True))
        rows[f"{name}, a file"] = f"{costs}; growth exponent {exponent:.2f}, goal {GOAL}: {_verdict(exponent)}"
    first = [time / files for time, files in zip(medians["import"], options.files, strict=True)]
    print_table(
        f"import of {', '.join(map(str, options.files))} TIFFs in one folder",
        rows=rows,
        ratio=first[-1] / first[0],
        target=f"growth exponent at most {GOAL}: {_verdict(largest)}",
        repeats=options.repeats,
    )


def _verdict(exponent: float) -> str:
    return "met" if math.isfinite(exponent) and exponent <= GOAL else "missed"


if __name__ == "__main__":
    main()

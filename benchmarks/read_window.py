"""Read a window of one record of a large dataset: open the dataset, take the record, read 100 lines.

Each run is a fresh process that has imported its libraries and read nothing yet; the time includes what the libraries do
once, at their first array. The baseline reads the TIFF of the same image whole with tifffile. Memory is the growth of the
process to its highest point, in C libraries too (Linux: VmHWM, reset before; else `getrusage`). All files are in the
system's cache for both.

Target: under 20 ms and 10 MB, in a dataset of 2 GB.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import tifffile
from _kymographs import kymographs
from _measure import as_time, parser_of, print_table, settle, working_folder

from kymflow_zarr import ZarrDataset

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
WINDOW = 100


def read_window(dataset: str, image_id: str, lines: int) -> None:
    """Read by our way."""
    start = lines // 2
    ZarrDataset(dataset, mode="r").record(image_id).open_array()[start : start + WINDOW]


def peak_bytes() -> int:
    """Return the most memory that this process ever had (since the last reset); 0 where the system does not say."""
    if STATUS.exists():
        (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def child(options: argparse.Namespace) -> None:
    """Do it once in this process, and print seconds and bytes."""
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")
    before, start = peak_bytes(), time.perf_counter()
    if options.child == "ours":
        read_window(options.dataset, options.image_id, options.lines)
    else:
        tifffile.imread(options.tiff)
    print(json.dumps([time.perf_counter() - start, peak_bytes() - before]))


def in_fresh_process(arguments: list[str]) -> tuple[float, float]:
    """Return the seconds and bytes of one child."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    taken, grown = json.loads(done.stdout)
    return taken, grown


def main() -> None:
    """Read the command line, make the dataset, run both ways in fresh processes."""
    parser = parser_of(__doc__, repeats=7)
    parser.add_argument("--records", type=int, default=260)
    parser.add_argument("--lines", type=int, default=30_000)
    parser.add_argument("--pixels", type=int, default=128)
    for name in ("--child", "--dataset", "--image-id", "--tiff"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    with working_folder(options.folder) as folder:
        dataset, tiff = ZarrDataset.create(folder / "large.zarr"), folder / "one.tif"
        for image in kymographs(options.records, lines=options.lines, pixels=options.pixels):
            image_id, megabytes = dataset.add_image(image).image_id, image.nbytes * options.records / 1e6
            tifffile.imwrite(tiff, image)
        settle()
        common = [
            "--lines",
            str(options.lines),
            "--dataset",
            str(dataset.path),
            "--image-id",
            image_id,
            "--tiff",
            str(tiff),
        ]
        runs: dict[str, list[tuple[float, float]]] = {"ours": [], "whole": []}
        for _ in range(options.repeats):
            for way, measured in runs.items():
                measured.append(in_fresh_process(["--child", way, *common]))
    medians = {way: [statistics.median(column) for column in zip(*rows, strict=True)] for way, rows in runs.items()}
    names = {"ours": f"open, record, {WINDOW} lines", "whole": "tifffile.imread, whole image"}
    print_table(
        f"a window of one of {options.records} records of {options.lines} x {options.pixels} uint16, {megabytes:.0f} MB",
        rows={names[way]: f"{as_time(taken)}  and {grown / 2**20:6.1f} MB more" for way, (taken, grown) in medians.items()},
        ratio=medians["ours"][0] / medians["whole"][0],
        target="under 20 ms and 10 MB in 2 GB",
        repeats=options.repeats,
    )


if __name__ == "__main__":
    main()

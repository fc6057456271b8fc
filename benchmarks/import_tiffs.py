"""Import a folder of TIFFs: `ZarrDataset.import_folder` against a plain loop of tifffile and zarr.

Ours checks and digests every file, compresses, seals each chunk with a checksum, builds each record aside, flushes
everything to the disk and renames it in. The loop reads each file and writes an array in chunks of 512 lines with zarr's
default codecs: no metadata, no checksum, no flush. The TIFFs are in the system's cache for both.

Target: about 5 s for 200 TIFFs of 30000 x 128 uint16.
"""

from pathlib import Path

import tifffile
import zarr
from _kymographs import kymographs
from _measure import Way, compare, parser_of, seconds, working_folder

from kymflow_zarr import ZarrDataset

CHUNK_LENGTH = 512


def import_folder(tiffs: Path, folder: Path) -> float:
    """Import by our way."""
    return seconds(lambda: ZarrDataset.create(folder / "ours.zarr").import_folder(tiffs))


def plain_loop(tiffs: Path, folder: Path) -> float:
    """Import by the plain way."""

    def run() -> None:
        group = zarr.create_group(folder / "plain.zarr")
        for path in sorted(tiffs.iterdir()):
            pixels = tifffile.imread(path)
            chunks = (min(CHUNK_LENGTH, len(pixels)), pixels.shape[1])
            group.create_array(path.stem, shape=pixels.shape, dtype=pixels.dtype, chunks=chunks)[...] = pixels

    return seconds(run)


def main() -> None:
    """Read the command line, make the TIFFs, run both ways."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--lines", type=int, default=30_000)
    parser.add_argument("--pixels", type=int, default=128)
    options = parser.parse_args()
    with working_folder(options.folder) as folder:
        tiffs = folder / "tiffs"
        tiffs.mkdir()
        for number, image in enumerate(kymographs(options.files, lines=options.lines, pixels=options.pixels)):
            tifffile.imwrite(tiffs / f"scan_{number:04d}.tif", image)
        megabytes = sum(path.stat().st_size for path in tiffs.iterdir()) / 1e6
        compare(
            f"import of {options.files} TIFFs of {options.lines} x {options.pixels} uint16, {megabytes:.0f} MB",
            ours=Way(name="import_folder, all flushed", run=lambda empty: import_folder(tiffs, empty)),
            baseline=Way(name=f"plain zarr, {CHUNK_LENGTH} lines, no flush", run=lambda empty: plain_loop(tiffs, empty)),
            repeats=options.repeats,
            folder=folder,
            target="about 5 s for 200 of 30000 x 128",
        )


if __name__ == "__main__":
    main()

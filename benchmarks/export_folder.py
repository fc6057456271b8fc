"""Export a dataset and make it again of the folder: `export_legacy_folder`, `import_folder` against tifffile and pandas.

Ours writes for each record the TIFF that Fiji reads with its scale (and reads it back to compare), every revision and
artifact, each table as CSV and Parquet, and a digest of each file; the import checks all digests and seals each chunk.
Both flush to the disk. The plain way writes each image with tifffile and one CSV of windows, reads both again, and writes
an array with zarr's default codecs: no metadata, no checksum, no flush.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import zarr
from _kymographs import kymographs
from _measure import Way, compare, parser_of, seconds, working_folder

from kymflow_zarr import ZarrDataset

WINDOWS = 7_500


def windows() -> pd.DataFrame:
    """Return as many velocity windows as the older program makes of 30,000 lines."""
    time = np.arange(WINDOWS) * 0.00468
    return pd.DataFrame({"roi_id": 1, "channel": 1, "time": time, "velocity": np.sin(time)})


def there_and_back(dataset: ZarrDataset, folder: Path) -> float:
    """Export and import by our way."""

    def run() -> None:
        dataset.export_legacy_folder(folder / "out")
        ZarrDataset(folder / "again.zarr").import_folder(folder / "out")

    return seconds(run)


def plain_loop(dataset: ZarrDataset, folder: Path) -> float:
    """Export and import by the plain way."""

    def run() -> None:
        group = zarr.create_group(folder / "plain.zarr")
        for record in dataset.iter_records():
            path = folder / f"{record.image_id}.tif"
            tifffile.imwrite(path, record.load_array())
            record.load_df_parquet("radon_velocity").to_csv(path.with_suffix(".csv"), index=False)
        for path in folder.glob("*.tif"):
            pixels = tifffile.imread(path)
            pd.read_csv(path.with_suffix(".csv"))
            group.create_array(path.stem, shape=pixels.shape, dtype=pixels.dtype, chunks=pixels.shape)[...] = pixels

    return seconds(run)


def main() -> None:
    """Read the command line, make the dataset, run both ways."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--records", type=int, default=50)
    parser.add_argument("--lines", type=int, default=30_000)
    parser.add_argument("--pixels", type=int, default=128)
    options = parser.parse_args()
    with working_folder(options.folder) as folder:
        dataset = ZarrDataset.create(folder / "lab.zarr")
        for image in kymographs(options.records, lines=options.lines, pixels=options.pixels):
            with dataset.build_record(image) as draft:
                draft.save_metadata_payload({"header": {"seconds_per_line": 0.00117, "um_per_pixel": 0.284}})
                draft.save_df_parquet("radon_velocity", windows())
        compare(
            f"export and import of {options.records} records of {options.lines} x {options.pixels} uint16",
            ours=Way(name="export_folder, import_folder", run=lambda empty: there_and_back(dataset, empty)),
            baseline=Way(name="tifffile, CSV, plain zarr, no flush", run=lambda empty: plain_loop(dataset, empty)),
            repeats=options.repeats,
            folder=folder,
            target="ratio below 5",
        )


if __name__ == "__main__":
    main()

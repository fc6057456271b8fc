"""Keep the table `velocity_events` of many images true: `KymDataset` against pandas, which reads and writes Parquet files.

Three jobs, each in turns: rebuild the table from all images; look for what is not fresh where nothing changed; update 100
images. The pandas way reads every image's file, joins the frames and writes one file, which is all that it can do for the
second and the third job as well: it knows of no image whether it changed. It marks nothing, checks no digest, and flushes
nothing.

Target: rebuild of 10,000 images in about 6 s; refresh of 1,000 unchanged images in 0.1 s; update of 100 images among
1,000,000 rows in about 1 s.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from _measure import Way, compare, parser_of, seconds, working_folder

from kymflow_core import KymDataset, VelocityEventsIndexer
from kymflow_zarr import ZarrDataset

INDEXER = VelocityEventsIndexer()


def make_events(count: int, *, seed: int) -> pd.DataFrame:
    """Return one image's events."""
    rng = np.random.default_rng(seed)
    start = np.sort(rng.uniform(0, 30, count)).round(3)
    return pd.DataFrame(
        {
            "roi_id": rng.integers(1, 4, count),
            "event_id": range(count),
            "t0_s": start,
            "t1_s": start + 0.25,
            "kind": rng.choice(["stall", "reversal", "speed-up"], count),
            "score": rng.normal(size=count),
        }
    )


def make_dataset(path: Path, images: int, rows: int) -> ZarrDataset:
    """Return a dataset of tiny images with events."""
    dataset = ZarrDataset.create(path)
    for number in range(images):
        with dataset.build_record(np.zeros((4, 4), np.uint8)) as draft:
            draft.save_metadata_payload({"rois": []})
            draft.save_df_parquet("velocity_events", make_events(rows, seed=number))
    return dataset


def read_all(dataset: ZarrDataset, target: Path) -> None:
    """Do it by the plain way."""
    files = sorted((dataset.path / "images").glob("*/analysis/velocity_events.parquet"))
    frames = [pd.read_parquet(file).assign(image_id=file.parts[-3]) for file in files]
    pd.concat(frames, ignore_index=True).to_parquet(target / "plain.parquet")


def main() -> None:
    """Read the command line, make the dataset, run the jobs both ways."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=100, help="events of each image")
    parser.add_argument("--updated", type=int, default=100, help="how many images are updated")
    options = parser.parse_args()
    with working_folder(options.folder) as folder:
        dataset = make_dataset(folder / "lab.zarr", options.images, options.rows)
        tables = KymDataset(dataset)
        tables.rebuild(INDEXER)
        some = dataset.list_image_ids()[: options.updated]
        plain = Way(name="pandas", run=lambda empty: seconds(lambda: read_all(dataset, empty)))
        jobs = {
            f"rebuild of {options.images} images, {options.images * options.rows} rows": lambda: tables.rebuild(INDEXER),
            f"refresh of {options.images} unchanged images": lambda: tables.refresh(INDEXER),
            f"update of {len(some)} images among {options.images * options.rows} rows": lambda: tables.update_images(
                INDEXER, some
            ),
        }
        targets = ("10,000 images in about 6 s", "1,000 images in 0.1 s", "100 images among 1,000,000 rows in about 1 s")
        for (title, job), target in zip(jobs.items(), targets, strict=True):
            ours = Way(name="KymDataset", run=lambda _, job=job: seconds(job))
            compare(title, ours=ours, baseline=plain, repeats=options.repeats, folder=folder, target=target)
        shutil.rmtree(dataset.path)


if __name__ == "__main__":
    main()

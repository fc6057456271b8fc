"""Replace the rows of some images in a table: `ZarrDataset.replace_rows` against one plain rewrite of the file.

Ours reads the table, takes the images' rows out, checks and adds the new ones, and replaces the file whole and flushed. The
plain rewrite reads the same file with pandas and writes it again, changing nothing and flushing nothing.

Target: within two plain rewrites, for 100 images in a table of 1,000,000 rows.
"""

import shutil
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
from _measure import Way, compare, parser_of, seconds, working_folder

from kymflow_zarr import ZarrDataset

TABLE = "velocity_events"


def make_rows(image_ids: list[str], rows_per_image: int, *, seed: int) -> pd.DataFrame:
    """Return events as the indexer makes them: numbers, a word, a note."""
    rng = np.random.default_rng(seed)
    count = len(image_ids) * rows_per_image
    start = rng.uniform(0, 30, count).round(3)
    return pd.DataFrame(
        {
            "image_id": np.repeat(np.array(image_ids, dtype=object), rows_per_image),
            "roi_id": rng.integers(1, 4, count),
            "event_id": np.tile(np.arange(1, rows_per_image + 1), len(image_ids)),
            "t0_s": start,
            "t1_s": start + 0.25,
            "kind": rng.choice(["stall", "reversal", "speed-up"], count),
            "score": rng.normal(size=count),
            "note": "",
        }
    )


def plain_rewrite(source: Path, folder: Path) -> float:
    """Rewrite the file by the plain way."""
    copy = folder / "plain.parquet"
    shutil.copyfile(source, copy)
    return seconds(lambda: pd.read_parquet(copy).to_parquet(copy))


def main() -> None:
    """Read the command line, make the table, run both ways."""
    parser = parser_of(__doc__, repeats=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=10_000, help="how many images the rows are of")
    parser.add_argument("--replaced", type=int, default=100, help="how many images' rows are replaced")
    options = parser.parse_args()
    rows_per_image = max(1, options.rows // options.images)
    image_ids = [str(uuid.uuid4()) for _ in range(options.images)]
    with working_folder(options.folder) as folder:
        dataset = ZarrDataset.create(folder / "events.zarr")
        dataset.save_table(TABLE, make_rows(image_ids, rows_per_image, seed=0))
        changed = make_rows(image_ids[: options.replaced], rows_per_image, seed=1)
        new_rows = {str(image_id): rows for image_id, rows in changed.groupby("image_id")}
        file = dataset.path / "tables" / f"{TABLE}.parquet"
        compare(
            f"rows of {options.replaced} images replaced in a table of {rows_per_image * options.images} rows, "
            f"{file.stat().st_size / 1e6:.0f} MB",
            ours=Way(name="replace_rows", run=lambda _: seconds(lambda: dataset.replace_rows(TABLE, new_rows))),
            baseline=Way(name="pandas read_parquet + to_parquet", run=lambda empty: plain_rewrite(file, empty)),
            repeats=options.repeats,
            folder=folder,
            target="ratio below 2",
        )


if __name__ == "__main__":
    main()

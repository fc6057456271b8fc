"""Rebuild the manifest, the list of all records: `ZarrDataset.rebuild_manifest` against a walk with zarr.

Ours reads each record's attributes, axes, shape and newest metadata (3 ROIs here), and writes the list. The walk opens each
record's group with zarr and reads its attributes, nothing more. All files are in the system's cache for both.

Target: 0.2 s for 1,000 records, 2 s for 10,000 (`--records 10000`).
"""

import shutil
import uuid
from pathlib import Path

import numpy as np
import zarr
from _measure import Way, compare, parser_of, seconds, working_folder

from kymflow_zarr import JsonValue, ZarrDataset

ROIS: list[JsonValue] = [
    {
        "roi_id": number,
        "roi_type": "rect",
        "version": "1.0",
        "name": f"vessel {number}",
        "note": "",
        "channel": 1,
        "z": 0,
        "data": {"x0": 0, "x1": 8, "y0": 4 * number, "y1": 4 * number + 4},
        "meta": {},
    }
    for number in (1, 2, 3)
]


def make_dataset(path: Path, records: int) -> ZarrDataset:
    """Return a dataset of tiny records: one is built, the others are copies of its folder under other ids."""
    dataset = ZarrDataset.create(path)
    with dataset.build_record(np.zeros((16, 8), np.uint16)) as draft:
        draft.save_metadata_payload(
            {
                "header": {"name": "scan", "seconds_per_line": 0.001, "um_per_pixel": 0.25, "shape": [16, 8]},
                "experiment_metadata": {"species": "mouse", "condition": "control", "depth": 35.0},
                "rois": ROIS,
                "next_roi_id": 4,
            }
        )
    first = path / "images" / draft.image_id
    for _ in range(records - 1):
        shutil.copytree(first, first.with_name(str(uuid.uuid4())))
    return ZarrDataset(path)


def walk(dataset: ZarrDataset) -> list[dict[str, object]]:
    """Return the attributes of all records, read with zarr."""
    images = dataset.path / "images"
    return [dict(zarr.open_group(images / image_id, mode="r").attrs) for image_id in dataset.list_image_ids()]


def main() -> None:
    """Read the command line, make the records, run both ways."""
    parser = parser_of(__doc__, repeats=5)
    parser.add_argument("--records", type=int, default=1000)
    options = parser.parse_args()
    with working_folder(options.folder) as folder:
        dataset = make_dataset(folder / "many.zarr", options.records)
        compare(
            f"manifest of {options.records} records with 3 ROIs each",
            ours=Way(name="rebuild_manifest", run=lambda _: seconds(dataset.rebuild_manifest)),
            baseline=Way(name="zarr.open_group and attributes", run=lambda _: seconds(lambda: walk(dataset))),
            repeats=options.repeats,
            folder=folder,
            target="0.2 s for 1000, 2 s for 10000",
        )


if __name__ == "__main__":
    main()

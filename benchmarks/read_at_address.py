"""Read a dataset at https://… whose server answers after 50 ms: open it, a table, a record, a part of one, a copy.

The baseline asks for the same files one after another with urllib and does nothing with them: what the network allows. Each
run of ours begins with a new handle, so nothing is in memory.

Targets: 5 requests to open a dataset of any size with the list of its records, 6 for a record.
"""

import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _measure import Way, compare, parser_of, seconds, working_folder
from _server import FarServer, far_server
from manifest import make_dataset

from kymflow_zarr import ZarrDataset


def make_served(path: Path, records: int, lines: int, pixels: int) -> str:
    """Make a dataset of many tiny records and a real one, with its list of files; return the id of the real one."""
    import pandas as pd

    dataset = make_dataset(path, records)
    image = np.random.default_rng(0).integers(0, 4096, (lines, pixels)).astype(np.uint16)
    with dataset.build_record(image) as draft:
        draft.save_metadata_payload({"header": {"name": "long"}, "rois": []})
    ids = dataset.list_image_ids()
    dataset.save_table("velocity_events", pd.DataFrame({"image_id": np.repeat(ids, 100), "peak": 1.5}))
    dataset.save_file_list()
    return draft.image_id


def fetch(server: FarServer, paths: list[str]) -> None:
    """Ask for files one after another."""
    for path in paths:
        with urllib.request.urlopen(server.url(path)) as answer:
            answer.read()


def measure(
    title: str, server: FarServer, work: Callable[[Path], object], prepare: Callable[[], object], repeats: int
) -> None:
    """Run a piece of work and the requests that it made, in turns, and print both with the number of requests."""
    with working_folder(None) as folder:
        prepare()
        server.asked.clear()
        work(folder)
        asked = server.asked[:]

    def ours(empty: Path) -> float:
        prepare()
        return seconds(lambda: work(empty))

    with working_folder(None) as folder:
        compare(
            f"{title}: {len(asked)} requests",
            ours=Way(name="ours", run=ours),
            baseline=Way(name="urllib, the same files", run=lambda _: seconds(lambda: fetch(server, asked))),
            repeats=repeats,
            folder=folder,
            target="at most 5 requests to open, 6 a record",
        )


def main() -> None:
    """Read the command line, make the dataset, run all."""
    parser = parser_of(__doc__, repeats=3)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=30_000)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--latency-ms", type=float, default=50)
    options = parser.parse_args()
    with working_folder(options.folder) as folder:
        image_id = make_served(folder / "lab.zarr", options.records - 1, options.lines, options.pixels)
        with far_server(folder, latency_s=options.latency_ms / 1000) as server:
            opened: list[ZarrDataset] = []

            def fresh() -> None:
                opened[:] = [ZarrDataset(server.url("lab.zarr"), mode="r")]

            def read_record(_: Path) -> None:
                record = opened[0].record(image_id)
                record.load_attributes()
                record.load_metadata_payload()
                record.load_array()

            run = {
                f"open, and list {options.records} records": (
                    lambda _: ZarrDataset(server.url("lab.zarr"), mode="r").load_manifest(),
                    lambda: None,
                ),
                "a table": (lambda _: opened[0].load_table("velocity_events"), fresh),
                f"a record of {options.lines} x {options.pixels}": (read_record, fresh),
                "100 lines of it": (lambda _: np.asarray(opened[0].record(image_id).open_array()[:100]), fresh),
            }
            for title, (work, prepare) in run.items():
                measure(title, server, work, prepare, options.repeats)


if __name__ == "__main__":
    main()

"""What `python -m benchmarks` measures: rows of work, each with our way, the fairest peer and a goal.

The rule of this room: a way gets a folder with data and returns an action to be measured; what it needs is opened and
imported before. A peer that is not installed is left out.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import numpy as np

Action = Callable[[], object]
Way = Callable[[Path], Action]
EVENTS = 100
"""Events of each image."""
_ROI = {"roi_type": "rect", "version": "1.0", "note": "", "channel": 1, "z": 0, "meta": {}}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of work.

    `make` writes the data of `size` things into a folder, which all rows of the same `make` share. The goal is `goal_s`
    seconds of the processor, and `goal_mb` of memory, at `goal_size`. `sizes` are those that are measured.
    """

    name: str
    make: Callable[[Path, int], object]
    ours: Way
    goal_s: float
    goal_size: int = 1
    goal_mb: float | None = None
    sizes: tuple[int, ...] = (100, 1_000)
    peers: Mapping[str, Way] = field(default_factory=dict)


def make_images(folder: Path, size: int) -> None:
    """Make a dataset of small images with three ROIs, events and a report each."""
    import pandas as pd
    from refresh_tables import make_events

    from kymflow_zarr import ZarrDataset

    dataset = ZarrDataset.create(folder / "lab.zarr")
    report = {"roi_id": [1, 2, 3], "mean_velocity": 0.2, "median_velocity": 0.1, "n_valid": 7, "notes": "", "channel": 1}
    rois = [
        {**_ROI, "roi_id": one, "name": f"vessel {one}", "data": {"x0": 0, "x1": 8, "y0": 4 * one, "y1": 4 * one + 4}}
        for one in (1, 2, 3)
    ]
    for number in range(size):
        header = {"name": f"scan {number}", "seconds_per_line": 0.001, "um_per_pixel": 0.25, "shape": [64, 16]}
        with dataset.build_record(np.full((64, 16), number % 100, np.uint16)) as draft:
            draft.save_metadata_payload({"header": header, "rois": rois, "next_roi_id": 4})
            draft.save_df_parquet("velocity_events", make_events(EVENTS, seed=number))
            draft.save_df_parquet("radon_report", pd.DataFrame(report))
    dataset.rebuild_manifest()
    _index(folder / "lab.zarr")()


def make_nothing(folder: Path, size: int) -> None:
    """Make nothing."""


def _lab(folder: Path) -> Path:
    return folder / "lab.zarr"


def _index(path: Path, *, rebuild: bool = False, only: str = "") -> Action:
    from kymflow_core import KymDataset
    from kymflow_core.indexers import INDEXERS

    four = ("images", "rois", "radon_report", "velocity_events")
    tables, wanted = KymDataset(path), [one for one in INDEXERS if one.table_name in ((only,) if only else four)]
    return lambda: (tables.rebuild_tables if rebuild else tables.refresh_tables)(wanted)


def _one_changed(folder: Path) -> Action:
    from kymflow_core import KymDataset, VelocityEventsIndexer

    tables, indexer = KymDataset(_lab(folder)), VelocityEventsIndexer()
    first = tables.dataset.list_image_ids()[0]
    return lambda: tables.update_image(indexer, first)


def _verify(folder: Path) -> Action:
    from kymflow_core import KymDataset

    tables = KymDataset(_lab(folder), mode="r")
    return lambda: tables.verify()


def _info(folder: Path) -> Action:
    from typer.testing import CliRunner

    from kymflow_core.cli import app

    return lambda: CliRunner().invoke(app, ["info", str(_lab(folder))], catch_exceptions=False)


def _manifest(folder: Path, *, rebuild: bool) -> Action:
    from kymflow_zarr import ZarrDataset

    dataset = ZarrDataset(_lab(folder))
    return dataset.rebuild_manifest if rebuild else dataset.load_manifest


def _open_at_address(folder: Path) -> Action:
    from _server import FarServer

    from kymflow_zarr import ZarrDataset

    ZarrDataset(_lab(folder)).save_file_list()
    server = FarServer(folder, 0.05)
    Thread(target=server.serve_forever, daemon=True).start()
    return lambda: ZarrDataset(server.url("lab.zarr"), mode="r").load_manifest()


def _export(folder: Path) -> Action:
    from kymflow_zarr import ZarrDataset

    dataset, out = ZarrDataset(_lab(folder), mode="r"), folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    return lambda: dataset.export_legacy_folder(out)


def _restore(folder: Path) -> Action:
    from kymflow_zarr import ZarrDataset

    exported, again = folder / "exported", folder / "again.zarr"
    if not exported.exists():
        ZarrDataset(_lab(folder), mode="r").export_legacy_folder(exported)
    shutil.rmtree(again, ignore_errors=True)
    return lambda: ZarrDataset(again).import_folder(exported)


def make_scans(folder: Path, size: int) -> None:
    """Make TIFFs of 30000 x 128 pixels, as a microscope's."""
    import tifffile
    from _kymographs import kymographs

    for number, pixels in enumerate(kymographs(size, lines=30_000, pixels=128)):
        tifffile.imwrite(folder / f"scan_{number:05d}.tif", pixels)


def make_small_files(folder: Path, size: int) -> None:
    """Make TIFFs of a few pixels, each with others."""
    from import_growth import make_tiffs

    make_tiffs(folder / "tiffs", size)


def _empty(folder: Path) -> Path:
    """Return a folder beside the data of a row, made anew."""
    out = folder.with_name(f"{folder.name} out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    os.sync()  # what an earlier way left to be written is not waited for by this one
    return out


def _import(folder: Path) -> Action:
    from kymflow_zarr import ZarrDataset

    dataset = ZarrDataset.create(_empty(folder) / "lab.zarr")
    return lambda: dataset.import_folder(folder)


def _sqlite(folder: Path) -> Action:
    import sqlite3

    out = _empty(folder)

    def run() -> None:
        with contextlib.closing(sqlite3.connect(out / "lab.db", isolation_level=None)) as database:
            database.execute("pragma synchronous = full")
            database.execute("create table scans (name text, pixels blob)")
            for file in sorted(folder.glob("*.tif")):  # each is flushed
                database.execute("insert into scans values (?, ?)", (file.name, file.read_bytes()))

    return run


def _sharded_zarr(folder: Path) -> Action:
    import tifffile
    import zarr

    out = _empty(folder)

    def run() -> None:
        for file in sorted(folder.glob("*.tif")):
            pixels = tifffile.imread(file)
            path, (lines, across) = out / f"{file.stem}.zarr", pixels.shape
            shape = {"chunks": (4096, across), "shards": (-(-lines // 4096) * 4096, across)}
            codecs = [zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), zarr.codecs.Crc32cCodec()]
            zarr.create_array(path, shape=pixels.shape, dtype=pixels.dtype, compressors=codecs, **shape)[...] = pixels
            for written in (one for one in path.rglob("*") if one.is_file()):
                with written.open("rb") as opened:
                    os.fsync(opened.fileno())

    return run


def _event_files(folder: Path) -> list[Path]:
    return sorted((_lab(folder) / "images").glob("*/analysis/velocity_events.parquet"))


def _pandas_loop(folder: Path) -> Action:
    import pandas as pd

    def run() -> None:
        frames = [pd.read_parquet(file).assign(image_id=file.parts[-3]) for file in _event_files(folder)]
        pd.concat(frames, ignore_index=True).to_parquet(folder / "plain.parquet")

    return run


def _duckdb(folder: Path) -> Action:
    import duckdb

    pattern, target = _lab(folder) / "images/*/analysis/velocity_events.parquet", folder / "duck.parquet"
    return lambda: duckdb.sql(f"copy (from read_parquet('{pattern}', filename=true)) to '{target}' (format parquet)")


def _pandas_rewrite(folder: Path) -> Action:
    import pandas as pd

    table, target = _lab(folder) / "tables/velocity_events.parquet", folder / "plain.parquet"
    return lambda: pd.read_parquet(table).to_parquet(target)


def _stat(folder: Path) -> Action:
    return lambda: [file.stat() for file in _event_files(folder)]


def _walk(folder: Path) -> Action:
    import zarr

    images = _lab(folder) / "images"
    return lambda: [dict(zarr.open_group(one, mode="r").attrs) for one in images.iterdir() if one.is_dir()]


def _command(*arguments: str) -> Way:
    return lambda _folder: lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def installed(peers: Mapping[str, Way]) -> dict[str, Way]:
    """Return the peers that can be run here."""
    return {name: way for name, way in peers.items() if name != "DuckDB" or importlib.util.find_spec("duckdb")}


ROWS = (
    Row(
        name="rebuild velocity_events",
        make=make_images,
        ours=lambda folder: _index(_lab(folder), rebuild=True, only="velocity_events"),
        peers={"pandas loop": _pandas_loop, "DuckDB": _duckdb},
        goal_s=5,
        goal_mb=400,
        goal_size=10_000,
    ),
    Row(
        name="index of four tables",
        make=make_images,
        ours=lambda folder: _index(_lab(folder), rebuild=True),
        goal_s=2,
        goal_size=1_000,
    ),
    Row(
        name="nothing changed, one table",
        make=make_images,
        ours=lambda folder: _index(_lab(folder), only="velocity_events"),
        peers={"stat of each file": _stat},
        goal_s=0.03,
        goal_size=1_000,
    ),
    Row(
        name="one image changed",
        make=make_images,
        ours=_one_changed,
        peers={"pandas, rewrite of the table": _pandas_rewrite},
        goal_s=0.1,
        goal_size=10_000,
    ),
    Row(
        name="import of scans, 30000 x 128, flushed",
        make=make_scans,
        ours=_import,
        peers={"SQLite, not packed": _sqlite, "zarr in shards": _sharded_zarr},
        goal_s=1.3,
        goal_size=60,
        sizes=(60,),
    ),
    Row(name="import of small files", make=make_small_files, ours=_import, goal_s=80, goal_size=10_000),
    Row(name="export", make=make_images, ours=_export, goal_s=5, goal_size=1_000),
    Row(name="restore of an export", make=make_images, ours=_restore, goal_s=5, goal_size=1_000),
    Row(name="info", make=make_images, ours=_info, goal_s=3, goal_size=10_000),
    Row(name="verify", make=make_images, ours=_verify, goal_s=10, goal_size=10_000),
    Row(
        name="manifest, rebuild",
        make=make_images,
        ours=lambda folder: _manifest(folder, rebuild=True),
        peers={"zarr, attributes of each group": _walk},
        goal_s=2,
        goal_size=10_000,
    ),
    Row(
        name="manifest, load",
        make=make_images,
        ours=lambda folder: _manifest(folder, rebuild=False),
        goal_s=0.1,
        goal_size=10_000,
    ),
    Row(name="open and list at https, 50 ms", make=make_images, ours=_open_at_address, goal_s=2, goal_size=10_000),
    Row(
        name="import kymflow_zarr",
        make=make_nothing,
        ours=_command("-c", "import kymflow_zarr"),
        peers={"import typer": _command("-c", "import typer")},
        goal_s=0.3,
        sizes=(1,),
    ),
    Row(
        name="napari-kymflow --help",
        make=make_nothing,
        ours=_command("-c", "from kymflow_core.cli import app; app(['--help'])"),
        peers={"import typer": _command("-c", "import typer")},
        goal_s=0.3,
        sizes=(1,),
    ),
)

"""TIFFs and their sidecars, changed at random: each gives a record's content or a named failure, within bounds."""

import gzip
import io
import json
import multiprocessing
import random
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_core.images.acquisition_file import read_for_import
from kymflow_zarr.arrays.npy import npy_to_bytes
from kymflow_zarr.errors import SourceError
from kymflow_zarr.formats.frames import frame_to_parquet

pytestmark = [
    pytest.mark.trials,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of memory for a process"),
]
MOST_BYTES = 1 << 30
MOST_CPU_SECONDS = 10
A_DAMAGE_IS = 6
"""How many mutated files count as one of the trials' damages."""
PARTS = [
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"99999999999999999999",
    b"null",
    b'""',
    b"[[",
    b"1e999",
    b",",
]


def tiffs() -> dict[str, bytes]:
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 60_000, (6, 20, 16), dtype=np.uint16)
    ways = {
        "plain": {},
        "zlib": {"compression": "zlib"},
        "imagej": {"imagej": True, "metadata": {"axes": "TYX", "unit": "um", "yunit": "s", "Info": "x" * 300}},
        "ome": {"ome": True, "metadata": {"axes": "TYX", "PhysicalSizeX": 0.3}},
        "tiles": {"tile": (16, 16)},
        "predictor": {"tile": (16, 16), "compression": "zlib", "predictor": True},
        "bigtiff": {"bigtiff": True, "rowsperstrip": 3},
    }
    made = {}
    for name, options in ways.items():
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels, photometric="minisblack", **options)
        made[name] = buffer.getvalue()
    return made


def sidecars() -> dict[str, bytes]:
    events = {"velocity_events": {"1:1": [{"event_type": "nan_gap", "t_start": 1.5, "i_start": 3, "score_peak": None}]}}
    rois = {"rois": [{"roi_id": 1, "roi_type": "rect", "data": {"x0": 2, "x1": 9, "y0": 5, "y1": 17}}], "next_roi_id": 2}
    header = '"[Dimensions]"\t""\r\n"X Dimension"\t"12, 0.0 - 3.000 [um], 0.250 [um/pixel]"\r\n'
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "l": [[1, None], [2]], "s": ["x", "y"]})
    return {
        "flow-analysis/scan_radon.csv": b"roi_id,channel,time,velocity\n1,1,0.1,1.5\n1,1,0.2,\n",
        "flow-analysis/scan_events.json": json.dumps(events).encode(),
        "scan.json": json.dumps(rois).encode(),
        "scan.txt": header.encode(),
        "scan.a.csv": b"t;v;n\n0,1;1,5;007\n0,2;1,6;NA\n",
        "scan.a.csv.gz": gzip.compress(b't,v,n\n0.1,1.5,007\n"0.2",1.6,NA\n', mtime=0),
        "scan.a.parquet": frame_to_parquet(frame, what="a"),
        "scan.a.npy": npy_to_bytes(np.zeros((3, 4))),
        "scan.a.json": b'{"a":[1,2.5,null,"x"],"b":{"c":true}}',
    }


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with 1 to 16 changes: bits turned, bytes and numbers replaced, parts put in, the end cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        at, kind = chance.randrange(min(len(changed), chance.choice([64, 400, len(changed)]))), chance.random()
        if kind < 0.5:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind < 0.7:
            changed[at] = chance.choice([0, 255, 127, *b'0189.,;-"[]{}e\n'])
        elif kind < 0.9:
            part = chance.choice(PARTS)
            changed[at : at + chance.choice([0, len(part)])] = part
        else:
            del changed[chance.randrange(len(changed)) :]
        changed = changed or bytearray(b" ")
    return bytes(changed)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a process saw: what went wrong, how many files were read and refused, and the most that one of them cost."""

    wrong: list[str]
    counts: dict[str, int]
    cpu_seconds: float
    memory: int


def read_mutated(folder: Path, make: Callable[[], dict[str, bytes]], number: int, seed: int) -> Found:
    """Read mutated files one after another, in a process of its own."""
    import resource

    # Far above what is asked: Arrow reserves addresses that it never uses. What was really used is measured.
    resource.setrlimit(resource.RLIMIT_AS, (4 * MOST_BYTES, 4 * MOST_BYTES))

    warnings.simplefilter("ignore")  # tifffile and numpy warn of values in damaged files
    chance, wrong, slowest, counts = random.Random(seed), [], 0.0, {"read": 0, "refused": 0}
    (folder / "flow-analysis").mkdir(parents=True)
    scan = folder / "scan.tif"
    tifffile.imwrite(scan, np.zeros((40, 12), np.uint16))
    examples = make()
    at_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(number):
        name, data = chance.choice(list(examples.items()))
        path = folder / name if "." in name else scan
        path.write_bytes(mutated(data, chance))
        began = time.process_time()
        try:
            read_for_import(scan)
            counts["read"] += 1
        except SourceError as error:
            counts["refused"] += 1
            if not str(error):
                wrong.append(f"{name}: no reason")
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is what the trial looks for
            wrong.append(f"{name}: {error!r}")
        slowest = max(slowest, time.process_time() - began)
        if path != scan:
            path.unlink()
    unit = 1 if sys.platform == "darwin" else 1024
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_first) * unit
    return Found(wrong=wrong, counts=counts, cpu_seconds=slowest, memory=memory)


@pytest.mark.parametrize("make", [tiffs, sidecars])
def test_a_mutated_file_is_read_or_refused_within_1_gb_and_10_s_of_cpu(make, tmp_path, trials, count):
    number = trials.damages * A_DAMAGE_IS
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(read_mutated, tmp_path / "files", make, number, 20221102).result()
    assert found.wrong == []
    assert found.cpu_seconds < MOST_CPU_SECONDS
    assert found.memory < MOST_BYTES
    assert sum(found.counts.values()) == number
    assert min(found.counts.values()) > 0
    count(f"mutated {make.__name__}", number)

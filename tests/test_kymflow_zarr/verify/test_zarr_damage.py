"""Every damage to any file of a dataset is found by a deep look, and hurts nothing but what it hit."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from states import Sample, make_sample, table_rows

from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import KymflowZarrError

pytestmark = pytest.mark.trials

KINDS = {
    "record": ("images/*/zarr.json",),
    "pixels' document": ("images/*/data/zarr.json",),
    "pixels": ("images/*/data/c/**/*",),
    "array's document": ("images/*/analysis_arrays/*/data/zarr.json",),
    "array": ("images/*/analysis_arrays/*/data/c/**/*",),
    "readable copy": ("images/*/analysis/metadata.json",),
    "revision": ("images/*/analysis/history/*.json",),
    "JSON artifact": ("images/*/analysis/[!zm]*.json", "images/*/analysis/radon/*.json"),
    "table artifact": ("images/*/analysis/*.parquet",),
    "table": ("tables/[!s]*.parquet",),
    "sources": ("tables/sources.parquet",),
    "manifest": ("index/manifest.json.gz",),
    "group": (
        "images/zarr.json",
        "tables/zarr.json",
        "index/zarr.json",
        "images/*/analysis/zarr.json",
        "images/*/analysis_arrays/zarr.json",
        "images/*/analysis_arrays/*/zarr.json",
    ),
}
"""Which files are of which kind."""
EXEMPT = ("zarr.json", "tables/.commits/*")
"""The root, without which nothing opens, and other names of tables."""
REMOVABLE = ("pixels' document", "pixels", "array's document", "array", "record")
"""What must be there: a lost artifact cannot be told from one that never was."""


def flip_bit(path: Path, data: bytes, rng: np.random.Generator) -> None:
    at = int(rng.integers(8 * len(data)))
    path.write_bytes(data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :])


def cut_to(length: Callable[[int], int]) -> Callable[[Path, bytes, np.random.Generator], None]:
    return lambda path, data, rng: path.write_bytes(data[: length(len(data))]) and None


def remove(path: Path, data: bytes, rng: np.random.Generator) -> None:
    path.unlink()


CUTS = {
    "cut to nothing": cut_to(lambda size: 0),
    "cut in half": cut_to(lambda size: size // 2),
    "last byte cut off": cut_to(lambda size: size - 1),
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Sample:
    """A dataset of two records, one of them with everything in it; sound."""
    folder = tmp_path_factory.mktemp("damage")
    made = make_sample(folder / "sample.zarr", folder / "imported")
    dataset = ZarrDataset(made.path)
    record = dataset.record(made.full)
    record.save_array_artifact("labels", np.random.default_rng(3).integers(0, 9, (20, 6)).astype(np.uint8))
    record.save_json("radon/params", {"window": 16})
    bare = dataset.add_image(np.random.default_rng(4).integers(0, 60_000, (20, 6)).astype(np.uint16))
    dataset.replace_rows("events", {bare.image_id: table_rows(bare.image_id, 2)})
    assert dataset.verify(deep=True).problems == ()
    return made


def files_of(kind: str, path: Path) -> list[Path]:
    return sorted(file for pattern in KINDS[kind] for file in path.glob(pattern) if file.is_file())


def verdict(sample: Sample, file: Path) -> str:
    """Return what is wrong with how a damaged file is answered; empty when nothing is."""
    hit = file.relative_to(sample.path).parts[:2]
    try:
        dataset = ZarrDataset(sample.path, mode="r")
        problems = dataset.verify(deep=True).problems
        for image_id in dataset.list_image_ids():
            if hit[1] != image_id:
                dataset.record(image_id).load_array()
                dataset.record(image_id).load_metadata_payload()
    except (KymflowZarrError, OSError) as error:
        return f"the rest cannot be read: {error!r}"
    if any(problem.where.startswith("/".join(hit).removesuffix(".parquet")) for problem in problems):
        return ""
    return f"not found, but {[str(problem) for problem in problems]}"


def test_every_file_of_a_dataset_is_of_a_kind_that_is_tried(sample):
    exempt = {file for pattern in EXEMPT for file in sample.path.glob(pattern)}
    tried = {file for kind in KINDS for file in files_of(kind, sample.path)}
    assert {file for file in sample.path.rglob("*") if file.is_file()} == exempt | tried


@pytest.mark.parametrize("kind", KINDS)
def test_every_damage_is_found_and_the_rest_can_be_read(sample, kind, trials, count):
    files = files_of(kind, sample.path)
    rng = np.random.default_rng(5)
    changes = {**CUTS, **({"removed": remove} if kind in REMOVABLE else {})}
    cases = [(file, name, change) for file in files for name, change in changes.items()]
    flips = max(1, math.ceil(trials.damages / len(KINDS)) - len(cases))
    cases += [(file, "a bit flipped", flip_bit) for file in itertools.islice(itertools.cycle(files), flips)]
    wrong = []
    for file, name, change in cases:
        data = file.read_bytes()
        change(file, data, rng)
        answer = verdict(sample, file)
        if answer:
            changed = file.read_bytes() if file.exists() else b""
            wrong.append(f"{file.relative_to(sample.path)} {name}: {answer}; {_difference(data, changed)}")
        file.write_bytes(data)
    count("damages tried", len(cases))
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


def _difference(data: bytes, changed: bytes) -> str:
    at = next((at for at, (one, other) in enumerate(zip(data, changed, strict=False)) if one != other), len(changed))
    return f"at {at} {data[max(0, at - 20) : at + 20]!r} became {changed[max(0, at - 20) : at + 20]!r}"

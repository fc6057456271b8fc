"""Named cases of hostile input: each prepares a dataset on disk and says what is done with it.

Run as a program with a folder, it tries every case in one process of its own and prints, for each, the error that came,
and how much memory the process has taken at most.
"""

import functools
import gzip
import io
import json
import os
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numcodecs import Blosc
from numcodecs.checksum32 import CRC32C

from kymflow_zarr import ZarrDataset, ZarrImageRecord
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.formats.parquet import table_to_parquet
from kymflow_zarr.formats.seals import seal_document
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.stores import TiffSidecarStore
from kymflow_zarr.upgrade.older import OlderRecord

PIXELS = np.arange(120, dtype=np.uint16).reshape(20, 6)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A sound dataset of one record, to be made hostile."""

    path: Path
    image_id: str

    @property
    def folder(self) -> Path:
        """Where the record lies."""
        return self.path / "images" / self.image_id

    def record(self) -> ZarrImageRecord:
        """Open the record anew."""
        return ZarrDataset(self.path, mode="r").record(self.image_id)

    def edit_array(self, **changes: object) -> None:
        """Change the pixels' metadata document, and seal it again as an attacker would."""
        path = self.folder / "data/zarr.json"
        document = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps(seal_document(document, holder="attributes")))

    def replace(self, name: str, content: bytes) -> None:
        """Write a file of the record, in the place of what was there."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def make_dataset(path: Path) -> Dataset:
    """Make the sound dataset that every case begins with."""
    dataset = ZarrDataset.create(path)
    record = dataset.add_image(PIXELS)
    record.save_metadata_payload({"rois": []})
    record.save_json("params", {"window": 16})
    record.save_df_parquet("report", pd.DataFrame({"v": [1.0]}))
    record.save_array_artifact("mask", np.ones((20, 6), bool))
    dataset.save_table("velocity", pd.DataFrame({"image_id": [record.image_id], "v": [1.0]}))
    dataset.rebuild_manifest()
    return Dataset(path, record.image_id)


def parquet(table: pa.Table) -> bytes:
    """Return Parquet bytes without a seal."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def shard_of(chunk: bytes) -> bytes:
    """Return a shard of one chunk, with an index and checksums that are right."""
    sealed = bytes(CRC32C(location="end").encode(chunk))
    index = struct.pack("<QQ", 0, len(sealed))
    return sealed + bytes(CRC32C(location="end").encode(index))


def load_pixels(dataset: Dataset) -> object:
    return dataset.record().load_array()


def slice_pixels(dataset: Dataset) -> object:
    return dataset.record().open_array()[0:1]


def huge(dataset: Dataset) -> object:
    dataset.edit_array(shape=[10**9, 10**6])
    return load_pixels(dataset)


def huge_chunk(dataset: Dataset) -> object:
    document = json.loads((dataset.folder / "data/zarr.json").read_text())
    sharding = document["codecs"][0]["configuration"]
    sharding["chunk_shape"] = [10**9, 10**6]
    grid = {"name": "regular", "configuration": {"chunk_shape": [10**9, 10**6]}}
    dataset.edit_array(shape=[10**9, 10**6], chunk_grid=grid, codecs=document["codecs"])
    return load_pixels(dataset)


def pickle_codec(dataset: Dataset) -> object:
    dataset.edit_array(codecs=[{"name": "numcodecs.pickle", "configuration": {}}])
    return load_pixels(dataset)


def older_array(dataset: Dataset, **changes: object) -> object:
    document = {
        "zarr_format": 2,
        "shape": [20, 6],
        "chunks": [20, 6],
        "dtype": "<u2",
        "compressor": {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2, "blocksize": 0},
        "fill_value": 0,
        "filters": None,
        "order": "C",
    }
    (dataset.folder / "data/zarr.json").unlink()
    dataset.replace("data/.zarray", json.dumps({**document, **changes}).encode())
    return older_record(dataset).load_array()


def older_record(dataset: Dataset) -> OlderRecord:
    return OlderRecord(Blobs(dataset.folder, read_only=True), dataset.folder.name)


def older_json(content: Callable[[], bytes]) -> "Case":
    def attempt(dataset: Dataset) -> object:
        dataset.replace("analysis/a.json.gz", content())
        return older_record(dataset).load_json("a.json.gz")

    return attempt


def chunk_bomb(dataset: Dataset, read: Callable[[Dataset], object]) -> object:
    dataset.replace("data/c/0/0", shard_of(blosc_bomb()))
    return read(dataset)


def older_chunk_bomb(dataset: Dataset) -> object:
    dataset.replace("data/0.0", blosc_bomb())
    return older_array(dataset)


def older_gzip_bomb(dataset: Dataset) -> object:
    dataset.replace("data/0.0", gzip_bomb())
    return older_array(dataset, compressor={"id": "gzip", "level": 1})


@functools.cache
def gzip_bomb() -> bytes:
    """Return 5 MB that unpack to a gigabyte."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(1024)) + packer.flush()


@functools.cache
def blosc_bomb() -> bytes:
    """Return a chunk that unpacks to a gigabyte."""
    return bytes(Blosc("zstd", clevel=1).encode(bytes(2**30)))


def manifest_bomb(dataset: Dataset) -> object:
    (dataset.path / "index/manifest.json.gz").write_bytes(gzip_bomb())
    # It is skipped, since it can be made again; verify says that it is one.
    assert len(ZarrDataset(dataset.path).load_manifest().entries) == 1
    (problem,) = ZarrDataset(dataset.path).verify().problems
    raise KymflowZarrError(problem.what)


def of_artifact(name: str, content: Callable[[], bytes], load: Callable[[ZarrImageRecord], object]) -> "Case":
    def attempt(dataset: Dataset) -> object:
        dataset.replace(f"analysis/{name}", content())
        return load(dataset.record())

    return attempt


def of_table(content: Callable[[], bytes], load: Callable[[ZarrDataset], object]) -> "Case":
    def attempt(dataset: Dataset) -> object:
        path = dataset.path / "tables/velocity.parquet"
        path.unlink()
        path.write_bytes(content())
        return load(ZarrDataset(dataset.path))

    return attempt


def sources_of_another_schema(dataset: Dataset) -> object:
    pd.DataFrame({"image_id": ["a"], "path": ["b"]}).to_parquet(dataset.path / "tables/sources.parquet")
    return ZarrDataset(dataset.path).load_sources_index()


def sources_of_other_types(dataset: Dataset) -> object:
    columns = ["source_primary_path", "source_mtime_ns", "source_size_bytes", "source_sha256", "ingested_epoch_ns"]
    frame = pd.DataFrame({"image_id": ["a"], **{name: ["text"] for name in columns}})
    frame.to_parquet(dataset.path / "tables/sources.parquet")
    return ZarrDataset(dataset.path).load_sources_index()


def linked(name: str, target: str, read: Callable[[Dataset], object]) -> "Case":
    """A symbolic link in the place of `name`, to a sound copy of it outside the dataset."""

    def attempt(dataset: Dataset) -> object:
        place = dataset.path / name.replace("RECORD", f"images/{dataset.image_id}")
        outside = dataset.path.parent / "outside" / target
        outside.parent.mkdir(exist_ok=True)
        place.rename(outside)
        place.symlink_to(outside)
        return read(dataset)

    return attempt


def write_through_link(dataset: Dataset) -> object:
    outside = dataset.path.parent / "elsewhere"
    outside.mkdir()
    (dataset.folder / "analysis/linked").symlink_to(outside)
    try:
        return ZarrDataset(dataset.path).record(dataset.image_id).save_json("linked/params", {"a": 1})
    finally:
        assert list(outside.iterdir()) == []


def pipe(dataset: Dataset) -> object:
    path = dataset.folder / "analysis/params.json"
    path.unlink()
    os.mkfifo(path)
    return dataset.record().load_json("params")


def sparse_json(dataset: Dataset) -> object:
    os.truncate(dataset.folder / "analysis/params.json", 2**42)
    return dataset.record().load_json("params")


def sparse_parquet(dataset: Dataset) -> object:
    os.truncate(dataset.folder / "analysis/report.parquet", 2**42)
    return dataset.record().load_df_parquet("report")


@functools.cache
def many_rows() -> bytes:
    """Return a small file of 400 million rows: one value, run-length encoded."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(40_000_000, np.int8)), pa.array(["x" * 1000]))
    table = pa.table({"image_id": pa.chunked_array([column] * 10)})
    return table_to_parquet(table)


def tiff(content: bytes) -> "Case":
    def attempt(dataset: Dataset) -> object:
        path = dataset.path.parent / "x.tif"
        path.write_bytes(content)
        return read_tiff(path)

    return attempt


def npy(values: object, *, pickled: bool = True) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values), allow_pickle=pickled)
    return buffer.getvalue()


def sidecar(content: bytes) -> "Case":
    def attempt(dataset: Dataset) -> object:
        folder = dataset.path.parent
        (folder / "scan.tif").write_bytes(b"II*\0")
        (folder / "scan.mask.npy").write_bytes(content)
        return TiffSidecarStore(folder / "scan.tif").load_array_artifact("mask")

    return attempt


NPY_OF_1E15 = npy([0.0]).replace(b"'shape': (1,), ", b"'shape': (1000000000000000,), ")

Case = Callable[[Dataset], object]

CASES: dict[str, Case] = {
    "zarr metadata with 1e15 elements": huge,
    "zarr metadata with 1e15 elements in one chunk": huge_chunk,
    "zarr metadata with a negative shape": lambda dataset: (dataset.edit_array(shape=[-1, 6]), load_pixels(dataset)),
    "zarr metadata with 40 dimensions": lambda dataset: (dataset.edit_array(shape=[1] * 40), load_pixels(dataset)),
    "zarr metadata with a pickle codec": pickle_codec,
    "zarr metadata with the data type of objects": lambda d: (d.edit_array(data_type="object"), load_pixels(d)),
    "zarr metadata with a data type of 1e12 bytes": lambda d: (d.edit_array(data_type="r8000000000000"), load_pixels(d)),
    "zarr v2 metadata with a pickle filter": lambda d: older_array(d, filters=[{"id": "pickle", "protocol": 2}]),
    "zarr v2 metadata with a pickle compressor": lambda d: older_array(d, compressor={"id": "pickle"}),
    "zarr v2 metadata with objects": lambda d: older_array(d, dtype="|O"),
    "zarr v2 metadata with a structured data type": lambda d: older_array(d, dtype=[["a", "<u2"]]),
    "zarr v2 metadata with 1e15 elements": lambda d: older_array(d, shape=[10**9, 10**6], chunks=[10**9, 10**6]),
    "a bomb in a chunk, read whole": lambda dataset: chunk_bomb(dataset, load_pixels),
    "a bomb in a chunk, read in part": lambda dataset: chunk_bomb(dataset, slice_pixels),
    "a bomb in a zarr v2 chunk": older_chunk_bomb,
    "a bomb in a zarr v2 chunk of gzip": older_gzip_bomb,
    "a bomb in the manifest": manifest_bomb,
    "a bomb as CSV": of_artifact("a.csv.gz", gzip_bomb, lambda record: record.load_df_csv_gz("a")),
    "a bomb as JSON": older_json(gzip_bomb),
    "JSON nested 10,000 deep": of_artifact("a.json", lambda: b"[" * 10_000 + b"]" * 10_000, lambda r: r.load_json("a")),
    "JSON objects nested 10,000 deep": of_artifact(
        "a.json", lambda: b'{"a":' * 10_000 + b"1" + b"}" * 10_000, lambda r: r.load_json("a")
    ),
    "JSON with NaN": of_artifact("a.json", lambda: b"[NaN]", lambda record: record.load_json("a")),
    "JSON with a number of 100,000 digits": of_artifact("a.json", lambda: b"1" * 100_000, lambda r: r.load_json("a")),
    "JSON of 4 TB": sparse_json,
    "Parquet of 4 TB": sparse_parquet,
    "Parquet of 400 million rows": of_table(many_rows, lambda dataset: dataset.load_table("velocity")),
    "Parquet of 400 million rows, in part": of_table(
        many_rows, lambda dataset: dataset.load_table("velocity", image_ids=["a"])
    ),
    "Parquet without image ids": of_table(
        lambda: parquet(pa.table({"v": [1.0]})), lambda dataset: dataset.load_table("velocity", image_ids=["a"])
    ),
    "Parquet without image ids, replaced": of_table(
        lambda: parquet(pa.table({"v": [1.0]})),
        lambda dataset: dataset.replace_rows("velocity", {"a": pd.DataFrame({"image_id": ["a"], "v": [1.0]})}),
    ),
    "Parquet with text for numbers": of_table(
        lambda: parquet(pa.table({"image_id": ["b"], "v": ["text"]})),
        lambda dataset: dataset.replace_rows("velocity", {"a": pd.DataFrame({"image_id": ["a"], "v": [1.0]})}),
    ),
    "sources of another schema": sources_of_another_schema,
    "sources of other types": sources_of_other_types,
    "pandas metadata that lie": of_table(
        lambda: parquet(pa.table({"image_id": ["b"]}).replace_schema_metadata({b"pandas": b"[1]"})),
        lambda dataset: dataset.load_table("velocity"),
    ),
    "a link to a record outside": linked("RECORD", "record", load_pixels),
    "a link to pixels outside": linked("RECORD/data", "data", load_pixels),
    "a link to a chunk outside": linked("RECORD/data/c/0/0", "chunk", load_pixels),
    "a link to a chunk's folder outside": linked("RECORD/data/c/0", "chunks", load_pixels),
    "a link to a mask outside": linked(
        "RECORD/analysis_arrays/mask", "mask", lambda dataset: dataset.record().load_array_artifact("mask")
    ),
    "a link to JSON outside": linked(
        "RECORD/analysis/params.json", "params.json", lambda dataset: dataset.record().load_json("params")
    ),
    "a link to a table outside": linked(
        "tables/velocity.parquet", "velocity", lambda dataset: ZarrDataset(dataset.path).load_table("velocity")
    ),
    "a link to metadata outside": linked(
        "RECORD/analysis/history", "history", lambda dataset: dataset.record().load_revision()
    ),
    "writing through a link to outside": write_through_link,
    "a pipe for a file": pipe,
    "npy with objects": sidecar(npy([{"a": 1}])),
    "npy with 1e15 elements": sidecar(NPY_OF_1E15),
    "npy that is torn": sidecar(npy(np.zeros(100))[:-8]),
    "npy that is empty": sidecar(b""),
    "a TIFF of 8 bytes": tiff(b"II*\0\x08\0\0\0"),
    "an empty TIFF": tiff(b""),
    "a TIFF that points to itself": tiff(b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
    "gzip of nothing": older_json(lambda: gzip.compress(b"")),
}


def peak_bytes() -> int:
    """Return how much memory this process has had at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def try_case(name: str, folder: Path) -> dict[str, object]:
    """Try one case and say how it ended."""
    folder.mkdir()
    dataset = make_dataset(folder / "hostile.zarr")
    try:
        result = CASES[name](dataset)
    except KymflowZarrError as error:
        return {"ours": True, "said": str(error), "peak": peak_bytes()}
    except BaseException as error:  # noqa: BLE001  whatever else comes is what the test is about
        return {"ours": False, "said": f"{type(error).__name__}: {str(error)[:200]}", "peak": peak_bytes()}
    return {"ours": False, "said": f"no error, but {str(result)[:200]}", "peak": peak_bytes()}


if __name__ == "__main__":
    top = Path(sys.argv[1])
    gzip_bomb(), blosc_bomb()
    for number, name in enumerate(CASES):
        sys.stdout.write(json.dumps({"name": name, **try_case(name, top / str(number))}) + "\n")

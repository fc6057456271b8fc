"""Arrays as files of chunks without zarr: what zarr would write, and reads."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import LocalStore, MemoryStore

from kymflow_zarr.arrays.arrays import load_array, plan_chunks, write_array
from kymflow_zarr.arrays.chunks import ArrayPlan
from kymflow_zarr.arrays.shards import array_document, decode_file, encode_file, file_regions
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError
from property_tests import examples

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="="),
    hnp.unsigned_integer_dtypes(endianness="="),
    hnp.floating_dtypes(endianness="=", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="=", sizes=(64, 128)),
)
ARRAYS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)))
"""Also without dimensions, and without values."""


def made_by_zarr(files, array, chunk, shard, names):
    """Return the array that zarr makes with this program's codecs."""
    return zarr.create_array(
        MemoryStore(files),
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunk,
        shards=shard if array.ndim else None,
        compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()],
        config={"write_empty_chunks": True},
        dimension_names=names,
        zarr_format=3,
    )


@st.composite
def parted(draw):
    """An array, and the shapes of its chunks and of its files."""
    array = draw(ARRAYS)
    chunk = tuple(draw(st.integers(1, 4)) for _ in array.shape)
    return array, chunk, tuple(length * draw(st.integers(1, 3)) for length in chunk)


@settings(max_examples=examples(60), deadline=None)
@given(parted())
def test_the_document_says_what_zarrs_says(one):
    array, chunk, shard = one
    names = tuple("abc"[: array.ndim])
    target = made_by_zarr({}, array, chunk, shard, names)
    ours = array_document(array.dtype, array.shape, names, chunk=chunk, shard=shard)
    assert type(target.metadata).from_dict(ours).to_dict() == target.metadata.to_dict()


@settings(max_examples=examples(60), deadline=None)
@given(parted())
def test_what_zarr_writes_is_read(one):
    array, chunk, shard = one
    files = {}
    made_by_zarr(files, array, chunk, shard, None)[...] = array
    plan = ArrayPlan(shape=array.shape, item_bytes=array.dtype.itemsize, chunk=chunk, file=shard)
    again = np.empty_like(array)
    for position, region in file_regions(array.shape, shard):
        name = plan.file_at(position)
        decode_file(files[name].to_bytes(), again[region], plan, where=name)
    np.testing.assert_array_equal(again, array)


@settings(max_examples=examples(60), deadline=None)
@given(ARRAYS, st.data())
def test_zarr_reads_what_is_written(tmp_path_factory, array, data):
    chunks = data.draw(st.none() | st.tuples(*(st.integers(1, 4) for _ in array.shape)))
    blobs = Blobs(tmp_path_factory.mktemp("array"), read_only=False)
    write_array(blobs, "array", array, axes=None, chunks=chunks)
    np.testing.assert_array_equal(zarr.open_array(LocalStore(blobs.root / "array"), mode="r")[...], array)


def test_an_array_of_several_files_is_read_whole(blobs, rng, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.arrays.arrays.SHARD_BYTES", 600)
    array = rng.integers(0, 1000, (50, 30)).astype(np.uint16)
    write_array(blobs, "array", array, axes=None, chunks=(8, 8))
    assert len(blobs.files("array/c")) > 1
    np.testing.assert_array_equal(load_array(blobs, "array"), array)


@pytest.mark.parametrize("cut", [0, 1, 3, 20, 60])
def test_a_file_that_is_cut_off_is_damage(cut):
    array = np.arange(60).reshape(10, 6)
    chunk, shard = plan_chunks(array.shape, ("y", "x"), 8, (4, 4))
    data = encode_file(array, chunk=chunk, shard=shard)[:cut]
    plan = ArrayPlan(shape=array.shape, item_bytes=8, chunk=chunk, file=shard)
    with pytest.raises(DamagedError, match=r"the checksum in c/0/0|c/0/0 is cut off"):
        decode_file(data, np.empty_like(array), plan, where="c/0/0")


def test_a_chunk_that_a_file_does_not_have_is_damage_and_no_zeros():
    array = np.arange(60).reshape(10, 6)
    data = encode_file(array[:4], chunk=(4, 6), shard=(12, 6))
    plan = ArrayPlan(shape=array.shape, item_bytes=8, chunk=(4, 6), file=(12, 6))
    with pytest.raises(DamagedError, match="c/0/0 lacks a chunk; restore it from a backup"):
        decode_file(data, np.empty_like(array), plan, where="c/0/0")

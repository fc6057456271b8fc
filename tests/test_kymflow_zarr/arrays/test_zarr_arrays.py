"""Arrays: plan, round trip, and damage that is seen."""

import errno
import json
import os

import numpy as np
import pytest
import zarr
import zarr.storage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kymflow_zarr.arrays.arrays import (
    SHARD_BYTES,
    axes_of,
    check_axes,
    infer_axes,
    load_array,
    open_array,
    plan_chunks,
    write_array,
)
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError, InvalidValueError, NotSavedError
from kymflow_zarr.formats.seals import seal_document
from property_tests import examples

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


def write(blobs, values, *, axes=None, chunks=None):
    write_array(blobs, "array", values, axes=axes, chunks=chunks)


@pytest.fixture
def shard(blobs, pixels):
    """The only shard file of the array `array`."""
    write(blobs, pixels)
    (path,) = [path for path in (blobs.root / "array" / "c").rglob("*") if path.is_file()]
    return path


@pytest.fixture
def document(blobs, pixels):
    """The zarr.json of the array `array`."""
    write(blobs, pixels)
    return blobs.root / "array" / "zarr.json"


class TestRoundTrip:
    @settings(max_examples=examples(30))
    @given(values=st.data())
    def test_values_survive(self, tmp_path_factory, values):
        array = values.draw(hnp.arrays(DTYPES, SHAPES))
        blobs = Blobs(tmp_path_factory.mktemp("array"), read_only=False)
        write(blobs, array)
        np.testing.assert_array_equal(load_array(blobs, "array"), array, strict=False)

    @settings(max_examples=examples(30))
    @given(values=st.data())
    def test_shape_and_dtype_survive_but_for_the_byte_order(self, tmp_path_factory, values):
        array = values.draw(hnp.arrays(DTYPES, SHAPES))
        blobs = Blobs(tmp_path_factory.mktemp("array"), read_only=False)
        write(blobs, array)
        loaded = load_array(blobs, "array")
        assert (loaded.shape, loaded.dtype.newbyteorder("=")) == (array.shape, array.dtype.newbyteorder("="))

    @pytest.mark.parametrize(
        "view",
        [
            pytest.param(lambda a: a.T, id="transposed"),
            pytest.param(lambda a: a[::2, ::-1], id="with steps"),
            pytest.param(lambda a: np.asfortranarray(a), id="columns first"),
            pytest.param(lambda a: np.broadcast_to(a[:1], (5, 6)), id="broadcast"),
        ],
    )
    def test_values_of_a_view_survive(self, blobs, pixels, view):
        write(blobs, view(pixels))
        np.testing.assert_array_equal(load_array(blobs, "array"), view(pixels))

    def test_an_array_of_many_chunks_survives(self, blobs, rng):
        values = rng.integers(0, 255, (7, 9)).astype(np.uint8)
        write(blobs, values, chunks=(2, 4))
        np.testing.assert_array_equal(load_array(blobs, "array"), values)


class TestOnDisk:
    def test_zeros_are_written(self, blobs):
        write(blobs, np.zeros((4, 4)))
        assert blobs.files("array") == ["c/0/0", "zarr.json"]

    def test_axes_are_zarrs_dimension_names(self, blobs, pixels):
        write(blobs, pixels, axes=("line", "pixel"))
        assert json.loads(blobs.read("array/zarr.json"))["dimension_names"] == ["line", "pixel"]

    def test_chunks_are_sealed_with_crc32c_after_blosc(self, document):
        (sharding,) = json.loads(document.read_text())["codecs"]
        assert [codec["name"] for codec in sharding["configuration"]["codecs"]] == ["bytes", "blosc", "crc32c"]

    def test_an_array_without_dimensions_is_sealed_with_crc32c_too(self, blobs):
        write(blobs, np.float64(3))
        assert [codec["name"] for codec in json.loads(blobs.read("array/zarr.json"))["codecs"]] == [
            "bytes",
            "blosc",
            "crc32c",
        ]

    def test_the_axes_come_back(self, blobs, pixels):
        write(blobs, pixels, axes=("line", "pixel"))
        assert axes_of(open_array(blobs, "array")) == ("line", "pixel")

    def test_an_array_without_names_has_the_inferred_axes(self, tmp_path):
        array = zarr.create_array(tmp_path / "foreign", shape=(2, 2), dtype="u1")
        assert axes_of(array) == ("y", "x")

    def test_a_full_disk_is_not_saved(self, blobs, pixels, monkeypatch):
        def fail(*_args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", fail)
        with pytest.raises(NotSavedError, match="not saved: No space left on device"):
            write(blobs, pixels)


class TestDamage:
    def test_nothing_is_a_missing_file(self, blobs):
        with pytest.raises(FileNotFoundError, match="array"):
            open_array(blobs, "array")

    def test_a_missing_chunk_is_damage_when_opened_not_zeros_when_read(self, blobs, shard):
        shard.unlink()
        with pytest.raises(DamagedError, match=r"has lost 1 of its files, c/0/0 among them; restore it from a backup"):
            open_array(blobs, "array")

    def test_an_empty_chunk_file_is_damage_not_zeros(self, blobs, shard):
        shard.write_bytes(b"")
        with pytest.raises(DamagedError, match="has lost 1 of its files, c/0/0 among them"):
            load_array(blobs, "array")

    def test_the_missing_one_of_many_chunks_is_named(self, blobs, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.arrays.arrays.SHARD_BYTES", 16)
        write(blobs, np.ones((8, 8), np.uint8), chunks=(4, 4))
        (blobs.root / "array/c/1/0").unlink()
        with pytest.raises(DamagedError, match="has lost 1 of its files, c/1/0 among them"):
            open_array(blobs, "array")

    def test_any_flipped_bit_of_a_shard_is_damage(self, blobs, shard):
        good = shard.read_bytes()
        for position in range(0, len(good), 5):
            shard.write_bytes(good[:position] + bytes([good[position] ^ 1 << position % 8]) + good[position + 1 :])
            with pytest.raises(DamagedError, match=r"is damaged: .*; restore it from a backup"):
                load_array(blobs, "array")

    def test_any_torn_shard_is_damage(self, blobs, shard):
        good = shard.read_bytes()
        for length in range(0, len(good), 9):
            shard.write_bytes(good[:length])
            with pytest.raises(DamagedError, match="restore it from a backup"):
                load_array(blobs, "array")

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="empty"),
            pytest.param("{", id="torn"),
            pytest.param("[]", id="a list"),
            pytest.param("{}", id="without keys"),
            pytest.param('{"zarr_format": 3, "node_type": "group", "attributes": {}}', id="a group"),
        ],
    )
    def test_metadata_that_are_no_arrays_are_damage(self, blobs, document, text):
        document.write_text(text)
        with pytest.raises(
            DamagedError, match=r"is not readable JSON|where an object is expected|not as this program writes"
        ):
            load_array(blobs, "array")

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            pytest.param("fill_value", -1, id="fill value out of range"),
            pytest.param("fill_value", 10**20, id="huge fill value"),
            pytest.param("shape", [-20, 6], id="negative shape"),
            pytest.param("shape", [20], id="too few dimensions"),
            pytest.param("shape", [10**12, 10**12], id="unbelievable shape"),
            pytest.param("data_type", "uint99", id="unknown dtype"),
            pytest.param("codecs", [], id="no codecs"),
            pytest.param("codecs", [{"name": "pickle"}], id="unknown codec"),
            pytest.param(
                "chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [[9], 6]}}, id="chunks of many sizes"
            ),
        ],
    )
    @pytest.mark.parametrize("sealed_again", [False, True], ids=["by accident", "with a seal of its own"])
    def test_changed_metadata_are_damage(self, blobs, document, key, value, sealed_again):
        changed = {**json.loads(document.read_text()), key: value}
        document.write_text(json.dumps(seal_document(changed, holder="attributes") if sealed_again else changed))
        with pytest.raises(DamagedError, match="restore it from a backup"):
            load_array(blobs, "array")


class TestRefusals:
    @pytest.mark.parametrize(
        "values",
        [
            pytest.param(np.array(["a"]), id="text"),
            pytest.param(np.array([None]), id="objects"),
            pytest.param(np.zeros(2, "M8[s]"), id="times"),
            pytest.param(np.zeros(2, "i4,f4"), id="structures"),
            pytest.param(
                np.zeros(2, np.longdouble),
                id="long doubles",
                marks=pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="are doubles here"),
            ),
        ],
    )
    def test_values_that_are_no_numbers_are_refused(self, blobs, values):
        with pytest.raises(
            InvalidValueError, match=r"an array of dtype .* cannot be stored; only numbers and booleans can"
        ):
            write(blobs, values)

    @pytest.mark.parametrize(
        "axes",
        [
            pytest.param(("y",), id="too few"),
            pytest.param(("z", "y", "x"), id="too many"),
            pytest.param(("x", "x"), id="twice the same"),
            pytest.param(("y", 1), id="not text"),
        ],
    )
    def test_axes_that_do_not_fit_are_refused(self, axes):
        with pytest.raises(InvalidValueError, match=r"do not fit an array of 2 dimensions; give 2 different names"):
            check_axes(axes, 2)

    @pytest.mark.parametrize("chunks", [(4,), (4, 4, 4), (0, 4), (-1, 4)])
    def test_chunks_that_do_not_fit_are_refused(self, blobs, pixels, chunks):
        with pytest.raises(InvalidValueError, match=r"do not fit shape \(20, 6\); give one size >= 1 a dimension"):
            write(blobs, pixels, chunks=chunks)


@pytest.mark.parametrize(
    ("dimensions", "axes"),
    [
        (0, ()),
        (1, ("a0",)),
        (2, ("y", "x")),
        (3, ("z", "y", "x")),
        (4, ("z", "y", "x", "c")),
        (5, ("t", "z", "y", "x", "c")),
        (6, ("a0", "a1", "a2", "a3", "a4", "a5")),
    ],
)
def test_axes_are_inferred_from_the_dimensions(dimensions, axes):
    assert infer_axes(dimensions) == axes


class TestPlan:
    @pytest.mark.parametrize(
        ("shape", "axes", "chunk"),
        [
            pytest.param((20, 6), ("y", "x"), (20, 6), id="smaller than a chunk"),
            pytest.param((1000, 2000), ("y", "x"), (1000, 512), id="2-D"),
            pytest.param((30000, 128), ("y", "x"), (4096, 128), id="line scan"),
            pytest.param((30000, 4000), ("y", "x"), (1024, 512), id="wide"),
            pytest.param((3, 600, 40), ("z", "y", "x"), (1, 600, 40), id="stack"),
            pytest.param((2, 3, 600, 40, 4), ("t", "z", "y", "x", "c"), (1, 1, 600, 40, 1), id="5-D"),
            pytest.param((600,), ("a0",), (512,), id="1-D"),
            pytest.param((600, 40), ("line", "pixel"), (512, 40), id="axes of other names"),
            pytest.param((0, 6), ("y", "x"), (1, 6), id="empty"),
            pytest.param((), (), (), id="no dimensions"),
        ],
    )
    def test_chunks_are_one_along_t_z_c_up_to_512_along_others_and_longer_along_y_to_a_megabyte(self, shape, axes, chunk):
        assert plan_chunks(shape, axes, 2, None)[0] == chunk

    def test_given_chunks_are_kept(self):
        assert plan_chunks((20, 6), ("y", "x"), 2, (7, 4))[0] == (7, 4)

    def test_a_small_array_is_one_shard(self):
        assert plan_chunks((600, 700), ("y", "x"), 2, None)[1] == (600, 1024)

    @settings(max_examples=examples(30))
    @given(
        shape=st.lists(st.integers(0, 100_000), min_size=2, max_size=2),
        item_bytes=st.sampled_from([1, 2, 8, 16]),
    )
    def test_a_shard_is_a_whole_number_of_chunks_within_the_limit(self, shape, item_bytes):
        chunk, shard = plan_chunks(shape, ("y", "x"), item_bytes, None)
        whole = all(long % short == 0 for long, short in zip(shard, chunk, strict=True))
        assert (whole, shard[0] * shard[1] * item_bytes <= SHARD_BYTES) == (True, True)

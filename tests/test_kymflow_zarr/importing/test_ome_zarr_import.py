"""Foreign OME-Zarr images: read as their metadata say, and refused where they are none, damaged or hostile."""

import contextlib
import gzip
import json
import os
import shutil
import warnings
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numcodecs
import numpy as np
import pyarrow as pa
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Blosc
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from kymflow_zarr import OmeDescription, ZarrDataset
from kymflow_zarr.arrays.foreign import check_unpacked
from kymflow_zarr.errors import DamagedError, SourceError
from kymflow_zarr.exporting.ome_zarr import write_ome_zarr
from kymflow_zarr.importing.ome_zarr import find_ome_image, read_ome_zarr
from property_tests import examples

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def multiscale(axes, *, path="0", scale=None, units=None, **others):
    entries = [{"name": axis, "type": TYPES.get(axis.lower(), "space")} for axis in axes]
    for entry in entries:
        if entry["name"] in (units or {}):
            entry["unit"] = units[entry["name"]]
    scales = [{"type": "scale", "scale": scale or [1.0] * len(axes)}]
    return {"axes": entries, "datasets": [{"path": path, "coordinateTransformations": scales}], **others}


def write_05(folder, pixels, axes, *, image=None, attributes=None, **options):
    """Write an OME-Zarr 0.5 image, by zarr itself."""
    zarr.create_group(folder, zarr_format=3)
    document = json.loads((folder / "zarr.json").read_text())
    ome = {"version": "0.5", "multiscales": [image or multiscale(axes)], **(attributes or {})}
    document["attributes"] = {"ome": ome}
    (folder / "zarr.json").write_text(json.dumps(document))
    array = zarr.create_array(
        folder / "0", shape=pixels.shape, dtype=pixels.dtype, zarr_format=3, **{"chunks": "auto", **options}
    )
    array[...] = pixels
    return folder


def write_04(folder, pixels, axes, *, image=None, separator="/", **options):
    """Write an OME-Zarr 0.4 image, by zarr itself."""
    folder.mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    said = {"multiscales": [image or multiscale(axes, version="0.4")]}
    (folder / ".zattrs").write_text(json.dumps(said))
    array = zarr.create_array(
        folder / "0",
        shape=pixels.shape,
        dtype=pixels.dtype,
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": separator},
        **{"chunks": "auto", **options},
    )
    array[...] = pixels
    return folder


def zstd_stream(data):
    """Pack bytes as a stream is packed, whose size is not known when its header is written."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def change(path, **changes):
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **changes}))


def regular(length):
    return {"name": "regular", "configuration": {"chunk_shape": [length, length]}}


def shards_of(length, *, index=("bytes", "crc32c")):
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}]
    indexed = [{"name": name} for name in index]
    return {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": [length, length], "codecs": codecs, "index_codecs": indexed},
    }


def chunk_of(folder):
    """Return the only file of a chunk."""
    (chunk,) = (path for path in (folder / "0").rglob("*") if path.is_file() and path.name[0] not in ".z")
    return chunk


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "foreign.ome.zarr"


@pytest.fixture
def image_05(folder, pixels):
    return write_05(folder, pixels, "yx")


@pytest.fixture
def image_04(folder, pixels):
    return write_04(folder, pixels, "yx", chunks=(8, 6))


CODECS_05 = {
    "none": {"compressors": None},
    "blosc": {"compressors": BloscCodec(cname="lz4")},
    "zstd": {"compressors": ZstdCodec(level=1)},
    "gzip": {"compressors": GzipCodec()},
    "zstd and crc32c": {"compressors": [ZstdCodec(), Crc32cCodec()]},
    "shards": {"chunks": (5, 3), "shards": (10, 6), "compressors": ZstdCodec()},
    "big endian": {"serializer": zarr.codecs.BytesCodec(endian="big")},
    "transposed": {"filters": zarr.codecs.TransposeCodec(order=(1, 0))},
    "v2 names of chunks": {"chunks": (8, 6), "chunk_key_encoding": {"name": "v2", "separator": "."}},
}
CODECS_04 = {
    "none": {"compressors": None},
    "blosc": {"compressors": Blosc("lz4")},
    "zstd": {"compressors": numcodecs.Zstd()},
    "gzip": {"compressors": numcodecs.GZip()},
    "zlib": {"compressors": numcodecs.Zlib()},
    "columns first": {"order": "F"},
    "flat names of chunks": {"separator": "."},
}


class TestRead:
    @pytest.mark.parametrize("options", CODECS_05.values(), ids=CODECS_05)
    def test_05_comes_with_its_pixels(self, folder, pixels, options):
        content = read_ome_zarr(write_05(folder, pixels, "yx", **options))
        np.testing.assert_array_equal(content.pixels, pixels, strict=True)

    @pytest.mark.parametrize("options", CODECS_04.values(), ids=CODECS_04)
    def test_04_comes_with_its_pixels(self, folder, pixels, options):
        content = read_ome_zarr(write_04(folder, pixels, "yx", **{"chunks": (8, 6), **options}))
        np.testing.assert_array_equal(content.pixels, pixels, strict=True)

    @pytest.mark.parametrize("write", [write_04, write_05])
    def test_chunks_that_were_left_out_are_the_fill_value(self, folder, write):
        pixels = np.full((20, 6), 7, "u2")
        write(folder, pixels, "yx", fill_value=7, chunks=(8, 6))
        np.testing.assert_array_equal(read_ome_zarr(folder).pixels, pixels)

    @pytest.mark.parametrize(
        ("axes", "shape", "kept"),
        [
            ("tczyx", (1, 1, 1, 20, 6), "yx"),
            ("tczyx", (2, 3, 1, 5, 4), "tcyx"),
            ("czyx", (2, 3, 5, 4), "czyx"),
            ("xy", (6, 20), "yx"),
            ("yxc", (20, 6, 2), "cyx"),
            ("zyx", (1, 1, 1), "yx"),
            ("YX", (20, 6), "yx"),
        ],
    )
    def test_axes_come_in_our_order_without_those_of_length_1(self, folder, rng, axes, shape, kept):
        pixels = rng.integers(0, 255, shape).astype("u1")
        content = read_ome_zarr(write_05(folder, pixels, axes))
        squeezed = np.squeeze(pixels, tuple(at for at, axis in enumerate(axes.lower()) if axis not in kept))
        named = "".join(axis for axis in axes.lower() if axis in kept)
        assert "".join(content.axes) == kept
        np.testing.assert_array_equal(content.pixels, np.einsum(f"{named}->{kept}", squeezed))

    @pytest.mark.parametrize("write", [write_04, write_05])
    @pytest.mark.parametrize("axes", ["tcyx", "tczyx", "tyx", "ctyx"])
    def test_one_line_at_each_time_is_a_line_of_an_image(self, folder, rng, write, axes):
        lines = rng.integers(0, 99, (2 if "c" in axes else 1, 30, 7), dtype=np.uint16)
        sizes = {"c": len(lines), "t": 30, "z": 1, "y": 1, "x": 7}
        stored = lines.swapaxes(0, 1) if axes.startswith("t") else lines
        image = multiscale(axes, version="0.4", units={"t": "second", "x": "micrometer", "y": "micrometer"})
        image["datasets"][0]["coordinateTransformations"][0]["scale"] = [
            {"t": 0.002, "x": 0.25, "y": 7.0}.get(axis, 1.0) for axis in axes
        ]
        content = read_ome_zarr(write(folder, stored.reshape([sizes[axis] for axis in axes]), axes, image=image))
        assert content.axes == (("c", "y", "x") if "c" in axes else ("y", "x"))
        np.testing.assert_array_equal(content.pixels, lines if "c" in axes else lines[0])
        assert (content.ome.steps["y"], content.ome.units["y"], content.ome.steps["x"]) == (0.002, "second", 0.25)

    @pytest.mark.parametrize("write", [write_04, write_05])
    def test_chunks_of_zstd_that_state_no_size_are_read(self, folder, pixels, write):
        kind = numcodecs.Zstd() if write is write_04 else ZstdCodec()
        write(folder, pixels, "yx", compressors=kind, chunks=pixels.shape)
        chunk = chunk_of(folder)
        chunk.write_bytes(zstd_stream(pixels.tobytes()))
        np.testing.assert_array_equal(read_ome_zarr(folder).pixels, pixels)
        chunk.write_bytes(zstd_stream(pixels.tobytes() * 2))
        with pytest.raises(
            SourceError, match=rf"unpacks to {pixels.nbytes + 1} bytes|unpacks to {pixels.nbytes * 2} bytes"
        ):
            read_ome_zarr(folder)

    def test_an_axis_of_another_name_is_known_by_its_type(self, folder, rng):
        image = multiscale(["time", "y", "x"])
        image["axes"][0]["type"] = "time"
        content = read_ome_zarr(write_05(folder, rng.integers(0, 9, (2, 5, 4)), "tyx", image=image))
        assert content.axes == ("t", "y", "x")

    def test_scales_and_units_are_those_stated(self, folder, pixels):
        image = multiscale("yx", scale=[0.5, 0.25], units={"x": "micrometer"}, name="theirs")
        image["coordinateTransformations"] = [{"type": "scale", "scale": [2, 1]}]
        described = read_ome_zarr(write_05(folder, pixels, "yx", image=image)).ome
        assert (described.name, described.steps, described.units) == (
            "theirs",
            {"y": 1.0, "x": 0.25},
            {"x": "micrometer"},
        )

    @pytest.mark.parametrize("scale", [[1.0], [0, 1], ["1", 1], "no list"], ids=str)
    def test_scales_that_cannot_be_are_left_and_said(self, folder, pixels, scale):
        content = read_ome_zarr(write_05(folder, pixels, "yx", image=multiscale("yx", scale=scale)))
        assert (content.ome.steps, content.notes) == (
            {},
            ("the scales that it states do not fit its axes, and were not taken",),
        )

    def test_without_a_name_it_has_the_folders(self, image_05):
        assert read_ome_zarr(image_05).ome.name == "foreign"

    def test_of_several_images_the_first_comes_and_that_is_said(self, image_05):
        images = [multiscale("yx"), multiscale("yx", path="1")]
        change(image_05 / "zarr.json", attributes={"ome": {"version": "0.5", "multiscales": images}})
        assert read_ome_zarr(image_05).notes == ("the first of its 2 images was taken",)

    def test_what_the_metadata_said_is_kept(self, folder, pixels):
        write_05(folder, pixels, "yx", attributes={"omero": {"channels": [{"label": "RNDD2"}]}})
        kept = read_ome_zarr(folder).json_artifacts["ome_source"]
        assert kept["omero"] == {"channels": [{"label": "RNDD2"}]}

    def test_limits_that_are_no_numbers_do_not_keep_an_image_out(self, image_04):
        said = json.loads((image_04 / ".zattrs").read_text())
        said["omero"] = {"channels": [{"window": {"min": float("nan")}}]}
        (image_04 / ".zattrs").write_text(json.dumps(said))
        assert read_ome_zarr(image_04).axes == ("y", "x")


class TestNoImage:
    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(SourceError, match=r"there is no folder .*nothing\.zarr; an OME-Zarr image is a folder"):
            find_ome_image(tmp_path / "nothing.zarr")

    def test_a_file(self, tmp_path):
        (tmp_path / "a.zarr").write_text("")
        with pytest.raises(SourceError, match="there is no folder"):
            find_ome_image(tmp_path / "a.zarr")

    def test_any_folder(self, tmp_path):
        with pytest.raises(SourceError, match=r"is no OME-Zarr image: it has neither zarr\.json nor \.zattrs"):
            find_ome_image(tmp_path)

    def test_a_dataset_of_ours(self, dataset):
        with pytest.raises(SourceError, match=r"is a kymflow dataset; its images are the folders in .*images"):
            find_ome_image(dataset.path)

    @pytest.mark.parametrize(
        ("ome", "said"),
        [
            ({}, "is a zarr group, but no OME-Zarr image: it has no 'multiscales'"),
            ({"version": "0.5", "plate": {}}, "is a plate of wells"),
            ({"version": "0.5", "well": {}}, "is a well of a plate"),
            ({"version": "0.5", "bioformats2raw.layout": 3}, "is a collection of images"),
            ({"version": "0.5", "labels": ["a"]}, "is a list of labels"),
            ({"version": "0.5", "multiscales": []}, "has no 'multiscales'"),
            ({"version": "0.5", "multiscales": [3]}, "has no 'multiscales'"),
            (
                {"version": "0.6", "multiscales": [multiscale("yx")]},
                r"has version '0\.6' of OME-Zarr; 0\.4 and 0\.5 are read",
            ),
            ({"version": "0.5", "multiscales": [{**multiscale("yx"), "datasets": []}]}, "name no array of pixels"),
            (
                {"version": "0.5", "multiscales": [{**multiscale("yx"), "datasets": [{"path": 1}]}]},
                "name no array of pixels",
            ),
            (
                {"version": "0.5", "multiscales": [multiscale("qx")]},
                r"has the axes \('q', 'x'\); only t, c, z, y, x are read",
            ),
            ({"version": "0.5", "multiscales": [multiscale("yyx")]}, "only t, c, z, y, x are read, each once"),
            ({"version": "0.5", "multiscales": [multiscale("tx")]}, "with y and x among them"),
            ({"version": "0.5", "multiscales": [multiscale("zyx")]}, r"states the axes .* for pixels of shape \(20, 6\)"),
        ],
    )
    def test_something_else_is_named(self, image_05, ome, said):
        change(image_05 / "zarr.json", attributes={"ome": ome})
        with pytest.raises(SourceError, match=said):
            read_ome_zarr(image_05)

    def test_an_older_version(self, image_04):
        (image_04 / ".zattrs").write_text(json.dumps({"multiscales": [multiscale("yx", version="0.3")]}))
        with pytest.raises(SourceError, match=r"has version '0\.3' of OME-Zarr"):
            read_ome_zarr(image_04)

    @pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 100_000], ids=["cut off", "a list", "no text", "nested"])
    def test_metadata_that_are_no_json(self, image_05, text):
        (image_05 / "zarr.json").write_text(text, encoding="latin-1")
        with pytest.raises(SourceError, match="cannot be read"):
            read_ome_zarr(image_05)


class TestHostile:
    @pytest.mark.parametrize("path", ["../secret", "/etc", "a/../../secret", "", "..", "0/"])
    def test_a_path_that_leads_out_is_refused(self, tmp_path, image_05, pixels, path):
        write_05(tmp_path / "secret", pixels, "yx")
        image = multiscale("yx", path=path)
        change(image_05 / "zarr.json", attributes={"ome": {"version": "0.5", "multiscales": [image]}})
        with pytest.raises(SourceError, match=r"does not name a place inside|name no array"):
            read_ome_zarr(image_05)

    def test_a_link_that_leads_out_is_refused(self, tmp_path, image_05):
        (image_05 / "0").rename(tmp_path / "elsewhere")
        (image_05 / "0").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(SourceError, match="is a symbolic link out of"):
            read_ome_zarr(image_05)

    def test_a_chunk_that_is_a_link_out_is_refused(self, tmp_path, image_05):
        chunk = chunk_of(image_05)
        chunk.rename(tmp_path / "elsewhere")
        chunk.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(SourceError, match="is a symbolic link out of"):
            read_ome_zarr(image_05)

    def test_an_array_that_is_not_there(self, image_05):
        (image_05 / "0" / "zarr.json").unlink()
        with pytest.raises(SourceError, match="has lost its pixels: there is no array '0' in it"):
            read_ome_zarr(image_05)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"shape": [2**40, 2**40]}, "is not believable"),
            ({"shape": [100_000, 100_000], "chunk_grid": regular(4000)}, "needs 18 GB of memory; 16 are the most"),
            ({"shape": [40_000, 20_000], "chunk_grid": regular(4000)}, "has 1525 MB, and of its 50 files only 1"),
            ({"chunk_grid": regular(2**20)}, "is not believable"),
            ({"chunk_grid": regular(8192), "codecs": [shards_of(1)]}, "has 67108864 chunks in a shard"),
            (
                {"chunk_grid": regular(20), "codecs": [shards_of(2, index=["bytes"])]},
                "has an index of shards that is not read",
            ),
            ({"shape": [-1, 6]}, "not believable"),
            ({"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]}, "Blosc, Zstandard and gzip are read"),
            ({"codecs": [{"name": "bytes"}, {"name": "gzip"}, {"name": "gzip"}]}, "Blosc, Zstandard and gzip are read"),
            ({"data_type": "string"}, "only numbers and booleans are read"),
            ({"data_type": {"name": "numpy.datetime64"}}, "only numbers and booleans are read"),
            ({"node_type": "group"}, "is no zarr array, but a 'group'"),
            ({"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/../"}}}, "has the separator"),
            ({"codecs": 5}, "Blosc, Zstandard and gzip are read"),
            ({"fill_value": "no number"}, "cannot be read"),
        ],
    )
    def test_metadata_of_a_v3_array(self, image_05, changes, said):
        change(image_05 / "0" / "zarr.json", **changes)
        with pytest.raises(SourceError, match=said):
            read_ome_zarr(image_05)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"filters": [{"id": "pickle"}]}, "has filters, or the codec"),
            ({"compressor": {"id": "pickle"}}, "the codec 'pickle'; Blosc, Zstandard, gzip and zlib are read"),
            ({"compressor": {"id": "lzma"}}, "the codec 'lzma'"),
            ({"dtype": "|O"}, "only numbers and booleans are read"),
            ({"dtype": [["a", "<i4"]]}, "only numbers and booleans are read"),
            ({"dtype": "nonsense"}, "only numbers and booleans are read"),
            ({"shape": [2**40, 2**40]}, "is not believable"),
            ({"chunks": [2**20, 2**20]}, "is not believable"),
            ({"dimension_separator": ".."}, "has the separator"),
            ({"zarr_format": 3}, "has filters, or the codec"),
        ],
    )
    def test_metadata_of_a_v2_array(self, image_04, changes, said):
        change(image_04 / "0" / ".zarray", **changes)
        with pytest.raises(SourceError, match=said):
            read_ome_zarr(image_04)

    @pytest.mark.parametrize("write", [write_04, write_05])
    @pytest.mark.parametrize("kind", ["blosc", "zstd", "gzip"])
    def test_a_chunk_that_unpacks_to_more_is_never_unpacked(self, folder, pixels, write, kind, monkeypatch):
        options = (CODECS_04 if write is write_04 else CODECS_05)[kind]
        write(folder, pixels, "yx", **{"chunks": (20, 6), **options})
        chunk = chunk_of(folder)
        bomb = bytes(2**24)
        packed = {"blosc": numcodecs.Blosc("zstd"), "zstd": numcodecs.Zstd(), "gzip": numcodecs.GZip()}[kind].encode(bomb)
        chunk.write_bytes(packed)
        for codec in ("gzip.GZip", "zstd.Zstd", "blosc.Blosc"):
            monkeypatch.setattr(f"numcodecs.{codec}.decode", lambda *_: pytest.fail("it was unpacked"))
        with pytest.raises(SourceError, match=r"unpacks to .*240"):
            read_ome_zarr(folder)

    @pytest.mark.parametrize("write", [write_04, write_05])
    def test_a_chunk_file_that_is_far_too_large(self, folder, pixels, write):
        write(folder, pixels, "yx", chunks=(20, 6), compressors=None)
        chunk = chunk_of(folder)
        with chunk.open("ab") as file:
            file.truncate(2**22)
        with pytest.raises(SourceError, match="has 4194304 bytes; at most 1049056 are believable"):
            read_ome_zarr(folder)

    @pytest.mark.parametrize("write", [write_04, write_05])
    def test_a_chunk_that_was_cut_off(self, folder, pixels, write):
        write(folder, pixels, "yx", chunks=(20, 6))
        chunk = chunk_of(folder)
        chunk.write_bytes(chunk.read_bytes()[:20])
        with pytest.raises(SourceError, match="cannot be imported"):
            read_ome_zarr(folder)

    def test_a_pipe_in_its_place(self, image_05):
        (image_05 / "zarr.json").unlink()
        os.mkfifo(image_05 / "zarr.json")
        with pytest.raises(SourceError, match="is no file but a pipe or a device"):
            find_ome_image(image_05)


class TestUnpacked:
    @pytest.mark.parametrize(
        ("codec", "data"),
        [
            ("zstd", numcodecs.Zstd().encode(bytes(100))),
            ("zstd", numcodecs.Zstd().encode(bytes(100_000))),
            ("gzip", gzip.compress(bytes(100), mtime=0)),
            ("zlib", zlib.compress(bytes(3_000_000))),
            ("blosc", Blosc().encode(bytes(100))),
            (None, bytes(100)),
        ],
    )
    def test_the_right_size_passes_and_others_do_not(self, codec, data):
        unpacked = {"zstd": numcodecs.Zstd(), "gzip": numcodecs.GZip(), "zlib": numcodecs.Zlib(), "blosc": Blosc()}
        size = len(unpacked[codec].decode(data)) if codec else len(data)
        check_unpacked(codec, data, size, where="it")
        for wrong in (size - 1, size + 1):
            with pytest.raises(DamagedError, match=r"it (says that it )?unpacks to"):
                check_unpacked(codec, data, wrong, where="it")

    @pytest.mark.parametrize(
        ("codec", "data"),
        [
            ("zstd", b""),
            ("zstd", b"\x28\xb5\x2f\xfd\x00\x58"),
            ("zstd", b"no frame"),
            ("gzip", b"no stream"),
            ("zlib", b""),
        ],
    )
    def test_what_does_not_say_its_size_is_refused(self, codec, data):
        with pytest.raises(DamagedError, match=r"is damaged: it cannot be unpacked|unpacks to 1 bytes"):
            check_unpacked(codec, data, 100, where="it")

    def test_a_zstd_stream_that_states_no_size_is_counted(self):
        data = zstd_stream(bytes(3_000_000))
        check_unpacked("zstd", data, 3_000_000, where="it")
        for wrong in (2_999_999, 3_000_001, 100):
            with pytest.raises(DamagedError, match="it unpacks to"):
                check_unpacked("zstd", data, wrong, where="it")
        with pytest.raises(DamagedError, match="it is damaged: it cannot be unpacked"):
            check_unpacked("zstd", data[:-4], 3_000_000, where="it")

    def test_a_second_stream_behind_the_first_counts(self):
        with pytest.raises(DamagedError, match="unpacks to 101 bytes or more"):
            check_unpacked("gzip", gzip.compress(bytes(100)) * 2, 100, where="it")


class TestImportPaths:
    def test_a_folder_becomes_a_record_with_its_provenance(self, dataset, image_05, pixels):
        (imported,) = dataset.import_paths([image_05], read_file=read_ome_zarr).imported
        record = dataset.record(imported.image_id)
        np.testing.assert_array_equal(record.load_array(), pixels)
        files = [path for path in image_05.rglob("*") if path.is_file()]
        provenance = record.load_json("provenance")
        assert provenance["source_primary_path"] == str(image_05.resolve())
        assert provenance["source_size_bytes"] == sum(path.stat().st_size for path in files)
        assert provenance["source_mtime_ns"] == max(path.stat().st_mtime_ns for path in files)

    def test_a_second_time_does_nothing(self, dataset, image_04):
        dataset.import_paths([image_04], read_file=read_ome_zarr)
        report = dataset.import_paths([image_04], read_file=read_ome_zarr)
        assert (report.summary(), len(dataset.list_image_ids())) == ("0 imported, 1 skipped", 1)

    @pytest.mark.parametrize("name", [".zattrs", "0/.zarray"])
    def test_a_change_inside_is_seen(self, dataset, image_04, name):
        dataset.import_paths([image_04], read_file=read_ome_zarr)
        with (image_04 / name).open("a") as file:
            file.write(" ")
        assert dataset.import_paths([image_04], read_file=read_ome_zarr).changed == (image_04,)

    def test_what_a_system_puts_everywhere_is_no_change(self, dataset, image_04):
        dataset.import_paths([image_04], read_file=read_ome_zarr)
        (image_04 / ".DS_Store").write_text("x")
        (image_04 / "._0").write_text("x")
        assert dataset.import_paths([image_04], read_file=read_ome_zarr).changed == ()

    def test_the_digest_is_of_the_content_not_of_the_place(self, dataset, tmp_path, image_05):
        shutil.copytree(image_05, tmp_path / "copy.ome.zarr")
        report = dataset.import_paths([image_05, tmp_path / "copy.ome.zarr"], read_file=read_ome_zarr)
        digests = {dataset.record(one.image_id).load_json("provenance")["source_sha256"] for one in report.imported}
        assert len(digests) == 1

    def test_a_link_out_of_it_is_reported_and_not_followed(self, dataset, image_05):
        (image_05 / "0" / "notes.txt").symlink_to("/etc/hostname")
        (failed,) = dataset.import_paths([image_05], read_file=read_ome_zarr).failed
        assert "is a symbolic link out of" in failed.reason

    def test_the_dataset_stays_sound(self, dataset, image_05):
        dataset.import_paths([image_05], read_file=read_ome_zarr)
        assert ZarrDataset(dataset.path, mode="r").verify(deep=True).problems == ()


AXES = st.sampled_from(["yx", "zyx", "cyx", "tyx", "czyx", "tzyx", "tczyx", "zyxc", "tzyxc", "xy"])
DTYPES = st.sampled_from(["bool", "u1", "i2", "u2", "i4", "u8", "f4", "f8"])


@given(data=st.data(), axes=AXES, dtype=DTYPES)
@settings(max_examples=examples(40))
def test_what_is_exported_comes_back_the_same(data, axes, dtype):
    shape = data.draw(st.lists(st.integers(2, 4), min_size=len(axes), max_size=len(axes)))
    pixels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    steps = {axis: data.draw(st.floats(1e-9, 1e9)) for axis in axes if axis != "c"}
    described = OmeDescription(name="scan", steps=steps, units=dict.fromkeys(steps, "micrometer"), notes={"a": 1})
    with TemporaryDirectory() as folder:
        target = Path(folder) / "scan.ome.zarr"
        write_ome_zarr(target, pixels, axes=tuple(axes), described=described)
        content = read_ome_zarr(target)
    ordered = "".join(content.axes)
    np.testing.assert_array_equal(content.pixels, np.einsum(f"{axes}->{ordered}", pixels), strict=True)
    assert (sorted(ordered), content.notes) == (sorted(axes), ())
    assert {**content.ome.steps, "c": 1.0} == {**steps, "c": 1.0}
    assert (content.ome.name, content.ome.units, content.ome.notes) == ("scan", described.units, {"a": 1})


@pytest.mark.parametrize("write", [write_04, write_05])
def test_a_flipped_bit_anywhere_ends_in_an_image_or_in_one_error(folder, pixels, rng, write):
    write(folder, pixels, "yx")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for _ in range(60):
        path = files[rng.integers(len(files))]
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.integers(len(flipped))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with contextlib.suppress(SourceError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zarr warns of names that it does not know
            read_ome_zarr(folder)
        path.write_bytes(whole)

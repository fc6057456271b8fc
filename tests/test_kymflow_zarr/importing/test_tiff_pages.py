"""Pixels are there or they are not: what a TIFF states is compared with its bytes, and nothing is filled in."""

import os
import re
import socket
import struct
import warnings
import zlib

import numpy as np
import pytest
import tifffile

from kymflow_zarr.errors import SourceError
from kymflow_zarr.importing.tiffs import read_tiff

LINES, PIXELS = 12, 7
ELSEWHERE = (
    '<TiffData FirstC="{c}" FirstT="{t}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.tif"


@pytest.fixture
def planes(rng):
    """Twelve different planes; as many as lines, so that no axis can be taken for another by its length alone."""
    return rng.integers(1, 60_000, (12, LINES, PIXELS), dtype=np.uint16)


def write_ome(path, planes, data="<TiffData/>", *, order="XYCZT", uuid="urn:uuid:own", **sizes):
    stated = {"X": planes.shape[2], "Y": planes.shape[1], "C": 1, "Z": 1, "T": 1, **sizes}
    attributes = " ".join(f'Size{axis}="{size}"' for axis, size in stated.items())
    xml = (
        f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16" {attributes}>{data}</Pixels>'
        "</Image></OME>"
    )
    tifffile.imwrite(path, planes, description=xml.encode(), metadata=None, photometric="minisblack")


class TestOmePlanes:
    @pytest.mark.parametrize(
        ("order", "sizes", "axes"),
        [
            pytest.param("XYCZT", {"T": 12}, "tyx", id="times"),
            pytest.param("XYCZT", {"C": 2, "T": 6}, "tcyx", id="channels of each time"),
            pytest.param("XYTCZ", {"C": 2, "T": 6}, "ctyx", id="times of each channel"),
            pytest.param("XYCTZ", {"C": 2, "Z": 3, "T": 2}, "ztcyx", id="all five"),
        ],
    )
    def test_planes_lie_where_the_order_says(self, path, planes, order, sizes, axes):
        write_ome(path, planes, order=order, **sizes)
        content = read_tiff(path)
        written = planes.reshape([sizes[axis.upper()] for axis in axes[:-2]] + [LINES, PIXELS])
        wanted = "".join(axis for axis in "tzcyx" if axis in axes)
        assert "".join(content.axes) == wanted
        np.testing.assert_array_equal(content.pixels, written.transpose([axes.index(axis) for axis in wanted]), strict=True)
        assert content.notes == ()

    @pytest.mark.parametrize(
        ("order", "sizes", "there", "numbers"),
        [
            pytest.param("XYCZT", {"T": 20}, {"T": 12}, "12 of the 20 planes", id="stopped"),
            pytest.param("XYCZT", {"C": 13}, {"C": 12}, "12 of the 13 planes", id="a channel is missing"),
            pytest.param("XYCZT", {"C": 5, "T": 4}, {"T": 2, "C": 5}, "10 of the 20 planes .*, of 12 that", id="in a time"),
            pytest.param("XYZTC", {"T": 10, "C": 2}, {"T": 10}, "10 of the 20 planes .*, of 12 that", id="in a channel"),
        ],
    )
    def test_what_is_missing_is_left_out_with_its_numbers(self, path, planes, order, sizes, there, numbers):
        write_ome(path, planes, order=order, **sizes)
        content = read_tiff(path)
        count = int(np.prod(list(there.values())))
        np.testing.assert_array_equal(content.pixels, planes[:count].reshape([*there.values(), LINES, PIXELS]))
        (note,) = content.notes
        assert note.startswith("incomplete: ")
        assert re.search(numbers, note)

    def test_planes_with_gaps_between_them_are_refused(self, path, planes):
        data = "".join(f'<TiffData FirstT="{2 * t}" IFD="{t}"/>' for t in range(12))
        write_ome(path, planes, data, T=24)
        with pytest.raises(SourceError, match="12 of its 12 planes are in the file, with gaps between them along T"):
            read_tiff(path)

    def test_a_file_without_any_of_its_planes_is_refused(self, path, planes):
        write_ome(path, planes, '<TiffData FirstT="0" IFD="40"/>', T=1)
        with pytest.raises(SourceError, match=r"x\.tif cannot be imported: its OME-XML states 1 planes, and none of them"):
            read_tiff(path)

    def test_broken_xml_leaves_the_pages_as_they_are(self, path, planes):
        tifffile.imwrite(path, planes, description=b"<OME><Image</OME>", metadata=None, photometric="minisblack")
        np.testing.assert_array_equal(read_tiff(path).pixels, planes)


class TestSetsOfFiles:
    """Each file of a set names all of them, as Bruker's do."""

    def write(self, folder, planes, names):
        data = "".join(ELSEWHERE.format(c=0, t=t, name=name) for t, name in enumerate(names))
        for t, name in enumerate(names):
            if "/" not in name:
                write_ome(folder / name, planes[t : t + 1], data, T=len(names), uuid=f"urn:uuid:{name}")

    def test_each_file_gives_its_own_plane_once(self, tmp_path, planes):
        names = [f"s_{t}.ome.tif" for t in range(12)]
        self.write(tmp_path, planes, names)
        for t, name in enumerate(names):
            content = read_tiff(tmp_path / name)
            np.testing.assert_array_equal(content.pixels, planes[t], strict=True)
            assert "11 more planes of its image are in other files" in content.notes[0]

    @pytest.mark.parametrize("elsewhere", ["../secret.tif", "/dev/shm/secret.tif", "..\\secret.tif"])
    def test_no_file_outside_the_folder_is_read(self, tmp_path, planes, elsewhere):
        (tmp_path / "in").mkdir()
        tifffile.imwrite(tmp_path / "secret.tif", planes[1])
        self.write(tmp_path / "in", planes, ["s.ome.tif", elsewhere])
        np.testing.assert_array_equal(read_tiff(tmp_path / "in" / "s.ome.tif").pixels, planes[0])

    def test_a_file_that_was_renamed_is_known_by_its_uuid(self, tmp_path, planes):
        self.write(tmp_path, planes, ["a.ome.tif", "b.ome.tif"])
        (tmp_path / "b.ome.tif").rename(tmp_path / "c.ome.tif")
        np.testing.assert_array_equal(read_tiff(tmp_path / "c.ome.tif").pixels, planes[1])

    def test_of_several_images_a_file_gives_the_one_that_is_in_it(self, tmp_path, planes):
        images = "".join(
            f'<Image ID="Image:{at}"><Pixels DimensionOrder="XYCZT" SizeX="7" SizeY="12" SizeC="1" SizeZ="1" SizeT="1">'
            + ELSEWHERE.format(c=0, t=0, name=f"s_{at}.tif")
            + "</Pixels></Image>"
            for at in range(3)
        )
        xml = f'<?xml version="1.0"?><OME UUID="urn:uuid:s_1.tif">{images}</OME>'
        tifffile.imwrite(tmp_path / "s_1.tif", planes[1], description=xml.encode(), metadata=None)
        content = read_tiff(tmp_path / "s_1.tif")
        np.testing.assert_array_equal(content.pixels, planes[1])
        assert content.notes == ()

    def test_a_file_that_another_describes_gives_its_own_pages(self, tmp_path, planes):
        xml = '<?xml version="1.0"?><OME UUID="urn:uuid:b"><BinaryOnly MetadataFile="../a.tif" UUID="urn:uuid:a"/></OME>'
        tifffile.imwrite(tmp_path / "b.tif", planes[0], description=xml.encode(), metadata=None)
        assert read_tiff(tmp_path / "b.tif").notes == ()
        tifffile.imwrite(tmp_path / "b.tif", planes, description=xml.encode(), metadata=None, photometric="minisblack")
        content = read_tiff(tmp_path / "b.tif")
        np.testing.assert_array_equal(content.pixels, planes)
        assert content.notes[0].startswith("one file of a set that ../a.tif describes: how its 12 planes lie")

    def test_pages_of_a_file_that_the_xml_does_not_name_are_its_own(self, tmp_path, planes):
        write_ome(tmp_path / "x.tif", planes[:1], ELSEWHERE.format(c=0, t=0, name="y.tif"), T=1)
        np.testing.assert_array_equal(read_tiff(tmp_path / "x.tif").pixels, planes[0])


class TestLinesAtTimes:
    """A line scan that is stored as one line at each time."""

    @pytest.fixture
    def lines(self, rng):
        return rng.integers(1, 60_000, (2, 30, 1, PIXELS), dtype=np.uint16)  # c, t, y, x

    def write(self, path, lines, how):
        by_time = np.moveaxis(lines, 0, 1).reshape(-1, 1, PIXELS)
        if how == "ome":
            write_ome(path, by_time, C=len(lines), T=30)
        else:
            axes = "TCYX" if len(lines) > 1 else "TYX"
            shape = (30, len(lines), 1, PIXELS) if len(lines) > 1 else (30, 1, PIXELS)
            tifffile.imwrite(path, by_time.reshape(shape), imagej=True, metadata={"axes": axes})

    @pytest.mark.parametrize("how", ["ome", "imagej"])
    def test_one_channel_is_an_image_of_lines(self, path, lines, how):
        self.write(path, lines[:1], how)
        content = read_tiff(path)
        assert content.axes == ("y", "x")
        np.testing.assert_array_equal(content.pixels, lines[0, :, 0], strict=True)

    @pytest.mark.parametrize("how", ["ome", "imagej"])
    def test_each_channel_is_an_image_of_lines(self, path, lines, how):
        self.write(path, lines, how)
        content = read_tiff(path)
        assert content.axes == ("c", "y", "x")
        np.testing.assert_array_equal(content.pixels, lines[:, :, 0], strict=True)

    def test_slices_of_one_line_are_no_times(self, path, lines):
        tifffile.imwrite(path, lines[0], imagej=True, metadata={"axes": "ZYX"})
        assert read_tiff(path).axes == ("z", "y", "x")


def drop_segments(path, name, kept):
    """Set offset and length of all but the first strips or tiles to 0, as a writer does that was stopped."""
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tags = tiff.pages.first.tags
        for tag in (tags[f"{name}Offsets"], tags[f"{name}ByteCounts"]):
            tag.overwrite([*tag.value[:kept], *([0] * (len(tag.value) - kept))])


class TestStripsAndTiles:
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_missing_strips_are_refused_with_their_numbers(self, path, planes, compression):
        tifffile.imwrite(path, planes[0], rowsperstrip=2, compression=compression)
        drop_segments(path, "Strip", 4)
        with pytest.raises(SourceError, match=r"x\.tif is incomplete: 4 of 6 strips are there"):
            read_tiff(path)

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_missing_tiles_are_refused_with_their_numbers(self, path, rng, compression):
        pixels = rng.integers(0, 9, (64, 32), dtype=np.uint8)
        tifffile.imwrite(path, pixels, tile=(16, 16), compression=compression)
        np.testing.assert_array_equal(read_tiff(path).pixels, pixels)
        drop_segments(path, "Tile", 5)
        with pytest.raises(SourceError, match=r"x\.tif is incomplete: 5 of 8 tiles are there"):
            read_tiff(path)

    @pytest.mark.parametrize("shape", [(10, 10), (17, 33)])
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_tiles_that_reach_over_the_border_are_whole(self, path, rng, shape, compression):
        pixels = rng.integers(0, 999, shape, dtype=np.uint16)
        tifffile.imwrite(path, pixels, tile=(16, 16), compression=compression)
        np.testing.assert_array_equal(read_tiff(path).pixels, pixels)

    def test_a_strip_that_is_too_short_is_refused(self, path, planes):
        tifffile.imwrite(path, planes[0], rowsperstrip=2)
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            tag = tiff.pages.first.tags["StripByteCounts"]
            tag.overwrite([*tag.value[:-1], tag.value[-1] - 2])
        with pytest.raises(SourceError, match=r"6 of 6 strips are there, 166 of 168 bytes"):
            read_tiff(path)

    def test_a_packed_strip_that_holds_too_little_is_refused(self, path, planes):
        tifffile.imwrite(path, planes[0], compression="zlib")
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            page = tiff.pages.first
            short = zlib.compress(planes[0, :5].tobytes(), 9)
            offset = page.dataoffsets[0]
            assert len(short) <= page.databytecounts[0]
            page.tags["StripByteCounts"].overwrite(len(short))
        data = bytearray(path.read_bytes())
        data[offset : offset + len(short)] = short
        path.write_bytes(data)
        with pytest.raises(SourceError, match=r"corrupted strip cannot be reshaped from \(35,\)"):
            read_tiff(path)

    def test_tall_images_of_imagej_are_whole_though_they_state_too_few_rows_per_strip(self, path, rng):
        pixels = rng.integers(0, 255, (70_000, 3), dtype=np.uint8)
        tifffile.imwrite(path, pixels, imagej=True, rowsperstrip=70_000)
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            tiff.pages.first.tags["RowsPerStrip"].overwrite(70_000 % 65_536)
        np.testing.assert_array_equal(read_tiff(path).pixels, pixels)


class TestImageJStacks:
    def write_one_ifd(self, path, planes, text):
        """Write a stack as ImageJ does those of over 4 GB: one page, and the planes behind it."""
        description = f"ImageJ=1.54f\n{text}\n".encode()
        tifffile.imwrite(path, planes[:1], description=description, metadata=None, photometric="minisblack")
        with tifffile.TiffFile(path) as tiff:
            (offset,) = tiff.pages.first.dataoffsets
        assert offset + planes[0].nbytes == path.stat().st_size
        path.write_bytes(path.read_bytes() + planes[1:].tobytes())

    @pytest.mark.parametrize("text", ["images=12\nframes=12", "images=12", "images=12\nchannels=2\nframes=6"])
    def test_a_whole_one_has_all_planes(self, path, planes, text):
        self.write_one_ifd(path, planes, text)
        np.testing.assert_array_equal(read_tiff(path).pixels.reshape(planes.shape), planes)

    @pytest.mark.parametrize("text", ["images=12\nframes=12", "images=12", "images=12\nchannels=2\nframes=6"])
    def test_one_that_was_cut_is_refused_with_its_numbers(self, path, planes, text):
        self.write_one_ifd(path, planes, text)
        os.truncate(path, path.stat().st_size - planes[0].nbytes * 5 + 3)
        with pytest.raises(SourceError, match=r"is truncated: 7 of the 12 planes that it states are in its \d+ bytes"):
            read_tiff(path)

    def test_fewer_pages_than_stated_are_read_and_counted(self, path, planes):
        description = b"ImageJ=1.54f\nimages=20\nframes=20\n"
        tifffile.imwrite(path, planes, description=description, metadata=None, photometric="minisblack")
        content = read_tiff(path)
        np.testing.assert_array_equal(content.pixels, planes)
        assert content.axes == ("t", "y", "x")
        assert content.notes[0].startswith("incomplete: 12 of the 20 images")

    def test_times_without_all_their_channels_are_left_out(self, path, planes):
        description = b"ImageJ=1.54f\nimages=20\nchannels=5\nframes=4\nhyperstack=true\n"
        tifffile.imwrite(path, planes, description=description, metadata=None, photometric="minisblack")
        content = read_tiff(path)
        np.testing.assert_array_equal(content.pixels, planes[:10].reshape(2, 5, LINES, PIXELS))
        assert "10 of the 20 images that its ImageJ description states were imported, of 12" in content.notes[0]

    def test_planes_that_tifffile_states_and_does_not_have_are_refused(self, path, planes):
        tifffile.imwrite(path, planes[:6], description=b'{"shape": [12, 12, 7]}', metadata=None, photometric="minisblack")
        with pytest.raises(SourceError, match=r"x\.tif is incomplete: it states 12 planes and has 6 pages"):
            read_tiff(path)


class TestSigned16Bit:
    def test_the_values_are_those_that_imagej_shows(self, path, rng):
        pixels = rng.integers(-32_768, 32_767, (LINES, PIXELS), dtype=np.int16)
        stored = (pixels.astype(np.int32) + 32_768).astype(np.uint16)
        tifffile.imwrite(path, stored, imagej=True, metadata={"cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "Gray Value"})
        content = read_tiff(path)
        np.testing.assert_array_equal(content.pixels, pixels, strict=True)
        assert content.notes == ()

    def test_another_calibration_of_the_values_is_reported(self, path, planes):
        tifffile.imwrite(path, planes[0], imagej=True, metadata={"cf": 0, "c0": 0.0, "c1": 0.5, "vunit": "OD"})
        content = read_tiff(path)
        np.testing.assert_array_equal(content.pixels, planes[0])
        assert "ImageJ shows its values through a calibration (function 0, c0 0.0, c1 0.5, unit 'OD')" in content.notes[0]


class TestThumbnails:
    @pytest.mark.parametrize("small", [(4, 4), (LINES, PIXELS)], ids=["smaller", "of the same shape"])
    def test_the_first_page_that_is_no_thumbnail_is_the_image(self, path, planes, small):
        with tifffile.TiffWriter(path) as writer:
            writer.write(np.ones(small, np.uint8), subfiletype=1, metadata=None)
            writer.write(planes[0], metadata=None)
        content = read_tiff(path)
        np.testing.assert_array_equal(content.pixels, planes[0], strict=True)
        assert content.notes == (f"thumbnails in it were left out: {small}",)


class TestNotAFile:
    def test_a_pipe_is_refused_at_once(self, path):
        os.mkfifo(path)
        with pytest.raises(SourceError, match=r"x\.tif is no file.*; only files are imported"):
            read_tiff(path)

    def test_a_link_to_a_device_is_refused(self, path):
        path.symlink_to("/dev/zero")
        with pytest.raises(SourceError, match="only files are imported"):
            read_tiff(path)

    def test_a_socket_is_refused(self, path, monkeypatch):
        monkeypatch.chdir(path.parent)  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
            with pytest.raises(SourceError, match=r"x\.tif"):
                read_tiff(path)


@pytest.mark.parametrize("compression", [None, "zlib", "packbits", "lzw"])
def test_a_size_that_the_bytes_cannot_hold_is_refused_before_memory_is_taken(path, planes, compression):
    tifffile.imwrite(path, planes[0], compression="zlib" if compression else None, rowsperstrip=2**31)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tags = tiff.pages.first.tags
        for name in ("ImageLength", "RowsPerStrip"):
            tags[name].overwrite(989_855_774, dtype="I")
        if compression:
            tags["Compression"].overwrite({"zlib": 8, "packbits": 32773, "lzw": 5}[compression])
    with pytest.raises(SourceError, match=r"which cannot hold them|of 13857980836 bytes"):
        read_tiff(path)


def test_a_codec_that_is_not_installed_is_named_with_the_command(path, planes, monkeypatch):
    tifffile.imwrite(path, planes[0], compression="zlib")

    def missing(*_args, **_options):
        raise ModuleNotFoundError("No module named 'compression'")

    monkeypatch.setattr(tifffile.TiffPage, "segments", missing)
    with pytest.raises(SourceError, match=r"x\.tif is packed in a way .* install it with `pip install imagecodecs`"):
        read_tiff(path)


def test_the_byte_order_of_the_file_does_not_matter(path, planes):
    tifffile.imwrite(path, planes[:1], byteorder=">", description=b"ImageJ=1.54f\nimages=2\n", metadata=None)
    path.write_bytes(path.read_bytes() + planes[1].astype(">u2").tobytes())
    np.testing.assert_array_equal(read_tiff(path).pixels, planes[:2])
    assert struct.unpack(">H", path.read_bytes()[-2:])[0] == planes[1, -1, -1]


def test_zeros_in_the_tags_of_a_microscope_give_no_warning(tmp_path):
    """Bruker writes MetaMorph's tags (UIC1 and UIC2) into its TIFFs, and the distance of the only plane as 0 / 0."""
    path = tmp_path / "Reference.tif"
    zeros = (33628, 4, 4, (0, 0, 0, 0), True), (33629, 5, 1, (0, 0), True)
    tifffile.imwrite(path, np.ones((40, 30), np.uint16), byteorder="<", extratags=zeros, metadata=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_tiff(path).pixels.shape == (40, 30)


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lzma", "packbits"])
def test_packed_pixels_are_read_where_imagecodecs_is_installed(path, planes, compression):
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(path, planes, compression=compression, photometric="minisblack", rowsperstrip=5, predictor=False)
    np.testing.assert_array_equal(read_tiff(path).pixels, planes)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_are_read_where_imagecodecs_is_installed(path, planes, bits):
    pytest.importorskip("imagecodecs")
    pixels = planes[0] >> (16 - bits)
    each_bit = (pixels[..., np.newaxis] >> np.arange(bits)[::-1]) & 1  # the highest first; each row begins a byte
    rows = np.packbits(each_bit.astype(np.uint8).reshape(LINES, -1), axis=1)
    tifffile.imwrite(path, rows.reshape(1, -1), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tags = tiff.pages.first.tags
        tags["BitsPerSample"].overwrite(bits)
        tags["ImageWidth"].overwrite(PIXELS)
        tags["ImageLength"].overwrite(LINES)
        tags["RowsPerStrip"].overwrite(LINES)
    np.testing.assert_array_equal(read_tiff(path).pixels, pixels)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(SourceError, match="is truncated"):
        read_tiff(path)

"""OME-TIFFs of one set are one record: all files once, all in its source, and nothing outside the folder."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from kymflow_core import AcqImage
from kymflow_core.images.file_reader import FILE_READER
from kymflow_zarr.importing import tiff_sets

LINES, PIXELS = 40, 12


def entry(name, *, t=0, c=0, page=0, uuid=""):
    return (
        f'<TiffData FirstC="{c}" FirstT="{t}" FirstZ="0" IFD="{page}" PlaneCount="1"><UUID FileName="{name}">'
        f"{uuid or 'urn:uuid:' + name}</UUID></TiffData>"
    )


def image_of(entries, *, t=1, c=1, lines=LINES, step=""):
    channels = "".join(f'<Channel ID="Channel:{at}" Name="Ch{at + 1}" SamplesPerPixel="1"/>' for at in range(c))
    return (
        f'<Image ID="Image:0"><Pixels DimensionOrder="XYCZT" Type="uint16" SizeX="{PIXELS}" SizeY="{lines}" SizeC="{c}" '
        f'SizeZ="1" SizeT="{t}" PhysicalSizeX="0.25" {step}>{channels}{"".join(entries)}</Pixels></Image>'
    )


def ome(images, name=""):
    uuid = f' UUID="urn:uuid:{name}"' if name else ""
    return f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{uuid}>{images}</OME>'


def write(path, planes, xml):
    tifffile.imwrite(path, planes, description=xml.encode(), metadata=None, photometric="minisblack")


@pytest.fixture
def planes(rng):
    return rng.integers(1, 60_000, (6, LINES, PIXELS), dtype=np.uint16)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "scans"
    made.mkdir()
    return made


def write_bruker(folder, planes, *, channels=2):
    """As Bruker writes a time series: one plane a file, and each file names all of them."""
    names = [f"TSeries_Ch{at % channels + 1}_{at // channels + 1:06}.ome.tif" for at in range(len(planes))]
    entries = [entry(name, t=at // channels, c=at % channels) for at, name in enumerate(names)]
    for name, plane in zip(names, planes, strict=True):
        write(folder / name, plane, ome(image_of(entries, t=len(planes) // channels, c=channels), name))
    return names


def write_micro_manager(folder, planes, *, positions=1):
    """As Micro-Manager writes: the first file has the XML of all, and each position has two files of several pages."""
    names = [f"MMStack_Pos{at}{end}.ome.tif" for at in range(positions) for end in ("", "_1")]
    half = len(planes) // 2
    images = ""
    for first, second in zip(names[::2], names[1::2], strict=True):
        entries = [entry(first if t < half else second, t=t, page=t % half) for t in range(len(planes))]
        images += image_of(entries, t=len(planes))
    for at, name in enumerate(names):
        other = f'<BinaryOnly MetadataFile="{names[0]}" UUID="urn:uuid:{names[0]}"/>'
        part = planes[:half] if at % 2 == 0 else planes[half:]
        write(folder / name, part + at // 2, ome(images if at == 0 else other, name))
    return names


def write_companion(folder, planes):
    """Plain names, which a companion file describes."""
    names = [f"s_{at}.tif" for at in range(len(planes))]
    entries = [entry(name, t=at) for at, name in enumerate(names)]
    (folder / "s.companion.ome").write_text(ome(image_of(entries, t=len(planes))), encoding="utf-8")
    for name, plane in zip(names, planes, strict=True):
        write(folder / name, plane, ome('<BinaryOnly MetadataFile="s.companion.ome" UUID="urn:uuid:c"/>', name))
    return names


def write_plain(folder, planes):
    """Plain names without a companion file, of which each file names all."""
    names = [f"scan{at:02}.tif" for at in range(len(planes))]
    entries = [entry(name, t=at) for at, name in enumerate(names)]
    for name, plane in zip(names, planes, strict=True):
        write(folder / name, plane, ome(image_of(entries, t=len(planes)), name))
    return names


WRITERS = [
    pytest.param(write, id=write.__name__[6:])
    for write in (write_bruker, write_micro_manager, write_companion, write_plain)
]


def only(dataset, report):
    (file,) = report.imported
    assert report.failed == ()
    return AcqImage(dataset.record(file.image_id)), file


@pytest.mark.parametrize("write_set", WRITERS)
class TestASet:
    @pytest.mark.slow
    def test_it_is_one_record_with_all_its_files(self, write_set, folder, dataset, planes):
        names = write_set(folder, planes)
        image, file = only(dataset, dataset.import_folder(folder))
        source = dataset.load_sources()[file.image_id]
        assert sorted([file.path.name, *source.further_names()]) == sorted(names)
        shape = (3, 2, LINES, PIXELS) if write_set is write_bruker else (6, LINES, PIXELS)
        np.testing.assert_array_equal(image.source.load_array(), planes.reshape(shape), strict=True)
        assert image.header.um_per_pixel == 0.25
        listed = ", ".join(names) if len(names) == 2 else f"{names[0]} … {names[-1]}"
        assert file.notes[0] == f"{len(names)} files of a set in one record: {listed}"
        assert not any("incomplete" in note or "of its set are not" in note for note in file.notes)

    @pytest.mark.slow
    def test_the_same_folder_again_has_nothing_new(self, write_set, folder, dataset, planes):
        write_set(folder, planes)
        dataset.import_folder(folder)
        report = dataset.import_folder(folder)
        assert (report.summary(), report.notes) == ("0 imported, 1 skipped", ())

    @pytest.mark.slow
    def test_a_change_of_any_file_is_found_and_read(self, write_set, folder, dataset, planes):
        names = write_set(folder, planes)
        image, _ = only(dataset, dataset.import_folder(folder))
        changed = names[-1]
        with tifffile.TiffFile(folder / changed, is_ome=False) as tiff:
            pixels, xml = tiff.asarray(), tiff.pages[0].description
        write(folder / changed, pixels + 1, xml)
        assert len(dataset.import_folder(folder).changed) == 1
        assert len(dataset.import_folder(folder, on_changed="reingest_if_changed").replaced) == 1
        now = image.source.load_array().reshape(planes.shape)
        np.testing.assert_array_equal(
            now[: -len(pixels.reshape(-1, LINES, PIXELS))], planes[: len(planes) - pixels.size // 480]
        )
        np.testing.assert_array_equal(now[-1], planes[-1] + 1)

    @pytest.mark.slow
    def test_a_file_that_is_gone_is_named(self, write_set, folder, dataset, planes):
        names = write_set(folder, planes)
        dataset.import_folder(folder)
        (folder / names[-1]).unlink()
        report = dataset.import_folder(folder)
        assert (report.imported, report.changed, report.failed) == ((), (), ())
        (note,) = report.notes
        assert f"was made of {len(names)} files, and 1 of them is not there any more: {names[-1]}" in note

    @pytest.mark.slow
    def test_a_set_that_moved_is_known(self, write_set, folder, dataset, planes):
        write_set(folder, planes)
        dataset.import_folder(folder)
        report = dataset.import_folder(folder.rename(folder.with_name("moved")))
        assert (len(report.moved), report.imported, report.failed) == (1, (), ())

    def test_the_last_file_was_not_copied(self, write_set, folder, dataset, planes):
        names = write_set(folder, planes)
        (folder / names[-1]).unlink()
        image, file = only(dataset, dataset.import_folder(folder))
        whole = {write_bruker: 4, write_micro_manager: 3, write_companion: 5, write_plain: 5}[write_set]
        np.testing.assert_array_equal(image.source.load_array().reshape(-1, LINES, PIXELS), planes[:whole])
        assert any("1 of the 1 other files of its set are not in its folder" in note for note in file.notes)


def test_each_position_is_a_record(folder, dataset, planes):
    write_micro_manager(folder, planes, positions=3)
    report = dataset.import_folder(folder)
    assert (len(report.imported), report.failed) == (3, ())
    for at, file in enumerate(report.imported):
        np.testing.assert_array_equal(dataset.record(file.image_id).load_array(), planes + at)


def test_lines_at_times_over_several_files_are_a_kymograph(folder, dataset, planes):
    names = ["a.ome.tif", "b.ome.tif"]
    entries = [entry(names[t // 20], t=t, page=t % 20) for t in range(40)]
    xml = image_of(entries, t=40, lines=1, step='TimeIncrement="2" TimeIncrementUnit="ms"')
    for at, name in enumerate(names):
        write(folder / name, planes[0, 20 * at : 20 * at + 20, np.newaxis], ome(xml, name))
    image, _ = only(dataset, dataset.import_folder(folder))
    assert (image.axes, image.header.seconds_per_line, image.header.um_per_pixel) == (("y", "x"), 0.002, 0.25)
    np.testing.assert_array_equal(image.source.load_array(), planes[0])


def test_a_gap_is_refused_with_the_file_that_lacks(folder, dataset, planes):
    names = write_companion(folder, planes)
    (folder / names[2]).unlink()
    report = dataset.import_folder(folder)
    assert report.imported == ()
    assert "5 of its 6 planes are in the 5 files of its set, with gaps between them along T (not there: s_2.tif)" in (
        report.failed[0].reason
    )


def test_a_file_of_another_set_is_refused(folder, dataset, planes):
    names = write_bruker(folder, planes)
    write(folder / names[3], planes[3], ome(image_of([entry(names[3])]), "another"))
    report = dataset.import_folder(folder)
    assert report.imported == ()
    assert f"{names[3]} cannot be imported: it states the UUID urn:uuid:another" in report.failed[0].reason


@pytest.mark.parametrize("plane", [np.zeros((LINES, 11), np.uint16), np.zeros((LINES, PIXELS), np.uint8)], ids=str)
def test_planes_of_another_kind_are_refused(plane, folder, dataset, planes):
    names = write_bruker(folder, planes)
    with tifffile.TiffFile(folder / names[3], is_ome=False) as tiff:
        xml = tiff.pages[0].description
    write(folder / names[3], plane, xml)
    report = dataset.import_folder(folder)
    assert report.imported == ()
    assert f"{names[3]} cannot be imported: its planes are {plane.dtype}" in report.failed[0].reason


def test_a_file_that_comes_later_is_reported(folder, dataset, planes):
    names = write_bruker(folder, planes)
    late = (folder / names[-1]).rename(folder.parent / "late.tif")
    dataset.import_folder(folder)
    late.rename(folder / names[-1])
    report = dataset.import_folder(folder)
    assert [one.path.name for one in report.failed] == [names[-1]]
    assert "is one file of a scan that is in the dataset already, without it" in report.failed[0].reason


def test_a_copy_under_another_name_is_an_image_of_its_own(folder, dataset, planes):
    names = write_bruker(folder, planes)
    (folder / "A copy.ome.tif").write_bytes((folder / names[0]).read_bytes())
    report = dataset.import_folder(folder)
    assert sorted(file.path.name for file in report.imported) == ["A copy.ome.tif", names[0]]
    assert report.failed == ()


@pytest.mark.parametrize("elsewhere", ["../secret.ome.tif", "sub/secret.ome.tif", "..\\secret.ome.tif"])
def test_no_file_of_another_folder_is_taken(elsewhere, folder, dataset, planes):
    (folder / "sub").mkdir()
    for place in (folder.parent / "secret.ome.tif", folder / "sub" / "secret.ome.tif"):
        tifffile.imwrite(place, planes[5])
    entries = [entry("a.ome.tif", t=0), entry("b.ome.tif", t=1), entry(elsewhere, t=2)]
    for at, name in enumerate(("a.ome.tif", "b.ome.tif")):
        write(folder / name, planes[at], ome(image_of(entries, t=3), name))
    report = dataset.import_folder(folder)
    shapes = {file.path.name: dataset.record(file.image_id).get_shape() for file in report.imported}
    assert shapes == {"a.ome.tif": (2, LINES, PIXELS), "secret.ome.tif": (LINES, PIXELS)}


@pytest.mark.parametrize("metadata_file", ["../s.companion.ome", "gone.companion.ome"])
def test_a_description_that_is_not_in_the_folder_is_not_read(metadata_file, folder, dataset, planes):
    write_companion(folder, planes)
    (folder / "s.companion.ome").rename(folder.parent / "s.companion.ome")
    for name in ("s_0.tif", "s_1.tif"):
        write(folder / name, planes[0], ome(f'<BinaryOnly MetadataFile="{metadata_file}" UUID="u"/>', name))
    report = dataset.import_folder(folder)
    assert (len(report.imported), report.failed) == (6, ())


def test_records_that_an_earlier_version_made_of_single_files_stay(folder, dataset, planes):
    write_bruker(folder, planes)
    assert len(dataset.import_folder(folder, reader=replace(FILE_READER, find_sets=None)).imported) == 6
    report = dataset.import_folder(folder)
    assert (report.imported, len(report.skipped), report.failed) == ((), 6, ())


def test_one_file_of_a_set_is_opened_to_find_it(folder, planes, monkeypatch):
    write_bruker(folder, planes)
    opened = []
    load = tiff_sets.load_tags
    monkeypatch.setattr(tiff_sets, "load_tags", lambda path: opened.append(path) or load(path))
    (others,) = tiff_sets.find_ome_sets(sorted(folder.iterdir())).values()
    assert (len(others), len(opened)) == (5, 1)


def test_entries_that_state_no_number_of_planes_may_come_in_any_order(folder, dataset, planes):
    entries = [f'<TiffData FirstT="{t}"><UUID FileName="s{t}.ome.tif">u{t}</UUID></TiffData>' for t in (2, 0, 1, 3)]
    for t in range(3):
        write(folder / f"s{t}.ome.tif", planes[t], ome(image_of(entries, t=4)))
    image, file = only(dataset, dataset.import_folder(folder))
    np.testing.assert_array_equal(image.source.load_array(), planes[:3])
    assert any("3 of the 4 planes that its OME-XML states" in note for note in file.notes)


def test_what_is_written_with_single_quotes_and_a_prefix_is_read(folder, dataset, planes):
    names = write_companion(folder, planes)
    for name, plane in zip(names, planes, strict=True):
        other = "<o:BinaryOnly MetadataFile='s.companion.ome' UUID='u'/>"
        xml = f"<?xml version='1.0'?><o:OME xmlns:o='x' UUID='urn:uuid:{name}'>{other}</o:OME>"
        write(folder / name, plane, xml)
    image, _ = only(dataset, dataset.import_folder(folder))
    np.testing.assert_array_equal(image.source.load_array(), planes)


@pytest.mark.parametrize("there", [1, 2])
def test_a_channel_alone_has_its_own_name(there, folder, dataset, planes):
    names = write_bruker(folder, planes[: 2 * there])
    for name in names[::2]:
        (folder / name).unlink()
    image, _ = only(dataset, dataset.import_folder(folder))
    assert (image.header.channel_names, image.axes[-2:]) == (("Ch2",), ("y", "x"))

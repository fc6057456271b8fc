"""Stores: the contract for both, and what is particular to each."""

import errno
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kymflow_zarr import ZarrDataset
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    DamagedError,
    InvalidNameError,
    InvalidValueError,
    NotSavedError,
    ReadOnlyError,
    RecordNotFoundError,
    SourceError,
)
from kymflow_zarr.stores import TiffSidecarStore, ZarrRecordStore
from kymflow_zarr.testing import ArtifactStoreContract, PixelStoreContract
from property_tests import examples

NUMBERS = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
)


def add_tiff(folder, name, pixels=((1, 2), (3, 4))):
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, np.asarray(pixels, getattr(pixels, "dtype", "u2")), photometric="minisblack")
    return TiffSidecarStore(folder / name)


def npy(array, **header):
    """The bytes of an .npy file whose header says something else than what follows."""
    file = io.BytesIO()
    values = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(file, {**values, **header})
    return file.getvalue() + array.tobytes()


class TestZarrRecordArtifacts(ArtifactStoreContract):
    def make_store(self, tmp_path):
        dataset = ZarrDataset(tmp_path / "images.zarr")
        ids = dataset.list_image_ids()
        return ZarrRecordStore(dataset.record(ids[0]) if ids else dataset.add_image(np.zeros((4, 3), np.uint8)))


class TestTiffSidecarArtifacts(ArtifactStoreContract):
    def make_store(self, tmp_path):
        folder = tmp_path / "day 1"
        return TiffSidecarStore(folder / "scan 1.tif") if folder.exists() else add_tiff(folder, "scan 1.tif")


class TestZarrRecordPixels(PixelStoreContract):
    def make_store(self, tmp_path, pixels):
        return ZarrRecordStore(ZarrDataset(tmp_path / "images.zarr").add_image(pixels))


class TestTiffPixels(PixelStoreContract):
    def make_store(self, tmp_path, pixels):
        return add_tiff(tmp_path, "scan.tif", pixels)


class TestZarrRecordStore:
    @pytest.fixture
    def store(self, record):
        return ZarrRecordStore(record)

    def test_what_it_saves_is_the_records(self, store, record):
        store.save_dict("params", {"a": 1})
        store.save_array_artifact("mask", np.ones((2, 2), bool))
        assert (record.load_json("params"), record.list_array_artifacts()) == ({"a": 1}, ["mask"])

    def test_the_axes_are_those_of_the_dimensions(self, store, record):
        store.save_array_artifact("mask", np.ones((2, 2), bool))
        assert record.get_array_artifact_axes("mask") == ("y", "x")

    def test_json_that_is_no_object_is_damage(self, store, record):
        record.save_json("params", [1])
        with pytest.raises(DamagedError, match=r"artifact 'params' of record .* holds a JSON list where an object"):
            store.load_dict("params")

    @pytest.mark.parametrize("name", ["radon/params", "v1.params"])
    def test_what_only_a_record_can_name_is_loaded_all_the_same(self, store, record, name):
        record.save_json(name, {"a": 1})
        assert store.load_dict(name) == {"a": 1}

    def test_an_array_that_only_a_record_can_name_is_listed_and_loaded(self, store, record):
        record.save_array_artifact("v1.mask", np.ones(2))
        assert store.load_array_artifact(store.list_array_artifacts()[0]).tolist() == [1, 1]

    def test_pixels_are_lazy(self, store):
        assert not isinstance(store.open_array(), np.ndarray)

    def test_given_axes_are_kept(self, dataset, pixels):
        assert ZarrRecordStore(dataset.add_image(pixels, axes=("line", "pixel"))).get_axes() == ("line", "pixel")

    def test_a_dataset_opened_for_reading_cannot_be_written(self, dataset, record):
        store = ZarrRecordStore(ZarrDataset(dataset.path, mode="r").record(record.image_id))
        with pytest.raises(ReadOnlyError, match="not saved"):
            store.save_dict("params", {})

    def test_a_store_says_which_record_it_is(self, store, record):
        assert repr(store) == f"ZarrRecordStore(ZarrImageRecord({record.image_id!r}))"


class TestTiffSidecarStore:
    @pytest.fixture
    def store(self, tmp_path):
        """The TIFF `a.tif`, alone in its folder."""
        return add_tiff(tmp_path, "a.tif")

    def test_files_lie_beside_the_tiff_under_its_name(self, store, tmp_path):
        store.save_dict("params", {"a": 1})
        store.save_array_artifact("mask", np.ones(2))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mask.npy", "a.params.json", "a.tif"]

    def test_other_programs_can_read_them(self, store, tmp_path):
        store.save_dict("params", {"a": 1})
        store.save_array_artifact("mask", np.ones((2, 3), bool))
        assert json.loads((tmp_path / "a.params.json").read_text())["a"] == 1
        np.testing.assert_array_equal(np.load(tmp_path / "a.mask.npy"), np.ones((2, 3), bool), strict=True)

    def test_objects_of_other_programs_are_read(self, store, tmp_path):
        (tmp_path / "a.params.json").write_text('{"a": 1}')
        assert store.load_dict("params") == {"a": 1}

    def test_arrays_of_other_programs_are_read(self, store, tmp_path):
        np.save(tmp_path / "a.mask.npy", np.asfortranarray(np.arange(6, dtype=">u2").reshape(2, 3)))
        assert store.load_array_artifact("mask").tolist() == [[0, 1, 2], [3, 4, 5]]

    def test_a_relative_path_works(self, store, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        TiffSidecarStore("a.tif").save_dict("params", {"a": 1})
        assert store.load_dict("params") == {"a": 1}

    def test_the_older_programs_sidecar_is_not_touched(self, store, tmp_path):
        (tmp_path / "a.json").write_text("{}")
        store.save_dict("params", {"a": 1})
        assert ((tmp_path / "a.json").read_text(), store.list_array_artifacts()) == ("{}", [])

    @pytest.mark.parametrize("name", ["a.png", "a", "a.tif.gz", ".tif"])
    def test_a_path_of_another_ending_is_refused(self, tmp_path, name):
        with pytest.raises(SourceError, match=r"is no TIFF; give a file whose name ends in \.tif or \.tiff"):
            TiffSidecarStore(tmp_path / name)

    @pytest.mark.parametrize("name", ["a.TIF", "a.tiff", "a.ome.tif", "µ 1.Tiff", "a..tif"])
    def test_endings_of_tiffs_are_known_in_both_cases(self, tmp_path, name):
        assert repr(TiffSidecarStore(tmp_path / name)) == f"TiffSidecarStore({str(tmp_path / name)!r})"

    def test_pixels_are_read_once(self, store, tmp_path):
        before = store.load_array()
        (tmp_path / "a.tif").unlink()
        np.testing.assert_array_equal(store.load_array(), before)

    @pytest.mark.parametrize("read", ["open_array", "load_array", "get_axes"])
    def test_a_missing_tiff_is_said(self, tmp_path, read):
        with pytest.raises(SourceError, match=r"a\.tif cannot be read \(No such file"):
            getattr(TiffSidecarStore(tmp_path / "a.tif"), read)()

    def test_nothing_is_written_beside_a_tiff_that_is_gone(self, store, tmp_path):
        (tmp_path / "a.tif").unlink()
        for save in (lambda: store.save_dict("params", {}), lambda: store.save_array_artifact("mask", np.ones(2))):
            with pytest.raises(RecordNotFoundError, match=r"not saved: .*a\.tif is no longer there"):
                save()
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_gone_is_not_made_again(self, tmp_path):
        with pytest.raises(RecordNotFoundError, match="is no longer there"):
            TiffSidecarStore(tmp_path / "gone" / "a.tif").save_dict("params", {})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
    def test_a_tiff_may_be_a_link(self, store, tmp_path):
        (tmp_path / "links").mkdir()
        (tmp_path / "links" / "l.tif").symlink_to(store.path)
        linked = TiffSidecarStore(tmp_path / "links" / "l.tif")
        linked.save_dict("params", {"a": 1})
        assert (linked.load_dict("params"), linked.load_array().shape) == ({"a": 1}, (2, 2))

    def test_a_failed_write_leaves_the_old_file_and_no_other(self, store, tmp_path, monkeypatch):
        store.save_dict("params", {"a": 1})

        def fail(*_args, **_kwargs):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(NotSavedError, match="not saved: No space left on device"):
            store.save_dict("params", {"a": 2})
        assert store.load_dict("params") == {"a": 1}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.params.json", "a.tif"]

    def test_a_folder_that_may_not_be_written_is_read_only(self, store, monkeypatch):
        def fail(*_args, **_kwargs):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(ReadOnlyError, match="not saved: no permission to write"):
            store.save_dict("params", {})

    def test_a_folder_in_a_files_place_is_not_found(self, store, tmp_path):
        (tmp_path / "a.params.json").mkdir()
        with pytest.raises(ArtifactNotFoundError, match="no JSON artifact named 'params' next to"):
            store.load_dict("params")


class TestTwoTiffs:
    """No file is shared: stem and name are told apart, or refused."""

    @pytest.fixture
    def short(self, tmp_path):
        return add_tiff(tmp_path, "a.tif")

    @pytest.fixture
    def long(self, tmp_path):
        return add_tiff(tmp_path, "a.b.tif")

    def test_the_array_of_one_is_not_listed_by_the_other(self, short, long):
        short.save_array_artifact("x", np.ones(2))
        long.save_array_artifact("c", np.ones(2))
        assert (short.list_array_artifacts(), long.list_array_artifacts()) == (["x"], ["c"])

    @pytest.mark.parametrize("longer_is_there", [True, False])
    def test_a_name_that_would_be_the_others_is_refused(self, short, longer_is_there, request):
        if longer_is_there:
            request.getfixturevalue("long")
        with pytest.raises(InvalidNameError, match=r"array artifact name 'b\.c' is not allowed: .* a name has no '\.'"):
            short.save_array_artifact("b.c", np.ones(2))

    def test_a_name_that_makes_the_others_older_sidecar_is_refused(self, short, long):
        with pytest.raises(
            InvalidNameError,
            match=r"artifact name 'b' is not allowed for a\.tif: its file would be named as if it belonged to a\.b\.tif, "
            "which is in the same folder; choose another name",
        ):
            short.save_dict("b", {})

    def test_the_others_older_sidecar_is_not_read(self, short, long, tmp_path):
        (tmp_path / "a.b.json").write_text('{"rois": []}')
        with pytest.raises(InvalidNameError, match=r"as if it belonged to a\.b\.tif"):
            short.load_dict("b")

    @pytest.mark.parametrize(("short_name", "long_name"), [("a.tif", "a.B.tif"), ("A.tif", "a.b.tif")])
    def test_what_is_named_as_the_other_is_not_listed(self, tmp_path, short_name, long_name):
        short = add_tiff(tmp_path, short_name)
        short.save_array_artifact("b", np.ones(2))
        add_tiff(tmp_path, long_name)
        assert short.list_array_artifacts() == []

    @pytest.mark.parametrize("twin", ["a.tiff", "a.TIF", "A.tiff"])
    def test_of_two_tiffs_of_one_stem_none_has_files_beside_it(self, short, tmp_path, twin):
        other = add_tiff(tmp_path, twin)
        for store in (short, other):
            for use in (lambda s: s.save_dict("x", {}), lambda s: s.load_dict("x"), lambda s: s.list_array_artifacts()):
                with pytest.raises(InvalidNameError, match=r"they would also be those of [aA]\.(tif|tiff|TIF)"):
                    use(store)

    def test_next_to_a_file_of_another_format_they_are_the_tiffs_as_an_import_reads_them(self, tmp_path):
        tiff = TiffSidecarStore(add_tiff(tmp_path, "a.tif").path, further_endings=[".lif"])
        other = TiffSidecarStore(tmp_path / "a.lif", further_endings=[".lif"])
        other.path.write_bytes(b"")
        tiff.save_dict("x", {"of": "the TIFF"})
        assert tiff.load_dict("x") == {"of": "the TIFF"}
        with pytest.raises(InvalidNameError, match=r"they would also be those of a\.tif"):
            other.load_dict("x")

    def test_their_pixels_are_read_all_the_same(self, short, tmp_path):
        add_tiff(tmp_path, "a.tiff")
        assert short.load_array().shape == (2, 2)

    @pytest.mark.parametrize("name", [".a.tif", "a:b.tif", "a\\b.tif"])
    def test_a_tiff_of_a_name_that_other_systems_cannot_have_has_no_files_beside_it(self, tmp_path, name):
        store = TiffSidecarStore(tmp_path / name)
        with pytest.raises(InvalidNameError, match=r"its name begins with '\.' or has ':'"):
            store.save_dict("x", {})

    def test_a_name_that_makes_too_long_a_file_name_is_refused(self, tmp_path):
        store = add_tiff(tmp_path, f"{'a' * 200}.tif")
        with pytest.raises(InvalidNameError, match="would have more than 255 bytes; choose a shorter one"):
            store.save_dict("x" * 60, {})

    @settings(max_examples=examples(200))
    @given(
        stems=st.lists(st.text("ab.", min_size=1, max_size=5).filter(lambda stem: stem[0] != "."), min_size=2, max_size=2),
        names=st.lists(st.text("ab.", min_size=1, max_size=4), min_size=2, max_size=2),
    )
    def test_two_names_never_meet_in_one_file(self, tmp_path_factory, stems, names):
        folder = tmp_path_factory.mktemp("tiffs")
        saved = {}
        stores = {stem: TiffSidecarStore(folder / f"{stem}.tif") for stem in stems}
        for stem in stores:
            (folder / f"{stem}.tif").touch()
        for stem, store in stores.items():
            for name in names:
                try:
                    store.save_dict(name, {"of": [stem, name]})
                except InvalidNameError:
                    continue
                saved[stem, name] = store
        assert {key: store.load_dict(key[1])["of"] for key, store in saved.items()} == {key: [*key] for key in saved}


@pytest.fixture(scope="module")
def with_mask(tmp_path_factory):
    """A TIFF with a mask next to it; whoever changes that puts it back."""
    store = add_tiff(tmp_path_factory.mktemp("tiff"), "a.tif")
    store.save_array_artifact("mask", np.ones((3, 5), np.uint16))
    return store


class TestDamage:
    @pytest.fixture
    def store(self, tmp_path):
        return add_tiff(tmp_path, "a.tif")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            pytest.param("", "is not readable JSON", id="empty"),
            pytest.param('{"a"', "is not readable JSON", id="torn"),
            pytest.param('{"a": NaN}', "NaN is no JSON number", id="NaN"),
            pytest.param("[1]", "holds a JSON list where an object is expected", id="a list"),
        ],
    )
    def test_json_that_is_no_object_is_damage(self, store, tmp_path, text, reason):
        (tmp_path / "a.params.json").write_text(text)
        with pytest.raises(DamagedError, match=rf"a\.params\.json .*{reason}"):
            store.load_dict("params")

    def test_a_changed_value_is_damage(self, store, tmp_path):
        store.save_dict("params", {"a": 1})
        file = tmp_path / "a.params.json"
        file.write_text(file.read_text().replace('"a": 1', '"a": 2'))
        with pytest.raises(DamagedError, match=r"a\.params\.json was changed or damaged since it was written"):
            store.load_dict("params")

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            pytest.param(b"", "is no readable .npy file", id="empty"),
            pytest.param(b"PK\x03\x04", "is no readable .npy file", id="a zip"),
            pytest.param(b"\x93NUMPY\x09\x00" + bytes(99), "is no readable .npy file", id="of a later version"),
            pytest.param(npy(np.ones(9))[:-1], "72 bytes should follow its header and 71 do", id="torn"),
            pytest.param(npy(np.ones(9)) + b"\0", "72 bytes should follow its header and 73 do", id="with a tail"),
            pytest.param(npy(np.ones(9), shape=(10**12,)), "8000000000000 bytes should follow", id="huge"),
            pytest.param(npy(np.ones(9), shape=(2**62, 2**62)), "should follow its header and 72 do", id="overflowing"),
            pytest.param(npy(np.ones(9), shape=(-9,)), "-72 bytes should follow", id="negative"),
            pytest.param(npy(np.ones(9), shape=(-9, -1)), "is damaged", id="twice negative"),
            pytest.param(npy(np.ones(0), shape=(0, 2**70)), "is damaged", id="empty and huge"),
            pytest.param(npy(np.ones(0), shape=(0,) * 99), "is damaged", id="of 99 dimensions"),
            pytest.param(npy(np.ones(9), descr="x9"), "holds values of dtype 'x9'", id="of an unknown dtype"),
            pytest.param(npy(np.ones(9), descr="<M8[s]"), r"holds values of dtype '<M8\[s\]'", id="of times"),
            pytest.param(npy(np.ones(9), descr="|V8"), r"holds values of dtype '\|V8'", id="of raw bytes"),
            pytest.param(npy(np.ones(9), descr="<a8"), "holds values of dtype '<a8'", id="of texts by their older name"),
            pytest.param(npy(np.ones(9), descr="<\\d8"), "is no readable .npy file", id="with a backslash"),
            pytest.param(npy(np.ones(9)).replace(b"(9,)", b"9or1"), "is no readable .npy file", id="that warns"),
        ],
    )
    def test_an_array_that_is_not_whole_is_damage(self, store, tmp_path, data, reason):
        (tmp_path / "a.mask.npy").write_bytes(data)
        with pytest.raises(DamagedError, match=rf"a\.mask\.npy .*{reason}"):
            store.load_array_artifact("mask")

    def test_python_objects_are_refused_and_not_run(self, store, tmp_path):
        ran = tmp_path / "ran"

        class Trap:
            def __reduce__(self):
                return Path.touch, (ran,)

        np.save(tmp_path / "a.mask.npy", np.array([Trap()], dtype=object), allow_pickle=True)
        with pytest.raises(DamagedError, match=r"holds values of dtype '\|O'; only numbers and booleans are read"):
            store.load_array_artifact("mask")
        assert not ran.exists()

    @pytest.mark.slow
    @settings(max_examples=examples(1000))
    @given(position=st.integers(0, 127), byte=st.integers(0, 255))
    def test_a_changed_byte_of_a_header_is_an_array_or_damage(self, with_mask, position, byte):
        path = with_mask.path.with_name("a.mask.npy")
        good = path.read_bytes()
        path.write_bytes(good[:position] + bytes([byte]) + good[position + 1 :])
        try:
            with suppress(DamagedError):
                assert with_mask.load_array_artifact("mask").nbytes == 30
        finally:
            path.write_bytes(good)

    @settings(max_examples=examples(50))
    @given(values=hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)))
    def test_any_array_comes_back(self, tmp_path_factory, values):
        store = add_tiff(tmp_path_factory.mktemp("tiff"), "a.tif")
        store.save_array_artifact("mask", values)
        loaded = store.load_array_artifact("mask")
        np.testing.assert_array_equal(loaded, values)
        assert (loaded.shape, loaded.dtype) == (values.shape, values.dtype.newbyteorder("="))


def test_what_is_refused_is_refused_before_the_disk_is_looked_at(tmp_path):
    store = TiffSidecarStore(tmp_path / "gone" / "a.tif")
    with pytest.raises(InvalidValueError, match="must be a JSON object"):
        store.save_dict("params", [])


@pytest.mark.slow
def test_the_storage_does_not_need_pytest():
    code = "import sys, kymflow_zarr, kymflow_zarr.stores; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Which reader is used, what it offers, and that one import is one among others."""

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import tifffile

from kymflow_zarr import FileReader, ImportPlan, Watch, ZarrDataset
from kymflow_zarr.errors import SourceError
from kymflow_zarr.importing import file_reader, run
from kymflow_zarr.importing.complete_record import Merged
from kymflow_zarr.importing.file_reader import GROUP, PLAIN, installed_reader
from kymflow_zarr.importing.listing import FolderListing
from kymflow_zarr.importing.sidecars import read_sidecars
from kymflow_zarr.importing.tiffs import read_tiff

MINE = FileReader(
    name="mine",
    version=1,
    reads="weights",
    read=lambda path, _listing: replace(read_tiff(path), metadata={"weight": 1.5}),
    merge_metadata=lambda record, content: Merged(metadata={**content.metadata, **record.load_metadata_payload()}),
)


def install(monkeypatch, *values: str) -> None:
    points = tuple(EntryPoint(name=f"reader {at}", value=value, group=GROUP) for at, value in enumerate(values))
    monkeypatch.setattr(file_reader, "entry_points", lambda group: points)


class TestInstalled:
    def test_without_a_package_tiffs_and_sidecars_are_read(self):
        assert installed_reader() is PLAIN

    def test_that_of_a_package_is_taken(self, monkeypatch):
        install(monkeypatch, f"{PLAIN.__class__.__module__}:PLAIN")
        assert installed_reader() is PLAIN

    def test_of_several_none_is_guessed(self, monkeypatch):
        install(monkeypatch, "a:READER", "b:READER")
        with pytest.raises(
            SourceError, match=r"several installed packages read files: 'reader 0' \(a:READER\), .* keep one"
        ):
            installed_reader()

    @pytest.mark.parametrize("value", ["no_such_package:READER", "kymflow_zarr:NO_SUCH_READER"])
    def test_one_that_cannot_be_loaded_is_named(self, monkeypatch, value):
        install(monkeypatch, value)
        with pytest.raises(SourceError, match=r"cannot be loaded: .* install its package again"):
            installed_reader()

    def test_something_else_is_named(self, monkeypatch):
        install(monkeypatch, "kymflow_zarr:ZarrDataset")
        with pytest.raises(SourceError, match="is a type, not a FileReader"):
            installed_reader()

    def test_a_function_that_is_given_wins(self, monkeypatch):
        install(monkeypatch, "no_such_package:READER")
        assert ImportPlan(read_file=read_tiff).choose_reader().name == "kymflow_zarr.importing.tiffs.read_tiff"


class TestOffer:
    @pytest.fixture
    def mine_installed(self, monkeypatch):
        monkeypatch.setattr("kymflow_zarr.importing.plan.installed_reader", lambda: MINE)

    def test_what_the_installed_reader_knows_more_is_offered_and_taken(self, dataset, tiff_folder, mine_installed):
        dataset.import_folder(tiff_folder, read_file=read_tiff)
        report = dataset.import_folder(tiff_folder)
        assert (len(report.incomplete), report.reads, len(report.skipped)) == (3, "weights", 3)
        report = dataset.import_folder(tiff_folder, complete=True)
        assert (len(report.completed), report.incomplete) == (3, ())
        assert [record.load_metadata_payload() for record in dataset.iter_records()] == [{"weight": 1.5}] * 3

    def test_a_file_that_changed_is_not_added_to_its_record(self, dataset, tiff_folder, mine_installed):
        dataset.import_folder(tiff_folder, read_file=read_tiff)
        tifffile.imwrite(tiff_folder / "a.tif", np.ones((20, 6), np.uint16))
        report = dataset.import_folder(tiff_folder, complete=True)
        assert (len(report.completed), report.changed) == (2, (tiff_folder / "a.tif",))

    def test_a_touched_file_is_added_and_known_the_next_time(self, dataset, tiff_folder, mine_installed):
        dataset.import_folder(tiff_folder, read_file=read_tiff)
        for path in tiff_folder.rglob("*.tif"):
            path.touch()
        assert len(dataset.import_folder(tiff_folder, complete=True).completed) == 3
        report = dataset.import_folder(tiff_folder)
        assert (report.incomplete, len(report.skipped)) == ((), 3)


class TestListing:
    def test_a_folder_is_listed_once_whatever_is_in_it(self, dataset, tiff_folder, monkeypatch):
        listed = []
        real = FolderListing.of.__func__
        count = classmethod(lambda cls, folder, **endings: listed.append(folder) or real(cls, folder, **endings))
        monkeypatch.setattr(FolderListing, "of", count)
        dataset.import_folder(tiff_folder)
        assert sorted(listed) == [tiff_folder, tiff_folder / "day 2"]

    def test_each_file_belongs_to_the_tiff_of_the_longest_name(self, tmp_path):
        for name in ("a.tif", "a.b.TIF", "a.x.json", "a.b.x.json", "b.x.json", "c.tif"):
            (tmp_path / name).write_bytes(b"{}")
        listing = FolderListing.of(tmp_path)
        assert listing.sidecars == {"a": ("a.x.json",), "a.b": ("a.b.x.json",)}
        assert (listing.n_images, listing.twin_of("a.tif")) == (3, "")

    def test_with_a_listing_no_name_is_read_again(self, tmp_path, monkeypatch):
        tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 4)))
        (tmp_path / "a.x.json").write_text("1")
        listing = FolderListing.of(tmp_path)
        monkeypatch.setattr(FolderListing, "of", None)
        assert read_sidecars(tmp_path / "a.tif", listing=listing).json_artifacts == {"x": 1}


class TestRecordsAreNotListedAgain:
    @pytest.fixture
    def listings(self, dataset, monkeypatch):
        """How often the ids of all records were listed."""
        calls = []
        real = ZarrDataset.list_image_ids
        monkeypatch.setattr(ZarrDataset, "list_image_ids", lambda self: calls.append(1) or real(self))
        return calls

    @pytest.fixture
    def many(self, tmp_path, rng):
        folder = tmp_path / "many"
        folder.mkdir()
        for number in range(20):
            tifffile.imwrite(folder / f"{number}.tif", rng.integers(0, 60_000, (5, 4)).astype(np.uint16))
        return folder

    def test_their_number_does_not_grow_with_the_files(self, dataset, many, tiff_folder, listings):
        dataset.import_folder(tiff_folder)
        few = len(listings)
        listings.clear()
        dataset.import_folder(many)
        assert len(listings) == few

    def test_while_another_import_is_present_they_are(self, dataset, many, listings):
        with ZarrDataset(dataset.path).importing():
            dataset.import_folder(many)
        assert len(listings) > 20

    def test_what_an_import_that_is_over_added_is_seen(self, dataset, many):
        def read(path):
            if path.name == "0.tif":
                ZarrDataset(dataset.path).import_folder(many, patterns=["9.tif"], read_file=read_tiff)
            return read_tiff(path)

        report = dataset.import_folder(many, read_file=read)
        assert (len(report.imported), [path.name for path in report.skipped]) == (19, ["9.tif"])
        assert len(dataset.list_image_ids()) == 20

    def test_what_one_added_that_could_not_note_it_is_seen(self, dataset, many, monkeypatch):
        def fail(_sources, _new):
            raise KeyboardInterrupt

        def read(path):
            if path.name == "0.tif":
                with monkeypatch.context() as patch:
                    patch.setattr("kymflow_zarr.tables.sources.Sources.add", fail)
                    with pytest.raises(KeyboardInterrupt):
                        run.import_files(
                            ZarrDataset(dataset.path),
                            ZarrDataset(dataset.path)._sources,
                            [many / "9.tif"],
                            plan=ImportPlan(read_file=read_tiff),
                            watch=Watch(),
                        )
            return read_tiff(path)

        dataset.import_folder(many, patterns=["1.tif"])  # the table is there
        dataset.import_folder(many, read_file=read)
        assert len(dataset.list_image_ids()) == 20

    def test_one_that_is_present_no_longer_leaves_nothing(self, dataset, many):
        dataset.import_folder(many)
        assert list((dataset.path / ".staging").iterdir()) == []

    def test_a_program_that_was_killed_is_not_company_for_ever(self, dataset, many):
        with dataset.importing() as presence:
            presence.stays = True
        dead = dataset.path / presence.key
        host, _, machine, one = dead.read_text().split()
        dead.write_text(f"{host} 999999999 {machine} {one}")
        dataset.import_folder(many)
        assert not dead.exists()


class TestCancelled:
    def test_it_stops_between_files_and_its_report_says_so(self, dataset, tmp_path, rng):
        for number in range(12):
            tifffile.imwrite(tmp_path / f"{number:02d}.tif", rng.integers(0, 9, (5, 4)).astype(np.uint16))
        told = []
        watch = Watch(progress=lambda *step: told.append(step), is_cancelled=lambda: len(told) >= 3)
        report = dataset.import_folder(tmp_path, watch=watch)
        assert report.is_cancelled
        assert 3 <= len(report.imported) < 12
        assert len(dataset.list_image_ids()) == len(report.imported) == len(dataset.load_sources())
        assert report.summary().endswith("cancelled before the rest")
        assert len(dataset.import_folder(tmp_path).imported) == 12 - len(report.imported)

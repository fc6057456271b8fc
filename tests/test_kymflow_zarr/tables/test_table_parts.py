"""A long table: a change is a part beside it, and whoever reads it sees one table."""

import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import InvalidNameError
from kymflow_zarr.formats.parquet import table_to_parquet
from kymflow_zarr.tables.table_commits import TableCommits
from kymflow_zarr.tables.tables import PartLimits, Tables

LIMITS = PartLimits(least_rows=1, most_parts=3, most_rows=100)
TABLE = "velocity"


def rows(image_id, *values, **columns):
    return pd.DataFrame({"image_id": [image_id] * len(values), "v": [*values], **columns})


@pytest.fixture
def blobs(tmp_path):
    """The folder of a dataset."""
    return Blobs(ZarrDataset.create(tmp_path / "lab.zarr").path, read_only=False)


@pytest.fixture
def long(blobs):
    """The tables of a dataset with a table of three images, which counts as long."""
    tables = Tables(blobs, LIMITS)
    tables.save(TABLE, pd.concat([rows("a", 1.0, 2.0), rows("b", 3.0), rows("c", 4.0)], ignore_index=True))
    return tables


def values(tables, **options):
    frame = tables.load(TABLE, **options)
    return list(zip(frame["image_id"], frame["v"], strict=True))


def files(blobs):
    return [name for name in blobs.names("tables") if name.startswith(TABLE)]


def as_others_see_it(blobs):
    """The rows that the documented expression gives: of each image, those of the last file that has some."""
    found = [pd.read_parquet(path).assign(file=path.name) for path in sorted((blobs.root / "tables").glob(f"{TABLE}.par*"))]
    frame = pd.concat(found, ignore_index=True)
    newest = frame[frame["file"] == frame.groupby("image_id")["file"].transform("max")]
    return sorted(zip(newest["image_id"], newest["v"], strict=True))


class TestChange:
    def test_a_change_of_one_image_leaves_the_tables_file(self, long, blobs):
        before = blobs.stamp(f"tables/{TABLE}.parquet")
        long.replace_rows(TABLE, {"b": rows("b", 9.0)})
        assert blobs.stamp(f"tables/{TABLE}.parquet") == before
        assert files(blobs) == ["velocity.parquet", "velocity.part-00000001.parquet"]

    def test_the_table_is_what_one_file_would_be(self, long, blobs):
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        long.replace_rows(TABLE, {"d": rows("d", 8.0), "c": rows("c", 7.0, 6.0)})
        whole = Tables(Blobs(blobs.root.parent / "whole", read_only=False))
        whole.save(TABLE, pd.concat([rows("a", 1.0, 2.0), rows("b", 3.0), rows("c", 4.0)], ignore_index=True))
        whole.replace_rows(TABLE, {"a": rows("a", 9.0)})
        whole.replace_rows(TABLE, {"d": rows("d", 8.0), "c": rows("c", 7.0, 6.0)})
        pd.testing.assert_frame_equal(long.load(TABLE), whole.load(TABLE))

    def test_what_is_returned_is_the_whole_table(self, long):
        returned = long.replace_rows(TABLE, {"b": rows("b", 9.0)})
        pd.testing.assert_frame_equal(returned, long.load(TABLE))

    def test_the_units_of_the_columns_stay(self, blobs):
        tables, frame = Tables(blobs, LIMITS), rows("a", 1.0)
        frame.attrs["units"] = {"v": "mm/s"}
        tables.save(TABLE, frame)
        tables.replace_rows(TABLE, {"b": rows("b", 2.0)})
        assert tables.load(TABLE).attrs["units"] == {"v": "mm/s"}
        assert len(files(blobs)) == 2

    def test_rows_of_some_images_and_columns(self, long):
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        assert long.load(TABLE, columns=["v"], image_ids=["a", "c"]).to_dict("list") == {"v": [4.0, 9.0]}

    def test_the_rows_are_counted(self, long):
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        assert long.count_rows(TABLE) == 3

    def test_each_part_changes_the_digest(self, long):
        digests = {long.file(TABLE).digest()}
        for value in (5.0, 6.0):
            long.replace_rows(TABLE, {"a": rows("a", value)})
            digests.add(long.file(TABLE).digest())
        assert len(digests) == 3

    def test_the_digest_that_a_change_returns_is_that_of_the_table(self, long):
        for value in (5.0, 6.0):
            before = long.file(TABLE).digest()
            done = long.commit_rows(TABLE, {"a": rows("a", value)})
            assert (done.replaces, done.digest) == (before, long.file(TABLE).digest())

    def test_a_part_is_no_table(self, long):
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        assert long.names() == [TABLE]

    def test_a_table_cannot_have_the_name_of_a_part(self, long):
        with pytest.raises(InvalidNameError, match="is that of a part of a table"):
            long.save("velocity.part-00000001", rows("a", 1.0))

    def test_a_short_table_is_one_file(self, blobs):
        tables = Tables(blobs)
        tables.save(TABLE, rows("a", 1.0))
        tables.replace_rows(TABLE, {"b": rows("b", 2.0)})
        assert files(blobs) == ["velocity.parquet"]

    def test_the_sources_are_one_file(self, blobs):
        tables = Tables(blobs, LIMITS)
        tables.save("sources", rows("a", 1.0))
        tables.replace_rows("sources", {"b": rows("b", 2.0)})
        assert blobs.names("tables", hidden=True).count("sources.parquet") == 1
        assert not [name for name in blobs.names("tables") if name.startswith("sources.part")]


class TestWholeAgain:
    """What no part can say is written with the whole table."""

    @pytest.fixture
    def parted(self, long):
        """The same with a part."""
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        return long

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"b": rows("b")}, [("c", 4.0), ("a", 9.0)]),
            ({"b": rows("b", 5.0, note=["x"])}, [("c", 4.0), ("a", 9.0), ("b", 5.0)]),
        ],
        ids=["an image loses its rows", "a new column"],
    )
    def test_one_file_is_left(self, parted, blobs, change, expected):
        parted.replace_rows(TABLE, change)
        assert (values(parted), files(blobs)) == (expected, ["velocity.parquet"])

    def test_numbers_where_no_value_was_are_numbers(self, blobs):
        tables = Tables(blobs, LIMITS)
        tables.save(TABLE, rows("a", None))
        tables.replace_rows(TABLE, {"b": rows("b", 2.0)})
        assert tables.load(TABLE)["v"].dtype == "float64"

    def test_more_parts_than_the_limit(self, long, blobs):
        for value in (5.0, 6.0, 7.0, 8.0):
            long.replace_rows(TABLE, {"a": rows("a", value)})
        assert (values(long)[-1], files(blobs)) == (("a", 8.0), ["velocity.parquet"])

    def test_deleted_rows(self, parted, blobs):
        parted.delete_rows(TABLE, ["a"])
        assert (values(parted), files(blobs)) == ([("b", 3.0), ("c", 4.0)], ["velocity.parquet"])

    def test_a_table_saved_whole(self, parted, blobs):
        parted.save(TABLE, rows("z", 1.0), expected=parted.file(TABLE).digest())
        assert (values(parted), files(blobs)) == ([("z", 1.0)], ["velocity.parquet"])

    def test_parts_are_joined_when_asked(self, parted, blobs):
        before = parted.load(TABLE)
        digest = parted.file(TABLE).digest()
        joined = parted.join_parts(TABLE)
        assert (joined.replaces, joined.digest) == (digest, parted.file(TABLE).digest())
        pd.testing.assert_frame_equal(parted.load(TABLE), before)
        assert files(blobs) == ["velocity.parquet"]

    def test_a_table_without_parts_is_not_written(self, long, blobs):
        before = blobs.stamp(f"tables/{TABLE}.parquet")
        assert long.join_parts(TABLE) is None
        assert blobs.stamp(f"tables/{TABLE}.parquet") == before

    def test_a_table_made_after_it_was_deleted_has_no_parts_of_the_old_one(self, parted, blobs):
        (blobs.root / f"tables/{TABLE}.parquet").unlink()
        parted.replace_rows(TABLE, {"new": rows("new", 1.0)})
        assert (values(parted), files(blobs)) == ([("new", 1.0)], ["velocity.parquet"])

    def test_a_file_of_another_program_has_no_parts(self, parted, blobs):
        path = blobs.root / f"tables/{TABLE}.parquet"
        path.unlink()
        rows("theirs", 5.0).to_parquet(path)
        assert values(parted) == [("theirs", 5.0)]
        parted.replace_rows(TABLE, {"ours": rows("ours", 6.0)})
        assert (values(parted), files(blobs)) == ([("theirs", 5.0), ("ours", 6.0)], ["velocity.parquet"])


def test_rows_that_an_image_never_had_need_no_write(long, blobs):
    long.replace_rows(TABLE, {"none": rows("none")})
    assert (files(blobs), blobs.names("tables/.commits")) == (["velocity.parquet"], [])


class TestOthers:
    """Other programs read the files, and write them at the same time."""

    def test_the_last_file_of_an_image_has_its_rows(self, long, blobs):
        for change in ({"a": rows("a", 9.0)}, {"d": rows("d", 8.0)}, {"a": rows("a", 7.0, 6.0)}):
            long.replace_rows(TABLE, change)
        assert len(files(blobs)) == 4
        assert as_others_see_it(blobs) == sorted(values(long))

    @pytest.mark.slow
    def test_duckdb_reads_one_glob(self, long, blobs):
        duckdb = pytest.importorskip("duckdb")
        for change in ({"a": rows("a", 9.0)}, {"d": rows("d", 8.0)}, {"a": rows("a", 7.0, 6.0)}):
            long.replace_rows(TABLE, change)
        query = f"""SELECT image_id, v FROM read_parquet('{blobs.root}/tables/{TABLE}.par*', filename = true)
                    QUALIFY filename = max(filename) OVER (PARTITION BY image_id)"""
        assert sorted(duckdb.sql(query).fetchall()) == sorted(values(long))

    @pytest.mark.slow
    def test_polars_reads_one_glob(self, long, blobs):
        polars = pytest.importorskip("polars")
        for change in ({"a": rows("a", 9.0)}, {"d": rows("d", 8.0)}, {"a": rows("a", 7.0, 6.0)}):
            long.replace_rows(TABLE, change)
        column = polars.col("file")
        files = polars.scan_parquet(f"{blobs.root}/tables/{TABLE}.par*", include_file_paths="file")
        table = files.filter(column == column.max().over("image_id")).select("image_id", "v").collect()
        assert sorted(table.rows()) == sorted(values(long))

    @pytest.mark.parametrize("other", [{"b": rows("b", 7.0)}, {"b": rows("b")}], ids=["a part", "the whole table"])
    @pytest.mark.parametrize("when", ["create", "duplicate"])
    def test_a_change_at_the_same_time_is_kept(self, long, blobs, monkeypatch, when, other):
        step = getattr(Blobs, when)

        def be_overtaken(self, *arguments):
            monkeypatch.setattr(Blobs, when, step)
            Tables(blobs, LIMITS).replace_rows(TABLE, other)
            return step(self, *arguments)

        monkeypatch.setattr(Blobs, when, be_overtaken)
        long.replace_rows(TABLE, {"a": rows("a", 8.0)})
        kept = [("b", 7.0)] if len(other["b"]) else []
        assert sorted(values(long)) == [("a", 8.0), *kept, ("c", 4.0)]
        long.file(TABLE).publish()
        assert as_others_see_it(blobs) == sorted(values(long))

    def test_parts_that_are_joined_while_they_are_read_give_one_table(self, long, blobs, monkeypatch):
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        whole = TableCommits._whole

        def meanwhile(self, *arguments):
            monkeypatch.setattr(TableCommits, "_whole", whole)
            other = Tables(blobs, LIMITS)
            other.delete_rows(TABLE, ["b"])
            other.save(TABLE, rows("a", 1.0))
            return whole(self, *arguments)

        monkeypatch.setattr(TableCommits, "_whole", meanwhile)
        assert values(long) == [("a", 1.0)]

    @pytest.fixture
    def put_back(self, long, blobs, monkeypatch):
        """An older table is put back after the files were chosen: by the slower of two programs that publish at once."""
        own, slow = blobs.root / f"tables/{TABLE}.parquet", blobs.root / "slow"
        slow.hardlink_to(own)
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        long.join_parts(TABLE)
        state = TableCommits.state

        def chosen_early(self):
            monkeypatch.setattr(TableCommits, "state", state)
            found = state(self)
            slow.replace(own)
            return found

        monkeypatch.setattr(TableCommits, "state", chosen_early)

    @pytest.mark.parametrize("image_ids", [None, ["a"]], ids=["the whole table", "some images"])
    def test_an_older_table_that_is_put_back_is_not_read(self, long, put_back, image_ids):
        assert ("a", 9.0) in values(long, image_ids=image_ids)

    def test_a_change_is_not_made_upon_an_older_table_that_is_put_back(self, long, put_back):
        long.delete_rows(TABLE, ["b"])
        assert sorted(values(long)) == [("a", 9.0), ("c", 4.0)]

    def test_no_part_is_made_upon_a_table_whose_number_is_none(self, long, blobs):
        """Such a part would count for no reader."""
        own = blobs.root / f"tables/{TABLE}.parquet"
        table = pq.read_table(own)
        own.write_bytes(table_to_parquet(table, notes={"kymflow_commit": "none"}, of={"key": f"tables/{TABLE}.parquet"}))
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        assert sorted(values(long)) == [("a", 9.0), ("b", 3.0), ("c", 4.0)]

    def test_a_whole_table_stays_where_others_published_it_and_built_upon_it_at_once(self, long, blobs, monkeypatch):
        """Else nothing but the table's own file had it, and a slow program could put an older one there."""
        own, slow = blobs.root / f"tables/{TABLE}.parquet", blobs.root / "slow"
        slow.hardlink_to(own)
        real = TableCommits._is_overtaken

        def look_late(self, number, digest):
            monkeypatch.setattr(TableCommits, "_is_overtaken", real)
            self._publish()
            Tables(blobs, LIMITS).replace_rows(TABLE, {"a": rows("a", 9.0)})
            return real(self, number, digest)

        monkeypatch.setattr(TableCommits, "_is_overtaken", look_late)
        long.replace_rows(TABLE, {"b": rows("b")})
        slow.replace(own)
        assert values(long) == [("c", 4.0), ("a", 9.0)]

    def test_a_part_that_is_forgotten_while_somebody_shows_it_is_no_error(self, long, blobs, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(TableCommits, "_show", lambda _self, number, digest: None)
            long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        real = Blobs.duplicate

        def forgotten(self, source, key):
            monkeypatch.setattr(Blobs, "duplicate", real)
            long.replace_rows(TABLE, {"b": rows("b")})
            return real(self, source, key)

        monkeypatch.setattr(Blobs, "duplicate", forgotten)
        long.file(TABLE).publish()
        assert as_others_see_it(blobs) == [("a", 9.0), ("c", 4.0)]

    def test_a_commit_that_is_forgotten_while_somebody_publishes_it_gives_way_to_the_newer_one(
        self, long, blobs, monkeypatch
    ):
        long.replace_rows(TABLE, {"b": rows("b")})
        real = Blobs.duplicate

        def forgotten(self, source, key):
            monkeypatch.setattr(Blobs, "duplicate", real)
            long.replace_rows(TABLE, {"a": rows("a")})
            return real(self, source, key)

        monkeypatch.setattr(Blobs, "duplicate", forgotten)
        long.file(TABLE)._publish()
        assert as_others_see_it(blobs) == [("c", 4.0)]

    def test_a_number_that_is_written_again_while_the_table_is_read_is_not_read(self, long, blobs, monkeypatch):
        """A program that believed a number free takes what it wrote away again, but not before others may see it."""
        own, slow = blobs.root / f"tables/{TABLE}.parquet", blobs.root / "slow"
        slow.hardlink_to(own)
        commit = blobs.root / f"tables/.commits/{TABLE}.00000001.parquet"
        long.replace_rows(TABLE, {"b": rows("b")})
        again = commit.read_bytes()
        real = TableCommits._numbers

        def listed_early(self):
            monkeypatch.setattr(TableCommits, "_numbers", real)
            found = real(self)
            long.replace_rows(TABLE, {"a": rows("a")})
            commit.write_bytes(again)
            slow.replace(own)
            return found

        monkeypatch.setattr(TableCommits, "_numbers", listed_early)
        assert values(long) == [("c", 4.0)]

    @pytest.mark.parametrize("change", [{"c": rows("c", 7.0)}, {"c": rows("c")}], ids=["a part", "the whole table"])
    def test_a_list_that_lacks_a_commit_is_made_again(self, long, blobs, monkeypatch, change):
        """As where a folder is listed while others commit to it: the first one is not on the list, and the second is."""
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        long.replace_rows(TABLE, {"b": rows("b", 8.0)})
        listed = TableCommits._numbers

        def lacks_the_first(self):
            monkeypatch.setattr(TableCommits, "_numbers", listed)
            return listed(self)[1:]

        monkeypatch.setattr(TableCommits, "_numbers", lacks_the_first)
        long.replace_rows(TABLE, change)
        assert sorted(values(long)) == [("a", 9.0), ("b", 8.0), *([("c", 7.0)] if len(change["c"]) else [])]

    def test_parts_are_listed_before_commits(self, long, blobs, monkeypatch):
        """A part that is shown is a commit already; the other way round, a commit in between would be skipped."""
        read = []
        names = Blobs.names
        monkeypatch.setattr(Blobs, "names", lambda self, key: read.append(key) or names(self, key))
        long.file(TABLE).state()
        assert read[:2] == ["tables", "tables/.commits"]

    def test_many_changes_lose_none(self, long, blobs):
        for number in range(10):
            Tables(blobs, LIMITS).replace_rows(TABLE, {f"{number}": rows(f"{number}", float(number))})
        assert len(long.load(TABLE)) == 14

    def test_the_commits_may_be_deleted(self, long, blobs):
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        shutil.rmtree(blobs.root / "tables/.commits")
        assert values(long)[-1] == ("a", 9.0)
        long.replace_rows(TABLE, {"b": rows("b", 8.0)})
        assert values(long) == [("c", 4.0), ("a", 9.0), ("b", 8.0)]

    def test_a_part_that_was_not_shown_yet_counts(self, long, blobs, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(TableCommits, "_show", lambda _self, number, digest: None)
            long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        assert (values(long)[-1], files(blobs)) == (("a", 9.0), ["velocity.parquet"])
        assert long.file(TABLE).is_behind()
        long.file(TABLE).publish()
        assert files(blobs) == ["velocity.parquet", "velocity.part-00000001.parquet"]

    def test_a_part_says_which_table_it_is_upon(self, long, blobs):
        long.replace_rows(TABLE, {"a": rows("a", 9.0)})
        notes = pq.read_metadata(blobs.root / f"tables/{TABLE}.part-00000001.parquet").metadata
        assert (notes[b"kymflow_commit"], notes[b"kymflow_upon"]) == (b"1", b"0")


class TestDamage:
    @pytest.fixture
    def dataset(self, blobs):
        """A dataset with a record, and a table of it with two parts; the file and its commits are different files."""
        dataset = ZarrDataset(blobs.root)
        image_id = dataset.add_image([[1, 2], [3, 4]]).image_id
        tables = Tables(blobs, LIMITS)
        tables.save(TABLE, rows(image_id, 1.0, 2.0))
        for value in (3.0, 4.0):
            tables.replace_rows(TABLE, {image_id: rows(image_id, value)})
        return dataset

    def damage(self, dataset, number, how):
        for key in (f"tables/{TABLE}.part-{number:08d}.parquet", f"tables/.commits/{TABLE}.{number:08d}.parquet"):
            path = dataset.path / key
            data = path.read_bytes()
            path.unlink()
            if how == "torn":
                path.write_bytes(data[:-20])
            elif how == "flipped":
                path.write_bytes(data[:30] + bytes([data[30] ^ 1]) + data[31:])

    def test_a_sound_table_has_no_problem(self, dataset):
        assert dataset.verify(deep=True).problems == ()

    @pytest.mark.parametrize("deep", [False, True])
    @pytest.mark.parametrize("how", ["gone", "torn", "flipped"])
    def test_a_part_that_is_lost_is_named(self, dataset, how, deep):
        self.damage(dataset, 1, how)
        said = " ".join(map(str, dataset.verify(deep=deep).problems))
        assert "tables/velocity.parquet lacks part 1, which was written and is gone" in said.replace(":", "")

    @pytest.mark.parametrize("how", ["torn", "flipped"])
    @pytest.mark.parametrize("number", [1, 2])
    def test_a_damaged_part_is_named_and_not_read(self, dataset, number, how):
        self.damage(dataset, number, how)
        said = " ".join(map(str, dataset.verify().problems))
        assert f"tables/velocity.part-{number:08d}.parquet" in said
        assert dataset.load_table(TABLE)["v"].tolist() == [4.0 if number == 1 else 3.0]

    @pytest.mark.parametrize("how", ["gone", "torn", "flipped"])
    @pytest.mark.parametrize("number", [1, 2])
    def test_a_lost_part_changes_the_digest(self, dataset, number, how):
        before = dataset.table_digest(TABLE)
        self.damage(dataset, number, how)
        assert dataset.table_digest(TABLE) != before

    @pytest.mark.slow
    @pytest.mark.parametrize("how", ["gone", "torn", "flipped"])
    @pytest.mark.parametrize("number", [1, 2])
    def test_a_repair_leaves_a_sound_table(self, dataset, number, how):
        self.damage(dataset, number, how)
        dataset.verify(repair=True)
        assert dataset.verify(deep=True).problems == ()

    def test_a_damaged_copy_that_others_see_is_made_again(self, dataset):
        path = dataset.path / f"tables/{TABLE}.part-00000002.parquet"
        path.unlink()
        path.write_bytes(b"torn")
        assert dataset.load_table(TABLE)["v"].tolist() == [4.0]
        dataset.verify(repair=True)
        dataset.verify(repair=True)
        assert pd.read_parquet(path)["v"].tolist() == [4.0]

    def test_parts_that_changed_places_are_not_read(self, dataset):
        for folder, name in (("tables", "part-"), ("tables/.commits", "")):
            one, two = (dataset.path / folder / f"{TABLE}.{name}0000000{n}.parquet" for n in (1, 2))
            content = one.read_bytes(), two.read_bytes()
            one.unlink(), two.unlink()
            one.write_bytes(content[1]), two.write_bytes(content[0])
        assert dataset.load_table(TABLE)["v"].tolist() == [1.0, 2.0]
        assert "says that it is commit 2" in " ".join(map(str, dataset.verify().problems))

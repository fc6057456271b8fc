"""Dataset tables, replaced whole."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import DamagedError, InvalidNameError, InvalidValueError, ReadOnlyError, TableNotFoundError
from kymflow_zarr.tables.table_commits import TableCommits
from kymflow_zarr.tables.tables import Tables


def rows(image_id, **columns):
    length = len(next(iter(columns.values())))
    return pd.DataFrame({"image_id": pd.Series([image_id] * length, dtype="str"), **columns})


@pytest.fixture
def tables(blobs):
    """No tables yet."""
    return Tables(blobs)


@pytest.fixture
def two_images(tables):
    """A table `velocity` with rows of the images a and b."""
    tables.save("velocity", pd.concat([rows("a", v=[1.0, 2.0]), rows("b", v=[3.0])]))
    return tables


class TestSave:
    def test_a_table_survives_a_round_trip(self, tables):
        frame = rows("a", v=[1.0, 2.0], note=["x", "y"])
        tables.save("velocity", frame)
        pd.testing.assert_frame_equal(tables.load("velocity"), frame)

    def test_a_table_without_rows_keeps_its_dtypes(self, tables):
        frame = rows("a", v=[1.0], n=[1], note=["x"])[:0]
        tables.save("velocity", frame)
        assert dict(tables.load("velocity").dtypes) == dict(frame.dtypes)

    @pytest.mark.parametrize("dtype", ["str", "object", pd.ArrowDtype(pa.large_string())], ids=str)
    def test_text_is_stored_as_arrow_string(self, tables, blobs, dtype):
        tables.save("velocity", pd.DataFrame({"image_id": pd.Series(["a"], dtype=dtype)}))
        assert pq.read_schema(blobs.root / "tables/velocity.parquet").field("image_id").type == pa.string()

    @pytest.mark.parametrize(
        "frame",
        [
            pytest.param(pd.DataFrame({"v": [1.0]}), id="no column"),
            pytest.param(pd.DataFrame({"image_id": ["a", None], "v": [1.0, 2.0]}), id="missing in one row"),
        ],
    )
    def test_a_row_without_an_image_is_refused(self, tables, frame):
        with pytest.raises(InvalidValueError, match="table 'velocity' needs an 'image_id' in every row; it has"):
            tables.save("velocity", frame)

    def test_two_columns_of_images_are_refused(self, tables):
        with pytest.raises(InvalidValueError, match="column names must be different strings"):
            tables.save("velocity", pd.DataFrame([["a", "b"]], columns=["image_id", "image_id"]))

    @pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "nul"])
    def test_a_bad_name_is_refused(self, tables, name):
        with pytest.raises(InvalidNameError, match=r"table name .* is not allowed: a name has"):
            tables.save(name, rows("a", v=[1.0]))

    def test_a_refused_table_leaves_the_old_one(self, two_images):
        with pytest.raises(InvalidValueError, match="needs an 'image_id'"):
            two_images.save("velocity", pd.DataFrame({"v": [1.0]}))
        assert two_images.load("velocity")["v"].tolist() == [1.0, 2.0, 3.0]


class TestLoad:
    def test_a_missing_table_is_named_with_those_there_are(self, two_images):
        two_images.save("events", rows("a", t=[1.0]))
        with pytest.raises(TableNotFoundError, match="no table named 'radon'; this dataset has 'events', 'velocity'"):
            two_images.load("radon")

    def test_a_missing_table_of_an_empty_dataset_says_none(self, tables):
        with pytest.raises(TableNotFoundError, match="no table named 'radon'; this dataset has none"):
            tables.load("radon")

    def test_a_torn_table_is_damage(self, two_images, blobs):
        (blobs.root / "tables/velocity.parquet").write_bytes(b"PAR1")
        with pytest.raises(DamagedError, match=r"velocity\.parquet is not readable Parquet"):
            two_images.load("velocity")

    def test_a_table_name_cannot_leave_the_dataset(self, tables):
        with pytest.raises(InvalidNameError, match="does not name a place inside the dataset"):
            tables.load("../../x")

    def test_names_are_sorted_and_without_the_sources(self, two_images):
        for name in ("sources", "events"):
            two_images.save(name, rows("a", v=[1.0]))
        assert two_images.names() == ["events", "velocity"]

    def test_other_files_are_no_tables(self, two_images, blobs):
        blobs.write("tables/readme.txt", b"")
        assert two_images.names() == ["velocity"]


class TestReplaceRows:
    def test_the_rows_of_an_image_are_replaced(self, two_images):
        frame = two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        assert frame[frame["image_id"] == "a"]["v"].tolist() == [9.0]

    def test_the_rows_of_the_others_are_kept(self, two_images):
        two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        frame = two_images.load("velocity")
        assert frame[frame["image_id"] == "b"]["v"].tolist() == [3.0]

    def test_the_rows_of_the_others_come_first(self, two_images):
        assert two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})["image_id"].tolist() == ["b", "a"]

    def test_what_is_returned_is_what_is_stored(self, two_images):
        frame = two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        pd.testing.assert_frame_equal(two_images.load("velocity"), frame)

    def test_a_table_that_is_not_there_is_made(self, tables):
        tables.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        assert tables.names() == ["velocity"]

    def test_several_images_are_replaced_at_once(self, two_images):
        frame = two_images.replace_rows("velocity", {"a": rows("a", v=[8.0]), "b": rows("b", v=[9.0])})
        assert frame["v"].tolist() == [8.0, 9.0]

    def test_no_rows_take_an_image_out(self, two_images):
        frame = two_images.replace_rows("velocity", {"a": rows("a", v=[1.0])[:0]})
        assert frame["image_id"].tolist() == ["b"]

    def test_a_table_that_loses_its_last_rows_keeps_its_dtypes(self, tables):
        frame = rows("a", v=[1.0], n=[1], note=["x"])
        tables.save("velocity", frame)
        tables.replace_rows("velocity", {"a": frame[:0]})
        assert dict(tables.load("velocity").dtypes) == dict(frame.dtypes)

    @pytest.mark.parametrize("dtype", ["object", "str"])
    def test_a_stored_column_without_values_takes_numbers_later(self, tables, dtype):
        tables.save("velocity", rows("a", v=pd.Series([None], dtype=dtype)))
        assert tables.replace_rows("velocity", {"b": rows("b", v=[3.0])})["v"].dropna().tolist() == [3.0]

    def test_rows_without_values_do_not_change_a_column_of_numbers(self, two_images):
        frame = two_images.replace_rows("velocity", {"b": rows("b", v=pd.Series([None], dtype="object"))})
        assert frame["v"].dtype == "float64"

    def test_text_where_numbers_are_is_refused(self, two_images):
        with pytest.raises(InvalidValueError, match="the rows of table 'velocity' do not fit together"):
            two_images.replace_rows("velocity", {"b": rows("b", v=["fast"])})

    def test_refused_rows_leave_the_table(self, two_images):
        with pytest.raises(InvalidValueError, match="do not fit together"):
            two_images.replace_rows("velocity", {"b": rows("b", v=["fast"])})
        assert two_images.load("velocity")["v"].tolist() == [1.0, 2.0, 3.0]

    @pytest.mark.parametrize(
        "frame",
        [
            pytest.param(rows("b", v=[1.0]), id="of another image"),
            pytest.param(pd.DataFrame({"v": [1.0]}), id="of no image"),
            pytest.param(pd.DataFrame({"image_id": ["a", None], "v": [1.0, 2.0]}), id="one of no image"),
        ],
    )
    def test_rows_that_are_not_of_their_image_are_refused(self, two_images, frame):
        with pytest.raises(InvalidValueError, match="rows for image a must all have that value in 'image_id'"):
            two_images.replace_rows("velocity", {"a": frame})


def test_a_table_opened_for_reading_cannot_be_saved(blobs):
    blobs.read_only = True
    with pytest.raises(ReadOnlyError, match="opened for reading only"):
        Tables(blobs).save("velocity", rows("a", v=[1.0]))


def commits(blobs):
    return blobs.names("tables/.commits")


class TestCommits:
    """Two programs on one table: what one of them saved is never lost by the other."""

    def test_the_newest_commit_is_another_name_of_the_tables_file(self, two_images, blobs):
        two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        (commit,) = commits(blobs)
        assert (blobs.root / "tables/.commits" / commit).samefile(blobs.root / "tables/velocity.parquet")

    def test_older_commits_are_forgotten(self, two_images, blobs):
        for value in range(5):
            two_images.replace_rows("velocity", {"a": rows("a", v=[float(value)])})
        assert commits(blobs) == ["velocity.00000005.parquet"]

    @pytest.mark.parametrize("when", ["before it is committed", "before it is published"])
    def test_rows_that_another_program_saves_meanwhile_are_kept(self, two_images, blobs, monkeypatch, when):
        name = "create" if when == "before it is committed" else "duplicate"
        step = getattr(Blobs, name)

        def be_overtaken(self, *arguments):
            monkeypatch.setattr(Blobs, name, step)
            Tables(blobs).replace_rows("velocity", {"other": rows("other", v=[7.0])})
            return step(self, *arguments)

        monkeypatch.setattr(Blobs, name, be_overtaken)
        two_images.replace_rows("velocity", {"mine": rows("mine", v=[8.0])})
        assert set(two_images.load("velocity")["image_id"]) == {"a", "b", "other", "mine"}
        assert set(pd.read_parquet(blobs.root / "tables/velocity.parquet")["image_id"]) == {"a", "b", "other", "mine"}

    def test_a_number_that_was_taken_and_forgotten_is_not_taken_again(self, two_images, blobs, monkeypatch):
        create = Blobs.create

        def be_overtaken_three_times(self, *arguments):
            monkeypatch.setattr(Blobs, "create", create)
            for image_id in ("c", "d", "e"):
                Tables(blobs).replace_rows("velocity", {image_id: rows(image_id, v=[7.0])})
            return create(self, *arguments)

        monkeypatch.setattr(Blobs, "create", be_overtaken_three_times)
        two_images.replace_rows("velocity", {"mine": rows("mine", v=[8.0])})
        assert set(two_images.load("velocity")["image_id"]) == {"a", "b", "c", "d", "e", "mine"}

    def test_two_first_writers_both_keep_their_rows(self, tables, blobs, monkeypatch):
        create = Blobs.create

        def be_overtaken(self, *arguments):
            monkeypatch.setattr(Blobs, "create", create)
            Tables(blobs).replace_rows("velocity", {"other": rows("other", v=[7.0])})
            return create(self, *arguments)

        monkeypatch.setattr(Blobs, "create", be_overtaken)
        tables.replace_rows("velocity", {"mine": rows("mine", v=[8.0])})
        assert set(tables.load("velocity")["image_id"]) == {"other", "mine"}

    def test_a_commit_that_was_not_published_counts(self, two_images, blobs, monkeypatch):
        """The program was killed between the commit and the table's file."""
        with monkeypatch.context() as patch:
            patch.setattr(TableCommits, "_publish", lambda _self, own: None)
            two_images.replace_rows("velocity", {"new": rows("new", v=[7.0])})
        assert "new" not in set(pd.read_parquet(blobs.root / "tables/velocity.parquet")["image_id"])
        assert "new" in set(two_images.load("velocity")["image_id"])
        two_images.replace_rows("velocity", {"newer": rows("newer", v=[7.0])})
        assert set(two_images.load("velocity")["image_id"]) == {"a", "b", "new", "newer"}

    def test_a_torn_commit_is_passed_over(self, two_images, blobs):
        (blobs.root / "tables/.commits").mkdir(parents=True)
        (blobs.root / "tables/.commits/velocity.00000001.parquet").write_bytes(b"PAR1 torn")
        two_images.replace_rows("velocity", {"new": rows("new", v=[7.0])})
        assert set(two_images.load("velocity")["image_id"]) == {"a", "b", "new"}

    def test_a_file_of_another_program_counts_as_the_newest(self, two_images, blobs):
        two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        path = blobs.root / "tables/velocity.parquet"
        path.unlink()
        rows("theirs", v=[5.0]).to_parquet(path)
        assert two_images.load("velocity")["image_id"].tolist() == ["theirs"]
        two_images.replace_rows("velocity", {"ours": rows("ours", v=[6.0])})
        assert two_images.load("velocity")["image_id"].tolist() == ["theirs", "ours"]

    def test_two_writers_upon_a_file_of_another_program_both_keep_their_rows(self, two_images, blobs, monkeypatch):
        two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        path = blobs.root / "tables/velocity.parquet"
        path.unlink()
        rows("theirs", v=[5.0]).to_parquet(path)
        with monkeypatch.context() as patch:
            patch.setattr(TableCommits, "_publish", lambda _self, own: None)
            two_images.replace_rows("velocity", {"mine": rows("mine", v=[8.0])})
        two_images.replace_rows("velocity", {"other": rows("other", v=[7.0])})
        assert two_images.load("velocity")["image_id"].tolist() == ["theirs", "mine", "other"]

    def test_a_table_that_somebody_deleted_is_gone(self, two_images, blobs):
        two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        (blobs.root / "tables/velocity.parquet").unlink()
        assert (two_images.names(), two_images.exists("velocity")) == ([], False)
        two_images.replace_rows("velocity", {"new": rows("new", v=[7.0])})
        assert two_images.load("velocity")["image_id"].tolist() == ["new"]

    def test_the_commits_may_be_deleted(self, two_images, blobs):
        two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        shutil.rmtree(blobs.root / "tables/.commits")
        two_images.replace_rows("velocity", {"c": rows("c", v=[7.0])})
        assert set(two_images.load("velocity")["image_id"]) == {"a", "b", "c"}

    @pytest.mark.slow
    def test_many_threads_lose_no_row(self, tables):
        def add(number):
            for step in range(5):
                tables.replace_rows("velocity", {f"{number}-{step}": rows(f"{number}-{step}", v=[1.0])})

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(add, range(6)))
        assert len(tables.load("velocity")) == 30


class TestParts:
    @pytest.fixture
    def wide(self, tables, monkeypatch):
        """A table of 40 images with three rows each, in row groups of 30 rows."""
        monkeypatch.setattr("kymflow_zarr.formats.parquet.ROW_GROUP", 30)
        frames = {f"{n:02d}": rows(f"{n:02d}", v=[n, n + 0.1, n + 0.2], note=["x"] * 3) for n in range(40)}
        tables.replace_rows("velocity", frames)
        return tables

    def test_columns_come_in_the_order_asked_for(self, wide):
        frame = wide.load("velocity", columns=["note", "v"])
        assert (list(frame.columns), len(frame)) == (["note", "v"], 120)

    def test_only_the_rows_of_the_images_come(self, wide):
        frame = wide.load("velocity", image_ids=["07", "31"])
        assert frame["image_id"].tolist() == ["07"] * 3 + ["31"] * 3

    def test_a_part_is_the_same_as_a_part_of_the_whole(self, wide):
        whole = wide.load("velocity")
        part = wide.load("velocity", columns=["v", "image_id"], image_ids={"05", "39"})
        expected = whole[whole["image_id"].isin(["05", "39"])][["v", "image_id"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, expected)

    def test_no_image_gives_no_row_but_all_columns(self, wide):
        frame = wide.load("velocity", image_ids=[])
        assert (len(frame), list(frame.columns)) == (0, ["image_id", "v", "note"])

    def test_row_groups_without_the_images_are_not_read(self, wide, monkeypatch):
        read = []
        method = pq.ParquetFile.read_row_groups
        monkeypatch.setattr(
            pq.ParquetFile, "read_row_groups", lambda self, groups, **kw: read.extend(groups) or method(self, groups, **kw)
        )
        wide.load("velocity", image_ids=["07"])
        assert read == [0]

    def test_a_missing_column_is_named_with_those_there_are(self, wide):
        with pytest.raises(InvalidValueError, match=r"has no column 'w'; it has \['image_id', 'v', 'note'\]"):
            wide.load("velocity", columns=["w"])


class TestDeleteRows:
    def test_the_tables_that_have_rows_are_named(self, two_images):
        two_images.save("other", rows("b", v=[1.0]))
        assert (two_images.names_having(["a"]), two_images.names_having(["b"])) == (["velocity"], ["other", "velocity"])

    def test_only_the_images_rows_go(self, two_images):
        two_images.delete_rows("velocity", ["a"])
        assert two_images.load("velocity")["image_id"].tolist() == ["b"]


class TestHeal:
    """The file and its commit are different files, as in a copy of the dataset."""

    @pytest.fixture
    def copied(self, two_images, blobs):
        two_images.replace_rows("velocity", {"a": rows("a", v=[9.0])})
        (commit,) = (blobs.root / "tables/.commits").iterdir()
        content = commit.read_bytes()
        commit.unlink()
        commit.write_bytes(content)
        return two_images

    def test_a_damaged_file_is_the_sound_commit_again(self, copied, blobs):
        (blobs.root / "tables/velocity.parquet").write_bytes(b"torn")
        assert copied.file("velocity").heal() is True
        assert pd.read_parquet(blobs.root / "tables/velocity.parquet")["v"].tolist() == [3.0, 9.0]
        assert [path.read_bytes() for path in (blobs.root / ".quarantine").iterdir()] == [b"torn"]

    def test_without_a_sound_commit_nothing_is_done(self, copied, blobs):
        (blobs.root / "tables/velocity.parquet").write_bytes(b"torn")
        shutil.rmtree(blobs.root / "tables/.commits")
        assert copied.file("velocity").heal() is False
        assert (blobs.root / "tables/velocity.parquet").read_bytes() == b"torn"

    def test_a_torn_commit_is_not_published_over_a_sound_one(self, copied, blobs, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(TableCommits, "_publish", lambda _self, own: None)
            copied.replace_rows("velocity", {"new": rows("new", v=[777.0])})
        (blobs.root / "tables/.commits/velocity.00000003.parquet").write_bytes(b"PAR1 torn")
        copied.file("velocity").publish()
        assert 777.0 in pd.read_parquet(blobs.root / "tables/velocity.parquet")["v"].tolist()

    def test_a_file_that_another_program_writes_meanwhile_is_kept(self, copied, blobs, monkeypatch):
        create = Blobs.create

        def overwrite_meanwhile(self, *arguments):
            create(self, *arguments)
            path = blobs.root / "tables/velocity.parquet"
            path.unlink()
            rows("theirs", v=[5.0]).to_parquet(path)

        monkeypatch.setattr(Blobs, "create", overwrite_meanwhile)
        copied.replace_rows("velocity", {"mine": rows("mine", v=[8.0])})
        (kept,) = (blobs.root / ".quarantine").iterdir()
        assert pd.read_parquet(kept)["image_id"].tolist() == ["theirs"]

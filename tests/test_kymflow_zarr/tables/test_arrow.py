"""Tables as Arrow tables: the same as frames, without the way through pandas."""

import pandas as pd
import pyarrow as pa
import pytest

from kymflow_zarr import ZarrDataset, units_of, with_units
from kymflow_zarr.errors import DamagedError, InvalidNameError, InvalidValueError, TableNotFoundError
from kymflow_zarr.formats.frames import frame_to_table
from kymflow_zarr.formats.parquet import ParquetBytes


def rows(image_id, **columns):
    frame = pd.DataFrame(columns)
    frame.insert(0, "image_id", image_id)
    return frame


def arrow(*frames):
    return {frame["image_id"][0]: frame_to_table(frame, what="x") for frame in frames}


@pytest.fixture
def dataset(tmp_path):
    return ZarrDataset.create(tmp_path / "made.zarr")


@pytest.fixture
def two_images(dataset):
    dataset.commit_arrow("mine", arrow(rows("a", v=[1.0, 2.0]), rows("b", v=[3.0])))
    return dataset


FRAMES = [rows("a", v=[1, 2], t=["x", None]), rows("b", v=[0.5], t=["y"]), rows("c", w=[True]), rows("d", v=[None])]


def test_rows_are_joined_as_frames_are(dataset):
    by_arrow = dataset.commit_arrow("one", arrow(*FRAMES)).table
    by_frames = dataset.commit_rows("two", {frame["image_id"][0]: frame for frame in FRAMES}).table
    pd.testing.assert_frame_equal(by_arrow, by_frames)
    pd.testing.assert_frame_equal(dataset.load_table("one"), by_frames)


def test_the_columns_and_units_of_like_are_there_where_no_row_is(dataset):
    like = frame_to_table(with_units(rows("a", v=[1.0])[:0], {"v": "mm/s"}), what="x")
    dataset.commit_arrow("mine", {}, like=like)
    frame = dataset.load_table("mine")
    assert (list(frame), len(frame), units_of(frame)) == (["image_id", "v"], 0, {"v": "mm/s"})


def test_rows_of_other_images_stay(two_images):
    two_images.commit_arrow("mine", arrow(rows("a", v=[9.0])))
    assert two_images.load_table("mine").to_dict("list") == {"image_id": ["b", "a"], "v": [3.0, 9.0]}


def test_no_rows_remove_those_of_an_image(two_images):
    two_images.commit_arrow("mine", {"a": two_images.load_arrow("mine")[:0]})
    assert two_images.load_table("mine")["image_id"].tolist() == ["b"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(pa.table({"image_id": ["b", "c"], "v": [1.0, 2.0]}), id="another's"),
        pytest.param(pa.table({"image_id": ["b", None], "v": [1.0, 2.0]}), id="nobody's"),
        pytest.param(pa.table({"v": [1.0]}), id="no ids"),
    ],
)
def test_rows_of_another_image_are_refused(dataset, wrong):
    with pytest.raises(InvalidValueError, match="rows for image b must all have that value in 'image_id'"):
        dataset.commit_arrow("mine", {**arrow(rows("a", v=[1.0])), "b": wrong})
    assert dataset.list_table_names() == []


def test_the_sources_are_not_written(dataset):
    with pytest.raises(InvalidNameError, match="the dataset's own"):
        dataset.commit_arrow("sources", {})


def test_a_part_is_the_same_as_that_of_the_frame(two_images):
    part = two_images.load_arrow("mine", columns=["v"], image_ids=["b"])
    assert part.to_pydict() == two_images.load_table("mine", columns=["v"], image_ids=["b"]).to_dict("list")


@pytest.mark.parametrize("index", [["r1", "r2", "r3"], [7, 5, 6]], ids=["texts", "numbers"])
def test_the_index_of_a_frame_that_pandas_stored_is_no_column(two_images, index):
    frame = two_images.load_table("mine").set_axis(index)
    frame.to_parquet(two_images.path / "tables/mine.parquet")
    assert two_images.load_arrow("mine").to_pydict() == frame.to_dict("list")


def test_rows_are_counted(two_images):
    assert two_images.count_table_rows("mine") == 3


def test_rows_of_a_table_that_is_not_there_are_not_counted(two_images):
    with pytest.raises(TableNotFoundError, match="no table named 'other'; this dataset has 'mine'"):
        two_images.count_table_rows("other")


def test_rows_of_a_file_that_is_no_table_are_not_counted(two_images):
    (two_images.path / "tables/mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match=r"mine\.parquet is not readable Parquet"):
        two_images.count_table_rows("mine")


def test_rows_of_another_table_are_not_counted(two_images):
    two_images.commit_arrow("other", arrow(rows("a", v=[1.0])))
    (two_images.path / "tables/mine.parquet").write_bytes((two_images.path / "tables/other.parquet").read_bytes())
    with pytest.raises(DamagedError, match=r"says that it is tables/other\.parquet"):
        two_images.count_table_rows("mine")


def test_a_table_whose_rows_are_all_replaced_is_not_unpacked(two_images, monkeypatch):
    read, real = [], ParquetBytes.table
    monkeypatch.setattr(
        ParquetBytes, "table", lambda opened, of=None, **more: read.append(more) or real(opened, of, **more)
    )
    two_images.commit_arrow("mine", arrow(rows("a", v=[7.0]), rows("b", v=[8.0])))
    assert read == [{"columns": ["image_id"]}]
    assert two_images.load_table("mine")["v"].tolist() == [7.0, 8.0]


def test_a_damaged_table_is_not_replaced_without_a_word(two_images):
    path = two_images.path / "tables/mine.parquet"
    data = bytearray(path.read_bytes())
    data[10] ^= 1  # in a page
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedError, match="was changed or damaged since it was written"):
        two_images.commit_arrow("mine", arrow(rows("a", v=[7.0]), rows("b", v=[8.0])))

"""Tests for whoever writes a store: inherit a class, say how to make the store, and get the whole contract.

The rule of this room: nothing else in `kymflow_zarr` imports it, since it needs pytest and the program does not.

```python
class TestMyStore(ArtifactStoreContract):
    def make_store(self, tmp_path):
        return MyStore(tmp_path / "image")
```
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow_zarr.errors import ArtifactNotFoundError, InvalidNameError, InvalidValueError
from kymflow_zarr.stores import ArtifactStore, PixelStore

GOOD_NAMES = ("a", "0", "radon_params", "roi-mask-1", "velocity_events_2", "x" * 96)
BAD_NAMES = (
    *("", ".", "..", "../x", "/x", "a/b", "a\\b", "a.b", "A", "a b", "µ", "-a", "a_", "nul", "x" * 97),
    *("metadata", "zarr"),
)
OBJECTS: tuple[dict[str, Any], ...] = (
    {},
    {"": None, "µ": "naïve \U0001f9e0", "line": "a\nb", "quote": '"'},
    {"numbers": [0, -1, 2**63, 0.1, -0.0, 1e-300, True, False]},
    {"nested": {"deep": [[], {}, [{"a": [None]}]]}},
)
NOT_JSON: tuple[tuple[Any, str], ...] = (
    ({"a": [1.0, float("nan")]}, r"\$\.a\[1\] is nan"),
    ({"a": {"b": float("inf")}}, r"\$\.a\.b is inf"),
    ({"a": {1: 2}}, r"the key 1 at \$\.a is a int"),
    ({"a": {1, 2}}, r"\$\.a is a set"),
    ({"kymflow": {}}, "its key 'kymflow' is reserved"),
    ([1, 2], "must be a JSON object, not a list"),
    ("text", "must be a JSON object, not a str"),
    (None, "must be a JSON object, not a NoneType"),
)
DTYPES = ("bool", "u1", "i1", ">u2", "<i4", "u8", "f2", ">f4", "<f8", "c8", ">c16")
SHAPES = ((), (1,), (0,), (20, 6), (0, 4), (4, 0), (3, 20, 6), (2, 1, 2, 1, 2, 1))
NOT_NUMBERS = (
    np.array(["a"]),
    np.array([None]),
    np.array([{"a": 1}]),
    np.zeros(2, "M8[s]"),
    np.zeros(2, "i4,f4"),
    np.array(b"ab"),
)


def numbers(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return an array of different values, the same at every call."""
    values: NDArray[Any] = np.random.default_rng(0).integers(0, 100, shape)
    return np.asarray(values).astype(dtype)


class ArtifactStoreContract(ABC):
    """What every `ArtifactStore` promises."""

    @abstractmethod
    def make_store(self, tmp_path: Path) -> ArtifactStore:
        """Return a store without artifacts; all that it writes must lie below `tmp_path`.

        At a second call it returns another handle to the same image, with the artifacts that were saved.
        """

    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        """Return a store without artifacts."""
        return self.make_store(tmp_path)

    def test_it_has_the_methods_of_the_protocol(self, store: ArtifactStore) -> None:
        """See `ArtifactStore`."""
        assert isinstance(store, ArtifactStore)

    @pytest.mark.parametrize("value", OBJECTS, ids=["empty", "text", "numbers", "nested"])
    def test_an_object_comes_back_as_it_was(self, store: ArtifactStore, value: dict[str, Any]) -> None:
        """Compared as text too, since 1 == 1.0 == True."""
        store.save_dict("params", value)
        assert (store.load_dict("params"), repr(store.load_dict("params"))) == (value, repr(value))

    def test_an_object_is_replaced_whole(self, store: ArtifactStore) -> None:
        """Keys of the old one do not stay."""
        store.save_dict("params", {"a": 1, "b": 2})
        store.save_dict("params", {"b": 3})
        assert store.load_dict("params") == {"b": 3}

    def test_an_object_that_was_loaded_can_be_changed_without_changing_the_store(self, store: ArtifactStore) -> None:
        """Nothing is shared with a cache."""
        store.save_dict("params", {"a": 1})
        store.load_dict("params")["a"] = 2
        assert store.load_dict("params") == {"a": 1}

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_an_array_comes_back_as_it_was(self, store: ArtifactStore, shape: tuple[int, ...], dtype: str) -> None:
        """Only the byte order may be another."""
        values = numbers(shape, dtype)
        store.save_array_artifact("distances", values)
        loaded = store.load_array_artifact("distances")
        np.testing.assert_array_equal(loaded, values)
        assert (loaded.shape, loaded.dtype.newbyteorder("=")) == (values.shape, values.dtype.newbyteorder("="))

    @pytest.mark.parametrize("view", ["transposed", "with steps", "columns first", "broadcast", "read-only"])
    def test_the_values_of_a_view_come_back(self, store: ArtifactStore, view: str) -> None:
        """Whatever lies between them in memory."""
        whole = numbers((20, 6), "u2")
        fixed = whole.copy()
        fixed.flags.writeable = False
        views = {
            "transposed": whole.T,
            "with steps": whole[::2, ::-1],
            "columns first": np.asfortranarray(whole),
            "broadcast": np.broadcast_to(whole[:1], (5, 6)),
            "read-only": fixed,
        }
        store.save_array_artifact("view", views[view])
        np.testing.assert_array_equal(store.load_array_artifact("view"), views[view], strict=True)

    def test_special_floats_come_back(self, store: ArtifactStore) -> None:
        """Compared by their bytes: the sign of zero, and NaN with what it carries."""
        values = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324])
        store.save_array_artifact("velocities", values)
        assert store.load_array_artifact("velocities").tobytes() == values.tobytes()

    def test_a_list_of_numbers_is_an_array(self, store: ArtifactStore) -> None:
        """As numpy makes one of it."""
        store.save_array_artifact("a", [[1, 2], [3, 4]])
        np.testing.assert_array_equal(store.load_array_artifact("a"), [[1, 2], [3, 4]])

    def test_an_array_is_replaced_whole(self, store: ArtifactStore) -> None:
        """By a smaller one of another dtype."""
        store.save_array_artifact("mask", np.ones((30, 30)))
        store.save_array_artifact("mask", np.zeros((2, 2), bool))
        np.testing.assert_array_equal(store.load_array_artifact("mask"), np.zeros((2, 2), bool), strict=True)

    def test_an_array_that_was_loaded_can_be_changed_without_changing_the_store(self, store: ArtifactStore) -> None:
        """Nothing is shared with a cache or a file."""
        store.save_array_artifact("mask", np.zeros(3))
        store.load_array_artifact("mask")[0] = 1
        np.testing.assert_array_equal(store.load_array_artifact("mask"), np.zeros(3))

    def test_an_object_and_an_array_may_have_one_name(self, store: ArtifactStore) -> None:
        """They do not meet."""
        store.save_dict("radon", {"a": 1})
        store.save_array_artifact("radon", np.arange(3))
        assert (store.load_dict("radon"), store.load_array_artifact("radon").tolist()) == ({"a": 1}, [0, 1, 2])

    def test_arrays_are_listed_sorted_and_objects_are_not(self, store: ArtifactStore) -> None:
        """By name."""
        store.save_dict("params", {})
        for name in ("b", "a", "a_2", "a-1"):
            store.save_array_artifact(name, np.zeros(2))
        assert store.list_array_artifacts() == ["a", "a-1", "a_2", "b"]

    def test_nothing_is_listed_at_first(self, store: ArtifactStore) -> None:
        """An empty store."""
        assert store.list_array_artifacts() == []

    def test_another_handle_sees_what_was_saved(self, store: ArtifactStore, tmp_path: Path) -> None:
        """It is saved, not remembered."""
        store.save_dict("params", {"a": 1})
        store.save_array_artifact("mask", np.ones(2))
        other = self.make_store(tmp_path)
        assert (other.load_dict("params"), other.list_array_artifacts()) == ({"a": 1}, ["mask"])

    def test_a_handle_sees_what_another_saved_since(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Nothing old is remembered."""
        store.save_dict("params", {"a": 1})
        store.load_dict("params")
        self.make_store(tmp_path).save_dict("params", {"a": 2})
        assert store.load_dict("params") == {"a": 2}

    def test_a_missing_object_is_named_with_those_there_are(self, store: ArtifactStore) -> None:
        """It is a `FileNotFoundError`."""
        store.save_dict("params", {})
        with pytest.raises(ArtifactNotFoundError, match=r"no JSON artifact named 'parms' .*; it has 'params(\.json)?'"):
            store.load_dict("parms")

    def test_a_missing_array_is_named_with_those_there_are(self, store: ArtifactStore) -> None:
        """It is a `FileNotFoundError`."""
        for name in ("b", "a"):
            store.save_array_artifact(name, np.zeros(2))
        with pytest.raises(ArtifactNotFoundError, match=r"no array artifact named 'msk' .*; it has 'a', 'b'"):
            store.load_array_artifact("msk")

    def test_where_there_is_none_it_says_so(self, store: ArtifactStore) -> None:
        """An empty store."""
        with pytest.raises(ArtifactNotFoundError, match=r"no array artifact named 'mask' .*; it has none"):
            store.load_array_artifact("mask")

    @pytest.mark.parametrize("name", GOOD_NAMES)
    def test_a_good_name_is_kept(self, store: ArtifactStore, name: str) -> None:
        """For an object and for an array."""
        store.save_dict(name, {"a": 1})
        store.save_array_artifact(name, np.zeros(2))
        assert (store.load_dict(name), store.list_array_artifacts()) == ({"a": 1}, [name])

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_a_bad_name_is_refused_and_nothing_is_written(self, store: ArtifactStore, tmp_path: Path, name: str) -> None:
        """For an object and for an array."""
        before = _paths(tmp_path)
        with pytest.raises(InvalidNameError, match=r"artifact name .* is not allowed"):
            store.save_dict(name, {})
        with pytest.raises(InvalidNameError, match=r"array artifact name .* is not allowed"):
            store.save_array_artifact(name, np.zeros(2))
        assert _paths(tmp_path) == before

    @pytest.mark.parametrize("name", ["../x", "../../../x", "/x"])
    def test_reading_cannot_leave_the_store(self, store: ArtifactStore, name: str) -> None:
        """For an object and for an array."""
        with pytest.raises(InvalidNameError):
            store.load_dict(name)
        with pytest.raises(InvalidNameError):
            store.load_array_artifact(name)

    @pytest.mark.parametrize(("value", "reason"), NOT_JSON, ids=[repr(value) for value, _ in NOT_JSON])
    def test_what_is_no_json_object_is_refused_and_the_old_one_stays(
        self, store: ArtifactStore, value: Any, reason: str
    ) -> None:
        """The message has the path of the value."""
        store.save_dict("params", {"a": 1})
        with pytest.raises(InvalidValueError, match=f"artifact 'params' .*{reason}"):
            store.save_dict("params", value)
        assert store.load_dict("params") == {"a": 1}

    @pytest.mark.parametrize("values", NOT_NUMBERS, ids=[str(values.dtype) for values in NOT_NUMBERS])
    def test_what_is_no_array_of_numbers_is_refused_and_the_old_one_stays(
        self, store: ArtifactStore, values: NDArray[Any]
    ) -> None:
        """Python objects in particular: a file of them could run code when it is read."""
        store.save_array_artifact("mask", np.ones(2))
        with pytest.raises(InvalidValueError, match=r"dtype .* cannot be stored; only numbers and booleans can"):
            store.save_array_artifact("mask", values)
        np.testing.assert_array_equal(store.load_array_artifact("mask"), np.ones(2))

    @pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long doubles are doubles here")
    def test_long_doubles_are_refused(self, store: ArtifactStore) -> None:
        """They differ between machines."""
        with pytest.raises(InvalidValueError, match="cannot be stored; only numbers and booleans can"):
            store.save_array_artifact("mask", np.ones(2, np.longdouble))

    def test_a_masked_array_is_refused(self, store: ArtifactStore) -> None:
        """Its mask would be lost in silence."""
        with pytest.raises(InvalidValueError, match="a masked array cannot be stored: its mask would be lost; fill it"):
            store.save_array_artifact("mask", np.ma.masked_array([1, 2], mask=[True, False]))

    def test_a_list_of_uneven_rows_is_refused(self, store: ArtifactStore) -> None:
        """Numpy's own error is no error of ours."""
        with pytest.raises(InvalidValueError, match="this is no array and cannot be stored"):
            store.save_array_artifact("rows", [[1, 2], [3]])

    def test_reading_writes_nothing(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Not even a time of modification."""
        store.save_dict("params", {})
        store.save_array_artifact("mask", np.ones(2))
        before = _paths(tmp_path)
        store.load_dict("params")
        store.load_array_artifact("mask")
        store.list_array_artifacts()
        self.make_store(tmp_path)
        assert _paths(tmp_path) == before


class PixelStoreContract(ABC):
    """What every `PixelStore` promises."""

    @abstractmethod
    def make_store(self, tmp_path: Path, pixels: NDArray[Any]) -> PixelStore:
        """Return a store of these pixels, 2 to 4 dimensions, below `tmp_path`."""

    @pytest.fixture
    def pixels(self) -> NDArray[Any]:
        """Return a small kymograph: 20 lines of 6 pixels."""
        return numbers((20, 6), "u2")

    @pytest.fixture
    def store(self, tmp_path: Path, pixels: NDArray[Any]) -> PixelStore:
        """Return a store of `pixels`."""
        return self.make_store(tmp_path, pixels)

    def test_it_has_the_methods_of_the_protocol(self, store: PixelStore) -> None:
        """See `PixelStore`."""
        assert isinstance(store, PixelStore)

    @pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i2", "<f4", ">f8"])
    @pytest.mark.parametrize("shape", [(20, 6), (1, 1), (3, 20, 6), (2, 3, 20, 6)], ids=str)
    def test_all_pixels_are_loaded(self, tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
        """Only the byte order may be another."""
        values = numbers(shape, dtype)
        loaded = self.make_store(tmp_path, values).load_array()
        np.testing.assert_array_equal(loaded, values)
        assert (loaded.shape, loaded.dtype.newbyteorder("=")) == (values.shape, values.dtype.newbyteorder("="))

    @pytest.mark.parametrize(
        "index",
        [
            pytest.param((), id="all"),
            pytest.param((slice(3, 7),), id="lines"),
            pytest.param((slice(None), slice(1, 3)), id="columns"),
            pytest.param((slice(0, 0),), id="nothing"),
            pytest.param((4, slice(None)), id="one line"),
            pytest.param((-1, -1), id="the last pixel"),
            pytest.param((slice(None, None, 5), slice(None)), id="every fifth line"),
            pytest.param((Ellipsis, 2), id="one column"),
        ],
    )
    def test_opened_pixels_are_sliced_as_numpy_does(self, store: PixelStore, pixels: NDArray[Any], index: Any) -> None:
        """Shape and values."""
        np.testing.assert_array_equal(np.asarray(store.open_array()[index]), pixels[index])

    def test_opened_pixels_have_shape_dimensions_and_dtype(self, store: PixelStore, pixels: NDArray[Any]) -> None:
        """Known without reading all."""
        opened = store.open_array()
        assert (opened.shape, opened.ndim, opened.dtype) == (pixels.shape, pixels.ndim, pixels.dtype)

    def test_opened_pixels_cannot_be_written(self, store: PixelStore, pixels: NDArray[Any]) -> None:
        """Pixels never change."""
        with pytest.raises(ValueError, match="read-only"):
            store.open_array()[0, 0] = 1
        np.testing.assert_array_equal(store.load_array(), pixels)

    def test_loaded_pixels_can_be_changed_without_changing_the_store(self, store: PixelStore, pixels: NDArray[Any]) -> None:
        """An analysis may work in place."""
        store.load_array()[...] = 0
        np.testing.assert_array_equal(store.load_array(), pixels)
        np.testing.assert_array_equal(np.asarray(store.open_array()[...]), pixels)

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [((20, 6), ("y", "x")), ((3, 20, 6), ("z", "y", "x"))],
        ids=["2-D", "3-D"],
    )
    def test_axes_are_those_of_the_dimensions_unless_given(
        self, tmp_path: Path, shape: tuple[int, ...], axes: tuple[str, ...]
    ) -> None:
        """A store whose caller states nothing else about its pixels."""
        assert self.make_store(tmp_path, numbers(shape, "u2")).get_axes() == axes

    def test_there_is_one_axis_a_dimension(self, tmp_path: Path) -> None:
        """All different."""
        axes = self.make_store(tmp_path, numbers((2, 3, 20, 6), "u2")).get_axes()
        assert len(set(axes)) == len(axes) == 4

    def test_reading_writes_nothing(self, store: PixelStore, tmp_path: Path) -> None:
        """Not even a time of modification."""
        before = _paths(tmp_path)
        store.load_array()
        np.asarray(store.open_array()[:2])
        store.get_axes()
        assert _paths(tmp_path) == before


def _paths(top: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of modification of all that lies below a folder."""
    found = {path.relative_to(top).as_posix(): path.lstat() for path in sorted(top.rglob("*"))}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}

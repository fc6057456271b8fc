"""Tests for whoever writes an indexer, a header reader or an image reader: inherit a class and give it examples.

The rule of this room: nothing else in `kymflow_core` imports it, since it needs pytest and the program does not.
"""

import json
import pickle
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from kymflow_core.errors import HeaderError
from kymflow_core.headers import AcquisitionHeader, HeaderReader
from kymflow_core.images.image_readers import ImageInFile, ImageReader, ProjectReader, find_image_readers, read_image
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.indexers import DatasetIndexer, normalize_table_name
from kymflow_zarr import (
    MASKS_KEY,
    METADATA_KEY,
    PIXEL_VALUES_KEY,
    PIXELS_KEY,
    JsonValue,
    ZarrDataset,
    ZarrImageRecord,
    array_group_key,
    concatenate_frames,
)
from kymflow_zarr.errors import ArtifactNotFoundError, SourceError

IMAGE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_OTHER_METADATA = RecordMetadata().with_header(AcquisitionHeader(name="other"))
_ENDINGS = (".json", ".parquet", ".csv.gz")


@dataclass(slots=True, kw_only=True, eq=False)
class ArtifactsInMemory:
    """An `ArtifactReader` that holds its artifacts, also such as storage would not take.

    `json`, `tables` and `arrays` are the artifacts by name, without ending; `metadata` is the record's. Without `pixels`, a
    black image of `shape` is stored. `asked` gets the keys of all that was read, also where it was not there; an array's is
    "analysis_arrays/<name>".
    """

    image_id: str = IMAGE_ID
    json: Mapping[str, JsonValue] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    shape: tuple[int, ...] = (30, 20)
    axes: tuple[str, ...] = ("y", "x")
    pixels: NDArray[Any] | None = None
    asked: set[str] = field(default_factory=set)

    def list_analysis_keys(self) -> list[str]:
        """Return the JSON and table artifacts with their endings."""
        return sorted([*(f"{name}.json" for name in self.json), *(f"{name}.parquet" for name in self.tables)])

    def load_json(self, name: str) -> JsonValue:
        """Return a JSON artifact."""
        self.asked.add(f"{name}.json")
        if name not in self.json:
            raise self._not_found("JSON", name, self.list_analysis_keys())
        return deepcopy(self.json[name])

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Return a table artifact."""
        self.asked.add(f"{name}.parquet")
        if name not in self.tables:
            raise self._not_found("table", name, self.list_analysis_keys())
        return self.tables[name].copy()

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Return the metadata."""
        self.asked.add(METADATA_KEY)
        return deepcopy(dict(self.metadata))

    def list_array_artifacts(self) -> list[str]:
        """Return the names of the array artifacts."""
        return sorted(self.arrays)

    def load_array_artifact(self, name: str) -> NDArray[Any]:
        """Return an array artifact."""
        self.asked.add(array_group_key(name))
        if name not in self.arrays:
            raise self._not_found("array", name, self.list_array_artifacts())
        return self.arrays[name].copy()

    def get_shape(self) -> tuple[int, ...]:
        """Return the shape of the pixels."""
        return self.shape

    def get_axes(self) -> tuple[str, ...]:
        """Return one name a dimension of the pixels."""
        return self.axes

    def open_array(self) -> NDArray[Any]:
        """Return the pixels."""
        self.asked.add(PIXEL_VALUES_KEY)
        return self._stored

    @property
    def _stored(self) -> NDArray[Any]:
        return np.zeros(self.shape, dtype=np.uint8) if self.pixels is None else self.pixels.reshape(self.shape)

    def store(self, dataset: ZarrDataset) -> ZarrImageRecord:
        """Add a record with these artifacts and pixels to a dataset, and return it."""
        with dataset.build_record(self._stored, axes=self.axes) as draft:
            for name, value in self.json.items():
                draft.save_json(name, value)
            for name, table in self.tables.items():
                draft.save_df_parquet(name, table)
            for name, array in self.arrays.items():
                draft.save_array_artifact(name, array, held_by_metadata=True)
            draft.save_metadata_payload(self.metadata)
        return dataset.record(draft.image_id)

    def _not_found(self, kind: str, name: str, there: Sequence[str]) -> ArtifactNotFoundError:
        listed = ", ".join(map(repr, there)) or "none"
        return ArtifactNotFoundError(f"no {kind} artifact named {name!r} in record {self.image_id}; it has {listed}")


class IndexerContract:
    """What every `DatasetIndexer` promises; the tests of yours inherit it.

    Attributes
    ----------
    indexer
        What is tested.
    examples
        Records that it makes rows of; together they should hold every artifact that it reads.
    rows_without_artifacts
        How many rows a record without any artifact has: none, but for an indexer of the images themselves.
    keeps_columns_of
        The table artifacts whose further columns go into the rows.

    Examples
    --------
    ```python
    class TestDiameterIndexer(IndexerContract):
        indexer = DiameterIndexer()
        examples = (ArtifactsInMemory(tables={"diameter": pd.DataFrame({"roi_id": [1], "diameter_um": [5.2]})}),)
    ```
    """

    indexer: ClassVar[DatasetIndexer]
    examples: ClassVar[Sequence[ArtifactsInMemory]]
    rows_without_artifacts: ClassVar[int] = 0
    keeps_columns_of: ClassVar[Sequence[str]] = ()

    def test_it_is_an_indexer(self) -> None:
        """See `DatasetIndexer`."""
        assert isinstance(self.indexer, DatasetIndexer)
        assert all(isinstance(text, str) and text for text in (self.indexer.name, self.indexer.schema_version))

    def test_its_table_name_is_normalized(self) -> None:
        """So that no two names become one."""
        assert self.indexer.table_name == normalize_table_name(self.indexer.table_name)

    def test_image_id_is_the_first_required_column(self) -> None:
        """And no column is required twice."""
        columns = self.indexer.required_columns()
        assert columns[0] == "image_id"
        assert len(set(columns)) == len(columns)

    def test_it_names_the_keys_that_it_reads(self) -> None:
        """With their endings. One text alone, a comma forgotten, would be read letter by letter."""
        assert not isinstance(self.indexer.reads, str)
        assert self.indexer.reads
        assert [
            key
            for key in self.indexer.reads
            if not key.endswith((*_ENDINGS, "/")) and key not in (MASKS_KEY, PIXELS_KEY, PIXEL_VALUES_KEY)
        ] == []

    def test_the_examples_have_rows(self) -> None:
        """Or they would test nothing."""
        assert [len(self._rows(example)) > 0 for example in self.examples] == [True] * len(self.examples)
        assert self.examples

    def test_every_row_has_the_image_id_and_the_required_columns(self) -> None:
        """The required columns may be in any order."""
        for example in self.examples:
            rows = self._rows(replace(example, image_id="another"))
            assert set(rows["image_id"]) == {"another"}
            assert [name for name in self.indexer.required_columns() if name not in rows.columns] == []

    def test_a_record_without_artifacts_gives_no_rows_of_the_same_types(self) -> None:
        """So that a table that began empty takes rows."""
        without, required = self._rows(ArtifactsInMemory()), self.indexer.required_columns()
        assert len(without) == self.rows_without_artifacts
        for example in self.examples:
            assert without[required].dtypes.to_dict() == self._rows(example)[required].dtypes.to_dict()

    def test_the_rows_of_all_examples_fit_into_one_table(self) -> None:
        """A column is text in all of them or in none."""
        rows = [self._rows(example) for example in (*self.examples, ArtifactsInMemory())]
        assert len(concatenate_frames(rows, what="the examples")) == sum(map(len, rows))

    def test_further_columns_are_kept(self) -> None:
        """Whatever else an analysis writes can be looked at."""
        for name in self.keeps_columns_of:
            for example in (one for one in self.examples if name in one.tables):
                further = {**example.tables, name: example.tables[name].assign(further="kept")}
                assert set(self._rows(replace(example, tables=further))["further"]) == {"kept"}

    def test_the_same_artifacts_give_the_same_rows(self) -> None:
        """Again, and after pickling: the work may be spread over processes."""
        copied: DatasetIndexer = pickle.loads(pickle.dumps(self.indexer))
        for example in self.examples:
            first = self._rows(example)
            pd.testing.assert_frame_equal(self._rows(example), first)
            pd.testing.assert_frame_equal(copied.extract_rows(example), first)

    def test_a_stored_record_gives_the_same_rows_and_nothing_is_written(self, tmp_path: Path) -> None:
        """Neither a file nor a time changes."""
        dataset = ZarrDataset.create(tmp_path / "contract.zarr")
        for example in self.examples:
            record = example.store(dataset)
            before = _picture(tmp_path)
            rows = self.indexer.extract_rows(record)
            assert _picture(tmp_path) == before
            pd.testing.assert_frame_equal(rows, self._rows(replace(example, image_id=record.image_id)))

    def test_nothing_else_is_needed_than_what_it_says_it_reads(self) -> None:
        """A record that holds only the artifacts in `reads` gives the same rows."""
        for example in self.examples:
            pd.testing.assert_frame_equal(self._rows(self._only_read(example)), self._rows(example))

    def test_nothing_else_is_read_than_what_it_says(self) -> None:
        """What is not in `reads` is not asked for; masks that the metadata name are a part of them."""
        for example in (*self.examples, ArtifactsInMemory()):
            noting = replace(example, asked=set())
            self.indexer.extract_rows(noting)
            arrays = {array_group_key(name) for name in example.arrays if self._is_read(name, example)}
            assert {key for key in noting.asked - arrays if not self._reads(key)} == set()

    def test_what_it_does_not_read_changes_no_row(self) -> None:
        """Every artifact that is not in `reads` is changed, and others come."""
        for example in self.examples:
            pd.testing.assert_frame_equal(self._rows(self._disturbed(example)), self._rows(example))

    def _rows(self, example: ArtifactsInMemory) -> pd.DataFrame:
        return self.indexer.extract_rows(example)

    def _only_read(self, example: ArtifactsInMemory) -> ArtifactsInMemory:
        return replace(
            example,
            json={name: value for name, value in example.json.items() if self._reads(f"{name}.json")},
            tables={name: table for name, table in example.tables.items() if self._reads(f"{name}.parquet")},
            metadata=example.metadata if METADATA_KEY in self.indexer.reads else {},
            arrays={name: array for name, array in example.arrays.items() if self._is_read(name, example)},
            pixels=example.pixels if PIXEL_VALUES_KEY in self.indexer.reads else None,
        )

    def _disturbed(self, example: ArtifactsInMemory) -> ArtifactsInMemory:
        """Return the example with everything that is not read replaced, also what has the name of something that is."""
        read = self._only_read(example)
        stems = [key.partition(".")[0] for key in self.indexer.reads if key != METADATA_KEY and not key.endswith("/")]
        names = [*stems, *example.json, *example.tables, "of_somebody_else"]
        other = pd.DataFrame({"image_id": ["of somebody else"], "roi_id": [999]})
        return replace(
            read,
            json={**{name: {"roi_id": 999} for name in names if not self._reads(f"{name}.json")}, **read.json},
            tables={**{name: other for name in names if not self._reads(f"{name}.parquet")}, **read.tables},
            metadata=read.metadata if METADATA_KEY in self.indexer.reads else _OTHER_METADATA.to_json(),
            arrays={**dict.fromkeys([*example.arrays, "of_somebody_else"], np.zeros((2, 2))), **read.arrays},
            pixels=read.pixels if PIXEL_VALUES_KEY in self.indexer.reads else np.full(example.shape, 7, dtype=np.uint8),
        )

    def _reads(self, key: str) -> bool:
        """Return whether a key is named, or lies in a folder that is."""
        folders = tuple(one for one in self.indexer.reads if one.endswith("/"))
        return key in self.indexer.reads or key.startswith(folders)

    def _is_read(self, array: str, example: ArtifactsInMemory) -> bool:
        """Return whether an array belongs to metadata that are read: it is never replaced, a new mask has a new name."""
        return METADATA_KEY in self.indexer.reads and array_group_key(array) in str(example.metadata)


class HeaderReaderContract:
    """The contract of a `HeaderReader`.

    Attributes
    ----------
    reader
        An instance.
    files
        An example: the content of each file by its ending, such as `{".xml": b"<scan/>"}`, which is written next to a TIFF.
        For a reader of what is in the TIFF itself, `{".tif": …}`.
    shape
        The shape of the TIFF's pixels: lines, pixels.

    Examples
    --------
    ```python
    class TestLeicaReader(HeaderReaderContract):
        reader = LeicaReader()
        files = {".xml": b'<scan um_per_pixel="0.25"/>'}
    ```
    """

    reader: ClassVar[HeaderReader]
    files: ClassVar[Mapping[str, bytes]]
    shape: ClassVar[tuple[int, int]] = (40, 12)

    def test_it_is_a_header_reader_with_a_name(self) -> None:
        """See `HeaderReader`; the table of images has the name."""
        assert isinstance(self.reader, HeaderReader)
        assert isinstance(self.reader.name, str)
        assert self.reader.name

    def test_another_tiff_is_not_its_own(self, tmp_path: Path) -> None:
        """For a TIFF without such files it returns nothing."""
        assert self.reader.read(self._write(tmp_path, {}), self.shape) is None

    def test_the_example_is_read(self, tmp_path: Path) -> None:
        """It returns a header, whose shape, if stated, is that of the TIFF."""
        header = self.reader.read(self._write(tmp_path, self.files), self.shape)
        assert isinstance(header, AcquisitionHeader)
        assert header != AcquisitionHeader()
        assert header.shape in ((), self.shape, self.shape[-1:])

    def test_the_header_can_be_stored(self, tmp_path: Path) -> None:
        """It comes back from its JSON as it was: numbers are finite, entries are text or made of it."""
        header = self.reader.read(self._write(tmp_path, self.files), self.shape)
        assert header is not None
        assert AcquisitionHeader.from_json(json.loads(json.dumps(header.to_json(), allow_nan=False))) == header

    def test_reading_again_gives_the_same_and_writes_nothing(self, tmp_path: Path) -> None:
        """Neither a file nor a time changes."""
        path = self._write(tmp_path, self.files)
        before = _picture(tmp_path)
        assert self.reader.read(path, self.shape) == self.reader.read(path, self.shape)
        assert _picture(tmp_path) == before

    def test_a_file_that_is_cut_off_raises_no_other_error(self, tmp_path: Path) -> None:
        """It is read, or not its own, or a `HeaderError`, which becomes a note; anything else is a mistake."""
        for ending, content in self.files.items():
            for part in range(8):
                path = self._write(tmp_path, {**self.files, ending: content[: len(content) * part // 8]})
                with suppress(HeaderError):
                    header = self.reader.read(path, self.shape)
                    assert header is None or isinstance(header, AcquisitionHeader)

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> Path:
        path = folder / "scan.tif"
        tifffile.imwrite(path, np.zeros(self.shape, np.uint16))
        for ending, content in files.items():
            path.with_suffix(ending).write_bytes(content)
        return path


class ImageReaderContract:
    """The contract of an `ImageReader`.

    Attributes
    ----------
    reader
        An instance.
    files
        An example: the content of each file by its name; the first is the file itself, the others belong to it, and may be
        in a folder below, such as `{"scan.lif": b"…", "scan.lif.files/1.dat": b"…"}`.

    Examples
    --------
    ```python
    class TestLeicaReader(ImageReaderContract):
        reader = LeicaReader()
        files = {"scan.lif": Path("tests/small.lif").read_bytes()}
    ```
    """

    reader: ClassVar[ImageReader]
    files: ClassVar[Mapping[str, bytes]]

    def test_it_is_an_image_reader_that_can_be_installed(self) -> None:
        """See `ImageReader`. A name and endings in lower case, which no other reader takes."""
        assert isinstance(self.reader, ImageReader)
        assert Path(next(iter(self.files))).suffix.lower() in self.reader.endings
        own = find_image_readers(points=[])
        if own.by_ending.get(self.reader.endings[0]) is not self.reader:
            assert [reader.name for ending, reader in own.by_ending.items() if ending in self.reader.endings] == []

    def test_the_example_is_read(self, tmp_path: Path) -> None:
        """Its pixels have the shape and the type that they are stated to have, and axes that an image has."""
        image, pixels = self._read(tmp_path, self.files)
        assert pixels.shape == tuple(image.pixels.shape)
        assert {"y", "x"} <= set(image.axes)
        assert pixels.size

    def test_the_header_can_be_stored(self, tmp_path: Path) -> None:
        """It comes back from its JSON as it was: numbers are finite, entries are text or made of it."""
        header = self._read(tmp_path, self.files)[0].header
        assert AcquisitionHeader.from_json(json.loads(json.dumps(header.to_json(), allow_nan=False))) == header

    def test_the_files_that_belong_to_it_are_named(self, tmp_path: Path) -> None:
        """All of the example, and no file that is not there."""
        path = self._write(tmp_path, self.files)
        assert {*self.reader.files_of(path)} == {tmp_path / name for name in self.files} - {path}

    def test_the_images_of_a_file_that_may_hold_several_have_names(self, tmp_path: Path) -> None:
        """Each has one of its own, by which it is known again."""
        if isinstance(self.reader, ProjectReader):
            path = self._write(tmp_path, self.files)
            names = [image.name for image in self.reader.read(path)]
            assert list(self.reader.images_of(path)) == names
            assert all(names)
            assert len({*names}) == len(names)

    def test_reading_again_gives_the_same_and_writes_nothing(self, tmp_path: Path) -> None:
        """Neither a file nor a time changes."""
        path = self._write(tmp_path, self.files)
        before = _picture(tmp_path)
        (first, pixels), (second, again) = read_image(path, self.reader), read_image(path, self.reader)
        assert (first.header, first.axes, first.notes) == (second.header, second.axes, second.notes)
        np.testing.assert_array_equal(pixels, again)
        assert _picture(tmp_path) == before

    def test_pixels_that_are_not_in_a_file_are_never_made_up(self, tmp_path: Path) -> None:
        """A file that is cut off is refused, or gives what it gave whole, or fewer pixels and a note that says so."""
        _, whole = self._read(tmp_path, self.files)
        for name, content in self.files.items():
            for part in range(16):
                with suppress(SourceError):
                    image, pixels = self._read(tmp_path, {**self.files, name: content[: len(content) * part // 16]})
                    assert pixels.shape == whole.shape or image.notes
                    np.testing.assert_array_equal(pixels, whole[tuple(slice(length) for length in pixels.shape)])

    def _read(self, folder: Path, files: Mapping[str, bytes]) -> tuple[ImageInFile, NDArray[Any]]:
        return read_image(self._write(folder, files), self.reader)

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> Path:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / next(iter(files))


def _picture(top: Path) -> dict[str, tuple[int, bytes]]:
    """Return every path below a folder, with its modification time and bytes."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in top.rglob("*")}

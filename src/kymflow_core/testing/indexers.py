"""What every indexer promises."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.indexers import DatasetIndexer, normalize_table_name
from kymflow_core.indexers.arrow_rows import extract_as_table
from kymflow_core.testing.artifacts import ArtifactsInMemory
from kymflow_core.testing.folder_picture import picture
from kymflow_zarr import (
    MASKS_KEY,
    METADATA_KEY,
    PIXEL_VALUES_KEY,
    PIXELS_KEY,
    ZarrDataset,
    array_group_key,
    concatenate_frames,
)
from kymflow_zarr.formats.frames import frame_to_table

_OTHER_METADATA = RecordMetadata().with_header(AcquisitionHeader(name="other"))
_ENDINGS = (".json", ".parquet", ".csv.gz")


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
            before = picture(tmp_path)
            rows = self.indexer.extract_rows(record)
            assert picture(tmp_path) == before
            pd.testing.assert_frame_equal(rows, self._rows(replace(example, image_id=record.image_id)))

    def test_rows_as_an_arrow_table_are_the_same(self, tmp_path: Path) -> None:
        """Where an indexer has `extract_table`, it gives what its frame becomes."""
        dataset = ZarrDataset.create(tmp_path / "contract.zarr")
        for example in (*self.examples, ArtifactsInMemory()):
            record = example.store(dataset)
            table = extract_as_table(self.indexer, record)
            frame = frame_to_table(self.indexer.extract_rows(record), what="the rows")
            assert table.to_pylist() == frame.to_pylist()
            assert [(one.name, one.type) for one in table.schema] == [(one.name, one.type) for one in frame.schema]

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

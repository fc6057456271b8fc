"""Hostile input ends in one of our errors, without taking the machine's memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hostile import CASES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kymflow_zarr import ZarrDataset
from kymflow_zarr.dataset.manifest import Manifest
from kymflow_zarr.errors import DamagedError, InvalidNameError, KymflowZarrError
from kymflow_zarr.formats.seals import seal_document
from kymflow_zarr.formats.strict_json import from_bytes
from property_tests import examples

MOST_BYTES = 2**30
BAD_NAMES = {
    "a way out": "../x",
    "a way out in the middle": "a/../../x",
    "absolute": "/etc/x",
    "of Windows, absolute": "C:\\x",
    "with a backslash": "a\\b",
    "NUL": "a\0b",
    "empty": "",
    "a dot": ".",
    "two dots": "..",
    "hidden": ".hidden",
    "CON": "CON",
    "con": "con",
    "con with an ending": "con.x",
    "a trailing dot": "a.",
    "a trailing space": "a ",
    "upper case, the twin of a": "A",
    "a right-to-left mark": "a\u200fb",
    "a right-to-left override": "a\u202eb",
    "a combining accent": "a\u0301",
    "5,000 characters": "a" * 5000,
    "97 characters": "a" * 97,
    "a lone surrogate": "a\ud800",
    "half of a byte": "a\udcff",
    "a new line": "a\nb",
    "a stream of NTFS": "a:b",
    "empty parts": "a//b",
}


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory) -> dict[str, dict[str, object]]:
    """How every named case ended, tried in one process of its own."""
    run = subprocess.run(
        [sys.executable, "-W", "error", Path(__file__).with_name("hostile.py"), tmp_path_factory.mktemp("hostile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return {outcome["name"]: outcome for outcome in map(json.loads, run.stdout.splitlines())}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.trials
def test_it_ends_in_one_of_our_errors(outcomes, name):
    assert outcomes[name]["ours"], outcomes[name]["said"]


@pytest.mark.trials
def test_it_never_takes_a_gigabyte(outcomes):
    assert max(outcome["peak"] for outcome in outcomes.values()) < MOST_BYTES


class TestNames:
    @pytest.fixture
    def writers(self, dataset, record):
        """Everything that writes under a name."""
        frame = pd.DataFrame({"image_id": [record.image_id]})
        return [
            lambda name: record.save_json(name, 1),
            lambda name: record.save_df_parquet(name, frame),
            lambda name: record.save_df_csv_gz(name, frame),
            lambda name: record.save_array_artifact(name, np.zeros(2)),
            lambda name: dataset.save_table(name, frame),
            lambda name: dataset.replace_rows(name, {record.image_id: frame}),
        ]

    @pytest.fixture
    def readers(self, dataset, record):
        """Everything that reads or deletes by a name."""
        return [
            record.load_json,
            record.load_df_parquet,
            record.load_df_csv_gz,
            record.load_array_artifact,
            record.open_array_artifact,
            record.delete_analysis,
            record.delete_array_artifact,
            dataset.load_table,
            dataset.record,
            dataset.delete_image,
        ]

    @pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
    def test_a_bad_one_is_refused_wherever_it_is_written(self, writers, tmp_path, tree_picture, name):
        before = tree_picture(tmp_path)
        for write in writers:
            with pytest.raises(InvalidNameError, match="is not allowed: a name has lower-case letters"):
                write(name)
        assert tree_picture(tmp_path) == before

    @pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
    def test_a_bad_one_is_refused_or_not_found_wherever_it_is_read(self, readers, tmp_path, tree_picture, name):
        before = tree_picture(tmp_path)
        for read in readers:
            with pytest.raises(KymflowZarrError):
                read(name)
        assert tree_picture(tmp_path) == before

    @settings(
        max_examples=examples(60),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(name=st.text(st.characters(), max_size=12) | st.text("ab./\\-_:~ \0AB", max_size=10))
    def test_any_is_stored_under_itself_or_refused(self, record, record_folder, name):
        try:
            record.save_json(name, {"a": 1})
        except InvalidNameError:
            return
        assert (record_folder / "analysis" / f"{name}.json").is_file()
        assert record.load_json(name) == {"a": 1}

    @settings(
        max_examples=examples(60),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(name=st.text(max_size=300) | st.text("./\\ab", max_size=2000))
    def test_reading_any_raises_only_ours(self, readers, name):
        for read in readers:
            with pytest.raises(KymflowZarrError):
                read(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ANYTHING = settings(
    max_examples=examples(80),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class TestFuzzedDocuments:
    """Whatever a file says, reading it gives a value or one of our errors."""

    @pytest.fixture
    def held(self, dataset, record):
        """A dataset of one record with a mask and metadata."""
        record.save_array_artifact("mask", np.ones((2, 2), bool))
        record.save_metadata_payload({"a": 1})
        return dataset

    @ANYTHING
    @given(data=st.data())
    def test_of_an_array(self, record, record_folder, data):
        path = record_folder / "data/zarr.json"
        original = path.read_text()
        document = json.loads(original)
        key = data.draw(st.sampled_from(sorted(document)))
        document[key] = data.draw(JSON)
        path.write_text(json.dumps(seal_document(document, holder="attributes")))
        try:
            record.load_array()
        except DamagedError:
            pass
        finally:
            path.write_text(original)

    @ANYTHING
    @given(value=JSON)
    @pytest.mark.parametrize(
        "name",
        [
            "zarr.json",
            "analysis/metadata.json",
            "analysis/history/metadata.00000000.json",
            "analysis_arrays/mask/zarr.json",
        ],
    )
    def test_of_a_record(self, held, name, value):
        path = held.path / "images" / held.list_image_ids()[0] / name
        original = path.read_bytes()
        path.write_text(json.dumps(value))
        record = held.record(held.list_image_ids()[0])
        for read in (record.load_attributes, record.load_revision, record.history, record.list_array_artifacts):
            try:
                read()
            except KymflowZarrError:
                continue
        assert len(held.load_manifest().entries) == 1
        held.verify(deep=True)
        path.write_bytes(original)

    @ANYTHING
    @given(value=JSON)
    def test_of_a_dataset(self, tmp_path, value):
        path = tmp_path / "fuzzed.zarr"
        path.mkdir(exist_ok=True)
        (path / "zarr.json").write_text(json.dumps(value))
        with pytest.raises(KymflowZarrError):
            ZarrDataset(path)

    @ANYTHING
    @given(data=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
    def test_of_json(self, data):
        try:
            from_bytes(data, what="x")
        except DamagedError:
            return

    @ANYTHING
    @given(data=st.data())
    def test_of_a_table(self, record, record_folder, data):
        record.save_df_parquet("report", pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))
        path = record_folder / "analysis/report.parquet"
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            record.load_df_parquet("report")
        except DamagedError:
            return

    @ANYTHING
    @given(data=st.binary(max_size=40))
    def test_of_a_manifest(self, data):
        with pytest.raises(DamagedError):
            Manifest.from_bytes(data, what="x")

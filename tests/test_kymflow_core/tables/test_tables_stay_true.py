"""Whatever happens to a dataset, in whatever order: what is called fresh is true, and a refresh makes everything true."""

import shutil
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from laboratory import (
    NOT_A_REPORT,
    RADON,
    TABLE,
    add_image,
    analyse,
    artifact_path,
    edit_roi,
    index_path,
    rows_by_image,
    stale,
    states,
    stored_rows,
    table_path,
    tamper,
)

from kymflow_core import AcqImage, KymDataset
from kymflow_zarr import Watch, ZarrDataset

NUMBERS = st.integers(0, 5)
MEANS = st.sampled_from([0.25, 0.5, 0.75])


class Laboratory(RuleBasedStateMachine):
    """People, analyses, other programs and two windows work on one dataset."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(mkdtemp())
        self.dataset = ZarrDataset.create(self.top / "lab.zarr")
        for _ in range(2):
            analyse(add_image(self.dataset, 1, 2), 1, 2)
        self.windows = [KymDataset(self.dataset.path) for _ in range(2)]
        self.failed: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    @rule()
    def add(self) -> None:
        if len(self.dataset.list_image_ids()) < 5:
            add_image(self.dataset, 1, 2)

    @rule(number=NUMBERS, roi_ids=st.sampled_from([(), (1,), (1, 2)]), mean=MEANS)
    def analyse(self, number: int, roi_ids: tuple[int, ...], mean: float) -> None:
        record = self._record(number)
        analyse(record, *(roi_id for roi_id in roi_ids if roi_id in AcqImage(record).rois), mean=mean)

    @rule(number=NUMBERS)
    def analyse_badly(self, number: int) -> None:
        self._record(number).save_df_parquet(TABLE, NOT_A_REPORT)

    @rule(number=NUMBERS)
    def damage_an_artifact(self, number: int) -> None:
        artifact_path(self.dataset, self._record(number)).write_bytes(b"no Parquet")

    @rule(number=NUMBERS)
    def delete_an_artifact(self, number: int) -> None:
        artifact_path(self.dataset, self._record(number)).unlink(missing_ok=True)

    @rule(number=NUMBERS, x1=st.integers(8, 10))
    def edit_a_roi(self, number: int, x1: int) -> None:
        record = self._record(number)
        if 1 in AcqImage(record).rois:
            edit_roi(record, 1, x1=x1)

    @rule(number=NUMBERS, name=st.sampled_from("ab"))
    def rename_a_roi(self, number: int, name: str) -> None:
        edit_roi(self._record(number), 2, name=name)

    @rule(number=NUMBERS)
    def delete_a_roi(self, number: int) -> None:
        image = AcqImage(self._record(number))
        if 1 in image.rois:
            image.delete_roi(1)

    @precondition(lambda self: len(self.dataset.list_image_ids()) > 1)
    @rule(number=NUMBERS, by_hand=st.booleans())
    def delete_an_image(self, number: int, by_hand: bool) -> None:
        record = self._record(number)
        if by_hand:
            shutil.rmtree(self.dataset.path / "images" / record.image_id)
        else:
            self.dataset.delete_image(record.image_id)

    @precondition(lambda self: self._has_table())
    @rule(number=NUMBERS)
    def change_the_table_by_pandas(self, number: int) -> None:
        tamper(self.dataset, self._record(number).image_id, by=1.0)

    @precondition(lambda self: self._has_table())
    @rule(number=NUMBERS)
    def save_another_window_s_table(self, number: int) -> None:
        kd = self.windows[number % 2]
        if len(kd.get_table(TABLE)):
            kd.tables[TABLE]["mean_velocity"] += 1.0
        kd.save_table(TABLE)

    @rule()
    def delete_the_index(self) -> None:
        index_path(self.dataset).unlink(missing_ok=True)

    @precondition(lambda self: self._has_table())
    @rule()
    def delete_the_table(self) -> None:
        table_path(self.dataset).unlink()

    @rule(number=NUMBERS)
    def refresh(self, number: int) -> None:
        self._check_after_refresh(self.windows[number % 2])

    @rule(number=NUMBERS, n=st.integers(0, 2))
    def refresh_and_cancel(self, number: int, n: int) -> None:
        done: list[int] = []
        self.windows[number % 2].refresh(
            RADON, watch=Watch(progress=lambda one, *_: done.append(one), is_cancelled=lambda: len(done) >= n)
        )

    @rule(numbers=st.lists(NUMBERS, max_size=3))
    def update_some(self, numbers: list[int]) -> None:
        ids = [self._record(number).image_id for number in numbers]
        self.windows[sum(numbers) % 2].update_images(RADON, ids)

    @rule(number=NUMBERS)
    def rebuild(self, number: int) -> None:
        self.windows[number % 2].rebuild(RADON)

    @invariant()
    def what_is_called_fresh_is_true(self) -> None:
        expected = self._rebuilt()
        rows = stored_rows(self.windows[0]) if self._has_table() else {}
        for kd in self.windows:
            for image_id, state in states(kd).items():
                if state == "fresh":
                    assert rows.get(image_id) == expected.get(image_id)
                if state == "never analysed" and image_id not in stale(kd):
                    assert image_id not in rows

    @invariant()
    def what_is_known_of_the_current_rows_is_true(self) -> None:
        kd = KymDataset(self.dataset.path, mode="r")
        self._check_rows(rows_by_image(kd.current_rows(RADON)))

    @invariant()
    def the_cache_equals_the_file(self) -> None:
        if self._has_table():
            for kd in self.windows:
                pd.testing.assert_frame_equal(kd.get_table(TABLE), ZarrDataset(self.dataset.path).load_table(TABLE))

    def _check_after_refresh(self, kd: KymDataset) -> None:
        report = kd.refresh(RADON)
        assert stale(kd) == set(report.failed)
        assert {image_id: str(state) for image_id, state in report.states.items()} == states(kd)
        self._check_rows(stored_rows(kd))
        assert kd.refresh(RADON).rows == {}

    def _check_rows(self, rows: dict[str, frozenset]) -> None:
        """Compare with a rebuild; an image that fails has old rows, all of them marked, or none."""
        expected = self._rebuilt()
        assert set(rows) <= set(self.dataset.list_image_ids())
        for image_id in self.dataset.list_image_ids():
            if image_id in self.failed:
                assert all(dict(row)["outdated"] for row in rows.get(image_id, ()))
            else:
                assert rows.get(image_id) == expected.get(image_id)

    def _rebuilt(self) -> dict[str, frozenset]:
        """The rows of each image in a table that a copy of the dataset gets from its images alone."""
        copy = self.top / "copy.zarr"
        shutil.copytree(self.dataset.path, copy, ignore=shutil.ignore_patterns(".commits", "tables", "index"))
        kd = KymDataset(copy)
        self.failed = set(kd.rebuild(RADON).failed)
        rows = stored_rows(kd)
        shutil.rmtree(copy)
        return rows

    def _has_table(self) -> bool:
        return table_path(self.dataset).exists()

    def _record(self, number: int):
        ids = self.dataset.list_image_ids()
        return self.dataset.record(ids[number % len(ids)])


@pytest.mark.trials
def test_tables_stay_true_whatever_happens(trials):
    run_state_machine_as_test(
        Laboratory,
        settings=settings(
            max_examples=trials.kills // 5,
            stateful_step_count=12,
            deadline=None,
            phases=[Phase.generate],
            derandomize=trials.kills == 20,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Parts of a record that are gone: needs a person, never sound, and no repair hides it."""

import shutil

import pytest


@pytest.fixture
def saved(dataset, record):
    """A dataset whose record has two revisions, of which the manifest knows."""
    for number in range(2):
        record.save_metadata_payload({"number": number})
    record.save_json("params", {"a": 1})
    dataset.rebuild_manifest()
    return dataset


@pytest.mark.parametrize("manifest", [True, False], ids=["with a manifest", "without"])
def test_a_record_without_its_analysis_folder_is_damaged(saved, record_folder, manifest):
    shutil.rmtree(record_folder / "analysis")
    if not manifest:
        (saved.path / "index/manifest.json.gz").unlink()
    for deep, repair in ((False, False), (True, True), (False, False)):
        report = saved.verify(deep=deep, repair=repair)
        assert (report.exit_code, report.damaged_records) == (2, 1)
    assert "analysis: is missing, with the ROIs, notes and results that were in it" in " ".join(map(str, report.problems))
    assert not (record_folder / "analysis").exists()


def test_a_newest_revision_that_is_gone_is_damage(saved, record_folder):
    (record_folder / "analysis/history/metadata.00000001.json").unlink()
    (record_folder / "analysis/metadata.json").write_bytes(b'{\n  "number": 0\n}\n')
    for repair in (False, True, False):
        report = saved.verify(deep=True, repair=repair)
        assert report.exit_code == 2
        assert "metadata.00000001.json: is gone: the newest save" in str(report.problems[0])


def test_a_newest_revision_that_a_repair_set_aside_is_none_that_is_gone(saved, record, record_folder):
    broken = record_folder / "analysis/history/metadata.00000001.json"
    broken.write_bytes(broken.read_bytes()[:-40])
    assert saved.verify(repair=True).exit_code == 0
    assert saved.verify(deep=True).problems == ()
    assert record.load_metadata_payload() == {"number": 1}

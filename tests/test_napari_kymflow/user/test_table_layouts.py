"""How columns are arranged is remembered; whatever happened to the file, it is never an error to read it."""

import json

import pytest

from napari_kymflow.user import table_layouts
from napari_kymflow.user.table_layouts import TableLayout, load_layout, save_layout

ARRANGED = TableLayout(hidden=("note",), order=("score", "kind", "note"), widths={"kind": 90})


@pytest.fixture(autouse=True)
def layouts(tmp_path, monkeypatch):
    """The file that layouts are kept in, instead of the user's own."""
    path = tmp_path / "config" / "layouts.json"
    monkeypatch.setattr(table_layouts, "layouts_path", lambda: path)
    return path


def test_a_table_that_nobody_arranged_hides_its_id():
    assert load_layout("events") == TableLayout(hidden=("image_id",), order=(), widths={})


def test_a_layout_comes_back():
    save_layout("events", ARRANGED)
    assert load_layout("events") == ARRANGED


def test_tables_do_not_share_layouts():
    save_layout("events", ARRANGED)
    save_layout("radon", TableLayout(hidden=()))
    assert (load_layout("events"), load_layout("radon").hidden) == (ARRANGED, ())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[]", id="a list"),
        pytest.param('{"format": "kymflow_table_layouts", "version": 2, "tables": {}}', id="another version"),
        pytest.param('{"format": "kymflow_table_layouts", "version": 1, "tables": 5}', id="no tables"),
        pytest.param('{"format": "kymflow_table_layouts", "version": 1, "tables": {"events": 5}}', id="no layout"),
        pytest.param(
            '{"format": "kymflow_table_layouts", "version": 1, '
            '"tables": {"events": {"hidden": [5], "order": [], "widths": {}}}}',
            id="a column without a name",
        ),
        pytest.param("\udc80", id="no text"),
    ],
)
def test_a_damaged_file_is_as_good_as_none(layouts, content):
    layouts.parent.mkdir()
    layouts.write_bytes(content.encode(errors="surrogateescape"))
    assert load_layout("events") == TableLayout()
    save_layout("events", ARRANGED)
    assert load_layout("events") == ARRANGED


def test_widths_that_are_none_are_left_out(layouts):
    save_layout("events", TableLayout())
    document = json.loads(layouts.read_text())
    document["tables"]["events"]["widths"] = {"kind": 90, "score": -1, "note": True, "t0_s": "wide"}
    layouts.write_text(json.dumps(document))
    assert load_layout("events").widths == {"kind": 90}


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        pytest.param(["kind", "score", "note"], ["score", "kind", "note"], id="as the user ordered them"),
        pytest.param(["kind", "t0_s", "score"], ["score", "kind", "t0_s"], id="a new one behind its neighbour"),
        pytest.param(["new", "kind", "score"], ["new", "score", "kind"], id="a new one at the front"),
        pytest.param([], [], id="none"),
    ],
)
def test_columns_are_ordered(columns, order):
    assert ARRANGED.ordered(columns) == order


def test_a_change_keeps_what_is_known_of_absent_columns():
    changed = ARRANGED.changed(order=["t0_s", "kind"], hidden={"kind"}, widths={"t0_s": 60})
    assert changed == TableLayout(
        hidden=("kind", "note"), order=("t0_s", "kind", "score", "note"), widths={"kind": 90, "t0_s": 60}
    )


def test_a_layout_that_cannot_be_written_leaves_the_last_one(layouts, monkeypatch):
    save_layout("events", ARRANGED)

    def refuse(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr("os.write", refuse)
    with pytest.raises(OSError, match="disk full"):
        save_layout("events", TableLayout())
    assert (load_layout("events"), [path.name for path in layouts.parent.iterdir()]) == (ARRANGED, [layouts.name])

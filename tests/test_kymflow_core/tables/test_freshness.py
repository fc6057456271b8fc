"""The truth table of freshness, what results state that they were computed from, and what of it changed."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_core.computed_from import Change, ComputedFrom
from kymflow_core.errors import IndexerError
from kymflow_core.headers import AcquisitionHeader
from kymflow_core.roi import MaskROI, RectROI, RoiSet
from kymflow_core.roi.geometry import geometry_changes, roi_geometry
from kymflow_core.tables.freshness import CurrentState, Freshness, Indexed, State, decide

VERSION = "1"
CHANGED, OTHER_CHANGE = ("ROI 2: x1 50 → 61 after the analysis",), ("ROI 3 was deleted after the analysis",)

SEEN = {
    "deleted": None,
    "problem": CurrentState(problem="it cannot be read"),
    "problem, fingerprint": CurrentState(fingerprint="now", problem="it cannot be read", changes=CHANGED),
    "nothing": CurrentState(),
    "nothing, changes": CurrentState(changes=CHANGED),
    "there": CurrentState(fingerprint="now"),
    "there, changes": CurrentState(fingerprint="now", changes=CHANGED),
}
FINGERPRINTS = {"same": "now", "other": "before", "none": ""}
VERSIONS = {"same version": VERSION, "other version": "0"}
ROWS = {"2 rows": 2, "0 rows": 0}
ERRORS = {"no error": "", "error": "it lacks a column"}
CHANGES = {"no changes": (), "same changes": CHANGED, "other changes": OTHER_CHANGE}


def expected(seen: CurrentState | None, indexed: Indexed | None) -> tuple[State, bool]:
    """What FORMAT.md says, without the reasons: written down once more, as one asks the questions."""
    if seen is None:
        return State.DELETED, True
    if seen.problem:
        return State.FAILED, True
    if indexed is None:
        state = State.BEHIND if seen.fingerprint else State.NEVER_ANALYSED
        return (State.OUTDATED if seen.fingerprint and seen.changes else state), True
    is_of_this = indexed.fingerprint == seen.fingerprint and indexed.version == VERSION
    if is_of_this and indexed.error:
        return State.FAILED, True
    is_true = is_of_this and indexed.changes == seen.changes
    if not seen.fingerprint:
        return (State.BEHIND, True) if indexed.n_rows else (State.NEVER_ANALYSED, not is_true)
    if seen.changes:
        return State.OUTDATED, not is_true
    return (State.FRESH, False) if is_true else (State.BEHIND, True)


def every_case():
    for name, seen in SEEN.items():
        yield pytest.param(seen, None, id=f"{name} - not indexed")
        for parts in itertools.product(FINGERPRINTS, VERSIONS, ROWS, ERRORS, CHANGES):
            fingerprint, version, rows, error, changes = parts
            indexed = Indexed(
                fingerprint=FINGERPRINTS[fingerprint],
                version=VERSIONS[version],
                n_rows=ROWS[rows],
                error=ERRORS[error],
                changes=CHANGES[changes],
            )
            yield pytest.param(seen, indexed, id=f"{name} - {', '.join(parts)}")


@pytest.mark.parametrize(("seen", "indexed"), list(every_case()))
def test_the_truth_table(seen, indexed):
    worth = decide(seen, indexed, version=VERSION)
    assert (worth.state, worth.needs_update) == expected(seen, indexed)
    assert worth.n_rows == (indexed.n_rows if indexed else 0)
    assert bool(worth.reason) == (worth.state not in (State.FRESH, State.NEVER_ANALYSED))


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        pytest.param(None, State.DELETED, "the image was deleted", id="deleted"),
        pytest.param(CurrentState(), State.BEHIND, "its results are gone", id="nothing"),
        pytest.param(
            CurrentState(fingerprint="now"),
            State.BEHIND,
            "its rows were changed, or it is not known what they were made from",
            id="there",
        ),
        pytest.param(CurrentState(fingerprint="now", changes=CHANGED), State.OUTDATED, CHANGED[0], id="there, changes"),
    ],
)
def test_rows_of_which_the_index_says_nothing_are_never_fresh(seen, state, reason):
    worth = decide(seen, None, version=VERSION, n_rows=2)
    assert worth == Freshness(state=state, n_rows=2, reason=reason, needs_update=True)


FRESH = Indexed(fingerprint="now", version=VERSION, n_rows=2)
THERE, THERE_CHANGED = CurrentState(fingerprint="now"), CurrentState(fingerprint="now", changes=CHANGED)


@pytest.mark.parametrize(
    ("seen", "indexed", "worth"),
    [
        pytest.param(THERE, FRESH, Freshness(state=State.FRESH, n_rows=2), id="fresh"),
        pytest.param(
            THERE,
            Indexed(fingerprint="now", version=VERSION),
            Freshness(state=State.FRESH, n_rows=0),
            id="fresh with 0 rows",
        ),
        pytest.param(CurrentState(), Indexed(version=VERSION), Freshness(state=State.NEVER_ANALYSED), id="never analysed"),
        pytest.param(
            None,
            FRESH,
            Freshness(state=State.DELETED, n_rows=2, reason="the image was deleted", needs_update=True),
            id="deleted",
        ),
        pytest.param(
            THERE,
            None,
            Freshness(state=State.BEHIND, reason="not in the table yet", needs_update=True),
            id="not in the table",
        ),
        pytest.param(
            CurrentState(fingerprint="newer"),
            FRESH,
            Freshness(state=State.BEHIND, n_rows=2, reason="its results are newer than the table", needs_update=True),
            id="behind",
        ),
        pytest.param(
            THERE,
            Indexed(fingerprint="now", version="0", n_rows=2),
            Freshness(
                state=State.BEHIND,
                n_rows=2,
                reason="the table was made by another version of the program",
                needs_update=True,
            ),
            id="another version",
        ),
        pytest.param(
            CurrentState(),
            FRESH,
            Freshness(state=State.BEHIND, n_rows=2, reason="its results are gone", needs_update=True),
            id="gone",
        ),
        pytest.param(
            THERE_CHANGED,
            FRESH,
            Freshness(state=State.OUTDATED, n_rows=2, reason=CHANGED[0], needs_update=True),
            id="outdated, not marked yet",
        ),
        pytest.param(
            THERE_CHANGED,
            Indexed(fingerprint="now", version=VERSION, n_rows=2, changes=CHANGED),
            Freshness(state=State.OUTDATED, n_rows=2, reason=CHANGED[0], needs_update=False),
            id="outdated, updating does not hide it",
        ),
        pytest.param(
            THERE,
            Indexed(fingerprint="now", version=VERSION, n_rows=2, changes=CHANGED),
            Freshness(
                state=State.BEHIND,
                n_rows=2,
                reason="what was analysed is again as it was",
                needs_update=True,
            ),
            id="edited back",
        ),
        pytest.param(
            THERE,
            Indexed(fingerprint="now", version=VERSION, n_rows=2, error="it lacks a column"),
            Freshness(state=State.FAILED, n_rows=2, reason="it lacks a column", needs_update=True),
            id="failed",
        ),
        pytest.param(
            CurrentState(fingerprint="newer"),
            Indexed(fingerprint="now", version=VERSION, error="it lacks a column"),
            Freshness(state=State.BEHIND, reason="its results are newer than the table", needs_update=True),
            id="failed, and written anew since",
        ),
    ],
)
def test_each_state_says_why(seen, indexed, worth):
    assert decide(seen, indexed, version=VERSION) == worth


def rect(roi_id: int = 2, **changes) -> RectROI:
    return RectROI(**{"roi_id": roi_id, "x0": 10, "x1": 50, "y0": 0, "y1": 60, **changes})


def mask(name: str = "drawn", **changes) -> MaskROI:
    return MaskROI(**{"roi_id": 3, "reference": f"analysis_arrays/{name}", **changes})


def said(*rois, **parameters) -> ComputedFrom:
    return ComputedFrom.of(rois, algorithm="radon", version="2.1", parameters=parameters)


def changes_of(before: ComputedFrom, *rois, **wanted) -> list[str]:
    return [change.what for change in before.changes(RoiSet.of(rois), **wanted)]


TRIANGLE = {"type": "polygon", "vertices": [[0.0, 0.0], [0.0, 5.0], [5.0, 0.0]]}


@pytest.mark.parametrize(
    ("before", "now", "what"),
    [
        pytest.param(rect(), rect(), [], id="the same"),
        pytest.param(rect(), rect(name="new name", note="a note", meta={"color": "#ff0000"}), [], id="renamed"),
        pytest.param(rect(), rect(meta={"mask_ref": "analysis_arrays/m"}), [], id="materialized"),
        pytest.param(rect(), rect(x1=61), ["ROI 2: x1 50 → 61 after the analysis"], id="one bound"),
        pytest.param(rect(), rect(x1=61, y0=1), ["ROI 2: x1 50 → 61, y0 0 → 1 after the analysis"], id="two bounds"),
        pytest.param(rect(), rect(channel=2), ["ROI 2: channel 1 → 2 after the analysis"], id="channel"),
        pytest.param(rect(), rect(z=1), ["ROI 2: z 0 → 1 after the analysis"], id="z"),
        pytest.param(rect(), rect(roi_id=5), ["ROI 2 was deleted after the analysis"], id="deleted"),
        pytest.param(mask(), mask(name="other"), ["ROI 3: another mask after the analysis"], id="mask"),
        pytest.param(
            mask(meta={"shape": TRIANGLE}), mask(), ["ROI 3: another mask after the analysis"], id="drawn, then painted"
        ),
        pytest.param(mask(), mask(roi_id=3), [], id="the same mask"),
        pytest.param(rect(roi_id=3), mask(), ["ROI 3: rect → mask after the analysis"], id="kind"),
    ],
)
def test_what_changed_after_an_analysis_is_said(before, now, what):
    assert changes_of(said(before), now) == what


def test_a_roi_that_was_added_since_changes_nothing():
    assert changes_of(said(rect()), rect(), rect(7)) == []


def test_each_roi_that_changed_is_said_by_its_id():
    found = said(rect(9), rect(2)).changes(RoiSet.of([rect(9, x0=1)]))
    assert found == [
        Change(roi_id=2, what="ROI 2 was deleted after the analysis"),
        Change(roi_id=9, what="ROI 9: x0 10 → 1 after the analysis"),
    ]


def test_a_geometry_that_is_not_known_is_said():
    assert changes_of(ComputedFrom(rois={2: {}}), rect()) == ["ROI 2 was changed after the analysis, before the import"]


@pytest.mark.parametrize(
    ("before", "wanted", "what"),
    [
        pytest.param({"window": 16}, None, [], id="nothing is wanted"),
        pytest.param({"window": 16}, {"window": 16}, [], id="the same"),
        pytest.param({"window": 16}, {"window": 32}, ["parameter window: 16 → 32 after the analysis"], id="changed"),
        pytest.param({}, {"window": 32}, ["parameter window: None → 32 after the analysis"], id="new"),
        pytest.param({"window": 16}, {}, ["parameter window: 16 → None after the analysis"], id="gone"),
    ],
)
def test_a_parameter_that_changed_concerns_all_rois(before, wanted, what):
    found = said(rect(), **before).changes(RoiSet.of([rect()]), parameters=wanted)
    assert found == [Change(roi_id=None, what=one) for one in what]


def header(seconds_per_line: float | None = None, um_per_pixel: float | None = None) -> AcquisitionHeader:
    return AcquisitionHeader(seconds_per_line=seconds_per_line, um_per_pixel=um_per_pixel)


@pytest.mark.parametrize(
    ("before", "now", "what"),
    [
        pytest.param(header(0.002, 0.284), header(0.002, 0.284), [], id="the same"),
        pytest.param(
            header(0.002, 0.284),
            header(0.002, 0.3),
            ["calibration: 0.284 → 0.3 µm per pixel after the analysis"],
            id="pixels",
        ),
        pytest.param(
            header(0.002, 0.284),
            header(0.003, 0.284),
            ["calibration: 0.002 → 0.003 s per line after the analysis"],
            id="lines",
        ),
        pytest.param(
            header(0.002, 0.284),
            header(0.003, 0.3),
            [
                "calibration: 0.284 → 0.3 µm per pixel after the analysis",
                "calibration: 0.002 → 0.003 s per line after the analysis",
            ],
            id="both",
        ),
        pytest.param(
            header(0.002, 0.284),
            header(0.002),
            ["calibration: 0.284 µm per pixel → unknown after the analysis"],
            id="unknown now",
        ),
        pytest.param(header(0.002), header(0.002, 0.284), [], id="unknown at the analysis"),
        pytest.param(header(), header(0.002, 0.284), [], id="an earlier version of the program stated none"),
        pytest.param(header(0.002, 0.284), None, [], id="not compared"),
        pytest.param(header(0.0011699666666666, 0.284), header(35.099 / 30000, 0.284), [], id="rounded in a text file"),
        pytest.param(header(0.002, 0.284), header(0.002, 0.284 * (1 + 5e-7)), [], id="less than a millionth"),
        pytest.param(
            header(0.002, 0.284),
            header(0.002, 0.28400284),
            ["calibration: 0.284 → 0.2840028 µm per pixel after the analysis"],
            id="a little",
        ),
    ],
)
def test_a_calibration_that_changed_concerns_all_rois(before, now, what):
    statement = ComputedFrom.of([rect()], algorithm="radon", calibration=before)
    found = statement.changes(RoiSet.of([rect()]), calibration=now)
    assert found == [Change(roi_id=None, what=one) for one in what]


@pytest.mark.parametrize(
    ("stated", "now", "what"),
    [
        ("aa", "aa", []),
        ("aa", "bb", ["the pixels were replaced after the analysis"]),
        ("", "bb", ["the pixels were replaced after the analysis, or before: it does not say of which pixels it is"]),
        ("aa", "", []),
        ("", "", []),
    ],
)
def test_replaced_pixels_concern_all_rois(stated, now, what):
    found = ComputedFrom(pixels=stated).changes(RoiSet(), pixels=now)
    assert found == [Change(roi_id=None, what=one) for one in what]


def test_what_states_no_calibration_is_written_as_before():
    assert set(said(rect()).to_json()) == {"rois", "algorithm", "version", "parameters", "pixels"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
STATEMENTS = st.builds(
    ComputedFrom,
    rois=st.dictionaries(st.integers(0, 10**9), OBJECTS, max_size=3),
    algorithm=st.text(),
    version=st.text(),
    parameters=OBJECTS,
    pixels=st.text(),
    calibration=st.dictionaries(
        st.sampled_from(["seconds_per_line", "um_per_pixel"]), st.floats(1e-12, 1e12, allow_nan=False), max_size=2
    ),
)


@pytest.mark.slow
@given(STATEMENTS)
def test_a_statement_comes_back_as_it_was(statement):
    assert ComputedFrom.from_json(statement.to_json(), where="here") == statement


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param({"rois": [1]}, "cannot be understood", id="ROIs no object"),
        pytest.param({"parameters": "none"}, "cannot be understood", id="parameters no object"),
        pytest.param({"calibration": 0.2}, "the calibration that it was computed with cannot", id="calibration no object"),
        pytest.param({"calibration": {"um_per_pixel": "0.2"}}, "the calibration that it was", id="calibration no number"),
        pytest.param({"calibration": {"um_per_pixel": 0}}, "the calibration that it was", id="calibration of zero"),
        pytest.param({"algorithm": 3}, "cannot be understood", id="algorithm no text"),
        pytest.param({"rois": {"one": {}}}, "it was computed from a ROI 'one', which is no ROI's id", id="id no number"),
        pytest.param({"rois": {"-1": {}}}, "it was computed from a ROI '-1', which is no ROI's id", id="id negative"),
        pytest.param(
            {"rois": {"1": 3}}, "it was computed from a ROI '1', which is no ROI's id and geometry", id="geometry"
        ),
    ],
)
def test_a_statement_that_cannot_be_understood_is_refused(value, why):
    with pytest.raises(IndexerError, match=f"^here: .*{why}"):
        ComputedFrom.from_json(value, where="here")


def test_a_statement_may_be_short():
    assert ComputedFrom.from_json({}, where="here") == ComputedFrom()


def test_the_geometry_of_a_rectangle_is_where_it_lies():
    assert roi_geometry(rect(name="n", note="n")) == {
        "roi_type": "rect",
        "channel": 1,
        "z": 0,
        "x0": 10,
        "x1": 50,
        "y0": 0,
        "y1": 60,
    }


def test_the_geometry_of_a_mask_is_its_array_and_what_was_drawn():
    assert roi_geometry(mask(meta={"shape": TRIANGLE, "color": "#ff0000"})) == {
        "roi_type": "mask",
        "channel": 1,
        "z": 0,
        "mask_ref": "analysis_arrays/drawn",
        "shape": TRIANGLE,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"x0": 1}, {"x0": 1.0}, id="whole numbers"),
        pytest.param({"shape": {"vertices": ((0, 1),)}}, {"shape": {"vertices": [[0, 1]]}}, id="tuples"),
        pytest.param({}, {"shape": None}, id="null is nothing"),
    ],
)
def test_a_geometry_is_the_same_however_it_was_stored(before, after):
    assert geometry_changes(before, after) == geometry_changes(after, before) == []


@given(OBJECTS, OBJECTS)
def test_a_geometry_has_changes_just_where_it_differs(before, after):
    assert geometry_changes(before, before) == []
    assert bool(geometry_changes(before, after)) == bool(geometry_changes(after, before))

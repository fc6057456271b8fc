"""Episodes of a velocity trace: low, fast and reversed flow, and stretches without evidence. One row each.

The rule of this room: an episode is what differs from the slow course of the same trace; no threshold in mm/s is entered
but the two that tell a stall and a reversal from the noise.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kymflow_core.flow.trace import SPEED_CHANGED, VelocityTrace

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOW = "low"
FAST = "fast"
REVERSED = "reversed"
NO_EVIDENCE = "no evidence"
SIGMAS_PER_MAD = 1.4826
FIRST_BASELINES = 3
"""How many times longer the baseline is at first, so that it is longer than twice a long stall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettings:
    """What counts as an episode.

    Parameters
    ----------
    smooth_s, baseline_s
        Lengths of the running medians: of the velocity, and of the slow course that it is compared with.
    enter_sigmas, leave_sigmas
        How many robust standard deviations an episode must differ at its core, and at its edges.
    low, fast
        The part of the baseline that a low or fast episode must pass at its core; half way to 1 at its edges.
    still_mm_s, still_part
        A low episode is a stall below either of these: a speed, or a part of the baseline; a reversed one must be faster
        backwards than `still_mm_s`.
    shortest_s
        Shorter episodes are left out.
    join_s
        Episodes of one kind with a shorter gap are one.
    no_evidence_s
        Stretches without a velocity that are at least as long are episodes.
    """

    smooth_s: float = 0.12
    baseline_s: float = 5.0
    enter_sigmas: float = 4.0
    leave_sigmas: float = 2.0
    low: float = 0.6
    fast: float = 1.4
    still_mm_s: float = 0.05
    still_part: float = 0.1
    shortest_s: float = 0.05
    join_s: float = 0.05
    no_evidence_s: float = 0.02


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Course:
    """The trace in its main direction: smoothed, its baseline, and how far it is from it in robust standard deviations."""

    step_s: float
    smooth: Doubles
    baseline: Doubles
    sigmas: Doubles


def detect_events(
    trace: VelocityTrace, settings: EventSettings | None = None, *, previous: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the episodes of a trace, ascending in time.

    Parameters
    ----------
    trace
        A trace with a calibration; without one there are no episodes.
    settings
        What counts as an episode.
    previous
        The episodes of an earlier run: an episode of the same kind that overlaps one of them keeps its `event_id`.

    Returns
    -------
    pandas.DataFrame
        `event_id`, `t0_s`, `t1_s` (centres of the first and last window), `kind`, `score` (the largest distance from the
        baseline in robust standard deviations, NaN where there is no evidence), `duration_s`, `extreme_mm_s`,
        `baseline_mm_s` (in the main direction) and `stalled`.

    Notes
    -----
    The baseline is found twice, the second time without the episodes of the first, so that a long stall is not its
    own baseline.
    """
    settings = settings or EventSettings()
    times = trace.frame["time_s"].to_numpy()
    # An episode begins where the speed changes: there the velocity is between the two, and no worse for this purpose.
    used = trace.frame["flag"].isna() | (trace.frame["flag"] == SPEED_CHANGED)
    velocity = trace.frame["velocity_all_mm_s"].where(used).to_numpy()
    rows: list[dict[str, object]] = []
    if len(times) > 1 and np.isfinite(times).all():
        step_s = float(times[1] - times[0])
        if np.isfinite(velocity).any():
            rows += _moving_episodes(times, velocity, step_s, settings)
        empty = _runs(np.isnan(velocity))
        rows += [
            _row(times, first, behind, kind=NO_EVIDENCE)
            for first, behind in empty
            if _lasts(first, behind, step_s, settings)
        ]
    frame = pd.DataFrame(rows, columns=list(_EMPTY)).astype(_EMPTY).sort_values(["t0_s", "kind"], ignore_index=True)
    return frame.assign(event_id=_stable_ids(frame, previous))


_EMPTY = {
    "event_id": "int64",
    "t0_s": "float64",
    "t1_s": "float64",
    "kind": "str",
    "score": "float64",
    "duration_s": "float64",
    "extreme_mm_s": "float64",
    "baseline_mm_s": "float64",
    "stalled": "bool",
}


def running_median(values: Doubles, length: int) -> Doubles:
    """Return the median of `length` values around each one, without those that are NaN; NaN where there are none."""
    rolling = pd.Series(values).rolling(max(1, length // 2 * 2 + 1), center=True, min_periods=1)
    return rolling.median().to_numpy(np.float64)


def _lasts(first: int, behind: int, step_s: float, settings: EventSettings) -> bool:
    return (behind - first) * step_s >= settings.no_evidence_s


def _moving_episodes(times: Doubles, velocity: Doubles, step_s: float, settings: EventSettings) -> list[dict[str, object]]:
    along = velocity * (np.sign(np.nanmedian(velocity)) or 1.0)
    usual = np.ones(len(along), bool)
    found: dict[str, list[tuple[int, int]]] = {}
    for baseline_s in (FIRST_BASELINES * settings.baseline_s, settings.baseline_s):
        course = _course(along, usual, step_s, settings, baseline_s=baseline_s)
        found = {
            kind: [
                run
                for run in _joined(_grown(core, edge), settings.join_s / step_s)
                if (run[1] - run[0]) * step_s >= settings.shortest_s
            ]
            for kind, (core, edge) in _criteria(course, settings).items()
        }
        usual = np.ones(len(along), bool)
        for first, behind in (run for runs in found.values() for run in runs):
            usual[first:behind] = False
    return [
        _measured(_row(times, *run, kind=kind), course, slice(*run), settings)
        for kind, runs in found.items()
        for run in runs
    ]


def _course(along: Doubles, usual: Bools, step_s: float, settings: EventSettings, *, baseline_s: float) -> _Course:
    smooth = running_median(along, int(settings.smooth_s / step_s))
    baseline = running_median(np.where(usual, smooth, np.nan), int(baseline_s / step_s))
    there = np.isfinite(baseline)
    if there.any():
        baseline = np.interp(np.arange(len(baseline)), np.flatnonzero(there), baseline[there])
    distance = smooth - baseline
    of_usual = distance[usual & np.isfinite(distance)]
    if not len(of_usual):
        return _Course(step_s=step_s, smooth=smooth, baseline=baseline, sigmas=np.zeros(len(along)))
    spread = SIGMAS_PER_MAD * float(np.median(np.abs(of_usual - np.median(of_usual))))
    return _Course(step_s=step_s, smooth=smooth, baseline=baseline, sigmas=distance / max(spread, 1e-12))


def _criteria(course: _Course, settings: EventSettings) -> dict[str, tuple[Bools, Bools]]:
    """Return, for each kind, where its cores are, and how far it may grow from them; NaN compares as False."""
    smooth, base, sigmas = course.smooth, course.baseline, course.sigmas
    enter, leave = settings.enter_sigmas, settings.leave_sigmas
    edge_low, edge_fast = 0.5 * (1 + settings.low), 0.5 * (1 + settings.fast)
    forward = smooth >= -settings.still_mm_s
    return {
        LOW: (
            forward & (sigmas < -enter) & (smooth < settings.low * base),
            forward & (sigmas < -leave) & (smooth < edge_low * base),
        ),
        FAST: ((sigmas > enter) & (smooth > settings.fast * base), (sigmas > leave) & (smooth > edge_fast * base)),
        REVERSED: (smooth < -settings.still_mm_s, smooth < 0),
    }


def _runs(mask: Bools) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(first), int(behind)) for first, behind in edges.reshape(-1, 2)]


def _grown(core: Bools, edge: Bools) -> Bools:
    """Return the runs of `core` or `edge` that hold some core."""
    grown = np.zeros(len(core), bool)
    for first, behind in _runs(core | edge):
        grown[first:behind] = core[first:behind].any()
    return grown


def _joined(mask: Bools, gap: float) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, behind in _runs(mask):
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], behind)
        else:
            joined.append((first, behind))
    return joined


def _row(times: Doubles, first: int, behind: int, *, kind: str) -> dict[str, object]:
    start, end = float(times[first]), float(times[behind - 1])
    nothing = float("nan")
    return {
        "event_id": 0,
        "t0_s": start,
        "t1_s": end,
        "kind": kind,
        "score": nothing,
        "duration_s": end - start,
        "extreme_mm_s": nothing,
        "baseline_mm_s": nothing,
        "stalled": False,
    }


def _measured(row: dict[str, object], course: _Course, part: slice, settings: EventSettings) -> dict[str, object]:
    smooth = course.smooth[part]
    extreme = float(np.nanmax(smooth) if row["kind"] == FAST else np.nanmin(smooth))
    baseline = float(course.baseline[(part.start + part.stop) // 2])
    still = extreme < max(settings.still_part * baseline, settings.still_mm_s)
    return row | {
        "score": float(np.nanmax(np.abs(course.sigmas[part]))),
        "extreme_mm_s": extreme,
        "baseline_mm_s": baseline,
        "stalled": bool(row["kind"] == LOW and still),
    }


def _stable_ids(frame: pd.DataFrame, previous: pd.DataFrame | None) -> list[int]:
    """Return the ids of earlier episodes of the same kind that overlap, the longest overlap first; else new numbers."""
    ids = [0] * len(frame)
    highest = 0
    if previous is not None and len(previous):
        highest = int(previous["event_id"].max())
        earlier = list(zip(previous["event_id"].tolist(), *_spans(previous), strict=True))
        pairs = [
            (max(start, first) - min(end, last), place, event_id)
            for place, (kind, start, end) in enumerate(zip(*_spans(frame), strict=True))
            for event_id, kind_then, first, last in earlier
            if kind_then == kind and max(start, first) <= min(end, last)
        ]
        taken: set[int] = set()
        for _, place, event_id in sorted(pairs):
            if not ids[place] and event_id not in taken:
                ids[place] = event_id
                taken.add(event_id)
    for place, event_id in enumerate(ids):
        if not event_id:
            highest += 1
            ids[place] = highest
    return ids


def _spans(frame: pd.DataFrame) -> tuple[list[str], list[float], list[float]]:
    return frame["kind"].tolist(), frame["t0_s"].tolist(), frame["t1_s"].tolist()

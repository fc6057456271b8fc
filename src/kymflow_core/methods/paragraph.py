"""The paragraph for the methods of a paper: what was measured, how, with what, and what was left out and why.

The rule of this room: each number is counted in the dataset, and what is not known is called unknown.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import pandas as pd

from kymflow_core.artifacts import METHOD_COLUMN
from kymflow_core.computed_from import ComputedFrom
from kymflow_core.errors import KymflowError
from kymflow_core.images.metadata import RecordMetadata
from kymflow_core.indexers import RadonReportIndexer, ReviewIndexer, VelocityIndexer
from kymflow_core.reviews.agreement import Agreement, agreements
from kymflow_core.reviews.event import UNREVIEWED
from kymflow_core.tables.extraction import OUTDATED, statements_of
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_core.velocity_schema import METHODS
from kymflow_zarr import JsonValue, ZarrDataset
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import KymflowZarrError, RemoteError

if TYPE_CHECKING:
    from kymflow_core.flow import VelocitySettings

_EVENT = ["image_id", "roi_id", "event_id", "kind", "detected_t0_s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """What is counted in a dataset.

    `subjects` and `vessels` are None where not every measured image names them. `excluded` are images that were left out,
    by reason, `flags` the windows without a velocity, by reason; `settings` the settings with which ROIs were measured,
    each with the number of its ROIs.
    """

    images: int
    measured_images: int
    subjects: int | None
    vessels: int | None
    rois: int
    windows: int
    valid_windows: int
    flags: Mapping[str, int] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    agreement: tuple[Agreement, ...] = ()
    settings: tuple[tuple["VelocitySettings", int], ...] = ()
    versions: tuple[str, ...] = ()


def gather_facts(dataset: ZarrDataset) -> DatasetFacts:
    """Return what is counted in a dataset, from the tables as they would be now; nothing is written."""
    kym = KymDataset(dataset)
    velocity, reviews = kym.current_rows(VelocityIndexer()), kym.current_rows(ReviewIndexer())
    windows = _ours(velocity)
    used = set(windows["image_id"])
    excluded, statements, noted = Counter[str](), list[ComputedFrom](), dict[str, Mapping[str, JsonValue]]()
    for image_id in dataset.list_image_ids():
        try:
            record = dataset.record(image_id)
            metadata = RecordMetadata.load(record)
            statements += statements_of(record, RadonReportIndexer())
        except RemoteError:
            raise
        except (KymflowError, KymflowZarrError) as error:
            excluded[f"could not be read ({error})"] += 1
            continue
        if image_id in used:
            noted[image_id] = metadata.experiment
        else:
            excluded["without a measured ROI"] += 1
        if metadata.accepted is False and image_id in used:
            excluded["not accepted by a person, but measured: leave them out yourself"] += 1
    outdated = windows[windows[OUTDATED]]
    if len(outdated):
        excluded["with results that are outdated; measure them again"] = outdated["image_id"].nunique()
    valid = windows["velocity_mm_s"].notna()
    own = [one for one in statements if one.rois and _settings_of(one) is not None]
    return DatasetFacts(
        images=len(dataset.list_image_ids()),
        measured_images=len(used),
        subjects=_distinct(noted.values(), ("subject_id",)),
        vessels=_distinct(noted.values(), ("subject_id", "vessel_id")),
        rois=len(windows.drop_duplicates(["image_id", "roi_id"])),
        windows=len(windows),
        valid_windows=int(valid.sum()),
        flags=_counts(windows.loc[~valid, "flag"].replace("", "quality below the limit")),
        excluded=dict(excluded),
        events=_counts(reviews[~reviews["unmatched"]].drop_duplicates(_EVENT)["kind"]),
        verdicts={
            str(name): _counts(rows["user_type"])
            for name, rows in reviews[~reviews["unmatched"] & (reviews["user_type"] != UNREVIEWED)].groupby("reviewer")
        },
        agreement=tuple(agreements(reviews[~reviews["unmatched"]])),
        settings=_settings(own),
        versions=tuple(sorted({one.version for one in own})),
    )


def methods_paragraph(facts: DatasetFacts) -> str:
    """Return the paragraph."""
    sentences = [
        f"Line scans were analysed with napari-kymflow {version('napari-kymflow')}"
        + (f" (method version {', '.join(facts.versions)})." if facts.versions else "."),
        *_of_sample(facts),
        *(_of_settings(one, count, several=len(facts.settings) > 1) for one, count in facts.settings),
        *_of_windows(facts),
        *_of_events(facts),
        *_of_exclusions(facts),
    ]
    return " ".join(sentences)


def _of_sample(facts: DatasetFacts) -> list[str]:
    subjects = "an unknown number of animals" if facts.subjects is None else counted(facts.subjects, "animal")
    vessels = "an unknown number of vessels" if facts.vessels is None else counted(facts.vessels, "vessel")
    rois, images = counted(facts.rois, "ROI"), counted(facts.measured_images, "image")
    text = f"Velocities were measured in {rois} of {images}, of {vessels} in {subjects}."
    lacking = [name for name, count in (("subject_id", facts.subjects), ("vessel_id", facts.vessels)) if count is None]
    return [text, f"[Enter {' and '.join(lacking)} for every image to have these numbers.]"] if lacking else [text]


def _of_settings(settings: "VelocitySettings", count: int, *, several: bool) -> str:
    window = f"{1000 * settings.window_s:g} ms, and 12 lines at least"
    window = window if settings.window_lines is None else counted(settings.window_lines, "line")
    step = "a quarter of a window" if settings.step is None else counted(settings.step, "line")
    limit = settings.speed_limit_mm_s
    fastest = "0.8 of the width of the ROI in one line" if limit is None else f"{limit:g} mm/s"
    whose = f"In {counted(count, 'ROI')} the" if several else "The"
    return (
        f"{whose} method was {settings.method!r}, with windows of {window}, each shifted by {step}, speeds up to {fastest}"
        f", and a probability to be right of at least {settings.quality_min:g} for a velocity to be kept."
    )


def _of_windows(facts: DatasetFacts) -> list[str]:
    if not facts.windows:
        return []
    part = 100 * facts.valid_windows / facts.windows
    text = f"Of {facts.windows} windows {facts.valid_windows} ({part:.1f} %) have a velocity"
    return [f"{text}; the others do not: {_listed(facts.flags)}." if facts.flags else f"{text}."]


def _of_events(facts: DatasetFacts) -> list[str]:
    if not facts.events:
        return ["No events were detected."]
    sentences = [f"{counted(sum(facts.events.values()), 'event')} were detected or marked ({_listed(facts.events)})."]
    for number, verdicts in enumerate(facts.verdicts.values(), start=1):
        judged = counted(sum(verdicts.values()), "event")
        sentences.append(f"Reviewer {number} judged {judged} ({_listed(verdicts)}).")
    sentences += [] if facts.verdicts else ["No event was reviewed."]
    names = {name: f"Reviewer {number}" for number, name in enumerate(facts.verdicts, start=1)}
    for one in facts.agreement:
        kappa = f"Cohen's kappa {one.kappa:.2f}" if one.kappa == one.kappa else "Cohen's kappa has no value"
        both = f"{names[one.first]} and {names[one.second].lower()}"
        sentences.append(f"{both} both judged {counted(one.n, 'event')}, {one.n_equal} alike ({kappa}).")
    return sentences


def _of_exclusions(facts: DatasetFacts) -> list[str]:
    left_out = [f"{counted(count, 'image')} {reason}" for reason, count in facts.excluded.items()]
    return [f"Of {counted(facts.images, 'image')} in the dataset: {'; '.join(left_out)}."] if left_out else []


def _ours(velocity: pd.DataFrame) -> pd.DataFrame:
    return velocity[velocity[METHOD_COLUMN].isin(METHODS)]


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(name): int(count) for name, count in sorted(values.value_counts().items(), key=lambda one: str(one[0]))}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _distinct(noted: Iterable[Mapping[str, JsonValue]], keys: tuple[str, ...]) -> int | None:
    found = {tuple(str(one.get(key) or "").strip() for key in keys) for one in noted}
    return None if any("" in one for one in found) or not found else len(found)


def asked_settings_of(statement: ComputedFrom) -> "VelocitySettings":
    """Return the settings that people chose for a result of ours; the dwell time, which each header gives, is no choice.

    Raises
    ------
    ValueError
        When it states none.
    """
    from kymflow_core.images.velocity_of_roi import settings_of

    return replace(settings_of(statement), dwell_s=None)


def _settings_of(statement: ComputedFrom) -> "VelocitySettings | None":
    try:
        return asked_settings_of(statement) if statement.parameters else None
    except ValueError:
        return None


def _settings(statements: Iterable[ComputedFrom]) -> tuple[tuple["VelocitySettings", int], ...]:
    counts = Counter["VelocitySettings"]()
    for one in statements:
        settings = _settings_of(one)
        if settings is not None:
            counts[settings] += len(one.rois)
    return tuple(counts.most_common())

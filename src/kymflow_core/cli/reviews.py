"""The commands for reviews: `reviews` and `merge-reviews`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kymflow_core.cli.output import AsJson, Output, Quiet, fail
from kymflow_core.cli.tables import are_behind, update_tables
from kymflow_core.cli.targets import existing, names_of
from kymflow_zarr.counted import counted

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import ZarrDataset


def reviews(
    dataset: Annotated[Path, typer.Argument(help="The dataset; it is only read.")],
    *,
    list_disagreements: Annotated[
        bool, typer.Option("--disagreements", help="List the events that two reviewers gave different verdicts.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say how far the events are reviewed, by whom, and how far the reviewers agree.

    Example: napari-kymflow reviews lab.zarr --disagreements
    """
    from kymflow_core.indexers import ReviewIndexer
    from kymflow_core.reviews.agreement import agreements, disagreements, reviewers_of
    from kymflow_core.reviews.event import UNREVIEWED
    from kymflow_core.reviews.review import progress_text
    from kymflow_core.tables.kym_dataset import KymDataset
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet)
    with output.running():
        opened = ZarrDataset(dataset, mode="r")
        with output.progress("reading reviews") as watch:
            rows = KymDataset(opened).current_rows(ReviewIndexer(), watch=watch)
        there = rows[~rows["unmatched"]]
        n_events = len(there.drop_duplicates(["image_id", "roi_id", "event_id", "detected_t0_s", "kind"]))
        counts = {
            one: int(((there["reviewer"] == one) & (there["user_type"] != UNREVIEWED)).sum()) for one in reviewers_of(rows)
        }
        for reviewer, count in counts.items():
            output.say(f"{reviewer}: {progress_text(count, n_events)}")
        if not counts:
            output.say(progress_text(0, n_events))
        n_unmatched = int(rows["unmatched"].sum())
        if n_unmatched:
            output.say(f"{counted(n_unmatched, 'verdict')} of events that are no longer detected", "yellow")
        pairs = agreements(rows)
        for pair in pairs:
            output.say(pair.summary())
            if list_disagreements:
                _say_disagreements(opened, disagreements(rows, pair.first, pair.second), pair.first, pair.second, output)
        output.result(
            events=n_events,
            reviewed=counts,
            unmatched=n_unmatched,
            agreement=[
                {
                    "first": one.first,
                    "second": one.second,
                    "events": one.n,
                    "alike": one.n_equal,
                    "kappa": one.kappa if one.kappa == one.kappa else None,  # JSON has no NaN
                }
                for one in pairs
            ],
        )


def merge_reviews_command(
    dataset: Annotated[Path, typer.Argument(help="The copy that gets the verdicts.")],
    other: Annotated[Path, typer.Argument(help="The other copy of the same dataset; it is only read.")],
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Take over the verdicts, events and edges that somebody made in another copy of a dataset.

    Example: napari-kymflow merge-reviews lab.zarr /media/usb/lab.zarr

    Nothing of either copy is lost or counted twice; a second time there is nothing to take over.
    """
    from kymflow_core.reviews.merge import merge_reviews
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet, advice="The same command goes on from there.")
    with output.running():
        into, source = existing(dataset), ZarrDataset(other, mode="r")
        with output.progress("merging", of=" records") as watch:
            report = merge_reviews(into, source, watch=watch)
        names = names_of(into, {*report.added, *report.notes, *report.failed})
        for image_id, count in report.added.items():
            output.say(f"{names[image_id]}: {count} taken over")
        for image_id, notes in report.notes.items():
            for note in notes:
                output.problem(f"{names[image_id]}: {note}", "yellow")
        for image_id in report.missing:
            output.problem(f"{image_id}: this copy has no such record, so its reviews stay in the other one", "yellow")
        for image_id, reason in report.failed.items():
            output.problem(f"{names[image_id]}: nothing taken over: {reason}")
        index_failed = update_tables(into, output, rebuild=False, jobs=1) if report.added and are_behind(into) else False
        output.say(report.summary())
        output.result(added=report.added, notes=report.notes, missing=list(report.missing), failed=report.failed)
        if report.failed or index_failed:
            fail()


def _say_disagreements(dataset: "ZarrDataset", rows: "pd.DataFrame", first: str, second: str, output: Output) -> None:
    names = names_of(dataset, rows["image_id"])
    for row in rows.to_dict("records"):
        where = f"{names[row['image_id']]}, ROI {row['roi_id']}, {row['kind']} at {row['detected_t0_s']:.2f} s"
        output.say(f"  {where}: {first} says {row['first']}, {second} says {row['second']}")

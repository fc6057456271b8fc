"""The command `analyze`: measures the velocity in the ROIs of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kymflow_core.cli.executors import Dask, Jobs, executor_of
from kymflow_core.cli.output import AsJson, Output, Quiet, fail
from kymflow_core.cli.tables import are_behind, update_tables
from kymflow_core.cli.targets import existing, names_of
from kymflow_core.errors import CommandError

if TYPE_CHECKING:
    from kymflow_core.analysis import AnalysisReport
    from kymflow_zarr import ZarrDataset


def analyze(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    *,
    roi: Annotated[
        str,
        typer.Option(metavar="all|full|NAME", help="All ROIs; the whole image, as a ROI of its own; ROIs of this name."),
    ] = "all",
    window_ms: Annotated[float, typer.Option(help="How long a window is, in ms; it has at least 12 lines.")] = 20.0,
    method: Annotated[
        str, typer.Option(help="likelihood; to compare: radon_weighted, radon_variance or piv.")
    ] = "likelihood",
    jobs: Jobs = 1,
    dask: Dask = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure the velocity of cells in every ROI that has no results yet, or outdated ones, and fill the tables.

    Example: napari-kymflow analyze lab.zarr --roi full

    What is fresh is left alone, so the same command goes on after it was stopped, and does nothing where nothing changed.
    """
    from kymflow_core.analysis import analyze_dataset

    output = Output(as_json, quiet, advice="The same command goes on from there.")
    with output.running():
        # scipy is loaded only where a velocity is measured.
        from kymflow_core.flow import VelocitySettings

        opened = existing(dataset)
        try:
            settings = VelocitySettings(method=method, window_s=window_ms / 1000)  # type: ignore[arg-type]  # checked there
        except ValueError as error:
            raise CommandError(str(error)) from error
        with executor_of(jobs, dask) as executor, output.progress("measuring", of=" images") as watch:
            report = analyze_dataset(opened, rois=roi, settings=settings, executor=executor, watch=watch)
        _say(opened, report, roi, output)
        is_wanted = report.n_measured > 0 or are_behind(opened)
        index_failed = update_tables(opened, output, rebuild=False, jobs=1) if is_wanted else False
        output.say(report.summary())
        if report.n_failed or index_failed:
            fail()


def _say(dataset: "ZarrDataset", report: "AnalysisReport", roi: str, output: Output) -> None:
    from kymflow_core.analysis import ALL

    names = names_of(dataset, (one.image_id for one in report.records))
    for record in sorted(report.records, key=lambda one: names[one.image_id]):
        name = names[record.image_id]
        for line in record.measured.values():
            output.say(f"{name}: {line}")
        for roi_id, reason in record.failed.items():
            output.problem(f"{name}: ROI {roi_id}: not measured: {reason}")
        if record.error:
            output.problem(f"{name}: not measured: {record.error}")
        if record.has_no_roi:
            what = "no ROI; --roi full measures the whole image" if roi == ALL else f"no ROI named {roi!r}"
            output.say(f"{name}: {what}", "yellow")
    output.result(
        measured={one.image_id: {str(key): line for key, line in one.measured.items()} for one in report.records},
        fresh={one.image_id: list(one.fresh) for one in report.records},
        failed={
            one.image_id: {"": one.error} if one.error else {str(key): why for key, why in one.failed.items()}
            for one in report.records
            if one.error or one.failed
        },
    )

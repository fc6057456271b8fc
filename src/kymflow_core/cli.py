"""The command line, without the window: `import`, `index`, `info`, `verify`, `upgrade`. The plugin adds `demo` and `open`.

The rule of this room: it prints and sets exit codes; what it does stands elsewhere. Exit codes: 0 done, 1 something failed
and is said, 2 the call is wrong (Typer's own). `verify`: 0 sound, 1 can be repaired, 2 damaged.
"""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kymflow_core.acquisition_file import read_acquisition_file
from kymflow_core.errors import KymflowError
from kymflow_core.freshness import State
from kymflow_core.indexers import INDEXERS, find_indexers
from kymflow_core.kym_dataset import KymDataset
from kymflow_zarr import ImportReport, ZarrDataset
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.upgrade import upgrade_dataset

DAMAGED = 2
app = typer.Typer(
    name="napari-kymflow",
    help="Kymographs of a laboratory in one dataset: import TIFFs, make tables, look at them in napari.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _quiet_libraries() -> None:
    """Keep tifffile's own log lines off the terminal: what they say is in our message."""
    logging.getLogger("tifffile").addHandler(logging.NullHandler())


@app.command(name="import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="The folder with the TIFF files; subfolders are searched too.")],
    dataset: Annotated[Path, typer.Argument(help="The dataset, such as lab.zarr; made if it is not there.")],
    pattern: Annotated[list[str], typer.Option(help="Which files, such as 'kym_*.tif'. May be given again.")] = [  # noqa: B006
        "*.tif",
        "*.tiff",
    ],
) -> None:
    """Import TIFFs with their headers, ROIs and results, and fill the tables.

    Example: napari-kymflow import /data/2025-07 lab.zarr

    Files that were imported before are skipped, so the same command brings in what is new.
    """
    with errors_shown(), _progress_bar() as bar:
        task = bar.add_task("looking for files", total=None)
        target = ZarrDataset(dataset)
        report = target.import_folder(
            folder,
            patterns=pattern,
            read_file=read_acquisition_file,
            progress=lambda done, total, name: bar.update(task, completed=done, total=total, description=escape(name)),
        )
        total = len(report.imported) + len(report.skipped) + len(report.failed)
        bar.update(task, completed=total, total=total, description="done")
    with errors_shown():
        index_failed = _index(target, rebuild=False, jobs=1) if report.imported else False
    _print_report(report)
    if report.failed or index_failed:
        raise typer.Exit(1)


@app.command()
def index(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    *,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make all rows again, also those that are fresh.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="How many processes read images at once.")] = 1,
) -> None:
    """Bring the tables up to date: make the rows again of the images whose results are not those in the tables.

    Example: napari-kymflow index lab.zarr
    """
    with errors_shown():
        failed = _index(_existing(dataset), rebuild=rebuild, jobs=jobs)
    if failed:
        raise typer.Exit(1)


@app.command()
def info(dataset: Annotated[Path, typer.Argument(help="The dataset.")]) -> None:
    """Say what a dataset holds, and whether it is sound.

    Example: napari-kymflow info lab.zarr
    """
    with errors_shown():
        opened = ZarrDataset(dataset, mode="r")
        console = Console()
        console.print(f"{escape(str(dataset))}: {opened.load_manifest().summary()}", highlight=False, soft_wrap=True)
        if opened.attributes.is_older:
            console.print(
                "  written by the older program: read only; copy it with: napari-kymflow upgrade OLD.zarr NEW.zarr"
            )
        for name in opened.list_table_names():
            console.print(f"  table {name}: {_rows(opened, name)}{_not_fresh(opened, name)}", highlight=False)
        problems = opened.validate()
    for problem in problems:
        Console(stderr=True).print(f"[red]{escape(str(problem))}[/red]", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def verify(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte, pixels too, and compare every checksum.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Make whole again what can be; nothing is deleted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for scripts.")] = False,
) -> None:
    """Look for what a crash or a bad disk left behind.

    Example: napari-kymflow verify lab.zarr --deep

    Ends with 0 where the dataset is sound, 1 where --repair can make it so, 2 where something is damaged that only a backup
    has. What --repair sets aside is in the folder .quarantine of the dataset.
    """
    try:
        with _progress_bar(hidden=as_json) as bar:
            task = bar.add_task("looking at records", total=None)
            report = KymDataset(ZarrDataset(dataset, mode="a" if repair else "r")).verify(
                deep=deep, repair=repair, progress=lambda done, total: bar.update(task, completed=done, total=total)
            )
            bar.update(task, completed=report.records, total=report.records, description="done")
    except (KymflowError, KymflowZarrError, OSError) as error:
        failure = {"exit_code": DAMAGED, "error": str(error)}
        typer.echo(json.dumps(failure) if as_json else str(error), err=not as_json)
        raise typer.Exit(DAMAGED) from error
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
        raise typer.Exit(report.exit_code)
    for problem in report.problems:
        color = "green" if problem.repaired else "yellow" if problem.state == "repairable" else "red"
        Console().print(f"[{color}]{escape(str(problem))}[/{color}]", highlight=False, soft_wrap=True)
    Console().print(report.summary(), highlight=False, soft_wrap=True)
    raise typer.Exit(report.exit_code)


@app.command()
def upgrade(
    old: Annotated[Path, typer.Argument(help="A dataset of the older program; it is only read.")],
    new: Annotated[Path, typer.Argument(help="Where the copy in the new format is to be, such as lab.zarr.")],
) -> None:
    """Copy a dataset of the older program into the new format, with nothing lost.

    Example: napari-kymflow upgrade old.zarr lab.zarr

    The copy is compared with the original before it appears. The original stays as it is.
    """
    with errors_shown(), _progress_bar() as bar:
        task = bar.add_task("copying records", total=None)
        report = upgrade_dataset(old, new, progress=lambda done, total: bar.update(task, completed=done, total=total))
        bar.update(task, completed=report.records, total=report.records, description="done")
    Console().print(report.summary(), highlight=False, soft_wrap=True)


def _rows(dataset: ZarrDataset, name: str) -> str:
    try:
        return f"{len(dataset.load_table(name))} rows"
    except KymflowZarrError:
        return "damaged, see below"


def _existing(path: Path) -> ZarrDataset:
    ZarrDataset(path, mode="r")
    return ZarrDataset(path)


def _not_fresh(dataset: ZarrDataset, name: str) -> str:
    """Return how many images' rows are not fresh, such as " (1 outdated, 3 never analysed)"; empty where all are."""
    if dataset.attributes.is_older:
        return ""
    for indexer in INDEXERS:
        if indexer.table_name == name:
            counts = KymDataset(dataset).freshness(indexer)["state"].value_counts()
            found = [f"{count} {state}" for state, count in sorted(counts.items()) if state != State.FRESH]
            return f" ({', '.join(found)})" if found else ""
    return ""


def _index(dataset: ZarrDataset, *, rebuild: bool, jobs: int) -> bool:
    """Bring every table up to date, print what happened, and return whether an image failed."""
    tables, found = KymDataset(dataset), find_indexers(INDEXERS)
    for problem in found.problems:
        Console(stderr=True).print(f"[yellow]{escape(problem)}[/yellow]", highlight=False, soft_wrap=True)
    reports = []
    with _processes(jobs) as executor, _progress_bar(hidden=not Console().is_terminal) as bar:
        for indexer in found.indexers:
            task = bar.add_task(indexer.table_name, total=None)
            run = tables.rebuild if rebuild else tables.refresh
            reports.append(run(indexer, progress=partial(_show_progress, bar, task), executor=executor))
            bar.update(task, completed=1, total=1)
    for report in reports:
        Console().print(report.summary(), highlight=False)
        for image_id, reason in report.failed.items():
            Console(stderr=True).print(f"[red]{escape(f'{image_id}: {reason}')}[/red]", highlight=False, soft_wrap=True)
    return any(report.failed for report in reports)


@contextmanager
def _processes(jobs: int) -> Iterator[Executor | None]:
    """Give an executor of so many processes; None for one, which is this one."""
    if jobs == 1:
        yield None
        return
    # Not forked: zarr's and pyarrow's threads do not survive that.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield pool


def _show_progress(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _print_report(report: ImportReport) -> None:
    console, errors = Console(), Console(stderr=True)
    for file in report.imported:
        for note in file.notes:
            console.print(f"[yellow]{escape(f'{file.path.name}: {note}')}[/yellow]", highlight=False, soft_wrap=True)
    for failure in report.failed:
        reason = failure.reason if str(failure.path) in failure.reason else f"{failure.path}: {failure.reason}"
        errors.print(f"[red]not imported: {escape(reason)}[/red]", highlight=False, soft_wrap=True)
    console.print(report.summary(), highlight=False)


@contextmanager
def errors_shown() -> Iterator[None]:
    """Print one of our errors as one sentence and end with exit code 1."""
    try:
        yield
    except (KymflowError, KymflowZarrError) as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


@contextmanager
def _progress_bar(*, hidden: bool = False) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(), disable=hidden)
    if hidden:  # never begun: older versions of rich print an empty line at the end also of a hidden one
        yield bar
        return
    with bar:
        yield bar

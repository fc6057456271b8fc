"""The commands that look at a dataset: `info` and `verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kymflow_core.cli.executors import Dask, Jobs, executor_of
from kymflow_core.cli.output import AsJson, Color, Output, Quiet, fail
from kymflow_core.tables.freshness import State
from kymflow_zarr.counted import counted
from kymflow_zarr.errors import KymflowZarrError, RemoteError

if TYPE_CHECKING:
    from kymflow_zarr import ManifestEntry, ZarrDataset


DAMAGED = 2
_COLORS: dict[str, Color] = {"repairable": "yellow"}


def info(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")], *, as_json: AsJson = False, quiet: Quiet = False
) -> None:
    """Say what a dataset holds, and which records and tables do not open; `verify` looks for all other damage.

    Example: napari-kymflow info lab.zarr
    """
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet)
    with output.running():
        opened = ZarrDataset(dataset, mode="r")
        manifest = opened.load_manifest()
        output.say(f"{opened.location if opened.is_remote else dataset}: {manifest.summary()}")
        problems = [_named(entry) for entry in manifest.damaged]
        tables: dict[str, int | None] = {}
        states = _not_fresh(opened)
        for name in opened.list_table_names():
            tables[name], what = _describe_table(opened, name, states.get(name, ""))
            output.say(f"  table {name}: {what if tables[name] is not None else 'damaged, see below'}")
            problems += [] if tables[name] is not None else [f"table {name}: {what}"]
        output.result(
            path=opened.location,
            dataset_id=opened.dataset_id,
            records=len(manifest.entries),
            tables=tables,
            problems=problems,
        )
        for problem in problems:
            output.problem(problem)
        if problems:
            fail()


def verify(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte, pixels too, and compare every checksum.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Make whole again what can be; nothing is deleted.")] = False,
    jobs: Jobs = 1,
    dask: Dask = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Look for what a crash or a bad disk left behind.

    Example: napari-kymflow verify lab.zarr --deep

    Ends with 0 where the dataset is sound, 1 where --repair can make it so, 2 where something is damaged that only a backup
    has. A repair works on one record after another. What --repair sets aside is in the folder .quarantine of the dataset.
    """
    from kymflow_core.tables.kym_dataset import KymDataset
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet, failed_code=DAMAGED, advice="What was repaired by then stays.")
    with output.running():
        opened = ZarrDataset(dataset, mode="a" if repair else "r")
        with executor_of(jobs, dask) as executor, output.progress("looking at records") as watch:
            report = KymDataset(opened).verify(deep=deep, repair=repair, watch=watch, executor=executor)
        output.result(**report.to_json())
        for problem in report.problems:
            output.say(str(problem), "green" if problem.repaired else _COLORS.get(problem.state, "red"))
        for note in report.notes:
            output.say(note, "yellow")
        output.say(report.summary())
        if report.exit_code:
            fail(report.exit_code)


def _named(entry: "ManifestEntry") -> str:
    """Return why a record does not open, with its id."""
    problem = entry.problem or ""
    return problem if entry.image_id in problem else f"{entry.image_id}: {problem}"


def _describe_table(dataset: "ZarrDataset", name: str, not_fresh: str) -> tuple[int | None, str]:
    """Return how many rows a table has, and that as text with what is not fresh; None, and why, where it does not open."""
    try:
        rows = dataset.count_table_rows(name)
        return rows, f"{counted(rows, 'row')}{not_fresh}"
    except RemoteError:
        raise
    except (KymflowZarrError, OSError) as error:
        return None, str(error)


def _not_fresh(dataset: "ZarrDataset") -> dict[str, str]:
    """Return by table how many images' rows are not fresh, as " (1 outdated, 3 never analysed)"; empty where all are."""
    from kymflow_core.indexers import INDEXERS
    from kymflow_core.tables.kym_dataset import KymDataset

    names = dataset.list_table_names()
    ours = [indexer for indexer in INDEXERS if indexer.table_name in names]
    texts = {}
    for indexer, counts in zip(ours, KymDataset(dataset).count_states(ours) if ours else [], strict=True):
        found = [f"{count} {state}" for state, count in sorted(counts.items()) if state != State.FRESH]
        texts[indexer.table_name] = f" ({', '.join(found)})" if found else ""
    return texts

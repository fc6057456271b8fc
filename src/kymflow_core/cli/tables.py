"""The commands for tables: `index`, `freshness`, `tables`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kymflow_core.cli.executors import Dask, Jobs, executor_of
from kymflow_core.cli.output import AsJson, Output, Quiet, fail
from kymflow_core.cli.targets import existing, names_of
from kymflow_core.errors import CommandError
from kymflow_core.tables.freshness import State
from kymflow_zarr.counted import counted
from kymflow_zarr.disk.local_file import saving_file
from kymflow_zarr.errors import DamagedError, KymflowZarrError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import ZarrDataset


_MOST_ROWS = 20


def index(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make all rows again, fresh ones too, and the OME-Zarr metadata.")
    ] = False,
    jobs: Jobs = 1,
    dask: Dask = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring the tables up to date: make the rows again of the images whose results are not those in the tables.

    Example: napari-kymflow index lab.zarr
    """
    from kymflow_core.images.ome_metadata import rebuild_ome

    output = Output(as_json, quiet, advice="The same command goes on from there.")
    with output.running():
        opened = existing(dataset)
        failed = update_tables(opened, output, rebuild=rebuild, jobs=jobs, dask=dask)
        for image_id, reason in (rebuild_ome(opened) if rebuild else {}).items():
            output.problem(f"{image_id}: no OME-Zarr metadata: {reason}", "yellow")
        if failed:
            fail()


def freshness(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    table: Annotated[str | None, typer.Argument(help="One table; by default all.")] = None,
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say of every image whether its rows in the tables are true, and why not. Nothing is written.

    Example: napari-kymflow freshness lab.zarr radon_report

    Ends with 1 where an index would change something.
    """
    from kymflow_core.indexers import INDEXERS, find_indexers
    from kymflow_core.tables.kym_dataset import KymDataset
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet)
    with output.running():
        opened = ZarrDataset(dataset, mode="r")
        known = [one for one in find_indexers(INDEXERS).indexers if table in (None, one.table_name)]
        if not known:
            there = ", ".join(one.table_name for one in find_indexers(INDEXERS).indexers)
            raise CommandError(f"no indexer fills a table named {table!r}; there are {there}")
        stale = 0
        found: dict[str, object] = {}
        output.result(tables=found)
        for indexer in known:
            frame = KymDataset(opened).freshness(indexer)
            counts = frame["state"].value_counts()
            output.say(f"{indexer.table_name}: {', '.join(f'{counts[state]} {state}' for state in sorted(counts.index))}")
            others = frame[frame["state"] != State.FRESH]
            names = names_of(opened, others["image_id"])
            for row in others.to_dict("records"):
                reason = f": {row['reason']}" if row["reason"] else ""
                output.say(f"  {names[row['image_id']]}: {row['state']}{reason}")
            stale += int(frame["needs_update"].sum())
            found[indexer.table_name] = frame.to_dict("records")
        if stale:
            output.say("An index would bring these up to date: napari-kymflow index", "yellow")
            fail()


def tables(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    name: Annotated[str | None, typer.Argument(help="A table, to see its rows; by default all are listed.")] = None,
    *,
    save: Annotated[Path | None, typer.Option(help="Write the table to this .csv or .parquet file.")] = None,
    titles: Annotated[bool, typer.Option("--titles", help="Write titles with units above the columns of a .csv.")] = False,
    rows: Annotated[int, typer.Option(min=1, help="How many rows are printed.")] = _MOST_ROWS,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the tables, print one, or save it for Excel.

    Example: napari-kymflow tables lab.zarr radon_report --save radon.csv
    """
    from kymflow_core.columns import with_titles
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet)
    with output.running():
        opened = ZarrDataset(dataset, mode="r")
        if name is None:
            _list_tables(opened, output)
            return
        frame = opened.load_table(name)
        if save is not None:
            _save(with_titles(frame) if titles and save.suffix == ".csv" else frame, save)
            output.say(f"Wrote {counted(len(frame), 'row')} to {save}")
            output.result(rows=len(frame), saved=str(save))
            return
        output.result(rows=len(frame), table=_records(frame))
        shown = _with_names(opened, frame.head(rows))
        lines = shown.to_string(index=False, max_colwidth=40).splitlines()
        output.say("\n".join(line.rstrip() for line in lines))
        if len(frame) > rows:
            output.say(f"… and {counted(len(frame) - rows, 'more row')}; --rows shows more, --save writes all")


def _with_names(dataset: "ZarrDataset", frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return rows with what a person calls an image instead of its id; tables of other programs may have no ids."""
    from kymflow_core.tables.extraction import OUTDATED
    from kymflow_zarr.tables.table_files import IMAGE_ID

    if IMAGE_ID not in frame.columns:
        return frame
    names = names_of(dataset, (one for one in frame[IMAGE_ID] if isinstance(one, str)))
    shown = frame.assign(**{IMAGE_ID: [names.get(one, one) for one in frame[IMAGE_ID]]})
    # Which of the further columns come first depends on which image came first; the mark is looked for at the end.
    shown = shown[sorted(shown.columns, key=lambda name: name == OUTDATED)]
    return shown if "image" in frame.columns else shown.rename(columns={IMAGE_ID: "image"})


def _list_tables(dataset: "ZarrDataset", output: Output) -> None:
    found: dict[str, object] = {}
    output.result(tables=found)
    unreadable = False
    for name in dataset.list_table_names():
        try:
            frame = dataset.load_table(name)
        except (KymflowZarrError, OSError) as error:
            output.problem(f"{name}: {error}")
            unreadable = True
            continue
        output.say(f"{name}: {counted(len(frame), 'row')}, {counted(len(frame.columns), 'column')}")
        found[name] = {"rows": len(frame), "columns": [str(column) for column in frame.columns]}
    if unreadable:
        fail()


def are_behind(dataset: "ZarrDataset") -> bool:
    """Return whether a table lacks what an index would give it; what failed before fails again, and is no reason."""
    from kymflow_core.indexers import INDEXERS, find_indexers
    from kymflow_core.tables.kym_dataset import KymDataset

    kym = KymDataset(dataset)
    looks = (kym.freshness(indexer) for indexer in find_indexers(INDEXERS).indexers)
    try:
        return any(bool((look["needs_update"] & (look["state"] != State.FAILED)).any()) for look in looks)
    except (DamagedError, OSError):  # who brings them up to date names it
        return True


def update_tables(dataset: "ZarrDataset", output: Output, *, rebuild: bool, jobs: int, dask: str | None = None) -> bool:
    """Bring every table up to date, print what was done, and return whether an image failed."""
    from kymflow_core.indexers import INDEXERS, find_indexers
    from kymflow_core.tables.kym_dataset import KymDataset

    kym, found = KymDataset(dataset), find_indexers(INDEXERS)
    for problem in found.problems:
        output.problem(problem, "yellow")
    run = kym.rebuild_tables if rebuild else kym.refresh_tables
    with executor_of(jobs, dask) as executor, output.progress("tables", of=" images") as watch:
        done = run(found.indexers, watch=watch, executor=executor)
    reports, unusable = done.reports, {name: str(error) for name, error in done.unusable.items()}
    for report in reports:
        output.say(report.summary())
        for image_id, reason in report.failed.items():
            output.problem(f"{image_id}: {reason}")
    for name, reason in unusable.items():
        output.problem(f"{name}: {reason}")
    output.result(
        unusable=unusable,
        tables={
            report.table_name: {
                "rows": sum(report.rows.values()),
                "images": len(report.rows),
                "removed": len(report.removed),
                "failed": dict(report.failed),
                "states": {str(state): count for state, count in report.counts.items()},
            }
            for report in reports
        },
        left_out=list(found.problems),
    )
    return bool(unusable) or any(report.failed for report in reports)


def _save(frame: "pd.DataFrame", path: Path) -> None:
    from kymflow_zarr.formats.csv import frame_to_excel_csv
    from kymflow_zarr.formats.frames import frame_to_parquet
    from kymflow_zarr.tables.table_files import IMAGE_ID

    if path.suffix not in (".csv", ".parquet"):
        raise CommandError(f"{path} ends in neither .csv nor .parquet; give a name that does")
    try:
        if path.exists():
            raise CommandError(f"there is something at {path} already; give another name")
        with saving_file(path) as temporary:
            if path.suffix == ".csv":
                temporary.write_bytes(frame_to_excel_csv(frame))
            else:
                grouped_by = IMAGE_ID if IMAGE_ID in frame.columns else None
                temporary.write_bytes(frame_to_parquet(frame, what=str(path), grouped_by=grouped_by))
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written ({error.strerror or error}); choose another folder, or another name"
        ) from error


def _records(frame: "pd.DataFrame") -> list[dict[str, object]]:
    """Return rows as a script reads them: missing values, and numbers that JSON does not have, are null."""
    return [{str(name): _plain(item) for name, item in row.items()} for row in frame.to_dict("records")]


def _plain(item: object) -> object:
    import numpy as np
    import pandas as pd

    if isinstance(item, np.ndarray):  # of a column of lists, which other programs may have
        return _plain(item.tolist())
    if isinstance(item, list):
        return [_plain(one) for one in item]
    if isinstance(item, dict):
        return {str(name): _plain(one) for name, one in item.items()}
    if isinstance(item, float):
        return item if math.isfinite(item) else None
    return None if item is pd.NA or item is pd.NaT else item

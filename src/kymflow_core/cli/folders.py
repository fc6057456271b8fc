"""The commands that move images: `import`, `refresh`, `export`, `upgrade`."""

from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kymflow_core.cli.executors import Dask, executor_of, processes
from kymflow_core.cli.executors import Jobs as Processes
from kymflow_core.cli.output import AsJson, Output, Quiet, fail
from kymflow_core.cli.tables import are_behind, update_tables
from kymflow_core.cli.targets import existing, source_folder
from kymflow_core.errors import CommandError

if TYPE_CHECKING:
    from kymflow_core.folder_names import FolderNames, FolderPattern
    from kymflow_zarr import ImportPlan, ImportReport, ZarrDataset


Pattern = Annotated[list[str], typer.Option(help="Which files, such as 'kym_*.tif'; by default all that are read.")]
Reread = Annotated[bool, typer.Option("--reread-changed", help="Read files again whose content has changed.")]
Relink = Annotated[bool, typer.Option("--relink", help="Note where files are now that have moved.")]
Merge = Annotated[bool, typer.Option("--merge-channels", help="Make one record of scan_C1.tif and scan_C2.tif.")]
Complete = Annotated[
    bool,
    typer.Option("--complete", help="Add headers, ROIs and results to records that were imported without them."),
]
FolderNamesOption = Annotated[
    str | None,
    typer.Option(
        "--folder-names",
        metavar="PATTERN",
        help="Enter what the folders below FOLDER are called, as '{subject_id}/{vessel_id}', where records have nothing.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=4,
        help="How many files are read at once; by default one more than processors, and of an exported folder one.",
    ),
]
_AGAIN = "The same command goes on from there."


def import_command(
    folder: Annotated[
        Path, typer.Argument(help="The folder with image files, with its subfolders; an exported one; an OME-Zarr image.")
    ],
    dataset: Annotated[Path, typer.Argument(help="The dataset, such as lab.zarr; made if it is not there.")],
    *,
    pattern: Pattern = [],  # noqa: B006  # Typer copies it
    reread_changed: Reread = False,
    relink: Relink = False,
    merge_channels: Merge = False,
    complete: Complete = False,
    folder_names: FolderNamesOption = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Import TIFFs and other image files with their headers, ROIs and results, and fill the tables.

    Example: napari-kymflow import /data/2025-07 lab.zarr

    Files that were imported before are skipped, so the same command brings in what is new, and does nothing where there is
    nothing new. A folder that was exported comes back as the records that it was made of.
    """
    from kymflow_core.folder_names import FolderPattern
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet, advice=_AGAIN)
    with output.running():
        plan = _plan(pattern, reread_changed, relink, merge_channels, complete)
        names = FolderPattern(text=folder_names) if folder_names is not None else None
        _import(ZarrDataset(dataset), folder, plan, output, names=names, jobs=jobs)


def refresh(
    dataset: Annotated[Path, typer.Argument(help="The dataset.")],
    folder: Annotated[
        Path | None, typer.Argument(help="The folder to look in; by default the one that has all files of the dataset.")
    ] = None,
    *,
    pattern: Pattern = [],  # noqa: B006  # Typer copies it
    reread_changed: Reread = False,
    relink: Relink = False,
    merge_channels: Merge = False,
    complete: Complete = False,
    folder_names: FolderNamesOption = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Import what is new in the dataset's own folder, and bring the tables up to date.

    Example: napari-kymflow refresh lab.zarr --reread-changed
    """
    from kymflow_core.folder_names import FolderPattern

    output = Output(as_json, quiet, advice=_AGAIN)
    with output.running():
        target = existing(dataset)
        where = folder or source_folder(target)
        output.say(f"Looking in {where}")
        plan = _plan(pattern, reread_changed, relink, merge_channels, complete)
        names = FolderPattern(text=folder_names) if folder_names is not None else None
        _import(target, where, plan, output, names=names, jobs=jobs, index=True)


def export(
    dataset: Annotated[Path, typer.Argument(help="The dataset; it is only read.")],
    folder: Annotated[Path, typer.Argument(help="The new folder.")],
    *,
    tiff: Annotated[bool, typer.Option("--tiff/--no-tiff", help="Whether pixels are written.")] = True,
    tables: Annotated[bool, typer.Option("--tables/--no-tables", help="Whether tables over all images are.")] = True,
    friendly_names: Annotated[bool, typer.Option("--friendly-names", help="Name folders for the files.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that has other files.")] = False,
    nwb: Annotated[bool, typer.Option("--nwb", help="Write one NWB file a record, and nothing else.")] = False,
    jobs: Processes = 1,
    dask: Dask = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a dataset as a folder of TIFFs, JSON, CSV and Parquet, from which the same dataset can be imported.

    Example: napari-kymflow export lab.zarr exported --friendly-names

    With --nwb, as NWB files to publish, each with the line scan, the ROIs and the velocity series of one record.
    """
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet, advice="A new folder is not there; of one that was written into, some files are.")
    with output.running():
        opened = ZarrDataset(dataset, mode="r")
        if nwb:
            if jobs > 1 or dask is not None:
                raise CommandError("--nwb writes one file after another; leave --jobs and --dask out")
            _export_nwb(opened, folder, output, overwrite=overwrite)
            return
        with executor_of(jobs, dask) as executor, output.progress("exporting") as watch:
            report = opened.export_legacy_folder(
                folder,
                include_tiff=tiff,
                include_tables=tables,
                friendly_names=friendly_names,
                overwrite=overwrite,
                watch=watch,
                executor=executor,
            )
        for note in report.notes:
            output.say(note, "yellow")
        for failure in report.failed:
            output.problem(f"not exported: {failure.path}: {failure.reason}")
        output.say(report.summary())
        output.result(
            folder=str(report.folder),
            records=report.records,
            tables=report.tables,
            files=report.files,
            notes=list(report.notes),
            failed={str(failure.path): failure.reason for failure in report.failed},
        )
        if report.failed:
            fail()


def _export_nwb(dataset: "ZarrDataset", folder: Path, output: Output, *, overwrite: bool) -> None:
    from kymflow_core.nwb import export_nwb

    with output.progress("exporting") as watch:
        report = export_nwb(dataset, folder, overwrite=overwrite, watch=watch)
    for failure in report.failed:
        output.problem(f"not exported: {failure.path}: {failure.reason}")
    output.say(report.summary())
    output.result(
        folder=str(report.folder),
        records=len(report.files),
        files=[str(path) for path in report.files],
        failed={str(failure.path): failure.reason for failure in report.failed},
    )
    if report.failed:
        fail()


def upgrade(
    old: Annotated[Path, typer.Argument(help="A dataset of the older program; it is only read.")],
    new: Annotated[Path, typer.Argument(help="Where the copy in the new format is to be, such as lab.zarr.")],
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Copy a dataset of the older program into the new format, with nothing lost.

    Example: napari-kymflow upgrade old.zarr lab.zarr

    The copy is compared with the original before it appears. The original stays as it is.
    """
    from kymflow_core.images.ome_metadata import describe_metadata
    from kymflow_zarr.upgrade import upgrade_dataset

    output = Output(as_json, quiet, advice="Nothing was copied.")
    with output.running():
        with output.progress("copying records") as watch:
            report = upgrade_dataset(old, new, describe=describe_metadata, watch=watch)
        output.say(report.summary())
        output.result(records=report.records, tables=list(report.tables))


def _plan(pattern: list[str], reread: bool, relink: bool, merge: bool, complete: bool) -> "ImportPlan":
    from kymflow_zarr import ImportPlan

    return ImportPlan(
        patterns=pattern,
        on_changed="reingest_if_changed" if reread else "skip",
        merge_channels=merge,
        relink=relink,
        complete=complete,
    )


def _import(
    target: "ZarrDataset",
    folder: Path,
    plan: "ImportPlan",
    output: Output,
    *,
    names: "FolderPattern | None",
    jobs: int | None,
    index: bool = False,
) -> None:
    """Import a folder, bring the tables up to date where something changed, and report what happened."""
    from kymflow_core.folder_names import FolderNames, check_has_folders, fill_from_folders

    if names is not None:
        check_has_folders(folder)
    with output.progress("looking for files") as watch, _pool(target, folder, jobs) as executor:
        report = target.import_folder(folder, plan, watch=watch, executor=executor)
    named = FolderNames()
    if names is not None:
        with output.progress("entering folder names") as watch:
            named = fill_from_folders(target, folder, names, report, watch=watch)
    output.result(**_as_json(report), **({} if names is None else {"folder_names": _names_as_json(named)}))
    # Also where nothing is new: an import may have been stopped while it made the tables.
    is_wanted = report.has_changed or index or are_behind(target)
    index_failed = update_tables(target, output, rebuild=False, jobs=1) if is_wanted else False
    _say(report, output, relinked=plan.relink)
    if names is not None:
        _say_names(named, output)
    if report.failed or index_failed or not named.is_whole:
        fail()


def _pool(target: "ZarrDataset", folder: Path, jobs: int | None) -> AbstractContextManager[Executor | None]:
    """Return who reads so many files at once: processes where an exported folder comes back, else threads."""
    if jobs is None:
        return nullcontext()
    return processes(jobs) if target.is_export(folder) else ThreadPoolExecutor(jobs, thread_name_prefix="import")


def _say(report: "ImportReport", output: Output, *, relinked: bool) -> None:
    for file in (*report.imported, *report.replaced, *report.completed):
        for note in file.notes:
            output.say(f"{file.path.name}: {note}", "yellow")
    for path in report.changed:
        output.say(f"{path.name}: has changed since it was imported; --reread-changed reads it again", "yellow")
    for moved in report.moved:
        what = "noted" if relinked else "--relink notes it"
        output.say(f"{moved.path.name}: known as {moved.was.name}, and has moved from {moved.was.parent}; {what}", "yellow")
    if report.incomplete:
        output.say(f"{report.describe_incomplete()}; --complete adds what is missing", "yellow")
    for note in report.notes:
        output.say(note, "yellow")
    for failure in report.failed:
        reason = failure.reason if str(failure.path) in failure.reason else f"{failure.path}: {failure.reason}"
        output.problem(f"not imported: {reason}")
    output.say(report.summary())


def _say_names(named: "FolderNames", output: Output) -> None:
    for note in named.notes():
        output.say(note, "yellow")
    for path, reason in named.not_fitting.items():
        output.problem(f"nothing taken from the folders of {path}: {reason}")
    for failure in named.edit.failed:
        output.problem(f"not saved: {failure.name}: {failure.reason}")
    output.say(named.summary())


def _names_as_json(named: "FolderNames") -> dict[str, object]:
    return {
        "changed": [one.image_id for one in named.edit.changed],
        "kept": {one.image_id: one.reason for one in named.edit.kept},
        "not_fitting": {str(path): reason for path, reason in named.not_fitting.items()},
        "failed": {one.image_id: one.reason for one in named.edit.failed},
    }


def _as_json(report: "ImportReport") -> dict[str, object]:
    return {
        "imported": [
            {"path": str(file.path), "image_id": file.image_id, "notes": list(file.notes)} for file in report.imported
        ],
        "replaced": [{"path": str(file.path), "image_id": file.image_id} for file in report.replaced],
        "completed": [{"path": str(file.path), "image_id": file.image_id} for file in report.completed],
        "incomplete": [
            {"path": str(one.path), "image_id": one.image_id, "reader": one.reader} for one in report.incomplete
        ],
        "skipped": len(report.skipped),
        "changed": [str(path) for path in report.changed],
        "moved": [{"path": str(one.path), "was": str(one.was), "image_id": one.image_id} for one in report.moved],
        "failed": [{"path": str(one.path), "reason": one.reason} for one in report.failed],
        "notes": list(report.notes),
    }

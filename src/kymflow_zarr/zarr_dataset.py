"""`ZarrDataset`: the records and tables of a dataset, and what it does with files, folders and damage.

The rule of this room: it states what is asked; the work is done in `importing`, `exporting` and `verify`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.disk.local_path import local_path
from kymflow_zarr.errors import InvalidNameError, SourceError
from kymflow_zarr.exporting.document import load_export
from kymflow_zarr.exporting.export import ExportReport, export_dataset
from kymflow_zarr.exporting.plan import ExportPlan, InfoOf, NameOf, ScalesOf
from kymflow_zarr.importing.content import ReadFile
from kymflow_zarr.importing.file_reader import FileReader, installed_reader
from kymflow_zarr.importing.folders import PASSED_OVER, find_files
from kymflow_zarr.importing.ome_zarr import find_ome_image, is_ome_folder
from kymflow_zarr.importing.plan import ImportPlan, OnChanged, PlanFields
from kymflow_zarr.importing.restore import restore_dataset
from kymflow_zarr.importing.run import import_files
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.record.record import CheckRecord
from kymflow_zarr.reports import FailedFile, ImportReport, MovedFile
from kymflow_zarr.tables.sources import Source
from kymflow_zarr.verify.garbage import delete_garbage
from kymflow_zarr.verify.problems import Problem
from kymflow_zarr.verify.verify import VerifyReport, verify_dataset
from kymflow_zarr.watch import UNWATCHED, Watch


class ZarrDataset(Dataset):
    """A handle to one kymflow dataset, with everything: records, tables, import, export, verify.

    Opening writes nothing; parameters and errors are those of `Dataset`.
    """

    def validate(self) -> list[Problem]:
        """Return what is wrong with the dataset, without reading the pixels; empty when it is sound."""
        return list(self.verify().problems)

    def verify(
        self,
        *,
        deep: bool = False,
        repair: bool = False,
        check_record: CheckRecord | None = None,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
    ) -> VerifyReport:
        """Look for what a crash or a bad disk left behind.

        Parameters
        ----------
        deep
            Whether every byte is read and every checksum compared, of pixels and masks too.
        repair
            Whether what can be made whole again is. Nothing is deleted: what is set aside is in `.quarantine`.
        check_record
            Says what else is wrong with a record; by default as the installed reader knows it, since storage knows no ROI.
        watch
            Shows after each record how far the work is.
        executor
            Any `concurrent.futures.Executor` that looks at records, also one of other processes or machines that see the
            same path; `check_record` must be picklable then. By default one record after another, as always with `repair`.

        Raises
        ------
        ReadOnlyError
            When `repair` is asked of a dataset opened for reading.
        InvalidNameError
            When the dataset is at an address: a server that fails would look like damage.
        CancelledError
            When it was cancelled; what was repaired by then stays.
        """
        if self.is_remote:
            raise InvalidNameError(
                f"{self.location} is an address, and not verified there, since a server that fails would look like damage; "
                f"make a copy with napari-kymflow download {self.location} lab.zarr, and verify that"
            )
        check = check_record or installed_reader().check_record
        return verify_dataset(
            self._blobs, self, deep=deep, repair=repair, check_record=check, watch=watch, executor=executor
        )

    def collect_garbage(self) -> list[str]:
        """Delete what nothing needs and is older than a day, and return where it was.

        That is what stopped programs left half built, and masks of ROI saves that never got so far that a revision of the
        metadata names them. Arrays that were saved by name are kept, whoever refers to them.
        """
        self._ensure_exists()
        return delete_garbage(self._blobs, self.list_image_ids())

    def refresh_from_folder(
        self, folder: str | Path, pattern: str = "*.tif", *, mode: OnChanged = "skip", read_file: ReadFile | None = None
    ) -> list[str]:
        """Import the TIFFs below a folder that are not in the dataset yet, and return the new image ids.

        See `import_folder`, whose report also says what was skipped, has moved, was read again, and failed.

        Parameters
        ----------
        folder
            Where to look, with all its subfolders.
        pattern
            File names, with `*`.
        mode
            As `on_changed` of an `ImportPlan`.
        read_file
            Reads one file, instead of the installed reader.
        """
        plan = ImportPlan(patterns=(pattern,), on_changed=mode, read_file=read_file)
        return [file.image_id for file in self.import_folder(folder, plan).imported]

    def import_folder(
        self,
        folder: str | Path,
        plan: ImportPlan | None = None,
        *,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
        **fields: Unpack[PlanFields],
    ) -> ImportReport:
        """Add a record for every matching file below a folder that no record came from.

        Files are read with the reader that is installed, with headers, ROIs and results; see
        `kymflow_zarr.importing.file_reader`. A folder that `export_legacy_folder` wrote gives the records that it was made
        of. A folder that is one OME-Zarr image becomes one record, and so does each OME-Zarr image (`.zarr`) below the
        folder; datasets below it are left out, which a note of the report says.

        A file is known by its path, also by that from the dataset's folder, and where that is new by its content: a file
        whose content a record has, and which is no longer where that record's file was, is reported as moved, and is not
        imported twice; see `relink`.

        Parameters
        ----------
        folder
            Where to look, with all its subfolders.
        plan
            How it is imported; by default as an `ImportPlan` without arguments.
        watch
            Shows for each new file how far the import is; when cancelled, it stops between files.
        executor
            Threads that work on several files at once, such as a `ThreadPoolExecutor`; by default its own, at most four. Of
            an exported folder any executor, such as a `ProcessPoolExecutor`; by default one record after another.
        **fields
            Fields of the plan, instead of those that it has.

        Raises
        ------
        SourceError
            When the folder cannot be read, or has no file that matches.
        ReadOnlyError
            When the dataset cannot be written.
        NotSavedError
            When the disk is full or fails; the files imported before stay imported.
        """
        folder, plan = local_path(folder), replace(plan or ImportPlan(), **fields)
        if self.is_export(folder):
            return self._restore(folder, plan.choose_reader(), watch, executor)
        if self.is_ome_zarr(folder):
            return self._import_image(folder, plan, watch)
        files, unreadable = find_files(folder, plan.choose_patterns(), left_out=plan.choose_reader().left_out())
        report = self._import(files, plan, watch, executor)
        if plan.relink:
            lost = self.relink(report.moved)
            gone = {one.path for one in lost}
            noted = tuple(one for one in report.moved if one.path not in gone)
            report = replace(report, moved=noted, failed=(*report.failed, *lost))
        others = [one for one in unreadable if one.path.resolve() != self.path.resolve()]
        notes = tuple(f"{one.path} was skipped: {one.reason}" for one in others if one.reason in PASSED_OVER)
        failed = tuple(one for one in others if one.reason not in PASSED_OVER)
        return replace(report, failed=(*failed, *report.failed), notes=(*report.notes, *notes))

    @staticmethod
    def is_export(folder: str | Path) -> bool:
        """Return whether a folder is one that `export_legacy_folder` wrote; raise `SourceError` where it cannot be used."""
        return load_export(Path(folder)) is not None

    @staticmethod
    def is_ome_zarr(folder: str | Path) -> bool:
        """Return whether a folder is imported as one OME-Zarr image, by its name or by what is in it."""
        return Path(folder).suffix == ".zarr" or is_ome_folder(Path(folder))

    def ingest_legacy_folder(
        self,
        root: str | Path,
        *,
        pattern: str = "*.tif",
        include_sidecars: bool = True,
        read_file: ReadFile | None = None,
        watch: Watch = UNWATCHED,
    ) -> ImportReport:
        """Import a folder that `export_legacy_folder` wrote, or any folder of TIFFs with their sidecars.

        An exported folder gives the records that it was made of: their ids, pixels, metadata with history, artifacts, and
        their rows in the tables. Records whose id the dataset has are skipped. Where files of a record were changed since
        the export and it is no longer sound, it is left out. Of other folders each TIFF becomes a record, as by
        `import_folder`.

        Parameters
        ----------
        root
            The folder.
        pattern
            Which files of a folder that is no export.
        include_sidecars
            Whether more than the pixels of a TIFF is read; an exported folder is always read whole.
        read_file, watch
            As in `refresh_from_folder` and `import_folder`.

        Raises
        ------
        SourceError
            When the folder cannot be read, has no file that matches, or is an export of a later version.
        ReadOnlyError, NotSavedError
            When the dataset cannot be written; what was imported before stays.
        """
        plan = ImportPlan(patterns=(pattern,), read_file=read_file if include_sidecars else read_tiff)
        return self.import_folder(root, plan, watch=watch)

    def import_ome_zarr(self, path: str | Path, *, read_file: ReadFile | None = None) -> ImportReport:
        """Add a record for a foreign OME-Zarr image, 0.4 or 0.5, unless one came from it before.

        Returns
        -------
        ImportReport
            With the record's id in `imported`, or the path in `skipped`, and in `changed` where it is not as it was.

        Raises
        ------
        SourceError
            When the folder is no image of OME-Zarr, of a kind that is not read, or damaged; nothing was added.
        ReadOnlyError, NotSavedError
            When the dataset cannot be written.
        """
        return self._import_image(local_path(path), ImportPlan(read_file=read_file), UNWATCHED)

    def import_paths(
        self, paths: Sequence[str | Path], *, read_file: ReadFile | None = None, watch: Watch = UNWATCHED
    ) -> ImportReport:
        """Add a record for each of some files, or folders that are one image each, that no record came from.

        They are read with `read_file`, by default with the installed reader, which reads files and no folders. One that
        cannot be read is in the report, and does not stop the others. Raises as `import_folder`.
        """
        return self._import([local_path(path) for path in paths], ImportPlan(read_file=read_file), watch, None)

    def export_legacy_folder(
        self,
        export_dir: str | Path,
        *,
        include_tiff: bool = True,
        include_tables: bool = True,
        friendly_names: bool = False,
        overwrite: bool = False,
        scales_of: ScalesOf | None = None,
        name_of: NameOf | None = None,
        info_of: InfoOf | None = None,
        watch: Watch = UNWATCHED,
        executor: Executor | None = None,
    ) -> ExportReport:
        """Write the dataset as a folder that needs no program of ours; `ingest_legacy_folder` makes the same dataset of it.

        Parameters
        ----------
        export_dir
            The folder; it appears whole or not at all.
        include_tiff
            Whether pixels are written. Without them the folder cannot become a dataset again.
        include_tables
            Whether the dataset's tables are written.
        friendly_names
            Whether a record's folder is named for its file and the beginning of its id.
        overwrite
            Whether files may be written into a folder that has others; none is removed.
        scales_of
            Returns the scale of each axis that a record's metadata state, for the tags of the TIFFs; by default as the
            installed reader knows it.
        name_of, info_of
            Return the name that they state for an image without a source file, and ImageJ's `Info`; by default likewise.
        watch
            Shows before each record how far the export is; with an executor, after it.
        executor
            Writes several records at once, such as a `ProcessPoolExecutor`, whose processes must see the same paths; by
            default one after another. The folder is the same. Processes take functions of modules only.

        Raises
        ------
        CancelledError
            When it was cancelled; a new folder is not there then.
        FolderNotEmptyError
            When there is something at `export_dir`, or it lies inside the dataset.
        ReadOnlyError, NotSavedError
            When the folder cannot be written; a new one is not there then.
        """
        reader = installed_reader()
        plan = ExportPlan(
            include_tiff=include_tiff,
            include_tables=include_tables,
            friendly_names=friendly_names,
            scales_of=scales_of or reader.scales_of,
            name_of=name_of or reader.name_of,
            info_of=info_of or reader.info_of,
            titles_of=reader.titles_of,
        )
        return export_dataset(self, local_path(export_dir), plan, overwrite=overwrite, watch=watch, executor=executor)

    def load_sources(self) -> dict[str, Source]:
        """Return which file each imported record came from, by image id; raise `DamagedError` where that cannot be read."""
        return self._sources.load_by_image()

    def relink(self, moved: Sequence[MovedFile]) -> tuple[FailedFile, ...]:
        """Take up where files are now that an import found to have moved; their records stay as they are.

        Returns
        -------
        tuple[FailedFile, ...]
            Those that could not be taken up, since they or their records are no longer there.
        """
        sources = self._sources.load_by_image()
        now: dict[str, Source] = {}
        failed: list[FailedFile] = []
        for one in moved:
            try:
                source = sources[one.image_id]
                now[one.image_id] = source.moved_to(one.path, dataset=self.path, further=one.further)
            except KeyError:
                reason = "its record was deleted during the import; import the folder again for a new one"
                failed.append(FailedFile(path=one.path, reason=reason))
            except OSError as error:
                reason = f"it is no longer there ({error.strerror or error}); import the folder again that it is in now"
                failed.append(FailedFile(path=one.path, reason=reason))
        self.add_sources(now)
        return tuple(failed)

    def _import_image(self, path: Path, plan: ImportPlan, watch: Watch) -> ImportReport:
        find_ome_image(path)  # before every byte of a folder that may be anything is digested
        report = self._import([path], plan, watch, None)
        if report.failed:
            raise SourceError(report.failed[0].reason)
        return report

    def _import(self, files: Sequence[Path], plan: ImportPlan, watch: Watch, executor: Executor | None) -> ImportReport:
        self._ensure_exists()
        report = import_files(self, self._sources, files, plan=plan, watch=watch, executor=executor)
        if report.has_changed:
            self._note_manifest()
        return report

    def _restore(self, folder: Path, reader: FileReader, watch: Watch, executor: Executor | None) -> ImportReport:
        document = load_export(folder)
        if document is None:
            raise SourceError(f"{folder} is no exported dataset any more; look what became of its files, and try again")
        older = document.further.get("upgraded_from")
        self._ensure_exists(upgraded_from=older if isinstance(older, Mapping) else None)
        report = restore_dataset(
            self,
            self._tables,
            self._sources,
            folder,
            document,
            check_record=reader.check_record,
            describe=reader.describe,
            watch=watch,
            executor=executor,
        )
        if report.imported:
            self._note_manifest()
        return report

    def _note_manifest(self) -> None:
        """Save the manifest after an import, which is done all the same where that fails: nobody trusts a manifest."""
        with suppress(OSError):
            self._save_manifest()

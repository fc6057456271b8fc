"""`ZarrDataset`: the records and tables of a dataset, and what it does with files, folders and damage.

The rule of this room: it states what is asked and hands on; the work stands in `importing`, `exporting` and `verify`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.exporting.document import load_export
from kymflow_zarr.exporting.export import ExportPlan, ExportProgress, ExportReport, InfoOf, NameOf, ScalesOf, export_dataset
from kymflow_zarr.importing.changed_file import Renew, keep_metadata
from kymflow_zarr.importing.content import Channels, OnChanged, ReadFile
from kymflow_zarr.importing.folders import IS_EXPORT, find_files
from kymflow_zarr.importing.restore import restore_dataset
from kymflow_zarr.importing.run import ImportPlan, import_files
from kymflow_zarr.importing.sidecars import read_with_sidecars
from kymflow_zarr.importing.tiffs import read_tiff
from kymflow_zarr.record.ome import DescribeImage
from kymflow_zarr.record.record import CheckRecord
from kymflow_zarr.reports import FailedFile, ImportReport, MovedFile, Progress
from kymflow_zarr.tables.sources import Source
from kymflow_zarr.verify.garbage import find_garbage
from kymflow_zarr.verify.problems import Problem
from kymflow_zarr.verify.verify import VerifyProgress, VerifyReport, verify_dataset


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
        progress: VerifyProgress | None = None,
    ) -> VerifyReport:
        """Look for what a crash or a bad disk left behind.

        Parameters
        ----------
        deep
            Whether every byte is read and every checksum compared, of pixels and masks too.
        repair
            Whether what can be made whole again is. Nothing is deleted: what is set aside is in `.quarantine`.
        check_record
            Says what else is wrong with a record; storage knows no ROI.
        progress
            Called before each record with the number done and the number of all.

        Raises
        ------
        ReadOnlyError
            When `repair` is asked of a dataset opened for reading.
        """
        return verify_dataset(self._blobs, self, deep=deep, repair=repair, check_record=check_record, progress=progress)

    def collect_garbage(self) -> list[str]:
        """Delete what nothing needs and is older than a day, and return where it was.

        That is what stopped programs left half built, and masks of ROI saves that never got so far that a revision of the
        metadata names them. Arrays that were saved by name are kept, whoever refers to them.
        """
        self._ensure_exists()
        keys = find_garbage(self._blobs, self.list_image_ids())
        for key in keys:
            self._blobs.delete(key)
        return keys

    def refresh_from_folder(
        self,
        folder: str | Path,
        pattern: str = "*.tif",
        *,
        mode: OnChanged = "skip",
        read_file: ReadFile = read_with_sidecars,
    ) -> list[str]:
        """Import the TIFFs below a folder that are not in the dataset yet, and return the new image ids.

        See `import_folder`, which also says what was skipped, what has moved, what was read again and what failed.

        Parameters
        ----------
        folder
            Where to look, with all its subfolders.
        pattern
            File names, with `*`.
        mode
            As `on_changed` of `import_folder`.
        read_file
            Reads one file and what lies beside it.
        """
        report = self.import_folder(folder, patterns=[pattern], read_file=read_file, on_changed=mode)
        return [file.image_id for file in report.imported]

    def import_folder(
        self,
        folder: str | Path,
        *,
        patterns: Sequence[str] = ("*.tif", "*.tiff"),
        read_file: ReadFile = read_tiff,
        on_changed: OnChanged = "skip",
        renew: Renew = keep_metadata,
        channels: Channels | None = None,
        merge_channels: bool = False,
        progress: Progress | None = None,
        executor: Executor | None = None,
    ) -> ImportReport:
        """Add a record for every matching file below a folder that no record came from.

        A file is known by its path, also by that from the dataset's folder, and where that is new by its content: a file
        whose content a record has, and which is no longer where that record's file was, is said to have moved, and is not
        imported twice; see `relink`.

        Parameters
        ----------
        folder
            Where to look, with all its subfolders.
        patterns
            File names, with `*`; upper and lower case are the same.
        read_file
            Reads one file and what lies beside it.
        on_changed
            "skip" only says which files have changed since they were imported. "reingest_if_changed" gives their records
            the new pixels: id, ROIs and history stay, and results are outdated.
        renew
            Says which metadata a record has with the pixels of its changed file.
        channels
            How several files, one a channel, become one record, and are read again where they are one already.
        merge_channels
            Whether new files are put together so; by default each is a record.
        progress
            Called for each new file with the number done, the number of all, and the file's name.
        executor
            Threads that work on several files at once, such as a `ThreadPoolExecutor`; by default its own, at most four.

        Raises
        ------
        SourceError
            When the folder cannot be read, or has no file that matches.
        ReadOnlyError
            When the dataset cannot be written.
        NotSavedError
            When the disk is full or fails; the files imported before stay imported.
        """
        if on_changed not in ("skip", "reingest_if_changed"):
            raise ValueError(
                f"mode {on_changed!r} is not known; use 'skip' to leave changed files alone, or 'reingest_if_changed'"
            )
        files, unreadable = find_files(Path(folder), patterns)
        self._ensure_exists()
        how = ImportPlan(
            read_file=read_file, channels=channels, merge_channels=merge_channels, on_changed=on_changed, renew=renew
        )
        report = import_files(self, self._sources, files, how=how, progress=progress, executor=executor)
        if report.imported or report.replaced:
            self._save_manifest()
        notes = tuple(f"{one.path} was passed over: {one.reason}" for one in unreadable if one.reason == IS_EXPORT)
        failed = tuple(one for one in unreadable if one.reason != IS_EXPORT)
        return replace(report, failed=(*failed, *report.failed), notes=notes)

    @staticmethod
    def is_export(folder: str | Path) -> bool:
        """Return whether a folder is one that `export_legacy_folder` wrote; raise `SourceError` where it cannot be used."""
        return load_export(Path(folder)) is not None

    def ingest_legacy_folder(
        self,
        root: str | Path,
        *,
        pattern: str = "*.tif",
        include_sidecars: bool = True,
        read_file: ReadFile = read_with_sidecars,
        check_record: CheckRecord | None = None,
        describe: DescribeImage | None = None,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import a folder that `export_legacy_folder` wrote, or any folder of TIFFs with files beside them.

        An exported folder gives the records that it was made of: their ids, pixels, metadata with history, artifacts, and
        their rows in the tables. Records whose id the dataset has are skipped. Of other folders each TIFF becomes a record,
        as by `import_folder`, with the artifacts beside it; see `kymflow_zarr.importing.sidecars`.

        Parameters
        ----------
        root
            The folder.
        pattern
            Which files of a folder that is no export.
        include_sidecars
            Whether what lies beside a TIFF is read; an exported folder is always read whole.
        check_record
            Says what is wrong with a record of an exported folder that storage cannot know of. Where files of the record
            were changed since the export, it stays out; else it comes in as it was, and that is said.
        describe
            Says what OME-Zarr is told of a record that comes back; storage knows no scale.
        read_file, progress
            As in `import_folder`.

        Raises
        ------
        SourceError
            When the folder cannot be read, has no file that matches, or is an export of a later version.
        ReadOnlyError, NotSavedError
            When the dataset cannot be written; what came in before stays.
        """
        folder = Path(root)
        document = load_export(folder)
        if document is None:
            read = read_file if include_sidecars else read_tiff
            return self.import_folder(folder, patterns=[pattern], read_file=read, progress=progress)
        older = document.further.get("upgraded_from")
        self._ensure_exists(upgraded_from=older if isinstance(older, Mapping) else None)
        report = restore_dataset(
            self,
            self._tables,
            self._sources,
            folder,
            document,
            check_record=check_record,
            describe=describe,
            progress=progress,
        )
        if report.imported:
            self._save_manifest()
        return report

    def import_paths(self, paths: Sequence[str | Path], *, read_file: ReadFile) -> ImportReport:
        """Add a record for each of some files, or folders that are one image each, that no record came from.

        One that cannot be read is in the report, and does not stop the others. Raises as `import_folder`.
        """
        self._ensure_exists()
        files, how = [Path(path) for path in paths], ImportPlan(read_file=read_file)
        report = import_files(self, self._sources, files, how=how, progress=None, executor=None)
        if report.imported:
            self._save_manifest()
        return report

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
        progress: ExportProgress | None = None,
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
            What a record's metadata say of the scale of its axes, for the tags of the TIFFs.
        name_of, info_of
            What they say of the name of an image that came from no file, and what they have of ImageJ's `Info`.
        progress
            Called before each record with the number done, the number of all, and its name.

        Raises
        ------
        FolderNotEmptyError
            When there is something at `export_dir`, or it lies inside the dataset.
        ReadOnlyError, NotSavedError
            When the folder cannot be written; a new one is not there then.
        """
        plan = ExportPlan(
            include_tiff=include_tiff,
            include_tables=include_tables,
            friendly_names=friendly_names,
            scales_of=scales_of or (lambda _metadata: {}),
            name_of=name_of or (lambda _metadata: ""),
            info_of=info_of or (lambda _metadata: ""),
        )
        return export_dataset(self, Path(export_dir), plan, overwrite=overwrite, progress=progress)

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
                reason = "its record was deleted meanwhile; import the folder again for a new one"
                failed.append(FailedFile(path=one.path, reason=reason))
            except OSError as error:
                reason = f"it is no longer there ({error.strerror or error}); import the folder again that it is in now"
                failed.append(FailedFile(path=one.path, reason=reason))
        self._sources.add(now)
        return tuple(failed)

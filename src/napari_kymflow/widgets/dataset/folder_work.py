"""What a worker does to bring images in and to take them out.

The rule of this room: no widget is touched. Cancelled work stops between files, and what was imported stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kymflow_core import AcqImage, FolderPattern, UpdateReport, export_ome_zarr, fill_from_folders
from kymflow_core.folder_names import check_has_folders
from kymflow_core.images.ome_metadata import describe_metadata
from kymflow_core.indexers import DatasetIndexer
from kymflow_zarr import ImportPlan, Watch, ZarrDataset
from kymflow_zarr.errors import CancelledError
from kymflow_zarr.exporting.export import ExportReport
from kymflow_zarr.importing.folders import find_files
from kymflow_zarr.reports import FailedFile, MovedFile
from kymflow_zarr.upgrade import UpgradeReport, upgrade_dataset
from napari_kymflow.errors import OUR_ERRORS
from napari_kymflow.tables.import_form import FolderFacts
from napari_kymflow.tables.work import Outcome, load_views, run_indexers
from napari_kymflow.user.recent import note_folder


class ImportWork:
    """Imports a folder, refreshes the tables and looks at the dataset; called in a worker.

    Parameters
    ----------
    folder
        Where the files are.
    target
        The dataset.
    known
        The tables.
    is_there
        Whether the dataset was there when the user asked for it: if it is gone by now, none is made in its place.
    plan
        How it is imported.
    files
        Where some are given, only these files are imported.
    folder_names
        What the names of the folders in it stand for; by default nothing is taken from them.
    """

    def __init__(
        self,
        folder: Path,
        target: Path,
        known: Sequence[DatasetIndexer],
        *,
        is_there: bool,
        plan: ImportPlan | None = None,
        files: Sequence[Path] = (),
        folder_names: FolderPattern | None = None,
    ) -> None:
        self._folder, self._target, self._known, self._is_there = folder, target, known, is_there
        self._plan, self._files, self._folder_names = plan, files, folder_names

    def __call__(self, watch: Watch) -> Outcome:
        """Import, and return the result; raise `DatasetNotFoundError` where the dataset is gone."""
        if self._is_there:
            ZarrDataset(self._target, mode="r")
        if self._folder_names is not None:
            check_has_folders(self._folder)
        dataset = ZarrDataset(self._target)
        if self._files:
            report = dataset.import_paths(self._files, watch=watch)
        else:
            report = dataset.import_folder(self._folder, self._plan, watch=watch)
        named = None
        if self._folder_names is not None:
            named = fill_from_folders(dataset, self._folder, self._folder_names, report, watch=watch)
        if not self._files and not dataset.is_ome_zarr(self._folder) and not dataset.is_export(self._folder):
            note_folder(dataset.dataset_id, self._folder)
        path = dataset.path.resolve()
        reports, problem = list[UpdateReport](), ""
        try:
            reports = run_indexers(path, self._known, "refresh", watch=watch)
        except OUR_ERRORS as error:
            problem = f"the tables could not follow: {error}"
        shown = load_views(path, self._known, None, watch)
        return Outcome(path, shown, reports, report, is_cancelled=watch.is_cancelled(), problem=problem, named=named)


class LookAtFolder:
    """Looks what is to be asked before a folder is imported; called in a worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, watch: Watch) -> FolderFacts:
        """Return what lies in the folder; nothing where it is no folder of files.

        Files that a header puts together are one image without a question.
        """
        if ZarrDataset.is_ome_zarr(self._folder) or ZarrDataset.is_export(self._folder):
            return FolderFacts()
        plan = ImportPlan()
        files, _ = find_files(self._folder, plan.choose_patterns())
        reader = plan.choose_reader()
        channels = tuple(path.name for path in reader.scans_by_name(files, reader.sets_of(files)))
        return FolderFacts(channels=channels, files=tuple(path.relative_to(self._folder) for path in files))


class RelinkWork:
    """Notes where files are now that have moved; called in a worker."""

    def __init__(self, path: Path, moved: Sequence[MovedFile]) -> None:
        self._path, self._moved = path, moved

    def __call__(self, watch: Watch) -> tuple[FailedFile, ...]:
        """Return those that could not be noted."""
        ZarrDataset(self._path, mode="r")
        return ZarrDataset(self._path).relink(self._moved)


class ExportWork:
    """Writes a dataset as a folder; called in a worker."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder

    def __call__(self, watch: Watch) -> ExportReport | None:
        """Return what was written; None where it was cancelled, and nothing was."""
        dataset = ZarrDataset(self._path, mode="r")
        try:
            return dataset.export_legacy_folder(self._folder, friendly_names=True, watch=watch)
        except CancelledError:
            return None


class ExportImageWork:
    """Writes one image with its masks as OME-Zarr; called in a worker."""

    def __init__(self, path: Path, image_id: str, target: Path) -> None:
        self._path, self._image_id, self._target = path, image_id, target

    def __call__(self, watch: Watch) -> str:
        """Return what was written, in words."""
        image = AcqImage(ZarrDataset(self._path, mode="r").record(self._image_id))
        labels = export_ome_zarr(image, self._target)
        count = sum(len(ids) for ids in labels.values())
        masks = f" with {count} mask{'' if count == 1 else 's'} as labels" if count else ""
        return f"Wrote {self._target.name}{masks}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What was copied of an older dataset, and what the copy holds."""

    report: UpgradeReport
    outcome: Outcome


class UpgradeWork:
    """Copies a dataset of the older program, and takes a snapshot of the copy; called in a worker."""

    def __init__(self, original: Path, place: Path, known: Sequence[DatasetIndexer]) -> None:
        self._original, self._place, self._known = original, place, known

    def __call__(self, watch: Watch) -> Upgraded | None:
        """Return what was copied; None where it was cancelled, and nothing was."""
        try:
            report = upgrade_dataset(self._original, self._place, describe=describe_metadata, watch=watch)
        except CancelledError:
            return None
        path = self._place.resolve()
        return Upgraded(report=report, outcome=Outcome(path, load_views(path, self._known, None, watch)))

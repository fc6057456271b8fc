"""What an import, an export or a refresh did, in words: a headline, and every file that needs a word. No Qt.

The rule of this room: the text alone, copied into an e-mail, tells the whole story.
"""

from collections.abc import Sequence

from kymflow_core import FolderNames
from kymflow_core.columns import table_title
from kymflow_zarr import ImportReport
from kymflow_zarr.exporting.export import ExportReport
from kymflow_zarr.reports import FailedFile
from napari_kymflow.tables.work import Outcome


def import_headline(report: ImportReport, named: FolderNames | None = None) -> str:
    """Return one line, such as "41 imported · 3 skipped (unchanged) · 2 failed"."""
    unchanged = len(report.skipped) - len(report.changed)
    parts = [
        f"{len(report.imported)} imported",
        f"{len(report.replaced)} read again" if report.replaced else "",
        f"{len(report.completed)} completed" if report.completed else "",
        f"{unchanged} skipped (unchanged)",
        f"{len(report.changed)} changed since" if report.changed else "",
        f"{len(report.moved)} moved" if report.moved else "",
        f"{len(report.incomplete)} may lack {report.reads}" if report.incomplete else "",
        f"{len(report.failed)} failed" if report.failed else "",
        named.summary() if named is not None else "",
    ]
    return " · ".join(filter(None, parts))


def import_details(report: ImportReport, named: FolderNames | None = None) -> str:
    """Return a paragraph for each kind of thing that there is to say; empty where there is none."""
    moved = [f"{one.path}\n    was {one.was}" for one in report.moved]
    read = (*report.imported, *report.replaced, *report.completed)
    notes = [f"{file.path.name}: {note}" for file in read for note in file.notes]
    incomplete = [f"{one.path}\n    imported by {one.reader or 'an unknown reader'}" for one in report.incomplete]
    names = named or FolderNames()
    return _paragraphs(
        {
            "Not imported; mend these and import the folder again:": _reasons(report.failed),
            "Changed since they were imported; their records are as they were:": [str(path) for path in report.changed],
            "In the dataset already, but moved or renamed since; they were not imported twice:": moved,
            f"In the dataset, but perhaps without {report.reads} of their files:": incomplete,
            "Nothing was taken from the names of their folders:": [
                f"{path}\n    {reason}" for path, reason in names.not_fitting.items()
            ],
            "What their folders are called could not be saved:": [f"{one.name}: {one.reason}" for one in names.edit.failed],
            "Worth knowing:": [*report.notes, *names.notes(), *notes],
        }
    )


def needs_reading(report: ImportReport, named: FolderNames | None = None) -> bool:
    """Return whether an import has more to report than its headline."""
    return bool(import_details(report, named))


def relink_report(wanted: int, failed: Sequence[FailedFile]) -> tuple[str, str]:
    """Return one line on how many files were noted where they are now, and a paragraph on those that were not."""
    noted = wanted - len(failed)
    line = f"Noted where {noted} file{'' if noted == 1 else 's'} {'is' if noted == 1 else 'are'} now"
    if failed:
        line += f" · {len(failed)} could not be noted"
    return line, _paragraphs({"Not noted:": _reasons(failed)})


def export_details(report: ExportReport) -> str:
    """Return what of a dataset could not be exported, and the notes; empty where there is neither."""
    lacking = _reasons(report.failed)
    return _paragraphs({"Could not be read, and is not in the folder:": lacking, "Worth knowing:": list(report.notes)})


def _reasons(failed: Sequence[FailedFile]) -> list[str]:
    return [
        failure.reason if str(failure.path) in failure.reason else f"{failure.path}: {failure.reason}" for failure in failed
    ]


def _paragraphs(found: dict[str, list[str]]) -> str:
    return "\n\n".join("\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in found.items() if lines)


def describe_reports(outcome: Outcome) -> str:
    """Return what was done to tables in one line; those where nothing had to be done are not listed."""
    busy = [report for report in outcome.reports if report.rows or report.failed or report.removed or report.is_cancelled]
    # By the names of the tabs: a report has the name of the table's file.
    done = "; ".join(table_title(one.table_name) + one.summary().removeprefix(one.table_name) for one in busy)
    if outcome.is_cancelled:
        return f"Cancelled; {done or 'no table was changed'}"
    return done or "All tables were up to date: nothing to do"


def failures_of(outcome: Outcome) -> list[str]:
    """Return how many images no rows could be made of, and why of the first; nothing where all went well."""
    failed = {image_id: reason for report in outcome.reports for image_id, reason in report.failed.items()}
    if not failed:
        return []
    return [f"{len(failed)} image{'' if len(failed) == 1 else 's'} could not be read: {next(iter(failed.values()))}"]

"""What is wrong with the tables, the sources among them, and how to make them whole again.

The rule of this room: other programs go on writing. Records are listed after a table is read, since a record appears before
its rows do, and every repair looks again before it writes, and writes by a commit.
"""

from collections.abc import Callable
from functools import partial

from kymflow_zarr import layout
from kymflow_zarr.dataset.dataset import Dataset
from kymflow_zarr.dataset.lost_sources import find_lost_sources
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import KymflowZarrError, TableNotFoundError
from kymflow_zarr.formats.places import UNBOUND
from kymflow_zarr.formats.seals import UNSEALED
from kymflow_zarr.tables.sources import Sources
from kymflow_zarr.tables.table_commits import TableCommits
from kymflow_zarr.tables.table_files import IMAGE_ID
from kymflow_zarr.tables.tables import Tables
from kymflow_zarr.verify.problems import Findings, found


def table_findings(blobs: Blobs, dataset: Dataset, *, deep: bool) -> Findings:
    """Yield what is wrong with the tables that an indexer can make again."""
    tables = Tables(blobs)
    for name in tables.names():
        yield from _table_findings(tables, name, dataset, deep=deep, make_again=tables.file(name).set_aside)


def sources_findings(blobs: Blobs, dataset: Dataset, *, deep: bool) -> Findings:
    """Yield what is wrong with the sources, which the records' provenance can make again."""
    tables = Tables(blobs)
    sources = Sources(tables)
    name = layout.SOURCES_TABLE
    if tables.exists(name):
        again = partial(_make_sources_again, dataset, sources, tables)
        yield from _table_findings(tables, name, dataset, deep=deep, make_again=again)
    try:
        lost, _ = find_lost_sources(dataset, sources)
    except (KymflowZarrError, OSError):  # said of the table itself
        return
    if lost:
        what = f"lacks {len(lost)} record{', which knows its file' if len(lost) == 1 else 's, which know their files'}"
        yield from found(layout.table_key(name), what, partial(_add_lost, dataset, sources))


def _table_findings(
    tables: Tables, name: str, dataset: Dataset, *, deep: bool, make_again: Callable[[], object]
) -> Findings:
    where, file = layout.table_key(name), tables.file(name)
    for key in file.odd_commits():
        what = "has the name of a commit, and is no file but a folder, a link or a pipe"
        yield from found(key, what, partial(tables.set_odd_aside, key))
    said = file.problem(deep=deep)
    torn = dict(file.commit_problems() if deep and said in (None, UNSEALED, UNBOUND) else ()) | dict(file.part_problems())
    for key, what in torn.items():
        yield from found(key, what, partial(file.set_torn_aside, key))
    if (lost := file.lost_part()) is not None:
        what = f"lacks part {lost}, which was written and is gone; updating the table makes its rows again"
        yield from found(where, what, file.rewrite)
    if said in (UNSEALED, UNBOUND):
        yield from found(where, said, file.rewrite)
    elif said:
        yield from found(where, f"{said}; it can be made again", partial(_heal, file, make_again))
        return
    elif file.is_behind():
        what = "lacks what was committed last, so that other programs read older rows"
        yield from found(where, what, file.publish)
    try:
        columns = tables.load(name).columns
    except TableNotFoundError:  # another program has set it aside since
        return
    if IMAGE_ID not in columns:
        yield from found(where, f"has no column {IMAGE_ID!r}", make_again)
        return
    gone = _gone(tables, name, dataset)
    if gone:
        what = f"has rows of {len(gone)} record{' that is' if len(gone) == 1 else 's that are'} gone, {gone[0]} first"
        yield from found(where, what, partial(_delete_gone, tables, name, dataset))


def _heal(file: TableCommits, make_again: Callable[[], object]) -> None:
    if not file.heal():
        make_again()


def _gone(tables: Tables, name: str, dataset: Dataset) -> list[str]:
    """Return the images that a table has rows of, and that are no records."""
    try:
        mentioned = set(tables.load(name)[IMAGE_ID].dropna().astype(str))
    except TableNotFoundError:  # another program has set it aside since
        return []
    return sorted(mentioned - set(dataset.list_image_ids()))


def _delete_gone(tables: Tables, name: str, dataset: Dataset) -> None:
    tables.delete_rows(name, _gone(tables, name, dataset))


def _add_lost(dataset: Dataset, sources: Sources) -> None:
    lost, _ = find_lost_sources(dataset, sources)
    dataset.add_sources(lost)


def _make_sources_again(dataset: Dataset, sources: Sources, tables: Tables) -> None:
    """Set the table aside and fill a new one from what every record knows of its file."""
    tables.file(layout.SOURCES_TABLE).set_aside()
    _add_lost(dataset, sources)

"""Arrow tables as CSV for spreadsheets, without a frame in between.

The rule of this room: to the byte what `formats.csv` makes of the same rows as a frame. Columns of a type that Python and
pandas write differently go that way.
"""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence

import pyarrow as pa

from kymflow_zarr.formats.csv import frame_to_excel_csv, free_mark, is_read_otherwise, quote_marked, without_formula
from kymflow_zarr.formats.frames import table_to_frame, without_index


def table_to_excel_csv(table: pa.Table, titles: Mapping[str, str], *, what: str) -> bytes:
    """Return an Arrow table as `frame_to_excel_csv` writes its frame; measured, in a seventh of the time.

    Parameters
    ----------
    table
        The rows; what another program stored as a frame's index is no column.
    titles
        What stands above columns instead of their names.
    what
        The thing written, for messages.
    """
    if not all(map(_is_plain, table.schema.types)) or without_index(table, what=what) is not table:
        return frame_to_excel_csv(table_to_frame(table, what=what).rename(columns=titles))
    header = [without_formula(titles.get(name, name)) for name in table.column_names]
    columns = [_values(column) for column in table.columns]
    texts = [at for at, column in enumerate(columns) if is_read_otherwise(column)]
    end = "\n"
    plain = _written([header, *zip(*columns, strict=True)], end)
    if "\r" in plain:  # Python puts text between quotation marks only where it has a character of a line's end
        end = "\r\n"
        plain = _written([header, *zip(*columns, strict=True)], end)
    if texts:
        mark = free_mark(plain)
        for at in texts:
            columns[at] = [f"{mark}{value}" if isinstance(value, str) else value for value in columns[at]]
        body = _written(list(zip(*columns, strict=True)), end)
        plain = _written([header], end) + quote_marked(body, mark)
    return codecs.BOM_UTF8 + plain.encode()


def _is_plain(kind: pa.DataType) -> bool:
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(is_text or pa.types.is_integer(kind) or pa.types.is_float64(kind) or pa.types.is_boolean(kind))


def _values(column: pa.ChunkedArray) -> list[object]:
    """Return the values as they are written; a number that is none is missing."""
    return [without_formula(value) if value == value else None for value in column.to_pylist()]


def _written(rows: Sequence[Sequence[object]], end: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(rows)
    return text.getvalue()

"""How large a table may be: what is written is held to the same limits as what is read.

The rule of this room: a limit is looked at before memory is taken, and the error names it.
"""

import pyarrow as pa
import pyarrow.parquet as pq

from kymflow_zarr.errors import DamagedError, InvalidValueError

MAX_ROWS = 100_000_000
MAX_CELLS = 2**32
"""Rows times columns that are read into memory."""
SPARSE_CELLS = 100_000_000
CELLS_PER_BYTE = 8
"""Above `SPARSE_CELLS`, how many cells are believed for each byte of a file: a small file can say any number."""
MAX_UNPACKED_BYTES = 2**36
MAX_PARQUET_BYTES = 2**34
"""Of a file. What is written is held to the same limits as what is read."""


def check_rows(table: pa.Table) -> None:
    """Raise `InvalidValueError` where a table has more rows or cells than are read again."""
    rows, columns = table.num_rows, max(1, table.num_columns)
    if rows > MAX_ROWS or rows * columns > MAX_CELLS:
        raise InvalidValueError(
            f"{rows:,} rows of {table.num_columns} columns are too many for one table, which holds at most "
            f"{min(MAX_ROWS, MAX_CELLS // columns):,}; read the artifacts of the images instead"
        )


def check_size(metadata: pq.FileMetaData, size: int, *, what: str) -> None:
    """Raise `DamagedError` where a file of `size` bytes says that it has more than it can have, or than is read."""
    unpacked = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    cells = metadata.num_rows * max(1, metadata.num_columns)
    fits = metadata.num_rows <= MAX_ROWS and cells <= MAX_CELLS and size <= MAX_PARQUET_BYTES
    if not fits or not 0 <= unpacked <= MAX_UNPACKED_BYTES or not is_believable(cells, size):
        raise DamagedError(f"{what} says that it has {metadata.num_rows} rows in {unpacked} bytes, which is not believable")


def is_believable(cells: int, size: int) -> bool:
    """Return whether a file of `size` bytes can have so many cells."""
    return cells <= max(SPARSE_CELLS, CELLS_PER_BYTE * size)

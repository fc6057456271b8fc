"""Arrow tables of one plain schema, joined.

pandas 3 hands Arrow `large_string`, pandas 2 and pyarrow `string`; tables that mix them do not concatenate. So every
string column is stored as `string`, and a column of nulls only as `string` as well.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kymflow_zarr.errors import InvalidValueError
from kymflow_zarr.formats.units import schema_units, schema_with_units

_MOST_SLICES = 1000


def concatenate_tables(tables: Sequence[pa.Table], *, what: str) -> pa.Table:
    """Return the rows of all tables; as `concatenate_frames`."""
    alike = _joined_where_alike(tables)
    try:
        joined = pa.concat_tables([_without_idle_types(table) for table in alike], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidValueError(f"the rows of {what} do not fit together: {error}") from error
    units = {name: unit for table in alike for name, unit in schema_units(table.schema).items()}
    schema = plain_schema(_with_first_types(joined.schema, [table.schema for table in alike]))
    return joined.cast(schema_with_units(schema, units))


def fitted_rows(rows: pa.Table, schema: pa.Schema) -> pa.Table | None:
    """Return rows with just the columns, types and units of a table that they are added to.

    None where the table would not keep its columns as they are: a column is new, or has a type or unit that decides.
    """
    units = schema_units(schema)
    if set(rows.column_names) - set(schema.names):
        return None
    if any(units.get(name) != unit for name, unit in schema_units(rows.schema).items()):
        return None
    idle = _without_idle_types(rows.replace_schema_metadata())
    types = pa.schema([(field.name, field.type) for field in schema])
    own = pa.schema([(field.name, field.type) for field in idle.schema])
    try:
        if pa.unify_schemas([types, own], promote_options="permissive").types != types.types:
            return None
        columns = [
            idle[name].cast(kind) if name in own.names else pa.nulls(len(rows), kind)
            for name, kind in zip(types.names, types.types, strict=True)
        ]
    except pa.ArrowException:
        return None
    return pa.table(columns, schema=schema.remove_metadata())


def with_newer_rows(tables: Sequence[pa.Table], key: str) -> pa.Table:
    """Return one table of several: rows that have a text in the column `key` hold where no later table has that text there.

    All tables have the same columns.
    """
    kept: list[pa.Table] = []
    newer: list[pa.Array] = []
    for table in reversed(tables):
        keys = table[key].cast(pa.string())
        rows = _without(table, pc.is_in(keys, pa.concat_arrays(newer)).to_numpy()) if newer else table
        newer.append(pc.unique(keys))
        kept.insert(0, rows.select(tables[0].column_names).replace_schema_metadata(tables[0].schema.metadata))
    alike = all(table.schema.equals(kept[0].schema, check_metadata=True) for table in kept)
    return pa.concat_tables(kept) if alike else concatenate_tables(kept, what="a table and its parts")


def _without(table: pa.Table, gone: NDArray[np.bool_]) -> pa.Table:
    """Return the rows that are not gone: slices of the table, which copy nothing, where these are few."""
    edges = np.flatnonzero(np.diff(gone, prepend=True, append=True)).tolist()
    if len(edges) > _MOST_SLICES:
        return table.filter(pa.array(~gone))
    return pa.concat_tables([table[:0], *(table[at:end] for at, end in zip(edges[::2], edges[1::2], strict=True))])


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose texts are all `string`."""
    fields = [
        field.with_type(pa.string()) if pa.types.is_large_string(field.type) or pa.types.is_null(field.type) else field
        for field in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)


def _joined_where_alike(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Return one table for each run of tables of the same columns, types and units: thousands are joined at once."""
    runs: list[list[pa.Table]] = []
    for table in (table.replace_schema_metadata() for table in tables):
        if runs and runs[-1][0].schema.equals(table.schema, check_metadata=True):
            runs[-1].append(table)
        else:
            runs.append([table])
    return [pa.concat_tables(run) for run in runs]


def _without_idle_types(table: pa.Table) -> pa.Table:
    """Give columns without a value the null type, which yields to any other: no value decides, so no dtype does."""
    columns = {
        name: pa.nulls(len(table)) if column.null_count == len(table) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pa.table(columns)


def _with_first_types(schema: pa.Schema, declared: Sequence[pa.Schema]) -> pa.Schema:
    fields = [
        next(one.field(field.name) for one in declared if field.name in one.names)
        if pa.types.is_null(field.type)
        else field
        for field in schema
    ]
    return pa.schema(fields)

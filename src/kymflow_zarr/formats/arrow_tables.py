"""Arrow tables of one plain schema, joined.

pandas 3 hands Arrow `large_string`, pandas 2 and pyarrow `string`; tables that mix them do not concatenate. So every
string column is stored as `string`, and a column of nulls only as `string` as well.
"""

from collections.abc import Sequence

import pyarrow as pa

from kymflow_zarr.errors import InvalidValueError
from kymflow_zarr.formats.units import schema_units, schema_with_units


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

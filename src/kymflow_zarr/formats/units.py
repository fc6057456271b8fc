"""The units of a frame's columns: in `frame.attrs`, and in the metadata of each field of a Parquet file.

The rule of this room: units are handed on as they were stated and never derived from a column's name. A unit is a text
such as "mm/s"; a column without one states none.
"""

from collections.abc import Mapping

import pandas as pd
import pyarrow as pa

UNITS = "units"
"""The key in `frame.attrs`, with one text a column, and in the metadata of an Arrow field, with its one text."""


def units_of(frame: pd.DataFrame) -> dict[str, str]:
    """Return the unit of each column that states one, by the column's name."""
    stated = frame.attrs.get(UNITS)
    if not isinstance(stated, Mapping):
        return {}
    return {name: unit for name, unit in stated.items() if name in frame.columns and isinstance(unit, str) and unit}


def with_units(frame: pd.DataFrame, units: Mapping[str, str]) -> pd.DataFrame:
    """Return the frame, its values not copied, with the units of its columns; those that it stated before are gone."""
    stating = frame.copy(deep=False)
    stating.attrs = {key: value for key, value in frame.attrs.items() if key != UNITS}
    known = {name: unit for name, unit in units.items() if name in frame.columns}
    if known:
        stating.attrs[UNITS] = known
    return stating


def schema_units(schema: pa.Schema) -> dict[str, str]:
    """Return the unit of each field that states one, by the field's name."""
    key = UNITS.encode()
    return {field.name: field.metadata[key].decode() for field in schema if field.metadata and key in field.metadata}


def schema_with_units(schema: pa.Schema, units: Mapping[str, str]) -> pa.Schema:
    """Return a schema whose fields state these units, and no others."""
    fields = [field.with_metadata({UNITS: units[field.name]} if field.name in units else None) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)

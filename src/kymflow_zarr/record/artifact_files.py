"""The files of JSON and table artifacts by their endings: what is wrong with one, and the same with a seal of its place."""

from kymflow_zarr.errors import DamagedError
from kymflow_zarr.formats.csv_gz import bind_csv_gz, csv_gz_problem, frame_from_csv_gz
from kymflow_zarr.formats.frames import table_to_frame
from kymflow_zarr.formats.parquet import ParquetBytes, bind_parquet, parquet_problem
from kymflow_zarr.formats.places import UNBOUND
from kymflow_zarr.formats.seals import artifact_from_bytes, artifact_problem, bind_artifact
from kymflow_zarr.formats.strict_json import JsonObject
from kymflow_zarr.layout import JSON, PARQUET


def file_problem(key: str, data: bytes, *, what: str, of: JsonObject | None) -> str | None:
    """Return what is wrong with an artifact's file, looking at every byte; None where it is as it was written."""
    try:
        if key.endswith(JSON):
            return artifact_problem(data, what=what, of=of)
        if key.endswith(PARQUET):
            return parquet_problem(data, what=what, deep=True, of=of)
        return csv_gz_problem(data, what=what, of=of)
    except DamagedError as error:
        return str(error)


def bind_file(key: str, data: bytes, *, what: str, of: JsonObject | None) -> bytes:
    """Return an artifact's file with a seal that says its place; all else as it is."""
    bind = bind_artifact if key.endswith(JSON) else bind_parquet if key.endswith(PARQUET) else bind_csv_gz
    return bind(data, what=what, of=of)


def restored_file(key: str, data: bytes, *, of: JsonObject | None) -> bytes:
    """Return the file of an exported artifact as a record has it; one of an earlier version says its place then.

    Raises
    ------
    DamagedError
        When it is not what was saved, or is another record's.
    """
    if key.endswith(PARQUET):
        opened = ParquetBytes(data, what=key)
        if problem := opened.problem(of):
            raise DamagedError(problem)
        if opened.state == "unsealed":  # another program's, of which only this tells whether it is read later
            table_to_frame(opened.table(of), what=key)
        return bind_parquet(data, what=key, of=of) if opened.problem_of_seal(of) == UNBOUND else data
    if key.endswith(JSON):
        artifact_from_bytes(data, what=key, of=of)
    else:
        frame_from_csv_gz(data, what=key, of=of)
    return bind_file(key, data, what=key, of=of) if file_problem(key, data, what=key, of=of) == UNBOUND else data

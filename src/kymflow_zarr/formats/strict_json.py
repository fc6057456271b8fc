"""Strict JSON: what is written can be read by any program, and a bad value is named by its path.

Canonical bytes (sorted keys, no spaces) are for digests; the files that people open are indented, unless they are so
large that nobody reads them.
"""

import codecs
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import NoReturn, TypeAlias, cast

from kymflow_zarr.errors import DamagedError, InvalidValueError

JsonValue: TypeAlias = str | int | float | bool | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
JsonObject: TypeAlias = Mapping[str, JsonValue]

MAX_BYTES = 2**25
"""Of a JSON file: read into Python it takes up to twenty times as much memory."""
INDENTED_BYTES = 2**20
"""Up to this size, without spaces, JSON is indented. Measured: the indent takes 4 times as long, and 1.7 times the room."""
MAX_DOCUMENT_BYTES = 2**20
"""Of a metadata document of zarr."""


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True, default=dict, check_circular=False
)


_COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=dict)


def to_readable_bytes(value: JsonValue, *, what: str) -> bytes:
    """Return UTF-8 JSON, indented unless it is large; raise `InvalidValueError` naming all values that JSON cannot hold."""
    plain, data = check_json(value, what=what)
    indented = data if len(data) > INDENTED_BYTES else _indented(plain)
    return indented if len(indented) <= MAX_BYTES else data


def check_json(value: JsonValue, *, what: str) -> tuple[JsonValue, bytes]:
    """Return a value as plain dicts and lists, and as UTF-8 JSON without spaces; raise as `to_readable_bytes`.

    Measured: there and back takes half the time of looking at each value, which is done where another value comes back.
    """
    try:
        text = _COMPACT.encode(value)
        plain = _STRICT.decode(text)
        data = text.encode() + b"\n"
    except (ValueError, TypeError, RecursionError):
        plain, data = None, b""
    if not data or plain != value:
        _check(value, what=what)
        text = _COMPACT.encode(value)
        plain, data = _STRICT.decode(text), text.encode() + b"\n"
    if len(data) > MAX_BYTES:
        raise InvalidValueError(
            f"{what} has {len(data) >> 20} MB as JSON; at most {MAX_BYTES >> 20} MB are stored, save it as a table or array"
        )
    return plain, data


def is_readable_form(data: bytes, value: JsonValue, *, what: str) -> bool:
    """Return whether bytes are what this program, or an earlier version of it, writes for a value, to the byte."""
    return data == to_readable_bytes(value, what=what) or (len(data) > INDENTED_BYTES and data == _indented(value))


def _indented(value: JsonValue) -> bytes:
    """Return JSON as `json.dumps` with an indent of 2 writes it. Measured: in a half to a third of its time."""
    parts: list[str] = []
    _lay_out(value, "\n", parts.append)
    return "".join((*parts, "\n")).encode()


def _lay_out(value: JsonValue, line: str, put: Callable[[str], None]) -> None:
    """Put down the JSON of plain dicts and lists, where `line` is the end of a line with the indent of what is around."""
    start, below = "", f"{line}  "
    if type(value) is str:
        put(encode_basestring(value))
    elif type(value) is dict and value:
        for key, item in value.items():
            put(f"{start or '{'}{below}{encode_basestring(key)}: ")
            _lay_out(item, below, put)
            start = ","
        put(f"{line}}}")
    elif type(value) is list and value:
        for item in value:
            put(f"{start or '['}{below}")
            _lay_out(item, below, put)
            start = ","
        put(f"{line}]")
    else:
        put(repr(value) if type(value) in (int, float) else _COMPACT.encode(value))


def canonical_bytes(value: JsonValue) -> bytes:
    """Return a value's canonical JSON."""
    return _CANONICAL.encode(value).encode()


def canonical_sha256(value: JsonValue) -> str:
    """Return the sha256, in hexadecimal, of the value's canonical JSON."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def from_bytes(data: bytes, *, what: str, lenient: bool = False) -> JsonValue:
    """Parse JSON; raise `DamagedError` saying which file cannot be read, and why.

    Where `lenient`, numbers that JSON does not have become null: the older program wrote NaN.
    """
    try:
        # Windows' editor begins a file with a mark.
        text = data.removeprefix(codecs.BOM_UTF8).decode()
        return cast("JsonValue", (_LENIENT if lenient else _STRICT).decode(text))
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{what} is not readable JSON ({error})") from error


def object_from_bytes(data: bytes, *, what: str, lenient: bool = False) -> dict[str, JsonValue]:
    """Parse JSON that must be an object."""
    value = from_bytes(data, what=what, lenient=lenient)
    if not isinstance(value, dict):
        raise DamagedError(f"{what} holds a JSON {type(value).__name__} where an object is expected")
    return value


def copied(value: JsonValue) -> JsonValue:
    """Return a copy of a value that was parsed, which shares nothing with it that can be changed."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse(text)
    return number


def _check(value: JsonValue, *, what: str) -> None:
    try:
        problems = list(_problems(value, "$"))
    except RecursionError as error:
        raise InvalidValueError(f"{what} cannot be stored as JSON: it is nested too deep, or contains itself") from error
    if problems:
        raise InvalidValueError(f"{what} cannot be stored as JSON: {'; '.join(problems[:10])}")


def _problems(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"the key {key!r} at {path} is a {type(key).__name__}, not a string"
            elif not _is_text(key):
                yield f"the key {key!r} at {path} has half a character"
            yield from _problems(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _problems(item, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path} is {value}; use null for a missing number"
    elif isinstance(value, str) and not _is_text(value):
        yield f"{path} is {value!r}, which has half a character"
    elif not isinstance(value, str | int | float | None):
        yield f"{path} is a {type(value).__name__}"


def _is_text(text: str) -> bool:
    """Return whether UTF-8 can hold it; a file name that is not UTF-8 has lone surrogates in Python."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


_STRICT = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
_LENIENT = json.JSONDecoder(parse_constant=lambda _text: None, parse_float=_finite_or_none)

"""CSV files as frames: text stays text, integers keep their digits, and what would have to be guessed is refused.

The rule of this room: a column has numbers only where each of them, written again, would be the number in the file; else it
is text, unchanged. Rows that do not fit the names of the columns are never shifted or cut.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from kymflow_zarr.errors import SourceError

Row: TypeAlias = list[str]

_DELIMITERS = (",", ";", "\t")
_COMMENTS = ("#", "%", "//")
_STATED_DELIMITER = re.compile(r"sep=(.)", re.IGNORECASE)
"""The line that Excel reads the delimiter from."""
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,30}")
_DECIMAL = re.compile(
    r"[+-]?(?:(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?:0|[1-9][0-9]*)[eE][+-][0-9]+)"
    r"|[+-]?(?:nan|inf|infinity)",
    re.IGNORECASE,
)
"""A number as programs write it. Neither "12E3" nor "007" is one: no program writes so, and people name mice so."""
_COMMA_DECIMAL = re.compile(r"[+-]?(?:0|[1-9][0-9]*),[0-9]+(?:[eE][+-]?[0-9]+)?")
_MISSING = frozenset({"NA", "N/A", "n/a", "#N/A", "<NA>", "None", "null", "NULL"})
"""Words for a missing number; in a column of text they are text."""
_TRUTHS = ({"True": True, "False": False}, {"TRUE": True, "FALSE": False}, {"true": True, "false": False})
_QUOTED_NUMBER = re.compile(rb'"\s*(?:[+-]?[0-9.]|true|false|nan|inf)', re.IGNORECASE)
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How text begins that Excel, LibreOffice or Google Sheets may run (OWASP, "CSV Injection"), also after our apostrophes.

The last four are the wide forms of `=+-@` in Chinese, Japanese and Korean."""
_EXACT = 2**53
"""Up to here a float holds every integer."""


class _Quoted(str):
    """A value between quotation marks."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """A frame that was read from CSV, and what a person should know of it."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


def parse_csv(data: bytes, *, where: str, is_text: Callable[[str], bool] = lambda name: False) -> CsvTable:
    """Return the table in a CSV file of any program.

    Commas, semicolons and tabs divide columns; with the latter two a comma may be the decimal point. Lines above the
    names of the columns that begin with `#`, `%` or `//` are left out, and so are empty columns behind the last name.
    Where the file begins with the mark of UTF-8, text is read as it was before `frame_to_excel_csv` wrote it.

    Parameters
    ----------
    data
        The file.
    where
        The file, for messages.
    is_text
        Tells which columns are text whatever is in them; by default what is in a column decides.

    Raises
    ------
    SourceError
        When it cannot be read, or not without a guess: rows with more or fewer values than there are names, no names, two
        columns of one name, decimal commas and decimal points.
    """
    lines, comments = _without_comments(_decode(data, where))
    stated = _STATED_DELIMITER.fullmatch(lines.partition("\n")[0].strip("\r"))
    if stated:
        lines = lines.partition("\n")[2]
    is_quoted = _QUOTED_NUMBER.search(data) is not None
    delimiter, rows = _divided(lines, stated[1] if stated else "", is_quoted=is_quoted, where=where)
    if not rows:
        raise _unreadable(where, "it is empty")
    names, body = rows[0], rows[1:]
    is_for_excel = data.startswith(codecs.BOM_UTF8)
    if is_for_excel:
        names = [_as_it_was(name) for name in names]
    if _has_no_names(names):
        titles = next(iter(_read_rows("".join(comments[-1:]), delimiter, is_quoted=False, where=where)), [])
        if len(titles) != len(names):
            raise SourceError(f"{where} has numbers and no names of columns in its first line; add a line with the names")
        names, body = [title.strip() for title in titles], rows
    table = _table(names, body, where=where, with_commas=delimiter != ",", is_text=is_text)
    return replace(table, frame=_with_texts_as_they_were(table.frame)) if is_for_excel else table


def _with_texts_as_they_were(frame: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in frame.columns if pd.api.types.is_string_dtype(frame[name])]
    return frame.assign(**{name: frame[name].map(_as_it_was, na_action="ignore") for name in texts})


def parse_own_csv(data: bytes, *, where: str) -> pd.DataFrame:
    """Return the frame that `frame_to_csv` wrote; times come as text; raise as `parse_csv`."""
    is_quoted = _QUOTED_NUMBER.search(data) is not None
    rows = _read_rows(_decode(data, where), ",", is_quoted=is_quoted, where=where)
    if not rows:
        return pd.DataFrame()
    return _table(rows[0], rows[1:], where=where, with_commas=False).frame


def frame_to_csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV, its index left out; text that would be read as numbers is put between quotation marks."""
    texts = [name for name in frame.columns if _may_have_text(frame[name]) and is_read_otherwise(frame[name].tolist())]
    end = "\n"
    plain = frame.to_csv(index=False, lineterminator=end)
    if "\r" in plain:  # Python puts text between quotation marks only where it has a character of a line's end
        end = "\r\n"
        plain = frame.to_csv(index=False, lineterminator=end)
    if not texts:
        return plain.encode()
    mark = free_mark(plain)
    marked = frame.assign(**{name: frame[name].map(mark.__add__, na_action="ignore") for name in texts})
    body = marked.to_csv(index=False, header=False, lineterminator=end)
    header = frame.iloc[:0].to_csv(index=False, lineterminator=end)
    return (header + quote_marked(body, mark)).encode()


def free_mark(text: str) -> str:
    """Return a character that a text does not have; it stands before each value that is to have quotation marks."""
    return next(one for one in map(chr, range(0xE000, 0xF900)) if one not in text)  # Unicode's private use area


def quote_marked(text: str, mark: str) -> str:
    """Return CSV with quotation marks around the values that a mark stands before."""
    return re.sub(f"{mark}([^,\r\n]*)", r'"\1"', text)


def frame_to_excel_csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV that a spreadsheet opens with its µ, and in which no text runs as a formula.

    It begins with the mark of UTF-8. An apostrophe stands before text, and names of columns, that a spreadsheet would take
    for a formula; `parse_csv` takes it away again. `frame_to_csv` writes text exactly as it is.
    """
    texts = [name for name in frame.columns if _may_have_text(frame[name])]
    safe = frame.assign(**{name: frame[name].astype(object).map(without_formula) for name in texts})
    return codecs.BOM_UTF8 + frame_to_csv(safe.rename(columns=without_formula))


def without_formula(value: object) -> object:
    """Return a value as a spreadsheet shows it: an apostrophe stands before text that it would take for a formula."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _as_it_was(text: str) -> str:
    """Return text without the apostrophe of `frame_to_excel_csv`: inverse of `without_formula`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def _may_have_text(column: pd.Series) -> bool:
    is_text = pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)
    return is_text or isinstance(column.dtype, pd.CategoricalDtype)


def is_read_otherwise(column: Sequence[object]) -> bool:
    """Return whether a column of text would be read as numbers or truths."""
    texts = [value for value in column if isinstance(value, str)]
    there = {value.strip() for value in set(texts)} - {""}
    if not there or any(not isinstance(value, str) and not _is_missing(value) for value in column):
        return False
    return all(map(_may_be_a_value, there)) and not pd.api.types.is_string_dtype(_typed(texts, "", [], with_commas=False))


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _may_be_a_value(text: str) -> bool:
    """Return whether a text is no plain text by itself: a number, a truth, or a word for a missing one."""
    is_number = _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text)
    return bool(is_number) or text in _MISSING or any(text in truths for truths in _TRUTHS)


def _decode(data: bytes, where: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _unreadable(where, f"it is no text in UTF-8: {error}") from error


def _without_comments(text: str) -> tuple[str, list[str]]:
    """Return a text from the line of names on, and the comments above it without their sign."""
    comments: list[str] = []
    while (line := text.partition("\n")[0]).lstrip().startswith(_COMMENTS) or (not line.strip() and "\n" in text):
        if line.strip():
            comments.append(line.strip().lstrip("#%/").strip())
        text = text.partition("\n")[2]
        if not text:
            break
    return text, comments


def _divided(text: str, stated: str, *, is_quoted: bool, where: str) -> tuple[str, list[Row]]:
    """Return the delimiter of a file, and its rows."""
    first = text.partition("\n")[0]
    candidates = [stated] if stated else [one for one in _DELIMITERS if one in first] or [","]
    divided = {one: _read_rows(text, one, is_quoted=is_quoted, where=where) for one in candidates}
    fitting = [one for one, rows in divided.items() if rows and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1]
    chosen = candidates if len(candidates) == 1 else fitting
    if len(chosen) != 1:
        raise SourceError(
            f"{where} could be divided into columns at {' or at '.join(map(repr, candidates))}; save it with one of them"
        )
    return chosen[0], divided[chosen[0]]


def _read_rows(text: str, delimiter: str, *, is_quoted: bool, where: str) -> list[Row]:
    try:
        return list(_rows(text, delimiter, is_quoted=is_quoted))
    except csv.Error as error:
        raise _unreadable(where, str(error)) from error


def _unreadable(where: str, reason: str) -> SourceError:
    return SourceError(f"{where} cannot be read as a table ({reason}); mend or remove it, then import again")


def _rows(text: str, delimiter: str, *, is_quoted: bool) -> Iterator[Row]:
    """Yield the rows that are not empty; where `is_quoted`, values between quotation marks are `_Quoted`."""
    if not is_quoted:
        yield from (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row)
        return
    sign = re.escape(delimiter)
    value = re.compile(rf'(?:"((?:[^"]|"")*)"|([^"{sign}\r\n][^{sign}\r\n]*|))({sign}|\r\n|\n|\r|\Z)')
    row: Row = []
    at = 0
    while at < len(text):
        found = value.match(text, at)
        if found is None:
            raise csv.Error(f"a quotation mark at character {at} is not closed, or more follows it")
        row.append(found[2] if found[1] is None else _Quoted(found[1].replace('""', '"')))
        at = found.end()
        if found[3] != delimiter or at == len(text):
            row += [""] if found[3] == delimiter else []
            if row != [""]:
                yield row
            row = []


def _has_no_names(names: Row) -> bool:
    """Return whether the first row holds values; 0, 1, 2 and so on are the names that pandas gives."""
    named = [name.strip() for name in names if name.strip()]
    if not named or named == [str(at) for at in range(len(named))]:
        return False
    return all(_INTEGER.fullmatch(one) or _DECIMAL.fullmatch(one) or _COMMA_DECIMAL.fullmatch(one) for one in named)


def _table(
    names: Row, body: list[Row], *, where: str, with_commas: bool, is_text: Callable[[str], bool] = lambda name: False
) -> CsvTable:
    while names and not names[-1].strip() and len(names) > 1:
        names = names[:-1]
    count = len(names)
    for number, row in enumerate(body, 2):
        if len(row) != count and (len(row) < count or any(map(str.strip, row[count:]))):
            raise _unreadable(where, f"row {number} has {len(row)} values, and its columns have {count} names")
    called = [name if name.strip() else f"Unnamed: {at}" for at, name in enumerate(map(str, names))]
    twice = sorted({name for name in called if called.count(name) > 1})
    if twice:
        raise _unreadable(where, f"two columns have the name {twice[0]!r}")
    all_quoted = all(isinstance(one, _Quoted) for row in (names, *body) for one in row if one)
    # Where all are quoted, the marks say nothing of a single value.
    columns = [[str(row[at]) if all_quoted else row[at] for row in body] for at in range(count)]
    if with_commas:
        _check_decimal_sign(called, columns, where)
    notes: list[str] = []
    frame = pd.DataFrame(
        {
            name: _text(column)
            if is_text(name)
            else _typed(column, f"{where}: its column {name!r}", notes, with_commas=with_commas)
            for name, column in zip(called, columns, strict=True)
        }
    )
    return CsvTable(frame=frame, notes=tuple(notes))


def _check_decimal_sign(names: Sequence[str], columns: Sequence[Sequence[str]], where: str) -> None:
    """Raise `SourceError` where a file has decimal points and decimal commas: one of them might divide thousands."""
    of_sign = {
        sign: next((name for name, column in zip(names, columns, strict=True) if _has(column, pattern, sign)), None)
        for sign, pattern in ((".", _DECIMAL), (",", _COMMA_DECIMAL))
    }
    if None not in of_sign.values():
        raise SourceError(
            f"{where} has numbers with a decimal point (column {of_sign['.']!r}) and with a decimal comma (column "
            f"{of_sign[',']!r}); save it with one of them"
        )


def _has(column: Sequence[str], pattern: re.Pattern[str], sign: str) -> bool:
    return any(sign in value and pattern.fullmatch(value.strip()) for value in column)


def _typed(column: Sequence[str], what: str, notes: list[str], *, with_commas: bool) -> "pd.Series":
    """Return a column with the one type that all its values have."""
    stripped = {value: value.strip() for value in set(column)}
    there = {value for value in stripped.values() if value}
    quoted = any(isinstance(value, _Quoted) for value in column if value)
    if not there:
        return pd.Series(np.full(len(column), np.nan))
    truths = next((one for one in _TRUTHS if there <= one.keys()), None)
    if truths is not None and not quoted:
        return pd.Series([truths.get(stripped[value]) for value in column])
    with_comma = {value for value in there if _COMMA_DECIMAL.fullmatch(value)} if with_commas else set()
    integers = {value for value in there if _INTEGER.fullmatch(value)}
    decimals = {value for value in there - integers if _DECIMAL.fullmatch(value)}
    missing = (there - integers - decimals) & _MISSING
    is_mixed = bool(decimals or with_comma) and any(abs(int(value)) > _EXACT for value in integers)
    if quoted or is_mixed or there - integers - decimals - with_comma - missing or not there - missing:
        return _text(column)
    if missing:
        count = sum(stripped[value] in missing for value in column)
        notes.append(f"{what} has {', '.join(map(repr, sorted(missing)))} among numbers: {count} values are missing")
    if decimals or with_comma:
        numbers = {value: float(value.replace(",", ".")) for value in decimals | with_comma | integers}
        return pd.Series([numbers.get(stripped[value], np.nan) for value in column])
    whole = {value: int(value) for value in integers}
    return _integers([whole.get(stripped[value]) for value in column], column)


def _text(column: Sequence[str]) -> "pd.Series":
    return pd.Series([value if value.strip() else None for value in map(str, column)], dtype="str")


def _integers(values: list[int | None], column: Sequence[str]) -> "pd.Series":
    """Return integers with all their digits; as text where 64 bits have no place for one."""
    there = [value for value in values if value is not None]
    for dtype, nullable in (("int64", "Int64"), ("uint64", "UInt64")):
        limits = np.iinfo(dtype)
        if limits.min <= min(there) and max(there) <= limits.max:
            return pd.Series(values, dtype=nullable) if None in values else pd.Series(np.array(values, dtype=dtype))
    return _text(column)

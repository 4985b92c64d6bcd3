"""An uploaded file before its rows are read: its separator, its decimal sign and its columns.

The URLs that predict read CSV strictly. On a page, a person has chosen the file, so what
spreadsheet programs write is recognised: semicolons or tabs between the values, and decimal commas.
The page then says how the file was read. Columns can also be renamed to the fields that they stand
for.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from typing import Any, ClassVar

import orjson

from flask_skmodels.codecs.codec import Codec, Source
from flask_skmodels.codecs.columns import MIN_LINE_BYTES, check_column_count, check_row_marks
from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.hints import LIKELY, nearest_name
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import COLUMNS, VALUES
from flask_skmodels.schema.schema import Schema

RENAMED = "from."  # precedes the name of a field in the form, whose value is its column
_MAX_PAIRS = 2_000  # pairs of a field and an unused column whose names are compared
_MAX_NAME_LENGTH = 100  # characters of a name that is still compared
_BOM = b"\xef\xbb\xbf"
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?\s*", re.ASCII)
_PUNCTUATION = re.compile(r"[\W_]+")
_CSV, _NDJSON, _JSON = "text/csv", "application/x-ndjson", "application/json"
EXCEL_ADVICE = (
    "this is an Excel file: in Excel, choose File, Save As, “CSV UTF-8 (Comma delimited)”, and "
    "then choose the saved file here"
)


@dataclass(frozen=True, slots=True)
class MissingColumn:
    """A field for which the file has no column.

    :param field: name of the field
    :param is_required: whether each row needs a value
    :param suggestion: the unused column whose name is nearest, None if no name is near
    """

    field: str
    is_required: bool
    suggestion: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnReport:
    """The columns of a file, compared with the fields of a model.

    :param matched: name of each field and of the column that it is read from
    :param ignored: names of the columns that no field is read from
    :param missing: the fields without a column
    :param notes: how the file was read, if not as plain CSV
    :param is_known: whether the names of the columns are known
    """

    matched: Sequence[tuple[str, str]] = ()
    ignored: Sequence[str] = ()
    missing: Sequence[MissingColumn] = ()
    notes: Sequence[str] = ()
    is_known: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to report: every column has the name of its field."""
        is_renamed = any(name != column for name, column in self.matched)
        return not (self.ignored or self.missing or self.notes or is_renamed)

    @property
    def misses_required(self) -> bool:
        """Whether a field that each row needs has no column."""
        return any(each.is_required for each in self.missing)


@dataclass(slots=True)
class UploadedTable:
    """A file that a codec can read, with its columns.

    :param data: the file, in the format that the codec reads
    :param columns: its columns
    :param media_type: the media type of that format
    :param parameters: the parameters of its content type
    :param max_bytes: the maximum number of bytes that the file may unpack to
    :param budget: the limits on the request
    """

    data: bytes
    columns: ColumnReport
    media_type: str
    parameters: Mapping[str, str]
    max_bytes: int
    budget: Budget
    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()


@dataclass(slots=True)
class _FileTable:
    """What is known of a file: its data, its column names, and notes about it."""

    data: bytes
    names: list[str] | None = None
    notes: list[str] = field(default_factory=list)


def uploaded_table(
    source: Source, codec: Codec, schema: Schema, renamed: Mapping[str, str]
) -> UploadedTable:
    """Return an uploaded file as its codec reads it.

    :param source: the file
    :param codec: the codec of its format
    :param schema: the fields of the model
    :param renamed: for some fields, the column that they are read from
    :raises InvalidInput: the file is an Excel file
    """
    data = source.data
    if data.startswith(_EXCEL):
        raise InvalidInput.of_request("content_type", EXCEL_ADVICE)
    media_type = codec.reads[0]
    columns = {column: name for name, column in renamed.items() if column}
    is_table = VALUES not in {each.name for each in schema.fields} and bool(schema.fields)
    table = _FileTable(data)
    if media_type == _CSV:
        with suppress(InvalidInput):  # too many rows or columns, which the codec refuses
            check_row_marks(data, b"\r\n", source.budget, MIN_LINE_BYTES)
            table = _csv(data.removeprefix(_BOM), schema, columns)
    elif media_type in (_NDJSON, _JSON) and is_table:
        table = _json(data, columns, is_lines=media_type == _NDJSON)
    report = _report(table, schema, columns)
    limits = source.max_bytes, source.budget
    return UploadedTable(table.data, report, media_type, source.parameters, *limits)


def _report(table: _FileTable, schema: Schema, columns: Mapping[str, str]) -> ColumnReport:
    """Return the columns compared with the fields.

    :param columns: name of the field for each column that was renamed
    """
    fields = {each.name: each for each in schema.fields if not each.is_alias}
    aliases = {each.name for each in schema.fields if each.is_alias}
    if table.names is None or (schema.unnamed and not fields.keys() & {*table.names}):
        return ColumnReport(notes=table.notes, is_known=False)
    pairs = [(columns.get(name, name), name) for name in table.names]
    found = {name for name, _ in pairs}
    ignored = [column for name, column in pairs if name not in fields and name not in aliases]
    missing = [name for name in fields if name not in found]
    near = _nearest_columns(missing, ignored)
    return ColumnReport(
        matched=[pair for pair in pairs if pair[0] in fields],
        ignored=ignored,
        missing=[
            MissingColumn(name, _is_required(fields[name], found & aliases), near.get(name))
            for name in missing
        ],
        notes=table.notes,
    )


def _is_required(each: Field, aliases: Collection[str]) -> bool:
    """Return whether each row needs a field; its value may also be under one of its aliases."""
    return bool(each.definition.get("required")) and not (each.has_default or aliases)


def _nearest_columns(names: Iterable[str], columns: Iterable[str]) -> dict[str, str]:
    """Return, for each field, the column with the nearest name; no column is used twice.

    Case, blanks and punctuation do not count. If there are many names or long names, only equal
    names are found, because the time to compare them would grow with the product of their numbers.
    """
    fields = {_plain(name): name for name in names}
    unused = {_plain(column): column for column in columns}
    found = {fields[plain]: unused.pop(plain) for plain in fields if plain in unused}
    others = {plain: name for plain, name in fields.items() if name not in found}
    if len(others) * len(unused) > _MAX_PAIRS:
        return found
    comparable = {plain for plain in unused if len(plain) <= _MAX_NAME_LENGTH}
    for plain, name in others.items():
        column = nearest_name(plain, comparable, LIKELY) if len(plain) <= _MAX_NAME_LENGTH else None
        if column is not None:
            comparable.remove(column)
            found[name] = unused.pop(column)
    return found


def _plain(name: str) -> str:
    return _PUNCTUATION.sub("", name).lower()


# CSV


def _csv(data: bytes, schema: Schema, columns: Mapping[str, str]) -> _FileTable:
    first = data.lstrip(b"\r\n").partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    separator = _separator(first, schema)
    names = _cells(first, separator)
    check_column_count(len(names), schema)
    table = _FileTable(data, names)
    if separator != ",":
        table = _with_commas(data, separator, names, schema, columns) or table
    return _renamed_csv(table, columns) if columns.keys() & {*names} else table


def _separator(first: str, schema: Schema) -> str:
    """Return the separator of the values: the one that separates most names of fields."""
    fields = {each.name for each in schema.fields}

    def fit(separator: str) -> tuple[int, int]:
        cells = _cells(first, separator)
        return len(fields.intersection(cells)), len(cells)

    commas = fit(",")
    others = {each: fit(each) for each in _SEPARATORS if each in first}
    best = max(others, key=lambda each: others[each], default=",")
    is_better = best != "," and others[best][0] >= commas[0] and others[best] > commas
    has_positions = schema.unnamed and best != "," and others[best][1] == len(schema.fields) > 1
    return best if is_better or has_positions else ","


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def _with_commas(
    data: bytes, separator: str, names: Sequence[str], schema: Schema, columns: Mapping[str, str]
) -> _FileTable | None:
    """Return a table with commas between its values, None if the file is not a table."""
    try:
        text = data.decode()
        numbers = _number_columns(names, schema, columns)
        has_decimal_commas = _has_decimal_commas(text, separator, numbers)
        target = StringIO(newline="")
        writer = csv.writer(target, lineterminator="\n")
        for row in csv.reader(StringIO(text, newline=""), delimiter=separator):
            for index in numbers if has_decimal_commas else ():
                if index < len(row) and _DECIMAL_COMMA.fullmatch(row[index]):
                    row[index] = row[index].replace(",", ".")
            writer.writerow(row)
    except (csv.Error, UnicodeDecodeError):
        return None  # the codec says what is wrong
    note = f"The values are separated by {_SEPARATORS[separator]}"
    note += ", and the numbers have decimal commas." if has_decimal_commas else "."
    return _FileTable(
        target.getvalue().encode(), list(names), [f"{note} The file was read in this way."]
    )


def _number_columns(
    names: Sequence[str], schema: Schema, columns: Mapping[str, str]
) -> Sequence[int]:
    """Return the indices of the columns of numbers."""
    numbers = {each.name for each in schema.fields if each.is_number}
    found = [index for index, name in enumerate(names) if columns.get(name, name) in numbers]
    return found or (range(len(names)) if schema.unnamed else ())


def _has_decimal_commas(text: str, separator: str, numbers: Iterable[int]) -> bool:
    """Return whether some numbers have a decimal comma and none has a decimal point."""
    indices, found = list(numbers), False
    for row in islice(csv.reader(StringIO(text, newline=""), delimiter=separator), 1, None):
        cells = [row[index] for index in indices if index < len(row)]
        if any("." in cell for cell in cells):
            return False
        found = found or any(map(_DECIMAL_COMMA.fullmatch, cells))
    return found


def _renamed_csv(table: _FileTable, columns: Mapping[str, str]) -> _FileTable:
    """Return a table with other names in its first line."""
    start = table.data.lstrip(b"\r\n")
    header, _, rest = start.partition(b"\n")
    target = StringIO(newline="")
    names = [columns.get(name, name) for name in table.names or ()]
    csv.writer(target, lineterminator="\r\n" if header.endswith(b"\r") else "\n").writerow(names)
    return _FileTable(target.getvalue().encode() + rest, table.names, table.notes)


# JSON


def _json(data: bytes, columns: Mapping[str, str], *, is_lines: bool) -> _FileTable:
    names = _first_names(data)
    if names is None or not columns.keys() & {*names}:
        return _FileTable(data, names)
    try:
        if is_lines:
            lines = [_renamed(orjson.loads(line), columns) for line in data.splitlines() if line]
            return _FileTable(b"\n".join(map(orjson.dumps, lines)), names)
        return _FileTable(orjson.dumps(_renamed(orjson.loads(data), columns)), names)
    except (orjson.JSONDecodeError, TypeError):
        return _FileTable(data, names)  # the codec says what is wrong


def _first_names(data: bytes) -> list[str] | None:
    """Return the names of the first row, even if only the beginning of the file is known."""
    text = data[: 2**16].decode("utf-8", "ignore")
    start = text.find("{")
    if start < 0 or text[:start].strip() not in ("", "["):
        return None
    try:
        row, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    names = row.get(COLUMNS, row)
    return list(names) if isinstance(names, dict) else None


def _renamed(document: Any, columns: Mapping[str, str]) -> Any:
    """Return a row, rows or columns with other names."""
    if isinstance(document, list):
        return [_renamed(each, columns) for each in document]
    if not isinstance(document, dict):
        return document
    if isinstance(document.get(COLUMNS), dict):
        return {**document, COLUMNS: _renamed(document[COLUMNS], columns)}
    return {columns.get(name, name): value for name, value in document.items()}

"""``text/csv``, as in RFC 4180. The fields of the model decide the types; nothing is guessed.

A file of plain numbers is read directly into arrays, any other file as texts. Both ways give the
same rows; from the bytes to X, reading arrays is about four times as fast. ``schema.text_values``
says what a text stands for, even a blank one.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from operator import itemgetter
from typing import Literal

import numpy as np
import orjson

from flask_skmodels.codecs.codec import Codec, Source
from flask_skmodels.codecs.columns import (
    MIN_LINE_BYTES,
    answer_columns,
    check_column_count,
    check_row_marks,
    request_columns,
)
from flask_skmodels.codecs.number_lines import number_lines
from flask_skmodels.codecs.parts import output_parts
from flask_skmodels.exceptions import InputError, InvalidInput, Report
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.inference.request_limits import NO_BUDGET, Budget
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.rows import EXACT, Columns, Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.text_values import read_integer, read_number
from flask_skmodels.schema.types import (
    Array,
    ArrowColumn,
    ArrowTable,
    ColumnValues,
    FieldValue,
    JSONMapping,
    Values,
)

PYARROW_PAYS = 256 * 1024  # bytes; for less pyarrow is slower, and for 4 MB it takes half the time

_EMPTY = '""'  # a line without any text
_BOM = b"\xef\xbb\xbf"
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
_BLOCK = 512 * 1024
_NUMBER_BYTES = b"0123456789+-.eE,\r\n \t"
_NEGATIVE_ZERO = re.compile(rb"-0+[ \t]*(?:[,\r\n]|\Z)")
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_Kind = Field | Literal[True] | None  # of a column: its field, any number, or not known
_UNREADABLE = re.compile("[\0\udc80-\udcff]")  # a zero byte, or a byte that is not UTF-8
_TO_QUOTE = re.compile('[",\r\n]')
# A quoted or plain cell with what ends it, or a quote that is not closed.
_CELL = re.compile(r'(?:("[^"]*+(?:""[^"]*+)*+")|([^",\r\n][^,\r\n]*+)?)(,|\r\n?|\n|\Z)|(")(?s:.*)')


class CSVCodec(Codec):
    """Reads one row from each line; writes a column ``prediction``, or a column for each class.

    The first line names the fields. For rows of ``values`` this header may be left out: the first
    line is a header if none of its values is a number. The parameter ``header`` of the content
    type, ``present`` or ``absent``, overrides this.
    """

    media_type = "text/csv"
    reads = ("text/csv",)
    suffixes = (".csv",)

    def decode(self, source: Source, schema: Schema) -> Rows:
        header = _header_parameter(source.parameters)
        body = source.data.removeprefix(_BOM)
        check_row_marks(body, b"\r\n", source.budget, MIN_LINE_BYTES)
        _check_separator(body, schema)
        numbers = read_numbers(body, schema, header=header)
        if numbers is not None:
            return numbers
        return read_text(body, schema, header=header, budget=source.budget)

    def encode(self, prediction: Prediction) -> bytes:
        # csv.writer takes 1.2 to 3 times as long for numbers.
        columns = answer_columns(prediction)
        return _written([_header(columns), *_lines(columns)])

    def encode_parts(self, prediction: Prediction) -> Iterable[bytes]:
        for index, part in enumerate(output_parts(prediction)):
            if index == 0:
                yield header_line(answer_columns(part))
            is_single = part.outputs.ndim == 1 or part.outputs.shape[1] == 1
            lines = None
            if part.layout is None:
                lines = number_lines(part.outputs, b'""' if is_single else b"", b"\r\n")
            yield value_lines(answer_columns(part)) if lines is None else lines

    def example(self, row: JSONMapping) -> str:
        header = [_quoted(name) for name in row]
        lines = [header, [_text(value) for value in row.values()]]
        if set(row) == {VALUES} and isinstance(row[VALUES], list):
            lines = [[_text(value) for value in row[VALUES]]]
        return "".join(",".join(line) + "\r\n" for line in lines)


def read_text(
    body: bytes, schema: Schema, *, header: bool | None = None, budget: Budget = NO_BUDGET
) -> Rows:
    """Return the rows of a file as texts.

    :param body: the file
    :param schema: the fields of the model
    :param header: whether the first line names the columns, None to decide by the line itself
    :param budget: the limits on the file
    :raises InvalidInput: the file is not valid CSV in UTF-8
    :raises OverBudget: it has more rows or cells
    """
    text = body.decode("utf-8", "surrogateescape")
    rows, count, is_valid = _split(text, budget.max_rows + 1)
    names = rows.pop(0) if rows and _is_header(rows[0], schema, header) else None
    count -= names is not None
    budget.check_rows(count, len(schema.fields))
    if not is_valid:
        row = count if names or header is False else None
        message = "a quoted value is not closed, or has text after its closing quote"
        raise InvalidInput([InputError(row, None, "csv", message)])
    if not rows and names is None:
        return Rows([])
    width = len(rows[0] if names is None else names)
    check_column_count(width, schema)
    if _UNREADABLE.search(text):
        _report_unreadable(names, rows, schema)
    _check_widths(rows, width)
    return request_columns(names, _columns(names, rows, width, schema), schema, text=True)


def _columns(
    names: Sequence[str] | None, rows: Sequence[Sequence[str]], width: int, schema: Schema
) -> list[ColumnValues]:
    """Return the columns of lines; columns that are not named like a field are only counted."""
    if names is None or schema.unnamed:
        return list(zip(*rows, strict=True)) or [()] * width
    fields = {field.name for field in schema.fields}
    return [
        list(map(itemgetter(index), rows)) if name in fields else range(len(rows))
        for index, name in enumerate(names)
    ]


def read_numbers(body: bytes, schema: Schema, *, header: bool | None = None) -> Columns | None:
    """Return the rows of a file of plain numbers as arrays.

    :param body: the file
    :param schema: the fields of the model
    :param header: as for :func:`read_text`
    :returns: None if the result of :func:`read_text` might differ
    :raises InvalidInput: there are too many columns, or two for one field
    """
    if b'"' in body or b"\0" in body or not schema.takes_arrays:
        return None
    body = body.lstrip(b"\r\n")
    first = body[: body.find(b"\n")] if b"\n" in body else body
    if not first.isascii() or (b"\r" in body and _LONE_RETURN.search(body)):
        return None
    cells = first.decode().removesuffix("\r").split(",")
    check_column_count(len(cells), schema)
    names = cells if _is_header(cells, schema, header) else None
    kinds = number_kinds(names, len(cells), schema)
    if kinds is None:
        return None
    columns = _read(body, kinds, has_header=names is not None)
    return None if columns is None else request_columns(names, columns, schema)


def _check_separator(body: bytes, schema: Schema) -> None:
    """Refuse a file whose header separates the names of the fields with semicolons."""
    if body.find(b";", 0, _BLOCK) < 0:
        return
    first = body.lstrip(b"\r\n")[:_BLOCK].partition(b"\n")[0]
    text = first.decode("utf-8", "replace").strip().replace('"', "")
    names = {field.name for field in schema.fields}
    if len(names.intersection(text.split(";"))) > 1 and names.isdisjoint(text.split(",")):
        message = (
            "the values are separated by semicolons: separate them with commas, and write numbers "
            "with a decimal point"
        )
        raise InvalidInput.of_request("csv", message)


def _header_parameter(parameters: Mapping[str, str]) -> bool | None:
    if parameters.get("charset", "utf-8").lower() not in _CHARSETS:
        raise InvalidInput.of_request("charset", "the charset must be utf-8")
    header = parameters.get("header", "").lower()
    if header not in {"", "present", "absent"}:
        raise InvalidInput.of_request("header", "the parameter header must be present or absent")
    return header == "present" if header else None


def _is_header(cells: Sequence[str], schema: Schema, header: bool | None) -> bool:
    """Return whether the first line names the columns.

    If only one value of the line is a text, it is a wrong value and not a name: the row would be
    lost if the line were read as a header.
    """
    if header is not None or not schema.unnamed:
        return header is not False
    fields = [field for field in schema.fields if not field.is_alias]
    names = [field.name for field in fields]
    if sorted(cells) == sorted(names):
        return True
    if len(fields) == len(cells):
        pairs = zip(cells, fields, strict=True)
        cells = [cell for cell, field in pairs if field.text_readers == (read_number,)]
    given = [cell for cell in cells if cell.strip()]
    return bool(given) and all(isinstance(read_number(cell), str) for cell in given)


# Reading texts


def _split(text: str, most: int = sys.maxsize) -> tuple[list[list[str]], int, bool]:
    """Return the values of each line that is not empty.

    :param text: the file
    :param most: number of lines to return; further lines are only counted
    :returns: the lines, their number, and whether all quotes are closed
    """
    if '"' in text:
        return _split_quoted(text, most)
    # Without quotes csv.reader takes 1.7 times as long.
    all_lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = [line for line in all_lines if line]
    return [line.split(",") for line in lines[:most]], len(lines), True


def _split_quoted(text: str, most: int) -> tuple[list[list[str]], int, bool]:
    rows: list[list[str]] = []
    count = 0
    try:
        for row in filter(None, csv.reader(io.StringIO(text, newline=""), strict=True)):
            count += 1
            if count <= most:
                rows.append(row)
    except csv.Error:
        if len(text) > csv.field_size_limit():
            return _split_long_cells(text, most)
        return rows, count, False
    return rows, count, True


def _split_long_cells(text: str, most: int) -> tuple[list[list[str]], int, bool]:
    """Return the result of :func:`_split_quoted` for cells that csv.reader refuses as too long.

    The limit of csv.reader, 128 KiB by default, holds for the whole process, so a library should
    not set it. This function takes two to three times as long.
    """
    rows: list[list[str]] = []
    row: list[str] = []
    count = 0
    for match in _CELL.finditer(text):
        quoted, plain, end, unclosed = match.groups()
        if unclosed:
            return rows, count, False
        if not (row or quoted or plain or end == ","):
            continue  # an empty line
        row.append(quoted[1:-1].replace('""', '"') if quoted else plain or "")
        if end != ",":
            count += 1
            if count <= most:
                rows.append(row)
            row = []
    return rows, count, True


def _report_unreadable(
    names: Sequence[str] | None, rows: Sequence[Sequence[str]], schema: Schema
) -> None:
    if any(map(_UNREADABLE.search, names or ())):
        raise InvalidInput.of_request("csv", "the header is not valid UTF-8, or has a zero byte")
    fields = [field.name for field in schema.fields]
    shown = fields if names is None else [name if name in fields else None for name in names]
    report = Report()
    for index, row in enumerate(rows):
        for column, cell in enumerate(row):
            if _UNREADABLE.search(cell):
                name = shown[column] if column < len(shown) else None
                report.add(index, name, "csv", "the value is not valid UTF-8, or has a zero byte")
    report.raise_if_any()


def _check_widths(rows: Sequence[Sequence[str]], width: int) -> None:
    if set(map(len, rows)) <= {width}:
        return
    report = Report()
    for index, row in enumerate(rows):
        if len(row) != width:
            message = f"the line should have {width} values, not {len(row)}"
            report.add(index, None, "items", message)
    report.raise_if_any()


# Reading numbers


def number_kinds(names: Sequence[str] | None, width: int, schema: Schema) -> list[_Kind] | None:
    """Return the kind of each column: its field, True for any number, None for no field.

    :returns: None if a field takes anything but plain numbers
    """
    if not schema.fields:
        return [True] * width
    plain = schema.plain_names
    if plain and (names == plain or (names is None and width == len(plain))):
        return [*schema.fields]  # the same as below, in a tenth of the time
    fields = {field.name: field for field in schema.fields}
    if names is None or (schema.unnamed and set(names) != set(fields)):
        in_order = [field for field in schema.fields if not field.is_alias]
        kinds: list[_Kind] = [*in_order] if len(in_order) == width else []
    else:
        kinds = [fields.get(name) for name in names]
    known = [kind for kind in kinds if isinstance(kind, Field)]
    are_plain = all(field.is_plain_number and not field.keeps_integers for field in known)
    return kinds if known and are_plain else None


def is_integer_kind(kind: _Kind) -> bool:
    return isinstance(kind, Field) and kind.text_readers == (read_integer,)


def _read(body: bytes, kinds: Sequence[_Kind], *, has_header: bool) -> list[ColumnValues] | None:
    if len(body) >= PYARROW_PAYS and find_spec("pyarrow") is not None:
        return _read_by_pyarrow(body, kinds, has_header=has_header)
    return _read_by_orjson(body.partition(b"\n")[2] if has_header else body, kinds)


def _read_by_orjson(body: bytes, kinds: Sequence[_Kind]) -> list[ColumnValues] | None:
    """Read all values as one JSON array: every JSON number is also a valid number in CSV."""
    if _NEGATIVE_ZERO.search(body):
        return None  # JSON reads -0 as an integer, without the sign
    lines = [line for line in body.translate(None, b"\r").split(b"\n") if line]
    if body.translate(None, _NUMBER_BYTES) or {line.count(b",") + 1 for line in lines} != {
        len(kinds)
    }:
        return None
    try:
        flat = orjson.loads(b"[%b]" % b",".join(lines))
    except orjson.JSONDecodeError:
        return None
    if len(flat) != len(lines) * len(kinds):
        return None  # a single value of blanks
    matrix = np.array(flat, dtype=np.float64).reshape(len(lines), len(kinds))
    if (np.abs(matrix) >= EXACT).any():
        return None
    columns: list[ColumnValues] = list(matrix.T)
    for index in (index for index, kind in enumerate(kinds) if is_integer_kind(kind)):
        if set(map(type, flat[index :: len(kinds)])) != {int}:
            return None
        columns[index] = matrix[:, index].astype(np.int64)
    return columns


def _read_by_pyarrow(
    body: bytes, kinds: Sequence[_Kind], *, has_header: bool
) -> list[ColumnValues] | None:
    has_integers = any(map(is_integer_kind, kinds))
    # pyarrow reads the text 0x10 as the integer 16.
    if not _is_utf_8(body) or (has_integers and (b"x" in body or b"X" in body)):
        return None
    arrow_csv, pyarrow = import_module("pyarrow.csv"), import_module("pyarrow")
    names = [str(index) for index in range(len(kinds))]
    types = {
        name: pyarrow.int64() if is_integer_kind(kind) else pyarrow.float64()
        for name, kind in zip(names, kinds, strict=True)
        if kind is not None
    }
    try:
        table = arrow_csv.read_csv(
            pyarrow.BufferReader(body),
            arrow_csv.ReadOptions(
                column_names=names,
                skip_rows=int(has_header),
                block_size=_BLOCK,
                use_threads=False,  # other workers need the processors; this also takes less memory
            ),
            arrow_csv.ParseOptions(quote_char=False),
            arrow_csv.ConvertOptions(
                column_types=types, include_columns=[*types], null_values=[""]
            ),
            pyarrow.system_memory_pool(),  # the default pool keeps as much memory as the body takes
        )
    except pyarrow.ArrowException:
        return None
    return _exact_columns(table, names, kinds)


def _exact_columns(
    table: ArrowTable, names: Sequence[str], kinds: Sequence[_Kind]
) -> list[ColumnValues] | None:
    columns: list[ColumnValues] = []
    for name, kind in zip(names, kinds, strict=True):
        column = range(table.num_rows) if kind is None else exact_numbers(table.column(name), kind)
        if column is None:
            return None
        columns.append(column)
    return columns


def exact_numbers(column: ArrowColumn, kind: Field | Literal[True]) -> Array | None:
    """Return a column as an array; None if reading it as texts may give different numbers."""
    if column.null_count and (is_integer_kind(kind) or kind is True or not kind.nullable):
        return None
    values: Array = column.to_numpy()
    present = values[~np.isnan(values)] if column.null_count else values
    if len(present) + column.null_count != len(values) or not (np.abs(present) < EXACT).all():
        return None
    return values


def _is_utf_8(body: bytes) -> bool:
    try:
        return body.isascii() or bool(body.decode())
    except UnicodeDecodeError:
        return False


# Writing


def header_line(columns: Iterable[tuple[str, ColumnValues]]) -> bytes:
    """Return the line with the names of the columns of a response."""
    return _written([_header(columns)])


def value_lines(columns: Iterable[tuple[str, ColumnValues]]) -> bytes:
    """Return the lines with the values of the columns."""
    return _written(_lines(columns))


def _header(columns: Iterable[tuple[str, ColumnValues]]) -> str:
    return ",".join([_quoted(name) for name, _ in columns])


def _lines(columns: Iterable[tuple[str, ColumnValues]]) -> Iterable[str]:
    texts = [list(map(_text, _sequence(column))) for _, column in columns]
    return map(",".join, zip(*texts, strict=True))


def _written(lines: Iterable[str]) -> bytes:
    # Most readers skip an empty line.
    return "".join([f"{line or _EMPTY}\r\n" for line in lines]).encode("utf-8", "replace")


def _sequence(column: ColumnValues) -> Values:
    return column.tolist() if isinstance(column, np.ndarray) else column


def _text(value: FieldValue) -> str:
    if value is None or value != value:
        return ""
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if _TO_QUOTE.search(text) else text

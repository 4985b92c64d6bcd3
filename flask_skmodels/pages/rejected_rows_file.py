"""The rejected rows of an uploaded file, as a file with a column of reasons."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO

from flask_skmodels.codecs.codec import Codec
from flask_skmodels.exceptions import InputError, InvalidInput, OverBudget, RejectedRows
from flask_skmodels.pages.error_words import sentence_of
from flask_skmodels.pages.uploaded_table import UploadedTable
from flask_skmodels.pages.value_texts import plain_text
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import CERBERUS_CELLS, Schema
from flask_skmodels.schema.text_values import read_number

MAX_ROWS = 1_000
_PART = 256  # rows that are validated together, at most
REASONS = "reasons"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters of what a spreadsheet may run


@dataclass(frozen=True, slots=True)
class RejectedRowsFile:
    """The rejected rows.

    :param body: the file, as CSV
    :param rows: the number of rejected rows
    :param is_complete: whether these are all rejected rows
    """

    body: bytes
    rows: int
    is_complete: bool


def rejected_rows_file(
    error: InvalidInput, table: UploadedTable, codec: Codec, schema: Schema
) -> RejectedRowsFile | None:
    """Return the rows that a model rejects, None if the file is rejected as a whole.

    :param error: the errors of the file
    :param table: the file
    :param codec: the codec of its format
    :param schema: the fields of the model
    """
    if isinstance(error, OverBudget) or any(each.row is None for each in error.errors):
        return None
    try:
        rows = codec.decode(table, schema)
        reasons, is_complete = _reasons(error, rows, schema, _most_rows(table, schema))
    except InvalidInput:
        return None
    header, lines = _lines(rows, reasons.keys(), table, schema)
    target = StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow([*header, "row", REASONS])
    for index, line in zip(sorted(reasons), lines, strict=True):
        reason = _without_formula("; ".join(map(sentence_of, reasons[index])))
        writer.writerow([*line, index + 1, reason])
    return RejectedRowsFile(target.getvalue().encode(), len(reasons), is_complete)


def _most_rows(table: UploadedTable, schema: Schema) -> int:
    """Return how many rows may be validated by Cerberus, which is slow."""
    width = max(len(schema.fields), 1)
    return min(max(table.budget.max_cells // (width * CERBERUS_CELLS), 1), MAX_ROWS)


def _reasons(
    error: InvalidInput, rows: Rows, schema: Schema, most: int
) -> tuple[dict[int, list[InputError]], bool]:
    """Return the errors of each rejected row, and whether these are all."""
    reasons: dict[int, list[InputError]] = {}
    if isinstance(error, RejectedRows):
        for each in error.errors:
            reasons.setdefault(each.row or 0, []).append(each)
        return reasons, error.is_complete and error.error_count == len(error.errors)
    size = min(_PART, most)
    for start in range(0, len(rows), size):
        found = schema.row_errors(rows.part(start, start + size))
        for index in sorted(found):
            if len(reasons) == most:
                return reasons, False
            reasons[start + index] = found[index]
    return reasons, True


def _without_formula(text: str) -> str:
    """Return a text that a spreadsheet does not run as a formula; numbers stay unchanged."""
    is_formula = text.startswith(_FORMULA) and isinstance(read_number(text), str)
    return f"'{text}" if is_formula else text


def _lines(
    rows: Rows, indices: Iterable[int], table: UploadedTable, schema: Schema
) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return the header and the rows with these indices, as they are in the file."""
    wanted = sorted(indices)
    if table.columns.is_known:
        with suppress(UnicodeDecodeError, csv.Error, IndexError):
            lines = _lines_of_csv(table, wanted)
            if lines is not None:
                return lines
    names = [each.name for each in schema.fields]
    lines_of_texts = (_texts(rows.item(index), names) for index in wanted)
    return names, [[*map(_without_formula, line)] for line in lines_of_texts]


def _lines_of_csv(
    table: UploadedTable, wanted: Sequence[int]
) -> tuple[Sequence[str], list[Sequence[str]]] | None:
    if table.media_type != "text/csv":
        return None
    reader = filter(None, csv.reader(StringIO(table.data.decode(), newline=""), strict=True))
    header, last, remaining = next(reader), wanted[-1], {*wanted}
    lines = zip(range(last + 1), reader, strict=False)
    kept = [line for index, line in lines if index in remaining]
    return (header, [*kept]) if len(kept) == len(wanted) else None


def _texts(row: object, names: Sequence[str]) -> Sequence[str]:
    if isinstance(row, Mapping):
        return [_text(row.get(name)) for name in names]
    return [_text(each) for each in row] if isinstance(row, list | tuple) else [str(row)]


def _text(value: object) -> str:
    return str(value) if isinstance(value, bool) else plain_text(value, 17)

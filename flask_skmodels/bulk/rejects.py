"""Rejected rows: where they came from, their keys and their errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import import_module

from flask_skmodels.bulk.batch import BatchResult
from flask_skmodels.bulk.chunks import Chunk, take
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.exceptions import InputError
from flask_skmodels.schema.types import ArrowSchema, ArrowTable, ArrowType

SOURCE, ROW, ERRORS = "source", "row", "errors"


def rejects_schema(types: Mapping[str, ArrowType]) -> ArrowSchema:
    """Return the Arrow schema of rejects.

    :param types: the key columns with their Arrow types; a key column with the same name as a
        column of the rejects is renamed to ``key_…``
    """
    pyarrow = import_module("pyarrow")
    keys = [(_key_name(name), kind) for name, kind in types.items()]
    return pyarrow.schema(
        [(SOURCE, pyarrow.string()), (ROW, pyarrow.int64()), *keys, (ERRORS, pyarrow.string())]
    )


def rejects_of(chunk: Chunk, result: BatchResult, schema: ArrowSchema) -> ArrowTable:
    """Return the rejected rows of a chunk as an Arrow table."""
    pyarrow = import_module("pyarrow")
    rows = result.rejected
    keys = take(result.keys, rows)
    columns = [
        pyarrow.repeat(pyarrow.scalar(chunk.source), len(rows)),
        pyarrow.array([chunk.first_row + row for row in rows], pyarrow.int64()),
        *keys.columns,
        pyarrow.array([errors_text(result.errors[row]) for row in rows], pyarrow.string()),
    ]
    return pyarrow.Table.from_arrays(columns, names=schema.names).cast(schema)


def errors_text(errors: Iterable[InputError]) -> str:
    """Return the errors of a row as a JSON array of objects with field, rule and message."""
    entries = [{"field": e.field, "rule": e.rule, "message": e.message} for e in errors]
    return dumps(entries).decode()


def in_words(text: str) -> str:
    """Return the errors of a row in words, from the text of :func:`errors_text`."""
    return "; ".join(str(InputError(None, **entry)) for entry in json.loads(text))


def _key_name(name: str) -> str:
    return f"key_{name}" if name in {SOURCE, ROW, ERRORS} else name

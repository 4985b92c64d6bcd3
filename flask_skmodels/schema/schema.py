"""A schema, compiled once: it turns what a request said into what the estimator takes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import cerberus
import numpy as np
from cerberus.errors import BaseErrorHandler, ValidationError
from numpy.typing import NDArray

from flask_skmodels.errors import ModelError, Report
from flask_skmodels.schema.alignment import aliases_of, columns_of
from flask_skmodels.schema.builder import Builder, require_pandas
from flask_skmodels.schema.fields import ABSENT, Field, InputColumn, Inputs, compile_field
from flask_skmodels.schema.json_schema import VALUES, object_schema, values_schema
from flask_skmodels.schema.row_checks import Compiled, compile_checks, rename
from flask_skmodels.schema.rows import Columns, Matrix, Repeated, Rows
from flask_skmodels.schema.types import ColumnValues
from flask_skmodels.schema.validator import Validator, leaves, message_of, rule_of, strict

LONGEST_NAME = 100
FEW_ROWS = 8  # below, row by row is the faster way
_Rules = Mapping[str, Mapping[str, Any]]


class Schema(Protocol):
    """What turns rows into X: a schema of known fields, or of an open number of values."""

    @property
    def column_names(self) -> tuple[str, ...]: ...

    @property
    def fields(self) -> tuple[Field, ...]: ...

    @property
    def unnamed(self) -> bool: ...

    @property
    def takes_arrays(self) -> bool: ...

    @property
    def width_of_numbers(self) -> int: ...

    def clean(self, rows: Rows) -> Any: ...

    def json_schema(self) -> dict[str, Any]: ...


class FixedSchema:
    """The fields of a model, compiled.

    :param rules: the rules of each field, by name, in the order in which arrays give them
    :param inputs: what the estimator takes
    :param unnamed: whether a row is one field ``values`` that holds the fields in their order
    :param validator: a Cerberus validator class of the model's own
    :ivar column_names: the names of the columns of X, in their order
    :ivar column_fields: the fields that fill the columns of X, in the order of these
    :param purge_unknown: whether unknown fields are ignored; they are errors otherwise
    :raises ModelError: Cerberus refuses a rule, or the fields do not fit the estimator's columns
    """

    def __init__(
        self,
        rules: _Rules,
        inputs: Inputs,
        *,
        unnamed: bool = False,
        validator: type[Any] = Validator,
        purge_unknown: bool = True,
    ) -> None:
        require_pandas(inputs.container)
        columns = columns_of(rules, inputs)
        self.fields = tuple(
            compile_field(name, own, columns.get(name, InputColumn(name=name)))
            for name, own in rules.items()
        )
        self._fields = {field.name: field for field in self.fields}
        self._positional = tuple(field.name for field in self.fields if not field.is_alias)
        self.column_fields = tuple(self._fields[name] for name in columns)
        self.column_names = tuple(field.column.name for field in self.column_fields)
        self._places = {name: place for place, name in enumerate(self._fields)}
        self.unnamed = unnamed
        self._builder = Builder(self.column_fields, inputs.container)
        self._purge_unknown = purge_unknown
        self._aliases = aliases_of(rules)
        self._validator_class = strict(validator)
        self._local = threading.local()
        self._check_defaults()
        self._compiled = self._compile()

    @property
    def takes_arrays(self) -> bool:
        """Whether it makes no difference that numbers come as numpy's, and not Python's own."""
        return self._builder.as_arrays and self._compiled is not None

    @property
    def width_of_numbers(self) -> int:
        """How many numbers a row is where it may be nothing but doubles, else 0."""
        is_numeric = self.takes_arrays and self._compiled is not None and self._compiled.is_numeric
        return len(self._positional) if is_numeric else 0

    def clean(self, rows: Rows) -> Any:
        """Return X, what the estimator is called with.

        :param rows: what the request said
        :raises InvalidInput: with one entry for each row, field and rule that is wrong
        """
        if isinstance(rows, Columns) and self.unnamed:
            rows = rows.in_order(self._positional)
        if self._compiled is None:
            return self._clean_by_law(rows)
        if len(rows) == 1 and (not isinstance(rows, Columns) or _is_of_doubles(rows)):
            row = self._compiled.row(rows.item(0), text=rows.text)
            if row is not None:
                return self._builder.row(row)
        columns, refused = self._check(rows, self._compiled)
        if refused and not self._report_refused(rows, refused, self._compiled):
            return self._clean_by_law(rows)
        return self._builder.columns(columns)

    def _check(
        self, rows: Rows, compiled: Compiled
    ) -> tuple[Sequence[ColumnValues] | NDArray[Any], list[int]]:
        """Return the columns of X, or X, and the indices of the rows that are refused."""
        if len(rows) >= FEW_ROWS or isinstance(rows, Columns):  # arrays keep their precision
            return compiled.matrix(rows) or compiled.columns(rows)
        cleaned = [compiled.row(rows.item(index), text=rows.text) for index in range(len(rows))]
        refused = [index for index, row in enumerate(cleaned) if row is None]
        good = [row for row in cleaned if row is not None]
        return list(zip(*good, strict=True)), refused

    def _report_refused(self, rows: Rows, refused: Sequence[int], compiled: Compiled) -> bool:
        """Raise what Cerberus says of the refused rows; return False if it passes one of them.

        Beyond the errors that are reported the compiled check counts, at a fraction of the cost.
        """
        report = Report()
        for index in refused:
            item = rows.item(index)
            errors = compiled.count_errors(item, text=rows.text) if report.is_full else None
            before = report.count
            if errors is None:
                self._apply_law(item, index, rows.text, report)
            else:
                report.count += errors
            if report.count == before:
                return False
        report.raise_if_any()
        return True

    def _clean_by_law(self, rows: Rows) -> Any:
        report = Report()
        documents = [
            self._apply_law(rows.item(index), index, rows.text, report)
            for index in range(len(rows))
        ]
        report.raise_if_any()
        columns = [[row.get(field.name) for row in documents] for field in self.column_fields]
        return self._builder.columns(columns)

    def build(self, columns: Sequence[ColumnValues]) -> Any:
        """Return X of validated values.

        :param columns: for each column of X its values, None for a missing one
        """
        return self._builder.columns(columns)

    def build_row(self, values: Sequence[Any]) -> Any:
        """Return X of one row, as most requests have it.

        :param values: the validated value of each column of X, None for a missing one
        """
        return self._builder.row(values)

    def json_schema(self) -> dict[str, Any]:
        """Return the schema of one row as a JSON Schema object."""
        if self.unnamed:
            return values_schema(self.fields, additional=self._purge_unknown)
        return object_schema(self.fields, additional=self._purge_unknown)

    def _document(
        self, item: object, index: int, text: bool, report: Report
    ) -> dict[str, object] | None:
        """Return a row as Cerberus is to see it, or None when it has no such form."""
        if isinstance(item, Mapping) and not self._report_repeated(item, index, report):
            if not self._purge_unknown:
                self._report_unknown(item, index, report)
            if not self.unnamed:
                return self._from_object(item, text)
            item = values_of(item, index, text, report)
        elif not isinstance(item, list | tuple | Mapping):
            report.add(index, None, "type", "must be an object or an array")
        if isinstance(item, list | tuple):
            return self._from_array(item, index, text, report)
        return None

    def _report_repeated(self, item: Mapping[Any, object], index: int, report: Report) -> bool:
        repeated: set[str] = item.names if isinstance(item, Repeated) else set()
        known = (VALUES,) if self.unnamed else self._fields
        for name in (name for name in known if name in repeated):
            report.add(index, name, "unique", "given more than once")
        return not repeated.isdisjoint(known)

    def _report_unknown(self, item: Mapping[Any, object], index: int, report: Report) -> None:
        known = {VALUES} if self.unnamed else self._fields.keys()
        for name in item:
            if name not in known:
                report.add(index, str(name)[:LONGEST_NAME], "unknown", "unknown field")

    def _from_array(
        self, values: Sequence[object], index: int, text: bool, report: Report
    ) -> dict[str, object] | None:
        expected = len(self._positional)
        if len(values) == expected:
            return self._from_object(dict(zip(self._positional, values, strict=True)), text)
        message = f"length of list should be {expected}, it is {len(values)}"
        report.add(index, VALUES if self.unnamed else None, "items", message)
        return None

    def _from_object(self, item: Mapping[Any, object], text: bool) -> dict[str, object]:
        document: dict[str, object] = {}
        if self._aliases:
            item = rename(item, self._aliases)
        for name, field in self._fields.items():
            value = item.get(name, ABSENT)
            if value is not ABSENT:
                value = field.read(value, text=text)
            if value is not ABSENT:
                document[name] = value
        return document

    def _apply_law(self, item: object, index: int, text: bool, report: Report) -> dict[str, object]:
        """Return a row as Cerberus leaves it, and report what it finds."""
        document = self._document(item, index, text, report)
        if document is None:
            return {}
        validator = self._validator()
        if not validator.validate(document):
            for error in sorted(leaves(validator._errors), key=self._place):
                self._add(error, index, report)
        cleaned: dict[str, object] = validator.document
        return cleaned

    def _place(self, error: ValidationError) -> int:
        return self._places.get(error.document_path[0], len(self._places))

    def _add(self, error: ValidationError, index: int, report: Report) -> None:
        name = error.document_path[0]
        rule = rule_of(error, self._fields[name].rules if name in self._fields else {})
        message = message_of(error)
        if self.unnamed:
            name, message = VALUES, f"item {self._places[name]}: {message}"
        report.add(index, str(name)[:LONGEST_NAME], rule, message)

    def _validator(self) -> Any:
        # Cerberus keeps the document that it is at work on: one validator a thread.
        if not hasattr(self._local, "validator"):
            self._local.validator = self._new_validator()
        return self._local.validator

    def _compile(self) -> Compiled | None:
        if self._validator_class is not Validator:
            return None
        return compile_checks(
            self.column_fields,
            self.fields,
            aliases=self._aliases,
            unnamed=self.unnamed,
            purge_unknown=self._purge_unknown,
            as_arrays=self._builder.as_arrays,
        )

    def _new_validator(self) -> Any:
        definitions = {field.name: dict(field.definition) for field in self.fields}
        try:
            return self._validator_class(definitions, error_handler=_Quiet)
        except cerberus.SchemaError as error:
            raise ModelError(f"Cerberus refuses the schema: {error}") from error

    def _check_defaults(self) -> None:
        validator = self._new_validator()
        for field in self.fields:
            if "default" in field.definition and "coerce" not in field.definition:
                validator.validate({field.name: field.definition["default"]}, update=True)
                for error in leaves(validator._errors):
                    raise ModelError(f"the default of field {field.name!r}: {message_of(error)}")


def _is_of_doubles(rows: Columns) -> bool:
    """Return whether rows are an array that is nothing else than its numbers one by one."""
    return isinstance(rows, Matrix) and rows.values.dtype == np.float64


class _Quiet(BaseErrorHandler):  # type: ignore[misc]
    """The errors are read from the validator itself; to format each would cost a deep copy."""


def values_of(item: Mapping[Any, object], index: int, text: bool, report: Report) -> object:
    """Return what the field ``values`` of a row holds as a list, or None when it holds none."""
    values = item.get(VALUES)
    if text and isinstance(values, str) and values.strip():
        return values.split(",")
    if isinstance(values, list | tuple):
        return values
    if VALUES not in item or (text and isinstance(values, str)):
        report.add(index, VALUES, "required", "required field")
    else:
        report.add(index, VALUES, "type", "must be of list type")
    return None

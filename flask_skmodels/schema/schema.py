"""The schema of a model, compiled once: it turns the rows of a request into X."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import cerberus
import numpy as np
from cerberus.errors import BaseErrorHandler, ValidationError

from flask_skmodels.exceptions import (
    REPORTED_ERRORS,
    InputError,
    InvalidInput,
    ModelError,
    Report,
    TooManyCells,
)
from flask_skmodels.hints import did_you_mean
from flask_skmodels.schema.builder import FRAMES, Builder, require_frame_library
from flask_skmodels.schema.column_order import aliases_of, columns_by_field
from flask_skmodels.schema.compiled_checks import RowChecks, compile_checks, rename
from flask_skmodels.schema.dtypes import UNALLOWED, Problems, problems_of
from flask_skmodels.schema.error_messages import (
    choices_in_words,
    hint_of,
    leaves,
    message_of,
    rule_of,
)
from flask_skmodels.schema.fields import (
    OWN_RULES,
    Field,
    InputColumn,
    Inputs,
    compile_field,
    is_logical,
)
from flask_skmodels.schema.hidden_fields import fields_to_show
from flask_skmodels.schema.json_schema import VALUES, object_schema, values_schema
from flask_skmodels.schema.rows import Columns, Matrix, Repeated, Rows
from flask_skmodels.schema.text_values import ABSENT
from flask_skmodels.schema.types import (
    Array,
    ColumnValues,
    FieldRules,
    FieldValue,
    JSONObject,
    ModelInput,
    Values,
)
from flask_skmodels.schema.validator import Validator, strict

MAX_NAME_LENGTH = 100  # characters of a client's name in an error
MAX_NAMES = 10  # fields that an error lists
FEW_ROWS = 8  # fewer rows than this are validated faster row by row
_PART = 256  # rows that are searched at a time for invalid rows
CERBERUS_CELLS = 4000  # validating a value with Cerberus takes as long as this many other values
NO_LIMIT = sys.maxsize


class Schema(Protocol):
    """The protocol of schemas: :class:`FixedSchema` and ``UnboundedSchema``."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns of X; empty if their number is not known."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, in the order of a row without names; empty if their number is not known."""

    @property
    def unnamed(self) -> bool:
        """Whether a row is one field ``values`` that holds the values of all fields in order."""

    @property
    def takes_arrays(self) -> bool:
        """Whether numbers may come as NumPy arrays, with the same result as Python objects."""

    @property
    def width_of_numbers(self) -> int:
        """The number of values of a row if all must be float64, else 0."""

    @property
    def plain_names(self) -> list[str]:
        """The names of the fields, in order, if all take only plain numbers; else empty."""

    def clean(self, rows: Rows, max_cells: int = NO_LIMIT) -> ModelInput:
        """Return X; see :meth:`FixedSchema.clean`."""

    def row_errors(self, rows: Rows) -> dict[int, list[InputError]]:
        """Return the errors of all invalid rows; see :meth:`FixedSchema.row_errors`."""

    def json_schema(self, hidden: Collection[str] = ()) -> JSONObject:
        """Return the JSON Schema of one row, an object.

        :param hidden: names of the fields whose training data are not shown
        """


class FixedSchema:
    """A compiled schema with a known number of fields.

    :param rules: the rules of each field by its name, in the order of a row without names
    :param inputs: the X that the estimator takes
    :param unnamed: whether a row is one field ``values`` that holds the values of all fields in
        order
    :param validator: the Cerberus validator class
    :param purge_unknown: whether unknown fields are ignored; if not, they are errors
    :ivar column_names: the names of the columns of X, in order
    :ivar column_fields: the fields that fill the columns of X, in order
    :ivar cells_of_row: the number of cells that a row of X counts as
    :raises ModelError: Cerberus rejects a rule, or the fields do not match the estimator's columns
    """

    def __init__(
        self,
        rules: FieldRules,
        inputs: Inputs,
        *,
        unnamed: bool = False,
        validator: type[Any] = Validator,
        purge_unknown: bool = True,
    ) -> None:
        require_frame_library(inputs.container)
        columns = columns_by_field(rules, inputs)
        self.fields = tuple(
            compile_field(name, each, columns.get(name, InputColumn(name=name)), inputs.container)
            for name, each in rules.items()
        )
        self._fields = {field.name: field for field in self.fields}
        self._positional = tuple(field.name for field in self.fields if not field.is_alias)
        self.column_fields = tuple(self._fields[name] for name in columns)
        self.column_names = tuple(field.column.name for field in self.column_fields)
        self._indices = {name: index for index, name in enumerate(self._fields)}
        are_plain = len(self._positional) == len(self.fields) and all(
            each.is_plain_number and not each.keeps_integers for each in self.fields
        )
        self.plain_names = [*self._positional] if are_plain else []
        self.unnamed = unnamed
        self._is_all_optional = not unnamed and not any(
            field.definition.get("required") for field in self.column_fields
        )
        self._takes_one_text = len(self.fields) == 1 and self.fields[0].kind == "string"
        self._builder = Builder(self.column_fields, inputs.container)
        self._limited = _limited(self.column_fields, inputs.container)
        self._purge_unknown = purge_unknown
        self._aliases = aliases_of(rules)
        self._validator_class = strict(validator)
        self._local = threading.local()
        self._check_defaults()
        self._checks = self._compile()
        width = len(self.column_fields)
        self._cells_by_cerberus = width * CERBERUS_CELLS
        self.cells_of_row = self._cells_by_cerberus if self._checks is None else width

    @property
    def takes_arrays(self) -> bool:
        """Whether numbers may come as NumPy arrays, with the same result as Python objects."""
        return self._builder.as_arrays and self._checks is not None

    @property
    def width_of_numbers(self) -> int:
        """The number of values of a row if all must be float64, else 0."""
        is_numeric = self.takes_arrays and self._checks is not None and self._checks.is_numeric
        return len(self._positional) if is_numeric else 0

    def clean(self, rows: Rows, max_cells: int = NO_LIMIT) -> ModelInput:
        """Return X, the validated input of the estimator.

        :param rows: the rows of the request
        :param max_cells: the maximum number of cells of X; a value that only Cerberus can validate
            counts as :data:`CERBERUS_CELLS`
        :raises TooManyCells: X would have more cells
        :raises InvalidInput: with one error for each row, field and broken rule
        """
        if self._takes_one_text and not rows.text and not isinstance(rows, Columns):
            rows = Rows([[each] if isinstance(each, str) else each for each in rows.items])
        if isinstance(rows, Columns):
            if self.unnamed:
                rows = rows.in_order(self._positional)
            self._check_column_names(rows)
        if self._checks is None:
            self._check_cells(len(rows), max_cells)
            return self._clean_by_cerberus(rows)
        if len(rows.items) == 1 or (_is_float64(rows) and len(rows) == 1):
            item = rows.items[0] if len(rows.items) == 1 else rows.item(0)
            row = self._checks.row(item, text=rows.text)
            if row is not None:
                if self._limited:
                    self._check_dtypes([(value,) for value in row])
                return self._builder.row(row)
        self._check_cells(len(rows), max_cells)
        columns, refused = self._check(rows, self._checks)
        if refused:
            columns = self._check_refused(rows, refused, self._checks, max_cells)
        if self._limited:
            self._check_dtypes(columns)
        return self._builder.columns(columns)

    def _check_column_names(self, rows: Columns) -> None:
        """Check that columns that hold several rows include each required field.

        :raises InvalidInput: one error for each missing column, not for each row; or no column is a
            field
        """
        if not rows.positional and self._names_nothing(rows.columns):
            raise InvalidInput.of_request("required", self._nothing_named())
        if rows.positional or len(rows) == 1 or self._aliases:
            return
        missing = [
            field.name
            for field in self.fields
            if field.name not in rows.columns
            and field.definition.get("required")
            and not (field.nullable or field.has_default)
        ]
        if missing:
            raise InvalidInput(
                InputError(None, name, "required", f"there is no column {name!r}")
                for name in missing
            )

    def _names_nothing(self, names: Collection[Any]) -> bool:
        """Return whether names are given but none is a field, although all fields are optional.

        Such names belong to other data, such as the first line of a file without a header, and all
        values would be ignored.
        """
        return self._is_all_optional and bool(names) and self._fields.keys().isdisjoint(names)

    def _nothing_named(self) -> str:
        names = ", ".join(list(self._fields)[:MAX_NAMES])
        more = ", ..." if len(self._fields) > MAX_NAMES else ""
        return f"none of the names is a field of the model: its fields are {names}{more}"

    def _check_cells(self, rows: int, max_cells: int) -> None:
        if rows * self.cells_of_row > max_cells:
            raise TooManyCells(rows, self.cells_of_row, max_cells)

    def _check_dtypes(self, columns: Sequence[ColumnValues] | Array) -> None:
        """Check that the dtypes of the columns of X can hold their values.

        :raises InvalidInput: times with and without a zone are mixed, a value is out of range, or
            a category is unknown
        """
        report = Report()
        for index, (field, problems) in self._limited.items():
            rule = "type" if field.column.categories is None else "allowed"
            for row, message in problems(columns[index]).items():
                hint = _hint(field, message)
                self._add_error(field.name, row, rule, message, report=report, hint=hint)
        report.raise_if_any()

    def _check(
        self, rows: Rows, checks: RowChecks
    ) -> tuple[Sequence[ColumnValues] | Array, list[int]]:
        """Return the columns of X, or X itself, and the indices of the rows that are refused."""
        if len(rows) >= FEW_ROWS or isinstance(rows, Columns):  # so that arrays keep their dtype
            checked = checks.matrix(rows) or checks.columns(rows)
            if checked is not None:
                return checked
        cleaned = [checks.row(rows.item(index), text=rows.text) for index in range(len(rows))]
        refused = [index for index, row in enumerate(cleaned) if row is None]
        good = [row for row in cleaned if row is not None]
        return list(zip(*good, strict=True)), refused

    def _check_refused(
        self, rows: Rows, refused: Sequence[int], checks: RowChecks, max_cells: int
    ) -> Sequence[ColumnValues]:
        """Return the columns of X, with the refused rows as Cerberus returns them.

        :param refused: the indices of the first rows that the checks refuse, without gaps; after
            100 indices, there may be further rows
        :raises InvalidInput: with the errors that Cerberus finds in the rows
        :raises TooManyCells: Cerberus accepts too many of these rows
        """
        report = Report()
        accepted: dict[int, Values] = {}
        for index in refused:
            accepted[index] = self._validated(rows, index, report)
            if not report.count and len(accepted) * self._cells_by_cerberus > max_cells:
                raise TooManyCells(len(rows), self._cells_by_cerberus, max_cells)
        report.raise_if_any()
        values = []
        for index in range(len(rows)):
            row = accepted.get(index) or checks.row(rows.item(index), text=rows.text)
            values.append(self._validated(rows, index, report) if row is None else row)
        report.raise_if_any()
        return list(zip(*values, strict=True))

    def _validated(self, rows: Rows, index: int, report: Report) -> list[FieldValue]:
        """Return a row in the order of X as Cerberus returns it, and report its errors."""
        document = self._validate(rows.item(index), index, rows.text, report)
        return [document.get(field.name) for field in self.column_fields]

    def row_errors(self, rows: Rows) -> dict[int, list[InputError]]:
        """Return the errors of each invalid row, for any number of rows.

        A request is refused with its first 100 errors; this method is for rows that are not a
        request.

        :param rows: the rows
        :returns: at most 100 errors for each row, by the index of the row
        :raises InvalidInput: an error does not concern a single row
        """
        if isinstance(rows, Columns) and self.unnamed:
            rows = rows.in_order(self._positional)
        errors: dict[int, list[InputError]] = {}
        for index in self._refused(rows):
            report = Report()
            with suppress(InvalidInput):  # the row has 100 errors
                self._validated(rows, index, report)
            if report.count:
                errors[index] = report.errors
        if self._limited:
            valid = [index for index in range(len(rows)) if index not in errors]
            self._add_dtype_errors(rows.take(valid), valid, errors)
        return errors

    def _refused(self, rows: Rows) -> Sequence[int]:
        """Return the indices of all rows that Cerberus has to validate.

        :meth:`_check` finds the first 100 of these rows, and all of them in a part of 256 rows.
        """
        if self._checks is None:
            return range(len(rows))
        refused = self._check(rows, self._checks)[1]
        if len(refused) < REPORTED_ERRORS:
            return refused
        refused = []
        for start in range(0, len(rows), _PART):
            part = rows.part(start, start + _PART)
            refused += [start + index for index in self._check(part, self._checks)[1]]
        return refused

    def _add_dtype_errors(
        self, rows: Rows, indices: Sequence[int], errors: dict[int, list[InputError]]
    ) -> None:
        """Add an error for each value that the dtype of its column of X cannot hold.

        :param rows: rows that Cerberus accepts
        :param indices: the index of each of these rows in the request
        """
        if not indices:
            return
        columns: Any = [] if self._checks is None else self._check(rows, self._checks)[0]
        if self._checks is None or self._check(rows, self._checks)[1]:
            accepted = [self._validated(rows, index, Report()) for index in range(len(rows))]
            columns = list(zip(*accepted, strict=True))
        for column, (field, problems) in self._limited.items():
            rule = "type" if field.column.categories is None else "allowed"
            for row, message in problems(columns[column]).items():
                report = Report()
                self._add_error(field.name, indices[row], rule, message, report=report, hint=None)
                errors.setdefault(indices[row], []).extend(report.errors)

    def _clean_by_cerberus(self, rows: Rows) -> ModelInput:
        report = Report()
        values = [self._validated(rows, index, report) for index in range(len(rows))]
        report.raise_if_any()
        columns = list(zip(*values, strict=True))
        if self._limited:
            self._check_dtypes(columns)
        return self._builder.columns(columns)

    def build(self, columns: Sequence[ColumnValues]) -> ModelInput:
        """Return X from columns of validated values.

        :param columns: for each column of X, its values, None for a missing value
        """
        return self._builder.columns(columns)

    def build_row(self, values: Values) -> ModelInput:
        """Return X from one row of validated values.

        :param values: the value of each column of X, None for a missing value
        """
        return self._builder.row(values)

    def json_schema(self, hidden: Collection[str] = ()) -> JSONObject:
        """Return the JSON Schema of one row, an object.

        :param hidden: names of the fields whose training data are not shown
        """
        if self.unnamed:
            return values_schema(self.fields, additional=self._purge_unknown)
        fields = fields_to_show(self, hidden)
        return object_schema(fields, additional=self._purge_unknown)

    def _document(
        self, item: object, index: int, text: bool, report: Report
    ) -> dict[str, object] | None:
        """Return a row as the document that Cerberus validates, None if it cannot be one."""
        if isinstance(item, Mapping) and not self._report_repeated(item, index, report):
            if not self._purge_unknown:
                self._report_unknown(item, index, report)
            if self._names_nothing(item):
                report.add(index, None, "required", self._nothing_named())
                return None
            if not self.unnamed:
                return self._from_object(item, text)
            item = values_field(item, index, text, report)
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
                report.add(index, str(name)[:MAX_NAME_LENGTH], "unknown", "unknown field")

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

    def _validate(self, item: object, index: int, text: bool, report: Report) -> dict[str, object]:
        """Return a row as Cerberus returns it, and report its errors."""
        document = self._document(item, index, text, report)
        if document is None:
            return {}
        validator = self._validator()
        if not validator.validate(document):
            for error in sorted(leaves(validator._errors), key=self._index):
                self._add(error, index, report)
        cleaned: dict[str, object] = validator.document
        return cleaned

    def _index(self, error: ValidationError) -> int:
        return self._indices.get(error.document_path[0], len(self._indices))

    def _add(self, error: ValidationError, index: int, report: Report) -> None:
        name = error.document_path[0]
        rule = rule_of(error, self._fields[name].rules if name in self._fields else {})
        message, hint = message_of(error), hint_of(error)
        self._add_error(name, index, rule, message, report=report, hint=hint)

    def _add_error(
        self,
        name: Any,
        index: int,
        rule: str,
        message: str,
        *,
        report: Report,
        hint: str | None,
    ) -> None:
        if self.unnamed:
            item = f"item {self._indices[name]}: "
            name, message, hint = VALUES, item + message, hint and item + hint
        report.add_error(InputError(index, str(name)[:MAX_NAME_LENGTH], rule, message, hint))

    def _validator(self) -> Any:
        # A Cerberus validator keeps the document that it validates, so each thread needs one.
        if not hasattr(self._local, "validator"):
            self._local.validator = self._new_validator()
        return self._local.validator

    def _compile(self) -> RowChecks | None:
        if self._validator_class is not Validator:
            return None
        return compile_checks(
            self.column_fields,
            self.fields,
            aliases=self._aliases,
            unnamed=self.unnamed,
            purge_unknown=self._purge_unknown,
            is_all_optional=self._is_all_optional,
            as_arrays=self._builder.as_arrays,
        )

    def _new_validator(self) -> Any:
        definitions = {field.name: dict(field.definition) for field in self.fields}
        try:
            return self._validator_class(definitions, error_handler=_Quiet)
        except cerberus.SchemaError as error:
            self._check_rule_names()
            raise ModelError(f"Cerberus rejects the schema: {error}") from error

    def _check_rule_names(self) -> None:
        """Raise :class:`ModelError` for the first rule that the validator does not know."""
        known = [*self._validator_class.rules, *OWN_RULES]
        for field in self.fields:
            for rule in field.rules:
                if rule not in known and not is_logical(rule):
                    hint = did_you_mean(rule, known)
                    raise ModelError(f"field {field.name!r}: no rule {rule!r}{hint}")

    def _check_defaults(self) -> None:
        validator = self._new_validator()
        for field in self.fields:
            if "default" in field.definition and "coerce" not in field.definition:
                validator.validate({field.name: field.definition["default"]}, update=True)
                for error in leaves(validator._errors):
                    raise ModelError(f"the default of field {field.name!r}: {message_of(error)}")


def _hint(field: Field, message: str) -> str | None:
    """Return the error of an unknown category in plain words."""
    categories = field.column.categories
    is_choice = message == UNALLOWED and categories is not None
    return choices_in_words(categories) if is_choice else None


def _limited(fields: Sequence[Field], container: str) -> dict[int, tuple[Field, Problems]]:
    """Return, by their index, the fields whose columns of X cannot hold all valid values."""
    if container not in {"array", *FRAMES}:
        return {}
    found = ((index, field, problems_of(field)) for index, field in enumerate(fields))
    return {
        index: (field, problems)
        for index, field, problems in found
        if problems is not None and (container != "array" or not field.is_time)
    }


def _is_float64(rows: Rows) -> bool:
    """Return whether rows are an array whose values stay the same as Python floats."""
    return isinstance(rows, Matrix) and rows.values.dtype == np.float64


class _Quiet(BaseErrorHandler):  # type: ignore[misc]
    """An error handler that does nothing: its default would make a deep copy of each error."""


def values_field(item: Mapping[Any, object], index: int, text: bool, report: Report) -> object:
    """Return the list in the field ``values`` of a row, or None after an error was reported."""
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

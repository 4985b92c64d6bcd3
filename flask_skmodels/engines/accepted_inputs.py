"""The X that an estimator accepts, found by calling it on a few rows when it is loaded.

scikit-learn does not keep the container that an estimator was fitted on, and in other libraries the
tags of many estimators are only the defaults. So the estimator itself is called. Nothing here takes
longer than a few calls of the estimator, or than :data:`SECONDS`.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from time import perf_counter

import numpy as np

from flask_skmodels.artifacts.onnx import OnnxModel
from flask_skmodels.engines.boosters import on_one_thread
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes, repeat_rows, row_slice
from flask_skmodels.engines.lean.verify import quiet_on_one_thread
from flask_skmodels.engines.native import Call, native_calls
from flask_skmodels.engines.plain_frames import different_labels, fields_at_fault
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.attributes import boosting_library, get, is_a, is_from_sklearn
from flask_skmodels.estimators.outputs import as_rows, has_rows
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.exceptions import InvalidInput, ModelError, SKModelsError
from flask_skmodels.models import Model, name_of, overrides
from flask_skmodels.schema.dtypes import to_objects
from flask_skmodels.schema.fields import NUMERIC_KINDS, Field, Inputs
from flask_skmodels.schema.rows import from_python
from flask_skmodels.schema.schema import FixedSchema, Schema
from flask_skmodels.schema.tabular import Tabular
from flask_skmodels.schema.types import ColumnValues, Estimator, ModelInput, ModelOutput, Values

_log = logging.getLogger("flask_skmodels.engines")

SECONDS = 1.0  # time limit for these calls; a call that has started is not stopped
ROWS = 32  # probe rows in one call
SINGLE_ROWS = 64  # rows that are tried one at a time after a call with several has failed
FEW_ROWS = 8  # rows that are enough if the estimator does not accept all of them
WIDTHS = (1, 2, 3, 4, 5, 8, 10, 13, 16, 30, 50, 100)  # tried if the width of X is not known
_BROKEN = (ArithmeticError, AssertionError, OSError, MemoryError, RuntimeError)
KNOWN_KINDS = NUMERIC_KINDS | {"string"}
_EXAMPLE = "example"
_WITHOUT_NAMES = "was fitted with feature names"
MAX_ERROR_LENGTH = 200  # characters
_CONTAINERS = {
    "array": "an array",
    "frame": "a data frame with the names of the fields",
    "labels": "a data frame with the numbers of the columns as labels",
    "polars": "a polars data frame with the names of the fields",
}

ColumnLists = Sequence[Values]  # the values of each column


def _log_unknown_types(model: Model, inputs: Inputs) -> None:
    """Log the columns whose types are known neither from the estimator nor from a schema."""
    names = [repr(column.name) for column in inputs.columns or () if column.type == "unknown"]
    if names and model.schema is None:
        _log.warning(
            "model %r takes numbers, texts and booleans in %s, because the types cannot be found "
            "out from its %s; a profile of its training data would contain them",
            *(name_of(model), ", ".join(names), introspect.class_name(model.pipeline)),
        )


@dataclass(slots=True)
class _Attempt:
    """The calls of an estimator with X in one container.

    :param schema: the schema that builds X
    :param rows: the rows that the estimator accepts, as columns; None if there are none
    :param error: the first exception, None if there was none
    :param lacks_names: whether scikit-learn warns that an inner estimator was fitted with column
        names
    """

    schema: FixedSchema
    rows: ColumnLists | None = None
    error: Exception | None = None
    lacks_names: bool = False


def compile_for_accepted_input(
    model: Model, methods: Sequence[str], inputs: Inputs, *, checks_examples: bool = True
) -> tuple[Inputs, Schema]:
    """Return the X that a model takes and its schema, after calls of the estimator.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param methods: the methods that are served
    :param inputs: the X that the estimator takes, as far as its attributes show
    :param checks_examples: whether a model that fails on its examples is refused
    :raises ModelError: the schema cannot be compiled; or the estimator raises on all rows, on an
        example, or on each missing value in a field that is declared nullable
    """
    schema = model.compile_schema(inputs)
    _log_unknown_types(model, inputs)
    if isinstance(model.pipeline, OnnxModel) or inputs.container in {"sequence", "mapping"}:
        return inputs, schema
    parts = list(estimators_in(model.pipeline))
    check = _InputCheck(model, methods, all(map(_is_known, parts)), checks_examples)
    if not check.is_needed(inputs, schema):
        return inputs, schema
    with on_one_thread(model, parts) as limited:
        if limited is None:  # calling it would start threads, which a fork would break
            return inputs, schema
        with quiet_on_one_thread():
            check.calls = native_calls(limited, tuple(methods))
            check.method = methods[0]
            return check.run(inputs, schema)


class _InputCheck:
    """The calls that show which X the estimator of one model accepts.

    :param model: the declaration
    :param methods: the methods that are served
    :param is_known: whether the attributes of the estimator show the container of X
    :param checks_examples: whether a model that fails on its examples is refused
    :ivar calls: the native methods, without threads
    :ivar method: the name of the default method; the result depends only on this one
    """

    def __init__(
        self, model: Model, methods: Sequence[str], is_known: bool, checks_examples: bool
    ) -> None:
        self._model = model
        self._name = introspect.class_name(model.pipeline)
        self._is_certain = is_known
        self._is_overridden = any(overrides(model, method) for method in methods)
        self._checks_examples = checks_examples
        self._started = perf_counter()
        self.calls: Mapping[str, Call] = {}
        self.method = ""

    def is_needed(self, inputs: Inputs, schema: Schema) -> bool:
        """Return whether the estimator has to be called."""
        if not isinstance(schema, FixedSchema):
            return not (self._is_certain or self._model.examples)
        has_examples = self._checks_examples and bool(self._model.examples)
        if has_examples or not self._is_certain or _unproven(schema):
            return True
        rows = self._probes(schema) if inputs.container == "frame" else None
        return rows is not None and bool(different_labels(schema, rows))

    def run(self, inputs: Inputs, schema: Schema) -> tuple[Inputs, Schema]:
        """Return the X that the model takes and its schema.

        :raises ModelError: see :func:`compile_for_accepted_input`
        """
        if not isinstance(schema, FixedSchema):
            self._try_unbounded(schema)
            return inputs, schema
        examples = self._examples(schema)
        rows = self._probes(schema) if examples is None else examples
        if rows is None:
            return inputs, schema
        if self._is_certain and examples is None and not _unproven(schema):
            self._compare_with_plain_frame(inputs, schema, rows)
            return inputs, schema
        attempt = self._attempt(schema, rows, of_examples=examples is not None)
        if (attempt.rows is None or attempt.lacks_names) and not self._is_certain:
            inputs, attempt = self._other_container(inputs, attempt, rows, examples is not None)
        if attempt.rows is None:
            self._refuse(attempt, rows, examples is not None)
            return inputs, attempt.schema
        inputs, schema = self._prove_nullable(inputs, attempt)
        self._compare_with_plain_frame(inputs, schema, attempt.rows)
        return inputs, schema

    # -- Rows

    def _examples(self, schema: FixedSchema) -> ColumnLists | None:
        """Return the model's examples as columns of validated values, None if none are valid."""
        if not self._model.examples:
            return None
        try:
            X = schema.clean(from_python(self._model.examples))
        except InvalidInput:
            return None
        return column_lists(X, len(schema.column_fields))

    def _probes(self, schema: FixedSchema) -> ColumnLists | None:
        """Return plain rows and random rows, None if no values can be drawn for a field."""
        try:
            source = None if self._is_certain else self._model.pipeline
            return Probes(schema, source, (), takes_any_type=True).sample(ROWS)
        except Decline:
            return None

    # -- Calls

    def _call(self, X: ModelInput, count: int) -> Exception | None:
        """Return the exception that the method raises, None if it returns an entry for each row."""
        try:
            _check_length(self.calls[self.method](X), count, self.method)
        except Exception as error:
            return error
        return None

    @property
    def _is_late(self) -> bool:
        return perf_counter() - self._started > SECONDS

    def _attempt(self, schema: FixedSchema, rows: ColumnLists, *, of_examples: bool) -> _Attempt:
        """Call the methods with all rows, and if they raise, with one row after the other."""
        count = len(rows[0])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            error = self._call(schema.build(rows), count)
        if error is None:
            lacks_names = any(_WITHOUT_NAMES in str(warning.message) for warning in caught)
            return _Attempt(schema, rows, lacks_names=lacks_names)
        if of_examples:
            return self._attempt_each(schema, rows, error)
        good: list[ColumnLists] = []
        for index in range(min(count, SINGLE_ROWS)):
            row = row_slice(rows, index, index + 1)
            if self._call(schema.build_row([column[0] for column in row]), 1) is None:
                good.append(row)
            if self._is_late or len(good) == FEW_ROWS:
                break
        return _Attempt(schema, repeat_rows(good, len(good)) if good else None, error)

    def _attempt_each(self, schema: FixedSchema, rows: ColumnLists, error: Exception) -> _Attempt:
        """Call the methods with one example after the other, after a call with all has failed."""
        for index in range(len(rows[0])):
            if self._is_late:
                break
            row = [column[index] for column in rows]
            problem = self._call(schema.build_row(row), 1)
            if problem is not None:
                problem.add_note(f"{_EXAMPLE} {index}")
                return _Attempt(schema, None, problem)
        return _Attempt(schema, rows, error)  # each example alone is accepted

    # -- The container of X

    def _other_container(
        self, inputs: Inputs, first: _Attempt, rows: ColumnLists, of_examples: bool
    ) -> tuple[Inputs, _Attempt]:
        """Return the inputs and the attempt with the first container that the estimator accepts.

        If the estimator accepts none, return the inputs and the attempt that were given.
        """
        for container, candidate in _candidates(inputs, first.schema):
            try:
                schema = self._model.compile_schema(candidate)
            except ModelError:  # pandas or polars is not installed
                continue
            if not isinstance(schema, FixedSchema):
                continue
            attempt = self._attempt(schema, rows, of_examples=of_examples)
            if attempt.rows is not None and not attempt.lacks_names:
                self._log_container(container, inputs.container, first.error)
                return candidate, attempt
        return inputs, first

    def _log_container(self, chosen: str, first: str, error: Exception | None) -> None:
        reason = "it warns that the columns have no names" if error is None else _text_of(error)
        _log.warning(
            "model %r gets %s, because its %s does not accept %s (%s); with a profile of its "
            "training data, this would be known",
            *(name_of(self._model), _CONTAINERS[chosen], self._name, _CONTAINERS[first], reason),
        )

    def _refuse(self, attempt: _Attempt, rows: ColumnLists, of_examples: bool) -> None:
        """Raise ModelError for an estimator that raises on all rows, or log a warning.

        Rows with made-up texts prove nothing if the estimator raises because of one of these texts.
        """
        error = attempt.error
        if isinstance(error, SKModelsError):  # the model itself rejects the rows
            return
        if of_examples:
            if self._checks_examples:
                notes = getattr(error, "__notes__", ["its examples"])
                raise ModelError(f"it fails on {notes[-1]}: {_text_of(error)}") from error
            return
        is_broken = self._is_overridden or isinstance(error, _BROKEN)
        if is_broken or _may_be_the_values(error, attempt.schema, rows):
            _log.warning(
                "model %r may not work: its %s raises on all rows that it was called with at load "
                "(%s); set examples to rows that it accepts",
                *(name_of(self._model), self._name, _text_of(error)),
            )
            return
        raise ModelError(
            f"its {self._name} raises on all rows that it was called with, in an array and in a "
            f"data frame with the names of the fields; the first error is {_text_of(error)}. Set "
            "one of these: profile= (the data that it was trained on), schema= (with the names of "
            "its columns), or examples= (rows that it accepts)"
        ) from error

    def _try_unbounded(self, schema: Schema) -> None:
        """Refuse an estimator that raises on rows of any width, each time for the same reason."""
        errors: dict[str, Exception] = {}
        for width in WIDTHS:
            rows = [[float(index) for index in range(width)] for _ in range(2)]
            error = self._call(schema.clean(from_python(rows)), len(rows))
            if error is None or self._is_late:
                return
            errors[_text_of(error)] = error
        if len(errors) == 1:
            text, error = errors.popitem()
            raise ModelError(
                f"its {self._name} raises on arrays of any width ({text}), and the names of its "
                "columns are not known: set schema=, or set profile= to the data that it was "
                "trained on"
            ) from error

    # -- Missing values

    def _prove_nullable(self, inputs: Inputs, attempt: _Attempt) -> tuple[Inputs, FixedSchema]:
        """Return the inputs with the missing values that nullable fields need.

        :raises ModelError: the estimator raises on each missing value in a nullable field, but not
            because of the values of other fields
        """
        schema = attempt.schema
        for name in [field.name for field in _unproven(schema)]:
            if self._is_late or attempt.rows is None:
                break
            inputs, schema = self._prove_nullable_field(inputs, schema, name, attempt.rows)
        return inputs, schema

    def _prove_nullable_field(
        self, inputs: Inputs, schema: FixedSchema, name: str, rows: ColumnLists
    ) -> tuple[Inputs, FixedSchema]:
        index = [field.name for field in schema.column_fields].index(name)
        failed: list[tuple[Exception, Inputs, FixedSchema]] = []
        for missing in _markers(schema.column_fields[index]):
            candidate = _with_columns(inputs, schema)
            columns = list(candidate.columns or ())
            columns[index] = replace(columns[index], nullable=True, missing=missing)
            candidate = replace(candidate, columns=tuple(columns))
            compiled = self._model.compile_schema(candidate)
            if not isinstance(compiled, FixedSchema):
                return inputs, schema
            error = self._call_with_missing(compiled, index, rows)
            if error is None:
                return candidate, compiled
            failed.append((error, candidate, compiled))
        error, candidate, compiled = failed[0]
        if not _may_be_the_values(error, schema, rows):
            raise ModelError(
                f"field {name!r} is nullable, but the model's {self._name} raises on each missing "
                f"value in this field ({_text_of(error)}): remove nullable, or add an imputer to "
                "the pipeline"
            ) from error
        _log.warning(
            "model %r may not accept a missing value in field %r: its %s raises on the missing "
            "values that it was called with, together with made-up values of other fields (%s); "
            "set examples to rows with a missing value",
            *(name_of(self._model), name, self._name, _text_of(error)),
        )
        return candidate, compiled

    def _call_with_missing(
        self, schema: FixedSchema, index: int, rows: ColumnLists
    ) -> Exception | None:
        """Return the exception for rows in which one field is missing, None if one row is accepted.

        Rows in which the column has no value at all come last: an estimator may need some values.
        """
        first: Exception | None = None
        count = len(rows[0])
        for part in (slice(0, 1), slice(0, (count + 1) // 2), slice(None)):
            columns = [list(column) for column in rows]
            columns[index][part] = [None] * len(columns[index][part])
            error = self._call(schema.build(columns), count)
            if error is None:
                return None
            first = first or error
        return first

    # -- X and a plain data frame

    def _compare_with_plain_frame(
        self, inputs: Inputs, schema: FixedSchema, rows: ColumnLists
    ) -> None:
        if inputs.container != "frame" or self._is_late:
            return
        names = fields_at_fault(schema, rows, self.calls)
        if names:
            _log.warning(
                "the results of model %r for X as it is built from a request differ from those for "
                "a plain data frame of the same rows, because of %s; a profile of its training "
                "data would show which is right",
                *(name_of(self._model), ", ".join(map(repr, names))),
            )


def _is_known(part: Estimator) -> bool:
    """Return whether the attributes of an estimator show the container of X.

    They do for scikit-learn and the boosting libraries, but not for classes of other libraries and
    functions of the user.
    """
    if not (is_from_sklearn(part) or boosting_library(part)):
        return False
    function = get(part, "func") if is_a(part, "FunctionTransformer") else None
    return function is None or isinstance(function, np.ufunc)


def _candidates(inputs: Inputs, schema: FixedSchema) -> Iterator[tuple[str, Inputs]]:
    """Yield other containers of X, the most common first."""
    if inputs.is_profiled:
        return
    if inputs.container == "array":
        yield "frame", replace(inputs, container="frame")
        columns = (
            replace(field.column, label=index) for index, field in enumerate(schema.column_fields)
        )
        yield "labels", replace(inputs, container="frame", columns=tuple(columns))
    if inputs.container in ("array", "frame") and "polars" in sys.modules:
        yield "polars", replace(inputs, container="polars")


def _unproven(schema: FixedSchema) -> list[Field]:
    """Return the nullable fields whose columns may not accept a missing value."""
    return [f for f in schema.column_fields if f.nullable and not f.column.nullable]


def _with_columns(inputs: Inputs, schema: FixedSchema) -> Inputs:
    """Return the inputs, with the columns of a schema if the estimator does not know its own."""
    if inputs.columns is not None:
        return inputs
    return replace(inputs, columns=tuple(field.column for field in schema.column_fields))


def _markers(field: Field) -> tuple[object, ...]:
    """Return the values that may stand for a missing value in X."""
    if field.is_number:
        return (nan,)
    return (None, nan) if field.column.missing is None else (nan, None)


def column_lists(X: ModelInput, width: int) -> ColumnLists:
    """Return the values of X by column, None for a missing value."""
    if isinstance(X, Tabular):
        columns: Sequence[ColumnValues] = X.validated_columns(range(width))
    else:
        columns = list(np.asarray(X).T)
    return list(map(to_objects, columns))


def _check_length(outputs: ModelOutput, count: int, method: str) -> None:
    """Check that outputs have one entry for each row, as every prediction is checked."""
    if not has_rows(as_rows(outputs, count, method), count):
        raise ValueError(f"{method} does not return one entry for each of {count} rows")


def _may_be_the_values(error: Exception | None, schema: FixedSchema, rows: ColumnLists) -> bool:
    """Return whether an estimator may raise because of the values, not because of the container."""
    fields = schema.column_fields
    if any(field.kind not in KNOWN_KINDS for field in fields):
        return True
    if isinstance(error, KeyError) and any(error.args[:1] == (v,) for c in rows for v in c):
        return True
    texts = [
        set(values)
        for field, values in zip(fields, rows, strict=True)
        if field.kind == "string" and "allowed" not in field.definition
    ]
    is_text = not isinstance(error, TypeError | AttributeError | LookupError)
    return bool(texts) and (is_text or any(repr(v) in str(error) for t in texts for v in t))


def _text_of(error: Exception | None) -> str:
    """Return the type and the first line of an exception."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:MAX_ERROR_LENGTH]}"

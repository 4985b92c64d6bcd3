"""The rules of a declared schema, completed and checked with the profile of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.column_order import columns_by_field
from flask_skmodels.schema.fields import TIME_KINDS, InputColumn, Inputs, as_list, is_alias
from flask_skmodels.schema.types import FieldRules, Rules
from flask_skmodels.schema.validator import NUMBER_TYPES

_TYPED_BY = frozenset({"type", "coerce", "transform", "allowed"})


def with_types(rules: FieldRules, inputs: Inputs) -> dict[str, Rules]:
    """Return declared rules, with the type of the training data where no type is declared.

    :param rules: the rules of each field
    :param inputs: the X that the estimator takes, as the profile describes it
    :raises ModelError: a declared type is not the type of the training data
    """
    completed = dict(rules)
    for name, column in _pairs(rules, inputs):
        if not _is_typed(rules[name]):
            completed[name] = {"type": column.type, **rules[name]}
        elif not rules[name].keys() & {"coerce", "transform"}:
            _check_type(name, as_list(rules[name].get("type")), column)
    return completed


def with_ranges(rules: FieldRules, inputs: Inputs) -> dict[str, Rules]:
    """Return rules, with the range of the training data as bounds where none are declared.

    :param rules: the rules of each field
    :param inputs: the X that the estimator takes, as the profile describes it
    :raises ModelError: there is no profile
    """
    if not inputs.is_profiled:
        raise ModelError("enforce_ranges needs a profile of the training data: set profile")
    ranged = dict(rules)
    for name, column in _pairs(rules, inputs):
        bounds = column.range
        types = as_list(rules[name].get("type", "number"))
        if bounds is not None and NUMBER_TYPES.issuperset(types):
            low, high = bounds
            ranged[name] = {"min": low, "max": high, **rules[name]}
    return ranged


def _pairs(rules: FieldRules, inputs: Inputs) -> Iterator[tuple[str, InputColumn]]:
    """Yield the fields of whose columns the profile knows the values, with these columns."""
    for name, column in columns_by_field(rules, inputs).items():
        if column.samples and not is_alias(rules[name]):
            yield name, column


def _is_typed(rules: Rules) -> bool:
    return bool(rules.keys() & _TYPED_BY) or any("of" in rule for rule in rules)


def _check_type(name: str, declared: list[Any], column: InputColumn) -> None:
    """Check that a declared type can hold the values of the training data."""
    types = {each for each in declared if isinstance(each, str)}
    fitting = types & {column.type} or (
        (types & NUMBER_TYPES and column.type in NUMBER_TYPES | {"boolean"})
        or (types & TIME_KINDS and column.type in TIME_KINDS)
        or ("boolean" in types and column.type in NUMBER_TYPES)
    )
    known = NUMBER_TYPES | TIME_KINDS | {"boolean", "string"}
    if types and types <= known and not fitting:
        raise ModelError(
            f"its profile does not match the schema: field {name!r} is declared as "
            f"{' or '.join(sorted(types))}, but the training data has {column.type} values with "
            f"the dtype {column.dtype}. Change the type, or convert the values with coerce"
        )

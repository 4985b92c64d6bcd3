"""Matches the fields of a schema to the columns that the estimator was fitted with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches

from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.fields import InputColumn, Inputs, is_alias
from flask_skmodels.schema.types import FieldRules

MAX_NAMES = 10  # in a message
MAX_CANDIDATES = 1000  # names with which a misspelt name is compared


def columns_by_field(rules: FieldRules, inputs: Inputs) -> dict[str, InputColumn]:
    """Return the column for each field, by the name of the field, in the order of X.

    :raises ModelError: a field is missing, unknown or misspelt
    """
    names = [name for name, field_rules in rules.items() if not is_alias(field_rules)]
    if inputs.columns is None:
        return {name: InputColumn(name=name) for name in names}
    if not inputs.named:
        return _by_position(names, inputs.columns)
    columns = {column.name: column for column in inputs.columns}
    _check_names(names, list(columns))
    return columns


def _by_position(names: list[str], columns: Sequence[InputColumn]) -> dict[str, InputColumn]:
    if len(names) != len(columns):
        raise ModelError(
            f"the schema has {len(names)} fields, the estimator takes {len(columns)} columns"
        )
    pairs = zip(names, columns, strict=True)
    return {name: replace(column, name=name) for name, column in pairs}


def _check_names(names: list[str], known: list[str]) -> None:
    missing, surplus = _without(known, set(names)), _without(names, set(known))
    hints = [_with_hint(name, known) for name in surplus[:MAX_NAMES]]
    problems = [f"missing: {_first_names(list(map(repr, missing)), len(missing))}"] * bool(missing)
    problems += [f"unknown: {_first_names(hints, len(surplus))}"] * bool(surplus)
    if problems:
        raise ModelError(
            "the schema's fields differ from the columns that the estimator was fitted with; "
            + "; ".join(problems)
        )


def _without(names: list[str], others: Collection[str]) -> list[str]:
    return [name for name in names if name not in others]


def _first_names(names: list[str], count: int) -> str:
    more = f", and {count - MAX_NAMES:,} more" if count > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _with_hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known[:MAX_CANDIDATES], n=1)
    return f"{name!r} (did you mean {close[0]!r}?)" if close else repr(name)


def aliases_of(rules: FieldRules) -> dict[str, str]:
    """Return the target field of each alias, by the alias; see ``rename``."""
    renames = {name: each["rename"] for name, each in rules.items() if "rename" in each}
    return {name: other for name, other in renames.items() if other in rules}

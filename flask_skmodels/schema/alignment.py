"""Which of the estimator's columns each field of a schema fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from flask_skmodels.errors import ModelError
from flask_skmodels.schema.fields import InputColumn, Inputs, is_alias

_Rules = Mapping[str, Mapping[str, Any]]


def columns_of(rules: _Rules, inputs: Inputs) -> dict[str, InputColumn]:
    """Return the estimator's column for each field, by the field's name, in the order of X.

    :raises ModelError: a field is missing, surplus or misspelt
    """
    names = [name for name, own in rules.items() if not is_alias(own)]
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
    missing = [repr(name) for name in known if name not in names]
    surplus = [_with_hint(name, known) for name in names if name not in known]
    problems = [f"missing: {', '.join(missing)}"] * bool(missing)
    problems += [f"not known to it: {', '.join(surplus)}"] * bool(surplus)
    if problems:
        raise ModelError(
            "the schema's fields are not those that the estimator was fitted with; "
            + "; ".join(problems)
        )


def _with_hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"{name!r} (is it {close[0]!r}?)" if close else repr(name)


def aliases_of(rules: _Rules) -> dict[str, str]:
    """Return the names that stand for another field, as Cerberus's ``rename``."""
    renames = {name: own["rename"] for name, own in rules.items() if "rename" in own}
    return {name: other for name, other in renames.items() if other in rules}

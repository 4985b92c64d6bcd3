"""The fields whose values are not shown anywhere: ``SKMODELS_LOG_HIDDEN_FIELDS``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import VALUES


class Described(Protocol):
    """The attributes of a schema that this module needs."""

    @property
    def fields(self) -> Sequence[Field]: ...

    @property
    def unnamed(self) -> bool: ...


def shown_names(schema: Described, hidden: Collection[str]) -> set[str]:
    """Return the names of the fields whose values may be shown.

    A hidden alias also hides the field that it is renamed to.

    :param schema: the schema of the live version
    :param hidden: names of the hidden fields; ``values`` hides all fields of a row without names
    """
    if schema.unnamed and VALUES in hidden:
        return set()
    aliases = [field for field in schema.fields if field.name in hidden and field.is_alias]
    if any("rename" not in alias.rules for alias in aliases):
        return set()  # the alias is renamed by a function, so its field is not known
    renamed = {alias.rules["rename"] for alias in aliases}
    return {field.name for field in schema.fields}.difference(hidden, renamed)


def fields_to_show(schema: Described, hidden: Collection[str]) -> list[Field]:
    """Return the fields of a schema; hidden fields have no training data.

    Hidden fields keep their rules, because a client has to know these.

    :param schema: the schema of a version
    :param hidden: names of the hidden fields, as in :func:`shown_names`
    """
    if not hidden:
        return list(schema.fields)
    shown = shown_names(schema, hidden)
    return [each if each.name in shown else _without_training(each) for each in schema.fields]


def _without_training(field: Field) -> Field:
    column = replace(
        field.column, typical=None, range=None, samples=(), known=None, categories=None
    )
    return replace(field, column=column)

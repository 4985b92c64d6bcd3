"""The fields whose values are not shown anywhere: ``SKMODELS_LOG_HIDDEN_FIELDS``."""

from __future__ import annotations

from collections.abc import Collection

from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.schema import Schema


def shown_names(schema: Schema, hidden: Collection[str]) -> set[str]:
    """Return the names of the fields whose values may be shown.

    A hidden alias hides the field that it is renamed to as well.

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

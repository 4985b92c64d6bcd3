"""The checks that a new version must pass before it replaces the live version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_skmodels.exceptions import InvalidInput, ModelError
from flask_skmodels.schema.json_schema import TRAINING
from flask_skmodels.schema.rows import from_python
from flask_skmodels.versions.version import ModelVersion

_Rules = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Compatibility:
    """The fields and methods of a version that clients rely on.

    :param fields: the fields that the version takes, in their order, as JSON Schema
    :param required: names of the required fields
    :param methods: the methods that it serves
    :param categories: for each field, the categories that the version knows; empty for a field
        without categories
    """

    fields: Mapping[str, _Rules]
    required: frozenset[str]
    methods: frozenset[str]
    categories: Mapping[str, frozenset[object]]

    @classmethod
    def of(cls, version: ModelVersion) -> Compatibility:
        """Return the fields and methods of a version."""
        row = version.schema.json_schema()
        fields = {
            name: _without_ranges(rules, version) for name, rules in row["properties"].items()
        }
        categories = {
            field.name: frozenset(field.column.categories or ()) for field in version.schema.fields
        }
        methods = frozenset(version.methods)
        return cls(fields, frozenset(row["required"]), methods, categories)

    def check(self, version: ModelVersion) -> None:
        """Check that a version accepts every request that clients may send.

        :raises ModelError: its fields do not have the same names, order and types; or it requires a
            field that was optional, no longer allows a value, no longer knows a category, or lacks
            a method
        """
        other = Compatibility.of(version)
        if list(other.fields) != list(self.fields):
            raise ModelError("its fields are not those of the live version")
        for name, rules in self.fields.items():
            if not _accepts(other.fields[name], rules):
                raise ModelError(f"its field {name!r} differs from that of the live version")
            known = other.categories.get(name, frozenset())
            if not self.categories.get(name, frozenset()) <= known:
                raise ModelError(f"its field {name!r} lacks categories of the live version")
        if not other.required <= self.required:
            raise ModelError("it requires a field that is optional in the live version")
        if not self.methods <= other.methods:
            raise ModelError("it lacks methods of the live version")


def check_examples(version: ModelVersion) -> None:
    """Let a version predict the examples of its model with each of its methods.

    :raises ModelError: an example is not valid, or the version fails on one
    """
    for index, example in enumerate(version.model.examples):
        try:
            X = version.schema.clean(from_python([example]))
            for method in version.methods:
                version.callable(method)(X)
        except InvalidInput as error:
            raise ModelError(f"example {index} is not valid: {error}") from error
        except Exception as error:
            kind = type(error).__name__
            raise ModelError(f"it fails on example {index}: {kind}: {error}") from error


def _without_ranges(rules: _Rules, version: ModelVersion) -> _Rules:
    """Return the JSON Schema of a field without the figures of the training data.

    These figures change with each training, so clients cannot rely on them.
    """
    kept = {key: value for key, value in rules.items() if key not in TRAINING}
    if version.model.enforce_ranges and "x-training-range" in rules:
        low, high = rules["x-training-range"]
        kept = {
            k: v for k, v in kept.items() if (k, v) not in {("minimum", low), ("maximum", high)}
        }
    return kept


def _accepts(new: _Rules, old: _Rules) -> bool:
    """Return True if the rules are equal, except that the new rules may allow more values."""
    others = [{key: rules[key] for key in rules if key != "enum"} for rules in (new, old)]
    return others[0] == others[1] and (
        "enum" not in new or ("enum" in old and all(v in new["enum"] for v in old["enum"]))
    )

"""What a version must be to take another's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_skmodels.errors import InvalidInput, ModelError
from flask_skmodels.schema.rows import from_python
from flask_skmodels.versions.version import ModelVersion


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What the clients of a version rely on; it outlives the version's estimator.

    :param fields: the fields that it takes, in their order, as JSON Schema
    :param required: names of those that it requires
    :param methods: the methods that it serves
    """

    fields: Mapping[str, Mapping[str, Any]]
    required: frozenset[str]
    methods: frozenset[str]

    @classmethod
    def of(cls, version: ModelVersion) -> Compatibility:
        """Return the contract of a version."""
        row = version.schema.json_schema()
        return cls(row["properties"], frozenset(row["required"]), frozenset(version.methods))

    def check(self, version: ModelVersion) -> None:
        """Hold what a version takes against what the clients send.

        :raises ModelError: it has not the same fields in the same order, of the same types, it
            requires one that was not required, or no longer allows a value; or a method is not
            there
        """
        own = Compatibility.of(version)
        if list(own.fields) != list(self.fields):
            raise ModelError("its fields are not those of the version that serves")
        for name, rules in self.fields.items():
            if not _takes(own.fields[name], rules):
                raise ModelError(f"its field {name!r} is not that of the version that serves")
        if not own.required <= self.required:
            raise ModelError("it requires a field that the version that serves does not")
        if not self.methods <= own.methods:
            raise ModelError("it has not got the methods of the version that serves")


def check_examples(version: ModelVersion) -> None:
    """Have a version answer its model's examples, with each of its methods.

    :raises ModelError: an example is not valid, or it fails on one
    """
    for place, example in enumerate(version.model.examples):
        try:
            X = version.schema.clean(from_python([example]))
            for method in version.methods:
                version.callable(method)(X)
        except InvalidInput as error:
            raise ModelError(f"example {place} is not valid: {error}") from error
        except Exception as error:
            kind = type(error).__name__
            raise ModelError(f"it fails on example {place}: {kind}: {error}") from error


def _takes(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Return whether a field takes what another takes: the same but for more allowed values."""
    others = [{key: rules[key] for key in rules if key != "enum"} for rules in (own, theirs)]
    return others[0] == others[1] and (
        "enum" not in own or ("enum" in theirs and all(v in own["enum"] for v in theirs["enum"]))
    )

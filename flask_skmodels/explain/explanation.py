"""The parts of an explanation and their names, in the outputs of the method ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask_skmodels.schema.types import ColumnValues, FloatArray, JSONObject, Values

BASE, OUTPUT, RULE = "base", "output", "rule"


@dataclass(frozen=True, slots=True)
class ExplanationLayout:
    """The order of the numbers in a row of the outputs of ``explain``.

    The outputs are an array of shape (rows, outputs x (fields + 2)): for each output that is
    explained, its base, the contributions of the fields, and the output itself.

    :param fields: the names of the fields
    :param count: the number of outputs that are explained: one for each class if there are more
        than two, otherwise one; or one for each target of a regressor
    :param rule: the name of the rule that computes the contributions
    :param are_probabilities: whether the explained outputs are probabilities
    """

    fields: tuple[str, ...]
    count: int
    rule: str
    are_probabilities: bool = False

    @property
    def width(self) -> int:
        """The number of numbers for each output that is explained."""
        return len(self.fields) + 2

    @property
    def cells(self) -> int:
        """The number of numbers in a row."""
        return self.count * self.width

    def by_row(self, outputs: FloatArray) -> Iterator[JSONObject]:
        """Yield the explanation of each row, as values for JSON."""
        for row in outputs.reshape(len(outputs), self.count, self.width):
            parts = (row[0] if self.count == 1 else row.T).tolist()
            base, *contributions, output = parts
            yield {
                BASE: base,
                "contributions": dict(zip(self.fields, contributions, strict=True)),
                OUTPUT: output,
                RULE: self.rule,
            }

    def columns(
        self, outputs: FloatArray, classes: Values | None
    ) -> list[tuple[str, ColumnValues]]:
        """Return the outputs as named columns, for a table.

        The columns are ``base``, one with the name of each field, ``output`` and ``rule``. With
        several outputs, the name of the class or the number of the target comes first:
        ``setosa_base``. An underscore follows a name that another column already has.

        :param classes: the names of the outputs, None if they have none
        """
        names = [BASE, *self.fields, OUTPUT]
        if self.count > 1:
            labels = range(self.count) if classes is None else classes
            names = [f"{label}_{name}" for label in labels for name in names]
        columns: list[tuple[str, ColumnValues]] = list(zip(names, outputs.T, strict=True))
        columns.append((RULE, [self.rule] * len(outputs)))
        taken = set(self.fields) if self.count == 1 else set[str]()
        unique: list[tuple[str, ColumnValues]] = []
        for index, (name, values) in enumerate(columns):
            is_field = self.count == 1 and 0 < index <= len(self.fields)
            while not is_field and name in taken:
                name += "_"
            taken.add(name)
            unique.append((name, values))
        return unique

    def importance(self, outputs: FloatArray) -> list[tuple[str, float]]:
        """Return the mean absolute contribution of each field, the largest first.

        If there are several outputs, this is the mean over the outputs as well.
        """
        parts = outputs.reshape(len(outputs), self.count, self.width)[:, :, 1:-1]
        means = abs(parts).mean(axis=(0, 1)).tolist()
        return sorted(zip(self.fields, means, strict=True), key=lambda pair: -pair[1])

"""Names and the models that they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask_skmodels.errors import ModelError, UnknownModel
from flask_skmodels.models import Model
from flask_skmodels.versions import Version


class Registry(Mapping[str, Model]):
    """The models of one extension, in the order of their registration."""

    def __init__(self) -> None:
        self._versions: dict[str, Version] = {}

    def add(self, model: Model) -> Version:
        """Check and compile a model and put it under its name.

        :raises ModelError: it cannot be served, or its name is taken
        """
        version = Version(model)
        if version.name in self._versions:
            raise ModelError(
                f"model {version.name!r} is registered already: give this one another name"
            )
        self._versions[version.name] = version
        return version

    def version(self, name: str) -> Version:
        """Return the version of a model that serves.

        :raises UnknownModel: no model has that name
        """
        try:
            return self._versions[name]
        except KeyError:
            known = ", ".join(self._versions) or "none"
            raise UnknownModel(f"no model is named {name!r}; registered: {known}") from None

    def versions(self) -> list[Version]:
        """Return the serving version of each model."""
        return list(self._versions.values())

    def __getitem__(self, name: str) -> Model:
        return self.version(name).model

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._versions))

    def __len__(self) -> int:
        return len(self._versions)

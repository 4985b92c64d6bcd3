"""Names and the models that they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask_skmodels.artifacts.loading import Policy
from flask_skmodels.errors import ModelError, UnknownModel
from flask_skmodels.models import Model, artifact_of, check_traffic, name_of
from flask_skmodels.versions.folder import VersionFolder
from flask_skmodels.versions.version import SingleVersion, Versions


class Registry(Mapping[str, Model]):
    """The models of one extension, in the order of their registration."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._fixed: dict[str, SingleVersion] = {}

    def add(self, model: Model) -> str:
        """Put a model under its name, checked and compiled where its estimator is in memory.

        :returns: the name
        :raises ModelError: it cannot be served, or its name is taken
        """
        name = name_of(model)
        if name in self._models:
            raise ModelError(f"model {name!r} is registered already: give this one another name")
        check_traffic(model)
        if artifact_of(model) is None:
            self._fixed[name] = SingleVersion(model)
        self._models[name] = model
        return name

    def discard(self, name: str) -> None:
        """Take a model out again that could not be served after all."""
        self._models.pop(name, None)
        self._fixed.pop(name, None)

    @contextmanager
    def replaced(self, name: str, model: Model) -> Iterator[None]:
        """Have a model with its estimator in memory in another's place, in a ``with`` block.

        :param name: the name of both
        :param model: what is there meanwhile
        :raises ModelError: it cannot be served
        """
        real, fixed = self._models[name], self._fixed.get(name)
        self._fixed[name] = SingleVersion(model)
        self._models[name] = model
        try:
            yield
        finally:
            self._models[name] = real
            self._fixed.pop(name)
            if fixed is not None:
                self._fixed[name] = fixed

    def serve(
        self,
        name: str,
        policy: Policy,
        *,
        pinned: str | None = None,
        interval: float | None = None,
    ) -> Versions:
        """Return a model as one application serves it; no file is loaded yet.

        :param name: the model's
        :param policy: how artifacts are loaded
        :param pinned: the version that serves, the artifact's own where None
        :param interval: seconds between two looks at a folder of versions
        :raises ModelError: it has no versions where it is to have them, or not the pinned one
        """
        artifact = artifact_of(self[name])
        if artifact is None:
            _check_is_folder(self[name], pinned, is_folder=False)
            self._fixed[name].live.check(policy)
            return self._fixed[name]
        pinned = artifact.version if pinned is None else pinned
        versions = VersionFolder(self[name], artifact, policy, pinned=pinned, interval=interval)
        _check_is_folder(self[name], pinned, is_folder=versions.is_folder)
        versions.check_pin()
        return versions

    def __getitem__(self, name: str) -> Model:
        try:
            return self._models[name]
        except KeyError:
            known = ", ".join(self._models) or "none"
            raise UnknownModel(f"no model is named {name!r}; registered: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._models))

    def __len__(self) -> int:
        return len(self._models)


def _check_is_folder(model: Model, pinned: str | None, *, is_folder: bool) -> None:
    needs = [f"version {pinned!r}"] if pinned is not None else []
    needs += ["traffic"] if model.traffic else []
    needs += ["shadow"] if model.shadow is not None else []
    if needs and not is_folder:
        raise ModelError(
            f"model {name_of(model)!r}: {needs[0]} needs a folder of versions as its pipeline"
        )

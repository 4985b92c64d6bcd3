"""The models of an extension by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask_skmodels.artifacts.declaration import Policy
from flask_skmodels.exceptions import ModelError, UnknownModel
from flask_skmodels.models import (
    Model,
    artifact_of,
    check_drift,
    check_limits,
    check_spelling,
    check_traffic,
    name_of,
)
from flask_skmodels.versions.folder import VersionFolder
from flask_skmodels.versions.loaded_models import LoadedModels
from flask_skmodels.versions.trials import Trials
from flask_skmodels.versions.version import SingleVersion, Versions


class Registry(Mapping[str, Model]):
    """The models of one extension, in the order of their registration."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._in_memory: dict[str, SingleVersion] = {}

    def add(self, model: Model) -> str:
        """Add a model; check and compile it if its estimator is in memory.

        :returns: the name
        :raises ModelError: the model cannot be served, or its name is taken
        """
        name = name_of(model)
        if name in self._models:
            raise ModelError(f"model {name!r} is already registered: give this model another name")
        check_spelling(model)
        check_traffic(model)
        check_limits(model)
        check_drift(model)
        if artifact_of(model) is None:
            self._in_memory[name] = SingleVersion(model)
        self._models[name] = model
        return name

    def discard(self, name: str) -> None:
        """Remove a model that cannot be served."""
        self._models.pop(name, None)
        self._in_memory.pop(name, None)

    @contextmanager
    def replaced(self, name: str, model: Model) -> Iterator[None]:
        """Replace a model in a ``with`` block by a model whose estimator is in memory.

        :param name: the name of both models
        :param model: the replacement
        :raises ModelError: the model cannot be served
        """
        real, in_memory = self._models[name], self._in_memory.get(name)
        self._in_memory[name] = SingleVersion(model)
        self._models[name] = model
        try:
            yield
        finally:
            self._models[name] = real
            self._in_memory.pop(name)
            if in_memory is not None:
                self._in_memory[name] = in_memory

    def serve(
        self,
        name: str,
        policy: Policy,
        *,
        pinned: str | None = None,
        interval: float | None = None,
        trials: Trials | None = None,
        loaded_models: LoadedModels | None = None,
    ) -> Versions:
        """Return the versions of a model for one application; no file is loaded yet.

        :param name: the name of the model
        :param policy: how artifacts are loaded
        :param pinned: label of the version to serve, by default the version of the artifact
        :param interval: seconds between two polls of a folder of versions
        :param trials: tries a file before it is loaded; None to load files untried
        :param loaded_models: limits the number of loaded models, None for no limit
        :raises ModelError: the model needs a folder of versions but has none, or the pinned version
            is not in the folder
        """
        artifact = artifact_of(self[name])
        if artifact is None:
            _check_is_folder(self[name], pinned, is_folder=False)
            self._in_memory[name].live.check(policy)
            return self._in_memory[name]
        pinned = artifact.version if pinned is None else pinned
        versions = VersionFolder(
            self[name],
            artifact,
            policy,
            pinned=pinned,
            interval=interval,
            trials=trials,
            loaded_models=loaded_models,
        )
        _check_is_folder(self[name], pinned, is_folder=versions.is_folder)
        versions.check_pin()
        return versions

    def __getitem__(self, name: str) -> Model:
        try:
            return self._models[name]
        except KeyError:
            raise UnknownModel.named(name, self._models) from None

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
            f"model {name_of(model)!r}: {needs[0]} can be used only if pipeline is a folder of "
            "versions"
        )

"""A version and the declaration of its model, as data for the process that tries the version.

That process must not import the application by accident. So only values are passed to it, and no
class or function of the application. There, the model is declared with the library's own classes.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

from flask_skmodels.artifacts.declaration import Artifact, Policy, resolve
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.models import KeyValueModel, Model, ValuesModel, plain_schema, profile_of
from flask_skmodels.versions.trial_outcomes import Limits

IN_TRIAL = "FLASK_SKMODELS_TRIAL"  # the environment variable that is set in the process of a trial
_KINDS = (KeyValueModel, ValuesModel, Model)
_PASSED = (
    *("probability", "methods", "schema", "purge_unknown", "engine", "examples"),
    *("explain", "profile", "enforce_ranges", "configuration"),
)
_SHARED = frozenset(  # the packages whose classes the other process can import too
    {
        *("_codecs", "builtins", "collections", "copyreg", "datetime", "decimal", "pathlib"),
        *("uuid", "zoneinfo", "numpy", "pandas", "flask_skmodels"),
    }
)
_LIBRARIES = (
    *("Flask-SKModels", "scikit-learn", "numpy", "scipy", "joblib", "skops", "onnxruntime"),
    *("onnx", "skl2onnx", "pandas", "polars", "xgboost", "xgboost-cpu", "lightgbm", "catboost"),
)
_NO_DATA: Any = object()


def is_trial_process() -> bool:
    """Return True in the process of a trial, where no model is loaded at startup."""
    return IN_TRIAL in os.environ


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTask:
    """A version to try.

    :param artifact: the file of the version, pinned to the digest of the bytes that are to be tried
    :param policy: the requirements for artifacts; the requirements that only the application can
        check have been checked
    :param kind: index of the class of the model in the classes of the library
    :param attributes: the attributes of the model that are data
    :param limits: the limits of the trial
    """

    artifact: Artifact
    policy: Policy
    kind: int
    attributes: Mapping[str, Any]
    limits: Limits

    @classmethod
    def of(
        cls, model: Model, artifact: Artifact, policy: Policy, digest: str, limits: Limits
    ) -> TrialTask:
        """Return the task to try the file of a version.

        :param model: the declaration
        :param artifact: the file
        :param policy: the requirements, of which the file has met those before its digest, and the
            digest
        :param digest: SHA-256 of the bytes of the file, in hexadecimal
        :param limits: the limits of the trial
        """
        path = resolve(artifact, policy).absolute()
        return cls(
            artifact=replace(artifact, path=path, sha256=digest),
            policy=policy.for_pinned_file(),
            kind=[isinstance(model, kind) for kind in _KINDS].index(True),
            attributes=attributes_of(model),
            limits=limits,
        )

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.artifact.path)

    @property
    def key(self) -> str:
        """A key for the outcome: equal if the same bytes are tried under the same conditions."""
        artifact, policy = self.artifact, self.policy
        parts = (
            *(artifact.sha256, artifact.trusted, artifact.mmap_mode, policy.version_mismatch),
            *(policy.onnx_tolerance, self.kind, text_of(self.attributes)),
            *(self.limits.seconds, self.limits.max_bytes, sys.version, _library_versions()),
        )
        return sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()

    def model(self) -> Model:
        """Return the declaration of the model, without its pipeline."""
        attributes = dict(self.attributes)
        configuration = attributes.pop("configuration", None)
        model = _KINDS[self.kind](name="trial", **attributes)
        model.configuration = configuration
        return model

    def bare_model(self) -> Model:
        """Return a declaration that leaves everything to the estimator.

        This is for a model that is incomplete without classes and functions of the application.
        """
        return Model(name="trial", methods=self.attributes.get("methods"))


def attributes_of(model: Model) -> dict[str, Any]:
    """Return the attributes of a model that are data, without parts that are not."""
    values = {name: getattr(model, name) for name in _PASSED} | plain_schema(model)
    if not isinstance(model.profile, str | os.PathLike):
        values["profile"] = profile_of(model)
    return {name: data for name, v in values.items() if (data := _data(v)) is not _NO_DATA}


def _data(value: Any) -> Any:
    """Return a value without the parts that are not data; ``_NO_DATA`` if nothing is left."""
    if isinstance(value, Mapping):
        parts = ((key, _data(part)) for key, part in value.items())
        return {key: part for key, part in parts if part is not _NO_DATA}
    if isinstance(value, list | tuple):
        return [part for each in value if (part := _data(each)) is not _NO_DATA]
    try:
        _DataPickler(io.BytesIO()).dump(value)
    except Exception:  # objects of the application may raise anything
        return _NO_DATA
    return value


class _DataPickler(pickle.Pickler):
    """Refuses classes and functions that the process of a trial would have to import."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType | BuiltinFunctionType):
            module = getattr(obj, "__module__", None) or "builtins"
            if module.partition(".")[0] not in _SHARED:
                raise pickle.PicklingError(f"{module} is not shared")
        return NotImplemented


def text_of(value: Any) -> str:
    """Return a text for data that is the same in every process."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{text_of(k)}: {text_of(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, Set):
        return f"set{sorted(map(text_of, value))}"
    if isinstance(value, Profile):
        return text_of(value.to_json())
    text = repr(value)
    return type(value).__qualname__ if " at 0x" in text else text


@cache
def _library_versions() -> tuple[str, ...]:
    return tuple(f"{name} {_version_of(name)}" for name in _LIBRARIES)


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""The digest of a version, which changes whenever its predictions may change."""

from __future__ import annotations

from hashlib import sha256
from weakref import WeakKeyDictionary

import joblib

from flask_skmodels.versions.trial_task import attributes_of, text_of
from flask_skmodels.versions.version import ModelVersion

_digests: WeakKeyDictionary[ModelVersion, str] = WeakKeyDictionary()


def version_digest(version: ModelVersion) -> str:
    """Return the digest of a version: of its file or its estimator, and of its declaration.

    The digest is computed once for each version.

    :returns: SHA-256 in hexadecimal
    """
    if version not in _digests:
        estimator = version.sha256 or joblib.hash(version.model.pipeline)
        parts = (version.name, version.label, estimator, text_of(attributes_of(version.model)))
        _digests[version] = sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()
    return _digests[version]

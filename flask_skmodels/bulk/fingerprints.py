"""Fingerprints of the input and the model of a run, which show a later run if both are unchanged.

Files of at most 256 MiB in total are hashed. To hash more would take as long as to score them, so
the fingerprint of each file is then its size, the time of its last change, and the digest of its
first and last MiB.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib

from flask_skmodels.bulk.locations import Location
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.versions.trial_task import attributes_of, text_of
from flask_skmodels.versions.version import ModelVersion

HASHED_BYTES = 256 * 2**20
_END = 2**20


def file_fingerprints(locations: Sequence[Location]) -> list[JSONObject]:
    """Return the fingerprint of each file, as values for JSON."""
    sizes = [location.size() for location in locations]
    is_small = sum(sizes) <= HASHED_BYTES
    return [
        {
            "file": location.name,
            "bytes": size,
            **(_whole(location) if is_small else _ends(location)),
        }
        for location, size in zip(locations, sizes, strict=True)
    ]


def _whole(location: Location) -> JSONObject:
    digest = sha256()
    with location.open() as file:
        while block := file.read(2**20):
            digest.update(block)
    return {"sha256": digest.hexdigest()}


def _ends(location: Location) -> JSONObject:
    """Return the time of the last change and the digest of both ends of a file."""
    with location.open() as file:
        start = file.read(_END)
        file.seek(max(location.size() - _END, 0))
        end = file.read(_END)
    changed: Any
    if location.is_local:
        changed = Path(location.path).stat().st_mtime_ns
    else:
        info = location.filesystem.info(location.path)
        changed = str(info.get("ETag") or info.get("mtime") or info.get("LastModified"))
    return {"changed": changed, "sha256_of_ends": sha256(start + end).hexdigest()}


def model_fingerprint(version: ModelVersion) -> JSONObject:
    """Return the fingerprint of a version: its label, its estimator and its declaration."""
    attributes = attributes_of(version.model)
    return {
        "name": version.name,
        "version": version.label,
        "sha256": version.sha256,
        "estimator": None if version.sha256 else joblib.hash(version.model.pipeline),
        "declaration": sha256(text_of(attributes).encode("utf-8", "replace")).hexdigest(),
    }

"""The profile of the training data in a file beside an artifact.

It contains data and no code, so it needs no pin. But it must be a regular file of a bounded size,
and if it is a link, its target must be in the same folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask_skmodels.artifacts.formats import split_name
from flask_skmodels.estimators.profile.profile import Profile, read_profile
from flask_skmodels.exceptions import ArtifactError

SUFFIX = ".profile.json"


def profile_path(artifact: Path) -> Path:
    """Return the path of the profile of an artifact: ``2.profile.json`` for ``2.joblib.gz``."""
    return artifact.with_name(f"{split_name(artifact)[0]}{SUFFIX}")


def load_profile_beside(artifact: Path) -> Profile | None:
    """Return the profile beside an artifact, None if there is none.

    :param artifact: the file of the estimator, or a folder of MLflow
    :raises ArtifactError: it cannot be read, it is not a profile, or it links out of its folder
    """
    path = profile_path(artifact)
    if not os.path.lexists(path):
        return None
    real, folder = Path(os.path.realpath(path)), Path(os.path.realpath(path.parent))
    if folder not in real.parents:
        raise ArtifactError(path, "it is a link to a file outside its folder: copy the file here")
    try:
        return read_profile(real, is_final=True)
    except ArtifactError as error:
        raise ArtifactError(path, error.reason) from error

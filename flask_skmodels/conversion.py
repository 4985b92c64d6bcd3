"""A pickle becomes a skops file, which holds data and no code."""

from __future__ import annotations

from pathlib import Path

from flask_skmodels.artifacts import Artifact, Policy, load
from flask_skmodels.errors import ArtifactError
from flask_skmodels.pins import in_one_line
from flask_skmodels.skopsfile import read_skops


def convert(source: Path, target: Path) -> list[str]:
    """Write the estimator of a file as a skops file, and read it back.

    The source is loaded whether it is pinned or not, so what it holds is run.

    :param source: the file of a fitted estimator
    :param target: the file to write, with the suffix ``.skops``; it must not exist
    :returns: the types that the new file holds and skops does not trust, for
        ``Artifact(trusted=...)``
    :raises ArtifactError: the source cannot be loaded, or the target not be written and read back
    """
    if target.suffix != ".skops":
        raise ArtifactError(target, "its name must end with .skops")
    loaded = load(Artifact(source.absolute()), Policy(root=Path.cwd(), trust_pickle=True))
    try:
        import skops.io
    except ImportError as error:
        raise ArtifactError(target, "it needs pip install 'Flask-SKModels[skops]'") from error
    try:
        data = skops.io.dumps(loaded.estimator)
        types: list[str] = sorted(skops.io.get_untrusted_types(data=data))
        read_skops(target, data, types)
    except Exception as error:
        raise ArtifactError(target, f"skops cannot hold it: {in_one_line(error)}") from error
    _write_new(target, data)
    return types


def _write_new(target: Path, data: bytes) -> None:
    try:
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise ArtifactError(target, "it exists already") from error
    except OSError as error:
        raise ArtifactError(target, (error.strerror or "it cannot be written").lower()) from error

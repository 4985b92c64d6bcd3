"""An estimator as a skops file, which holds data and no code, or as a graph of ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask_skmodels.artifacts.declaration import in_one_line
from flask_skmodels.artifacts.loading import Artifact, Policy, load
from flask_skmodels.artifacts.skops import read_skops, untrusted_types
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.equality import same
from flask_skmodels.engines.lean.probes import PROBES, Probes
from flask_skmodels.engines.native import own_calls
from flask_skmodels.engines.onnx import converted
from flask_skmodels.errors import ArtifactError, ModelError, SKModelsError
from flask_skmodels.estimators import introspect
from flask_skmodels.models import Model, inputs_of
from flask_skmodels.schema.schema import Cleaner


@dataclass(frozen=True, slots=True)
class Conversion:
    """A file that was written.

    :param artifact: its declaration
    :param parity: how its answers compare with those of the estimator that it was made of
    """

    artifact: Artifact
    parity: str


def convert(source: Path, target: Path) -> Conversion:
    """Write the estimator of a file in another format, and compare the two.

    The source is loaded whether it is pinned or not, so what it holds is run.

    :param source: the file of a fitted estimator
    :param target: the file to write, with the suffix ``.skops`` or ``.onnx``; it must not exist
    :raises ArtifactError: the source cannot be loaded, or the target not be written and read back
    """
    write = {".skops": _to_skops, ".onnx": _to_onnx}.get(target.suffix)
    if write is None:
        raise ArtifactError(target, "its name must end with .skops or .onnx")
    artifact = Artifact(source.absolute(), trusted=untrusted_types(source))
    loaded = load(artifact, Policy(root=Path.cwd(), trust_pickle=True))
    return write(loaded.estimator, target)


def _to_skops(estimator: Any, target: Path) -> Conversion:
    try:
        import skops.io
    except ImportError as error:
        raise ArtifactError(target, "it needs pip install 'Flask-SKModels[skops]'") from error
    try:
        data = skops.io.dumps(estimator)
        types: list[str] = sorted(skops.io.get_untrusted_types(data=data))
        other = read_skops(target, data, types)
    except Exception as error:
        raise ArtifactError(target, f"skops cannot hold it: {in_one_line(error)}") from error
    _write_new(target, data)
    return Conversion(Artifact(target, trusted=types), _parity(estimator, other))


def _to_onnx(estimator: Any, target: Path) -> Conversion:
    model, own, schema = _served(estimator)
    try:
        graph, difference, _ = converted(model, own, schema)
    except ModelError as error:
        raise ArtifactError(target, str(error)) from error
    _write_new(target, graph.data)
    left_out = [method for method in own if graph.output_of(method) is None]
    parity = (
        f"on {difference.rows} rows numbers differ by {difference.numbers:.3g} at most, and "
        f"{difference.labels:.3%} of the labels"
    )
    without = f"; without {', '.join(left_out)}" if left_out else ""
    return Conversion(Artifact(target), parity + without)


def _served(estimator: Any) -> tuple[Model, Mapping[str, Any], Cleaner]:
    """Return an estimator as it would be served: its own methods, the schema of its rows."""
    model = Model(name="converted", pipeline=estimator)
    methods = introspect.methods(estimator)
    return model, own_calls(model, methods), model.compile_schema(inputs_of(model, methods))


def _parity(estimator: Any, other: Any) -> str:
    try:
        _, own, schema = _served(estimator)
        _, others, _ = _served(other)
        probes = Probes(schema, estimator, ())
        X = probes.build(probes.rows())
        differing = [m for m, call in own.items() if not same(call(X), others[m](X))]
    except (SKModelsError, Decline) as why:
        return f"not compared: {why}"
    except Exception as error:
        return f"not compared: the estimator raises {type(error).__name__}"
    return (
        f"{', '.join(differing)} differ" if differing else f"equal to the last bit on {PROBES} rows"
    )


def _write_new(target: Path, data: bytes) -> None:
    try:
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise ArtifactError(target, "it exists already") from error
    except OSError as error:
        raise ArtifactError(target, (error.strerror or "it cannot be written").lower()) from error

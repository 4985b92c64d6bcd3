"""``flask skmodels convert``: write an estimator as a skops file or as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import load
from flask_skmodels.artifacts.skops import read_skops, untrusted_types
from flask_skmodels.cli.console import (
    FILE,
    json_option,
    one_line_errors,
    path_for_application,
    print_json,
    root_option,
)
from flask_skmodels.cli.terminal import progress
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.equality import same
from flask_skmodels.engines.lean.probes import PROBES, Probes
from flask_skmodels.engines.native import native_calls
from flask_skmodels.engines.onnx import convert_to_onnx
from flask_skmodels.estimators import introspect
from flask_skmodels.exceptions import ArtifactError, ModelError, SKModelsError, in_one_line
from flask_skmodels.hints import install_line
from flask_skmodels.models import Model, inputs_of
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import Estimator


@click.command("convert")
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
@root_option
@json_option
def convert_command(source: Path, target: Path, root: Path | None, as_json: bool) -> None:
    """Convert a model file to skops or ONNX.

    IN is the file of a fitted estimator. OUT is the file to write, with the suffix .skops or .onnx.
    Both formats contain data and no code. The command prints the declaration of the new file for
    use in Python, and compares the predictions of the new file with those of the original.

    IN is loaded, and a pickle can run any code when it is loaded. Convert only files that you
    trust.

    \b
    Examples:
      flask skmodels convert iris.joblib iris.skops
      flask skmodels convert iris.skops iris.onnx
    """
    with one_line_errors(), progress(f"converting {source}"):
        conversion = convert(source, target)
        written = path_for_application(target, root)
    declaration = repr(replace(conversion.artifact, path=written))
    if as_json:
        print_json({"declaration": declaration, "comparison": conversion.comparison})
        return
    click.echo(declaration)
    click.echo(conversion.comparison, err=True)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A file that was written.

    :param artifact: the declaration of the file
    :param comparison: how its predictions compare with those of the original estimator, in words
    """

    artifact: Artifact
    comparison: str


def convert(source: Path, target: Path) -> Conversion:
    """Write the estimator of a file in another format, and compare the predictions of both.

    The source is loaded even if it is not pinned, so code in it can run.

    :param source: the file of a fitted estimator
    :param target: the file to write, with the suffix ``.skops`` or ``.onnx``; it must not exist
    :raises ArtifactError: the source cannot be loaded, or the target cannot be written or loaded
    """
    write = {".skops": _to_skops, ".onnx": _to_onnx}.get(target.suffix)
    if write is None:
        raise ArtifactError(target, "the name must end with .skops or .onnx")
    artifact = Artifact(source.absolute(), trusted=untrusted_types(source))
    loaded = load(artifact, Policy(root=Path.cwd(), trust_pickle=True))
    return write(loaded.estimator, target)


def _to_skops(estimator: Estimator, target: Path) -> Conversion:
    try:
        import skops.io
    except ImportError as error:
        needed = f"skops is not installed. To install it: {install_line('skops')}"
        raise ArtifactError(target, needed) from error
    try:
        data = skops.io.dumps(estimator)
        types: list[str] = sorted(skops.io.get_untrusted_types(data=data))
        other = read_skops(target, data, types)
    except Exception as error:
        reason = f"skops cannot save this estimator: {in_one_line(error)}"
        raise ArtifactError(target, reason) from error
    _write_new(target, data)
    return Conversion(Artifact(target, trusted=types), _compared(estimator, other))


def _to_onnx(estimator: Estimator, target: Path) -> Conversion:
    model, native, schema = _as_model(estimator)
    try:
        graph, difference, _ = convert_to_onnx(model, native, schema)
    except ModelError as error:
        raise ArtifactError(target, str(error)) from error
    _write_new(target, graph.data)
    left_out = [method for method in native if graph.output_of(method) is None]
    comparison = (
        f"compared on {difference.rows} rows: numbers differ by at most {difference.numbers:.3g}, "
        f"labels differ in {difference.labels:.3%} of the rows"
    )
    without = f". Not converted: {', '.join(left_out)}" if left_out else ""
    return Conversion(Artifact(target), comparison + without)


def _as_model(estimator: Estimator) -> tuple[Model, Mapping[str, Any], Schema]:
    """Return a model for an estimator, the estimator's native methods, and its schema."""
    model = Model(name="converted", pipeline=estimator)
    methods = introspect.methods(estimator)
    return model, native_calls(model, methods), model.compile_schema(inputs_of(model, methods))


def _compared(estimator: Estimator, other: Any) -> str:
    """Return, in words, whether the predictions of two estimators are equal to the last bit."""
    try:
        _, native, schema = _as_model(estimator)
        _, others, _ = _as_model(other)
        probes = Probes(schema, estimator, ())
        X = probes.build(probes.rows())
        differing = [m for m, call in native.items() if not same(call(X), others[m](X))]
    except (SKModelsError, Decline) as why:
        return f"not compared: {why}"
    except Exception as error:
        return f"not compared: the estimator raises {type(error).__name__}"
    if differing:
        return f"compared on {PROBES} rows: the predictions of {', '.join(differing)} differ"
    return f"compared on {PROBES} rows: the predictions are identical to the last bit"


def _write_new(target: Path, data: bytes) -> None:
    try:
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise ArtifactError(target, "the file already exists") from error
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise ArtifactError(target, f"cannot write the file: {reason}") from error

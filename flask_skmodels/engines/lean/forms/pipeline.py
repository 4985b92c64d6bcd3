"""Lean forms of ``sklearn.pipeline``."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.pipeline import FeatureUnion, Pipeline

from flask_skmodels.engines.lean.compiler import Call, Compiler, Decline, Methods, lean_form
from flask_skmodels.engines.lean.concatenation import concatenate_outputs
from flask_skmodels.engines.lean.forms.compose import weighted
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput


@lean_form(Pipeline)
def pipeline(estimator: Pipeline, compiler: Compiler) -> Methods:
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    return methods_of_steps(steps, compiler)


def methods_of_steps(steps: Sequence[Estimator], compiler: Compiler) -> Methods:
    """Return functions that call the transform of each step, then a method of the last step."""
    *steps, last = steps
    transforms = [compiler.methods(step)["transform"] for step in steps]
    return {method: _chain(transforms, call) for method, call in compiler.methods(last).items()}


@lean_form(FeatureUnion)
def feature_union(estimator: FeatureUnion, compiler: Compiler) -> Methods:
    """Concatenate the outputs of all transformers."""
    parts = [
        weighted(compiler.methods(step)["transform"], weight)
        for _, step, weight in estimator._iter()
    ]
    if not parts:
        raise Decline("it drops all columns")
    return {"transform": concatenate_outputs(parts)}


def _chain(transforms: list[Call], last: Call) -> Call:
    if not transforms:
        return last
    if len(transforms) == 1:
        first = transforms[0]
        return lambda X: last(first(X))

    def chained(X: ModelInput) -> ModelOutput:
        for transform in transforms:
            X = transform(X)
        return last(X)

    return chained

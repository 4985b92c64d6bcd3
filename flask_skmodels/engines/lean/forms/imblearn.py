"""Lean forms of imbalanced-learn, whose samplers do nothing when a pipeline predicts."""

from __future__ import annotations

from imblearn.pipeline import Pipeline

from flask_skmodels.engines.lean.compiler import Compiler, Methods, lean_form
from flask_skmodels.engines.lean.forms.pipeline import methods_of_steps
from flask_skmodels.estimators.attributes import active_steps


@lean_form(Pipeline)
def pipeline(estimator: Pipeline, compiler: Compiler) -> Methods:
    return methods_of_steps(active_steps(estimator), compiler)

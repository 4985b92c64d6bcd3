"""Verification of methods that call one another: each result of the estimator is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread, current_thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import SKModels
from flask_skmodels.engines.lean import verify
from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form
from tests.support.helpers import X, Y

BOTH = ("predict", "predict_proba")


class Halves(ClassifierMixin, BaseEstimator):
    """Predicts from the first column, by means of its probabilities.

    :param wrong: the method whose lean form is wrong
    :param shift: what ``predict`` adds to X before it calls ``predict_proba``
    """

    def __init__(self, wrong: str = "", shift: float = 0.0) -> None:
        self.wrong = wrong
        self.shift = shift

    def fit(self, X: Any, y: Any = None) -> Halves:
        self.classes_, self.n_features_in_ = np.array([0, 1]), X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        return self.predict_proba(X + self.shift if self.shift else X).argmax(axis=1)

    def predict_proba(self, X: Any) -> Any:
        if not np.isfinite(X).all():
            raise ValueError("not finite")
        share = 1 / (1 + np.abs(X[:, 0]))
        return np.stack([share, 1 - share], axis=1)


@lean_form(Halves)
def halves(estimator: Halves, compiler: Compiler) -> Methods:
    def proba(X: Any) -> Any:
        share = 1 / (1 + np.abs(finite(doubles(X))[:, 0]))
        return np.stack([share, 1 - share], axis=1)

    def wrong(X: Any) -> Any:
        return 1 - proba(X)

    shift = estimator.shift
    right: Methods = {
        "predict": lambda X: proba(doubles(X) + shift).argmax(axis=1),
        "predict_proba": proba,
    }
    false: Methods = {"predict": lambda X: wrong(X).argmax(axis=1), "predict_proba": wrong}
    return {name: (false if name == estimator.wrong else right)[name] for name in right}


def engine_of(estimator: Any, methods: Sequence[str] = BOTH) -> str:
    models, app = SKModels(), Flask("shared")
    models.add("case", estimator, methods=list(methods))
    models.init_app(app)
    engine: str = (app.test_client().get("/case/").json or {})["engine"]["name"]
    return engine


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("wrong", ["", *BOTH])
@pytest.mark.parametrize("methods", [BOTH, BOTH[::-1]])
def test_each_method_is_compared(methods: Sequence[str], wrong: str, shift: float) -> None:
    estimator = Halves(wrong, shift).fit(X)
    engine = engine_of(make_pipeline(StandardScaler(), estimator).fit(X, Y), methods)
    assert engine == ("sklearn" if wrong else "lean")
    assert {"predict", "predict_proba"}.isdisjoint(vars(estimator))


@pytest.mark.parametrize("rows", [X, pd.DataFrame(X, columns=list("abcd"))], ids=["array", "frame"])
@pytest.mark.parametrize("is_pipeline", [False, True])
def test_trees_are_called_once_for_both_methods(
    rows: Any, is_pipeline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[int] = []
    native = ForestClassifier.predict_proba

    def counted(self: Any, X: Any) -> Any:
        result = native(self, X)
        results.append(len(result))
        return result

    monkeypatch.setattr(ForestClassifier, "predict_proba", counted)
    monkeypatch.setattr(verify, "SECONDS", 60)  # on a busy machine, fewer rows are compared
    forest = RandomForestClassifier(3, random_state=0)
    estimator = (make_pipeline(forest) if is_pipeline else forest).fit(rows, Y)
    assert engine_of(estimator, ["predict"]) == "lean"
    of_one, results[:] = list(results), []
    assert engine_of(estimator) == "lean"
    assert of_one
    assert results == of_one


def test_calls_of_other_threads_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator, native, loader = Halves().fit(X), Halves.predict_proba, current_thread()

    def interrupted(self: Halves, rows: Any) -> Any:
        if current_thread() is loader:  # another application uses the same object
            thread = Thread(target=self.predict, args=(rows + 1,))
            thread.start()
            thread.join()
        return native(self, rows)

    monkeypatch.setattr(Halves, "predict_proba", interrupted)
    assert engine_of(estimator) == "lean"

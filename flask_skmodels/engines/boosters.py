"""Lets boosting libraries use one thread: after a fork of the server, their pools do not work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial

from flask_skmodels.estimators.attributes import boosting_library, get, is_a, shallow_copy
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.models import Model
from flask_skmodels.schema.types import Estimator

_THREADS = {"lightgbm": "num_threads", "catboost": "thread_count", "xgboost": ""}
_METHODS = ("predict", "predict_proba", "predict_log_proba")


@contextmanager
def on_one_thread(model: Model, parts: Sequence[Estimator]) -> Iterator[Model | None]:
    """Return a context with a copy of a model whose booster predicts on one thread.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param parts: all estimators in its pipeline
    :returns: the model itself if it has no booster; None if an estimator around a booster sets the
        number of threads
    """
    boosters = [part for part in parts if boosting_library(part)]
    if not boosters:
        yield model
        return
    duplicate, limited = copy(model), _limited(model.pipeline)
    duplicate.pipeline = limited
    with _one_thread_each(boosters):
        yield None if limited is None else duplicate


def _has_booster(estimator: Estimator) -> bool:
    return any(map(boosting_library, estimators_in(estimator)))


def _limited(estimator: Estimator) -> Estimator:
    """Return a copy whose last step predicts on one thread, None if another step has a booster."""
    library = boosting_library(estimator)
    if library:
        return _on_one_thread(estimator, _THREADS[library])
    if not is_a(estimator, "Pipeline") or any(_has_booster(s) for _, s in estimator.steps[:-1]):
        return None
    name, last = estimator.steps[-1]
    limited_last = _limited(last)
    if limited_last is None:
        return None
    duplicate = copy(estimator)
    duplicate.steps = [*estimator.steps[:-1], (name, limited_last)]
    return duplicate


def _on_one_thread(booster: Estimator, option: str) -> Estimator:
    duplicate = shallow_copy(booster)
    for method in _METHODS if option else ():
        if callable(call := getattr(booster, method, None)):
            setattr(duplicate, method, partial(call, **{option: 1}))
    return duplicate


@contextmanager
def _one_thread_each(boosters: Sequence[Estimator]) -> Iterator[None]:
    """Return a context in which the estimators of XGBoost and LightGBM use one thread.

    CatBoost ends its threads after each call.
    """
    of_xgboost = [part for part in boosters if boosting_library(part) == "xgboost"]
    of_lightgbm = [part for part in boosters if boosting_library(part) == "lightgbm"]
    own = [get(part, "n_jobs") for part in of_lightgbm]
    _set_threads(of_xgboost, 1)
    for part in of_lightgbm:
        part.n_jobs = 1
    try:
        yield
    finally:
        _set_threads(of_xgboost, None)
        for part, number in zip(of_lightgbm, own, strict=True):
            part.n_jobs = number


def _set_threads(boosters: list[Estimator], count: int | None) -> None:
    """Set the number of threads of estimators of XGBoost; None restores their own number."""
    for booster in boosters:
        with suppress(Exception):  # a template that is not fitted
            own = getattr(booster, "n_jobs", None) or 0
            booster.get_booster().set_param({"nthread": own if count is None else count})

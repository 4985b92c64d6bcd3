"""What a fitted estimator says of itself: its columns, its methods, its classes.

Only fitted attributes and tags are read: nothing is predicted or transformed. Nothing raises.

To know the columns, a :class:`_Walk` goes through the estimator as a row would, with a
:class:`_Feature` for each feature between two steps. An encoder that meets a column claims its
categories; a step that takes no missing value refuses the columns that could bring it one; an
unknown step is trusted by its tags.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import repeat
from math import nan
from typing import Any

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from flask_skmodels.schema.fields import InputColumn, Inputs

METHODS = tuple(
    "predict predict_proba predict_log_proba decision_function transform score_samples".split()
)


def inputs(estimator: Any) -> Inputs:
    """Say what a fitted estimator takes as X.

    :param estimator: a fitted estimator, of scikit-learn's or one that follows its API.
    :return: its columns and what they come in; the cautious answer where it does not say.
    """
    with suppress(Exception):  # a foreign object whose attributes are not what they seem
        return _inputs(estimator, _container(estimator), _names(estimator))
    return Inputs(columns=None, named=False, container="array")


def is_fitted(estimator: Any) -> bool:
    """Say whether an estimator is fitted, as ``check_is_fitted`` understands it.

    :param estimator: any object.
    :return: true also for what needs no fit: a stateless estimator, or an object with one of
        :data:`METHODS` and without ``fit``. False for a class.
    """
    if isinstance(estimator, type) or not _has(estimator, "fit"):
        return not isinstance(estimator, type) and bool(methods(estimator))
    if _tags(estimator) is None and not _has(estimator, "__sklearn_is_fitted__"):
        return any(k.endswith("_") and k[:2] != "__" for k in _get(estimator, "__dict__") or ())
    with suppress(Exception):  # NotFittedError, or a foreign object that breaks when asked
        return check_is_fitted(estimator) is None
    return False


def methods(estimator: Any) -> tuple[str, ...]:
    """Name those of :data:`METHODS` that an estimator really has.

    :param estimator: any object.
    :return: their names, in that order, without those that its parameters make unavailable.
    """
    return tuple(name for name in METHODS if callable(_get(estimator, name)))


def classes(estimator: Any) -> list[object] | None:
    """List the classes of a classifier.

    :param estimator: a fitted estimator.
    :return: ``classes_`` as plain Python values, for several outputs a list of lists; ``None``
        where there are none (regressors, outlier detectors, clusterers, transformers).
    """
    if not _has(estimator, "predict"):
        return None  # the classes_ of a TargetEncoder are its target's
    with suppress(Exception):  # a foreign object whose attributes are not what they seem
        if (found := _get(estimator, "classes_")) is not None:
            return list(_plain(found))
        last = _steps(estimator)[-1:] if _is(estimator, "Pipeline") else _wrapped(estimator)
        return classes(last[0]) if last else None
    return None


def class_name(estimator: Any) -> str:
    """Name the class of an estimator; of a pipeline, ``"Pipeline"``.

    :param estimator: any object.
    :return: the name, without its module.
    """
    return type(estimator).__name__


def final_estimator(estimator: Any) -> Any:
    """Return the estimator that predicts in a pipeline, a search or a frozen estimator.

    :param estimator: a fitted estimator.
    :return: the last step, the best estimator or the frozen one, at any depth; any other estimator
        itself.
    """
    while True:
        if isinstance(getattr(estimator, "steps", None), list):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif type(estimator).__name__ == "FrozenEstimator":
            estimator = estimator.estimator
        else:
            return estimator


# Meta-estimators, by scikit-learn's class, that hand X unchanged to what the attribute holds.
_SAME_X = {
    "best_estimator_": {"BaseSearchCV"},
    "calibrated_classifiers_": {"CalibratedClassifierCV"},
    "estimator": {"FrozenEstimator", "_CalibratedClassifier"},
    "estimator_": {"BaseThresholdClassifier", "SelfTrainingClassifier", "RANSACRegressor"},
    "estimators_": {"OneVsRestClassifier", "OneVsOneClassifier", "_BaseHeterogeneousEnsemble"}
    | {"OutputCodeClassifier", "BaggingClassifier", "BaggingRegressor", "_MultiOutputEstimator"},
    "regressor_": {"TransformedTargetRegressor"},
}


def _get(item: Any, name: str) -> Any:
    with suppress(Exception):  # a foreign property may raise anything
        return getattr(item, name, None)


def _has(item: Any, name: str) -> bool:
    return _get(item, name) is not None


def _tags(estimator: Any) -> Any:
    with suppress(Exception):  # it has none, or broken ones
        return get_tags(estimator)


def _own(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "sklearn"


def _kinds(estimator: Any) -> list[str]:
    return [cls.__name__ for cls in type(estimator).__mro__ if _own(cls)]


def _is(estimator: Any, *kinds: str) -> bool:
    return not set(kinds).isdisjoint(_kinds(estimator))


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, list)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _wrapped(estimator: Any) -> list[Any]:
    """What a meta-estimator hands its X to, unchanged."""
    known = [name for name, kinds in _SAME_X.items() if _is(estimator, *kinds)]
    foreign = [] if _own(type(estimator)) else ["best_estimator_", "estimator_"]
    inner: Any = next((_get(estimator, n) for n in known + foreign if _has(estimator, n)), [])
    return list(inner) if isinstance(inner, (list, tuple, np.ndarray)) else [inner]


def _steps(pipeline: Any) -> list[Any]:
    """The steps that do something when a pipeline predicts: no passthrough, no sampler."""
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return [step for step in steps[:-1] if _has(step, "transform")] + steps[-1:]


def _first(estimator: Any) -> list[Any]:
    """The inner estimators that meet X first, but for functions fitted on texts."""
    if _is(estimator, "FeatureUnion"):
        return [t for _, t in estimator.transformer_list if not isinstance(t, str)]
    if not _is(estimator, "Pipeline"):
        return _wrapped(estimator)
    steps = _steps(estimator)
    return [s for s in steps if _has(s, "n_features_in_") or not _is(s, "FunctionTransformer")][:1]


def _names(estimator: Any) -> list[str] | None:
    """The names in ``fit``; not Column_0 (LightGBM) or 0 (CatBoost), made up for an array."""
    own = "feature_names_in_"
    name = own if _own(type(estimator)) or _has(estimator, own) else "feature_names_"  # CatBoost
    if (found := _get(estimator, name)) is None:
        return next(filter(None, map(_names, _first(estimator))), None)
    names, numbers = [str(name) for name in found], [str(i) for i in range(len(found))]
    foreign = names == numbers and not _own(type(estimator))
    return None if foreign or names == [f"Column_{i}" for i in numbers] else names


def _width(estimator: Any) -> Any:
    """Its own count; CatBoost's is 0 once it comes from a file, but its names are not lost."""
    count = _get(estimator, "n_features_in_")
    return len(_get(estimator, "feature_names_") or ()) or None if count == 0 else count


def _count(estimator: Any) -> int | None:
    count = 1 if _is(estimator, "IsotonicRegression") else _width(estimator)
    if count is not None:
        return int(count)
    return next((n for n in map(_count, _first(estimator)) if n is not None), None)


def _container(estimator: Any) -> str:
    """What X is for the estimator that meets it first, names aside."""
    for inner in _first(estimator):
        return _container(inner)
    if _is(estimator, "_VectorizerMixin"):
        return "sequence"
    if (tags := _tags(estimator)) is None or tags.input_tags.two_d_array:
        return "array"
    if tags.input_tags.dict:
        return "mapping"
    return "array" if tags.input_tags.one_d_array else "nothing"  # targets, images


@dataclass(frozen=True, slots=True)
class _Feature:
    """A feature between two steps."""

    source: int | None = None  # the column that it comes from alone
    exact: bool = True  # whether it has that column's values
    missing: frozenset[int] = frozenset()  # the columns that can bring it a missing value
    fills: tuple[object, ...] = ()  # what an imputer puts for one
    sparse: bool = False


_Features = list[_Feature]
_Values = tuple[object, ...]
_TYPES = {bool: "boolean", int: "number", float: "number"}


def _mixed(X: _Features) -> _Feature:
    """A feature made of any of these; made of one alone, its column is still known."""
    missing: frozenset[int] = frozenset().union(*(f.missing for f in X))
    source = X[0].source if len(X) == 1 else None
    return _Feature(source, False, missing, sparse=any(f.sparse for f in X))


def _fit(X: _Features, count: int | None) -> _Features:
    """As many features as a step takes; where they do not tally, each may be any of X."""
    return X if count is None or count == len(X) else [_mixed(X)] * count


@dataclass(slots=True)
class _Walk:
    """One way through an estimator, with nan or else None missing; ``meet_x`` meets an ``X``."""

    by_nan: bool
    met: set[int] = field(default_factory=set)  # the columns that make a difference
    refused: set[int] = field(default_factory=set)
    claims: dict[int, list[tuple[str, _Values | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def meet(self, X: Iterable[_Feature]) -> None:
        self.met.update(f.source for f in X if f.source is not None)

    def refuse(self, X: Iterable[_Feature]) -> None:
        self.refused.update(*(feature.missing for feature in X))

    def claim(self, f: _Feature, kind: str, allowed: _Values | None = None) -> None:
        if f.source is not None and (f.exact or kind == "string"):
            self.claims[f.source].append((kind, allowed if f.exact else None))

    def run(self, e: Any, X: _Features) -> _Features:
        if not _is(e, "_BaseComposition") and not _wrapped(e):
            self.meet(X)
        rules = (getattr(self, f"meet_{kind.strip('_').lower()}", None) for kind in _kinds(e))
        try:
            return next(filter(None, rules), self.meet_any)(e, X)
        except Exception:  # not built as scikit-learn's own: nothing is sure of it
            self.meet(X)
            self.refuse(X)
            return [_mixed(X)]

    def meet_any(self, e: Any, X: _Features) -> _Features:
        X = _fit(X, _width(e))
        parts = _get(e, "estimators_features_") or repeat(range(len(X)))  # of bagging
        pairs = zip(_wrapped(e), parts, strict=False)
        outs = [self.run(inner, [X[i] for i in part]) for inner, part in pairs]
        if outs and _own(type(e)):
            return outs[0] if len(outs) == 1 else []
        self.refuse([] if self.takes_missing(e, X) else X)
        for place in e.get_cat_feature_indices() if _has(e, "get_cat_feature_indices") else ():
            self.claim(X[place], "string")  # CatBoost
            self.refuse([X[place]])
        return _outputs(e, X)

    def takes_missing(self, e: Any, X: _Features) -> bool:
        """Whether its tags say so; trees do not take one in a sparse matrix."""
        tags = _tags(e)
        if tags is None or tags.no_validation or _is(e, "_ConstantPredictor"):
            return tags is not None
        sparse = any(f.sparse for f in X) and _own(type(e)) and not _has(e, "transform")
        return self.by_nan and tags.input_tags.allow_nan and not sparse

    def meet_pipeline(self, e: Any, X: _Features) -> _Features:
        return reduce(lambda features, step: self.run(step, features), _steps(e), X)

    def meet_featureunion(self, e: Any, X: _Features) -> _Features:
        parts = [t for _, t in e.transformer_list if t is not None and t != "drop"]
        out = [f for t in parts for f in (X if isinstance(t, str) else self.run(t, X))]
        return [replace(f, sparse=any(f.sparse for f in out)) for f in out]

    def meet_columntransformer(self, e: Any, X: _Features) -> _Features:
        X, out = _fit(X, e.n_features_in_), []
        for name, transformer, _ in e.transformers_:
            part = [X[i] for i in e._transformer_to_input_indices[name]]
            if part and not isinstance(transformer, str):
                part = self.run(transformer, part)
            out += [] if isinstance(transformer, str) and transformer == "drop" else part
        return [replace(f, sparse=e.sparse_output_) for f in out]

    def meet_basestacking(self, e: Any, X: _Features) -> _Features:
        self.meet_any(e, X)
        return self.run(e.final_estimator_, X if e.passthrough else [])

    def meet_baseimputer(self, e: Any, X: _Features) -> _Features:
        X = _fit(X, e.n_features_in_)
        self.refuse([] if self.marks(e) else X)
        fills = _plain(e.statistics_) if _has(e, "statistics_") else [object()] * len(X)
        for f, fill in zip(X, fills, strict=True):
            if isinstance(fill, str):
                self.claim(f, "string")
        pairs = zip(X, fills, strict=True)
        kept = [(f, v) for f, v in pairs if e.keep_empty_features or v == v]
        added = [_Feature()] * (len(e.indicator_.features_) if e.indicator_ else 0)
        return [replace(f, missing=frozenset(), fills=(v,)) for f, v in kept] + added

    def meet_missingindicator(self, e: Any, X: _Features) -> _Features:
        X = _fit(X, e.n_features_in_)
        new = [f for i, f in enumerate(X) if i not in e.features_]
        self.refuse((new if e.error_on_new else []) if self.marks(e) else X)
        return []

    def marks(self, e: Any) -> bool:
        """Whether an imputer takes this walk's marker for a missing value."""
        return e.missing_values != e.missing_values if self.by_nan else e.missing_values is None

    def meet_vectorizermixin(self, e: Any, X: _Features) -> _Features:
        self.refuse(X)
        for f in X:
            self.claim(f, "string")
        return []

    def meet_categoricalnb(self, e: Any, X: _Features) -> _Features:
        for f, count in zip(X, e.n_categories_, strict=True):
            self.claim(f, "integer", tuple(range(count)))
        return self.meet_any(e, X)

    def meet_basehistgradientboosting(self, e: Any, X: _Features) -> _Features:
        if e.is_categorical_ is not None:
            chosen = zip(_fit(X, e.n_features_in_), e.is_categorical_, strict=True)
            self.run(e._preprocessor.named_transformers_["encoder"], [f for f, c in chosen if c])
        return self.meet_any(e, X)

    def meet_baseencoder(self, e: Any, X: _Features) -> _Features:
        X = _fit(X, len(e.categories_))
        return [self.encoded(e, f, _plain(c)) for f, c in zip(X, e.categories_, strict=True)]

    def encoded(self, e: Any, f: _Feature, values: list[Any]) -> _Feature:
        """What an encoder makes of a feature that has had these categories in ``fit``."""
        has_none, has_nan = None in values, any(v != v for v in values)
        refuses = _get(e, "handle_unknown") == "error"  # a TargetEncoder refuses none
        known = tuple(v for v in values if v is not None and v == v)
        kinds = {_TYPES.get(type(v), "string") for v in known}
        kind = kinds.pop() if len(kinds) == 1 else "number"  # 1 is True among numbers
        self.claim(f, kind, known if refuses else None)
        if f.source is not None and refuses and not set(f.fills) <= set(values):
            self.refused.add(f.source)
        self.refuse([] if (has_nan or not refuses if self.by_nan else has_none) else [f])
        code = _get(e, "encoded_missing_value" if has_nan else "unknown_value")
        left = f.missing if self.by_nan and code != code else frozenset()
        return _Feature(f.source, False, left, sparse=bool(_get(e, "sparse_output")))


def _outputs(e: Any, X: _Features) -> _Features:
    """What an estimator without a rule makes of X."""
    if _is(e, "FunctionTransformer") and e.func is None:
        return X
    if _has(e, "get_support"):
        return [feature for feature, kept in zip(X, e.get_support(), strict=True) if kept]
    if isinstance(_get(e, "func"), np.ufunc) or _is(e, "OneToOneFeatureMixin"):
        return [replace(feature, exact=False, fills=()) for feature in X]
    return [] if _has(e, "estimators_") else [_mixed(X)]


def _inputs(estimator: Any, container: str, names: list[str] | None) -> Inputs:
    if container == "sequence":
        return Inputs(
            columns=(InputColumn(name="x0", type="string"),), named=False, container=container
        )
    count = len(names) if names else _count(estimator)
    if container == "mapping" or count is None:
        return Inputs(columns=None, named=False, container=container)
    walks = _Walk(by_nan=True), _Walk(by_nan=False)
    for walk in walks:
        walk.meet(walk.run(estimator, [_Feature(i, missing=frozenset({i})) for i in range(count)]))
    columns = tuple(_column(i, names[i] if names else f"x{i}", *walks) for i in range(count))
    if not names and {column.type for column in columns} == {"any", "number"}:
        columns = tuple(replace(column, type="number") for column in columns)
    return Inputs(columns=columns, named=bool(names), container="frame" if names else "array")


def _column(i: int, name: str, by_nan: _Walk, by_none: _Walk) -> InputColumn:
    claims = by_nan.claims.get(i, [])
    kinds = {kind for kind, _ in claims} or {"number" if i in by_nan.met else "any"}
    kind = next(k for k in ("string", "integer", "number", "boolean", "any") if k in kinds)
    sets = [values for _, values in claims if values is not None]
    allowed = tuple(v for v in sets[0] if all(v in other for other in sets)) if sets else None
    nan_ok, none_ok = i not in by_nan.refused, i not in by_none.refused
    gap = None if none_ok and (claims or not nan_ok) else nan
    return InputColumn(
        name=name, type=kind, allowed=allowed, nullable=nan_ok or none_ok, missing=gap
    )

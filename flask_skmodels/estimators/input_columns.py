"""The columns that a fitted estimator takes: their names, types, categories and missing values.

Only fitted attributes and tags are read: nothing is predicted or transformed. Nothing raises.

A :class:`_Walk` goes through the estimator as a row would, with a :class:`_Feature` for each
feature between two steps. An encoder claims the categories of the column that reaches it. If a step
accepts no missing values, no column whose missing values could reach that step accepts them. For an
unknown step, the tags say whether it accepts missing values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import repeat
from math import nan
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import (
    active_steps,
    boosting_library,
    extends_sklearn,
    get,
    has,
    is_a,
    is_from,
    is_from_sklearn,
    sklearn_classes,
    tags_of,
    to_python,
    wrapped,
)
from flask_skmodels.estimators.categories import RecordedCategories, recorded_categories
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.types import Estimator


def inputs(estimator: Estimator) -> Inputs:
    """Return the X that a fitted estimator takes.

    :param estimator: a fitted estimator of scikit-learn, or one that follows its API
    :returns: the columns and their container; an array of unknown width if the columns are unknown
    """
    with suppress(Exception):  # an object with unusual attributes
        return _inputs(estimator, _container(estimator), _names(estimator))
    return Inputs(columns=None, named=False, container="array")


def _inputs(estimator: Estimator, container: str, names: Sequence[str] | None) -> Inputs:
    if container == "sequence":
        text = InputColumn(name="x0", type="string")
        return Inputs(columns=(text,), named=False, container=container)
    count = len(names) if names else _column_count(estimator)
    if container == "mapping" or count is None:
        return Inputs(columns=None, named=False, container=container)
    columns = _columns(estimator, names or [f"x{index}" for index in range(count)])
    if not names and not _takes_text(estimator):
        columns = tuple(replace(c, type="number") if c.type == "unknown" else c for c in columns)
    if not names and {column.type for column in columns} == {"any", "number"}:
        columns = tuple(replace(column, type="number") for column in columns)
    return Inputs(columns=columns, named=bool(names), container="frame" if names else "array")


def _columns(estimator: Estimator, names: Sequence[str]) -> tuple[InputColumn, ...]:
    walks = _Walk(with_nan=True), _Walk(with_nan=False)
    for walk in walks:
        X = [_Feature(index, missing=frozenset({index})) for index in range(len(names))]
        walk.use(walk.run(estimator, X))
    return tuple(_column(index, name, *walks) for index, name in enumerate(names))


def _column(index: int, name: str, with_nan: _Walk, with_none: _Walk) -> InputColumn:
    claims = with_nan.claims.get(index, [])
    kinds = {kind for kind, _ in claims} or {_kind_without_claims(index, with_nan)}
    kind = next(k for k in _KINDS if k in kinds)
    sets = [values for _, values in claims if values is not None]
    allowed = tuple(v for v in sets[0] if all(v in other for other in sets)) if sets else None
    takes_nan, takes_none = index not in with_nan.rejected, index not in with_none.rejected
    missing = None if takes_none and (claims or not takes_nan) else nan
    recorded = with_nan.categories.get(index)
    known = allowed is None and with_nan.known.get(index)
    return InputColumn(
        name=name,
        type=kind,
        allowed=allowed,
        nullable=takes_nan or takes_none,
        missing=missing,
        dtype=None if recorded is None else "category",
        categories=None if recorded is None else recorded.values,
        known=known or None,
        keeps_integers=index in with_nan.converted,
    )


def _kind_without_claims(index: int, walk: _Walk) -> str:
    if index in walk.numeric:
        return "number"
    if index in walk.unknown:
        return "unknown"
    return "number" if index in walk.used else "any"


def _takes_text(estimator: Estimator) -> bool:
    """Return True if a library that is made for texts and categories gets an array of X."""
    return is_from(estimator, *_TEXT_LIBRARIES) or any(map(_takes_text, _first_inner(estimator)))


def _tells_types(estimator: Estimator) -> bool:
    """Return True if the types are known: an estimator takes only numbers, or claims other columns.

    Classes of other libraries and functions of the user may take any type.
    """
    if is_a(estimator, "FunctionTransformer"):
        return estimator.func is None or isinstance(estimator.func, np.ufunc)
    is_booster = bool(boosting_library(estimator))
    return is_booster or is_from_sklearn(estimator) or extends_sklearn(estimator)


def _first_inner(estimator: Estimator) -> list[Estimator]:
    """Return the inner estimators that get X first, without functions that are not fitted."""
    if is_a(estimator, "FeatureUnion"):
        return [t for _, t in estimator.transformer_list if not isinstance(t, str)]
    if not is_a(estimator, "Pipeline"):
        return wrapped(estimator)
    steps = active_steps(estimator)
    return [s for s in steps if has(s, "n_features_in_") or not is_a(s, "FunctionTransformer")][:1]


def _names(estimator: Estimator) -> list[str] | None:
    """Return the names of the columns in ``fit``, None if it got an array.

    LightGBM (``Column_0``) and CatBoost (``0``) make up names for the columns of an array.
    """
    is_catboost = is_from(estimator, "catboost")
    fitted = get(estimator, "feature_names_" if is_catboost else "feature_names_in_")
    if fitted is None:
        return next(filter(None, map(_names, _first_inner(estimator))), None)
    names, numbers = [str(name) for name in fitted], [str(i) for i in range(len(fitted))]
    if names == numbers and not is_from_sklearn(estimator):
        return None
    return None if names == [f"Column_{i}" for i in numbers] else names


def _width(estimator: Estimator) -> int | None:
    """Return the number of columns that an estimator itself declares.

    CatBoost reports 0 after a model was loaded from a file, but still has the names.
    """
    count: int | None = get(estimator, "n_features_in_")
    if count == 0 and is_from(estimator, "catboost"):
        return len(get(estimator, "feature_names_") or ()) or None
    return count


def _column_count(estimator: Estimator) -> int | None:
    """Return the number of columns that an estimator or the first one inside it declares."""
    count = 1 if is_a(estimator, "IsotonicRegression") else _width(estimator)
    if count is not None:
        return int(count)
    return next((n for n in map(_column_count, _first_inner(estimator)) if n is not None), None)


def _container(estimator: Estimator) -> str:
    """Return the container of X, as :class:`Inputs` names it, for columns without names."""
    for inner in _first_inner(estimator):
        return _container(inner)
    if is_a(estimator, "_VectorizerMixin"):
        return "sequence"
    if (tags := tags_of(estimator)) is None or tags.input_tags.two_d_array:
        return "array"
    if tags.input_tags.dict:
        return "mapping"
    return "array" if tags.input_tags.one_d_array else "nothing"  # targets, images


@dataclass(frozen=True, slots=True)
class _Feature:
    """A feature between two steps.

    :param source: index of the column that the feature is made from, None if it is made from
        several
    :param is_exact: True if the feature has the values of the column
    :param missing: indices of the columns whose missing values can reach the feature
    :param fills: the values that an imputer has put in place of missing values
    :param is_sparse: True if the feature is in a sparse matrix
    """

    source: int | None = None
    is_exact: bool = True
    missing: frozenset[int] = frozenset()
    fills: tuple[object, ...] = ()
    is_sparse: bool = False


_Features = list[_Feature]
_Values = tuple[object, ...]
_KINDS = ("string", "integer", "number", "boolean", "unknown", "any")
_TEXT_LIBRARIES = ("category_encoders", "feature_engine", "skrub")
_TYPES = {bool: "boolean", int: "number", float: "number"}
_MAX_COMBINED = 100_000  # features that combine all of X; hashed words may be millions


def _combined(X: _Features) -> _Feature:
    """Return a feature made from all of these features; if there is only one, keep its column."""
    missing: frozenset[int] = frozenset().union(*(feature.missing for feature in X))
    source = X[0].source if len(X) == 1 else None
    return _Feature(source, False, missing, is_sparse=any(feature.is_sparse for feature in X))


def _trees_take_missing(estimator: Estimator) -> bool:
    """Return False if an estimator is or has decision trees that reject missing values.

    Before scikit-learn 1.9, trees with monotonic constraints reject them, although their tags say
    otherwise.
    """
    if get(estimator, "monotonic_cst") is None:
        return True
    trees = get(estimator, "estimators_")
    supports = get(estimator if trees is None else trees[0], "_support_missing_values")
    return supports is None or bool(supports(np.empty((1, 1))))


def _fitted_to(X: _Features, count: int | None) -> _Features:
    """Return as many features as a step takes; if X has fewer or more, each combines all of X."""
    if count is None or count == len(X):
        return X
    return [_combined(X)] * min(count, _MAX_COMBINED)


@dataclass(slots=True)
class _Walk:
    """One walk through an estimator.

    A method ``visit_x`` visits an estimator of the class ``X`` of scikit-learn (in lower case,
    without underscores at its ends). It takes the features that reach the estimator and returns
    those that leave it.

    :param with_nan: True if a missing value is ``nan``, False if it is ``None``
    :param used: indices of the columns that affect the prediction
    :param numeric: indices of the columns that an estimator takes as numbers
    :param unknown: indices of the columns that reach an estimator that may take any type
    :param converted: indices of the columns that such an estimator transforms, perhaps from
        integers to texts
    :param rejected: indices of the columns in which a missing value is rejected
    :param categories: the categories of each column that has categories
    :param known: for each column, the categories of an encoder that also accepts others
    :param claims: for each column, the types that steps expect and the values that they know
    """

    with_nan: bool
    used: set[int] = field(default_factory=set)
    numeric: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    converted: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    categories: dict[int, RecordedCategories] = field(default_factory=dict)
    known: dict[int, _Values] = field(default_factory=dict)
    claims: dict[int, list[tuple[str, _Values | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def use(self, X: Iterable[_Feature]) -> None:
        """Record that the columns of features affect the prediction."""
        self.used.update(feature.source for feature in X if feature.source is not None)

    def reject_missing(self, X: Iterable[_Feature]) -> None:
        """Record that no feature may have a missing value."""
        self.rejected.update(*(feature.missing for feature in X))

    def claim(self, feature: _Feature, kind: str, allowed: _Values | None = None) -> None:
        """Record the type of a feature's column, and the values if only these are accepted.

        After a function that may convert any type to text, a text says nothing about the column.
        """
        if not feature.is_exact and feature.source in self.converted:
            return
        if feature.source is not None and (feature.is_exact or kind == "string"):
            self.claims[feature.source].append((kind, allowed if feature.is_exact else None))

    def run(self, estimator: Estimator, X: _Features) -> _Features:
        """Visit an estimator and return the features that leave it."""
        if not is_a(estimator, "_BaseComposition") and not wrapped(estimator):
            self.use(X)
        names = (name.strip("_").lower() for name in sklearn_classes(estimator))
        visits = (getattr(self, f"visit_{name}", None) for name in names)
        try:
            return next(filter(None, visits), self.visit_any)(estimator, X)
        except Exception:  # an object with unusual attributes: nothing is known about it
            self.use(X)
            self.note_types(estimator, X)
            self.reject_missing(X)
            return [_combined(X)]

    def note_types(self, estimator: Estimator, X: _Features) -> None:
        """Record which columns reach an estimator unchanged, as numbers or as values of any type.

        A column that reaches it changed has already been taken by an earlier step.
        """
        columns = {f.source for f in X if f.source is not None and f.is_exact}
        if _tells_types(estimator):
            self.numeric |= columns
        else:
            self.unknown |= columns
            self.converted |= columns if has(estimator, "transform") else set()

    def visit_any(self, estimator: Estimator, X: _Features) -> _Features:
        X = _fitted_to(X, _width(estimator))
        if not wrapped(estimator):
            self.note_types(estimator, X)
        parts = get(estimator, "estimators_features_") or repeat(range(len(X)))  # of bagging
        pairs = zip(wrapped(estimator), parts, strict=False)
        outputs = [self.run(inner, [X[index] for index in part]) for inner, part in pairs]
        if outputs and is_from_sklearn(estimator):
            return outputs[0] if len(outputs) == 1 else []
        self.reject_missing([] if self.takes_missing(estimator, X) else X)
        is_catboost = is_from(estimator, "catboost")
        for index in estimator.get_cat_feature_indices() if is_catboost else ():
            self.claim(X[index], "string")
            self.reject_missing([X[index]])
        for index, recorded in recorded_categories(estimator).items():
            self.claim_categories(X[index], recorded)
        return _outputs(estimator, X)

    def claim_categories(self, feature: _Feature, recorded: RecordedCategories) -> None:
        """Record that a column has categories, unless a step makes them."""
        if feature.source is not None and feature.is_exact:
            self.categories[feature.source] = recorded
            self.claim(
                feature, recorded.kind, recorded.values if recorded.rejects_unknown else None
            )

    def takes_missing(self, estimator: Estimator, X: _Features) -> bool:
        """Return True if the tags allow missing values; in a sparse matrix no tree accepts them."""
        tags = tags_of(estimator)
        if tags is None or tags.no_validation or is_a(estimator, "_ConstantPredictor"):
            return tags is not None
        is_sparse = any(feature.is_sparse for feature in X)
        is_predictor = is_from_sklearn(estimator) and not has(estimator, "transform")
        allows_nan = bool(tags.input_tags.allow_nan) and _trees_take_missing(estimator)
        return self.with_nan and allows_nan and not (is_sparse and is_predictor)

    def visit_pipeline(self, pipeline: Estimator, X: _Features) -> _Features:
        return reduce(lambda features, step: self.run(step, features), active_steps(pipeline), X)

    def visit_featureunion(self, union: Estimator, X: _Features) -> _Features:
        parts = [t for _, t in union.transformer_list if t is not None and t != "drop"]
        outputs = [f for t in parts for f in (X if isinstance(t, str) else self.run(t, X))]
        is_sparse = any(feature.is_sparse for feature in outputs)
        return [replace(feature, is_sparse=is_sparse) for feature in outputs]

    def visit_columntransformer(self, transformers: Estimator, X: _Features) -> _Features:
        X, outputs = _fitted_to(X, transformers.n_features_in_), []
        for name, transformer, _ in transformers.transformers_:
            part = [X[index] for index in transformers._transformer_to_input_indices[name]]
            if part and not isinstance(transformer, str):
                part = self.run(transformer, part)
            outputs += [] if isinstance(transformer, str) and transformer == "drop" else part
        return [replace(feature, is_sparse=transformers.sparse_output_) for feature in outputs]

    def visit_basestacking(self, stacking: Estimator, X: _Features) -> _Features:
        self.visit_any(stacking, X)
        return self.run(stacking.final_estimator_, X if stacking.passthrough else [])

    def visit_baseimputer(self, imputer: Estimator, X: _Features) -> _Features:
        X = _fitted_to(X, imputer.n_features_in_)
        self.reject_missing([] if self.is_marker_of(imputer) else X)
        has_values = has(imputer, "statistics_")
        values = to_python(imputer.statistics_) if has_values else [object()] * len(X)
        pairs = list(zip(X, values, strict=True))
        for feature, value in pairs:
            if isinstance(value, str):
                self.claim(feature, "string")
            elif isinstance(value, bool):
                self.claim(feature, "boolean")
            elif feature.source is not None and isinstance(value, float) and feature.is_exact:
                self.numeric.add(feature.source)
        kept = [(f, v) for f, v in pairs if imputer.keep_empty_features or v == v]
        indicators = len(imputer.indicator_.features_) if imputer.indicator_ else 0
        imputed = [replace(f, missing=frozenset(), fills=(v,)) for f, v in kept]
        return imputed + [_Feature()] * indicators

    def visit_missingindicator(self, indicator: Estimator, X: _Features) -> _Features:
        X = _fitted_to(X, indicator.n_features_in_)
        without = [f for index, f in enumerate(X) if index not in indicator.features_]
        rejects = without if indicator.error_on_new else []
        self.reject_missing(rejects if self.is_marker_of(indicator) else X)
        return []

    def is_marker_of(self, imputer: Estimator) -> bool:
        """Return True if an imputer replaces the missing values of this walk."""
        marker = imputer.missing_values
        return bool(marker != marker) if self.with_nan else marker is None

    def visit_vectorizermixin(self, vectorizer: Estimator, X: _Features) -> _Features:
        self.reject_missing(X)
        for feature in X:
            self.claim(feature, "string")
        return []

    def visit_categoricalnb(self, classifier: Estimator, X: _Features) -> _Features:
        for feature, count in zip(X, classifier.n_categories_, strict=True):
            self.claim(feature, "integer", tuple(range(count)))
        return self.visit_any(classifier, X)

    def visit_basehistgradientboosting(self, boosting: Estimator, X: _Features) -> _Features:
        if boosting.is_categorical_ is not None:
            X = list(_fitted_to(X, boosting.n_features_in_))
            indices = np.flatnonzero(boosting.is_categorical_).tolist()
            encoder = boosting._preprocessor.named_transformers_["encoder"]
            codes = self.run(encoder, [X[index] for index in indices])
            for index, code in zip(indices, codes, strict=True):
                X[index] = code
        return self.visit_any(boosting, X)

    def visit_baseencoder(self, encoder: Estimator, X: _Features) -> _Features:
        pairs = zip(_fitted_to(X, len(encoder.categories_)), encoder.categories_, strict=True)
        return [self.encoded(encoder, feature, to_python(values)) for feature, values in pairs]

    def encoded(self, encoder: Estimator, feature: _Feature, values: list[Any]) -> _Feature:
        """Return the feature that an encoder makes; claim the categories that it was fitted on."""
        has_none, has_nan = None in values, any(v != v for v in values)
        rejects_unknown = get(encoder, "handle_unknown") == "error"  # a TargetEncoder never does
        known = tuple(v for v in values if v is not None and v == v)
        kinds = {_TYPES.get(type(v), "string") for v in known}
        kind = kinds.pop() if len(kinds) == 1 else "number"  # among numbers, True is 1
        self.claim(feature, kind, known if rejects_unknown else None)
        if feature.source is not None and feature.is_exact:
            self.known.setdefault(feature.source, known)
        if feature.source is not None and rejects_unknown and not set(feature.fills) <= set(values):
            self.rejected.add(feature.source)
        takes_missing = (has_nan or not rejects_unknown) if self.with_nan else has_none
        self.reject_missing([] if takes_missing else [feature])
        code = get(encoder, "encoded_missing_value" if has_nan else "unknown_value")
        missing = feature.missing if self.with_nan and code != code else frozenset()
        is_sparse = bool(get(encoder, "sparse_output"))
        return _Feature(feature.source, False, missing, is_sparse=is_sparse)


def _outputs(estimator: Estimator, X: _Features) -> _Features:
    """Return the features that leave an estimator for which the walk has no method."""
    if is_a(estimator, "FunctionTransformer") and estimator.func is None:
        return X
    if has(estimator, "get_support"):
        return [feature for feature, kept in zip(X, estimator.get_support(), strict=True) if kept]
    if isinstance(get(estimator, "func"), np.ufunc) or is_a(estimator, "OneToOneFeatureMixin"):
        return [replace(feature, is_exact=False, fills=()) for feature in X]
    return [] if has(estimator, "estimators_") else [_combined(X)]

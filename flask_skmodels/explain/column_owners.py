"""Which field each column of the output of a transformer comes from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flask_skmodels.estimators.attributes import active_steps, get, is_a, is_from_sklearn
from flask_skmodels.explain.contributions import FieldColumns, Owners, Unexplained
from flask_skmodels.schema.types import Estimator

_ONE_TO_ONE = frozenset(
    "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler QuantileTransformer PowerTransformer "
    "Binarizer OrdinalEncoder".split()
)
_Width = int | None


def owners_after(step: Estimator, columns: FieldColumns, width: _Width = None) -> FieldColumns:
    """Return the columns that a transformer makes, each with the field it comes from.

    :param step: a fitted transformer
    :param columns: the columns that it takes
    :param width: the number of columns that it makes, None if it is not known
    :raises Unexplained: a column comes from several fields, or its field is not known
    """
    owners = _owners_after(step, columns, width)
    if width is not None and len(owners) != width:
        raise Unexplained(f"its {type(step).__name__} makes {width} columns, not {len(owners)}")
    return FieldColumns(owners, columns.names)


def _owners_after(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    if isinstance(step, str):
        return columns.owners if step == "passthrough" else columns.owners[:0]
    rule = _rule_of(step) if is_from_sklearn(step) or is_a(step, "Pipeline") else None
    owners = None if rule is None else rule(step, columns, width)
    return _of_one_field(step, columns, width) if owners is None else owners


def _rule_of(step: Estimator) -> Callable[[Estimator, FieldColumns, _Width], Owners | None] | None:
    name = type(step).__name__
    if name in _ONE_TO_ONE:
        return lambda step, columns, width: columns.owners
    if is_a(step, "SelectorMixin"):
        return lambda step, columns, width: columns.owners[step.get_support(indices=True)]
    return next((rule for cls, rule in _RULES.items() if is_a(step, cls)), None)


def _of_one_field(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    """Return the owners of the columns of a transformer that gets only the columns of one field."""
    fields = np.unique(columns.owners[columns.owners < columns.count])
    name = type(step).__name__
    if len(fields) > 1:
        mixed = ", ".join(repr(columns.names[index]) for index in fields[:3])
        more = " and others" if len(fields) > 3 else ""
        raise Unexplained(
            f"its {name} may mix fields ({mixed}{more}), so a column of its output does not belong "
            "to a single field"
        )
    count = _width_of(step) if width is None else width
    if count is None:
        raise Unexplained(f"the number of columns that its {name} makes is not known")
    return np.full(count, fields[0] if len(fields) else columns.count, dtype=np.intp)


def _width_of(step: Estimator) -> int | None:
    """Return the number of columns that a transformer makes, or None if this is not known."""
    try:
        return len(step.get_feature_names_out())
    except Exception:  # of a class that is unknown, or that needs the names of its input
        return None


def _pipeline(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    steps = active_steps(step)
    following = [width_taken(each) for each in steps[1:]] + [width]
    for each, count in zip(steps, following, strict=True):
        columns = owners_after(each, columns, count)
    return columns.owners


def width_taken(step: Estimator) -> int | None:
    """Return the number of columns that an estimator was fitted on, None if it is not known."""
    count = get(step, "n_features_in_")
    return int(count) if isinstance(count, int | np.integer) else None


def _column_transformer(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    slices = step.output_indices_
    owners = np.full(max(part.stop or 0 for part in slices.values()), columns.count, dtype=np.intp)
    for name, transformer, _ in step.transformers_:
        taken = np.asarray(step._transformer_to_input_indices[name], dtype=np.intp)
        part = slices[name]
        count = part.stop - part.start
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if count:
            selected = FieldColumns(columns.owners[taken], columns.names)
            owners[part] = owners_after(transformer, selected, count).owners
    return owners


def _feature_union(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    parts = [transformer for _, transformer in step.transformer_list]
    return np.concatenate([owners_after(part, columns).owners for part in parts])


def _simple_imputer(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    statistics = step.statistics_
    is_kept = np.ones(len(statistics), dtype=bool)
    if not step.keep_empty_features:
        is_kept = np.array([value == value for value in statistics.tolist()], dtype=bool)
    owners = columns.owners[is_kept]
    if step.indicator_ is None:
        return owners
    return np.concatenate([owners, columns.owners[step.indicator_.features_]])


def _missing_indicator(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    owners: Owners = columns.owners[step.features_]
    return owners


def _one_hot(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    return np.repeat(columns.owners, step._n_features_outs)


def _bins(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    is_ordinal = step.encode == "ordinal"
    return columns.owners if is_ordinal else np.repeat(columns.owners, step.n_bins_)


def _target_encoder(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    count = len(step.classes_) if step.target_type_ == "multiclass" else 1
    return np.repeat(columns.owners, count)


def _spline(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    each, rest = divmod(int(step.n_features_out_), len(columns.owners))
    if rest:
        raise Unexplained(
            "its SplineTransformer makes different numbers of columns from different fields"
        )
    return np.repeat(columns.owners, each)


def _polynomial(step: Estimator, columns: FieldColumns, width: _Width) -> Owners | None:
    owners = []
    for powers in step.powers_:
        fields = np.unique(columns.owners[powers > 0])
        if len(fields) > 1:
            return None
        owners.append(fields[0] if len(fields) else columns.count)
    return np.array(owners, dtype=np.intp)


def _function(step: Estimator, columns: FieldColumns, width: _Width) -> Owners | None:
    is_elementwise = step.func is None or (isinstance(step.func, np.ufunc) and step.func.nin == 1)
    return columns.owners if is_elementwise and not step.kw_args else None


def _dict_vectorizer(step: Estimator, columns: FieldColumns, width: _Width) -> Owners:
    indices = {name: index for index, name in enumerate(columns.names)}
    owners = []
    for column in step.feature_names_:
        fields = {indices[column]} if column in indices else set()
        fields |= {i for n, i in indices.items() if column.startswith(f"{n}{step.separator}")}
        if len(fields) != 1:
            raise Unexplained(
                f"the field of the column {column!r} of its DictVectorizer is unknown"
            )
        owners.append(fields.pop())
    return np.array(owners, dtype=np.intp)


_RULES: dict[str, Callable[[Estimator, FieldColumns, _Width], Owners | None]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _feature_union,
    "SimpleImputer": _simple_imputer,
    "MissingIndicator": _missing_indicator,
    "OneHotEncoder": _one_hot,
    "KBinsDiscretizer": _bins,
    "TargetEncoder": _target_encoder,
    "SplineTransformer": _spline,
    "PolynomialFeatures": _polynomial,
    "FunctionTransformer": _function,
    "DictVectorizer": _dict_vectorizer,
}

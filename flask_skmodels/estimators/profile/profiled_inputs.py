"""Merges the profile of the training data into the columns that an estimator takes."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from math import nan

from flask_skmodels.estimators.profile.column_profile import ColumnProfile, Value
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.schema.fields import InputColumn, Inputs

_CONTAINERS = {"pandas": "frame", "polars": "polars"}


def profiled(
    inputs: Inputs, profile: Profile, *, is_exact: bool = True, records_names: bool = True
) -> Inputs:
    """Return the X that an estimator takes, as the profile of its training data describes it.

    The profile decides on types, dtypes, categories and the container. A column may be missing if
    it was in the training data, or if the estimator accepts it.

    :param inputs: the X that the estimator takes, as far as the estimator itself shows
    :param profile: the profile of its training data
    :param is_exact: False if not the estimator itself but only one of its inner steps knows the
        number of columns; what is inferred from that step is then ignored
    :param records_names: whether the estimator would know names if it had been fitted on a data
        frame
    :raises ModelError: the profile does not match the estimator
    """
    if inputs.container == "nothing":
        return inputs
    if inputs.container == "sequence":
        profile.check(inputs)
        return replace(inputs, is_profiled=True)
    if inputs.columns is not None and not inputs.named and not is_exact:
        inputs = replace(inputs, columns=None)
    profile.check(inputs)
    columns = _in_order(inputs, profile)
    return Inputs(
        columns=tuple(_merged(*pair) for pair in columns),
        named=inputs.named or _has_names(profile),
        container=_container(inputs, profile, records_names=records_names),
        is_profiled=True,
    )


def _in_order(inputs: Inputs, profile: Profile) -> list[tuple[InputColumn, ColumnProfile]]:
    """Return the columns of the estimator with their profiles, in the order of the estimator."""
    has_names = _has_names(profile)
    if inputs.columns is None:
        names = [column.name if has_names else f"x{i}" for i, column in enumerate(profile.columns)]
        columns = [InputColumn(name=name) for name in names]
    elif inputs.named or not has_names:
        columns = list(inputs.columns)
    else:
        pairs = zip(inputs.columns, profile.columns, strict=True)
        columns = [replace(column, name=each.name) for column, each in pairs]
    if not inputs.named or profile.container in ("array", "list"):
        return list(zip(columns, profile.columns, strict=True))
    by_name = {column.name: column for column in profile.columns}
    return [(column, by_name[column.name]) for column in columns]


def _has_names(profile: Profile) -> bool:
    """Return True if the columns of the training data had names other than numbers from 0."""
    if profile.container in ("array", "list"):
        return any(column.name != f"x{i}" for i, column in enumerate(profile.columns))
    return [column.label for column in profile.columns] != list(range(len(profile.columns)))


def _container(inputs: Inputs, profile: Profile, *, records_names: bool) -> str:
    """Return the container of X.

    An estimator that records names, but knows only the number of its columns, was fitted on an
    array, unless the columns of the frame had numbers instead of names.
    """
    container = _CONTAINERS.get(profile.container, inputs.container)
    has_labels = any(column.label is not None for column in profile.columns)
    is_unnamed = inputs.container == "array" and inputs.columns is not None
    if not (is_unnamed and records_names) or has_labels:
        return container
    return "array"


def _merged(column: InputColumn, profile: ColumnProfile) -> InputColumn:
    categories = profile.categories or column.categories
    is_strict = column.dtype == "category" and column.categories is None  # only XGBoost
    has_dtype = profile.dtype != "category" or categories is not None
    return replace(
        column,
        type=column.type if profile.type == "any" else profile.type,
        nullable=column.nullable or profile.share_missing > 0,
        missing=_missing(column, profile),
        dtype=profile.dtype if has_dtype else None,
        categories=categories,
        allowed=categories if is_strict else column.allowed,
        is_ordered=profile.is_ordered,
        label=profile.label,
        typical=profile.typical,
        range=_range(profile),
        samples=_samples(profile),
    )


def _missing(column: InputColumn, profile: ColumnProfile) -> object:
    """Return the missing value of the training data or, if it had none, of the estimator."""
    if profile.missing_marker == "na":
        return import_module("pandas").NA
    return {"nan": nan, "none": None}.get(profile.missing_marker or "", column.missing)


def _range(profile: ColumnProfile) -> tuple[Value, Value] | None:
    if profile.min is None or profile.max is None:
        return None
    return profile.min, profile.max


def _samples(profile: ColumnProfile) -> tuple[Value, ...]:
    """Return values like those of the training data."""
    edges = () if profile.bins is None else profile.bins.edges
    typical = () if profile.typical is None else (profile.typical,)
    return tuple(dict.fromkeys((*typical, *edges, *profile.frequent.values)))

"""The categories that an encoder of category_encoders knows."""

from __future__ import annotations

from flask_skmodels.estimators.attributes import get
from flask_skmodels.schema.types import Estimator, FieldValue

_MAX_CATEGORIES = 10_000


def categories_of(encoder: Estimator, column: object) -> list[FieldValue]:
    """Return the known categories of one of the encoded columns, without missing values.

    :param encoder: a fitted encoder; most encoders contain an ordinal encoder with the categories
    :param column: the name of the column
    :raises ValueError: the categories are not texts or numbers, or there are too many
    """
    inner = get(encoder, "ordinal_encoder")
    mapping = get(encoder if inner is None else inner, "mapping")
    if isinstance(mapping, list):
        (entry,) = [each["mapping"] for each in mapping if each["col"] == column]
    else:
        entry = mapping[column]
    known = [key for key in getattr(entry, "index", entry) if key is not None and key == key]
    categories = [key.item() if hasattr(key, "item") else key for key in known]
    if len(categories) > _MAX_CATEGORIES or not all(map(_is_plain, categories)):
        raise ValueError("its categories are not texts or numbers, or there are too many")
    return categories


def _is_plain(category: object) -> bool:
    return isinstance(category, str | int | float) and not isinstance(category, bool)

"""Texts on which the lean form of a vectorizer is compared with the vectorizer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flask_skmodels.estimators.attributes import get
from flask_skmodels.schema.types import Estimator

_MAX_TERMS = 150
_LENGTHS = (1, 2, 3, 5, 8, 20, 80)  # in terms
_TEXTS_OF_A_LENGTH = 6
_WORDS = "a the of and Data x1 2024 naïve STRASSE straße don't 日本".split()
_SPECIAL = ("\t\n", "...", "a", "I'm 3.5 % of  it,\nreally", "ﬁne Ǆ É\u0301", "\u00a0\u2003", "0")


def sample_texts(vectorizer: Estimator) -> list[str]:
    """Return texts of terms from a vectorizer's vocabulary and other words, the same at each call.

    :param vectorizer: a fitted text vectorizer
    """
    random = np.random.default_rng(0)
    known = sorted(term for term in get(vectorizer, "vocabulary_") or () if isinstance(term, str))
    step = max(1, len(known) // _MAX_TERMS)
    terms = [*known[::step], *_WORDS]
    texts = list(_SPECIAL)
    for length in _LENGTHS:
        for turn in range(_TEXTS_OF_A_LENGTH):
            chosen = [terms[index] for index in random.integers(len(terms), size=length)]
            texts.append(_joined(chosen, turn))
    return [*texts, *known[::step]]


def _joined(terms: Sequence[str], turn: int) -> str:
    """Join terms into one text.

    ``turn`` selects the separator, upper or title case, and whether some terms are repeated.
    """
    if turn == 0:
        return " ".join(terms)
    if turn == 1:
        return ", ".join(terms).upper()
    if turn == 2:
        return " ".join([*terms, *terms[: len(terms) // 2 + 1]]).title()
    return ("", "  ", "\n")[turn % 3].join(terms)

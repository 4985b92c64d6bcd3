"""Distances between two distributions over the same bins. They are effect sizes, not tests."""

from __future__ import annotations

import numpy as np

from flask_skmodels.schema.types import Array, FloatArray

FLOOR = 1e-4  # the least share of a bin in a population stability index, which divides by it


def psi_of_each(expected: Array, actual: Array, starts: Array) -> FloatArray:
    """Return the population stability index of each of several pairs of distributions.

    This is the sum over the bins of ``(actual - expected) * ln(actual / expected)``, where a share
    below 0.0001 counts as 0.0001.

    :param expected: the share of each bin; the distributions are stored one after the other
    :param actual: likewise
    :param starts: the index of the first bin of each distribution
    """
    expected, actual = np.maximum(expected, FLOOR), np.maximum(actual, FLOOR)
    if not len(starts):
        return np.zeros(0)
    return np.add.reduceat((actual - expected) * np.log(actual / expected), starts)


def js_of_each(expected: Array, actual: Array, starts: Array) -> FloatArray:
    """Return the Jensen-Shannon distance of each pair, with the logarithm to base 2.

    It is from 0, equal, to 1, nothing in common.

    :param expected: as for :func:`psi_of_each`
    :param actual: likewise
    :param starts: likewise
    """
    if not len(starts):
        return np.zeros(0)
    middle = (expected + actual) / 2
    terms = _relative_entropy(expected, middle) + _relative_entropy(actual, middle)
    divergences = np.add.reduceat(terms, starts) / 2
    return np.sqrt(np.clip(divergences, 0.0, 1.0))


def _relative_entropy(shares: Array, middle: Array) -> FloatArray:
    """Return ``share * log2(share / middle)`` of each bin, 0 where the share is 0."""
    ratios = np.divide(shares, middle, out=np.ones_like(middle), where=shares > 0)
    return shares * np.log2(ratios)

"""Distances between two distributions over the same bins. They are effect sizes, not tests."""

from __future__ import annotations

import numpy as np

from flask_skmodels.schema.types import Array, FloatArray

FLOOR = 1e-4  # the least share of a bin in a population stability index, which divides by it


def psi(expected: Array, actual: Array) -> float:
    """Return the population stability index of two distributions.

    This is the sum over the bins of ``(actual - expected) * ln(actual / expected)``, where a share
    below 0.0001 counts as 0.0001.

    :param expected: the share of each bin, shape (bins,)
    :param actual: the share of each bin, shape (bins,)
    """
    return float(psi_of_each(expected, actual, _ALL)[0])


def js_distance(expected: Array, actual: Array) -> float:
    """Return the Jensen-Shannon distance of two distributions, with the logarithm to base 2.

    :param expected: the share of each bin, shape (bins,)
    :param actual: the share of each bin, shape (bins,)
    :returns: from 0 (equal) to 1 (nothing in common)
    """
    return float(js_of_each(expected, actual, _ALL)[0])


def psi_of_each(expected: Array, actual: Array, starts: Array) -> FloatArray:
    """Return :func:`psi` of several pairs of distributions, which are stored one after the other.

    :param starts: the index of the first bin of each
    """
    expected, actual = np.maximum(expected, FLOOR), np.maximum(actual, FLOOR)
    if not len(starts):
        return np.zeros(0)
    return np.add.reduceat((actual - expected) * np.log(actual / expected), starts)


def js_of_each(expected: Array, actual: Array, starts: Array) -> FloatArray:
    """Return :func:`js_distance` of several pairs of distributions; see :func:`psi_of_each`."""
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


_ALL = np.zeros(1, dtype=np.intp)

"""Drift: the rows and predictions of a model, compared with the profile of its training data.

Rows and predictions are counted in the bins of the profile; no row is kept.
"""

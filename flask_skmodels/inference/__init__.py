"""Predictions inside the application: their steps, the choice of a version, and the limits.

A version is chosen by its label or as a canary; a shadow predicts the same rows.
"""

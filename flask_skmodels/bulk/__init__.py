"""Bulk scoring: files of any size, databases and frames, on one core or on a cluster.

``runner`` has the steps of a run. ``scorer`` is the same prediction for the engines of others.
"""

"""Bulk scoring: files of any size, databases and frames, on one core or on a cluster.

``runner`` has the steps of a run. ``scorer`` makes the same predictions inside other engines.
"""

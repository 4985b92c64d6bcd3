"""Validation: the rows of a request are checked against the fields of a model and become X.

A value passes through ``rows``, ``fields``, ``field_checks``, ``compiled_checks`` and ``builder``.
"""

"""Codecs, one module for each format: they read the rows of a request and write predictions.

Their common code is in ``codec``, ``columns``, ``json_text`` and ``arrow_tables``.
"""

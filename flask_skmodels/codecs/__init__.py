"""Codecs, one module for each format: they read the rows of a request and write predictions.

Code that they share is in ``codec``, ``columns``, ``json_text`` and ``arrow_tables``.
"""

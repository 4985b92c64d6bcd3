"""Predictions over HTTP: views, request bodies, URL rules, health and metrics.

Only this package and those that build on it know Flask's ``request`` and ``current_app``.
"""

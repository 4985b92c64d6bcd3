"""Predictions over HTTP: views, request bodies, URL rules and health.

Only this package and those that build on it know Flask's ``request`` and ``current_app``.
"""

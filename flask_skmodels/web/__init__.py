"""Predictions over HTTP: views, request bodies, URL rules, health and metrics.

Only this package and packages that build on it use Flask's ``request`` and ``current_app``.
"""

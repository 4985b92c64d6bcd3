"""Predictions inside the application: their steps, the choice of the version, and the shadow.

Nothing here knows HTTP.
"""

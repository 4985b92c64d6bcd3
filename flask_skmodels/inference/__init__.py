"""Predictions inside the application: the steps, the version that answers, and the shadow.

Nothing here knows HTTP.
"""

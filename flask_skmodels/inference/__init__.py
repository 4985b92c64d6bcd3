"""The road of a prediction inside the application, and which version answers it.

Nothing here knows HTTP.
"""

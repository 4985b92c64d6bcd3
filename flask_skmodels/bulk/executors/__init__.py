"""Executors: where the chunks of a run are predicted, one module for each kind.

``choice`` opens the one that an option names.
"""

"""The lean engine: the arithmetic of a fitted estimator, compiled at load without its checks.

:mod:`flask_skmodels.engines.lean.compiler` is the public module for lean forms of your own.
"""

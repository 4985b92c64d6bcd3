"""The lean engine: the arithmetic of fitted estimators without their checks, compiled at load time.

:mod:`flask_skmodels.engines.lean.compiler` is the public module for your own lean forms.
"""

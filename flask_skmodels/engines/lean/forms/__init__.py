"""Lean forms: one module or package for each module of scikit-learn, with the same name.

The compiler imports it when it first compiles an estimator of that scikit-learn module.
"""

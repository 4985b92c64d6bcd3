"""Lean forms: one file or package for each module of scikit-learn, imported at first use.

The compiler finds the file of an estimator by the name of scikit-learn's module.
"""

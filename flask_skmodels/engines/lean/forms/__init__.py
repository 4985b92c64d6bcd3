"""Lean forms: one module or package for each module of scikit-learn, with the same name.

The compiler imports such a module when it first compiles an estimator of that module of
scikit-learn.
"""

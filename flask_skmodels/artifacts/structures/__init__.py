"""Checks of the arrays that native code trusts: one file for each family of estimators.

``walk.check_structures`` runs them on a loaded object before anything in it is called.
"""

"""The columns, methods and classes of a fitted estimator, and the requirements to serve it.

Nothing here depends on Flask or on the declaration of a model.
"""

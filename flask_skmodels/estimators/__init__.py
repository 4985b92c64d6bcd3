"""The columns, methods and classes of a fitted estimator, and the requirements to serve it.

Nothing here knows Flask or the declaration of a model.
"""

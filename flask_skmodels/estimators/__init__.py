"""What a fitted estimator tells of itself, and what it must be to be served.

Nothing here knows Flask or the declaration of a model.
"""

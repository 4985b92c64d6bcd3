"""The profile of training data: its columns, dtypes and distributions, without a row of it.

It is measured, written as JSON, read strictly, and merged into the columns that an estimator takes.
"""

"""The profile of training data: its columns, dtypes and distributions, but none of its rows.

A profile is measured, written as JSON, read strictly, and merged into the columns that an estimator
takes.
"""

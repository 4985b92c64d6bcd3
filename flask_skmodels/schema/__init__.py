"""The fields that a model declares: rows are validated against them and become X.

The way of a value: rows, fields, checks of one field, checks of all fields, X.
"""

"""Explanations: what each field of a row has added to the output of a model.

An explanation is exact; a model that cannot be explained exactly is refused at registration.
``dispatch`` finds the code for an estimator, and ``column_owners`` finds the field that each column
of a pipeline comes from.
"""

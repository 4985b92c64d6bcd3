"""Explanations: what each field of a row has added to the output of a model.

They are exact, or the model is refused at registration. ``dispatch`` finds the code for an
estimator, and ``column_owners`` the field that each column of a pipeline comes from.
"""

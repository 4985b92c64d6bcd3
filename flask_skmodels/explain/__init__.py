"""Explanations: what each field of a row has added to the output of a model.

They are exact, or the model is refused at registration. ``dispatch`` finds the code for an
estimator, ``folding`` brings the columns that a pipeline makes back to the fields they come from.
"""

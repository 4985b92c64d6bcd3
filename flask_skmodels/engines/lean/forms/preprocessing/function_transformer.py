"""The lean form of ``FunctionTransformer``."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels.engines.lean.compiler import Compiler, Decline, Methods, doubles, lean_form
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.types import ModelInput, ModelOutput


@lean_form(FunctionTransformer)
def function_transformer(transformer: FunctionTransformer, compiler: Compiler) -> Methods:
    """Call the function with a copy of the array, or return X unchanged if there is none."""
    function, arguments = transformer.func, transformer.kw_args or {}
    if transformer.validate:
        raise Decline("validate is set")
    if function is None:
        return {"transform": lambda X: X}
    takes_integers = any(types[0] == "l" for types in getattr(function, "types", ()))

    def transform(X: ModelInput) -> ModelOutput:
        if isinstance(X, DeferredFrame) and isinstance(function, np.ufunc):
            if takes_integers and any(field.kind == "integer" for field in X.fields):
                raise Decline("the function may overflow on integers")
            X = doubles(X)
        if not isinstance(X, np.ndarray):
            raise Decline("the function takes X in a container other than an array")
        return function(X.copy(order="K"), **arguments)  # the function may modify it

    return {"transform": transform}

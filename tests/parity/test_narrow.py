"""32-bit floats in the Open Inference Protocol: the response has the estimator's output."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from tests.parity.estimators import ONE_OF_EACH_KIND, SERVED, Case, case
from tests.parity.formats import FORMATS, INFER
from tests.parity.served import FEW, ONE, served
from tests.support.selection import cases

BINARY = FORMATS["Inference in binary"]


def cases_of(name: str) -> list[Case]:
    found = [case(name, variant) for variant in ("array", "several outputs")]
    return [each for each in found if each and getattr(each.X, "dtype", np.dtype("O")).kind == "f"]


def own(estimator: Any, method: str, X: Any) -> Any:
    """Return what a method returns for X; where it takes doubles alone, for the same numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outputs = getattr(estimator, method)(X)
        except (TypeError, ValueError):
            outputs = getattr(estimator, method)(X.astype(np.float64))
    is_flat = getattr(outputs, "ndim", 2) == 1 and len(outputs) != len(X)
    return outputs[np.newaxis] if is_flat else outputs  # SparsePCA gives one row flat


@pytest.mark.parametrize("name", cases(SERVED, quick=ONE_OF_EACH_KIND))
def test_narrow_floats(name: str) -> None:
    known = cases_of(name)
    if not known:
        pytest.skip("the estimator takes no floats")
    for found in known:
        behind = served(found)
        for method in behind.methods:
            for places in (ONE, FEW):
                X = found.rows(places).astype(np.float32)
                expected = BINARY.expected(own(found.estimator, method, X), None)
                tensor = {"name": "input-0", "datatype": "FP32", "shape": X.shape}
                tensor["parameters"] = {"binary_data_size": X.nbytes}
                output = {"name": method, "parameters": {"binary_data": True}}
                header = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
                told = {"Inference-Header-Content-Length": str(len(header))}
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    response = behind.client.post(INFER, data=header + X.tobytes(), headers=told)
                assert response.status_code == 200, response.text
                assert BINARY.read(response.data) == expected, f"{method} of {len(places)}"

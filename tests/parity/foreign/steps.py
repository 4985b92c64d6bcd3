"""Steps and schemas that several tables use."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.parity.data import KINDS, NUMBERS

LR = LogisticRegression(max_iter=50)
HGB = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5)
TREE = DecisionTreeRegressor(max_depth=3, random_state=0)
SPLIT = DecisionTreeClassifier(max_depth=3, random_state=0)
LENIENT = OneHotEncoder(handle_unknown="ignore")

PENGUINS = {
    **{name: {"nullable": True} for name in NUMBERS},
    **{name: {"type": "string", "nullable": True} for name in KINDS},
}
VISITS = {
    **{name: {} for name in ["visits", "price"]},
    "amount": {"nullable": True},
    "member": {"type": "boolean"},
}
WHOLE_PENGUINS = {**{name: {} for name in NUMBERS}, **{name: {"type": "string"} for name in KINDS}}


def steps(*parts: Any) -> Any:
    """Return a pipeline of copies of these steps."""
    return make_pipeline(*map(clone, parts))


def mixed(final: Any, *between: Any) -> Any:
    """Return a pipeline that scales the numbers of the penguins and encodes the texts."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    parts = make_column_transformer((numbers, NUMBERS), (clone(LENIENT), KINDS))
    return [parts, *between, final]

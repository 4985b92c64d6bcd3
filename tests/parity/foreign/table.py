"""The table of pipelines of other libraries, and of scikit-learn's user guide."""

from __future__ import annotations

from tests.parity.foreign.boosters import CATBOOST, LIGHTGBM, XGBOOST
from tests.parity.foreign.encoders import CATEGORY_ENCODERS, SKRUB
from tests.parity.foreign.entry import Entry
from tests.parity.foreign.extensions import MLXTEND, SCIKIT_LEGO
from tests.parity.foreign.features import FEATURE_ENGINE
from tests.parity.foreign.samplers import IMBALANCED
from tests.parity.foreign.user_guide import USER_GUIDE

TABLES: dict[str, dict[str, Entry]] = {
    "imbalanced-learn": IMBALANCED,
    "category_encoders": CATEGORY_ENCODERS,
    "feature-engine": FEATURE_ENGINE,
    "skrub": SKRUB,
    "scikit-lego": SCIKIT_LEGO,
    "mlxtend": MLXTEND,
    "LightGBM": LIGHTGBM,
    "XGBoost": XGBOOST,
    "CatBoost": CATBOOST,
    "user guide": USER_GUIDE,
}
ENTRIES = {
    f"{title}: {name}": entry for title, table in TABLES.items() for name, entry in table.items()
}

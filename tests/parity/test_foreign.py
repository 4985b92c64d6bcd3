"""Pipelines of other libraries, and of scikit-learn's user guide, in every format."""

from __future__ import annotations

import pytest

from tests.parity.foreign.entry import ONE_OF_EACH_KIND, case_of, differences
from tests.parity.foreign.table import ENTRIES, TABLES
from tests.parity.formats import FORMATS
from tests.support.selection import cases

# Other libraries warn of their own doing; the comparison itself compares the warnings.
pytestmark = pytest.mark.filterwarnings("ignore")

CASES = [f"{name}, {variant}" for name, entry in ENTRIES.items() for variant in entry.variants]
FIRST_CASES = [f"{name}, {entry.variants[0]}" for name, entry in ENTRIES.items()]
ONE_OF_EACH_LIBRARY = [
    "imbalanced-learn: SMOTE, without profile",
    "category_encoders: OrdinalEncoder of a zip code, without profile",
    "feature-engine: CategoricalImputer, OneHotEncoder, without profile",
    "skrub: ApplyToCols, without profile",
    "scikit-lego: Thresholder, without profile",
    "mlxtend: DenseTransformer, without profile",
    "LightGBM: booleans and integers, without profile",
    "XGBoost: polars frame, without profile",
    "CatBoost: texts as cat_features, without profile",
    "user guide: mixed types, without profile",
]


@pytest.mark.parametrize("name", cases(FIRST_CASES, quick=ONE_OF_EACH_LIBRARY))
def test_the_response_has_the_output_of_the_pipeline(name: str) -> None:
    title, _, variant = name.rpartition(", ")
    assert differences(case_of(title, ENTRIES[title], variant), ONE_OF_EACH_KIND) == {}


@pytest.mark.differential
@pytest.mark.parametrize("name", CASES)
def test_the_response_in_every_format(name: str) -> None:
    title, _, variant = name.rpartition(", ")
    assert differences(case_of(title, ENTRIES[title], variant), FORMATS) == {}


def test_every_library_has_pipelines_in_the_table() -> None:
    assert len(ENTRIES) >= 250
    assert min(map(len, TABLES.values())) >= 12

"""Every estimator of scikit-learn in every format: the response has the estimator's output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from flask_skmodels import ModelError, SKModels
from flask_skmodels.artifacts.structures.walk import check_structures
from flask_skmodels.estimators.introspect import METHODS, methods
from tests.parity import data
from tests.parity.estimators import (
    CLASSES,
    LABELS,
    MAPPINGS,
    NO_METHOD,
    NOT_SERVED,
    ONE_OF_EACH_KIND,
    SERVED,
    VARIANTS,
    Case,
    case,
)
from tests.parity.formats import FORMATS
from tests.parity.served import served
from tests.support.selection import cases
from tests.support.skips import needs_version

LIKE_FILES = [
    CountVectorizer(input="filename"),
    TfidfVectorizer(input="file"),
    pytest.param(
        HashingVectorizer(input="filename", n_features=8),
        marks=needs_version("scikit-learn", "1.7.2"),  # before, it is never fitted
    ),
]


# In the scope of the module, the tests of one estimator follow one another, and share its fit.
of_each_estimator = pytest.mark.parametrize(
    "name", cases(SERVED, quick=ONE_OF_EACH_KIND), scope="module"
)


def cases_of(name: str) -> list[Case]:
    return [found for variant in VARIANTS if (found := case(name, variant)) is not None]


@pytest.mark.parametrize("media", FORMATS)
@of_each_estimator
def test_the_answer_is_the_estimators_own(name: str, media: str) -> None:
    done = [served(case).check(media) for case in cases_of(name)]
    assert any(done) or media == "CSV without header"  # that is for rows without names


@of_each_estimator
def test_every_method_is_served(name: str) -> None:
    for found in cases_of(name):
        assert served(found).methods == tuple(m for m in METHODS if hasattr(found.estimator, m))


@of_each_estimator
def test_the_document_tells_what_is_answered(name: str) -> None:
    for found in cases_of(name):
        served(found).check_document()


@of_each_estimator
def test_its_structures_are_sound(name: str) -> None:
    for found in cases_of(name):
        check_structures(Path("a.skops"), found.estimator)


@pytest.mark.parametrize("name", cases(NOT_SERVED, quick=["DBSCAN", "DictVectorizer"]))
def test_what_is_listed_cannot_be_served(name: str) -> None:
    found = case(name, "array")
    assert found is not None
    with pytest.raises(ModelError):
        served(found)


@pytest.mark.parametrize("name", cases(NOT_SERVED, quick=["DBSCAN", "DictVectorizer"]))
def test_the_reason_is_true(name: str) -> None:
    found = case(name, "array")
    assert found is not None
    tags = get_tags(found.estimator).input_tags
    truth: dict[str, Any] = dict.fromkeys(NO_METHOD, methods(found.estimator) == ())
    truth |= {LABELS: not tags.two_d_array, MAPPINGS: tags.dict}
    assert truth.get(NOT_SERVED[name], tags.three_d_array)


def test_the_list_is_of_estimators() -> None:
    assert len(SERVED) > 170
    assert set(SERVED) | set(NOT_SERVED) == set(CLASSES)


@pytest.mark.parametrize("vectorizer", LIKE_FILES, ids=str)
def test_a_vectorizer_that_would_open_files_is_refused(vectorizer: Any) -> None:
    texts, owners = data.texts()
    line = LogisticRegression(max_iter=9, tol=1.0)
    pipeline = make_pipeline(vectorizer.set_params(input="content"), line).fit(texts, owners)
    search = GridSearchCV(pipeline, {}, cv=2).fit(texts, owners)
    inner = search.best_estimator_[0]
    for part in (vectorizer, inner):
        part.set_params(input="filename")
    for estimator in (vectorizer, pipeline, search, np.array([search])[0]):
        with pytest.raises(ModelError, match="would open files that a client names"):
            SKModels().add("files", estimator)

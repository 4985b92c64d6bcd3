"""Lean text vectorizers, for one text, for several, and for a column of texts."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from flask_skmodels import SKModels
from flask_skmodels.engines.lean.forms import feature_extraction
from flask_skmodels.engines.lean.sample_texts import sample_texts
from tests.support.equality import assert_equal
from tests.support.selection import cases

RANDOM = np.random.default_rng(0)
WORDS = np.array(
    "sea harbour boat wind sail the of and Net FISH café naïve gull rope tide x1".split()
)
TEXTS = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(1, 30))) for _ in range(200)]
LABELS = np.array(["sea" in text for text in TEXTS]).astype(int)
UNSEEN = ["", "unknown words only", "Sea, SEA; sea!", "  boat\n\tboat  ", "Café cafe\u0301", "ﬁsh"]
FRAME = pd.DataFrame(
    {
        "review": TEXTS,
        "port": RANDOM.choice(["Bonn", "Oslo"], 200),
        "age": RANDOM.normal(size=200),
    }
)


def linear(vectorizer: Any, last: Any = None) -> Any:
    return make_pipeline(vectorizer, last or LogisticRegression())


def shout(text: str) -> str:
    return text.upper()


PIPELINES: dict[str, Any] = {
    "tf-idf": linear(TfidfVectorizer()),
    "sublinear": linear(TfidfVectorizer(sublinear_tf=True, norm="l1"), SGDClassifier()),
    "no idf, no norm": linear(TfidfVectorizer(use_idf=False, norm=None, binary=True)),
    "characters": linear(TfidfVectorizer(analyzer="char", ngram_range=(1, 3))),
    "characters of words": linear(CountVectorizer(analyzer="char_wb", ngram_range=(2, 4))),
    "pairs of words": linear(CountVectorizer(ngram_range=(1, 2), stop_words="english")),
    "accents": linear(TfidfVectorizer(strip_accents="unicode", lowercase=False)),
    "own preprocessor": linear(CountVectorizer(preprocessor=shout, tokenizer=str.split)),
    "counts": linear(CountVectorizer(), MultinomialNB()),
    "binary counts": linear(CountVectorizer(binary=True), BernoulliNB()),
    "counts of floats": linear(CountVectorizer(dtype=np.float64), ComplementNB()),
    "weighed counts": make_pipeline(CountVectorizer(), TfidfTransformer(), LinearSVC()),
    "hashes": linear(HashingVectorizer(n_features=64)),
    "many hashes": linear(HashingVectorizer(alternate_sign=False, norm="l1")),
    "binary hashes": linear(HashingVectorizer(n_features=8, binary=True, norm=None)),
    "projected": make_pipeline(TfidfVectorizer(), TruncatedSVD(3), LogisticRegression()),
    "selected": make_pipeline(CountVectorizer(), SelectKBest(chi2, k=5), LogisticRegression()),
    "scaled": make_pipeline(CountVectorizer(), MaxAbsScaler(), LogisticRegression()),
    "unscaled": make_pipeline(
        CountVectorizer(), StandardScaler(with_mean=False, with_std=False), LogisticRegression()
    ),
    "words and characters": linear(
        make_union(TfidfVectorizer(), CountVectorizer(analyzer="char", ngram_range=(2, 2)))
    ),
    "two kinds of counts": linear(
        make_union(CountVectorizer(), CountVectorizer(analyzer="char")), MultinomialNB()
    ),
}


def served(estimator: Any, method: str = "predict", **options: Any) -> tuple[SKModels, Flask]:
    models, app = SKModels(), Flask("texts")
    models.add("case", estimator, methods=[method], **options)
    models.init_app(app)
    return models, app


def engine_of(app: Flask) -> Any:
    return (app.test_client().get("/case/").json or {})["engine"]


def check_texts(estimator: Any, rows: Any, method: str) -> None:
    """Compare one row, several and all rows, without the native method to fall back to."""
    counts = (1, 2, 7, 64, len(rows))
    expected = [getattr(estimator, method)(rows[:count]) for count in counts]
    models, app = served(estimator, method)
    assert engine_of(app) == {"name": "lean", "reason": None}
    setattr(estimator, method, None)
    for count, outputs in zip(counts, expected, strict=True):
        assert_equal(models.predict("case", rows[:count], method, app=app).outputs, outputs)


@pytest.mark.filterwarnings("ignore:The parameter 'token_pattern' will not be used")
@pytest.mark.parametrize("name", cases(PIPELINES, quick=["tf-idf", "counts", "hashes"]))
def test_result_for_texts_is_that_of_the_pipeline(name: str) -> None:
    estimator = PIPELINES[name].fit(TEXTS, LABELS)
    last = estimator[-1]
    has_probabilities = hasattr(last, "predict_proba")
    check_texts(estimator, UNSEEN + TEXTS, "predict_proba" if has_probabilities else "predict")


COLUMNS = {
    "sparse": [("text", TfidfVectorizer(), "review"), ("port", OneHotEncoder(), ["port"])],
    "with numbers": [("age", StandardScaler(), ["age"]), ("text", CountVectorizer(), "review")],
    "dense": [
        ("text", make_pipeline(TfidfVectorizer(), TruncatedSVD(2)), "review"),
        ("age", "passthrough", ["age"]),
    ],
    "counts only": [("one", CountVectorizer(), "review"), ("two", CountVectorizer(), "port")],
}


@pytest.mark.parametrize("name", cases(COLUMNS, quick=["with numbers"]))
def test_result_for_a_column_of_texts_is_that_of_the_pipeline(name: str) -> None:
    columns = ColumnTransformer(COLUMNS[name])
    estimator = make_pipeline(columns, LogisticRegression()).fit(FRAME, LABELS)
    check_texts(estimator, FRAME, "predict_proba")


@pytest.mark.parametrize("name", cases(COLUMNS, quick=["counts only"]))
def test_sparse_output_of_a_column_of_texts_is_the_transformers_own(name: str) -> None:
    estimator = ColumnTransformer(COLUMNS[name]).fit(FRAME)
    models, app = served(estimator, "transform")
    assert engine_of(app)["name"] == "lean"
    for count in (1, 5):
        outputs = models.predict("case", FRAME[:count], app=app).outputs
        expected = estimator.transform(FRAME[:count])
        assert (outputs != expected).sum() == 0
        assert outputs.dtype == expected.dtype


def test_missing_text_is_left_to_the_estimator() -> None:
    columns = ColumnTransformer([("text", CountVectorizer(), "review")])
    estimator = make_pipeline(columns, LogisticRegression()).fit(FRAME[["review"]], LABELS)
    models, app = served(estimator, schema={"review": {"type": "string", "nullable": True}})
    assert engine_of(app) == {"name": "lean", "reason": None}
    with pytest.raises(AttributeError, match="has no attribute 'lower'"):
        models.predict("case", [{"review": None}], app=app)


def test_names_of_columns_are_no_texts() -> None:
    """A vectorizer of a list of columns reads the names of the data frame's columns."""
    with pytest.raises(Exception, match="not a list of texts"):
        feature_extraction._texts(np.array([["a"]]))


def test_sample_texts_are_the_same_each_time() -> None:
    vectorizer = CountVectorizer().fit(TEXTS)
    samples = sample_texts(vectorizer)
    assert samples == sample_texts(vectorizer)
    assert max(map(len, samples)) > 100
    assert "sea" in samples


def one_count_too_many(right: Any) -> Any:
    def counts(vectorizer: Any) -> Any:
        count = right(vectorizer)

        def transform(X: Any) -> Any:
            rows = count(X)
            rows.data[rows.data > 2] += 1
            return rows

        return transform

    return counts


def unsorted(right: Any) -> Any:
    return lambda indices, indptr, data, width: right(indices[::-1].copy(), indptr, data, width)


def weights_of_the_next_term(right: Any) -> Any:
    def term_weights(transformer: Any) -> Any:
        transformer.__dict__["idf_"] = np.roll(transformer.idf_, 1)
        weigh = right(transformer)
        transformer.__dict__["idf_"] = np.roll(transformer.idf_, -1)
        return weigh

    return term_weights


CORRUPT = {
    "a count": ("_counts", one_count_too_many, CountVectorizer()),
    "an index": ("_without_duplicates", unsorted, HashingVectorizer(n_features=32)),
    "a weight": ("_term_weights", weights_of_the_next_term, TfidfVectorizer()),
}


@pytest.mark.parametrize("what", CORRUPT)
def test_corrupt_form_is_not_served(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name, corrupt, vectorizer = CORRUPT[what]
    estimator = linear(vectorizer).fit(TEXTS, LABELS)
    monkeypatch.setattr(feature_extraction, name, corrupt(getattr(feature_extraction, name)))
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app = served(estimator, "predict_proba")
    engine = engine_of(app)
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith(f"{type(vectorizer).__name__}: ")
    assert "is served by scikit-learn's native methods" in caplog.text
    outputs = models.predict("case", TEXTS[:5], app=app).outputs
    assert_equal(outputs, estimator.predict_proba(TEXTS[:5]))

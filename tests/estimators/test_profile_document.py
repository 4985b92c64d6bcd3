"""The file of a profile: its JSON Schema, and the strict reading of any file."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sklearn.linear_model import LinearRegression

from flask_skmodels import ArtifactError, Profile
from flask_skmodels.estimators.profile import strict_reading
from flask_skmodels.estimators.profile.strict_reading import MalformedProfile, read_document
from tests.support.skips import library

pd = library("pandas")
pl = library("polars")

FILES = resources.files("flask_skmodels.estimators.profile")
SCHEMA = json.loads((FILES / "profile.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
COLUMN = {"name": "a", "type": "number", "dtype": "float64", "count": 1}
DOCUMENT = {
    "format": "flask-skmodels-profile",
    "version": 1,
    "container": "pandas",
    "rows": 1,
    "columns": [COLUMN],
}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(sorted({*SCHEMA["properties"], *SCHEMA["$defs"]["column"]["properties"]}))
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
COLUMNS_OF_ANY = st.lists(VALUES, max_size=60)


def saved(profile: Profile, folder: Path) -> Any:
    profile.save(folder / "a.profile.json")
    assert Profile.load(folder / "a.profile.json") == profile
    return json.loads((folder / "a.profile.json").read_text(encoding="utf-8"))


def many_types() -> Any:
    return pd.DataFrame(
        {
            "float": [1.5, np.nan] * 30,
            "integer": range(60),
            "boolean": [True, False] * 30,
            "text": ["a", None] * 30,
            "category": pd.Categorical(["b", "a"] * 30, categories=["b", "a", "c"], ordered=True),
            "time": pd.date_range("2026-01-01", periods=60, tz="Europe/Oslo"),
            "Int64": pd.array([1, None] * 30, dtype="Int64"),
            "mixed": [1, "a"] * 30,
        }
    )


CONTAINERS = [
    many_types(),
    pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
    np.eye(3),
    [["a", 1.0], ["b", None]],
    ["a text", "another"],
    [{"a": 1}, {"b": "x"}],
]


@pytest.mark.parametrize("X", CONTAINERS, ids=lambda X: type(X).__name__)
def test_saved_profile_fits_the_published_schema(X: Any, tmp_path: Path) -> None:
    VALIDATOR.validate(saved(Profile.of(X, [0, 1] * (len(X) // 2) + [1] * (len(X) % 2)), tmp_path))


def test_profile_with_an_estimator_fits_the_published_schema(tmp_path: Path) -> None:
    X = np.arange(60.0).reshape(30, 2)
    estimator = LinearRegression().fit(X, X)
    profile = Profile.of(X, X, estimator)
    assert len(profile.target) == len(profile.predictions) == 2
    assert profile.baseline == (29.0, 30.0)
    VALIDATOR.validate(saved(profile, tmp_path))


@given(columns=st.dictionaries(st.text(max_size=5), COLUMNS_OF_ANY, min_size=1, max_size=3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_profile_of_any_values_can_be_saved_and_read(
    columns: dict[str, list[Any]], tmp_path: Path
) -> None:
    rows = min(map(len, columns.values()))
    cut = {name: pd.Series(values[:rows], dtype=object) for name, values in columns.items()}
    VALIDATOR.validate(saved(Profile.of(pd.DataFrame(cut)), tmp_path))


def test_unknown_keys_are_kept_and_saved_again(tmp_path: Path) -> None:
    document = DOCUMENT | {"colour": {"a": [1]}, "columns": [COLUMN | {"unit": "cm"}]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    again = saved(Profile.load(path), tmp_path)
    assert again["colour"] == {"a": [1]}
    assert again["columns"][0]["unit"] == "cm"


def check_both_refuse(document: Any) -> str:
    """Check that the reader refuses a document and that the schema does too; return why."""
    with pytest.raises(MalformedProfile) as caught:
        read_document(document)
    assert not VALIDATOR.is_valid(document)
    return str(caught.value)


@pytest.mark.parametrize("missing", ["format", "version", "container", "rows", "columns"])
def test_document_without_a_required_key_is_refused(missing: str) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != missing}
    assert missing in check_both_refuse(document)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("format", "other"), ("version", 2), ("version", True), ("container", "excel")),
        *(("rows", -1), ("rows", 1.5), ("rows", True), ("columns", {}), ("columns", [1])),
        *(("target", "a"), ("baseline", ["a"]), ("library_versions", {"numpy": 2})),
    ],
)
def test_document_with_a_wrong_value_is_refused(key: str, value: Any) -> None:
    assert key in check_both_refuse(DOCUMENT | {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("name", 1), ("type", "complex"), ("dtype", None), ("count", -1), ("label", "a")),
        *(("share_missing", 2), ("share_missing", "a"), ("missing_marker", "?"), ("mean", "a")),
        *(("is_ordered", 1), ("zone", 1), ("categories", [None]), ("categories", "a")),
        *(("bins", {"edges": [1], "shares": []}), ("frequent", {"values": [1]}), ("typical", [])),
        ("frequent", {"values": [1] * 51, "shares": [0.01] * 51}),
    ],
)
def test_column_with_a_wrong_value_is_refused(key: str, value: Any) -> None:
    assert key in check_both_refuse(DOCUMENT | {"columns": [COLUMN | {key: value}]})


@pytest.mark.parametrize(
    "change",
    [
        {"min": 2, "max": 1},
        {"min": "a"},
        {"bins": {"edges": [2, 1], "shares": [1]}},
        {"bins": {"edges": [1, 2], "shares": [1, 0]}},
        {"frequent": {"values": [1], "shares": []}},
    ],
)
def test_column_that_contradicts_itself_is_refused(change: Any) -> None:
    with pytest.raises(MalformedProfile):
        read_document(DOCUMENT | {"columns": [COLUMN | change]})


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(MalformedProfile, match="same name"):
        read_document(DOCUMENT | {"columns": [COLUMN, COLUMN]})


def test_too_many_columns_are_refused() -> None:
    columns = [COLUMN | {"name": str(index)} for index in range(strict_reading.MAX_COLUMNS + 1)]
    assert "at most" in check_both_refuse(DOCUMENT | {"columns": columns})


def test_deeply_nested_unknown_keys_are_refused() -> None:
    nested: Any = 1
    for _ in range(strict_reading.MAX_DEPTH + 1):
        nested = [nested]
    with pytest.raises(MalformedProfile, match="deeper"):
        read_document(DOCUMENT | {"colour": nested})


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b"1", b'{"rows": NaN}', b"[" * 100_000, b'{"a":' * 100_000],
)
def test_file_that_is_not_a_profile_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.json: it is not a profile"):
        Profile.load(path)


@pytest.mark.parametrize("name", ["missing.json", "", "zero\0byte.json", "n" * 5000])
def test_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        Profile.load(tmp_path / name)


def test_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be written"):
        Profile.of([[1.0]]).save(tmp_path / "missing" / "a.json")


@given(document=st.dictionaries(KEYS, JSON_VALUES) | JSON_VALUES)
def test_any_json_is_read_or_refused(document: Any) -> None:
    try:
        read_document(strict_reading.parse(json.dumps(document).encode()))
    except MalformedProfile:
        return


@pytest.mark.no_cover  # measuring the coverage doubles the time
@given(changes=st.dictionaries(KEYS, JSON_VALUES), of_column=st.dictionaries(KEYS, JSON_VALUES))
def test_changed_profile_is_read_or_refused(changes: Any, of_column: Any) -> None:
    document = DOCUMENT | {"columns": [COLUMN | of_column]} | changes
    try:
        profile = Profile(**read_document(document))
    except MalformedProfile:
        return
    assert Profile(**read_document(profile.to_json())) == profile

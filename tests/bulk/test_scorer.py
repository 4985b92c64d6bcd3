"""The scorer of a model, by itself and inside Polars; ``test_engines`` has the large engines."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from flask import Flask

from flask_skmodels import InvalidInput, KeyValueModel, ScoringError, SKModels, UnknownModel
from flask_skmodels.bulk.chunks import ArrowContent
from tests.support.helpers import FIELDS, SCHEMA
from tests.support.scoring import BAD, frame, good, write_application

TABLE = frame(150)


@pytest.fixture
def scorer(models: SKModels, app: Flask) -> Any:
    return models["iris"].scorer(method="predict_proba", keep={"id": "int64"}, app=app)


def check(table: pd.DataFrame, pipeline: Any) -> None:
    assert list(table.columns) == ["id", "0", "1", "2", "errors"]
    assert table["id"].tolist() == TABLE["id"].tolist()
    is_bad = table["errors"].notna().to_numpy()
    assert np.flatnonzero(is_bad).tolist() == [row for row in BAD if row < len(TABLE)]
    assert table[["0", "1", "2"]].isna().all(axis=1).tolist() == is_bad.tolist()
    own = pipeline.predict_proba(good(TABLE)[list(FIELDS)].to_numpy())
    np.testing.assert_array_equal(table.loc[~is_bad, ["0", "1", "2"]].to_numpy(float), own)
    [error] = json.loads(table["errors"][5])
    assert error == {"field": "sepal_width", "rule": "min", "message": "min value is 0"}


def test_batches_of_each_kind(scorer: Any, pipeline: Any) -> None:
    table = pa.Table.from_pandas(TABLE)
    [batch] = table.to_batches()
    scored = scorer(batch)
    assert isinstance(scored, pa.RecordBatch)
    check(scored.to_pandas(), pipeline)
    check(scorer(table).to_pandas(), pipeline)
    check(scorer(TABLE), pipeline)
    check(scorer(pl.from_pandas(TABLE)).to_pandas(), pipeline)
    check(pd.DataFrame(scorer({name: TABLE[name].to_numpy() for name in TABLE})), pipeline)
    assert list(next(scorer.batches([batch])).schema.names) == scorer.schema.names


def test_frames_keep_their_index_and_integers(models: SKModels, app: Flask) -> None:
    scored = models["iris"].scorer(keep=["id"], app=app)(TABLE.iloc[::-1])
    assert scored.index.tolist() == TABLE.index.tolist()[::-1]
    assert str(scored["prediction"].dtype) == str(scored["id"].dtype) == "Int64"


def test_schema_says_what_comes_out(scorer: Any) -> None:
    expected = [("id", pa.int64()), *((name, pa.float64()) for name in "012")]
    assert scorer.schema == pa.schema([*expected, ("errors", pa.string())])
    assert scorer(pa.Table.from_pandas(TABLE)).schema == scorer.schema
    empty = pa.Table.from_pandas(TABLE)[:0]
    assert scorer(empty).schema == scorer.schema
    assert scorer(empty).num_rows == 0
    assert len(scorer(TABLE[:0])) == 0
    [batch] = empty.to_batches() or [pa.RecordBatch.from_pylist([], empty.schema)]
    assert scorer(batch).schema == scorer.schema


def test_all_rows_of_a_batch_may_be_rejected(scorer: Any) -> None:
    scored = scorer(pa.Table.from_pandas(TABLE.assign(petal_width=-1.0)))
    assert scored.schema == scorer.schema
    assert scored.column("errors").null_count == 0


def test_keys_need_a_type(models: SKModels, app: Flask) -> None:
    scorer = models["iris"].scorer(keep=["id"], app=app)
    with pytest.raises(
        ScoringError, match=r"type of the key column 'id' is not known: name it with"
    ):
        _ = scorer.schema
    assert models["iris"].scorer(keep=["petal_width"], app=app).schema.names[0] == "petal_width"
    with pytest.raises(ScoringError, match=r"the batch has no column 'id' to keep"):
        scorer(TABLE.drop(columns="id"))


def test_columns_that_do_not_fit(scorer: Any) -> None:
    table = pa.Table.from_pandas(TABLE)
    lists = table.set_column(1, "sepal_length", pa.array([[1.0]] * len(TABLE)))
    with pytest.raises(InvalidInput, match=r"this Arrow type cannot be read"):
        scorer(lists)


def test_unknown_methods_and_unregistered_models(models: SKModels, app: Flask) -> None:
    with pytest.raises(UnknownModel, match=r"does not serve 'transform'"):
        models["iris"].scorer(method="transform", app=app)
    with pytest.raises(RuntimeError, match=r"is not registered with an SKModels yet"):
        KeyValueModel(name="iris").scorer()


def test_pickled_scorer_is_small_and_needs_no_application(
    tmp_path: Path, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model with a file travels by its path and digest, and is loaded on the first use."""
    from flask_skmodels import Artifact
    from flask_skmodels.bulk import shipped_model

    write_application(tmp_path, pipeline)

    class Iris(KeyValueModel):
        """A class of the application, which the other process cannot import."""

        name = "iris"
        schema = SCHEMA
        pipeline = Artifact(tmp_path / "iris.joblib")

    app = Flask("iris_app")
    app.config["SKMODELS_TRUST_PICKLE"] = True
    models = SKModels(app)
    models.register(Iris)
    pickled = pickle.dumps(models["iris"].scorer(keep=["id"], app=app))
    assert len(pickled) < 5000
    loads = []
    load = shipped_model.ShippedModel._load

    def counted(self: Any) -> Any:
        loads.append(1)
        return load(self)

    monkeypatch.setattr(shipped_model, "_loaded", OrderedDict())
    monkeypatch.setattr(shipped_model.ShippedModel, "_load", counted)
    for _ in range(3):
        pickle.loads(pickled)(TABLE)
    assert loads == [1]


def test_class_with_code_travels_with_it(pipeline: Any) -> None:
    class Doubled(KeyValueModel):
        name = "doubled"
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return self.pipeline.predict(X) * 2

    app = Flask("doubled_app")
    models = SKModels(app)
    models.register(Doubled(pipeline=pipeline))
    scored = pickle.loads(pickle.dumps(models["doubled"].scorer(app=app)))(good(TABLE))
    assert set(scored["prediction"]) == {0, 2, 4}


def test_chunk_is_sent_without_the_rows_around_it() -> None:
    rows = pa.table({"x": np.arange(100_000.0)})
    sent = pickle.dumps(ArrowContent(rows.slice(500, 100)))
    assert len(sent) < 2000
    assert pickle.loads(sent).table == rows.slice(500, 100)


def test_polars_map_batches(scorer: Any, pipeline: Any) -> None:
    lazy = pl.from_pandas(TABLE).lazy()
    schema = pl.from_arrow(scorer.schema.empty_table()).schema  # type: ignore[union-attr]
    scored = lazy.map_batches(scorer, schema=schema).collect()
    check(scored.to_pandas(), pipeline)

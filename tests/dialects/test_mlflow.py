"""MLflow: the protocol of its scoring server, and its folders as artifacts."""

from __future__ import annotations

import io
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import skops.io
import yaml
from flask.testing import FlaskClient
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from werkzeug.test import TestResponse

from flask_skmodels import Artifact, ArtifactError, ConfigurationError, Model, SKModels
from flask_skmodels.codecs import parquet_pages
from flask_skmodels.hints import install_line
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, VIRGINICA, X, Y, hooked, serve

ROWS = [list(SETOSA.values()), list(VIRGINICA.values())]
RECORDS = [SETOSA, VIRGINICA]
FRAME = pd.DataFrame(ROWS, columns=FIELDS)
PARQUET = "application/vnd.apache.parquet"


def speaking(*models: Model, **config: Any) -> FlaskClient:
    named = {"SKMODELS_MLFLOW_MODEL": "iris", **config}
    return serve(*models, SKMODELS_DIALECTS=["mlflow"], **named)


@pytest.fixture
def client(pipeline: Any) -> FlaskClient:
    return speaking(Model(name="iris", pipeline=pipeline, schema=SCHEMA))


def invoke(client: FlaskClient, document: Any, **options: Any) -> TestResponse:
    return client.post("/invocations", json=document, **options)


def send(client: FlaskClient, body: bytes, content_type: str) -> TestResponse:
    return client.post("/invocations", data=body, content_type=content_type)


def error(response: TestResponse, status: int = 400) -> str:
    """Return the code of a response that must be an error."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    document = response.get_json()
    assert list(document) == ["error_code", "message"]
    assert "Traceback" not in document["message"]
    return str(document["error_code"])


# The protocol


SPLIT = {"columns": list(FIELDS), "data": ROWS}
TURNED = {"columns": list(FIELDS[::-1]), "data": [row[::-1] for row in ROWS]}
GOOD: list[Any] = [
    {"dataframe_split": SPLIT},
    {"dataframe_split": {**SPLIT, "index": [7, 8]}},
    {"dataframe_split": TURNED},
    {"dataframe_split": {"data": ROWS}},
    {"dataframe_records": RECORDS},
    {"dataframe_records": ROWS},
    {"instances": RECORDS},
    {"instances": ROWS},
    {"instances": {name: [row[name] for row in RECORDS] for name in FIELDS}},
    {"inputs": ROWS},
    {"inputs": RECORDS},
    {"inputs": {name: [row[name] for row in RECORDS] for name in FIELDS[::-1]}},
    {"inputs": ROWS, "params": {"a": 1}},
    {"inputs": ROWS, "params": None},
    {"inputs": ROWS, "something": "else"},
]


@pytest.mark.parametrize("document", GOOD, ids=lambda document: repr(document)[:60])
def test_json(client: FlaskClient, document: Any) -> None:
    response = invoke(client, document)
    assert response.status_code == 200, response.text
    assert response.json == {"predictions": [0, 2]}


def test_one_row_as_an_object(client: FlaskClient) -> None:
    assert invoke(client, {"inputs": SETOSA}).json == {"predictions": [0]}


BAD: list[Any] = [
    {},
    [],
    ROWS,
    None,
    {"data": ROWS},
    {"inputs": ROWS, "instances": ROWS},
    {"dataframe_split": ROWS},
    {"dataframe_split": {"columns": list(FIELDS)}},
    {"dataframe_split": {**SPLIT, "dtype": "float"}},
    {"dataframe_split": {**SPLIT, "data": {"a": 1}}},
    {"dataframe_split": {**SPLIT, "columns": "abcd"}},
    {"dataframe_split": {**SPLIT, "columns": [1.5, None, {}, []]}},
    {"dataframe_split": {**SPLIT, "columns": list(FIELDS[:3])}},
    {"dataframe_split": {**SPLIT, "columns": [FIELDS[0]] * 4}},
    {"dataframe_split": {**SPLIT, "data": [1, 2]}},
    {"dataframe_split": {**SPLIT, "data": []}},
    {"dataframe_records": SPLIT},
    {"dataframe_records": "text"},
    {"dataframe_records": [1]},
    {"instances": []},
    {"instances": 1},
    {"instances": {}},
    {"instances": {"a": [1], "b": 2}},
    {"inputs": {name: [1, 2][: place % 2 + 1] for place, name in enumerate(FIELDS)}},
    {"inputs": ROWS, "params": [1]},
]


@pytest.mark.parametrize("document", BAD, ids=lambda document: repr(document)[:60])
def test_bad_json(client: FlaskClient, document: Any) -> None:
    response = client.post(
        "/invocations", data=json.dumps(document), content_type="application/json"
    )
    assert error(response) in {"BAD_REQUEST", "INVALID_PARAMETER_VALUE"}


def test_codes(client: FlaskClient, pipeline: Any) -> None:
    assert error(send(client, b"{", "application/json")) == "BAD_REQUEST"
    doubled = b'{"inputs": {"a": [1], "a": [2]}}'
    assert error(send(client, doubled, "application/json")) == "BAD_REQUEST"
    assert error(send(client, b'{"inputs": [], "inputs": []}', "application/json"))
    negative = {"inputs": [[-1, 1, 1, 1]]}
    assert error(invoke(client, negative)) == "INVALID_PARAMETER_VALUE"
    assert "min value is 0" in invoke(client, negative).get_json()["message"]
    client.application.config["MAX_CONTENT_LENGTH"] = 10
    assert error(invoke(client, {"inputs": ROWS}), 413) == "BAD_REQUEST"

    def fail(X: Any) -> Any:
        raise KeyError("secret")

    failing = speaking(hooked(pipeline, fail), SKMODELS_MLFLOW_MODEL="hooked")
    response = invoke(failing, {"inputs": ROWS})
    assert error(response, 500) == "INTERNAL_ERROR"
    assert "secret" not in response.text


def test_csv(client: FlaskClient) -> None:
    body = FRAME.to_csv(index=False).encode()
    for content_type in ("text/csv", "text/csv; charset=utf-8", "text/csv; charset=UTF-8"):
        assert send(client, body, content_type).json == {"predictions": [0, 2]}
    assert send(client, FRAME.to_csv().encode(), "text/csv").json == {"predictions": [0, 2]}
    assert error(send(client, b"\xff\xfe\x00", "text/csv"))
    assert error(send(client, b"a,b\n1,2\n", "text/csv")) == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/csv; charset=latin-1",
        "application/json; format=pandas-split",
        "application/json; charset=utf-8; header=absent",
    ],
)
def test_other_types(client: FlaskClient, content_type: str) -> None:
    assert error(send(client, json.dumps({"inputs": ROWS}).encode(), content_type), 415)


def parquet(frame: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, **options)
    return out.getvalue()


def test_parquet(client: FlaskClient) -> None:
    for frame in (FRAME, FRAME[[*FIELDS[::-1]]], FRAME.set_index(pd.Index(["a", "b"]))):
        assert send(client, parquet(frame), PARQUET).json == {"predictions": [0, 2]}
    body = parquet(FRAME)
    for bad in (b"", b"PAR1", body[:-1], body[:100] + body[110:], b"x" * 100):
        assert error(send(client, bad, PARQUET)) == "BAD_REQUEST"
    assert error(send(client, parquet(-FRAME), PARQUET)) == "INVALID_PARAMETER_VALUE"
    nested = FRAME.assign(sepal_width=[[1.0], [2.0]])
    assert error(send(client, parquet(nested), PARQUET))


def test_parquet_without_rows(client: FlaskClient) -> None:
    response = send(client, parquet(FRAME[:0]), PARQUET)
    assert error(response) == "BAD_REQUEST"
    assert response.get_json()["message"] == "there must be at least one row"


def test_parquet_of_texts(mixed_pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=mixed_pipeline))
    frame = pd.DataFrame({"island": ["Dream", "Biscoe"], "mass": [None, 5000.0]})
    expected = mixed_pipeline.predict(frame).tolist()
    assert send(client, parquet(frame), PARQUET).json == {"predictions": expected}
    categories = frame.assign(island=frame["island"].astype("category"))
    assert send(client, parquet(categories), PARQUET).json == {"predictions": expected}


def test_parquet_is_bounded(pipeline: Any) -> None:
    model = Model(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = speaking(model, SKMODELS_MAX_ROWS=10)
    assert error(send(client, parquet(pd.concat([FRAME] * 6)), PARQUET), 413)
    client = speaking(model, MAX_CONTENT_LENGTH=100_000)
    zeros = pd.DataFrame(np.zeros((100_000, 4)), columns=FIELDS)
    body = parquet(zeros)
    assert len(body) < 100_000
    assert error(send(client, body, PARQUET), 413)


def test_parquet_of_one_long_text_many_times(mixed_pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=mixed_pipeline))
    places = pa.array(np.zeros(20_000, dtype=np.int32))
    texts = pa.DictionaryArray.from_arrays(places, ["x" * 100_000])
    table = pa.table({"island": texts, "mass": pa.array([1.0] * 20_000)})
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    assert error(send(client, out.getvalue(), PARQUET), 413)


def written(texts: Any, **options: Any) -> bytes:
    """Return a file of rows with these islands."""
    out = io.BytesIO()
    table = pa.table({"island": texts, "mass": pa.array([1.0] * len(texts))})
    pyarrow.parquet.write_table(table, out, **options)
    return out.getvalue()


def varint(number: int) -> bytes:
    """Return an integer as Thrift's compact protocol writes it."""
    number, parts = number << 1, bytearray()
    while number >= 128:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def ending_with(footer: bytes, length: int | None = None) -> bytes:
    """Return a file with another footer."""
    size = len(footer) if length is None else length
    return b"PAR1" + footer + size.to_bytes(4, "little") + b"PAR1"


MANY = b"\x19\xf3" + varint(2**18)  # begins a list of bytes


@pytest.mark.parametrize(
    "body",
    [
        *(b"PAR1", ending_with(b"", 1000), b"PAR1" * 10),
        ending_with(b"\x1c" * 20),  # structures in structures
        ending_with(b"\x19" + b"\xf9\x01" * 20),  # lists in lists
        ending_with(b"\x19\xf5" + varint(10**6)),  # more entries than values are allowed
        ending_with(MANY + bytes(2**18) + MANY + bytes(2**18)),
        ending_with(b"\x18" + varint(1000)),  # a text that is longer than the file
        ending_with(b"\x16" + b"\xff" * 12),  # a number that does not end
        ending_with(b"\x15\x02\x05\x02\x02"),  # a field twice
        ending_with(b"\x00"),
    ],
)
def test_parquet_with_a_broken_footer(client: FlaskClient, body: bytes) -> None:
    assert error(send(client, body, PARQUET)) == "BAD_REQUEST"


def test_parquet_of_many_pages(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_PAGES", 9)
    body = parquet(pd.concat([FRAME] * 5), data_page_size=1, write_batch_size=1)
    response = send(client, body, PARQUET)
    assert error(response) == "BAD_REQUEST"
    assert response.get_json()["message"] == "at most 9 pages are allowed in a column"


def test_parquet_whose_pages_are_longer_than_it_says(mixed_pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=mixed_pipeline))
    texts = pa.array([f"{index:02}" + "x" * 200_000 for index in range(40)])
    body = written(texts, use_dictionary=False, compression="gzip")
    metadata = pyarrow.parquet.ParquetFile(io.BytesIO(body)).metadata
    true = varint(metadata.row_group(0).column(0).total_uncompressed_size)
    false = b"\x82" + b"\x80" * (len(true) - 2) + b"\x00"
    footer = body.rindex(true)
    assert error(send(client, body[:footer] + false + body[footer + len(true) :], PARQUET), 413)


def test_parquet_whose_statistics_are_of_another_schema(client: FlaskClient) -> None:
    """pyarrow would end the process if it were asked for the metadata of the column."""
    body = parquet(FRAME)
    optional, required = b"%\x02\x18\x0csepal_length", b"%\x00\x18\x0csepal_length"
    assert body.count(optional) == 1
    response = send(client, body.replace(optional, required), PARQUET)
    assert error(response) == "BAD_REQUEST"


def test_parquet_with_a_part_of_its_footer_twice(client: FlaskClient) -> None:
    body = parquet(FRAME)
    length = int.from_bytes(body[-8:-4], "little")
    footer, version = body[-8 - length : -8], b"\x15\x04"  # field 1, with the number 2
    assert footer.startswith(version)
    twice = version + b"\x05\x02\x04" + footer[2:]  # field 1 once more
    end = len(twice).to_bytes(4, "little") + b"PAR1"
    assert error(send(client, body[: -8 - length] + twice + end, PARQUET)) == "BAD_REQUEST"


def test_parquet_of_texts_that_repeat_those_before(mixed_pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=mixed_pipeline))
    texts = pa.array(["x" * 1000 + str(index) for index in range(1000)])
    encodings = {"island": "DELTA_BYTE_ARRAY"}
    body = written(texts, use_dictionary=False, column_encoding=encodings)
    response = send(client, body, PARQUET)
    assert error(response) == "BAD_REQUEST"
    assert "DELTA_BYTE_ARRAY" in response.text


@pytest.mark.parametrize("options", [{"data_page_version": "2.0"}, {"row_group_size": 2}])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_parquet_of_any_writer(pipeline: Any, options: dict[str, Any], compression: str) -> None:
    client = speaking(Model(name="iris", pipeline=pipeline, schema=SCHEMA))
    out = io.BytesIO()
    table = pa.Table.from_pandas(pd.concat([FRAME] * 3))
    pyarrow.parquet.write_table(table, out, compression=compression, **options)
    response = send(client, out.getvalue(), PARQUET)
    assert response.status_code == 200
    assert len(response.get_json()["predictions"]) == 3 * len(FRAME)


def test_without_pyarrow(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_skmodels.dialects.mlflow.find_spec", lambda name: None)
    response = send(client, parquet(FRAME), PARQUET)
    needed = "Parquet needs the extra 'arrow' of Flask-SKModels on the server"
    assert error(response, 415)
    assert response.get_json()["message"].endswith(f"; {needed}")
    assert PARQUET not in response.text


def test_ping_and_version(client: FlaskClient) -> None:
    for path in ("/ping", "/health", "/ping/"):
        response = client.get(path)
        assert (response.status_code, response.text) == (200, "\n")
        assert response.content_type == "application/json"
    assert client.get("/version").text


def test_ping_of_a_missing_model(pipeline: Any, tmp_path: Path) -> None:
    (tmp_path / "iris.joblib").write_bytes(b"garbage")
    broken = Model(name="iris", pipeline=tmp_path / "iris.joblib")
    for models in ([], [broken]):
        config = {"SKMODELS_LOADING": "first-use", "SKMODELS_TRUST_PICKLE": True}
        client = speaking(*models, **config)
        assert client.get("/ping").status_code == client.get("/health").status_code == 404
    assert error(invoke(client, {"inputs": ROWS}), 503) == "TEMPORARILY_UNAVAILABLE"


def test_a_model_that_is_registered_late(pipeline: Any) -> None:
    client = speaking()
    models: SKModels = client.application.extensions["skmodels"].models
    assert client.post("/invocations", json={"inputs": ROWS}).status_code == 404
    models.add("iris", pipeline)
    assert client.get("/ping").status_code == 200
    assert invoke(client, {"inputs": ROWS}).json == {"predictions": [0, 2]}


def test_the_model_must_be_named() -> None:
    with pytest.raises(ConfigurationError, match="SKMODELS_MLFLOW_MODEL must name the model"):
        serve(SKMODELS_DIALECTS=["mlflow"])


def test_own_prefix(pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=pipeline), SKMODELS_MLFLOW_URL_PREFIX="/own")
    assert client.post("/own/invocations", json={"inputs": ROWS}).status_code == 200
    assert client.get("/own/ping").status_code == 200
    assert client.get("/ping").status_code == 404


# Folders


def folder(
    path: Path, estimator: Any, inputs: Any = None, example: Any = None, file: str = "model.pkl"
) -> Path:
    """Write a folder as MLflow does."""
    path.mkdir(exist_ok=True)
    if file.endswith(".skops"):
        skops.io.dump(estimator, path / file)
    else:
        joblib.dump(estimator, path / file)
    document: dict[str, Any] = {
        "flavors": {
            "python_function": {"loader_module": "mlflow.sklearn", "model_path": file},
            "sklearn": {"pickled_model": file, "serialization_format": "pickle"},
        },
        "signature": None if inputs is None else {"inputs": json.dumps(inputs)},
    }
    if example is not None:
        (path / "input_example.json").write_text(json.dumps(example), encoding="utf-8")
        document["saved_input_example_info"] = {"artifact_path": "input_example.json"}
    (path / "MLmodel").write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def named() -> Any:
    """An estimator that was fitted on a data frame."""
    return LogisticRegression(max_iter=500).fit(pd.DataFrame(X, columns=FIELDS), Y)


COLUMNS = [{"type": "double", "name": name, "required": True} for name in FIELDS]
TENSOR = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]
EXAMPLE = {"columns": list(FIELDS), "data": ROWS}


def served(path: Path, **config: Any) -> FlaskClient:
    trusting = {"SKMODELS_TRUST_PICKLE": True, **config}
    return speaking(Model(name="iris", pipeline=Artifact(path)), **trusting)


@pytest.mark.parametrize("inputs", [None, COLUMNS, COLUMNS[::-1], TENSOR])
@pytest.mark.parametrize("file", ["model.pkl", "model.skops"])
def test_folder(tmp_path: Path, named: Any, inputs: Any, file: str) -> None:
    client = served(folder(tmp_path / "model", named, inputs, file=file))
    assert invoke(client, {"dataframe_split": SPLIT}).json == {"predictions": [0, 2]}
    described = client.get("/iris/").get_json()
    digest = sha256((tmp_path / "model" / file).read_bytes()).hexdigest()
    assert described["artifact"]["sha256"] == digest
    assert described["examples"] == []


@pytest.mark.parametrize(
    ("example", "rows"),
    [
        (EXAMPLE, RECORDS),
        ({"data": ROWS}, ROWS),
        ({"columns": [0, 1, 2, 3], "data": ROWS}, ROWS),
        ({"inputs": ROWS}, ROWS),
        (RECORDS, RECORDS),
        ({"something": 1}, []),
        ("text", []),
        (["a", "b"], [["a"], ["b"]]),
        ({"inputs": [1, None]}, [[1], [None]]),
        ({"columns": 5, "data": ROWS}, ROWS),
        ({"columns": list(FIELDS), "data": [5]}, [{FIELDS[0]: 5}]),
        ({"columns": list(FIELDS), "data": [RECORDS[0], None]}, [RECORDS[0], {FIELDS[0]: None}]),
    ],
)
def test_example(tmp_path: Path, named: Any, example: Any, rows: Any) -> None:
    client = served(folder(tmp_path / "model", named, COLUMNS, example))
    assert client.get("/iris/").get_json()["examples"] == rows


def test_own_examples_come_first(tmp_path: Path, named: Any) -> None:
    path = folder(tmp_path / "model", named, COLUMNS, EXAMPLE)
    model = Model(name="iris", pipeline=Artifact(path), examples=[SETOSA])
    client = speaking(model, SKMODELS_TRUST_PICKLE=True)
    assert client.get("/iris/").get_json()["examples"] == [SETOSA]


def refusal(path: Path, **config: Any) -> str:
    with pytest.raises(ArtifactError) as caught:
        served(path, **config)
    return str(caught.value)


def test_pins(tmp_path: Path, named: Any) -> None:
    path = folder(tmp_path / "model", named)
    digest = sha256((path / "model.pkl").read_bytes()).hexdigest()
    told = refusal(path, SKMODELS_TRUST_PICKLE=False)
    assert f'Artifact("{path}", sha256="{digest}")' in told
    pinned = Model(name="iris", pipeline=Artifact(path, sha256=digest))
    assert invoke(speaking(pinned), {"inputs": ROWS}).json == {"predictions": [0, 2]}
    (path / "SHA256SUMS").write_text(f"{digest}  model.pkl\n", encoding="utf-8")
    sums = sha256((path / "SHA256SUMS").read_bytes()).hexdigest()
    config = {"SKMODELS_SHA256SUMS": (path / "SHA256SUMS", sums)}
    listed = served(path, SKMODELS_TRUST_PICKLE=False, **config)
    assert invoke(listed, {"inputs": ROWS}).json == {"predictions": [0, 2]}
    joblib.dump(clone(named), path / "model.pkl")
    with pytest.raises(ArtifactError, match="its pin is "):
        speaking(Model(name="iris", pipeline=Artifact(path, sha256=digest)))


def test_every_file_is_verified(tmp_path: Path, named: Any) -> None:
    path = folder(tmp_path / "model", named, COLUMNS, EXAMPLE)
    seen: list[str] = []

    def verify(file: Path, data: bytes) -> bool:
        assert file.read_bytes() == data
        seen.append(file.name)
        return True

    served(path, SKMODELS_VERIFY=verify)
    assert seen == ["MLmodel", "input_example.json", "model.pkl"]
    assert "refuses" in refusal(path, SKMODELS_VERIFY=lambda file, data: file.name != "MLmodel")


@pytest.mark.parametrize(
    "inputs",
    [
        COLUMNS[:3],
        [*COLUMNS[:3], {"type": "double", "name": "other"}],
        [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}],
        [{"type": "double"}] * 5,
    ],
)
def test_signature_of_another_estimator(tmp_path: Path, named: Any, inputs: Any) -> None:
    assert "signature" in refusal(folder(tmp_path / "model", named, inputs))


def test_signature_without_names(tmp_path: Path, pipeline: Any) -> None:
    for inputs in (COLUMNS, [{"type": "double"}] * 4):  # an array has no names to compare
        served(folder(tmp_path / "model", pipeline, inputs))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("flavors", {"pytorch": {}}, "flavor sklearn"),
        ("flavors", None, "flavor sklearn"),
        ("flavors", {"sklearn": {"pickled_model": 1}}, "flavor sklearn"),
        ("flavors", {"sklearn": {"pickled_model": "../model.pkl"}}, "not in its folder"),
        ("flavors", {"sklearn": {"pickled_model": "/model.pkl"}}, "not in its folder"),
        ("flavors", {"sklearn": {"pickled_model": ""}}, "not in its folder"),
        ("flavors", {"sklearn": {"pickled_model": "other.pkl"}}, "no such file"),
        ("flavors", {"sklearn": {"pickled_model": "MLmodel"}}, "its name must end with"),
        ("signature", {"inputs": "{"}, "signature cannot be read"),
        ("signature", {"inputs": 7}, "signature cannot be read"),
        ("signature", {"inputs": "[7]"}, "signature cannot be read"),
        ("saved_input_example_info", {"artifact_path": "../a"}, "not in its folder"),
        ("saved_input_example_info", {"artifact_path": "none.json"}, "cannot be read"),
        ("saved_input_example_info", {"artifact_path": "MLmodel"}, "not valid JSON"),
    ],
)
def test_bad_folder_is_refused(tmp_path: Path, named: Any, key: str, value: Any, told: str) -> None:
    path = folder(tmp_path / "model", named)
    document = yaml.safe_load((path / "MLmodel").read_text(encoding="utf-8"))
    document[key] = value
    (path / "MLmodel").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert told in refusal(path)


@pytest.mark.parametrize(
    "text", ["{", "[]", "a: [", "!!python/object/apply:os.system ['true']", "\x00", "- " * 2000]
)
def test_description_that_is_none(tmp_path: Path, named: Any, text: str) -> None:
    path = folder(tmp_path / "model", named)
    (path / "MLmodel").write_text(text, encoding="utf-8")
    assert "MLmodel" in refusal(path)


def test_without_pyyaml(tmp_path: Path, named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "model", named)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert install_line("mlflow") in refusal(path)


def test_a_new_folder_is_served_after_a_reload(tmp_path: Path, named: Any) -> None:
    other = clone(named).fit(pd.DataFrame(X, columns=FIELDS), (Y > 1) * 1.0)
    path = folder(tmp_path / "model", other)
    client = served(path)
    models: SKModels = client.application.extensions["skmodels"].models
    assert invoke(client, {"inputs": ROWS}).json == {"predictions": [0.0, 1.0]}
    folder(path, named)
    models.refresh("iris", client.application)
    assert invoke(client, {"inputs": ROWS}).json == {"predictions": [0, 2]}

"""Files that are no regular files, too large, or lead elsewhere; graphs and schemas that cost much.

The older version keeps serving, nothing is read that the application did not name, and the load
ends soon.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import onnx
import pytest
import skl2onnx
import skops.io
import yaml
from flask import Flask

from flask_skmodels import Artifact, ArtifactError, Model, SKModels
from flask_skmodels.artifacts import regular_files
from flask_skmodels.artifacts.loading import load
from tests.support.helpers import X, Y, problem
from tests.support.skips import LINUX
from tests.support.versions_folder import PREDICT, ROW, application, iris, put

SECRET = "a secret of the server"


def refuse(root: Path, name: str, **config: Any) -> str:
    """Return why an application that declares a file does not start."""
    app = Flask("refused", root_path=str(root))
    app.config.update(SKMODELS_TRUST_PICKLE=True, **config)
    models = SKModels()
    models.register(Model(name="iris", pipeline=name))
    with pytest.raises(ArtifactError) as caught:
        models.init_app(app)
    return caught.value.reason


def serving_first(root: Path, spoil: Callable[[Path], object], **config: Any) -> list[str]:
    """Return why a second version fails, after checking that the first serves in its place."""
    put(root / "iris", "1")
    spoil(root / "iris" / "2.joblib")
    app = application(iris(), root=root, **config)
    response = app.test_client().post(PREDICT, json=ROW)
    assert response.headers["X-Model-Version"] == "1"
    return list(app.extensions["skmodels"].deployments["iris"].versions.failures.values())


def sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 * 2**30)


def test_sparse_file_is_not_read(tmp_path: Path) -> None:
    started = time.monotonic()
    (reason,) = serving_first(tmp_path, sparse_file)
    assert "it has 21,474,836,480 bytes, more than the limit of 4,294,967,296" in reason
    assert "SKMODELS_MAX_ARTIFACT_BYTES" in reason
    assert time.monotonic() - started < 5


def test_limit_of_the_configuration(tmp_path: Path, pipeline: Any) -> None:
    (tmp_path / "iris.skops").write_bytes(skops.io.dumps(pipeline))
    assert "more than the limit of 100" in refuse(
        tmp_path, "iris.skops", SKMODELS_MAX_ARTIFACT_BYTES=100
    )
    (reason,) = serving_first(
        tmp_path, lambda path: path.write_bytes(bytes(10_000)), SKMODELS_MAX_ARTIFACT_BYTES=5_000
    )
    assert "it has 10,000 bytes" in reason


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a link to a file outside its folder"),
        (lambda path: path.symlink_to("../secret"), "it is a link to a file outside its folder"),
        (lambda path: path.symlink_to("1.joblib/../.."), "it is a link to a file outside"),
        (lambda path: path.symlink_to(path.name), "it cannot be read"),
        (Path.mkdir, "it is a directory"),
        (Path.touch, "it is empty"),
    ],
)
@LINUX
def test_version_that_is_no_regular_file(tmp_path: Path, spoil: Any, told: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (reason,) = serving_first(tmp_path, spoil)
    assert told in reason
    assert SECRET not in reason


def test_links_inside_a_folder_are_followed(tmp_path: Path) -> None:
    data = tmp_path / "iris" / "..data"
    data.mkdir(parents=True)
    put(data, "1")
    (tmp_path / "iris" / "1.joblib").symlink_to("..data/1.joblib")
    app = application(iris(), root=tmp_path)
    assert app.test_client().post(PREDICT, json=ROW).headers["X-Model-Version"] == "1"


def grows_when_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = regular_files._check

    def growing(checked: Path, *details: Any) -> None:
        check(checked, *details)
        if checked == path:
            with path.open("ab") as file:
                file.write(bytes(2**20))

    monkeypatch.setattr(regular_files, "_check", growing)


NO_REGULAR_FILES = [
    (os.mkfifo, "it is not a regular file"),
    (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
    (sparse_file, "it has 21,474,836,480 bytes, more than the limit"),
    (Path.mkdir, "it is a directory"),
]


@pytest.mark.parametrize(("make", "told"), NO_REGULAR_FILES[:3])
@pytest.mark.parametrize("name", ["iris.skops", "iris.joblib", "iris.onnx"])
@LINUX
def test_single_file_that_is_no_regular_file(
    tmp_path: Path, name: str, make: Any, told: str
) -> None:
    make(tmp_path / name)
    assert told in refuse(tmp_path, name)


@pytest.mark.parametrize(("make", "told"), NO_REGULAR_FILES)
@LINUX
def test_list_of_digests_that_is_no_regular_file(tmp_path: Path, make: Any, told: str) -> None:
    (tmp_path / "iris.pkl").write_bytes(b"\x80")
    make(tmp_path / "SHA256SUMS")
    pinned = ("SHA256SUMS", "0" * 64)
    assert told in refuse(tmp_path, "iris.pkl", SKMODELS_SHA256SUMS=pinned)


def test_hard_link_of_a_cache_is_a_version(tmp_path: Path) -> None:
    """Tools such as DVC link the files of their cache; links that lead out are refused."""
    cached = put(tmp_path / "cache", "0")
    (tmp_path / "iris").mkdir()
    os.link(cached, tmp_path / "iris" / "1.joblib")
    client = application(iris(), root=tmp_path).test_client()
    assert client.post(PREDICT, json=ROW).headers["X-Model-Version"] == "1"


@pytest.mark.parametrize("is_mapped", [False, True])
def test_file_that_grows_is_not_read_on(
    tmp_path: Path, pipeline: Any, monkeypatch: pytest.MonkeyPatch, *, is_mapped: bool
) -> None:
    import joblib

    path = tmp_path / "iris.joblib"
    joblib.dump(pipeline, path)
    grows_when_opened(path, monkeypatch)
    artifact = Artifact("iris.joblib", mmap_mode="r" if is_mapped else None)
    from flask_skmodels.artifacts.declaration import Policy

    with pytest.raises(ArtifactError, match="it was changed while it was loaded"):
        load(artifact, Policy(root=tmp_path, trust_pickle=True))


def test_zero_byte_in_a_path(tmp_path: Path) -> None:
    app = application(root=tmp_path, SKMODELS_SHA256SUMS=("SUMS\0", "0" * 64))
    (tmp_path / "iris.pkl").write_bytes(b"\x80")
    models = app.extensions["skmodels"].models
    with pytest.raises(ArtifactError, match="model 'iris': "):
        models.register(Model(name="iris", pipeline=Artifact("iris\0.skops")))
    with pytest.raises(ArtifactError, match="it cannot be read: "):
        models.register(Model(name="other", pipeline=Artifact("iris.pkl")))


# -- Folders of MLflow


@pytest.fixture
def folder(tmp_path: Path, pipeline: Any) -> Path:
    """A folder of MLflow with a model of skops and an example."""
    path = tmp_path / "mlflow"
    path.mkdir()
    (path / "model.skops").write_bytes(skops.io.dumps(pipeline))
    (path / "example.json").write_text(json.dumps([[5.1, 3.5, 1.4, 0.2]]))
    document = {
        "flavors": {"sklearn": {"pickled_model": "model.skops"}},
        "saved_input_example_info": {"artifact_path": "example.json"},
    }
    (path / "MLmodel").write_text(yaml.safe_dump(document))
    return path


def _replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return replace


def _renamed(**names: str) -> Callable[[Path], object]:
    def rename(folder: Path) -> None:
        document = yaml.safe_load((folder / "MLmodel").read_text())
        if "model" in names:
            document["flavors"]["sklearn"]["pickled_model"] = names["model"]
        if "example" in names:
            document["saved_input_example_info"]["artifact_path"] = names["example"]
        (folder / "MLmodel").write_text(yaml.safe_dump(document))

    return rename


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_replaced("example.json", os.mkfifo), "it is not a regular file"),
        (_replaced("example.json", lambda p: p.symlink_to("/dev/zero")), "outside its folder"),
        (_replaced("example.json", lambda p: p.symlink_to("../secret")), "outside its folder"),
        (_replaced("example.json", sparse_file), "more than the limit of 16,777,216"),
        (_replaced("example.json", lambda p: p.write_text("[" * 10**5)), "it is not valid JSON"),
        (_replaced("example.json", Path.mkdir), "it is a directory"),
        (_replaced("MLmodel", os.mkfifo), "it is not a regular file"),
        (_replaced("MLmodel", lambda p: p.symlink_to("/dev/zero")), "outside its folder"),
        (_replaced("MLmodel", lambda p: p.symlink_to("../secret")), "outside its folder"),
        (_replaced("MLmodel", sparse_file), "more than the limit of 16,777,216"),
        (_replaced("model.skops", lambda p: p.symlink_to("../secret.skops")), "outside its folder"),
        (_replaced("model.skops", lambda p: p.symlink_to("/dev/zero")), "outside its folder"),
        (_replaced("model.skops", sparse_file), "more than the limit of 4,294,967,296"),
        (_replaced("model.skops", os.mkfifo), "it is not a regular file"),
        (_renamed(model="a\0b.skops"), "it names a file that is not in its folder"),
        (_renamed(example="a\0b"), "it names a file that is not in its folder"),
        (_renamed(model="../secret.skops"), "it names a file that is not in its folder"),
    ],
)
@LINUX
def test_folder_of_mlflow(folder: Path, spoil: Callable[[Path], object], told: str) -> None:
    (folder.parent / "secret").write_text(SECRET)
    shutil.copy(folder / "model.skops", folder.parent / "secret.skops")
    spoil(folder)
    reason = refuse(folder.parent, "mlflow")
    assert told in reason
    assert SECRET not in reason


def test_example_of_mlflow_that_grows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grows_when_opened(folder / "example.json", monkeypatch)
    assert "it was changed while it was loaded" in refuse(folder.parent, "mlflow")


# -- The schema of skops


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (
            b'{"content": [' + b"[]," * 10_000_000 + b"[]]}",
            "its schema.json claims to have 30,000,",
        ),
        (b'{"content": [' + b"[]," * 330_000 + b"[]]}", "lists and dictionaries in 990,"),
        (b"[" * 100_000 + b"]" * 100_000, "lists and dictionaries in 200,000 bytes"),
        (b"[" * 2_000 + b"]" * 2_000, "RecursionError"),
    ],
)
def test_schema_of_lists(tmp_path: Path, schema: bytes, told: str) -> None:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", schema)
    (tmp_path / "a.skops").write_bytes(buffer.getvalue())
    started = time.process_time()
    assert told in refuse(tmp_path, "a.skops")
    assert time.process_time() - started < 2


# -- Graphs of ONNX that read other files

FLOATS = [onnx.helper.make_tensor_value_info("X", 1, [None, 4])]
LABEL = [onnx.helper.make_tensor_value_info("variable", 1, [None, 1])]


def outside(name: str = "w") -> onnx.TensorProto:
    """Return a tensor whose data are in another file."""
    tensor = onnx.numpy_helper.from_array(np.ones((4, 1), np.float32), name)
    onnx.external_data_helper.set_external_data(tensor, ".env")
    tensor.ClearField("raw_data")
    return tensor


def graph_of(nodes: list[Any], weights: list[Any]) -> onnx.ModelProto:
    multiply = onnx.helper.make_node("MatMul", ["X", "w"], ["variable"])
    graph = onnx.helper.make_graph([*nodes, multiply], "graph", FLOATS, LABEL, weights)
    return onnx.helper.make_model(graph, ir_version=8)


def branch(*nodes: Any, weights: Any = ()) -> onnx.GraphProto:
    output = [onnx.helper.make_tensor_value_info("w", 1, [4, 1])]
    return onnx.helper.make_graph(list(nodes), "branch", [], output, list(weights))


def conditional(then: onnx.GraphProto) -> onnx.ModelProto:
    true = onnx.helper.make_node("Constant", [], ["c"], value_ints=[1])
    other = onnx.helper.make_node("If", ["c"], ["w"], then_branch=then, else_branch=then)
    return graph_of([true, other], [])


def sparse() -> onnx.ModelProto:
    indices = onnx.numpy_helper.from_array(np.arange(4), "i")
    made = onnx.helper.make_sparse_tensor(outside(), indices, [4, 1])
    return graph_of([onnx.helper.make_node("Constant", [], ["w"], sparse_value=made)], [])


def of_training() -> onnx.ModelProto:
    model = graph_of([], [onnx.numpy_helper.from_array(np.ones((4, 1), np.float32), "w")])
    model.training_info.add().algorithm.initializer.append(outside())
    return model


def location_alone() -> onnx.ModelProto:
    tensor = outside()
    tensor.ClearField("data_location")
    return graph_of([], [tensor])


CONSTANT = onnx.helper.make_node("Constant", [], ["w"], value=outside())
ELSEWHERE = {
    "a weight": graph_of([], [outside()]),
    "a constant": graph_of([CONSTANT], []),
    "a branch": conditional(branch(weights=[outside()])),
    "a constant in a branch": conditional(branch(CONSTANT)),
    "a sparse tensor": sparse(),
    "the graph of a training": of_training(),
    "a location alone": location_alone(),
}


@pytest.mark.parametrize("place", ELSEWHERE)
def test_graph_does_not_read_other_files(tmp_path: Path, place: str) -> None:
    (tmp_path / ".env").write_bytes(np.ones(4, np.float32).tobytes())
    (tmp_path / "a.onnx").write_bytes(ELSEWHERE[place].SerializeToString())
    assert "it keeps weights in other files" in refuse(tmp_path, "a.onnx")


def good_graph() -> bytes:
    from sklearn.linear_model import LinearRegression

    model, example = LinearRegression().fit(X, Y), X[:1].astype(np.float32)
    graph = skl2onnx.to_onnx(model, example, target_opset={"": 18, "ai.onnx.ml": 3})
    return bytes(graph.SerializeToString())


def length_delimited(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (length_delimited(7, b""), "the field graph occurs twice in one of its messages"),
        (b"\x08\x08", "the field ir_version occurs twice in one of its messages"),
        (
            length_delimited(2, b"a") * 2,
            "the field producer_name occurs twice in one of its messages",
        ),
        (b"\xf8\x3f\x01", "upgrade onnx"),
        (b"\x0b\x0c", "upgrade onnx"),  # a group in place of ir_version
    ],
)
def test_graph_with_other_fields(tmp_path: Path, more: bytes, told: str) -> None:
    for data in (good_graph() + more, more + good_graph()):
        (tmp_path / "a.onnx").write_bytes(data)
        assert told in refuse(tmp_path, "a.onnx")


def test_location_that_is_given_twice(tmp_path: Path) -> None:
    """A parser takes the last one; the tensor is in the file for it, and outside for another."""
    tensor = onnx.numpy_helper.from_array(np.ones((4, 1), np.float32), "w").SerializeToString()
    twice = tensor + b"\x70\x01" + b"\x70\x00"  # data_location, field 14
    graph = graph_of([], []).graph.SerializeToString() + length_delimited(5, twice)
    rest = b"\x08\x08" + length_delimited(8, length_delimited(1, b"") + b"\x10\x12")
    (tmp_path / "a.onnx").write_bytes(rest + length_delimited(7, graph))
    assert "the field data_location occurs twice in one of its messages" in refuse(
        tmp_path, "a.onnx"
    )


def test_session_is_created_from_the_bytes_that_were_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    from flask_skmodels.artifacts.declaration import Policy

    model = onnx.ModelProto.FromString(good_graph())
    packed = length_delimited(7, model.graph.SerializeToString())
    model.ClearField("graph")
    path = tmp_path / "a.onnx"
    path.write_bytes(packed + model.SerializeToString())  # the graph comes first
    estimator = load(Artifact("a.onnx"), Policy(root=tmp_path)).estimator
    path.unlink()
    created: list[bytes] = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, data: bytes, *details: Any, **more: Any) -> None:
            created.append(data)
            super().__init__(data, *details, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert estimator.predict(X[:2].astype(np.float32)).shape == (2,)
    assert created == [good_graph()]


def test_client_gets_no_reason(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "iris" / "2.joblib").symlink_to("../secret")
    client = application(iris(), root=tmp_path).test_client()
    response = client.post("/iris/versions/2/predict/", json=ROW)
    assert str(tmp_path) not in json.dumps(problem(response, 503))

"""Canary versions, which get a share of the requests, and shadow versions, which get a copy."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask, Request, abort
from scipy.sparse import csr_matrix
from sklearn.dummy import DummyClassifier
from sklearn.preprocessing import StandardScaler

from flask_skmodels import (
    Model,
    ModelError,
    Prediction,
    before_prediction,
    model_load_failed,
    shadow_prediction,
)
from flask_skmodels.inference.shadow import WAITING, WAITING_ROWS, Comparison
from tests.support.versions_folder import (
    FIELDS,
    PREDICT,
    ROW,
    application,
    artifact,
    constant,
    deployment_of,
    extension_of,
    failed,
    iris,
    put,
    refresh,
    served_by,
    spoil,
)

REQUESTS = 10_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in "123":
        put(tmp_path / "iris", label)
    return tmp_path / "iris"


def splitting(folder: Path, traffic: dict[str, float], **options: Any) -> Flask:
    return application(iris(traffic=traffic, **options), root=folder.parent)


def is_share(count: int, share: float) -> bool:
    """Return whether a count of all requests is within five deviations of a binomial share."""
    return abs(count - REQUESTS * share) <= 5 * sqrt(REQUESTS * share * (1 - share))


def sides(app: Flask, keys: list[str | None]) -> list[str | None]:
    """Return the version that each key meets."""
    deployment = deployment_of(app)
    return [deployment.version(app, key=key).label for key in keys]


KEYS: list[str | None] = [f"user-{number}" for number in range(REQUESTS)]


# What traffic may be


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"traffic": {"2": 1.5}}, "traffic must be a mapping"),
        ({"traffic": {"2": -0.1}}, "traffic must be a mapping"),
        ({"traffic": {"2": 0.6, "3": 0.6}}, "traffic must be a mapping"),
        ({"traffic": {"2": float("nan")}}, "traffic must be a mapping"),
        ({"traffic": {"2": "0.1"}}, "traffic must be a mapping"),
        ({"traffic": {"2": True}}, "traffic must be a mapping"),
        ({"traffic": {2: 0.1}}, "traffic must be a mapping"),
        ({"traffic": [("2", 0.1)]}, "traffic must be a mapping"),
        ({"shadow": 2}, r"shadow must be the label of a version \(a string\)"),
        ({"shadow": ""}, r"shadow must be the label of a version \(a string\)"),
        ({"traffic_key": "X-User"}, "traffic_key must be 'header:NAME'"),
        ({"traffic_key": "header:"}, "traffic_key must be 'header:NAME'"),
        ({"traffic_key": 5}, "traffic_key must be 'header:NAME'"),
    ],
)
def test_traffic_that_cannot_be_split(
    folder: Path, attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=f"model 'iris': {message}"):
        application(iris(**attributes), root=folder.parent)


@pytest.mark.parametrize("attributes", [{"traffic": {"2": 0.1}}, {"shadow": "2"}])
@pytest.mark.parametrize("pipeline", [constant("1"), "1.joblib"])
def test_traffic_needs_a_folder(folder: Path, pipeline: Any, attributes: dict[str, Any]) -> None:
    message = r"model 'iris': .*(need|only if pipeline is) a folder of versions"
    with pytest.raises(ModelError, match=message):
        application(iris(pipeline, **attributes), root=folder)


@pytest.mark.parametrize("shares", [[0.1] * 10, [0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [1], [0]])
def test_shares_may_sum_to_one(folder: Path, shares: list[float]) -> None:
    traffic = {str(label): share for label, share in enumerate(shares, start=1)}
    assert set(sides(splitting(folder, traffic), KEYS[:50])) <= {*traffic, "3"}


# The share


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("keys", [KEYS, [None] * REQUESTS], ids=["keys", "random"])
def test_share_is_met(folder: Path, keys: list[str | None], share: float) -> None:
    counts = Counter(sides(splitting(folder, {"3": share}), keys))
    assert set(counts) == {"2", "3"}
    assert is_share(counts["3"], share)


@pytest.mark.parametrize(("share", "label"), [(0, "2"), (1, "3")])
def test_none_or_all(folder: Path, share: float, label: str) -> None:
    assert set(sides(splitting(folder, {"3": share}), KEYS)) == {label}


def test_two_canaries(folder: Path) -> None:
    counts = Counter(sides(splitting(folder, {"3": 0.1, "2": 0.3}), KEYS))
    assert set(counts) == {"1", "2", "3"}
    assert is_share(counts["3"], 0.1)
    assert is_share(counts["2"], 0.3)


def test_key_never_changes_side(folder: Path) -> None:
    one = sides(splitting(folder, {"3": 0.1}), KEYS)
    assert sides(splitting(folder, {"3": 0.1}), KEYS) == one
    app = splitting(folder, {"3": 0.1})
    put(folder, "2.5")
    refresh(app)
    assert [side == "3" for side in sides(app, KEYS)] == [side == "3" for side in one]


def test_larger_share_keeps_its_clients(folder: Path) -> None:
    one, more = (sides(splitting(folder, {"3": share}), KEYS) for share in (0.1, 0.2))
    assert all(later == "3" for side, later in zip(one, more, strict=True) if side == "3")


def test_another_canary_after_it_keeps_its_clients(folder: Path) -> None:
    one = sides(splitting(folder, {"3": 0.1}), KEYS)
    two = sides(splitting(folder, {"3": 0.1, "1": 0.1}), KEYS)
    assert [side == "3" for side in one] == [side == "3" for side in two]
    assert "1" in two


def test_models_split_the_same_keys_differently(folder: Path) -> None:
    models = [
        Model(name=name, pipeline="iris", schema=FIELDS, traffic={"3": 0.5}) for name in ("a", "b")
    ]
    app = application(*models, root=folder.parent)
    one, other = (
        [deployment_of(app, name).version(app, key=key).label for key in KEYS]
        for name in ("a", "b")
    )
    assert one != other


# The key


def by_argument(request: Request) -> str | None:
    return request.args.get("user")


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("header:X-User", lambda user: {"headers": {"X-User": user}}),
        ("cookie:user", lambda user: {"headers": {"Cookie": f"user={user}"}}),
        (by_argument, lambda user: {"query_string": {"user": user}}),
    ],
)
def test_client_meets_the_same_version(
    folder: Path, key: Any, options: Callable[[str], dict[str, Any]]
) -> None:
    app = splitting(folder, {"3": 0.5}, traffic_key=key)
    client = app.test_client(use_cookies=False)

    def version_for(user: str) -> str:
        document = client.post(PREDICT, json=ROW, **options(user)).get_json()
        assert document["predictions"] == [document["version"]]
        return str(document["version"])

    users = [f"user-{number}" for number in range(40)]
    met = [version_for(user) for user in users]
    assert met == sides(app, list(users))
    assert [version_for(user) for user in users] == met
    assert set(met) == {"2", "3"}


def test_client_without_a_key_meets_any(folder: Path) -> None:
    client = splitting(folder, {"3": 0.5}, traffic_key="header:X-User").test_client()
    assert {served_by(client)[0] for _ in range(60)} == {"2", "3"}


def test_in_process_meets_any(folder: Path) -> None:
    app = splitting(folder, {"3": 0.5})
    models = extension_of(app)
    met = {models.predict("iris", ROW, app=app).version for _ in range(60)}
    assert met == {"2", "3"}


def test_request_that_has_no_good_key_meets_any(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def key(request: Request) -> str:
        return f"user-{int(request.headers.get('X-User') or request.args['user'])}"

    client = splitting(folder, {"3": 0.5}, traffic_key=key).test_client()
    assert {served_by(client, **{"X-User": "7"})[0] for _ in range(20)} in ({"2"}, {"3"})
    assert {served_by(client, **{"X-User": "seven"})[0] for _ in range(60)} == {"2", "3"}
    assert {served_by(client)[0] for _ in range(60)} == {"2", "3"}  # flask's 400 for a missing one
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "traffic_key of model 'iris' failed: ValueError",
        "traffic_key of model 'iris' failed: BadRequestKeyError",
    ]


def test_key_may_be_any_value(folder: Path) -> None:
    def key(request: Request) -> Any:
        return int(request.headers["X-User"])

    app = splitting(folder, {"3": 0.5}, traffic_key=key)
    users = [str(number) for number in range(20)]
    met = [served_by(app.test_client(), **{"X-User": user})[0] for user in users]
    assert met == sides(app, list(users))


def test_key_may_abort(folder: Path) -> None:
    def key(request: Request) -> str:
        abort(403)

    client = splitting(folder, {"3": 0.5}, traffic_key=key).test_client()
    assert client.post(PREDICT, json=ROW).status_code == 403
    assert served_by(client, "/iris/versions/1/predict/") == ("1", "1")  # nothing to split there


@pytest.mark.parametrize("key", ["header:X-User", "cookie:user", lambda request: ""])
def test_empty_key_is_none(folder: Path, key: Any) -> None:
    client = splitting(folder, {"3": 0.5}, traffic_key=key).test_client(use_cookies=False)
    headers = {"X-User": "", "Cookie": "user="}
    assert {served_by(client, **headers)[0] for _ in range(60)} == {"2", "3"}


# Which version serves beside a canary


def test_canary_does_not_serve_the_rest_although_it_is_the_newest(folder: Path) -> None:
    client = splitting(folder, {"3": 0}).test_client()
    assert served_by(client) == ("2", "2")
    assert client.get("/iris/").get_json()["traffic"] == {"3": 0}


def test_canary_that_is_pinned_serves_all(folder: Path) -> None:
    app = splitting(folder, {"3": 0.5}, pipeline=artifact(version="3"))
    assert set(sides(app, KEYS[:50])) == {"3"}


def test_canary_that_is_alone_serves_all(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = splitting(tmp_path / "iris", {"1": 0.5})
    assert set(sides(app, KEYS[:50])) == {"1"}


def test_canary_is_loaded_at_start(folder: Path) -> None:
    client = splitting(folder, {"3": 0.5}).test_client()
    versions = client.get("/iris/").get_json()["versions"]
    assert [each["is_loaded"] for each in versions] == [True, True, False]


@pytest.mark.parametrize("kind", ["broken", "missing", "other fields", "other methods"])
def test_canary_that_is_no_good_is_replaced_by_the_version_that_serves(
    folder: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "broken":
        spoil(folder, "4")
    elif kind == "other methods":
        put(folder, "4", constant(4.0))
    elif kind == "other fields":
        from tests.versions.test_versions import lines

        for label in "1234":
            put(folder, label, lines(*("ab" if label < "4" else "ba")))
    schema = None if kind == "other fields" else FIELDS
    model = Model(
        name="iris",
        pipeline="iris",
        schema=schema,
        traffic={"4": 1},
        probability=kind == "other methods",
    )
    app = application(model, root=folder.parent)
    heard: list[str | None] = []

    def note(sender: Flask, version: str | None, **extra: Any) -> None:
        heard.append(version)

    model_load_failed.connect(note)
    client = app.test_client()
    caplog.clear()
    for _ in range(3):
        assert client.post(PREDICT, json=ROW).get_json()["version"] == "3"
    assert heard == []  # it was told at the start
    assert len([record for record in caplog.records if "canary 4" in record.getMessage()]) == 1
    assert failed(client) == (["4"] if kind in {"broken", "other methods"} else [])


def test_canary_that_comes_later(folder: Path) -> None:
    app = splitting(folder, {"4": 1})
    assert served_by(app.test_client()) == ("3", "3")
    put(folder, "4")
    refresh(app)
    assert served_by(app.test_client()) == ("4", "4")


# The shadow


class Asked:
    """What shadow_prediction tells."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        shadow_prediction.connect(self.hear)

    def hear(self, sender: Flask, **arguments: Any) -> None:
        self.found.append({"sender": sender, **arguments})


@pytest.fixture
def asked() -> Asked:
    return Asked()


def shadowing(folder: Path, **options: Any) -> Flask:
    return application(iris(shadow="3", **options), root=folder.parent)


def wait(app: Flask) -> dict[str, Any]:
    """Wait until the shadow has answered all, and return how it compares."""
    shadow = deployment_of(app).shadow
    assert shadow is not None
    shadow.wait()
    comparison = extension_of(app).comparison("iris", app)
    assert comparison is not None
    document = app.test_client().get("/iris/").get_json()["shadow"]
    assert document == json.loads(json.dumps(comparison))
    return comparison


def test_shadow_is_asked_and_told_of(folder: Path, asked: Asked) -> None:
    app = shadowing(folder)
    assert served_by(app.test_client(), **{"X-Request-ID": "abc"}) == ("2", "2")
    assert wait(app) == {
        "version": "3",
        "rows": 1,
        "agreement": 0.0,
        "mean_difference": None,
        "largest_difference": None,
        "dropped": 0,
        "failed": 0,
    }
    [arguments] = asked.found
    assert arguments["sender"] is app
    assert arguments["model"] is extension_of(app)["iris"]
    prediction, shadow = arguments["prediction"], arguments["shadow"]
    assert isinstance(prediction, Prediction)
    assert (prediction.version, list(prediction.outputs)) == ("2", ["2"])
    assert (shadow.version, list(shadow.outputs)) == ("3", ["3"])
    assert prediction.request_id == shadow.request_id == "abc"
    assert np.array_equal(shadow.inputs, prediction.inputs)
    assert shadow.seconds > 0


def test_shadow_is_asked_in_process_but_not_for_a_version_by_name(
    folder: Path, asked: Asked
) -> None:
    app = shadowing(folder)
    models = extension_of(app)
    models.predict("iris", ROW, app=app)
    models.predict("iris", ROW, app=app, version="1")
    served_by(app.test_client(), "/iris/versions/1/predict/")
    wait(app)
    assert len(asked.found) == 1


def test_shadow_is_not_asked_what_it_has_answered(folder: Path, asked: Asked) -> None:
    app = shadowing(folder, traffic={"3": 1})
    assert served_by(app.test_client()) == ("3", "3")
    assert wait(app)["rows"] == 0
    assert asked.found == []


def test_answers_of_a_canary_are_told_of_but_not_compared(folder: Path, asked: Asked) -> None:
    app = shadowing(folder, traffic={"1": 1})
    assert served_by(app.test_client()) == ("1", "1")
    assert wait(app)["rows"] == 0
    assert len(asked.found) == 1


def test_model_without_a_shadow(folder: Path) -> None:
    app = splitting(folder, {})
    assert extension_of(app).comparison("iris", app) is None
    assert "shadow" not in app.test_client().get("/iris/").get_json()


class SlowShadow(Model):
    """A model whose shadow does not answer before it may."""

    name, pipeline, schema, shadow = "iris", "iris", FIELDS, "3"

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.leave = threading.Event(), threading.Event()

    def predict(self, X: Any) -> Any:
        outputs = super().predict(X)
        if outputs[0] == "3":
            self.entered.set()
            assert self.leave.wait(30)
        return outputs


def test_slow_shadow_costs_the_client_nothing_and_drops_are_counted(folder: Path) -> None:
    model = SlowShadow()
    app = application(model, root=folder.parent)
    client = app.test_client()
    try:
        assert served_by(client) == ("2", "2")
        assert model.entered.wait(10)
        for _ in range(WAITING + 7):
            assert served_by(client) == ("2", "2")
        comparison = extension_of(app).comparison("iris", app)
        assert comparison is not None
        assert (comparison["rows"], comparison["dropped"]) == (0, 7)
    finally:
        model.leave.set()
    comparison = wait(app)
    assert (comparison["rows"], comparison["dropped"]) == (WAITING + 1, 7)


class Scaling(Model):
    """A model that writes to what it is given."""

    name, schema, shadow = "iris", FIELDS, "3"

    def predict(self, X: Any) -> Any:
        X *= 10.0
        return X.to_numpy()[:, 0] if hasattr(X, "to_numpy") else X[:, 0]

    transform = predict


@pytest.mark.parametrize("kind", ["array", "frame", "in place"])
def test_shadow_is_asked_what_the_version_that_answered_was(
    tmp_path: Path, asked: Asked, kind: str
) -> None:
    from tests.versions.test_versions import lines

    for label in "13":
        estimators = {
            "array": constant(1.0),
            "frame": lines(*"ab"),
            "in place": StandardScaler(copy=False).fit(np.array([[0.0, 0.0], [2.0, 2.0]])),
        }
        put(tmp_path / "iris", label, estimators[kind])
    model = Model(name="iris", schema=FIELDS, shadow="3") if kind == "in place" else Scaling()
    model.configure(pipeline="iris")
    app = application(model, root=tmp_path)
    method = "transform" if kind == "in place" else "predict"
    rows = [{"a": 4.0, "b": 5.0}] * 3
    for _ in range(2):
        prediction = extension_of(app).predict("iris", rows, method, app=app)
        expected = [[3.0, 4.0]] * 3 if kind == "in place" else [40.0] * 3
        assert np.asarray(prediction.outputs).tolist() == expected
    comparison = wait(app)
    assert (comparison["rows"], comparison["largest_difference"]) == (6, 0.0)
    assert np.asarray(asked.found[-1]["shadow"].outputs).tolist() == expected


@pytest.mark.parametrize("labels", ["ab", "bc", "abc"])
def test_probabilities_of_other_classes_are_not_compared(tmp_path: Path, labels: str) -> None:
    for version, known in (("1", "ab"), ("3", labels)):
        estimator = DummyClassifier(strategy="uniform").fit(np.zeros((len(known), 2)), list(known))
        put(tmp_path / "iris", version, estimator)
    app = shadowing(tmp_path / "iris", probability=True)
    extension_of(app).predict("iris", [ROW, ROW], "predict_proba", app=app)
    comparison = wait(app)
    assert comparison["rows"] == 2
    assert comparison["agreement"] == (None if labels == "ab" else 0.0)
    assert comparison["largest_difference"] == (0.0 if labels == "ab" else None)


def test_rows_that_wait_are_bounded(folder: Path) -> None:
    model = SlowShadow()
    app = application(model, root=folder.parent)
    models = extension_of(app)
    try:
        models.predict("iris", ROW, app=app)
        assert model.entered.wait(10)
        many = np.zeros((WAITING_ROWS // 2, 2))
        for _ in range(3):
            models.predict("iris", many, app=app)
        models.predict("iris", ROW, app=app)
    finally:
        model.leave.set()
    comparison = wait(app)
    assert (comparison["rows"], comparison["dropped"]) == (WAITING_ROWS + 1, 2)


def test_shadow_without_a_thread_to_spare(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    app = shadowing(folder)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert served_by(app.test_client()) == ("2", "2")
    assert wait(app)["dropped"] == 1
    served_by(app.test_client())
    assert wait(app)["rows"] == 1


@pytest.mark.parametrize("kind", ["broken", "missing", "raises", "frame"])
def test_failing_shadow_costs_the_client_nothing(
    folder: Path, kind: str, caplog: pytest.LogCaptureFixture, asked: Asked
) -> None:
    class Failing(Model):
        name, pipeline, schema, shadow = "iris", "iris", FIELDS, "3"

        def predict(self, X: Any) -> Any:
            outputs = super().predict(X)
            if outputs[0] == "3" and kind == "raises":
                raise ValueError("no idea")
            return outputs

    if kind == "broken":
        spoil(folder, "3")
    elif kind == "missing":
        (folder / "3.joblib").unlink()
    elif kind == "frame":
        from tests.versions.test_versions import lines

        put(folder, "3", lines(*"ab"))
    app = application(Failing(), root=folder.parent)
    for _ in range(3):
        assert served_by(app.test_client()) == ("2", "2")
    comparison = wait(app)
    assert (comparison["failed"], comparison["rows"]) == (3, 0)
    assert asked.found == []
    assert len([record for record in caplog.records if "the shadow of" in record.message]) == 1


def test_shadow_is_not_asked_what_failed(folder: Path, asked: Asked) -> None:
    app = shadowing(folder)
    client = app.test_client()
    assert client.post(PREDICT, json={"a": 1}).status_code == 400

    def refuse(sender: Flask, **extra: Any) -> None:
        raise PermissionError("not you")

    with before_prediction.connected_to(refuse):
        assert client.post(PREDICT, json=ROW).status_code == 500
    wait(app)
    assert asked.found == []


def test_comparison_begins_anew_with_another_version(folder: Path) -> None:
    app = shadowing(folder)
    client = app.test_client()
    for _ in range(3):
        served_by(client)
    assert wait(app)["agreement"] == 0
    put(folder, "3", constant("2"))
    refresh(app)
    served_by(client)
    comparison = wait(app)
    assert (comparison["rows"], comparison["agreement"]) == (1, 1.0)
    put(folder, "2.1", constant("2.1"))
    refresh(app)
    assert served_by(client)[0] == "2.1"
    comparison = wait(app)
    assert (comparison["rows"], comparison["agreement"]) == (1, 0.0)


def test_numbers_are_compared_by_their_difference(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1", constant(1.0))
    put(tmp_path / "iris", "3", constant(1.5))
    app = shadowing(tmp_path / "iris")
    extension_of(app).predict("iris", [ROW, ROW], app=app)
    comparison = wait(app)
    assert (comparison["rows"], comparison["agreement"]) == (2, None)
    assert (comparison["mean_difference"], comparison["largest_difference"]) == (0.5, 0.5)


def test_labels_that_are_floats_are_labels(tmp_path: Path) -> None:
    for label, targets in (("1", [0.0, 1.0, 1.0]), ("3", [0.0, 0.0, 1.0])):
        put(tmp_path / "iris", label, DummyClassifier().fit(np.zeros((3, 2)), targets))
    app = shadowing(tmp_path / "iris")
    served_by(app.test_client())
    assert wait(app)["agreement"] == 0.0


# The comparison


def compared(outputs: Any, others: Any, *, labelled: bool = False) -> tuple[Any, ...]:
    comparison = Comparison()
    comparison.add(outputs, others, labelled=labelled)
    return tuple(comparison.summary().values())


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("outputs", "others", "summary"),
    [
        (["a", "b"], ["a", "c"], (2, 0.5, None, None)),
        ([1, 2, 3, 4], [1, 2, 3, 5], (4, 0.75, None, None)),
        (np.array(["a"]), np.array([1]), (1, 0.0, None, None)),
        (np.array(["a"], object), np.array(["a"]), (1, 1.0, None, None)),
        ([1.0, 2.0], [1.0, 4.0], (2, None, 1.0, 2.0)),
        ([1.0, 2.0], [1, 4], (2, None, 1.0, 2.0)),
        ([[0.5, 0.5]], [[0.25, 0.75]], (1, None, 0.25, 0.25)),
        ([[1, 2], [3, 4]], [[1, 2], [3, 5]], (2, 0.5, None, None)),
        ([NAN, INF, 1.0], [NAN, INF, 1.0], (3, None, 0.0, 0.0)),
        ([NAN, 1.0], [0.0, 1.0], (2, None, INF, INF)),
        ([INF], [-INF], (1, None, INF, INF)),
        ([[1.0, 2.0]], [1.0], (1, 0.0, None, None)),
        (csr_matrix([[1.0, 0.0]]), csr_matrix([[0.0, 0.0]]), (1, None, 1.0, 1.0)),
        ([np.eye(2), np.eye(2)], [np.eye(2), 1 - np.eye(2)], (2, None, 1.0, 1.0)),
        ([np.eye(2), np.ones((2, 3))], [np.eye(2), np.ones((2, 3))], (2, None, 0.0, 0.0)),
    ],
)
def test_comparison(outputs: Any, others: Any, summary: tuple[Any, ...]) -> None:
    assert compared(outputs, others) == summary


def test_comparison_of_nothing() -> None:
    assert tuple(Comparison().summary().values()) == (0, None, None, None)


def test_comparison_is_over_a_window() -> None:
    comparison = Comparison(window=2)
    for other in ("b", "a", "a"):
        comparison.add(["a"], [other])
    assert comparison.summary()["agreement"] == 1.0
    assert comparison.summary()["rows"] == 2

"""Arrays that native code trusts: damaged ones are refused before a call, sound ones are served."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import skops.io
from scipy.interpolate import BSpline
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KDTree, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    LabelBinarizer,
    MultiLabelBinarizer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import Artifact, Model
from flask_skmodels.artifacts.structures.walk import check_structures
from flask_skmodels.exceptions import ArtifactError
from tests.hostile.artifacts.sound import BOOSTERS, SOUND, build, sound
from tests.support.helpers import X, Y, post_json
from tests.support.skips import library
from tests.support.versions_folder import application, iris

FILE = Path("a.skops")


@pytest.mark.parametrize("name", [name for name in SOUND if name not in BOOSTERS])
def test_native_structures_are_sound(name: str) -> None:
    check_structures(FILE, sound(name)[0])


RARE: list[Any] = [
    *(KMeans(), KNeighborsClassifier(), SVC(), CountVectorizer(), BaggingClassifier()),
    *(RandomForestClassifier(), GradientBoostingClassifier(), LabelBinarizer()),
    GradientBoostingRegressor(init=Ridge(), n_estimators=1).fit(X, Y),
    GradientBoostingRegressor(init="zero", n_estimators=1).fit(X, Y),
    OneHotEncoder(drop="first").fit(X[:5]),
    SVC(kernel="precomputed").fit(X @ X.T, Y),
    KDTree(X, sample_weight=np.ones(len(X))),
    np.random.Generator(np.random.Philox(1)),
    scipy.sparse.dok_matrix(np.eye(3)),
    scipy.sparse.lil_matrix(np.eye(3)),
    scipy.sparse.coo_matrix(np.eye(3)),
]


@pytest.mark.parametrize("item", RARE, ids=lambda item: type(item).__name__)
def test_objects_that_are_not_fitted_or_rare_are_sound(item: Any) -> None:
    check_structures(FILE, {"of": [item]})


def test_labels_that_were_encoded_are_sound() -> None:
    binarizer = MultiLabelBinarizer().fit([["a"], ["a", "b"]])
    binarizer.transform([["b"]])
    check_structures(FILE, binarizer)
    binarizer._cached_dict["b"] = 9
    assert fault_of(binarizer).startswith("the columns of its labels")


def fault_of(item: Any) -> str:
    """Return why an object is refused, which the message names with its class and the remedy."""
    with pytest.raises(ArtifactError) as caught:
        check_structures(FILE, {"of": [item]})
    reason = caught.value.reason
    assert reason.endswith("): write the file again from the fitted estimator")
    return reason.partition(" is damaged (")[2].partition("): write")[0]


def changed_tree(**arrays: Any) -> Any:
    """Return a decision tree of seven nodes, of which the given numbers of nodes are others."""
    estimator = DecisionTreeClassifier(max_depth=2).fit(X, Y)
    state = estimator.tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    for name, changes in arrays.items():
        if name in state["nodes"].dtype.names:
            for node, value in changes.items():
                state["nodes"][name][node] = value
        else:
            state[name] = changes
    estimator.tree_.__setstate__(state)
    return estimator


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"left_child": {0: 100}}, "the children of its nodes are not all from 0 to 4"),
        ({"right_child": {0: -2}}, "the children of its nodes are not all from 0 to 4"),
        ({"left_child": {0: 0}}, "a child comes before its parent"),
        ({"left_child": {2: 0}}, "a child comes before its parent"),
        ({"left_child": {0: 2}}, "a node has two parents"),
        ({"feature": {0: 4}}, "the columns of its splits are not all from 0 to 3"),
        ({"feature": {0: -2}}, "the columns of its splits are not all from 0 to 3"),
        ({"max_depth": 1}, "it is deeper than its max_depth"),
        ({"max_depth": -1}, "max_depth is not a whole number"),
        ({"node_count": 2}, "the children of its nodes are not all from 0 to 1"),
        ({"node_count": 0}, "it has no nodes"),
    ],
)
def test_tree(changes: Any, told: str) -> None:
    assert told in fault_of(changed_tree(**changes))


def test_tree_of_another_width() -> None:
    estimator = DecisionTreeClassifier().fit(X, Y)
    estimator.n_features_in_ = 3
    assert fault_of(estimator) == "its tree takes 4 columns, the estimator 3"
    del estimator.n_features_in_
    assert "n_features_in_ is not a whole number" in fault_of(estimator)


Change = Callable[[Any], object]


def _set(name: str, value: Any) -> Change:
    return lambda item: setattr(item, name, value)


def _put(name: str, index: Any, value: Any) -> Change:
    def put(item: Any) -> None:
        array = np.array(getattr(item, name))
        array[index] = value
        setattr(item, name, array)

    return put


def _cut(name: str) -> Change:
    return lambda item: setattr(item, name, getattr(item, name)[:-1])


def _wide(estimator: Any) -> None:
    estimator.estimators_features_[0] = np.array([0, 9])


def _node(estimator: Any, name: str, node: int, value: int) -> None:
    estimator._predictors[0][0].nodes[name][node] = value


def _sets(estimator: Any) -> None:
    tree = estimator._predictors[0][0]
    tree.raw_left_cat_bitsets = np.zeros((3, 4), np.uint32)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("support vectors", _put("_n_support", 0, 10**6), "_n_support are not all from 0 to"),
        ("support vectors", _put("_n_support", 0, 1), "the sum of _n_support is not the number"),
        ("support vectors", _cut("_n_support"), "the sum of _n_support is not the number"),
        ("support vectors", _cut("_intercept_"), "_intercept_ has the shape (2,), not (3,)"),
        ("support vectors", _cut("_dual_coef_"), "_dual_coef_ has the shape"),
        ("support vectors", _cut("support_"), "_n_support"),
        ("support vectors", _put("support_", 0, 10**6), "support_ are not all from 0 to 49"),
        ("support vectors", _cut("support_vectors_"), "support_vectors_ has the shape"),
        ("support vectors", _cut("_probA"), "_probA and _probB have different lengths"),
        ("support vectors", _set("n_features_in_", 5), "support_vectors_ has the shape"),
        (
            "support vectors, regression",
            _put("_n_support", 0, 3),
            "_n_support does not equal the number",
        ),
        ("neighbors, brute force", _put("_y", 0, 3), "its labels are not all from 0 to 2"),
        ("neighbors, brute force", _put("_y", 0, -1), "its labels are not all from 0 to 2"),
        (
            "neighbors, brute force",
            _cut("_y"),
            "the number of labels differs from the number of rows",
        ),
        ("neighbors, brute force", _set("n_features_in_", 3), "have 4 columns, not 3"),
        (
            "neighbors, brute force",
            _set("n_samples_fit_", 10**6),
            "differs from the number of rows",
        ),
        ("clusters", _set("n_features_in_", 9), "cluster_centers_ has the shape (3, 4)"),
        ("clusters", _set("_n_threads", 0), "_n_threads is not a whole number from 1"),
        ("boosting", _cut("classes_"), "a stage has 3 trees, not 1"),
        ("forest", _set("n_jobs", 2**31 - 1), "n_jobs is more than 1,024"),
        ("forest", _set("n_jobs", -(10**6)), "n_jobs is more than 1,024"),
        ("tree", _set("_other_params", {"num_threads": 10**6}), "num_threads is more than"),
        ("bagging", _wide, "estimators_features_"),
        ("histogram boosting", lambda e: _node(e, "left", 0, 99), "the children of its nodes"),
        ("histogram boosting", lambda e: _node(e, "left", 0, 0), "a child comes before"),
        ("histogram boosting", lambda e: _node(e, "feature_idx", 0, 9), "the columns of its"),
        ("histogram boosting", lambda e: _node(e, "is_categorical", 0, 1), "categories"),
        ("histogram boosting of categories", _sets, "raw_left_cat_bitsets has"),
    ],
)
def test_estimator(name: str, change: Change, told: str) -> None:
    estimator = build(name)[0]
    change(estimator)
    assert told in fault_of(estimator)


def matrix(kind: str, **arrays: Any) -> Any:
    made = getattr(scipy.sparse, f"{kind}_array")(np.eye(3))
    for name, values in arrays.items():
        vars(made)[name] = np.array(values)
    return made


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (matrix("csr", indices=[0, 1, 3]), "its indices are not all from 0 to 2"),
        (matrix("csc", indices=[0, 1, -1]), "its indices are not all from 0 to 2"),
        (matrix("csr", indptr=[0, 1, 0, 3]), "indptr decreases"),
        (matrix("csr", indptr=[0, 1, 2, 9]), "indices and data are too short"),
        (matrix("csr", indptr=[0, 1, 3]), "indptr has the wrong length"),
        (matrix("csr", indptr=[1, 1, 2, 3]), "indptr does not begin with 0"),
        (matrix("csr", data=[1.0]), "indices and data are too short"),
        (matrix("bsr", indices=[0, 1, 3]), "its indices are not all from 0 to 2"),
        (matrix("coo", coords=[[0, 1, 3], [0, 1, 2]]), "its indices are not all from 0 to 2"),
        (matrix("dia", offsets=[9]), "a diagonal lies outside the matrix"),
        (matrix("lil", rows=[[9], [1], [2]]), "its indices are not all"),
    ],
)
def test_sparse_matrix(item: Any, told: str) -> None:
    if item.format == "lil":
        item.rows = np.empty(3, dtype=object)
        item.rows[:] = [[9], [1], [2]]
    assert told in fault_of(item)


def spline(**arrays: Any) -> BSpline:
    made = BSpline(np.arange(10.0), np.ones(6), 3)
    for name, value in arrays.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"c": np.ones(5)}, "it has too few coefficients"),
        ({"k": 9}, "it has too few knots"),
        ({"k": -1}, "the degree is not a whole number"),
        ({"t": np.arange(10.0)[::-1]}, "its knots are not sorted"),
        ({"t": np.full(10, np.nan)}, "its knots are not sorted"),
    ],
)
def test_spline(arrays: Any, told: str) -> None:
    assert told in fault_of(spline(**arrays))


def changed_search_tree(index: int, change: Change) -> KDTree:
    tree = KDTree(X, leaf_size=20)
    state = [part.copy() if isinstance(part, np.ndarray) else part for part in tree.__getstate__()]
    state[index] = change(state[index])
    tree.__setstate__(tuple(state))
    return tree


def _with(name: str | None, index: int, value: int) -> Change:
    def put(array: Any) -> Any:
        (array if name is None else array[name])[index] = value
        return array

    return put


@pytest.mark.parametrize(
    ("index", "change", "told"),
    [
        (1, _with(None, 0, 10**9), "its points are not all from 0 to 149"),
        (1, _with(None, 0, 7), "it lists a point twice"),
        (1, lambda array: array[:-1], "its list of points has the shape (149,)"),
        (2, _with("idx_end", 0, 10**9), "its first node does not contain all points"),
        (2, _with("idx_start", 3, -5), "a node ends before its start"),
        (2, _with("idx_end", 3, 10**9), "a node has points that do not exist"),
        (2, _with("idx_end", 3, 150), "the children of a node do not have its points"),
        (2, _with("is_leaf", 6, 0), "a node has no children and is no leaf"),
        (2, lambda array: array[:-1], "its nodes has the shape"),
        (3, lambda array: array[:, :1].copy(), "its bounds has the shape (2, 1, 4)"),
        (5, lambda _: 40, "n_nodes does not match n_levels"),
        (6, lambda _: 10**6, "n_nodes does not match n_levels"),
    ],
)
def test_search_tree(index: int, change: Any, told: str) -> None:
    assert told in fault_of(changed_search_tree(index, change))


def test_words_and_categories() -> None:
    words = TfidfVectorizer().fit(["a bc de", "bc fg"])
    words.vocabulary_["bc"] = 10**9
    assert "the columns of vocabulary_ are not all from 0 to 2" in fault_of(words)
    assert "n_features is not a whole number" in fault_of(HashingVectorizer(n_features=0))
    encoder = build("categories")[0][0]
    encoder._n_features_outs = [1, 1]
    assert "a field has too few columns" in fault_of(encoder)


def test_position_of_random_numbers() -> None:
    generator = np.random.RandomState(0)
    state: Any = generator.get_state(legacy=False)
    state["state"]["pos"] = 10**6
    generator.set_state(state)
    assert "its position is not a whole number from 0 to 624" in fault_of(generator)


def test_a_part_is_found_wherever_it_is() -> None:
    from functools import partial

    tree = changed_tree(left_child={0: 100})

    class Slotted:
        __slots__ = ("part",)

    slotted = Slotted()
    slotted.part = tree  # type: ignore[attr-defined]
    array = np.empty(1, dtype=object)
    array[0] = tree
    for holder in (slotted, array, partial(print, tree), tree.predict, {"a": (tree,)}):
        assert "children" in fault_of(holder)


# -- Through the public interface


def test_false_counts_of_support_vectors(tmp_path: Path) -> None:
    """The older version serves; scikit-learn would refuse each row, and a direct call crash."""
    (tmp_path / "iris").mkdir()
    estimator = SVC().fit(X[:, :2], Y)
    (tmp_path / "iris/1.skops").write_bytes(skops.io.dumps(estimator))
    estimator._n_support[0] = 10**6
    (tmp_path / "iris/2.skops").write_bytes(skops.io.dumps(estimator))
    app = application(iris(), root=tmp_path)
    response = post_json(app.test_client(), "/iris/predict/", [{"a": 1, "b": 2}])
    assert response.headers["X-Model-Version"] == "1"
    (reason,) = app.extensions["skmodels"].deployments["iris"].versions.failures.values()
    assert "its SVC is damaged (_n_support are not all from 0 to" in reason


def test_more_columns_than_a_schema_can_have(tmp_path: Path) -> None:
    estimator = LogisticRegression(max_iter=500).fit(X, Y)
    estimator.n_features_in_ = 2**31 - 1
    (tmp_path / "iris.skops").write_bytes(skops.io.dumps(estimator))
    with pytest.raises(ArtifactError, match="claims 2,147,483,647 columns, more than the limit"):
        application(iris("iris.skops"), root=tmp_path)


@pytest.mark.parametrize("first", [HashingVectorizer(n_features=1000), StandardScaler()])
def test_very_many_columns_inside_a_pipeline_take_no_time(tmp_path: Path, first: Any) -> None:
    rows = X if isinstance(first, StandardScaler) else ["a b", "c d"] * 75
    pipeline = make_pipeline(first, LogisticRegression(max_iter=300)).fit(rows, Y)
    pipeline[-1].n_features_in_ = 2**25
    (tmp_path / "iris.skops").write_bytes(skops.io.dumps(pipeline))
    model = Model(name="iris", pipeline=Artifact("iris.skops"))
    started = time.process_time()
    with suppress(ArtifactError):
        application(model, root=tmp_path)
    assert time.process_time() - started < 10


@pytest.mark.full
def test_tree_is_not_created_from_other_arguments(tmp_path: Path) -> None:
    """It runs in another process: the constructor itself may crash."""
    code = """
import sys
from pathlib import Path
import numpy as np, skops.io
from sklearn.tree import DecisionTreeClassifier
from skops.io import _sklearn
from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import load
from flask_skmodels.exceptions import ArtifactError

original = _sklearn.reduce_get_state
tree = DecisionTreeClassifier().fit([[1, 2, 3, 4], [2, 2, 2, 2]], [0, 1])
path = Path(sys.argv[1], "a.skops")
for arguments in (4, np.array([2]), 10**6), (4, np.array([2]), -1), (4, np.array([-1]), 1):

    def changed(obj, context):
        state = original(obj, context)
        if type(obj).__name__ == "Tree":
            state["__reduce__"]["args"] = _sklearn.get_state(arguments, context)
        return state

    _sklearn.tree_get_state.__globals__["reduce_get_state"] = changed
    path.write_bytes(skops.io.dumps(tree))
    try:
        load(Artifact("a.skops", trusted=["sklearn.tree._tree.Tree"]), Policy(root=path.parent))
    except ArtifactError as error:
        print(error.reason)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("its native part is damaged (n_") == 3


def test_lean_form_is_not_called_where_the_estimator_refuses_all_rows() -> None:
    """The guard of an estimator runs first, also for a model in memory, which has no check."""
    code = """
import numpy as np
from flask import Flask
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from flask_skmodels import SKModels
from tests.support.helpers import X, Y

estimator = SVC().fit(X, Y)
estimator._n_support[:] = 10**8
models = SKModels()
app = Flask("memory")
models.init_app(app)
models.add("iris", estimator)
print(app.test_client().post("/iris/predict/", json=[X[0].tolist()]).status_code)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.returncode  # not a signal


# -- Boosters


def booster_fault(booster: Any, change: Callable[[dict[str, Any]], object]) -> str:
    from flask_skmodels.artifacts.structures.booster_buffers import check_booster
    from flask_skmodels.artifacts.structures.checks import Unsound

    state = booster.__getstate__()
    check_booster(type(booster), state)
    change(state)
    with pytest.raises((Unsound, KeyError, ValueError)) as caught:
        check_booster(type(booster), state)
    return str(caught.value)


def replaced(old: bytes, new: bytes) -> Callable[[dict[str, Any]], object]:
    def replace(state: dict[str, Any]) -> None:
        name = next(name for name in ("handle", "_handle") if state.get(name))
        data = state[name]
        is_text = isinstance(data, str)
        whole = data.encode() if is_text else bytes(data)
        assert old in whole
        made = new.join(whole.rsplit(old, 1))
        state[name] = made.decode() if is_text else bytearray(made)

    return replace


NO_PARENT = b"\x7f\xff\xff\xff"
CHILDREN = b"right_children[$l#L"
THREADS = b"nthreadSL" + bytes(7)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"num_feature", b"num_featurE", "num_feature"),
        (CHILDREN + bytes(7), CHILDREN + b"\x7f" * 7, "ends too early"),
        (b"default_left", b"loss_changes", "a key twice"),
        (b"left_children[$l#", b"left_children[$i#", "a length that is not a whole number"),
        (b"tree_info", b"tree_infO", "tree_info"),
        (NO_PARENT + bytes(4), NO_PARENT + b"\0#\0\0", "the parents of its nodes do not match"),
        (THREADS + b"\x011", THREADS + b"\x0a2147483647", "nthread is more than 1,024"),
    ],
)
def test_xgboost(old: bytes, new: bytes, told: str) -> None:
    xgboost = library("xgboost")
    model = xgboost.XGBClassifier(n_estimators=1, max_depth=2, n_jobs=1).fit(X, Y)
    assert told in booster_fault(model.get_booster(), replaced(old, new))


def in_last_tree(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    """Return a function that changes a text in the last tree of LightGBM, and its size."""

    def change(state: dict[str, Any]) -> None:
        text = state["_handle"]
        assert old in text
        size = int(text.partition("tree_sizes=")[2].partition("\n")[0].split()[-1])
        changed = new.join(text.rsplit(old, 1))
        state["_handle"] = changed.replace(f" {size}\n", f" {size + len(new) - len(old)}\n", 1)

    return change


@pytest.mark.full
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("cat_boundaries=0 ", "cat_boundaries=-1 ", "cat_boundaries decreases"),
        ("cat_boundaries=0 ", "cat_boundaries=", "cat_boundaries has the shape"),
        ("cat_threshold=", "cat_threshold=x", "something other than numbers"),
        ("cat_threshold=", "cat_threshold=\nx=", "cat_threshold is too short"),
        ("num_features=", "num_features=9 ", "num_features has the shape"),
        ("leaf_features=", "leaf_features=1 ", "leaf_features has the wrong length"),
        ("leaf_coeff=", "leaf_coeff=9 ", "leaf_coeff has the wrong length"),
        ("leaf_const=", "leaf_const=9 ", "leaf_const has the shape"),
    ],
)
def test_lightgbm_of_categories_and_lines(old: str, new: str, told: str) -> None:
    lightgbm = library("lightgbm")
    options = {"n_estimators": 2, "num_leaves": 4, "n_jobs": 1, "verbose": -1}
    if old.startswith("cat"):
        model = lightgbm.LGBMRegressor(min_child_samples=1, min_data_per_group=1, **options)
        model.fit(np.round(X), np.isin(np.round(X[:, 0]), [5, 7]), categorical_feature=[0])
    else:
        model = lightgbm.LGBMRegressor(linear_tree=True, **options).fit(X, Y)
    assert told in booster_fault(model.booster_, in_last_tree(old, new))


@pytest.mark.parametrize("name", ["XGBRegressor", "LGBMRegressor", "CatBoostRegressor"])
@pytest.mark.full
def test_boosters_without_a_model_are_sound(name: str) -> None:
    module = {"X": "xgboost", "L": "lightgbm", "C": "catboost"}[name[0]]
    check_structures(FILE, getattr(library(module), name)())


@pytest.mark.full
def test_linear_booster_of_xgboost() -> None:
    xgboost = library("xgboost")
    model = xgboost.XGBRegressor(n_estimators=2, booster="gblinear", n_jobs=1).fit(X, Y)
    count = b"num_featureSL" + bytes(7)
    change = replaced(count + b"\x014", count + b"\x019")
    assert "weights has the wrong length" in booster_fault(model.get_booster(), change)


@pytest.mark.full
@pytest.mark.parametrize(
    ("start", "told"), [(b"CBM2", "is not a model"), (b"CBM1\xff\xff\xff", "ends too early")]
)
def test_catboost(start: bytes, told: str) -> None:
    catboost = library("catboost")
    options = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
    model = catboost.CatBoostRegressor(iterations=2, **options).fit(X, Y)

    def change(state: dict[str, Any]) -> None:
        state["__model"] = start + bytes(state["__model"])[len(start) :]

    assert told in booster_fault(model, change)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"left_child=", b"left_child=99 ", "an array of its splits has the shape"),
        (b"left_child=1", b"left_child=9", "the children of its nodes are not all"),
        (b"split_feature=2", b"split_feature=9", "split_feature are not all from 0 to 3"),
        (b"num_class=3", b"num_class=9", "num_tree_per_iteration is neither 1 nor num_class"),
        (b"num_class:3", b"num_class:9", "its objective has the wrong number of classes"),
        (b"max_feature_idx=3", b"max_feature_idx=1", "feature_names has the wrong length"),
        (b"tree_sizes=", b"tree_sizes=9", "tree_sizes"),
        (b"num_leaves=4", b"num_leaves=1", "an array of its splits has the shape (3,), not (0,)"),
        (b"num_leaves=", b"num_leaves=9", "an array of its splits has the shape"),
        (b"num_leaves=", b"num_leaves=\nnum_leaves=", "'num_leaves' occurs twice"),
    ],
)
def test_lightgbm(old: bytes, new: bytes, told: str) -> None:
    lightgbm = library("lightgbm")
    options = {"n_estimators": 1, "num_leaves": 4, "n_jobs": 1, "verbose": -1}
    model = lightgbm.LGBMClassifier(min_child_samples=1, **options).fit(X, Y)
    assert old in model.booster_.__getstate__()["_handle"].encode()
    fault = booster_fault(model.booster_, replaced(old, new))
    assert told in fault or "tree_sizes" in fault

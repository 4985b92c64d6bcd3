"""Model files: formats, digests and trust; nothing in a file runs before the file is trusted."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import logging
import lzma
import os
import pickle
import re
import runpy
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

import joblib
import numpy as np
import pandas as pd
import pytest
import skl2onnx
import sklearn
import skops.io as skops_io
from joblib.numpy_pickle_compat import NDArrayWrapper
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from flask_skmodels.artifacts import loading, pins
from flask_skmodels.artifacts.declaration import Artifact, Policy, resolve
from flask_skmodels.artifacts.formats import split_name
from flask_skmodels.artifacts.loading import Loaded, load
from flask_skmodels.estimators import input_columns, introspect
from flask_skmodels.exceptions import ArtifactError, SKModelsError
from flask_skmodels.hints import install_line
from flask_skmodels.versions import discovery
from tests.support.helpers import X, Y
from tests.support.selection import cases
from tests.support.skips import library

DOCS = Path(__file__).parent.parent.parent / "docs" / "artifacts.rst"
SINGLE = X.astype(np.float32)
TREE = "sklearn.tree._tree.Tree"


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(artifact: Artifact, policy: Policy, file: Path | None = None) -> str:
    """Return why an artifact is refused, which must be said in one line that names the file."""
    with pytest.raises(ArtifactError) as caught:
        load(artifact, policy)
    error = caught.value
    assert error.path == (file or resolve(artifact, policy))
    assert str(error) == f"{error.path}: {error.reason}"
    assert len(str(error).splitlines()) == 1
    return error.reason


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy(root=tmp_path)


@pytest.fixture
def trusting(tmp_path: Path) -> Policy:
    return Policy(root=tmp_path, trust_pickle=True)


Writer = Callable[[Any, Path], object]


def plain(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def packed(compress: Callable[[bytes], bytes]) -> Writer:
    return lambda value, path: path.write_bytes(compress(pickle.dumps(value)))


def dumped(**options: Any) -> Writer:
    return lambda value, path: joblib.dump(value, path, **options)


def alone(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


class Case(NamedTuple):
    """A file name, its format, and the function that writes such a file."""

    name: str
    kind: str
    write: Writer


PICKLES = [
    Case("a.pkl", "pickle", plain),
    Case("a.pickle", "pickle", plain),
    Case("a.PKL", "pickle", plain),
    Case("a.pkl", "pickle", dumped()),
    Case("a.pkl.gz", "pickle", packed(gzip.compress)),
    Case("a.pickle.bz2", "pickle", packed(bz2.compress)),
    Case("a.pkl.xz", "pickle", packed(lzma.compress)),
    Case("a.pkl.lzma", "pickle", packed(alone)),
    Case("a.pkl.z", "pickle", dumped()),
    Case("a.joblib", "joblib", dumped()),
    Case("a.joblib", "joblib", dumped(compress=3)),
    Case("a.joblib", "joblib", dumped(compress="xz")),
    Case("a.joblib.gz", "joblib", dumped()),
    Case("a.joblib.bz2", "joblib", dumped()),
    Case("a.joblib.xz", "joblib", dumped()),
    Case("a.joblib.lzma", "joblib", dumped()),
]
each_pickle = pytest.mark.parametrize("case", PICKLES, ids=lambda case: case.name)


# The declaration


def test_artifact_is_a_value() -> None:
    one = Artifact("a.skops", trusted=["b.C"], sha256="AB" * 32)
    other = Artifact(Path("a.skops"), trusted=("b.C",), sha256="ab" * 32)
    assert one == other
    assert hash(one) == hash(other)
    assert one != replace(other, version="1")
    with pytest.raises(FrozenInstanceError):
        one.path = "b.skops"  # type: ignore[misc]


def test_artifact_shows_itself_as_it_is_declared() -> None:
    artifact = Artifact("é/a.joblib", sha256="0" * 64, trusted=["b.C"], version="2", mmap_mode="r")
    assert eval(repr(artifact)) == Artifact(
        "é/a.joblib", sha256="0" * 64, trusted=["b.C"], version="2", mmap_mode="r"
    )
    assert repr(Artifact("iris.skops")) == 'Artifact("iris.skops")'


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sha256": "0" * 63}, "sha256 must be 64 hexadecimal digits"),
        ({"sha256": "x" * 64}, "sha256 must be 64 hexadecimal digits"),
        ({"trusted": "numpy.dtype"}, "trusted must be a list"),
        ({"trusted": [int]}, "trusted must be a list"),
        ({"mmap_mode": "r+"}, "mmap_mode must be"),
        ({"version": 2}, r"version must be the label of a version \(a string\)"),
    ],
)
def test_artifact_refuses_what_it_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Artifact("a.skops", **wrong)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("models/2.skops", ("2", "skops")),
        ("2026-11-01.joblib", ("2026-11-01", "joblib")),
        ("1.2.pkl.gz", ("1.2", "pickle")),
        ("2.JOBLIB.XZ", ("2", "joblib")),
        ("2.onnx", ("2", "onnx")),
        ("2.skops.gz", ("2.skops.gz", None)),
        ("2.gz", ("2.gz", None)),
        ("SHA256SUMS", ("SHA256SUMS", None)),
        (".skops", (".skops", None)),
        ("2.skops.sig", ("2.skops.sig", None)),
    ],
)
def test_name_tells_the_format(name: str, split: tuple[str, str | None]) -> None:
    assert split_name(name) == split


def test_paths_are_relative_to_the_root(tmp_path: Path, policy: Policy) -> None:
    assert resolve(Artifact("a/b.skops"), policy) == tmp_path / "a" / "b.skops"
    assert resolve(Artifact("/c/b.skops"), policy) == Path("/c/b.skops")


# What loads


def check(loaded: Loaded, pipeline: Any, path: Path, kind: str) -> None:
    assert np.array_equal(loaded.estimator.predict(X), pipeline.predict(X))
    assert (loaded.path, loaded.format) == (path, kind)
    assert loaded.sha256 == digest_of(path)
    assert loaded.sklearn_version == sklearn.__version__
    assert loaded.loaded_at.tzinfo is UTC
    assert datetime.now(UTC) - loaded.loaded_at < timedelta(minutes=1)


@each_pickle
def test_pinned_pickle_loads(pipeline: Any, tmp_path: Path, policy: Policy, case: Case) -> None:
    path = tmp_path / case.name
    case.write(pipeline, path)
    artifact = Artifact(case.name, sha256=digest_of(path))
    check(load(artifact, policy), pipeline, path, case.kind)


@each_pickle
def test_trusted_pickle_loads(pipeline: Any, tmp_path: Path, trusting: Policy, case: Case) -> None:
    path = tmp_path / case.name
    case.write(pipeline, path)
    check(load(Artifact(case.name), trusting), pipeline, path, case.kind)


@pytest.mark.parametrize("compression", [0, ZIP_DEFLATED])
def test_skops_loads(pipeline: Any, tmp_path: Path, policy: Policy, compression: int) -> None:
    path = tmp_path / "a.skops"
    skops_io.dump(pipeline, path, compression=compression)
    check(load(Artifact("a.skops"), policy), pipeline, path, "skops")


def test_absolute_path_loads(pipeline: Any, tmp_path: Path, policy: Policy) -> None:
    path = tmp_path / "a.skops"
    skops_io.dump(pipeline, path)
    check(load(Artifact(path), replace(policy, root=Path("/nowhere"))), pipeline, path, "skops")


# Pins


def test_unpinned_pickle_is_told_how_it_can_load(
    pipeline: Any, tmp_path: Path, policy: Policy
) -> None:
    path = tmp_path / "models" / "iris.joblib.gz"
    path.parent.mkdir()
    joblib.dump(pipeline, path)
    reason = refused(Artifact("models/iris.joblib.gz"), policy)
    assert "a pickle runs code when it is loaded, and this one is not pinned" in reason
    assert f"flask skmodels convert {path} {path.with_name('iris.skops')}" in reason
    [line] = re.findall(r"Artifact\(.*?\)", reason)
    assert line == f'Artifact("models/iris.joblib.gz", sha256="{digest_of(path)}")'
    check(load(eval(line), policy), pipeline, path, "joblib")


@pytest.mark.parametrize("known", [None, "", "# ours\n", "no newline"])
def test_unpinned_version_is_told_what_to_put_into_a_list(
    pipeline: Any, tmp_path: Path, policy: Policy, known: str | None
) -> None:
    """``known`` is what a list that is pinned already has, None without a list."""
    folder, other = tmp_path / "my models" / "iris", tmp_path / "my models" / "SHA256SUMS"
    folder.mkdir(parents=True)
    path = folder / "2.joblib"
    joblib.dump(pipeline, path)
    if known is not None:
        known = f"{'0' * 64}  other.joblib" if known == "no newline" else known
        other.write_text(known)
        policy = replace(
            policy, sha256sums="my models/SHA256SUMS", sha256sums_sha256=digest_of(other)
        )
    artifact = Artifact("my models/iris")
    [file] = discovery.find(artifact, policy).values()
    reason = refused(file.artifact, policy)
    assert f"flask skmodels convert '{path}' '{path.with_suffix('.skops')}'" in reason
    [(line, to)] = re.findall(r'add the line "(.*?)" to (.*?), and set', reason)
    [setting] = re.findall(r"SKMODELS_SHA256SUMS = (\(.*?\))", reason)
    with (tmp_path / to).open("a") as file_:
        file_.write("\n" * (known is not None and known[:1] == "0") + f"{line}\n")
    sums, digest = eval(setting)
    policy = replace(policy, sha256sums=sums, sha256sums_sha256=digest)
    check(load(file.artifact, policy), pipeline, path, "joblib")


def test_unpinned_version_is_told_to_sign_the_list_again(
    pipeline: Any, tmp_path: Path, policy: Policy
) -> None:
    (tmp_path / "iris").mkdir()
    (tmp_path / "SHA256SUMS").touch()
    joblib.dump(pipeline, tmp_path / "iris" / "2.joblib")
    policy = replace(policy, sha256sums="SHA256SUMS", verify=lambda *_: True)
    [file] = discovery.find(Artifact("iris"), policy).values()
    digest = digest_of(tmp_path / "iris" / "2.joblib")
    sums = tmp_path / "SHA256SUMS"
    line = f'add the line "{digest}  iris/2.joblib" to {sums}, and sign it again'
    assert line in refused(file.artifact, policy)


@pytest.mark.parametrize("name", ["a.joblib", "a.skops", "a.onnx"])
@pytest.mark.parametrize("trust_pickle", [False, True])
def test_wrong_digest_is_refused_in_every_format(
    tmp_path: Path, policy: Policy, name: str, *, trust_pickle: bool
) -> None:
    (tmp_path / name).write_bytes(b"anything")
    found, expected = digest_of(tmp_path / name), "ab" * 32
    reason = refused(Artifact(name, sha256=expected), replace(policy, trust_pickle=trust_pickle))
    assert reason == f"its SHA-256 is {found}, but its pin is {expected}"


@pytest.fixture
def listed(pipeline: Any, tmp_path: Path) -> Path:
    """A folder with a pinned pickle ``models/iris.joblib``."""
    path = tmp_path / "models" / "iris.joblib"
    path.parent.mkdir()
    joblib.dump(pipeline, path)
    return path


def summed(policy: Policy, text: str, name: str = "models/SHA256SUMS") -> Policy:
    """Return a policy with a list of digests, which is pinned."""
    path = policy.root / name
    path.write_bytes(text.encode())
    return replace(policy, sha256sums=name, sha256sums_sha256=digest_of(path).upper())


@pytest.mark.parametrize(
    "text",
    [
        "{sum}  iris.joblib\n",
        "{sum} *iris.joblib\n",
        "{sum}  ./iris.joblib",
        "{SUM}  iris.joblib\r\n",
        "# ours\n\n{zero}  other.joblib\n{sum}  iris.joblib\n",
        "{sum}  iris.joblib\n{sum}  iris.joblib\n",
        "{sum}  {path}\n",
        "{sum}  ../models/iris.joblib\n",
    ],
)
def test_listed_pickle_loads(listed: Path, pipeline: Any, policy: Policy, text: str) -> None:
    digest = digest_of(listed)
    names = {"sum": digest, "SUM": digest.upper(), "zero": "0" * 64, "path": listed}
    policy = summed(policy, text.format(**names))
    check(load(Artifact("models/iris.joblib"), policy), pipeline, listed, "joblib")


def test_listed_names_are_relative_to_the_list(listed: Path, policy: Policy) -> None:
    policy = summed(policy, f"{digest_of(listed)}  iris.joblib\n", "SHA256SUMS")
    assert "not pinned" in refused(Artifact("models/iris.joblib"), policy)
    policy = summed(policy, f"{digest_of(listed)}  models/iris.joblib\n", "SHA256SUMS")
    assert load(Artifact("models/iris.joblib"), policy).format == "joblib"


def test_listed_name_may_be_that_of_a_link_or_of_what_it_links_to(
    listed: Path, policy: Policy
) -> None:
    (listed.parent / "current.joblib").symlink_to("iris.joblib")
    (policy.root / "live").symlink_to("models")
    for name in ("iris.joblib", "current.joblib"):
        policy = summed(policy, f"{digest_of(listed)}  {name}\n")
        assert load(Artifact("models/current.joblib"), policy).format == "joblib"
    policy = summed(policy, f"{digest_of(listed)}  iris.joblib\n")
    assert load(Artifact("live/iris.joblib"), policy).format == "joblib"


def test_escaped_name_is_read(pipeline: Any, tmp_path: Path, policy: Policy) -> None:
    path = tmp_path / "a\\b\nc.joblib"
    joblib.dump(pipeline, path)
    policy = summed(policy, f"\\{digest_of(path)}  a\\\\b\\nc.joblib\n", "SHA256SUMS")
    assert load(Artifact(path.name), policy).format == "joblib"


@pytest.mark.parametrize(
    ("text", "of_list", "reason"),
    [
        ("{zero}  iris.joblib\n", False, "its SHA-256 is {sum}, but its pin is {zero}"),
        ("{zero}  other.joblib\n", False, "is not pinned"),
        ("", False, "is not pinned"),
        ("{sum}  iris.joblib\nnonsense\n", True, "line 2 is not a digest and a name"),
        ("{sum}  iris.joblib\n{zero}  ./iris.joblib\n", True, "twice, with two digests"),
    ],
)
def test_list_that_does_not_pin(
    listed: Path, policy: Policy, text: str, reason: str, *, of_list: bool
) -> None:
    digests = {"sum": digest_of(listed), "zero": "0" * 64}
    policy = summed(policy, text.format(**digests))
    file = policy.root / "models/SHA256SUMS" if of_list else listed
    found = refused(Artifact("models/iris.joblib"), policy, file)
    assert reason.format(**digests) in found


def test_listed_digest_holds_for_every_format_and_for_trusted_pickles(
    listed: Path, pipeline: Any, trusting: Policy
) -> None:
    skops_io.dump(pipeline, listed.with_suffix(".skops"))
    policy = summed(trusting, f"{'0' * 64}  iris.joblib\n{'0' * 64}  iris.skops\n")
    for name in ("models/iris.joblib", "models/iris.skops"):
        assert "its pin is 000" in refused(Artifact(name), policy)
    own = Artifact("models/iris.joblib", sha256=digest_of(listed))  # the application's own wins
    assert load(own, policy).sha256 == own.sha256


def test_list_must_be_pinned_itself(listed: Path, policy: Policy) -> None:
    artifact, text = Artifact("models/iris.joblib"), f"{digest_of(listed)}  iris.joblib\n"
    policy, file = summed(policy, text), policy.root / "models/SHA256SUMS"
    reason = refused(artifact, replace(policy, sha256sums_sha256=None), file)
    assert f'("models/SHA256SUMS", "{digest_of(file)}")' in reason
    reason = refused(artifact, replace(policy, sha256sums_sha256="0" * 64), file)
    assert reason == f"its SHA-256 is {digest_of(file)}, but its pin is {'0' * 64}"
    file.unlink()
    assert "cannot be read" in refused(artifact, policy, file)


def test_list_may_be_signed_instead(listed: Path, policy: Policy) -> None:
    seen = []

    def verify(path: Path, data: bytes) -> bool:
        seen.append((path, data))
        return True

    file = policy.root / "models/SHA256SUMS"
    policy = summed(policy, f"{digest_of(listed)}  iris.joblib\n")
    signed = replace(policy, sha256sums_sha256=None, verify=verify)
    assert load(Artifact("models/iris.joblib"), signed).format == "joblib"
    assert seen == [(file, file.read_bytes()), (listed, listed.read_bytes())]
    refusing = replace(signed, verify=lambda path, _: path != file)
    reason = refused(Artifact("models/iris.joblib"), refusing, file)
    assert reason == "SKMODELS_VERIFY refuses it"


# Nothing runs


class Marker(BaseEstimator):
    """Leaves a mark on the disk when it is created from a file."""

    def __init__(self, mark: str = "") -> None:
        self.mark = mark

    def predict(self, X: Any) -> Any:
        return X

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        Path(self.mark).mkdir()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@each_pickle
def test_pickle_that_is_loaded_runs(mark: Path, trusting: Policy, case: Case) -> None:
    """The control: what the next tests find absent is there if the file is loaded."""
    case.write(Marker(str(mark)), trusting.root / case.name)
    assert load(Artifact(case.name), trusting).format == case.kind
    assert mark.exists()


def says_no(path: Path, data: bytes) -> None:
    raise PermissionError("not\nours")


@each_pickle
@pytest.mark.parametrize(
    "refusal",
    [
        ({}, {}, "is not pinned"),
        ({"mmap_mode": "r"}, {}, "is not pinned|cannot be memory-mapped"),
        ({"sha256": "0" * 64}, {"trust_pickle": True}, "its pin is 0000"),
        ({"mmap_mode": "r", "sha256": "0" * 64}, {}, "its pin is 0000|cannot be memory-mapped"),
        ({}, {"sha256sums": "SHA256SUMS", "sha256sums_sha256": "0" * 64}, "its pin is 0000"),
        ({}, {"trust_pickle": True, "verify": lambda *_: False}, "SKMODELS_VERIFY refuses it"),
        ({}, {"trust_pickle": True, "verify": says_no}, "it: PermissionError: not ours$"),
        ({"mmap_mode": "r"}, {"trust_pickle": True, "verify": says_no}, "not ours|memory-mapped"),
    ],
)
def test_pickle_that_is_refused_does_not_run(
    mark: Path,
    policy: Policy,
    case: Case,
    refusal: tuple[dict[str, Any], dict[str, Any], str],
) -> None:
    arguments, changes, reason = refusal
    path, sums = policy.root / case.name, policy.root / "SHA256SUMS"
    case.write(Marker(str(mark)), path)
    sums.write_text(f"{digest_of(path)}  {case.name}\n")
    file = sums if "sha256sums" in changes else None
    found = refused(Artifact(case.name, **arguments), replace(policy, **changes), file)
    assert re.search(reason, found)
    assert not mark.exists()


@each_pickle
@pytest.mark.parametrize("suffix", [".skops", ".onnx", ".txt", ".joblib.zip", ""])
def test_pickle_by_another_name_does_not_run(
    mark: Path, trusting: Policy, case: Case, suffix: str
) -> None:
    case.write(Marker(str(mark)), trusting.root / case.name)
    path = (trusting.root / case.name).rename(trusting.root / f"b{suffix}")
    artifact = Artifact(path.name, sha256=digest_of(path), trusted=["builtins.object"])
    reason = refused(artifact, trusting)
    assert re.search("not a file of (skops|ONNX)|its name must end with one of", reason)
    assert not mark.exists()


def test_pickle_named_skops_is_recognized(mark: Path, trusting: Policy) -> None:
    plain(Marker(str(mark)), trusting.root / "a.skops")
    reason = refused(Artifact("a.skops"), trusting)
    assert reason == "it is not a file of skops: it looks like a pickle"


def test_untrusted_type_in_skops_does_not_run(mark: Path, trusting: Policy) -> None:
    name = f"{Marker.__module__}.Marker"
    estimator = Pipeline([("marker", Marker(str(mark)))])
    skops_io.dump(estimator, trusting.root / "a.skops")
    digest = digest_of(trusting.root / "a.skops")
    reason = refused(Artifact("a.skops", sha256=digest, trusted=[TREE]), trusting)
    assert reason == (
        f"it contains types that are not trusted: {name}; if you trust each of them, declare the "
        f'artifact with trusted=["{TREE}", "{name}"]'
    )
    assert not mark.exists()
    assert load(Artifact("a.skops", trusted=[name]), trusting).format == "skops"
    assert mark.exists()


def test_types_of_a_forest_are_listed(tmp_path: Path, policy: Policy) -> None:
    forest = RandomForestClassifier(3, random_state=0).fit(X, Y)
    skops_io.dump(forest, tmp_path / "a.skops")
    assert f"not trusted: {TREE};" in refused(Artifact("a.skops"), policy)
    check(load(Artifact("a.skops", trusted=[TREE]), policy), forest, tmp_path / "a.skops", "skops")


def test_verify_comes_before_any_parser(tmp_path: Path, trusting: Policy) -> None:
    seen = []

    def verify(path: Path, data: bytes) -> bool:
        seen.append((path, data))
        return False

    for name in ("a.skops", "a.onnx", "a.joblib", "a.pkl.gz"):
        (tmp_path / name).write_bytes(b"\x80 no parser takes this")
        reason = refused(Artifact(name), replace(trusting, verify=verify))
        assert reason == "SKMODELS_VERIFY refuses it"
        assert seen.pop() == (tmp_path / name, b"\x80 no parser takes this")


def test_verify_that_raises_nothing_accepts(pipeline: Any, policy: Policy) -> None:
    skops_io.dump(pipeline, policy.root / "a.skops")
    assert load(Artifact("a.skops"), replace(policy, verify=lambda *_: None)).format == "skops"


def test_verify_alone_is_no_pin(listed: Path, policy: Policy) -> None:
    accepting = replace(policy, verify=lambda *_: True)
    assert "is not pinned" in refused(Artifact("models/iris.joblib"), accepting)


@pytest.mark.parametrize("mmap_mode", [None, "r", "c"])
def test_file_swapped_after_it_was_hashed_is_not_the_one_that_loads(
    listed: Path, pipeline: Any, mark: Path, policy: Policy, mmap_mode: Any
) -> None:
    digest = digest_of(listed)

    def swap(path: Path, data: bytes) -> None:
        joblib.dump(Marker(str(mark)), path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)

    artifact = Artifact("models/iris.joblib", sha256=digest, mmap_mode=mmap_mode)
    if mmap_mode and not Path("/proc/self/fd").exists():
        assert "changed while" in refused(artifact, replace(policy, verify=swap))
    else:
        loaded = load(artifact, replace(policy, verify=swap))
        assert loaded.sha256 == digest != digest_of(listed)
        assert np.array_equal(loaded.estimator.predict(X), pipeline.predict(X))
    assert not mark.exists()


def test_mapped_file_written_over_after_it_was_hashed_is_refused(
    listed: Path, mark: Path, policy: Policy
) -> None:
    artifact = Artifact("models/iris.joblib", sha256=digest_of(listed), mmap_mode="r")

    def write_over(path: Path, data: bytes) -> None:
        joblib.dump(Marker(str(mark)), path)

    reason = refused(artifact, replace(policy, verify=write_over))
    assert reason == "it was changed while it was loaded"
    assert not mark.exists()


@pytest.mark.parametrize("verify", [None, lambda *_: True])
@pytest.mark.parametrize("size", ["small", "large"])
def test_mapped_file_written_over_with_its_time_forged_does_not_run(
    mark: Path, policy: Policy, monkeypatch: Any, size: str, verify: Any
) -> None:
    """Whoever may write the file in place, between the hash and the load, has no code run."""
    neighbors = KNeighborsClassifier(algorithm="brute").fit(np.tile(X, (50, 4)), np.tile(Y, 50))
    path = policy.root / "a.joblib"
    joblib.dump(neighbors if size == "large" else LinearRegression().fit(X, Y), path)
    artifact = Artifact("a.joblib", sha256=digest_of(path), mmap_mode="r")

    def write_over(*arguments: Any) -> None:
        pins.check_digest(*arguments)
        status, length = path.stat(), len(path.read_bytes())
        with path.open("r+b") as file:
            file.write(pickle.dumps(Marker(str(mark))).ljust(length, b"\0"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    monkeypatch.setattr(loading, "check_digest", write_over)
    reason = refused(artifact, replace(policy, verify=verify))
    assert reason == "it was changed while it was loaded"
    assert not mark.exists()


# Memory-mapped files


def _accept(*_: object) -> bool:
    return True


@pytest.mark.parametrize("mmap_mode", cases(["r", "c"], quick=["r"]))
@pytest.mark.parametrize("verify", cases([None, _accept], quick=[None]))
def test_arrays_are_mapped_through_the_file_that_was_hashed(
    tmp_path: Path, policy: Policy, mmap_mode: Any, verify: Any
) -> None:
    estimator = KNeighborsClassifier(algorithm="brute").fit(X, Y)
    path = tmp_path / "a.joblib"
    joblib.dump(estimator, path)
    artifact = Artifact("a.joblib", sha256=digest_of(path), mmap_mode=mmap_mode)
    loaded = load(artifact, replace(policy, verify=verify))
    check(loaded, estimator, path, "joblib")
    mapped = loaded.estimator._fit_X
    assert isinstance(mapped, np.memmap)
    assert mapped.mode == mmap_mode
    # In another process joblib opens it again, by this name.
    assert str(mapped.filename) == os.path.realpath(path)
    remote = joblib.Parallel(2)(joblib.delayed(loaded.estimator.predict)(X[i::2]) for i in (0, 1))
    assert np.array_equal(remote[0], estimator.predict(X[::2]))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.joblib", dumped(compress=3)),
        ("a.joblib.gz", dumped()),
        ("a.pkl.gz", packed(gzip.compress)),
        ("a.skops", skops_io.dump),
    ],
)
def test_what_cannot_be_mapped_is_refused(
    pipeline: Any, trusting: Policy, name: str, write: Writer
) -> None:
    write(pipeline, trusting.root / name)
    reason = refused(Artifact(name, mmap_mode="r"), trusting)
    assert reason == "it cannot be memory-mapped: only uncompressed files of joblib.dump can be"


# Versions of scikit-learn


@pytest.fixture(params=["a.skops", "a.joblib", "a.pkl"])
def old(
    request: pytest.FixtureRequest, pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A file of a pipeline that another version of scikit-learn has fitted."""
    path: Path = tmp_path / request.param
    writers = {".skops": skops_io.dump, ".joblib": joblib.dump, ".pkl": plain}
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.2.3")
        writers[path.suffix](pipeline, path)
    return path


def test_another_version_is_refused(old: Path, trusting: Policy) -> None:
    assert refused(Artifact(old.name), trusting) == (
        f"it was fitted with scikit-learn 1.2.3, but {sklearn.__version__} is installed: "
        "fit it again, or set SKMODELS_VERSION_MISMATCH to 'warn' or 'ignore'"
    )


@pytest.mark.parametrize(("mismatch", "lines"), [("warn", 1), ("ignore", 0)])
def test_another_version_may_load(
    old: Path, trusting: Policy, caplog: Any, mismatch: Any, lines: int
) -> None:
    with caplog.at_level(logging.DEBUG):
        loaded = load(Artifact(old.name), replace(trusting, version_mismatch=mismatch))
    assert loaded.sklearn_version == "1.2.3"
    assert loaded.estimator.score(X, Y) > 0.9
    said = f"{old}: it was fitted with scikit-learn 1.2.3, but {sklearn.__version__} is installed"
    assert [(r.name, r.levelname, r.message) for r in caplog.records] == (
        [("flask_skmodels", "WARNING", said)] * lines
    )


class Warns(Marker):
    def __setstate__(self, state: dict[str, Any]) -> None:
        BaseEstimator.__setstate__(self, state)
        warnings.warn("of the estimator's own", UserWarning, stacklevel=2)


def test_other_warnings_go_their_way(trusting: Policy) -> None:
    plain(Warns(), trusting.root / "a.pkl")
    hook, filters = warnings.showwarning, warnings.filters[:]
    with pytest.warns(UserWarning, match="of the estimator's own"):
        load(Artifact("a.pkl"), trusting)
    assert (warnings.showwarning, warnings.filters) == (hook, filters)


def test_versions_are_told_apart_by_threads(old: Path, pipeline: Any, trusting: Policy) -> None:
    policy = replace(trusting, version_mismatch="ignore")
    joblib.dump(pipeline, trusting.root / "new.joblib")
    names = [old.name, "new.joblib"] * 20
    hook, filters = warnings.showwarning, warnings.filters[:]
    with ThreadPoolExecutor(8) as pool:
        versions = pool.map(lambda name: load(Artifact(name), policy).sklearn_version, names)
        assert list(versions) == ["1.2.3", sklearn.__version__] * 20
    assert (warnings.showwarning, warnings.filters) == (hook, filters)


@pytest.mark.parametrize(
    ("estimator", "version"),
    [
        (Marker(), None),
        (Pipeline([("marker", Marker())]), sklearn.__version__),
        (Marker(LinearRegression()), sklearn.__version__),
    ],
)
def test_version_is_known_where_the_file_tells(
    trusting: Policy, monkeypatch: pytest.MonkeyPatch, estimator: Any, version: str | None
) -> None:
    monkeypatch.setattr(Marker, "__setstate__", BaseEstimator.__setstate__)
    plain(estimator, trusting.root / "a.pkl")
    assert load(Artifact("a.pkl"), trusting).sklearn_version == version


# Files that are no artifacts


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.joblib", None, "there is no such file"),
        ("no/a.joblib", None, "there is no such file"),
        ("a.joblib", b"", "it is empty"),
        ("a.skops", b"", "it is empty"),
        ("a.onnx", b"", "it is empty"),
        ("a.pkl", b"nonsense", "it cannot be loaded: "),
        ("a.joblib", b"\x80\x04nonsense", "it cannot be loaded: "),
        ("a.joblib", b"ZF0x0", "it cannot be loaded: "),
        ("a.joblib.gz", b"\x1f\x8bnonsense", "it cannot be loaded: "),
        ("a.skops", b"nonsense", "it is not a file of skops: File is not a zip file"),
        ("a.onnx", b"nonsense", "it is not a file of ONNX: "),
        (
            "a.pkl",
            pickle.dumps({"model": 1}),
            "it contains an object of the class dict, which has none of the methods ",
        ),
        ("a.pkl", pickle.dumps(None), "it contains an object of the class NoneType"),
        ("a.pkl", pickle.dumps(LinearRegression), "it contains the class LinearRegression, not an"),
        ("a.skops", skops_io.dumps([1, 2]), "it contains an object of the class list"),
        ("a.pkl", b"cno_such_module\nName\n.", "No module named 'no_such_module'"),
        ("a.h5", b"data", "its name must end with one of .skops, .joblib, .pkl, .pickle, .onnx"),
    ],
)
def test_no_estimator(trusting: Policy, name: str, data: bytes | None, reason: str) -> None:
    if data is not None:
        (trusting.root / name).write_bytes(data)
    assert reason in refused(Artifact(name), trusting)


@each_pickle
def test_truncated_pickle(pipeline: Any, trusting: Policy, case: Case) -> None:
    path = trusting.root / case.name
    case.write(pipeline, path)
    data = path.read_bytes()
    for length in range(1, len(data) - len(data) // 7, len(data) // 7):
        path.write_bytes(data[:length])
        assert "it cannot be loaded: " in refused(Artifact(case.name), trusting)


def test_truncated_or_corrupt_skops(pipeline: Any, policy: Policy) -> None:
    data = skops_io.dumps(pipeline)
    for length in range(1, len(data), len(data) // 7):
        (policy.root / "a.skops").write_bytes(data[:length])
        assert "it is not a file of skops" in refused(Artifact("a.skops"), policy)
    (policy.root / "a.skops").write_bytes(data.replace(b"coef_", b"fcoe_"))
    assert "it is not a file of skops: Bad CRC-32" in refused(Artifact("a.skops"), policy)


@pytest.mark.parametrize("name", ["a.skops", "a.joblib", "a.onnx"])
def test_directory(trusting: Policy, name: str) -> None:
    (trusting.root / name).mkdir()
    assert refused(Artifact(name), trusting) == "it is a directory"


def test_pipe_is_not_waited_for(trusting: Policy) -> None:
    os.mkfifo(trusting.root / "a.joblib")
    assert refused(Artifact("a.joblib"), trusting) == "it is not a regular file"


def test_name_that_is_too_long(trusting: Policy) -> None:
    reason = refused(Artifact(f"{'a' * 300}.joblib"), trusting)
    assert reason == "it cannot be read: File name too long"


def test_permission_denied(trusting: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trusting.root / "a.joblib"
    path.write_bytes(b"data")
    path.chmod(0)
    if os.access(path, os.R_OK):  # the administrator may read everything

        def denied(*_: object) -> int:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", denied)
    assert refused(Artifact("a.joblib"), trusting) == "permission denied"


def test_mismatch_is_told_where_loading_fails(
    trusting: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sklearn.base.__version__", "1.2.3")
    path = trusting.root / "a.pkl"
    plain([LinearRegression(), Raises()], path)
    monkeypatch.undo()
    reason = refused(Artifact("a.pkl"), trusting)
    assert reason.startswith("it cannot be loaded: AttributeError: gone; it was fitted with")
    assert "1.2.3" in reason


class Raises:
    def __reduce__(self) -> Any:
        return _raise, ()


def _raise() -> None:
    raise AttributeError("gone")


@pytest.mark.parametrize(
    ("name", "module", "install"),
    [
        ("a.skops", "skops", f"it needs skops: {install_line('skops')}"),
        ("a.onnx", "onnxruntime", f"it needs onnxruntime: {install_line('onnx')}"),
        ("a.onnx", "onnx", f"it needs onnx: {install_line('onnx')}"),
    ],
)
def test_missing_library_is_named(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, name: str, module: str, install: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (policy.root / name).write_bytes(b"data")
    assert refused(Artifact(name), policy) == install


def test_old_library_is_named(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skops.__version__", "0.9.2")
    (policy.root / "a.skops").write_bytes(b"data")
    reason = refused(Artifact("a.skops"), policy)
    needed = install_line("skops", is_upgrade=True)
    assert reason == f"it needs skops 0.16 or later, but 0.9.2 is installed: {needed}"


def test_error_is_one_of_ours() -> None:
    error = ArtifactError(Path("a.skops"), "it is empty")
    assert isinstance(error, SKModelsError)
    assert str(pickle.loads(pickle.dumps(error))) == "a.skops: it is empty"


# Bombs


def archive(schema: Any, claim: int | None = None, /, **members: bytes) -> bytes:
    """Return an archive as of skops, whose first member may claim to be of another size."""
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as writer:
        for name, data in {**members, "schema.json": json.dumps(schema).encode()}.items():
            writer.writestr(name.replace("_", "."), data)
        if claim is not None:
            writer.infolist()[0].file_size = claim
    return file.getvalue()


def node(loader: str, **more: Any) -> dict[str, Any]:
    kind = {"ListNode": "list", "BytesNode": "bytes"}[loader]
    found = {"__class__": kind, "__module__": "builtins", "__loader__": loader, **more}
    return {"protocol": 2, **found}


def chain(links: int) -> dict[str, Any]:
    """Lists of two, each of which has the next one twice: the second time by its id."""
    found = node("ListNode", content=[], __id__=1)
    for number in range(2, links):
        again = {"__id__": number - 1}
        found = node("ListNode", content=[found, again], __id__=number)
    return found


def ring(size: int) -> dict[str, Any]:
    back = [{"__id__": number} for number in range(1, size)]
    found = node("ListNode", content=list(back), __id__=1)
    for number in range(2, size):
        found = node("ListNode", content=[found, *back], __id__=number)
    return found


def deep(depth: int) -> Any:
    found: Any = node("ListNode", content=[])
    text = json.dumps(node("ListNode", content=["@"]))
    before, after = text.split('"@"')
    return before * depth + json.dumps(found) + after * depth


MANY = [node("BytesNode", file="a.bin") for _ in range(100)]
ZEROS = bytes(30 * 1024 * 1024)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "4 GB claimed": (lambda: archive({}, 4 << 30, a_npy=b"0"), "claim to have 4,294,967"),
    "4 GB claimed by the schema": (lambda: archive({}, 4 << 30), "claim to have 4,294,967"),
    "a true bomb": (lambda: archive({}, a_bin=ZEROS, b_bin=ZEROS), "claim to have 62,914,5"),
    "nested": (
        lambda: archive({}, a_npz=archive({}, a_npy=ZEROS, b_npy=ZEROS)),
        "claim to have 62,914,5",
    ),
    "nested claim": (lambda: archive({}, a_npz=archive({}, 4 << 30)), "claim to have 4,294,967"),
    "one array, read many times": (
        lambda: archive(node("ListNode", content=MANY), a_bin=ZEROS),
        "claim to have 3,145,728,000",
    ),
    "a chain that doubles": (lambda: archive(chain(60)), "uses one id for two different nodes"),
    "a ring": (lambda: archive(ring(12)), "uses one id for two different nodes"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_bomb_is_refused(policy: Policy, case: str) -> None:
    make, reason = BOMBS[case]
    (policy.root / "a.skops").write_bytes(make())
    assert (policy.root / "a.skops").stat().st_size < 200_000
    found = refused(Artifact("a.skops"), policy)
    assert reason in found
    assert "refused as a zip bomb" in found


def test_deep_schema_is_refused(policy: Policy) -> None:
    with ZipFile(policy.root / "a.skops", "w") as writer:
        writer.writestr("schema.json", deep(100_000))
    assert "RecursionError" in refused(Artifact("a.skops"), policy)


def test_small_claim_is_held_to(policy: Policy) -> None:
    (policy.root / "a.skops").write_bytes(archive({}, 4, a_npz=archive({}, a_npy=b"0")))
    assert "it is not a file of skops" in refused(Artifact("a.skops"), policy)


def test_archive_without_a_schema(policy: Policy) -> None:
    with ZipFile(policy.root / "a.skops", "w") as writer:
        writer.writestr("other.json", "{}")
    reason = refused(Artifact("a.skops"), policy)
    assert reason == "it is not a file of skops: the archive has no schema.json"


# ONNX


@pytest.fixture
def to_onnx() -> Any:
    return skl2onnx.to_onnx


@pytest.fixture
def convert(to_onnx: Any, tmp_path: Path, policy: Policy) -> Callable[..., Any]:
    """Convert an estimator, write the graph to a file and load it."""

    def convert(estimator: Any, example: Any = SINGLE[:1], **options: Any) -> Any:
        chosen = {id(estimator): options} if options else None
        graph = to_onnx(estimator, example, options=chosen, target_opset={"": 18, "ai.onnx.ml": 3})
        (tmp_path / "a.onnx").write_bytes(graph.SerializeToString())
        loaded = load(Artifact("a.onnx"), policy)
        assert (loaded.format, loaded.sklearn_version) == ("onnx", None)
        return loaded.estimator

    return convert


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", [Y, Y * 2 - 3, np.array(["a", "bé", "c"])[Y]])
@pytest.mark.parametrize(
    "classifier", [LogisticRegression(max_iter=1000), RandomForestClassifier(5, random_state=0)]
)
def test_classifier_of_onnx(convert: Any, classifier: Any, labels: Any, *, zipmap: bool) -> None:
    classifier.fit(X, labels)
    model = convert(classifier, zipmap=zipmap)
    assert introspect.methods(model) == ("predict", "predict_proba")
    assert introspect.is_fitted(model)
    assert introspect.classes(model) == classifier.classes_.tolist()
    assert model.n_features_in_ == 4
    assert not hasattr(model, "feature_names_in_")
    assert model.predict(X).dtype.kind == labels.dtype.kind
    assert np.array_equal(model.predict(X), classifier.predict(SINGLE))
    assert model.predict_proba(X).shape == (150, 3)
    assert np.allclose(model.predict_proba(X), classifier.predict_proba(SINGLE), atol=1e-5)


def test_regressor_of_onnx(convert: Any) -> None:
    regressor = LinearRegression().fit(X[:, :3], X[:, 3])
    model = convert(regressor, SINGLE[:1, :3])
    assert introspect.methods(model) == ("predict",)
    assert introspect.classes(model) is None
    assert model.n_features_in_ == 3
    assert model.predict(X[:, :3]).shape == (150,)
    assert np.allclose(model.predict(X[:, :3]), regressor.predict(SINGLE[:, :3]), atol=1e-4)


def test_outputs_of_onnx(convert: Any) -> None:
    regressor = LinearRegression().fit(X[:, :2], X[:, 2:])
    model = convert(regressor, SINGLE[:1, :2])
    assert np.allclose(model.predict(X[:, :2]), regressor.predict(SINGLE[:, :2]), atol=1e-4)


def test_detector_of_onnx_has_no_probabilities(to_onnx: Any, policy: Policy) -> None:
    detector = IsolationForest(n_estimators=5, random_state=0).fit(X)
    graph = to_onnx(detector, SINGLE[:1], target_opset={"": 18, "ai.onnx.ml": 3})
    (policy.root / "a.onnx").write_bytes(graph.SerializeToString())
    model = load(Artifact("a.onnx"), policy).estimator
    assert introspect.methods(model) == ("predict",)
    assert np.array_equal(model.predict(X), detector.predict(SINGLE))


@pytest.fixture
def named(convert: Any) -> tuple[Any, Any, Any]:
    """A graph with an input for each column, its pipeline, and its rows."""
    frame = pd.DataFrame({"mass": [1.0, 2.0, 3.0, 4.0], "island": ["a", "b", "a", "b"]})
    columns = sklearn.compose.ColumnTransformer(
        [("mass", "passthrough", ["mass"]), ("island", OneHotEncoder(), ["island"])]
    )
    pipeline = Pipeline([("columns", columns), ("model", LinearRegression())])
    pipeline.fit(frame, [1.0, 5.0, 3.0, 7.0])
    return convert(pipeline, frame[:1]), pipeline, frame


def test_named_columns_of_onnx(named: tuple[Any, Any, Any]) -> None:
    model, pipeline, frame = named
    assert model.feature_names_in_.tolist() == ["mass", "island"]
    assert model.n_features_in_ == 2
    assert input_columns.inputs(model).named
    expected = pipeline.predict(frame)
    for rows in (frame, frame[["island", "mass"]], frame.to_numpy()):
        assert np.allclose(model.predict(rows), expected, atol=1e-5)


def test_fraction_is_not_cut_off_for_onnx(convert: Any) -> None:
    model = convert(LinearRegression().fit([[1], [2]], [1, 2]), np.array([[1]], dtype=np.int64))
    assert np.allclose(model.predict(np.array([[1.0]])), [1.0])
    for value in (1.5, np.nan):
        with pytest.raises(
            ValueError, match="takes only whole numbers, but a value has a fraction"
        ):
            model.predict(np.array([[value]]))


def test_session_of_onnx_is_made_by_the_first_call_in_each_process(
    convert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    made = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, data: bytes, options: Any, **more: Any) -> None:
            made.append((options.intra_op_num_threads, options.inter_op_num_threads))
            super().__init__(data, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    classifier = LogisticRegression(max_iter=1000).fit(X, Y)
    model = convert(classifier)
    assert introspect.methods(model)
    assert input_columns.inputs(model).columns
    assert made == []
    for _ in range(2):
        model.predict(X)
        assert made == [(1, 1)]
    copy = pickle.loads(pickle.dumps(model))
    assert len(made) == 1
    assert np.array_equal(copy.predict(X), model.predict(X))
    assert len(made) == 2
    process = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: process + 1)  # as after a fork
    model.predict(X)
    assert len(made) == 3


def field(number: int, *values: bytes) -> bytes:
    """Return short values as a field of a message of protocol buffers."""
    return b"".join(bytes([number << 3 | 2, len(value)]) + value for value in values)


def graph_of(*nodes: bytes) -> bytes:
    """Return a graph with the input ``X``, two columns, and the output ``label``.

    It has the operators of ONNX and those of ``org.example``, which nobody knows.
    """
    domains = field(8, field(1, b"") + b"\x10\x12") + field(
        8, field(1, b"org.example") + b"\x10\x01"
    )
    size = field(1, b"\x08\x02")
    kind = field(1, b"\x08\x01" + field(2, field(1, b"") + size))
    value = field(1, b"X") + field(2, kind)
    output = field(1, b"label") + field(2, kind)
    graph = field(1, *nodes) + field(2, b"g") + field(11, value) + field(12, output)
    return b"\x08\x08" + domains + field(7, graph)


TO_FLOAT = field(1, b"to") + b"\x18\x01\xa0\x01\x02"
CAST = field(1, b"X") + field(2, b"label") + field(4, b"Cast") + field(5, TO_FLOAT)
CIRCLE = field(1, b"label") + field(2, b"label") + field(4, b"Cast") + field(5, TO_FLOAT)
UNKNOWN = field(1, b"X") + field(2, b"label") + field(4, b"Classify") + field(7, b"org.example")
PACKED = (
    field(1, b"classlabels_int64s") + field(8, b"\x03" + b"\xff" * 9 + b"\x01") + b"\xa0\x01\x07"
)


@pytest.mark.parametrize(("node", "classes"), [(UNKNOWN + field(5, PACKED), [3, -1]), (CAST, None)])
def test_graph_of_another_writer(policy: Policy, node: bytes, classes: Any) -> None:
    (policy.root / "a.onnx").write_bytes(graph_of(node))
    model = load(Artifact("a.onnx"), policy).estimator
    assert introspect.classes(model) == classes
    assert model.n_features_in_ == 2


@pytest.mark.parametrize(
    "data",
    [
        b"\x38\x01",
        b"\xff" * 12,
        field(7, b""),
        field(7, b"\x60\x01"),
        b"\x3f\x00",
        b"\x3a\xff\x01x",
    ],
)
def test_corrupt_onnx(policy: Policy, data: bytes) -> None:
    (policy.root / "a.onnx").write_bytes(data)
    assert re.match(
        "it (is not a file of ONNX|cannot be loaded)", refused(Artifact("a.onnx"), policy)
    )


def test_truncated_onnx(to_onnx: Any, policy: Policy) -> None:
    data = to_onnx(LinearRegression().fit(X, Y), SINGLE[:1]).SerializeToString()
    for length in range(1, len(data), len(data) // 7):
        (policy.root / "a.onnx").write_bytes(data[:length])
        assert "it is not a file of ONNX" in refused(Artifact("a.onnx"), policy)


def test_graph_that_the_checker_of_onnx_refuses(to_onnx: Any, policy: Policy) -> None:
    data = to_onnx(LinearRegression().fit(X, Y), SINGLE[:1]).SerializeToString()
    for changed in (data.replace(b"LinearRegressor", b"NoSuchRegressor"), graph_of(CIRCLE)):
        (policy.root / "a.onnx").write_bytes(changed)
        assert refused(Artifact("a.onnx"), policy).startswith("onnx refuses it: ValidationError: ")


def test_graph_that_the_runtime_refuses(policy: Policy) -> None:
    (policy.root / "a.onnx").write_bytes(graph_of(UNKNOWN))
    model = load(Artifact("a.onnx"), policy).estimator
    with pytest.raises(ArtifactError, match=r"a\.onnx: ONNX Runtime refuses it: ") as caught:
        model.predict(X[:, :2])
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph", "function"])
def test_weights_in_other_files_are_refused(policy: Policy, place: str) -> None:
    import onnx

    make = onnx.helper
    weights = onnx.numpy_helper.from_array(np.ones((4, 1), np.float32), "w")
    onnx.external_data_helper.set_external_data(weights, "w.bin")
    weights.ClearField("raw_data")
    constant = make.make_node("Constant", [], ["w"], value=weights)
    subgraph = make.make_graph([constant], "subgraph", [], [])
    nodes = {
        "initializer": [],
        "attribute": [constant],
        "subgraph": [make.make_node("If", ["X"], ["w"], then_branch=subgraph)],
        "function": [],
    }[place]
    graph = make.make_graph(
        [*nodes, make.make_node("MatMul", ["X", "w"], ["variable"])],
        "graph",
        [make.make_tensor_value_info("X", 1, [None, 4])],
        [make.make_tensor_value_info("variable", 1, [None, 1])],
        [weights] if place == "initializer" else [],
    )
    model = make.make_model(graph)
    if place == "function":
        model.functions.append(make.make_function("local", "f", [], ["w"], [constant], []))
    (policy.root / "a.onnx").write_bytes(model.SerializeToString())
    assert "it keeps weights in other files" in refused(Artifact("a.onnx"), policy)


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it counts threads in /proc")
def test_onnx_is_imported_for_a_graph_alone_and_starts_no_thread(
    convert: Any, policy: Policy
) -> None:
    convert(LinearRegression().fit(X, Y))
    code = """
import os, sys
from pathlib import Path
from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import load
assert not {"onnx", "onnxruntime"} & sys.modules.keys()
before = os.listdir("/proc/self/task")
load(Artifact("a.onnx"), Policy(root=Path(sys.argv[1])))
assert "onnx" in sys.modules
assert "onnxruntime" not in sys.modules
assert os.listdir("/proc/self/task") == before
"""
    subprocess.run([sys.executable, "-c", code, policy.root], check=True)


# Signatures


def block(marker: str) -> str:
    """Return the code block of the page of artifacts that has this in it."""
    text = DOCS.read_text(encoding="utf-8")
    found = re.findall(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    [one] = [textwrap.dedent(each) for each in found if marker in each]
    return one


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with a key that signs, and the one that verifies."""
    library("model_signing")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    folder = tmp_path / "keys"
    folder.mkdir()
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "models.key").write_bytes(key.private_bytes(pem, *private))
    (folder / "models.pub").write_bytes(key.public_key().public_bytes(pem, public))
    return folder


@pytest.fixture
def signing(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The ``verify`` of the documentation, and a function that signs a file for it."""
    from model_signing import signing

    monkeypatch.chdir(keys.parent)
    (keys.parent / "config.py").write_text(block("model_signing"), encoding="utf-8")
    verify = runpy.run_path("config.py")["verify"]

    def sign(path: Path) -> None:
        config: Any = signing.Config()  # type: ignore[no-untyped-call]
        signer = config.use_elliptic_key_signer(private_key=keys / "models.key")
        signer.sign(path, f"{path}.sig")

    return sign, verify


def test_signed_file_loads_and_a_changed_one_does_not(
    signing: Any, pipeline: Any, mark: Path, policy: Policy
) -> None:
    sign, verify = signing
    policy = replace(policy, verify=verify, trust_pickle=True)
    paths = [policy.root / name for name in ("a.skops", "a.joblib")]
    for path, write in zip(paths, (skops_io.dump, joblib.dump), strict=True):
        write(pipeline, path)
        assert "SKMODELS_VERIFY refuses it" in refused(Artifact(path.name), policy)
        sign(path)
        check(load(Artifact(path.name), policy), pipeline, path, path.suffix[1:])
        joblib.dump(Marker(str(mark)), path)
        reason = refused(Artifact(path.name), policy)
        assert "SKMODELS_VERIFY refuses it: ValueError: Signature mismatch" in reason
    assert not mark.exists()


def test_signed_list_of_digests_pins(signing: Any, listed: Path, policy: Policy) -> None:
    sign, verify = signing
    sums = listed.with_name("SHA256SUMS")
    sums.write_text(f"{digest_of(listed)}  iris.joblib\n")
    sign(sums)
    sign(listed)
    policy = replace(policy, verify=verify, sha256sums="models/SHA256SUMS")
    assert load(Artifact("models/iris.joblib"), policy).format == "joblib"
    sums.write_text(f"{'0' * 64}  iris.joblib\n")
    reason = refused(Artifact("models/iris.joblib"), policy, sums)
    assert "Signature mismatch" in reason


def test_files_beside_a_pickle_are_not_read(tmp_path: Path, monkeypatch: Any) -> None:
    """joblib once kept arrays in files beside the pickle, which no pin is of."""
    mark = tmp_path / "mark"
    estimator = LinearRegression().fit([[0], [1]], [0, 1])
    estimator.beside = NDArrayWrapper("beside.npy", np.ndarray)
    path = tmp_path / "old.joblib"
    path.write_bytes(pickle.dumps(estimator, 2))
    evil = np.empty(1, dtype=object)
    evil[0] = _Marks(str(mark))
    np.save(tmp_path / "beside.npy", evil, allow_pickle=True)
    monkeypatch.chdir(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for mode in (None, "r"):
        with pytest.raises(ArtifactError, match="refers to other files"):
            load(Artifact(path, sha256=digest, mmap_mode=mode), Policy(root=tmp_path))
    assert not mark.exists()


class _Marks:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")

"""Runs that end early and are resumed: the manifest, the lock, full disks, kills."""

from __future__ import annotations

import errno
import json
import os
import runpy
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from flask import Flask

from flask_skmodels import Model, ScoringError, SKModels, TooManyRejects
from flask_skmodels.bulk import durable_files
from flask_skmodels.bulk.manifest import Manifest
from flask_skmodels.bulk.run_lock import RunLock
from tests.bulk.conftest import Score
from tests.support import scoring
from tests.support.scoring import ROWS, content, frame, good, table_of
from tests.support.versions_folder import application, constant, extension_of, put

TABLE = frame()
SINKS = ["out/", "out.parquet", "out.csv", "out.csv.gz", "out.arrow", "out.ndjson.zst"]


class Stopped(Exception):
    """Ends a run in a test."""


def stop_after(chunks: int) -> Any:
    """Return a watcher that ends a run."""
    seen = []

    def watch(progress: Any) -> None:
        seen.append(progress.rows)
        if len(seen) == chunks:
            raise Stopped

    return watch


def bytes_of(sink: str) -> dict[str, bytes]:
    path = Path(sink)
    return content(path) if path.is_dir() else {path.name: path.read_bytes()}


def whole(score: Score, sink: str, **options: Any) -> dict[str, bytes]:
    """Return the output of a run that is not disturbed, and remove it."""
    score("in.parquet", sink, keep=["id"], **options)
    output = bytes_of(sink) | bytes_of("out.rejects.parquet")
    remove()
    return output


def remove() -> None:
    for path in Path().glob("out*"):
        if path.is_dir():
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
        else:
            path.unlink()


@pytest.fixture(autouse=True)
def source(score: Score) -> None:
    TABLE.to_parquet("in.parquet")


@pytest.mark.parametrize("sink", SINKS)
def test_resumed_run_gives_the_same_bytes(score: Score, sink: str) -> None:
    expected = whole(score, sink)
    with pytest.raises(Stopped):
        score("in.parquet", sink, keep=["id"], watch=stop_after(2))
    assert not Path(sink).exists()
    summary = score("in.parquet", sink, keep=["id"], resume=True)
    assert (summary.rows, summary.rejected, summary.chunks, summary.resumed) == (ROWS, 3, 4, 2)
    assert bytes_of(sink) | bytes_of("out.rejects.parquet") == expected
    assert not list(Path().glob("*.parts"))
    assert not list(Path().glob("*.lock"))


def test_resume_with_nothing_to_resume_begins_from_the_start(score: Score) -> None:
    summary = score("in.parquet", "out/", resume=True)
    assert (summary.chunks, summary.resumed) == (4, 0)


def test_resume_of_a_complete_run_does_nothing(score: Score) -> None:
    first = score("in.parquet", "out/", keep=["id"])
    before = content(Path("out"))
    again = score("in.parquet", "out/", keep=["id"], resume=True)
    assert (again.rows, again.rejected, again.resumed) == (first.rows, 3, first.chunks)
    assert content(Path("out")) == before


def test_unfinished_run_is_not_thrown_away(score: Score) -> None:
    with pytest.raises(Stopped):
        score("in.parquet", "out/", watch=stop_after(1))
    with pytest.raises(
        ScoringError, match=r"continue it with --resume, or remove out.manifest.jsonl"
    ):
        score("in.parquet", "out/")
    Path("out.manifest.jsonl").unlink()
    assert score("in.parquet", "out/").resumed == 0


def test_output_is_never_replaced(score: Score) -> None:
    score("in.parquet", "out.csv")
    with pytest.raises(ScoringError, match=r"out.csv exists already"):
        score("in.parquet", "out.csv")
    Path("other").mkdir()
    assert score("in.parquet", "other").chunks == 4  # an empty folder is no output


def change_input(options: dict[str, Any]) -> None:
    good(TABLE).to_parquet("in.parquet")


def change_method(options: dict[str, Any]) -> None:
    options["method"] = "predict_proba"


def change_keep(options: dict[str, Any]) -> None:
    options["keep"] = ["segment"]


def change_chunks(options: dict[str, Any]) -> None:
    options["chunk_rows"] = 64


def change_format(options: dict[str, Any]) -> None:
    options["format"] = "csv"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_input, "the content of in.parquet has changed"),
        (change_method, 'option method was "predict" and is now "predict_proba"'),
        (change_keep, r'option keep was \["id"\] and is now \["segment"\]'),
        (change_chunks, "option chunk-rows was 128 and is now 64"),
        (change_format, 'option format was ".parquet" and is now ".csv"'),
    ],
)
def test_resume_refuses_what_has_changed(score: Score, change: Any, named: str) -> None:
    options: dict[str, Any] = {"keep": ["id"]}
    with pytest.raises(Stopped):
        score("in.parquet", "out/", watch=stop_after(1), **options)
    change(options)
    with pytest.raises(ScoringError, match=f"cannot resume out/: {named}"):
        score("in.parquet", "out/", resume=True, **options)


def test_resume_refuses_another_model(
    score: Score, app: Flask, models: SKModels, line_pipeline: Any, pipeline: Any
) -> None:
    from sklearn.base import clone

    from tests.support.helpers import SCHEMA, X, Y

    with pytest.raises(Stopped):
        score("in.parquet", "out/", watch=stop_after(1))
    other = Flask("other")
    changed = SKModels(other)
    changed.add("iris", clone(pipeline).fit(X[::2], Y[::2]), schema=SCHEMA, probability=True)
    with pytest.raises(ScoringError, match=r"model estimator was .* is "):
        scoring.score(changed, other, "in.parquet", "out/", resume=True)
    renamed = Flask("renamed")
    with_rules = SKModels(renamed)
    with_rules.add("iris", pipeline, schema={**SCHEMA, "petal_width": {}}, probability=True)
    with pytest.raises(ScoringError, match=r"model declaration was .* is "):
        scoring.score(with_rules, renamed, "in.parquet", "out/", resume=True)


def test_other_workers_and_a_higher_limit_may_resume(score: Score) -> None:
    expected = whole(score, "out/")
    with pytest.raises(TooManyRejects):
        score("in.parquet", "out/", keep=["id"], max_rejects=1)
    score("in.parquet", "out/", keep=["id"], max_rejects=5, resume=True)
    assert bytes_of("out/") | bytes_of("out.rejects.parquet") == expected


def test_part_that_has_changed_is_made_again(score: Score) -> None:
    expected = whole(score, "out/")
    with pytest.raises(Stopped):
        score("in.parquet", "out/", keep=["id"], watch=stop_after(3))
    parts = sorted(Path("out.parts").iterdir())
    parts[0].write_bytes(b"spoilt")
    parts[1].unlink()
    (Path("out.parts") / "part-00003.parquet.tmp").write_bytes(b"half")
    summary = score("in.parquet", "out/", keep=["id"], resume=True)
    assert summary.resumed == 1
    assert bytes_of("out/") | bytes_of("out.rejects.parquet") == expected


def test_line_that_was_cut_off_does_not_count(score: Score) -> None:
    with pytest.raises(Stopped):
        score("in.parquet", "out/", watch=stop_after(2))
    manifest = Path("out.manifest.jsonl")
    manifest.write_bytes(manifest.read_bytes()[:-10])
    assert score("in.parquet", "out/", resume=True).resumed == 1


@pytest.mark.parametrize("sink", ["out/", "out.parquet"])
@pytest.mark.parametrize("is_renamed", [False, True])
def test_run_that_ended_while_it_published(score: Score, sink: str, is_renamed: bool) -> None:
    expected = whole(score, sink)

    def publish(*arguments: Any) -> None:
        if is_renamed:
            real(*arguments)
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        kind = "FolderSink" if sink == "out/" else "FileSink"
        from flask_skmodels.bulk import sinks

        real = getattr(sinks, kind).publish
        patch.setattr(sinks, kind, type(kind, (getattr(sinks, kind),), {"publish": publish}))
        with pytest.raises(Stopped):
            score("in.parquet", sink, keep=["id"])
    score("in.parquet", sink, keep=["id"], resume=True)
    assert bytes_of(sink) | bytes_of("out.rejects.parquet") == expected
    assert Manifest(Path(f"{sink.rstrip('/')}.manifest.jsonl")).summary is not None


def test_manifest_is_written_after_the_part(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each line of the manifest, the files that it names are there with their digests."""
    seen = []
    add = Manifest.add

    def check(self: Manifest, entry: Any) -> None:
        part = Path("out.parts") / f"part-{entry.chunk:05d}.parquet"
        assert durable_files.file_digest(part) == entry.sha256
        seen.append(entry.chunk)
        add(self, entry)

    monkeypatch.setattr(Manifest, "add", check)
    score("in.parquet", "out/")
    assert seen == [0, 1, 2, 3]
    lines = [json.loads(line) for line in Path("out.manifest.jsonl").read_text().splitlines()]
    assert list(lines[0]["run"]) == ["library", "input", "model", "option"]
    assert lines[0]["run"]["input"][0]["file"] == "in.parquet"
    assert lines[2] == {
        **lines[2],
        "chunk": 0,
        "source": "in.parquet",
        "first_row": 0,
        "rows": 128,
        "scored": 126,
        "rejected": 2,
    }


def test_metadata_names_the_model(score: Score) -> None:
    score("in.parquet", "out/")
    for part in Path("out").iterdir():
        metadata = pq.read_schema(part).metadata
        assert metadata[b"skmodels.model"] == b"iris"
        assert metadata[b"skmodels.method"] == b"predict"
        assert metadata[b"skmodels.library"].startswith(b"Flask-SKModels ")


def test_second_run_on_one_output_refuses(score: Score) -> None:
    with RunLock(Path("out.lock"), "out/"), pytest.raises(ScoringError) as caught:
        score("in.parquet", "out/")
    assert str(caught.value).startswith(f"another run, process {os.getpid()} on ")
    Path("out.lock").write_text("12345 on a machine that is off")
    assert score("in.parquet", "out/").rows == ROWS


class FullDisk:
    """A file on a disk that has room for some bytes only."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: Any) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("sink", ["out/", "out.csv"])
def test_full_disk_is_named_and_loses_nothing(
    score: Score, monkeypatch: pytest.MonkeyPatch, sink: str
) -> None:
    expected = whole(score, sink)
    written: list[str] = []
    hashing = durable_files.HashingFile

    class Filling(hashing):  # type: ignore[misc, valid-type]
        def __init__(self, file: Any) -> None:
            written.append(file.name)
            super().__init__(FullDisk(file, 100 if len(written) == 4 else 10**9))

    with monkeypatch.context() as patch:
        patch.setattr(durable_files, "HashingFile", Filling)
        with pytest.raises(ScoringError) as caught:
            score("in.parquet", sink, keep=["id"])
    assert "No space left on device" in str(caught.value)
    assert "run again with --resume" in str(caught.value)
    assert not list(Path().glob("*.parts/*.tmp"))
    assert score("in.parquet", sink, keep=["id"], resume=True).resumed >= 1
    assert bytes_of(sink) | bytes_of("out.rejects.parquet") == expected


def test_folder_that_cannot_be_made_is_an_error(score: Score) -> None:
    Path("file").write_text("")
    with pytest.raises(ScoringError, match=r"cannot write file"):
        score("in.parquet", "file/out/")


def test_sources_without_a_name_cannot_be_resumed(score: Score) -> None:
    with pytest.raises(Stopped):
        score([TABLE], "out/", watch=stop_after(1))
    with pytest.raises(ScoringError, match=r"a source without a name cannot be resumed"):
        score([TABLE], "out/", resume=True)


# In a process of its own

SLOW = """
import time
from flask_skmodels import KeyValueModel

class Iris(KeyValueModel):
    name = "iris"
    schema = {name: {"min": 0} for name in %r}
    pipeline = Artifact("iris.joblib")

    def predict(self, X):
        time.sleep(%r)
        return self.pipeline.predict(X)

models = SKModels()
models.register(Iris)
"""


def slow_application(folder: Path, pipeline: Any, seconds: float) -> None:
    from tests.support.helpers import FIELDS

    text = scoring.APPLICATION % (tuple(FIELDS),)
    start, end = text.index("models = SKModels()"), text.index("app = Flask")
    slow = SLOW % (tuple(FIELDS), seconds)
    scoring.write_application(folder, pipeline, text[:start] + slow + text[end:])


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_of_the_system_end_it_within_two_seconds(
    score: Score, tmp_path: Path, pipeline: Any, number: int
) -> None:
    slow_application(tmp_path, pipeline, 5.0 if number == signal.SIGINT else 0.4)
    options = ("in.parquet", "out/", "--keep", "id", "--chunk-rows", "100")
    process = scoring.command(tmp_path, *options)
    wanted = "parts" if number == signal.SIGINT else "parts/part-00000.parquet"
    wait_for(tmp_path / f"out.{wanted}")
    time.sleep(0.2)
    started = time.monotonic()
    process.send_signal(number)
    status, _, err = scoring.finish(process)
    assert time.monotonic() - started < 2
    assert (status, err.splitlines()[-1]) == (130, "Interrupted: --resume continues it")
    assert not (tmp_path / "out").exists()
    if number == signal.SIGTERM:
        slow_application(tmp_path, pipeline, 0.0)
        status, out, err = scoring.run(tmp_path, *options, "--resume", "--json")
        assert status == 0, err
        assert json.loads(out)["resumed"] >= 1


def wait_for(path: Path, seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.01)


@pytest.mark.full
@pytest.mark.parametrize("sink", ["out/"])
def test_killed_at_any_instant_and_resumed(
    score: Score, tmp_path: Path, pipeline: Any, sink: str
) -> None:
    frame(4500).to_parquet("in.parquet")
    scoring.write_application(tmp_path, pipeline)
    options = ("in.parquet", sink, "--keep", "id", "--chunk-rows", "50")
    served = runpy.run_path(str(tmp_path / "app.py"))
    served["models"].score(
        "iris", "in.parquet", sink, app=served["app"], keep=["id"], chunk_rows=50
    )
    expected = bytes_of(sink) | bytes_of("out.rejects.parquet")
    remove()
    for index in range(3):
        process = scoring.command(tmp_path, *options, "--resume")
        part = tmp_path / "out.parts" / f"part-{20 * index + 3:05d}.parquet"
        while process.poll() is None and not part.exists():
            time.sleep(0.001)
        time.sleep(0.003 * index)
        if process.poll() is None:
            scoring.kill(process, signal.SIGKILL)
        process.communicate()
    status, out, err = scoring.run(tmp_path, *options, "--resume", "--json")
    assert status == 0, err
    assert bytes_of(sink) | bytes_of("out.rejects.parquet") == expected
    summary = json.loads(out)
    assert (summary["rows"], summary["chunks"]) == (4500, 90)
    assert summary["resumed"] >= 3


def test_one_version_scores_all_rows_whatever_is_loaded_meanwhile(tmp_path: Path) -> None:
    put(tmp_path / "m", "1", constant(1.0))
    app = application(Model(name="m", pipeline="m", schema={"a": {}, "b": {}}), root=tmp_path)
    models = extension_of(app)

    def batches() -> Iterator[pd.DataFrame]:
        for label in ("2", "3", "4"):
            yield pd.DataFrame({"a": [1.0] * 4, "b": 2.0})
            put(tmp_path / "m", label, constant(float(label)))
            models.refresh("m", app=app)

    out = tmp_path / "out.parquet"
    summary = models.score("m", batches(), str(out), app=app, chunk_rows=4)
    assert summary.version == "1"
    assert table_of(out).column("prediction").to_pylist() == [1.0] * 12
    assert models.predict("m", [[1, 2]], app=app).version == "4"

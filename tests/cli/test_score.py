"""``flask skmodels score``: options, exit status, output."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels.testing import record_signals
from tests.bulk.test_runs import slow_application, wait_for
from tests.support.command_line import run
from tests.support.scoring import ROWS, command, finish, frame, write_application


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame().to_parquet("in.parquet")


def test_score_prints_the_counts(app: Flask) -> None:
    result = run(app, "score", "iris", "in.parquet", "scores/", "--keep", "id, segment")
    assert result.exit_code == 0, result.output
    text, _, seconds = result.stdout.strip().rpartition("; ")
    assert text == ("scores/: 450 rows, 447 scored, 3 rejected, in scores.rejects.parquet; 1 chunk")
    assert seconds.endswith(" s")


def test_score_sends_the_signals_of_its_chunks(app: Flask) -> None:
    with record_signals(app) as signals:
        run(app, "score", "iris", "in.parquet", "a.csv")
    assert signals.names == ["input-rejected", "before-prediction", "after-prediction"]
    assert signals.predictions[0].is_bulk


def test_score_prints_one_line_of_json(app: Flask) -> None:
    result = run(app, "score", "iris", "in.parquet", "a.csv", "--json", "--method", "predict_proba")
    summary = json.loads(result.stdout)
    seconds = summary.pop("seconds")
    assert 0 < seconds < 60
    assert summary == {
        "rows": ROWS,
        "scored": ROWS - 3,
        "rejected": 3,
        "chunks": 1,
        "resumed": 0,
        "version": None,
        "output": "a.csv",
        "rejects": "a.rejects.parquet",
    }


def test_score_to_standard_output(app: Flask) -> None:
    result = run(app, "score", "iris", "in.parquet", "-", "--keep", "id")
    assert result.stdout.splitlines()[:2] == ["id,prediction", "1000,0"]
    assert len(result.stdout.splitlines()) == ROWS - 3 + 1
    assert result.stderr.splitlines()[0] == (
        "row 5 of in.parquet is rejected: field sepal_width, rule min: min value is 0"
    )
    assert "447 scored" in result.stderr
    with_file = run(
        app, "score", "iris", "in.parquet", "-", "--rejects", "r.csv", "--format", "ndjson"
    )
    assert json.loads(with_file.stdout.splitlines()[0]) == {"prediction": 0}
    assert len(Path("r.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("nothing", "in.parquet", "out/"), 1, "there is no model named 'nothing'"),
        (("iris", "none.csv", "out/"), 1, "none.csv: there is no such file"),
        (("iris", "in.parquet", "out/", "--method", "transform"), 1, "does not serve 'transform'"),
        (("iris", "in.parquet", "out/", "--version", "7"), 1, "there is no version '7'"),
        (("iris", "in.parquet", "out/", "--keep", "nothing"), 1, "no column 'nothing'"),
        (("iris", "in.parquet", "out/", "--max-rejects", "some"), 1, "max_rejects must be a"),
        (("iris", "in.parquet", "out.csv", "--format", "ndjson"), 1, "does not match the format"),
        (("iris", "in.parquet", "-", "--resume"), 1, "standard output cannot be resumed"),
        (("iris", "in.parquet"), 2, "Missing argument"),
        (("iris", "in.parquet", "out/", "--jobs", "0"), 2, "0 is not in the range"),
        (("iris", "in.parquet", "out/", "--format", "xlsx"), 2, "'xlsx' is not one of"),
        (("iris", "in.parquet", "out.xlsx"), 1, "out.xlsx: spreadsheets cannot be written"),
        (("iris", "in.parquet", "out/", "--max-rejects", "0.1%"), 3, "3 of 450 rows are rejected"),
        (("iris", "in.parquet", "out/", "--fail-fast"), 3, "row 5 of in.parquet is rejected"),
    ],
)
def test_score_has_an_exit_status_for_each_kind_of_failure(
    app: Flask, arguments: tuple[str, ...], status: int, message: str
) -> None:
    result = run(app, "score", *arguments)
    assert result.exit_code == status, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    assert not Path("out").exists()


def test_score_goes_on_where_it_ended(app: Flask) -> None:
    options = ("score", "iris", "in.parquet", "out/", "--chunk-rows", "100", "--max-rejects")
    assert run(app, *options, "1").exit_code == 3
    result = run(app, *options, "1%", "--resume")
    assert "5 chunks, 2 of them finished before" in result.stdout
    refused = run(app, *options, "1%")
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: out/ exists already: remove it, or name another output\n",
    )


def test_dry_run_shows_what_would_be_done(app: Flask) -> None:
    options = ("score", "iris", "in.parquet", "out/", "--keep", "id", "--dry-run")
    lines = run(app, *options).stdout.splitlines()
    assert lines[0] == "source   in.parquet: about 450 rows"
    assert lines[1:3] == ["output   out/", "columns  id int64, prediction int64"]
    assert lines[3].startswith("time     about ")
    assert lines[4] == "rejects  3 of the first 450 rows"
    assert lines[5] == "         row 5: field sepal_width, rule min: min value is 0"
    assert sorted(path.name for path in Path().iterdir()) == ["in.parquet"]
    assert json.loads(run(app, *options, "--json").stdout)["rejected"] == 3
    frame(0).to_parquet("empty.parquet")
    empty = run(app, "score", "iris", "empty.parquet", "out/", "--dry-run")
    assert "about 0 rows" in empty.stdout


def test_progress_without_a_terminal_is_plain_lines(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flask_skmodels.cli import score_progress

    monkeypatch.setattr(score_progress, "_LINES_APART", 0.0)
    result = run(app, "score", "iris", "in.parquet", "a/", "--chunk-rows", "200")
    first = result.stderr.splitlines()[0]
    assert first.startswith("200 of 450 rows, ")
    assert first.endswith(" s left, 2 rejected, 1 worker")
    quiet = run(app, "score", "iris", "in.parquet", "b/", "--chunk-rows", "200", "--json")
    assert quiet.stderr == ""


@pytest.mark.usefixtures("measured_processes")
@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no pseudo-terminals")
@pytest.mark.parametrize("source", ["in.parquet", "in.csv.gz"])
def test_progress_bar_on_a_terminal(tmp_path: Path, pipeline: Any, source: str) -> None:
    import pty

    frame().to_csv("in.csv.gz", index=False)
    write_application(tmp_path, pipeline)
    ours, theirs = pty.openpty()
    process = command(tmp_path, source, "out/", "--chunk-rows", "200", stderr=theirs)
    process.communicate(timeout=60)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert process.returncode == 0
    assert "450 of 450 rows" in shown if source == "in.parquet" else "450 rows" in shown
    assert "3 rejected, 1 worker" in shown


@pytest.mark.full
@pytest.mark.usefixtures("measured_processes")
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such signals")
def test_interrupted_command_names_the_option_that_continues(tmp_path: Path, pipeline: Any) -> None:
    slow_application(tmp_path, pipeline, 30.0)
    process = command(tmp_path, "in.parquet", "out/")
    wait_for(tmp_path / "out.parts")
    time.sleep(0.2)
    process.terminate()
    status, _, err = finish(process)
    assert (status, err.splitlines()[-1]) == (130, "Interrupted: --resume continues it")
    assert not (tmp_path / "out").exists()

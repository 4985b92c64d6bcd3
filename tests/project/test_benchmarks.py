"""The benchmarks: correct requests, correct figures, and a page that matches the results."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from benchmarks import ROOT, __main__, count_calls, exchanges, page, svg
from benchmarks.figures import Figure, figures
from benchmarks.in_process import MEMORY, memory_of, post
from benchmarks.lab import Lab, turned
from benchmarks.load import Sample, Wrong, read_sample, target
from benchmarks.peers import PEERS, Peer
from benchmarks.results import Cell, Results, Series, Spread, ratio, read
from benchmarks.served import shelf
from benchmarks.served.library import app_of
from benchmarks.side_by_side import compare
from benchmarks.workloads import Workload, boosted, by_rows, many_rows, one_row
from tests.support.selection import cases
from tests.support.skips import library, needs_program

WRK = needs_program("wrk")
SERVED_HERE = [
    *((name, "w1") for name in ("by-hand", "concept", "hello-sync", "hello_json-sync")),
    ("library-plain", "w4-1000"),
]
IN_PROCESS = ["w1", "w4-1000", "w4-10000", "rows-100", "w5"]
REPORT = '\n{"requests": 30, "seconds": 2.0, "p50": 1.5, "p99": 3.0, "failed": %d, "broken": %d}\n'


def peer(name: str) -> Peer:
    return next(peer for peer in PEERS if peer.name == name)


@cache
def workload_of(name: str) -> Workload:
    """Return a workload by its name; it takes seconds to make."""
    if name == "w5":
        library("lightgbm")
        return boosted()
    if name.startswith("rows"):
        return next(workload for workload in by_rows() if workload.name == name)
    return (many_rows() if name.startswith("w4") else one_row())[name]


def lab(folder: Path) -> Lab:
    return Lab(folder, folder, PEERS, [1], 1, 1)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def cell(peer: str, *rates: float, workload: str = "w1", at: int = 64) -> Cell:
    samples = [Sample(rate, 1.0, 2.0) for rate in rates]
    return Cell(workload, peer, exchanges.RECORD, at, samples)


def figure(name: str) -> Figure:
    return next(figure for figure in figures() if figure.name == name)


# What is sent


@pytest.mark.parametrize("name", cases(IN_PROCESS, quick=["w1", "w4-1000"]))
def test_library_answers_each_format_as_the_pipeline_does(name: str) -> None:
    workload = workload_of(name)
    card = shelf.Card(workload.model, workload.schema, workload.has_texts)
    app = app_of(card, workload.pipeline)
    for exchange in exchanges.library(workload).values():
        for body, expected in zip(exchange.bodies, exchange.expected, strict=True):
            assert exchange.read(post(app, exchange, body)) == expected


@pytest.mark.full
def test_codes_of_categories_lead_to_the_same_predictions() -> None:
    workload = workload_of("w5")
    assert workload.coded is not None
    both = zip(workload.requests, workload.coded.requests, strict=True)
    assert [workload.expected(a) == workload.coded.expected(b) for a, b in both] == [True] * 32
    assert workload_of("w1").coded is None


@WRK
@pytest.mark.full
@pytest.mark.parametrize(("name", "workload"), SERVED_HERE)
def test_server_is_checked_and_leaves_no_process(tmp_path: Path, name: str, workload: str) -> None:
    asked, served = peer(name), workload_of(workload)
    exchange = next(iter(asked.exchanges(served).values()))
    with lab(tmp_path).server(asked, served) as server:
        aim = target(server, exchange, tmp_path / "bodies")
        aim.wait_until_ready()
        assert server.memory() > 1 << 20
        assert aim.pace(0) > 0
        wrong = tuple([None] for _ in exchange.expected)
        with pytest.raises(Wrong, match="is not"):
            replace(aim, exchange=replace(exchange, expected=wrong)).check()
        started = server.processes()
    assert len(started) > 1
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


@WRK
@pytest.mark.full
def test_restless_server_is_stopped_between_its_turns(tmp_path: Path) -> None:
    restless = replace(peer("by-hand"), is_restless=True)
    [exchange] = restless.exchanges(workload_of("w1")).values()
    with lab(tmp_path).server(restless, workload_of("w1")) as server:
        aim = target(server, exchange, tmp_path / "bodies")
        for _ in range(2):
            aim.wait_until_ready()
            _, *started = server.processes()  # the first is timeout(1)
            assert {state_of(pid) for pid in started} == {"T"}
            aim.check()
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


@WRK
@pytest.mark.full
def test_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = replace(
        peer("by-hand"), command=lambda site: ["sh", "-c", "echo no such thing; exit 1"]
    )
    [exchange] = broken.exchanges(workload_of("w1")).values()
    with (
        lab(tmp_path).server(broken, workload_of("w1")) as server,
        pytest.raises(Wrong, match="no such thing"),
    ):
        target(server, exchange, tmp_path).wait_until_ready()


# What is read


def test_sample_of_wrk() -> None:
    assert read_sample("Running 2s test" + REPORT % (0, 0)) == Sample(15.0, 1.5, 3.0)


@pytest.mark.parametrize(("failed", "broken"), [(1, 0), (0, 1)])
def test_sample_with_a_failed_answer_is_none(failed: int, broken: int) -> None:
    with pytest.raises(Wrong, match="1 "):
        read_sample(REPORT % (failed, broken))


def test_ratio_is_taken_round_by_round() -> None:
    assert ratio([10, 20, 90], [10, 10, 30]) == Spread(2, 1, 3)


def test_each_round_has_another_order() -> None:
    assert [turned([1, 2, 3], round_, 3) for round_ in range(3)] == [
        [1, 2, 3],
        [2, 3, 1],
        [3, 1, 2],
    ]


def test_memory_of_a_request_counts_its_peak() -> None:
    found = memory_of(exchanges.ARROW)
    assert found["body"] > 1_600_000
    assert found["growth"] > found["body"] / 2


# Figures


def test_share_of_bare_flask_is_that_of_the_worst_number_of_connections() -> None:
    results = Results(
        cells=[
            *(cell("library-sync", 99, at=1), cell("hello-sync", 100, at=1)),
            *(cell("library-sync", 50, at=64), cell("hello-sync", 100, at=64)),
        ]
    )
    found = figure("W1, sync: requests/s relative to bare Flask")
    measured = found.measure(results)
    assert measured == Spread(0.5, 0.5, 0.5)
    assert not found.is_reached(measured)


def test_best_peer_is_none_of_ours_and_not_bare_flask() -> None:
    peers = [cell("hello-sync", 900), cell("mlserver", 50), cell("fastapi", 100)]
    results = Results(cells=[cell("library-gthread", 130), cell("library-sync", 500), *peers])
    found = figure("W1, gthread: requests/s relative to the best other server, 64 connections")
    measured = found.measure(results)
    assert measured == Spread(1.3, 1.3, 1.3)
    assert found.is_reached(measured)


def test_upper_bound_is_not_to_be_passed() -> None:
    found = figure("W4, 10,000 rows, Arrow: memory of a request relative to its body")
    measured = found.measure(Results(series=[Series(MEMORY, exchanges.ARROW, 0, [6.1])]))
    assert measured is not None
    assert not found.is_reached(measured)


def test_figure_that_was_not_measured_has_no_ratio() -> None:
    assert [figure.measure(Results()) for figure in figures()] == [None] * len(figures())


# The page


def test_page_is_that_of_the_results_beside_it() -> None:
    results = read(ROOT / "docs/benchmarks/results.json")
    assert page.render(results) == (ROOT / "docs/benchmarks.rst").read_text(encoding="utf-8")
    for name, plot in page.drawn(results):
        assert (ROOT / f"docs/benchmarks/{name}.svg").read_text(encoding="utf-8") == plot


def test_page_tells_cells_figures_and_what_failed(tmp_path: Path) -> None:
    results = Results({"Date": "today"}, failures={"w2, mlflow": "first\nit ended"})
    results.cells = [cell("library-sync", 80, 90, 100), cell("hello-sync", 100, 100, 100)]
    page.write(results, tmp_path)
    text = (tmp_path / "benchmarks.rst").read_text(encoding="utf-8")
    assert "   * - Flask-SKModels, sync\n     - 90 (80 to 100)\n     - 1, 2\n" in text
    assert "     - at least 0.9\n     - 0.9 (0.8 to 1)\n     - reached\n" in text
    assert "   * - W1, Flask-SKModels, sync\n     - 0.9 (0.8 to 1)\n" in text
    assert "- w2, mlflow: ``it ended``" in text
    assert "benchmarks/w1.svg" in text
    assert ">Flask-SKModels, sync</text>" in (tmp_path / "benchmarks/w1.svg").read_text("utf-8")
    assert read(tmp_path / "benchmarks/results.json") == results


def test_plot_has_a_curve_for_each_name() -> None:
    plot = svg.lines("Rows", {"a & b": [(1, 10), (10, 95)]}, "rows", "rows a second", log=True)
    assert "a &amp; b" in plot
    assert plot.count("<circle") == 2


@pytest.mark.parametrize(
    ("value", "told"), [(2_100_000, "2.1 M"), (31_000, "31 k"), (512.4, "512"), (0.35, "0.35")]
)
def test_numbers_are_short(value: float, told: str) -> None:
    assert svg.short(value) == told


# The command


@pytest.mark.parametrize(
    ("has_lane", "json", "form"),
    [(False, 60, 74), (True, 80, 98)],  # the lane has functions of its own in place of Flask's
)
def test_request_takes_few_calls_of_the_library(has_lane: bool, json: int, form: int) -> None:
    app = count_calls.application(has_lane=has_lane)
    assert len(count_calls.calls_of(app, *count_calls.BODIES["JSON"])) <= json
    assert len(count_calls.calls_of(app, *count_calls.BODIES["form"])) <= form


@pytest.mark.full
def test_checkout_is_as_fast_as_itself() -> None:
    found = compare(ROOT, starts=1, rounds=2, names=["w1 json"])
    assert list(found) == ["w1 json"]
    assert all(0.1 < ratio < 10 for ratio in found["w1 json"].ratios)


def test_list_names_all_that_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--list"]) == 0
    told = capsys.readouterr().out
    assert "in-process" in told
    assert "bench_validation.py" in told
    assert all(f"  {peer.name} " in told for peer in PEERS)


def test_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["--peers", "nobody"])
    assert "unknown: nobody" in capsys.readouterr().err

"""Write ``docs/benchmarks.rst`` and its plots from the results of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks import exchanges
from benchmarks.figures import Figure, figures, hello
from benchmarks.in_process import LIBRARY, MEMORY, PIPELINE, SECTION
from benchmarks.peers import PEERS
from benchmarks.results import Cell, Results, Spread, ratio, spread
from benchmarks.sections import AMONG, BATCHING, MODELS, ROWS, SLOW_THREADS, WORKERS
from benchmarks.svg import FLOOR, OTHER, OWN, Bar, bars, lines, short

PLOTS = "benchmarks"  # the folder beside the page
TITLES = {peer.name: peer.title for peer in (*PEERS, *BATCHING, *AMONG)}
SETTINGS = {peer.name: peer.settings for peer in PEERS}
ONE_ROW = {
    "w1": "W1: a scaler and a logistic regression",
    "w2": "W2: a forest of 100 trees",
    "w3": "W3: a column transformer and histogram boosting",
    "w5": "W5: LightGBM with categories",
}
MANY_ROWS = {"w4-1000": "W4: 1,000 rows", "w4-10000": "W4: 10,000 rows"}
INTRODUCTION = f"""\
Benchmarks
==========

.. This page is written by ``python -m benchmarks``.

.. index:: performance, speed, latency, throughput, comparison with other servers

This page compares Flask-SKModels with other model servers, and with bare Flask, in a single run on
one machine. To repeat the run and write this page, in a checkout of the project on Linux with
`wrk <https://github.com/wg/wrk>`_ installed:

.. code-block:: console

    $ python3 -m venv .venv
    $ .venv/bin/pip install -e '.[arrow,fast,pandas]' -r benchmarks/requirements.txt
    $ .venv/bin/python -m benchmarks

``--quick`` takes about two minutes; ``--help`` lists the other options. Each server has its own
virtual environment, which the first run creates.

How it is measured
------------------

All servers of a workload run at the same time on the loopback interface, with ``OMP_NUM_THREADS``
and ``OPENBLAS_NUM_THREADS`` set to 1. ``wrk``, with one thread, loads them one after the other, in
several rounds and in a different order in each round. Every result is the median of the rounds,
with the lowest and the highest in brackets. Ratios are computed within each round, because the
noise of a machine affects a whole round. The requests vary: 32 different rows, one for each
request, or one request with many rows. Every response has to be successful. Before and after the
load, a separate client compares the response to each of these requests with the result of
``pipeline.predict``.

Bare Flask responds to ``GET /`` with 13 bytes. *Flask, JSON in and out* calls ``get_json()`` for
the requests with one row and returns a constant, so it shows the cost of a Flask endpoint without a
model. *Without the fast lane* is the library with ``SKMODELS_FAST_LANE = False``, as in an
application with hooks of its own. LitServe uses the processor even without requests, so it is
stopped while other servers are measured.

The library validates each row with a schema, and one receiver is connected to ``after_prediction``.
The servers and ``wrk`` share the processors.

- W1 is a ``StandardScaler`` and a ``LogisticRegression`` on the iris data.
- W2 is a ``RandomForestClassifier`` of 100 trees on 10 numbers.
- W3 is a ``ColumnTransformer`` that passes four numbers through, some of them missing, and encodes
  two texts, with a ``HistGradientBoostingClassifier`` of 100 trees.
- W4 is the pipeline of W1 on 20 numbers, with 1,000 and 10,000 rows in each request.
- W5 is an ``LGBMClassifier`` of 100 trees on four numbers and two categories. It is compared only
  with servers for LightGBM. They accept no categories, so their clients send codes; MLServer
  returns probabilities.

The slow estimators are an ``SVC`` with some thousand support vectors, a nearest-neighbors
classifier on 400,000 points, and the probabilities of a Gaussian process on 1,000 points. They run
on gunicorn with 2 workers of {SLOW_THREADS} threads.
"""
LIMITS = """\
Some targets are not reached. These are the reasons, according to a sampling profiler on a worker
that has the machine to itself:

- *Relative to bare Flask.* Without a server, a request of W1 takes the application 41 µs with the
  fast lane and 80 µs without it (the shortest of 4,000 calls); *Flask, JSON in and out*, which
  predicts nothing, takes 60 µs, and bare Flask 35 µs. Everything else is the same for all of them:
  the server, the kernel and ``wrk`` take some 370 µs of both processors under sync workers, and 120
  µs under granian.
- *Relative to Flask, JSON in and out.* Even bare Flask, which reads no body, has only 1.1 times its
  rate under sync workers, and 1.2 times under granian; the target is 1.3. Requests of W2 and W3
  take 28 and 47 µs longer than those of W1, because of the trees and the texts.
- *The best other server, under sync workers.* The targets of W1, W2, W3 and W5 are between 0.9 and
  1.1 times the rate of bare Flask. A sync worker needs a new connection for each request; the other
  servers keep their connections open. So does granian, and under granian the targets are reached.
- *W4 in JSON.* For a request of 4 MB, a third of the time goes to the parser, whose time depends on
  the number of digits, and a fifth to gunicorn, which reads the body in parts of 8 KiB. MLServer's
  event loop reads it in C.
- *SVC.* libsvm computes the kernel row by row: 32 rows in one call take 24 times as long as one
  row.
- *gthread.* A connection stays with the worker that accepted it. In some rounds one of the two
  workers has most of the connections, which halves the rate of any server, including bare Flask.
  This also explains the wide ranges of the rates and of the tail latencies.
"""
BY_HAND = """\
Other estimators in process
---------------------------

The table compares ``models.predict`` with the estimator's own ``predict`` of a data frame, for one
row of 20 numbers and in some cases one column with three categories; the boosters have 100 trees.
The metrics, the traces and the pages are on, as they are by default. The times are medians of 15
rounds of ``python -m benchmarks.bench_engines`` on 30 November 2026, on the same machine while it
did nothing else; the lowest and the highest ratio are in brackets. Both calls are timed in the same
round. Python's garbage collector may run in any round, which takes 0.12 s with all these libraries.

.. list-table::
   :header-rows: 1

   * - Estimator
     - ``models.predict``, µs
     - Its own ``predict``, µs
     - Ratio
     - Target
{rows}

Of all estimators of scikit-learn, 146 can be made without arguments and fitted on a data frame of 8
columns. The geometric mean of their ratios is 21.5 (``python -m benchmarks.bench_estimators``, on
the same day). With two of them ``models.predict`` takes longer: ``DummyRegressor``, whose own
method takes 13 µs, and ``FunctionTransformer`` without a function, whose own method takes 3 µs.

Registering a forest of 1,000 trees takes 0.53 s for ``predict``, and 0.60 s for ``predict`` and
``predict_proba``, whose results are verified from the same calls of the forest; reading its file
takes 0.21 s. The first model that is registered also imports modules of scikit-learn.
``import flask_skmodels`` takes 1.21 times as long as ``import flask, sklearn.base`` (1.1 to 1.49,
``python -m benchmarks.bench_import``). The difference is the library's own modules, because it
imports no other library.

*LightGBM without categories* does not reach its target because of the steps that every prediction
takes. Its own ``predict`` takes half as long as that of the model with categories, for which
LightGBM computes codes in pandas. On a slower machine a prediction took 39 µs, which
``perf_counter`` divided as follows: LightGBM's call 7 µs, the label and the fallback around the
call 7 µs, reading and checking the row and turning it into an array 7 µs, the record of the
prediction 3 µs, the signals 2 µs, the counts of traffic 7 µs, the metrics 4 µs, and the traces 1
µs. A ratio of 40 would have left 30 µs for all of this. Trees that are joined into one would not be
faster: those of XGBoost take 8 µs to find their leaves, before these are added up.
"""
_BY_HAND_ROWS = (
    ("LightGBM", "32", "1,019", "27.1 (17.9 to 33)", "40"),
    ("LightGBM, a category", "44", "2,220", "42.1 (27.6 to 64.8)", "40"),
    ("XGBoost", "55", "1,591", "26.7 (18.9 to 51.5)", "18"),
    ("XGBoost, a category", "75", "1,448", "19.4 (13.7 to 27.4)", "18"),
    ("CatBoost", "53", "736", "13.8 (12.1 to 15.3)", "8"),
    ("CatBoost, a category", "74", "601", "8.2 (0.3 to 11.1)", "8"),
    ("``KNeighborsClassifier``", "159", "1,330", "8.4 (6.7 to 8.8)", "5"),
    ("``KMeans``", "43", "651", "14.9 (10.7 to 17.5)", "5"),
    ("``GaussianMixture``", "49", "630", "12.6 (10.9 to 13.4)", "1"),
    ("``KNNImputer``, ``LogisticRegression``", "38", "904", "23 (18.9 to 28.7)", "4"),
    ("``TfidfVectorizer``, ``LogisticRegression``", "130", "749", "5.7 (4.3 to 6.6)", "4"),
    ("``SplineTransformer``, ``Ridge``", "60", "1,448", "23.8 (21.9 to 31.8)", "15"),
    ("``PowerTransformer``, ``SGDClassifier``", "41", "1,612", "38.7 (18 to 54.1)", "12"),
    (
        "``QuantileTransformer``, ``LogisticRegression``",
        "66",
        "1,254",
        "19.6 (11 to 26.8)",
        "12",
    ),
)
NOTHING = "No run has been made for this page yet.\n"


def write(results: Results, docs: Path) -> None:
    """Write the page, its plots and the results themselves to the folder of the documentation."""
    folder = docs / PLOTS
    folder.mkdir(parents=True, exist_ok=True)
    plots = dict(drawn(results))
    for name, plot in plots.items():
        (folder / f"{name}.svg").write_text(plot, encoding="utf-8")
    results.save(folder / "results.json")
    (docs / "benchmarks.rst").write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    """Return the page of a run."""
    parts = [INTRODUCTION]
    if not results.facts:
        return "\n".join([*parts, NOTHING])
    parts += _section("The run", [*_facts(results), *_settings(results)])
    parts += _section("Targets", _reached(results))
    parts += _section("Relative to bare Flask", _over_hello(results))
    for name, title in ONE_ROW.items():
        if any(cell.workload == name for cell in results.cells):
            parts += _section(title, [*_image(name, title), *_cells(results, name)])
    for name, title in MANY_ROWS.items():
        if any(cell.workload == name for cell in results.cells):
            parts += _section(title, [*_image(name, title), *_cells(results, name)])
    parts += _section("In process", _in_process(results)) if results.of(SECTION) else []
    parts += _other_estimators()
    parts += _growth(results)
    for name, profile in results.profiles.items():
        rows = (
            [f"``{x.function}``", f"{x.calls:.0f}", f"{x.own:.1f}", f"{x.total:.1f}"]
            for x in profile
        )
        table = _table(["Function", "Calls", "Own time, µs", "Total time, µs"], rows)
        parts += _section(f"Profile of one request of {name.upper()}", [PROFILE, *table])
    if results.failures:
        parts += _section("Not measured", _failures(results))
    return "\n".join(parts)


PROFILE = (
    "Measured with ``cProfile``, which adds its own cost: the table shows the parts of a request, "
    "not how long it takes.\n"
)


def drawn(results: Results) -> Iterator[tuple[str, str]]:
    """Yield the plots of a run, each with its name."""
    for name, title in {**ONE_ROW, **MANY_ROWS}.items():
        cells = [cell for cell in results.cells if cell.workload == name and cell.samples]
        most = max((cell.connections for cell in cells), default=0)
        found = sorted(
            (_bar(cell) for cell in cells if cell.connections == most), key=lambda bar: -bar.value
        )
        if found:
            yield name, bars(f"{title}, {most} connections", found, "requests per second")
    by_rows = _by_name(results, ROWS)
    if by_rows:
        yield (
            ROWS,
            lines("Rows per second", by_rows, "rows in a request", "rows per second", log=True),
        )
    among = _among(results)
    if among:
        latency = {"median latency": among}
        yield MODELS, lines("Models registered", latency, "models", "milliseconds", log=False)
    memory = _by_name(results, WORKERS, 1e6)
    if memory:
        title = "Memory with a forest of 100 MB"
        yield WORKERS, lines(title, memory, "workers", "MB (PSS)", log=False)


def _facts(results: Results) -> Iterator[str]:
    yield from _table(["Item", "Value"], [[name, told] for name, told in results.facts.items()])


def _settings(results: Results) -> Iterator[str]:
    peers = [peer for peer in PEERS if any(cell.peer == peer.name for cell in results.cells)]
    yield from _table(["Server", "Settings"], [[peer.title, peer.settings] for peer in peers])
    wanted: dict[str, None] = {}
    for peer in PEERS:
        known = results.versions.get(peer.environment, {})
        wanted |= dict.fromkeys(f"{name} {known[name]}" for name in peer.packages if name in known)
    yield f"Versions: {', '.join(sorted(wanted))}.\n"


def _reached(results: Results) -> Iterator[str]:
    yield (
        "Each target is a ratio. If several numbers of connections were measured, the lowest ratio "
        "counts.\n"
    )
    yield from _table(
        ["Ratio", "Target", "Measured", ""],
        [_verdict(figure, figure.measure(results)) for figure in figures()],
    )
    yield LIMITS


def _verdict(figure: Figure, found: Spread | None) -> list[str]:
    wanted = f"at {'most' if figure.at_most else 'least'} {figure.bound:g}"
    if found is None:
        return [figure.name, wanted, "", "not measured"]
    return [
        figure.name,
        wanted,
        _told(found),
        "reached" if figure.is_reached(found) else "**not reached**",
    ]


def _over_hello(results: Results) -> Iterator[str]:
    """Yield the table of request rates relative to bare Flask, by number of connections."""
    yield (
        "Requests per second with one row each, divided by those of bare Flask on the same server. "
        "*Flask, JSON in and out* is the maximum for any Flask endpoint that reads JSON.\n"
    )
    found: dict[str, dict[int, str]] = {}
    for cell in results.cells:
        if cell.peer.startswith(("library-", "hello_json-")) and cell.workload in ONE_ROW:
            floor = hello(cell.peer.rpartition("-")[2])(results, cell.workload, cell.connections)
            if floor and cell.samples:
                told = found.setdefault(
                    f"{cell.workload.upper()}, {_name(cell.peer, exchanges.RECORD)}", {}
                )
                told[cell.connections] = _told(ratio(cell.rates, floor.rates))
    counts = sorted({at for told in found.values() for at in told})
    rows = [[name, *(told.get(at, "") for at in counts)] for name, told in found.items()]
    yield from _table(["Server", *(f"{at} connection{'s' * (at > 1)}" for at in counts)], rows)


def _cells(results: Results, workload: str) -> Iterator[str]:
    cells = [cell for cell in results.cells if cell.workload == workload and cell.samples]
    counts = sorted({cell.connections for cell in cells})
    rows = []
    for peer, name in dict.fromkeys((cell.peer, cell.format) for cell in cells):
        row = [_name(peer, name)]
        for at in counts:
            cell = results.cell(workload, peer, name, at)
            row += [_told(spread(cell.rates)), _latency(cell)] if cell else ["", ""]
        rows.append(row)
    heads = [head for at in counts for head in (f"{at} conn., requests/s", "p50, p99 ms")]
    yield from _table(["Server", *heads], rows)


def _in_process(results: Results) -> Iterator[str]:
    yield "Microseconds for a call with one row.\n"
    rows = []
    for name in dict.fromkeys(series.name.partition(",")[0] for series in results.of(SECTION)):
        ours = results.one(SECTION, f"{name}, {LIBRARY}")
        theirs = results.one(SECTION, f"{name}, {PIPELINE}")
        if ours and theirs:
            told = [_told(spread(ours)), _told(spread(theirs)), _told(ratio(theirs, ours))]
            rows.append([name.upper() if name in ONE_ROW else name, *told])
    yield from _table(["", "``models.predict``", "``pipeline.predict``", "Ratio"], rows)


def _other_estimators() -> Iterator[str]:
    """Yield the figures of a program that a run does not start."""
    rows = ["   * - " + "\n     - ".join(row) for row in _BY_HAND_ROWS]
    yield BY_HAND.format(rows="\n".join(rows))


def _growth(results: Results) -> Iterator[str]:
    slow = [cell for cell in results.cells if cell.peer in {peer.name for peer in BATCHING}]
    if slow:
        rows = [[c.workload, TITLES[c.peer], _told(spread(c.rates)), _latency(c)] for c in slow]
        heads = ["Estimator", "", "requests/s", "p50, p99 ms"]
        yield from _section("Slow estimators, 64 connections", _table(heads, rows))
    if results.of(MEMORY):
        rows = [[series.name, _told(spread(series.values))] for series in results.of(MEMORY)]
        heads = ["Format", "Peak growth of the process, as a multiple of the body"]
        yield from _section("Memory of a request of 10,000 rows", _table(heads, rows))
    for name, title in (
        (ROWS, "Rows per request"),
        (MODELS, "Models registered"),
        (WORKERS, "Memory by workers"),
    ):
        if name in dict(drawn(results)):
            yield from _section(title, _image(name, title))


def _failures(results: Results) -> Iterator[str]:
    for name, told in results.failures.items():
        last = told.strip().splitlines()[-1] if told.strip() else ""
        yield f"- {name}: ``{last.replace('`', '')[:200]}``"
    yield ""


def _by_name(
    results: Results, section: str, unit: float = 1.0
) -> dict[str, list[tuple[float, float]]]:
    """Return the points of a section's lines, by the name of each."""
    found: dict[str, list[tuple[float, float]]] = {}
    for series in results.of(section):
        peer, _, name = series.name.partition(", ")
        title = _name(peer, name if name != exchanges.RECORD else exchanges.ROWS) if name else peer
        found.setdefault(title, []).append((series.at, spread(series.values).median / unit))
    return {name: sorted(points) for name, points in found.items()}


def _among(results: Results) -> list[tuple[float, float]]:
    cells = [cell for cell in results.cells if cell.peer.startswith("models-") and cell.samples]
    return [
        (int(cell.peer.rpartition("-")[2]), spread(s.p50 for s in cell.samples).median)
        for cell in cells
    ]


def _bar(cell: Cell) -> Bar:
    found = spread(cell.rates)
    color = OWN if cell.peer.startswith("library") else OTHER
    color = FLOOR if cell.peer.startswith("hello") else color
    return Bar(_name(cell.peer, cell.format), found.median, found.low, found.high, color)


def _name(peer: str, format_: str) -> str:
    """Return the name on the page of a server that gets requests in a format."""
    title = TITLES.get(peer, "Flask-SKModels")
    server = peer.rpartition("-")[2]
    told = [title, *([server] if server in {"sync", "gthread", "granian"} else [])]
    return ", ".join([*told, *([] if format_ == exchanges.RECORD else [format_])])


def _told(found: Spread) -> str:
    return f"{short(found.median)} ({short(found.low)} to {short(found.high)})"


def _latency(cell: Cell) -> str:
    p50 = spread(sample.p50 for sample in cell.samples).median
    p99 = spread(sample.p99 for sample in cell.samples).median
    return f"{short(p50)}, {short(p99)}"


def _section(title: str, body: Iterable[str]) -> Iterator[str]:
    yield from (title, "-" * len(title), "")
    yield from body


def _image(name: str, title: str) -> Iterator[str]:
    yield from (f".. image:: {PLOTS}/{name}.svg", "   :width: 100%", f"   :alt: {title}", "")


def _table(heads: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", "")
    for row in [heads, *rows]:
        for place, cell in enumerate(row):
            yield f"   {'  - ' if place else '* - '}{cell}".rstrip()
    yield ""

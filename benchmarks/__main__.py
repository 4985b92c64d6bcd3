"""``python -m benchmarks``: measure, and write the page of the documentation."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from benchmarks import HERE, ROOT, machine, page
from benchmarks.commands import THREADS
from benchmarks.environments import build
from benchmarks.lab import Lab
from benchmarks.peers import PEERS
from benchmarks.results import Results, read
from benchmarks.sections import SECTIONS

CACHE = ROOT / ".bench_cache"
QUICK_SECTIONS = ("one-row", "in-process", "profiles")
QUICK_PEERS = (
    "library-sync",
    "library-granian",
    "hello-sync",
    "hello-granian",
    "by-hand",
    "fastapi",
)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = found.add_argument
    add("--sections", type=_some(SECTIONS), help=f"of {','.join(SECTIONS)}; all by default")
    add("--peers", type=_some(peer.name for peer in PEERS), help="which servers, all by default")
    add("--connections", type=_numbers, default=[1, 16, 64], help="of wrk, 1,16,64 by default")
    add("--rounds", type=int, default=3, help="how often each is loaded, 3 by default")
    add("--seconds", type=int, default=2, help="of load in a round, 2 by default")
    add("--cache", type=Path, default=CACHE, help="where the environments are built")
    add("--docs", type=Path, help="where the page is written, the project's docs by default")
    add("--quick", action="store_true", help="a small part in two minutes, written to the cache")
    add("--build", action="store_true", help="build the environments and measure nothing")
    add("--page", action="store_true", help="write the page anew from its results")
    add("--list", action="store_true", help="list sections, peers and the finer benchmarks")
    add("--fine", action="store_true", help="run the finer benchmarks, benchmarks/bench_*.py")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    if options.list:
        return _list()
    if options.fine:
        return _fine()
    docs = options.docs or (options.cache / "quick" if options.quick else ROOT / "docs")
    if options.page:
        page.write(read(docs / page.PLOTS / "results.json"), docs)
        return 0
    _be_alone_with_one_thread()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended
    results = _measure(options)
    if not options.build:
        page.write(results, docs)
        print(f"written: {docs / 'benchmarks.rst'}")
    return 1 if results.failures else 0


def _measure(options: argparse.Namespace) -> Results:
    """Build what is needed and run the sections."""
    quick = options.quick
    names = options.peers or (QUICK_PEERS if quick else [peer.name for peer in PEERS])
    peers = [peer for peer in PEERS if peer.name in names]
    sections = options.sections or (QUICK_SECTIONS if quick else list(SECTIONS))
    failed = build(sorted({peer.environment for peer in peers}), options.cache)
    results = Results(
        machine.facts(), failures={f"environment {name}": why for name, why in failed.items()}
    )
    peers = [peer for peer in peers if peer.environment not in failed]
    if options.build:
        return results
    results.versions = machine.versions({peer.environment for peer in peers}, options.cache)
    rounds, seconds = (2, 1) if quick else (options.rounds, options.seconds)
    connections = [16] if quick else options.connections
    with TemporaryDirectory(prefix="benchmarks-") as work:
        lab = Lab(options.cache, Path(work), peers, connections, rounds, seconds, results)
        _run(lab, sections)
    return results


def _run(lab: Lab, sections: Sequence[str]) -> None:
    started = monotonic()
    lab.results.facts["Rounds"] = f"{lab.rounds} of {lab.seconds} s for each"
    for name in sections:
        print(f"{name} ({monotonic() - started:.0f} s)", flush=True)
        SECTIONS[name](lab)
    minutes = (monotonic() - started) / 60
    lab.results.facts["Length of the run"] = f"{minutes:.0f} minutes"
    print(f"done in {minutes:.1f} minutes")


def _be_alone_with_one_thread() -> None:
    """Start anew with one thread for each pool: numpy reads that when it is imported."""
    if any(os.environ.get(name) != value for name, value in THREADS.items()):
        environment = {**os.environ, **THREADS}
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], environment)
    if machine.is_busy():
        print("the machine is busy: these figures are not to be trusted", file=sys.stderr)


def _list() -> int:
    print("sections:", *SECTIONS)
    print("peers:")
    for peer in PEERS:
        print(f"  {peer.name:20} {peer.title}: {peer.settings}")
    print("finer benchmarks, by --fine:", *(path.name for path in _finer()))
    return 0


def _fine() -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-s",
        "-o",
        "python_files=bench_*.py",
        *map(str, _finer()),
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _finer() -> list[Path]:
    return sorted(HERE.glob("bench_*.py"))


def _some(known: Iterable[str]) -> Callable[[str], list[str]]:
    names = list(known)

    def read_names(text: str) -> list[str]:
        wanted = text.split(",")
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
        return wanted

    return read_names


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())

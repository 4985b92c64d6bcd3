"""Peers side by side: all are started, checked and warmed, then loaded in interleaved rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError, SubprocessError
from typing import TypeVar

from benchmarks.commands import Site, variables
from benchmarks.environments import Environment
from benchmarks.load import Target, Wrong, target
from benchmarks.peers import Peer
from benchmarks.results import Cell, Results
from benchmarks.served import shelf
from benchmarks.servers import Server, free_port, serving
from benchmarks.workloads import Workload

STARTED_AT_ONCE = 3
WARM_CONNECTIONS = 8

_T = TypeVar("_T")
Key = tuple[str, str, str]  # names of the workload, the peer and the format
Targets = dict[Key, Target]


@dataclass
class Lab:
    """What all sections share.

    :param cache: folder of the environments
    :param work: folder of this run
    :param peers: who is measured
    :param connections: of wrk
    :param rounds: how often each cell is loaded
    :param seconds: of load in a round
    :param results: what is found
    """

    cache: Path
    work: Path
    peers: Sequence[Peer]
    connections: Sequence[int]
    rounds: int
    seconds: int
    results: Results = field(default_factory=Results)

    def compare(
        self, workloads: Sequence[Workload], peers: Sequence[Peer], connections: Sequence[int]
    ) -> None:
        """Load peers in turn, round by round; their answers are checked before and after.

        :param workloads: of one model
        """
        with self.started(workloads, peers) as targets:
            cells = {(key, at): Cell(*key, at) for at in connections for key in targets}
            self.results.cells += cells.values()
            for round_ in range(self.rounds):
                print(f"  round {round_ + 1} of {self.rounds}", flush=True)
                for key, at in turned(list(cells), round_, self.rounds):
                    if cells[key, at] in self.results.cells:
                        self._sample(cells[key, at], targets[key])

    @contextmanager
    def started(self, workloads: Sequence[Workload], peers: Sequence[Peer]) -> Iterator[Targets]:
        """Give what can be loaded, each of it right and warm; check it again at the end.

        :param workloads: of one model
        """
        with ExitStack() as stack:
            targets: Targets = {}
            for peer, server in self._servers(stack, workloads[0], peers):
                for workload in workloads:
                    try:
                        targets |= self._targets(server, workload, peer)
                    except (Wrong, OSError, SubprocessError) as error:
                        self.fail(f"{workload.name}, {peer.name}", error)
            yield targets
            for key, aim in targets.items():
                try:
                    aim.check()
                except (Wrong, OSError) as error:
                    self.fail(f"{', '.join(key)}, after the load", error)

    @contextmanager
    def server(self, peer: Peer, workload: Workload) -> Iterator[Server]:
        """Start a peer for a workload, in a folder of its own."""
        if peer.takes_codes:
            workload = workload.coded or workload
        folder = self.work / f"{workload.model}-{peer.name}"
        card = shelf.Card(workload.model, workload.schema, workload.has_texts, workload.method)
        shelf.put(folder, card, workload.pipeline)
        environment = Environment(peer.environment, self.cache)
        site = Site(environment, folder, workload, free_port())
        told = variables(environment, folder, peer.options, peer.without)
        command, is_restless = peer.command(site), peer.is_restless
        with serving(command, site.port, folder, told, is_restless=is_restless) as server:
            yield server

    def fail(self, name: str, error: Exception) -> None:
        """Note that something was not measured, and why."""
        told = error.stderr if isinstance(error, CalledProcessError) else None
        text = str(error) + (told.decode() if isinstance(told, bytes) else told or "")
        self.results.failures[name] = text[-2000:]
        print(f"  failed: {name}: {text[-1000:]}", flush=True)

    def _servers(
        self, stack: ExitStack, workload: Workload, peers: Sequence[Peer]
    ) -> Iterator[tuple[Peer, Server]]:
        """Start peers that can be asked for a workload, a few at once."""
        with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
            begun = [
                (peer, pool.submit(stack.enter_context, self.server(peer, workload)))
                for peer in peers
                if peer.exchanges(workload)
            ]
        for peer, future in begun:
            try:
                yield peer, future.result()
            except (OSError, SubprocessError) as error:
                self.fail(f"{workload.name}, {peer.name}", error)

    def _targets(self, server: Server, workload: Workload, peer: Peer) -> Targets:
        found = {}
        for name, exchange in peer.exchanges(workload).items():
            folder = self.work / f"{workload.name}-{peer.name}-{name.replace(' ', '-')}"
            aim = target(server, exchange, folder)
            aim.wait_until_ready()
            aim.load(WARM_CONNECTIONS if workload.rows == 1 else 1, 1)
            found[workload.name, peer.name, name] = aim
        return found

    def _sample(self, cell: Cell, aim: Target) -> None:
        try:
            cell.samples.append(aim.load(cell.connections, self.seconds))
        except (Wrong, SubprocessError) as error:
            self.results.cells.remove(cell)
            name = f"{cell.workload}, {cell.peer}, {cell.format}, {cell.connections} connections"
            self.fail(name, error)


def turned(things: list[_T], round_: int, rounds: int) -> list[_T]:
    """Return things in another order each round, so that none has a place of its own."""
    start = round_ * len(things) // rounds
    return things[start:] + things[:start]

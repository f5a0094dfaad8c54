"""Requests per second of each contender on the same Granian, as a share of a raw RSGI function that does the same work.

python -m benchmarks http                                          # everything, about ten minutes
python -m benchmarks http --contender Gobstopper --workload json   # one figure (raw RSGI is always measured)
python -m benchmarks http --rounds 25 --markdown http.md --json http.json --check
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from ._load import WrongAnswerError, ask, connect, drive
from ._report import busy, machine, ratios, summary, table, write
from ._server import Server, StartError, cores, pinned
from ._workloads import WORKLOADS, Workload
from .contenders import BASE, CONTENDERS, Contender

OURS = "Gobstopper"
PACKAGES = ["granian", "uvloop", "gobstopper", *(c.needs for c in CONTENDERS.values() if c.needs and c.name != OURS)]


@dataclass
class Figures:
    """What was measured so far: by workload and contender, then by round."""

    rates: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    busy: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    wrong: dict[tuple[str, str], str] = field(default_factory=dict)

    def reject(self, workload: str, contender: str, why: str) -> None:
        """From now on this pair is not counted, nor is what was counted of it."""
        print(f"  {contender}, {workload}: not counted: {why}", file=sys.stderr)
        self.wrong[workload, contender] = why.partition("\n")[0]
        self.rates.pop((workload, contender), None)
        self.busy.pop((workload, contender), None)


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks http", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="one of them; may be repeated")
    parser.add_argument("--contender", action="append", choices=list(CONTENDERS), help="one of them; may be repeated")
    parser.add_argument("--rounds", type=int, default=12, help="how often each is measured (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of load for each measurement (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="open at once (%(default)s)")
    parser.add_argument("--restart", type=int, default=4, help="rounds before the servers are new ones (%(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="writes the tables there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--check", action="store_true", help="fails if Gobstopper misses a target or is not ahead")
    options = parser.parse_args(argv)
    if min(options.rounds, options.restart, options.connections) < 1 or options.seconds <= 0:
        parser.error("--rounds, --restart, --connections and --seconds have to be more than nothing")
    return options


def main(argv: list[str]) -> int:
    """Measures, prints, writes; returns 1 if --check finds something or the base itself failed."""
    options = parse(argv)
    workloads = [WORKLOADS[name] for name in options.workload or WORKLOADS]
    chosen = {BASE, *(options.contender or CONTENDERS)}
    contenders = [contender for contender in CONTENDERS.values() if contender.name in chosen and contender.available]
    warning = busy()
    figures = Figures()
    for first in range(0, options.rounds, options.restart):
        block = range(first, min(first + options.restart, options.rounds))
        measure(figures, block, workloads, contenders, options)
        if any((workload.name, BASE) in figures.wrong for workload in workloads):
            return 1
    report = render(figures, workloads, contenders, options, warning)
    print(report)
    write(options.markdown, report)
    write(options.json, json.dumps(as_json(figures, options), indent=2) + "\n")
    problems = check(figures, workloads) if options.check else []
    for problem in problems:
        print(f"missed: {problem}", file=sys.stderr)
    return 1 if problems else 0


def measure(
    figures: Figures,
    block: Sequence[int],
    workloads: list[Workload],
    contenders: list[Contender],
    options: argparse.Namespace,
) -> None:
    """Some rounds with servers of their own; what cannot be started or answers wrongly is rejected."""
    pair = cores() or (None, None)
    with ExitStack() as stack:
        servers = start(stack, workloads, contenders, pair[0])
        stack.enter_context(pinned(pair[1]))
        for number in block:
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for workload in workloads:
                runners = [contender for contender in contenders if workload.app in contender.apps]
                random.Random(f"{number} {workload.name}").shuffle(runners)
                for contender in runners:
                    server = servers.get((contender.name, workload.app))
                    if (workload.name, contender.name) not in figures.wrong:
                        one(figures, number, workload, contender, server, number == block[0], options)


def start(
    stack: ExitStack, workloads: list[Workload], contenders: list[Contender], core: int | None
) -> dict[tuple[str, str], Server | StartError]:
    """A server for each application that the workloads need. All are there at once; those not asked are idle."""
    starting: dict[tuple[str, str], Server] = {}
    for contender in contenders:
        for app in sorted({workload.app for workload in workloads} & contender.apps):
            target = f"benchmarks.contenders.{contender.module}:{app}"
            server = Server(target, contender.interface, core, contender.env)
            stack.callback(server.stop)
            starting[contender.name, app] = server
    servers: dict[tuple[str, str], Server | StartError] = {}
    for key, server in starting.items():
        try:
            server.wait()
            servers[key] = server
        except StartError as error:
            servers[key] = error
    return servers


def one(
    figures: Figures,
    number: int,
    workload: Workload,
    contender: Contender,
    server: Server | StartError | None,
    fresh: bool,
    options: argparse.Namespace,
) -> None:
    """One measurement, after a look at the answer; a fresh server gets some load first that is not counted."""
    key = (workload.name, contender.name)
    if not isinstance(server, Server):
        figures.reject(*key, str(server))
        return
    try:
        with connect(server.port) as connection:
            problem = workload.check(ask(connection, workload.message))
        if problem:
            raise WrongAnswerError(problem)
        if fresh:
            drive(server.port, workload.message, options.connections, min(0.3, options.seconds))
        before = server.cpu_seconds()
        count = drive(server.port, workload.message, options.connections, options.seconds)
        after = server.cpu_seconds()
    except (WrongAnswerError, OSError, ValueError) as error:
        figures.reject(*key, f"{error}\n{server.log()}".rstrip())
        return
    figures.rates.setdefault(key, {})[number] = count.rate
    if before is not None and after is not None:
        figures.busy.setdefault(key, {})[number] = (after - before) / count.seconds


def share(figures: Figures, workload: str, contender: str) -> dict[str, Any] | None:
    """A contender's share of raw RSGI, summed up over the rounds; None if it was not measured."""
    values = ratios(figures.rates.get((workload, contender), {}), figures.rates.get((workload, BASE), {}))
    return summary(values) if values else None


def cost(figures: Figures, workload: str, contender: str) -> float | None:
    """The processor time of the server for one request in µs, the median over the rounds; None if it is not known.

    Less disturbed by other programs than the rate is.
    """
    rates = figures.rates.get((workload, contender), {})
    shares = figures.busy.get((workload, contender), {})
    values = [shares[number] / rates[number] * 1e6 for number in shares if number in rates]
    return median(values) if values else None


def render(
    figures: Figures,
    workloads: list[Workload],
    contenders: list[Contender],
    options: argparse.Namespace,
    warning: str | None,
) -> str:
    """The report, in Markdown."""
    names = [workload.name for workload in workloads]
    shares, rates, costs = [], [], []
    for contender in contenders:
        row = [share(figures, name, contender.name) for name in names]
        shares.append([contender.name, *(f"{found['median']:.2f}" if found else "-" for found in row)])
        medians = [figures.rates.get((name, contender.name)) for name in names]
        rates.append(
            [contender.name, *(f"{summary([*found.values()])['median']:,.0f}" if found else "-" for found in medians)]
        )
        costs.append(
            [
                contender.name,
                *(f"{found:.1f}" if (found := cost(figures, name, contender.name)) else "-" for name in names),
            ]
        )
    target = ["target, pure Python", *(f"≥ {workload.target}" if workload.target else "" for workload in workloads)]
    idle = [share for rounds in figures.busy.values() for share in rounds.values() if share < 0.9]
    notes = [
        *machine(PACKAGES),
        f"one Granian worker, one runtime thread, uvloop, no access log; {options.connections} connections",
        f"{options.rounds} rounds of {options.seconds:g} s, interleaved, new servers after every {options.restart}",
        "server and load generator each on a core of their own" if cores() else "nothing pinned: expect noise",
        *([warning] if warning else []),
        *([f"{len(idle)} measurements did not keep the server busy (below 90 % of its core)"] if idle else []),
        *(f"not counted: {contender}, {workload}: {why}" for (workload, contender), why in figures.wrong.items()),
    ]
    return "\n".join(
        [
            "Share of raw RSGI: the median, over the rounds, of the ratio within a round.\n",
            table(["", *names], [*shares, target]),
            "Requests per second, for interest only (medians):\n",
            table(["", *names], rates),
            "The server's processor time for one request, in µs (medians):\n",
            table(["", *names], costs),
            *(f"- {workload.name}: {workload.about}" for workload in workloads),
            "",
            *(f"- {note}" for note in notes),
            "",
        ]
    )


def as_json(figures: Figures, options: argparse.Namespace) -> dict[str, Any]:
    """Every figure."""
    return {
        "machine": machine(PACKAGES),
        "settings": {name: getattr(options, name) for name in ("rounds", "seconds", "connections", "restart")},
        "results": [
            {
                "workload": workload,
                "contender": contender,
                "share": share(figures, workload, contender),
                "requests_per_second": list(rounds.values()),
                "server_microseconds": cost(figures, workload, contender),
                "server_busy": list(figures.busy.get((workload, contender), {}).values()),
            }
            for (workload, contender), rounds in figures.rates.items()
        ],
        "not_counted": [{"workload": w, "contender": c, "why": why} for (w, c), why in figures.wrong.items()],
    }


def check(figures: Figures, workloads: list[Workload]) -> list[str]:
    """Where Gobstopper in pure Python misses its target, or is not ahead of every other framework."""
    problems = []
    for workload in workloads:
        ours = share(figures, workload.name, OURS)
        if ours is None:
            problems.append(f"{workload.name}: {OURS} was not measured")
            continue
        if workload.target and ours["median"] < workload.target:
            problems.append(f"{workload.name}: {ours['median']:.3f} of raw RSGI, the target is {workload.target}")
        for name in CONTENDERS:
            other = share(figures, workload.name, name)
            framework = name not in {BASE, "raw ASGI"} and not name.startswith(OURS)
            if framework and other and other["median"] >= ours["median"]:
                problems.append(f"{workload.name}: {name} is at {other['median']:.3f}, {OURS} at {ours['median']:.3f}")
    return problems

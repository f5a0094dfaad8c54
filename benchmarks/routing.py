"""How long a match takes among 10, 500 and 1,000 mixed routes, against Starlette's router.

    python -m benchmarks routing
    python -m benchmarks routing --rounds 31 --check

Of every five routes one has no parameter, one a number, one a number and a text, one a parameter within a segment, one
a path. Every path is matched by another route. Rounds are interleaved; a ratio is the median of the rounds'.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from gobstopper_routing import IMPL, Router

from ._report import busy, machine, ratios, summary, table, write

Match = Callable[[str], object]

MATCHES = 2000  # in a round, of each contender; a tenth of it where one match goes through hundreds of regexes
FLAT = 1.5  # at most so much slower among 500 or 1,000 routes than among 10
AHEAD = 20  # at least so many times faster than Starlette among 500 routes
SECONDS = 0.3  # for 1,000 routes added and compiled, at most


def patterns(count: int) -> list[str]:
    """So many mixed patterns, a multiple of five."""
    found: list[str] = []
    for number in range(count // 5):
        name = f"/resource{number}"
        found += [name, f"{name}/<int:id>", f"{name}/<int:id>/items/<item>", f"/api/v<version>{name}/<id>"]
        found.append(f"{name}/files/<path:file>")
    return found


def paths(count: int) -> list[str]:
    """A path for each of the patterns, in their order."""
    found: list[str] = []
    for number in range(count // 5):
        name = f"/resource{number}"
        found += [name, f"{name}/42", f"{name}/42/items/abc", f"/api/v2{name}/x", f"{name}/files/a/b.txt"]
    return found


def ours(count: int) -> Match:
    """Our router with so many routes, checked."""
    router: Router[str] = Router()
    for pattern in patterns(count):
        router.add(pattern, ["GET"], pattern)
    router.compile()
    found = [router.match("GET", path) for path in paths(count)]
    if [one[0] for one in found if isinstance(one, tuple)] != patterns(count):
        raise SystemExit("error: our router took a wrong route")
    return lambda path: router.match("GET", path)


def starlettes(count: int) -> Match:
    """Starlette's routes, tried as its router tries them, checked."""
    from starlette.routing import Match as Kind
    from starlette.routing import Route

    def endpoint(request: Any) -> None: ...

    def translated(pattern: str) -> str:
        return re.sub(
            r"<(?:(\w+):)?(\w+)>", lambda found: f"{{{found[2]}{':' + found[1] if found[1] else ''}}}", pattern
        )

    routes = [Route(translated(pattern), endpoint) for pattern in patterns(count)]

    def match(path: str) -> object:
        scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "path_params": {}}
        for route in routes:
            kind, child = route.matches(scope)
            if kind is Kind.FULL:
                return route, child
        return None

    for path, route in zip(paths(count), routes, strict=True):
        if match(path) is None or match(path)[0] is not route:  # type: ignore[index]
            raise SystemExit("error: Starlette's router took a wrong route")
    return match


def microseconds(match: Match, sample: list[str]) -> float:
    """The mean time of a match."""
    gc.collect()
    began = time.perf_counter()
    for path in sample:
        match(path)
    return (time.perf_counter() - began) / len(sample) * 1e6


def built() -> float:
    """Seconds to add and compile 1,000 routes."""
    began = time.perf_counter()
    router: Router[str] = Router()
    for pattern in patterns(1000):
        router.add(pattern, ["GET"], pattern)
    router.compile()
    return time.perf_counter() - began


def main(argv: list[str]) -> int:
    """Measures and prints; returns 1 if --check finds a target missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks routing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="writes the table there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--check", action="store_true", help="fails if a target is missed")
    options = parser.parse_args(argv)
    warning = busy()

    contenders: dict[str, tuple[Match, list[str]]] = {}
    for count in (10, 500, 1000):
        contenders[f"Gobstopper, {count:,} routes"] = ours(count), paths(count) * (MATCHES // count)
    try:
        for count in (10, 500):
            sample = paths(count) * max(1, MATCHES // 10 // count)
            contenders[f"Starlette, {count} routes"] = starlettes(count), sample
    except ImportError:
        print("Starlette is not installed: it is left out (scripts/bench installs it)", file=sys.stderr)

    times: dict[str, dict[int, float]] = {name: {} for name in contenders}
    registration: dict[int, float] = {}
    for number in range(options.rounds):
        for name, (match, sample) in list(contenders.items())[:: 1 if number % 2 else -1]:
            times[name][number] = microseconds(match, sample)
        registration[number] = built()

    base = times["Gobstopper, 10 routes"]
    rows = [
        [name, f"{median(found.values()):.2f}", f"{summary(ratios(found, base))['median']:.2f}"]
        for name, found in times.items()
    ]
    seconds = median(registration.values())
    ahead = {
        count: summary(ratios(times[f"Starlette, {count} routes"], times[f"Gobstopper, {count} routes"]))["median"]
        for count in (10, 500)
        if f"Starlette, {count} routes" in times
    }
    report = "\n".join(
        [
            f"The router is `{IMPL}`. It takes in 1,000 routes in {seconds:.3f} s (target: below {SECONDS}).\n",
            table(["", "µs a match, median", "to Gobstopper, 10 routes"], rows),
            *(f"- {ratio:.1f} times as fast as Starlette among {count} routes" for count, ratio in ahead.items()),
            *(f"- {line}" for line in [*machine(["gobstopper-routing", "starlette"]), *([warning] if warning else [])]),
            "",
        ]
    )
    print(report)
    write(options.markdown, report)
    write(options.json, json.dumps({"microseconds": times, "seconds": registration}, indent=2) + "\n")
    flat = all(
        summary(ratios(times[f"Gobstopper, {count} routes"], base))["median"] <= FLAT for count in ("500", "1,000")
    )
    met = flat and seconds < SECONDS and ahead.get(10, 1) >= 1 and ahead.get(500, AHEAD) >= AHEAD
    return 1 if options.check and not met else 0

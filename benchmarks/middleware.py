"""The whole middleware stack, and static files, as a share of a raw RSGI function on the same Granian.

python -m benchmarks middleware                        # everything, some five minutes
python -m benchmarks middleware --workload write       # one workload (raw RSGI is always measured)
python -m benchmarks middleware --rounds 25 --markdown middleware.md --json middleware.json --check

The stack is a session on the server, CSRF protection, CORS and, in ours, security headers. Each contender uses its own:
Starlette has signed cookies and CORS and neither CSRF nor headers, so it does less; Litestar has all but the headers.
Sessions are in memory, and on Redis too if GOBSTOPPER_TEST_REDIS_URL says where one is. Static files are asked of nginx
too, where it is installed. The report says what was left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._load import Answer, WrongAnswerError, ask, connect, drive
from ._nginx import nginx, nginx_version
from ._report import busy, machine, ratios, summary, table, write
from ._server import Server, StartError, cores, pinned
from .contenders.stacks import GREETING, REDIS, SIZES, content, files

BASE = "raw RSGI"
OURS = "Gobstopper"


@dataclass(frozen=True)
class Contender:
    """A framework, or the bare server."""

    name: str
    maker: str
    interface: str
    workloads: frozenset[str]


STACK = frozenset({"no session", "read", "write"})
STATIC = frozenset({"static 1k", "static 100k", "static 304"})
# On Redis, workload by workload: ours against Litestar's.
ON_REDIS = ("Gobstopper, Redis", "Litestar, Redis")
TARGET_ON_REDIS = 3.0
CONTENDERS = [
    Contender(BASE, "raw_rsgi", "rsgi", STACK | STATIC),
    Contender("raw response_file", "raw_file", "rsgi", STATIC - {"static 304"}),
    Contender(OURS, "gobstopper", "rsgi", STACK | STATIC),
    Contender("Starlette", "starlette", "asgi", STACK | STATIC),
    Contender("Litestar", "litestar", "asgi", STACK),
    Contender(ON_REDIS[0], "gobstopper_redis", "rsgi", STACK),
    Contender(ON_REDIS[1], "litestar_redis", "asgi", STACK),
]
NGINX = "nginx"
TARGETS = {"read": 0.50, "write": 0.35}
ABOUT = {
    "no session": "GET without a cookie through the whole stack",
    "read": "GET with the cookie of a session that the handler does not touch",
    "write": "POST that changes the session, past CSRF protection",
    "static 1k": "a file of 1 KiB; raw RSGI has its bytes in a dict",
    "static 100k": "a file of 100 KiB",
    "static 304": "a conditional request for it that is not modified",
}


def message(port: int, workload: str) -> bytes:
    """The request of a workload, with the cookies and the entity tag that this server gives."""
    with connect(port) as connection:
        if workload.startswith("static"):
            path = "/static/100k.txt" if workload == "static 100k" else "/static/1k.txt"
            if workload != "static 304":
                return request("GET", path)
            tag = ask(connection, request("GET", path)).headers["etag"]
            return request("GET", path, {"if-none-match": tag})
        if workload == "no session":
            return request("GET", "/read")
        cookies = start_session(connection)
        fields = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
        if workload == "read":
            return request("GET", "/read", fields)
        fields |= {"sec-fetch-site": "same-origin", "origin": "http://localhost", "content-length": "0"}
        if "csrftoken" in cookies:
            fields["x-csrftoken"] = cookies["csrftoken"]
        return request("POST", "/write", fields)


def start_session(connection: socket.socket) -> dict[str, str]:
    """The cookies of a new session."""
    connection.sendall(request("GET", "/start"))
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    lines = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    fields = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("set-cookie:")]
    return dict(field.partition(";")[0].split("=", 1) for field in fields)


def request(method: str, path: str, fields: dict[str, str] | None = None) -> bytes:
    """The bytes of a request."""
    lines = {"host": "localhost", "user-agent": "benchmarks", "accept": "*/*", **(fields or {})}
    return (f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode()


def problem(workload: str, answer: Answer) -> str | None:
    """What is wrong with an answer."""
    if workload == "static 304":
        return None if answer.status == 304 else f"wanted 304, got {answer.status}"
    body = GREETING.encode()
    if workload.startswith("static"):
        body = content(SIZES["100k.txt" if workload == "static 100k" else "1k.txt"])
    if answer.status != 200 or answer.body != body:
        return f"wanted 200 and {len(body)} bytes, got {answer.status} {answer.body[:80]!r}"
    return None


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks middleware",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workload", action="append", choices=list(ABOUT), help="one of them; may be repeated")
    parser.add_argument("--rounds", type=int, default=8, help="how often each is measured (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of load for each measurement (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="open at once (%(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="writes the tables there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--check", action="store_true", help="fails if Gobstopper misses a target")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Measures, prints, writes; returns 1 if --check finds something."""
    options = parse(argv)
    workloads = options.workload or list(ABOUT)
    warning = busy()
    rates: dict[tuple[str, str], dict[int, float]] = {}
    wrong: dict[tuple[str, str], str] = {}
    pair = cores() or (None, None)
    files()
    with ExitStack() as stack:
        ports: dict[str, int] = {}
        offered: dict[str, frozenset[str]] = {}
        for contender in CONTENDERS:
            if contender.workloads & set(workloads) and (REDIS in os.environ or "redis" not in contender.maker):
                server = Server(f"benchmarks.contenders.stacks:{contender.maker}_app", contender.interface, pair[0])
                stack.callback(server.stop)
                try:
                    server.wait()
                except StartError as error:
                    print(f"{contender.name} is left out: {error}", file=sys.stderr)
                    continue
                ports[contender.name], offered[contender.name] = server.port, contender.workloads
        if nginx_version() is not None and STATIC & set(workloads):
            ports[NGINX], offered[NGINX] = stack.enter_context(nginx(pair[0], files())), STATIC
        stack.enter_context(pinned(pair[1]))
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for workload in workloads:
                names = [name for name in ports if workload in offered[name] and (workload, name) not in wrong]
                random.Random(f"{number} {workload}").shuffle(names)
                for name in names:
                    try:
                        own = workload == "write" and "Redis" in name
                        rate = measure(ports[name], workload, options, own_sessions=own)
                    except (WrongAnswerError, OSError, KeyError, ValueError) as error:
                        wrong[workload, name] = str(error).partition("\n")[0]
                        rates.pop((workload, name), None)
                    else:
                        rates.setdefault((workload, name), {})[number] = rate
    shares = {
        (workload, name): summary(values)
        for (workload, name), rounds in rates.items()
        if (values := ratios(rounds, rates.get((workload, BASE), {})))
    }
    on_redis = {
        workload: summary(values)["median"]
        for workload in workloads
        if (values := ratios(*(rates.get((workload, name), {}) for name in ON_REDIS)))
    }
    report = render(
        workloads, list(ports), rates, shares, on_redis, [*absent(workloads), *told(wrong, warning)], options
    )
    print(report)
    write(options.markdown, report)
    figures = [
        {"workload": w, "contender": c, "share": shares.get((w, c)), "requests_per_second": list(rounds.values())}
        for (w, c), rounds in rates.items()
    ]
    write(options.json, json.dumps({"machine": machine([]), "results": figures}, indent=2) + "\n")
    missed = [
        f"{workload}: {found['median']:.3f} of raw RSGI, the target is {target}"
        for workload, target in TARGETS.items()
        if (found := shares.get((workload, OURS))) is not None and found["median"] < target
    ]
    missed += [
        f"{workload}: {found:.2f} times {ON_REDIS[1]}, the target is {TARGET_ON_REDIS:g}"
        for workload, found in on_redis.items()
        if workload in TARGETS and found < TARGET_ON_REDIS
    ]
    if options.check:
        for line in missed:
            print(f"missed: {line}", file=sys.stderr)
    return 1 if options.check and missed else 0


def absent(workloads: list[str]) -> list[str]:
    """What is not measured here, and why; or the version of what is."""
    remarks = []
    if STACK & set(workloads) and REDIS not in os.environ:
        remarks.append(f"sessions on Redis are left out: {REDIS} is not set")
    if STATIC & set(workloads):
        version = nginx_version()
        remarks.append("nginx is left out: it is not installed" if version is None else f"{version}, one worker")
    return remarks


def told(wrong: dict[tuple[str, str], str], warning: str | None) -> list[str]:
    """What a reader of the figures has to know."""
    remarks = [f"not counted: {name}, {workload}: {why}" for (workload, name), why in wrong.items()]
    return [*remarks, *([warning] if warning else [])]


def measure(port: int, workload: str, options: argparse.Namespace, *, own_sessions: bool = False) -> float:
    """Answers per second of one server, after a look at the answer.

    With `own_sessions` each connection has one: on Redis requests overlap, and two that change one key are a conflict.
    """
    text = message(port, workload)
    with connect(port) as connection:
        if workload != "static 304":
            found = problem(workload, ask(connection, text))
        else:
            connection.sendall(text)
            found = None if connection.recv(65536).startswith(b"HTTP/1.1 304") else "wanted 304"
    if found:
        raise WrongAnswerError(found)
    if workload == "static 304":
        return drive_each(port, [text] * options.connections, b"HTTP/1.1 304", options.seconds)
    if own_sessions:
        texts = [message(port, workload) for _ in range(options.connections)]
        return drive_each(port, texts, b"HTTP/1.1 200", options.seconds)
    drive(port, text, options.connections, 0.1)
    return drive(port, text, options.connections, options.seconds).rate


def drive_each(port: int, texts: list[bytes], start: bytes, seconds: float) -> float:
    """Answers per second, each connection with a request of its own; each answer begins with `start`, in one piece."""
    opened = [connect(port) for _ in texts]
    pairs = list(zip(opened, texts, strict=True))
    try:
        done = 0
        for connection, text in pairs:
            connection.sendall(text)
        began = time.perf_counter()
        while time.perf_counter() < began + seconds:
            for connection, text in pairs:
                head = connection.recv(65536)
                if not head.startswith(start):
                    raise WrongAnswerError(f"wanted {start!r}, got {head[:60]!r}")
                done += 1
                connection.sendall(text)
        return done / (time.perf_counter() - began)
    finally:
        for connection in opened:
            connection.close()


def render(
    workloads: list[str],
    names: list[str],
    rates: dict[tuple[str, str], dict[int, float]],
    shares: dict[tuple[str, str], dict[str, Any]],
    on_redis: dict[str, float],
    remarks: list[str],
    options: argparse.Namespace,
) -> str:
    """The report, in Markdown."""

    def row(name: str, figure: Callable[[tuple[str, str]], str]) -> list[str]:
        return [name, *(figure((workload, name)) for workload in workloads)]

    share = [row(name, lambda key: f"{shares[key]['median']:.2f}" if key in shares else "-") for name in names]
    rate = [
        row(name, lambda key: f"{summary([*rates[key].values()])['median']:,.0f}" if key in rates else "-")
        for name in names
    ]
    target = ["target, pure Python", *(f"≥ {TARGETS[name]:.2f}" if name in TARGETS else "" for name in workloads)]
    notes = [
        *machine(["granian", "uvloop", "gobstopper", "starlette", "litestar"]),
        f"one Granian worker, one runtime thread, uvloop, no access log; {options.connections} connections",
        f"{options.rounds} rounds of {options.seconds:g} s, interleaved; sessions in memory where nothing else is said",
        "server and load generator each on a core of their own" if cores() else "nothing pinned: expect noise",
        *remarks,
    ]
    return "\n".join(
        [
            "Share of raw RSGI: the median, over the rounds, of the ratio within a round.\n",
            table(["", *workloads], [*share, target]),
            *(
                f"- {ON_REDIS[0]}, is {found:.1f} times {ON_REDIS[1]}: {workload}"
                + (f" (target ≥ {TARGET_ON_REDIS:g})" if workload in TARGETS else "")
                for workload, found in on_redis.items()
            ),
            "",
            "Requests per second, for interest only (medians):\n",
            table(["", *workloads], rate),
            *(f"- {workload}: {ABOUT[workload]}" for workload in workloads),
            "",
            *(f"- {note}" for note in notes),
            "",
        ]
    )

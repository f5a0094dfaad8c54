"""How long a process needs until Gobstopper is there: the import, and an application with 1,000 routes.

    python -m benchmarks startup
    python -m benchmarks startup --rounds 31 --check

Every figure is taken in a process of its own. What is compared is interleaved; a ratio is the median of the rounds'.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from ._report import busy, machine, ratios, summary, table, write

BASE = "import asyncio, msgspec"
IMPORT = "import gobstopper"
RATIO = 1.5  # of IMPORT to BASE, at most
ROUTES = 1000
SECONDS = 0.5  # for the import and the registrations, at most
ABSENT = ["asyncpg", "click", "duckdb", "jinja2", "redis", "structlog"]

TIMED = """
import sys, time
began = time.perf_counter()
{code}
print(time.perf_counter() - began)
"""
APPLICATION = f"""
import asyncio, gobstopper
imported = time.perf_counter()
app = gobstopper.Gobstopper("benchmark")

async def handler(request, item):
    return item

for number in range({ROUTES}):
    app.get(f"/area{{number % 50}}/kind{{number}}/<item>", name=f"route{{number}}")(handler)
registered = time.perf_counter()
loop = asyncio.new_event_loop()
app.__rsgi_init__(loop)
ready = time.perf_counter()
print(imported - began, registered - imported, ready - registered, end=" ")
"""
STEPS = ["import", f"{ROUTES:,} registrations", "start-up hooks and compilation", "all"]


def timed(code: str) -> list[float]:
    """The figures, in seconds, that the code printed in a new process, the whole time last."""
    # -I: no folder of the caller's on the path, no user site; bytecode is kept, as in production.
    command = [sys.executable, "-I", "-c", TIMED.format(code=code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {code.strip().splitlines()[0]} … failed:\n{done.stderr}")
    return [float(figure) for figure in done.stdout.split()]


def imported(names: list[str]) -> list[str]:
    """Those of the modules that `import gobstopper` brings along."""
    code = f"import json, sys, gobstopper; print(json.dumps([name for name in {names!r} if name in sys.modules]))"
    found: list[str] = json.loads(
        subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True).stdout
    )
    return found


def main(argv: list[str]) -> int:
    """Measures and prints; returns 1 if --check finds a target missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks startup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="writes the tables there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--check", action="store_true", help="fails if a target is missed")
    options = parser.parse_args(argv)
    warning = busy()
    codes = [BASE, IMPORT, APPLICATION]
    for code in codes:
        timed(code)  # the first run compiles
    runs: dict[str, dict[int, list[float]]] = {code: {} for code in codes}
    for number in range(options.rounds):
        for code in codes if number % 2 else reversed(codes):
            runs[code][number] = timed(code)

    whole = {code: {number: figures[-1] for number, figures in found.items()} for code, found in runs.items()}
    ratio = summary(ratios(whole[IMPORT], whole[BASE]))
    steps = [median(figures[index] for figures in runs[APPLICATION].values()) for index in range(len(STEPS))]
    extra = imported(ABSENT)
    rows = [[name, f"{median(whole[name].values()) * 1000:.1f}"] for name in (BASE, IMPORT)]
    rows += [[f"application: {name}", f"{seconds * 1000:.1f}"] for name, seconds in zip(STEPS, steps, strict=True)]
    report = "\n".join(
        [
            f"`{IMPORT}` takes {ratio['median']:.2f} times as long as `{BASE}` (target: at most {RATIO}).",
            f"Import and {ROUTES:,} registrations take {steps[0] + steps[1]:.3f} s (target: below {SECONDS}).\n",
            table(["", "ms, median"], rows),
            f"- imported along, and should not be: {', '.join(extra) or 'nothing'}",
            *(f"- {line}" for line in [*machine(["gobstopper", "msgspec"]), *([warning] if warning else [])]),
            "",
        ]
    )
    print(report)
    write(options.markdown, report)
    figures = {"import_ratio": ratio, "application_seconds": dict(zip(STEPS, steps, strict=True)), "imported": extra}
    write(options.json, json.dumps(figures, indent=2) + "\n")
    missed = ratio["median"] > RATIO or steps[0] + steps[1] >= SECONDS or bool(extra)
    return 1 if options.check and missed else 0

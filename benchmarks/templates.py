"""How fast pages render: Jinja2, sync and with `enable_async`, minijinja's Python binding, and ours.

    python -m benchmarks templates
    python -m benchmarks templates --rounds 31 --only "12-row table"

Everyone gets the same templates and the same Python objects, with autoescape on unless the row says otherwise, and
renders by name, as an app does. Rounds are interleaved; a figure is the median of per-round ratios to sync Jinja2: 2.00
is twice as fast. A contender that answers anything else than Jinja2 is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import jinja2

from gobstopper_templates import IMPL, TemplateEngine

from ._report import busy, machine, ratios, summary, table, write

Render = Callable[[], Awaitable[str]]

ROUND = 0.03  # seconds of one contender in one round, about
FLOOR = 0.8  # ours against sync Jinja2, on every page: the check for coroutines costs most where nothing is escaped


class Order:
    """An object with attributes, as an ORM gives them."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.name = f"Customer <{number}> & sons"
        self.total = number * 1.25
        self.tags = ["new", "paid"] if number % 2 else []


def currency(value: float) -> str:
    """A filter of the user's."""
    return f"${value:.2f}"


def url_for(name: str, **values: object) -> str:
    """A function of the user's; without `/`, which minijinja escapes and Jinja2 does not."""
    return f"{name}?id={values['id']}"


@dataclass(frozen=True)
class Page:
    """One row of the table: templates by name (`page.html` is rendered) and the variables."""

    label: str
    source: str
    context: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    escape: bool = True

    @property
    def templates(self) -> dict[str, str]:
        """All templates by name."""
        return {"page.html": self.source, **self.files}


ROWS = "<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>"
KEYS = (
    "<table>{% for row in rows %}<tr>"
    + "".join(f"<td>{{{{ row.k{n} }}}}</td>" for n in range(10))
    + "</tr>{% endfor %}</table>"
)
VALUES = ROWS.replace("in row %", "in row.values() %")
TABLE = (
    "<h1>{{ title }}</h1><table>{% for u in users %}"
    "<tr><td>{{ u.name }}</td><td>{{ u.mail }}</td></tr>{% endfor %}</table>"
)
OBJECTS = (
    "{% for o in orders %}<li>{{ loop.index }} {{ o.name|upper }} {{ o.total|round(1) }} {{ o.tags|join(', ') }} "
    "{{ o.name|replace('sons', 'daughters') }} {{ o.tags|length }} {{ o.missing|default('-') }}</li>{% endfor %}"
)
CALLABLES = "{% for o in orders %}<a href=\"{{ url_for('order', id=o.id) }}\">{{ o.total|currency }}</a>{% endfor %}"
LAYOUT = (
    "<!doctype html><title>{% block title %}Site{% endblock %}</title><nav>{% include 'nav.html' %}</nav>"
    "{% block body %}{% endblock %}<footer>{% block footer %}&copy;{% endblock %}</footer>"
)
INHERITING = (
    "{% extends 'layout.html' %}{% from 'macros.html' import field %}"
    "{% block title %}Orders - {{ super() }}{% endblock %}"
    "{% block body %}{% for u in users %}{{ field(u.name, u.mail) }}{% endfor %}{% endblock %}"
)
FILES = {
    "layout.html": LAYOUT,
    "nav.html": "{% for e in ['Home', 'Orders', 'Help'] %}<a href='/{{ e|lower }}'>{{ e }}</a>{% endfor %}",
    "macros.html": "{% macro field(name, value) %}<label>{{ name }}<input value='{{ value }}'></label>{% endmacro %}",
}


def pages() -> list[Page]:
    """The rows of `templates.md`."""
    users = [{"name": f"User <{n}>", "mail": f"user{n}@example.org"} for n in range(12)]
    ints = [[row * 10 + cell for cell in range(10)] for row in range(1000)]
    strings = [[f"value <{row}> & {cell}" for cell in range(10)] for row in range(1000)]
    dicts = [{f"k{cell}": row * cell for cell in range(10)} for row in range(1000)]
    orders = [Order(number) for number in range(100)]
    unused = {"unused": [{"id": n, "name": f"row {n}", "tags": ["a", "b"]} for n in range(5000)]}
    static = "<p>Nothing in here changes, and there is a lot of it: 50 kB.</p>\n" * 800
    small = "<html><title>{{ title }}</title><p>Hello {{ user }}, you have {{ count }} messages.</p></html>"
    return [
        Page("small page", small, {"title": "Home", "user": "<Ann>", "count": 3}),
        Page("12-row table", TABLE, {"title": "Users", "users": users}),
        Page("12-row table, 5,000 unused rows", TABLE, {"title": "Users", "users": users, **unused}),
        Page("1000x10 ints", ROWS, {"rows": ints}),
        Page("1000x10 strings", ROWS, {"rows": strings}),
        Page("1000x10 dict keys", KEYS, {"rows": dicts}),
        Page("1000x10 `.values()`", VALUES, {"rows": dicts}),
        Page("100 objects, built-in filters", OBJECTS, {"orders": orders}),
        Page("100 x user filter and url_for", CALLABLES, {"orders": orders}),
        Page("inheritance, macros, includes", INHERITING, {"users": users}, FILES),
        Page("50 kB static page", static + "{{ title }}", {"title": "x"}),
        Page("1000x10 ints, no autoescape", ROWS, {"rows": ints}, escape=False),
        Page("1000x10 strings, no autoescape", ROWS, {"rows": strings}, escape=False),
    ]


def sync_jinja2(page: Page) -> Render:
    """Jinja2 as it is."""
    environment = _plain(page)

    async def render() -> str:
        return environment.get_template("page.html").render(page.context)

    return render


def async_jinja2(page: Page) -> Render:
    """Jinja2 with `enable_async`, as an async framework has to set it to allow async functions."""
    environment = _plain(page, enable_async=True)

    async def render() -> str:
        return await environment.get_template("page.html").render_async(page.context)

    return render


def _plain(page: Page, enable_async: bool = False) -> jinja2.Environment:
    loader = jinja2.DictLoader(page.templates)
    environment = jinja2.Environment(
        loader=loader, autoescape=page.escape, auto_reload=False, enable_async=enable_async
    )
    environment.filters["currency"] = currency
    environment.globals["url_for"] = url_for
    return environment


def minijinja_binding(page: Page) -> Render:
    """The Python binding of minijinja."""
    import minijinja

    environment = minijinja.Environment(
        templates=page.templates, auto_escape_callback=lambda _name: "html" if page.escape else None
    )
    environment.add_filter("currency", currency)
    environment.add_global("url_for", url_for)

    async def render() -> str:
        return environment.render_template("page.html", **page.context)

    return render


def ours(page: Page, use_rust: bool | None = False) -> Render:
    """`TemplateEngine`, as an app uses it."""
    engine = TemplateEngine(jinja2.DictLoader(page.templates), autoescape=page.escape, use_rust=use_rust)
    engine.add_filter("currency", currency)
    engine.add_global("url_for", url_for)

    async def render() -> str:
        return await engine.render_template("page.html", page.context)

    return render


BASE = "Jinja2"
OURS = "ours"


def contenders() -> dict[str, Callable[[Page], Render]]:
    """By the name in the table; ours with the wheel joins when the wheel is installed."""
    found: dict[str, Callable[[Page], Render]] = {BASE: sync_jinja2, "Jinja2, async": async_jinja2}
    try:
        import minijinja  # noqa: F401
    except ImportError:
        print("minijinja is not installed: it is left out (pip install minijinja)", file=sys.stderr)
    else:
        found["minijinja"] = minijinja_binding
    found[OURS] = ours
    if IMPL != "python":
        found["ours, wheel"] = lambda page: ours(page, use_rust=True)
    return found


async def prepare(page: Page) -> tuple[dict[str, Render], list[str]]:
    """Who renders the page as Jinja2 does, warm; and a line for each who does not."""
    renders: dict[str, Render] = {}
    wrong: list[str] = []
    expected = ""
    for name, make in contenders().items():
        try:
            render = make(page)
            got = await render()
        except Exception as error:
            wrong.append(f"{name} fails on {page.label!r}: {type(error).__name__}: {str(error).splitlines()[0]}")
            continue
        if name == BASE:
            expected = got
        if got == expected:
            renders[name] = render
        else:
            wrong.append(f"{name} gives another {page.label!r}: {_difference(got, expected)}")
    return renders, wrong


def _difference(got: str, expected: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), min(len(got), len(expected)))
    return f"{got[at : at + 20]!r} where Jinja2 has {expected[at : at + 20]!r}"


async def seconds(render: Render, times: int) -> float:
    """Of one render, the mean of so many."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(times):
            await render()
        return (time.perf_counter() - began) / times
    finally:
        gc.enable()


async def measure(page: Page, rounds: int) -> tuple[dict[str, dict[int, float]], list[str]]:
    """Seconds of a render by contender and round."""
    renders, wrong = await prepare(page)
    once = await seconds(renders[BASE], 3)
    times = max(int(ROUND / once), 1)
    found: dict[str, dict[int, float]] = {name: {} for name in renders}
    for number in range(rounds):
        for name in _turned(list(renders), number):
            found[name][number] = await seconds(renders[name], times)
    return found, wrong


def _turned(names: list[str], number: int) -> Iterator[str]:
    start = number % len(names)
    yield from names[start:]
    yield from names[:start]


def main(argv: list[str]) -> int:
    """Measures and prints; returns 1 if --check finds our engine behind plain Jinja2."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks templates", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--only", metavar="TEXT", help="rows whose label has this in it")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="writes the table there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--check", action="store_true", help=f"fail if ours is below {FLOOR} of sync Jinja2 anywhere")
    options = parser.parse_args(argv)
    warning = busy()
    chosen = [page for page in pages() if options.only is None or options.only in page.label]
    if not chosen or options.rounds < 1:
        print("error: no row has that in its label, or no rounds", file=sys.stderr)
        return 2
    figures: dict[str, dict[str, dict[int, float]]] = {}
    notes: list[str] = []
    for page in chosen:
        figures[page.label], wrong = asyncio.run(measure(page, options.rounds))
        notes += wrong
    report = _report(figures, notes, warning)
    print(report)
    write(options.markdown, report)
    write(options.json, json.dumps(_summaries(figures), indent=1))
    return _missed(figures) if options.check else 0


def _speeds(found: dict[str, dict[int, float]], name: str) -> list[float]:
    return ratios(found[BASE], found[name])


def _report(figures: dict[str, dict[str, dict[int, float]]], notes: list[str], warning: str | None) -> str:
    names = [name for name in contenders() if name != BASE]
    rows = []
    gathered: dict[str, list[float]] = {name: [] for name in names}
    for label, found in figures.items():
        row = [label, f"{median(found[BASE].values()) * 1e6:,.0f} µs"]
        for name in names:
            if name in found:
                speed = median(_speeds(found, name))
                gathered[name].append(speed)
                row.append(f"{speed:.2f}")
            else:
                row.append("-")
        rows.append(row)
    means = [f"{geometric_mean(gathered[name]):.2f}" if gathered[name] else "-" for name in names]
    rows.append(["geometric mean", "", *means])
    lines = [table(["times the speed of sync Jinja2", "Jinja2 takes", *names], rows)]
    lines += [f"- {note}" for note in notes]
    lines += [f"- {line}" for line in machine(["jinja2", "markupsafe", "minijinja", "gobstopper-templates"])]
    if warning:
        lines.append(f"- {warning}")
    return "\n".join(lines) + "\n"


def _summaries(figures: dict[str, dict[str, dict[int, float]]]) -> dict[str, Any]:
    return {
        label: {
            name: {"speed": summary(_speeds(found, name)), "seconds": list(times.values())}
            for name, times in found.items()
        }
        for label, found in figures.items()
    }


def _missed(figures: dict[str, dict[str, dict[int, float]]]) -> int:
    failed = 0
    for label, found in figures.items():
        speed = median(_speeds(found, OURS)) if OURS in found else 0.0
        if speed < FLOOR:
            print(f"missed: ours has {speed:.2f} of sync Jinja2 on {label!r}, at least {FLOOR} wanted", file=sys.stderr)
            failed = 1
    return failed

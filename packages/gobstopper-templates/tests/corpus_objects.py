"""Objects, filters, tests and extensions that the templates of the corpus use."""

import asyncio
import math

from jinja2 import nodes, pass_context, pass_environment, pass_eval_context
from jinja2.ext import Extension
from jinja2.sandbox import unsafe
from markupsafe import Markup


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def norm(self):
        return math.hypot(self.x, self.y)

    def __str__(self):
        return f"<Point {self.x},{self.y}>"

    __repr__ = __str__


class Html:
    def __html__(self):
        return "<i>html</i>"

    def __str__(self):
        return "<i>text</i>"


class BadHtml:
    def __html__(self):
        raise LookupError("no html today")

    def __str__(self):
        raise LookupError("no text today")


class BadAttribute:
    @property
    def value(self):
        raise LookupError("no value today")


class BadIterator:
    def __iter__(self):
        yield 1
        raise LookupError("no more today")


class CallableObject:
    @pass_context
    def __call__(self, context, number):
        return f"{number}:{context.name}"


class SlowPoint:
    @property
    def x(self):
        return fetch("slow x")


def numbers():
    yield from (5, 6, 7)


def greet(name="world"):
    return f"hello {name}"


def collect(*args, **kwargs):
    return f"{args}{sorted(kwargs.items())}"


def boom(*_):
    return 1 / 0


def stops():
    raise StopIteration


@pass_context
def context_name(context, name):
    return f"{context.name}:{context.get(name)}"


@pass_environment
def env_flag(environment):
    return environment.block_start_string


@pass_eval_context
def eval_flag(eval_ctx):
    return eval_ctx.autoescape


@unsafe
def unsafe_function():
    return "never"


async def fetch(value):
    await asyncio.sleep(0)
    return value


async def stream(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def fails():
    await asyncio.sleep(0)
    return 1 / 0


@pass_context
def from_context(context, name):
    return f"{name}={context.get(name)}"


@pass_environment
def from_env(environment, value):
    return f"{value}{environment.variable_end_string}"


@pass_eval_context
def from_eval(eval_ctx, value):
    return Markup(value) if eval_ctx.autoescape else value


@pass_context
def in_context(context, name):
    return name in context


FILTERS = {
    "money": "${:,.2f}".format,
    "shout": lambda value, count=1: value.upper() + "!" * count,
    "my.dotted": lambda value: f"dotted {value}",
    "boom": boom,
    "from_context": from_context,
    "from_env": from_env,
    "from_eval": from_eval,
}

TESTS = {
    "prime": lambda n: n > 1 and all(n % d for d in range(2, n)),
    "between": lambda n, low, high: low <= n <= high,
    "in_context": in_context,
}

OBJECTS = {
    "point": Point(1, 2),
    "html": Html(),
    "markup": Markup("<em>m</em>"),
    "bad_html": BadHtml(),
    "bad_str": BadHtml(),
    "bad_attribute": BadAttribute(),
    "bad_iter": BadIterator(),
    "raw_bytes": b"<raw>",
    "numbers": numbers,
    "greet": greet,
    "collect": collect,
    "boom": boom,
    "stops": stops,
    "context_name": context_name,
    "env_flag": env_flag,
    "eval_flag": eval_flag,
    "callable_object": CallableObject(),
    "make_point": Point,
    "unsafe_function": unsafe_function,
    "fetch": fetch,
    "stream": stream,
    "fails": fails,
    "slow_point": SlowPoint(),
}


@pass_context
def finalize_with_context(context, value):
    return f"{context.name}/{value}"


@pass_eval_context
def finalize_with_eval_context(eval_ctx, value):
    return f"{value}{eval_ctx.autoescape}"


@pass_environment
def finalize_with_environment(environment, value):
    return f"{value}{environment.newline_sequence!r}"


FINALIZERS = {
    "none_to_dash": lambda value: "-" if value is None else value,
    "with_context": finalize_with_context,
    "with_eval_context": finalize_with_eval_context,
    "with_environment": finalize_with_environment,
}


class RepeatExtension(Extension):
    """`{% repeat n %}…{% endrepeat %}`, and `@@word@@` in the source as an upper-case word."""

    tags = frozenset({"repeat"})

    def preprocess(self, source, name, filename=None):
        return source.replace("@@upper@@", "UPPER")

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        count = parser.parse_expression()
        body = parser.parse_statements(("name:endrepeat",), drop_needle=True)
        call = self.call_method("_repeat", [count])
        return nodes.CallBlock(call, [], [], body).set_lineno(lineno)

    def _repeat(self, count, caller):
        return "".join(caller() for _ in range(count))

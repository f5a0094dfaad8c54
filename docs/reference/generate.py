"""Writes the pages of this folder from the docstrings and signatures: `python docs/reference/generate.py`.

With `--check` it writes nothing, and fails if a page is not what it would write. A further package needs an entry in
PAGES.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Page:
    """One page: what a package exports, in this order; `more` are `module:Name` that it gives out without exporting."""

    title: str
    module: str
    intro: str
    first: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    leave: frozenset[str] = field(default_factory=frozenset)


PAGES = {
    "gobstopper.md": Page(
        "gobstopper",
        "gobstopper",
        "The application. What is not here but can be imported from `gobstopper` or `gobstopper.http` is the very"
        " object of [gobstopper_http](http.md) or [gobstopper_routing](routing.md).",
        first=("Gobstopper", "Config"),
        more=("gobstopper.middlewares:SetupContext", "gobstopper.info:EndpointInfo", "gobstopper.logging:AppLogger"),
    ),
    "http.md": Page(
        "gobstopper_http",
        "gobstopper_http",
        "Requests, responses and what belongs to them; also as `gobstopper.http`.",
        first=(
            "Request", "Response", "JSONResponse", "HTMLResponse", "TextResponse", "RedirectResponse", "redirect",
            "FileResponse", "StreamingResponse", "EventStream", "ServerSentEvent", "problem", "make_response", "send",
            "WebSocket", "HTTPException", "abort", "Limits",
        ),
        leave=frozenset({"IMPL", "EventSourceResponse"}),
    ),
    "routing.md": Page(
        "gobstopper_routing",
        "gobstopper_routing",
        "Patterns, the router, addresses from names, blueprints.",
        first=("Blueprint", "Scaffold", "Router", "Pattern", "Route", "URLMap", "Converter", "Converters"),
        leave=frozenset({"IMPL", "FlatRoute", "SlashPolicy"}),
    ),
    "templates.md": Page(
        "gobstopper_templates",
        "gobstopper_templates",
        "Templates; the engine is also in `gobstopper.templates`. What is Jinja2's own is not repeated here.",
        first=("TemplateEngine", "TemplateRegistry", "Environment", "Template"),
        leave=frozenset({"IMPL"}),
    ),
    "tasks.md": Page(
        "gobstopper_tasks",
        "gobstopper_tasks",
        "Background tasks; the queue and its priorities are also in `gobstopper.tasks`.",
        first=("TaskQueue", "TaskPriority", "TaskInfo", "TaskStatus", "TaskContext"),
    ),
    "sessions.md": Page(
        "gobstopper_sessions",
        "gobstopper_sessions",
        "Sessions and their stores; also in `gobstopper.sessions`.",
        first=("Session", "SessionMiddleware"),
    ),
    "middleware.md": Page(
        "gobstopper_middleware",
        "gobstopper_middleware",
        "Middleware; CORS, security and static files are also in `gobstopper.middleware`.",
        first=("SecurityMiddleware", "CORSMiddleware", "StaticMiddleware"),
    ),
    "testing.md": Page(
        "gobstopper_http.testing",
        "gobstopper_http.testing",
        "The test kit; the two clients are also in `gobstopper.testing`.",
        first=("TestClient", "AsyncTestClient", "ClientResponse"),
        more=("gobstopper_http.testing.session:RequestOptions",),
    ),
}  # fmt: skip


def main() -> int:
    """Write or check every page."""
    wrong = []
    for name, text in generate().items():
        path = HERE / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(name)
    for name in wrong:
        print(f"docs/reference/{name} is out of date: python docs/reference/generate.py", file=sys.stderr)
    return bool(wrong)


def generate() -> dict[str, str]:
    """File name to text."""
    return {**{name: _page(page) for name, page in PAGES.items()}, "cli.md": _command_line()}


def _page(page: Page) -> str:
    module = importlib.import_module(page.module)
    names = [*page.first, *sorted(set(module.__all__) - set(page.first) - page.leave, key=str.lower)]
    objects = [(name, getattr(module, name)) for name in names]
    for more in page.more:
        home, _, name = more.partition(":")
        objects.append((name, getattr(importlib.import_module(home), name)))
    own = [(name, thing) for name, thing in objects if _package(thing) == page.module.partition(".")[0]]
    here = {name for name, _ in own}
    parts = [f"# {page.title}", page.intro]
    for name, thing in own:
        parts += _class(name, thing, here) if inspect.isclass(thing) else _function(name, thing)
    return "\n\n".join(parts) + "\n"


def _package(thing: Any) -> str:
    return str(getattr(thing, "__module__", "")).partition(".")[0]


# Source, as it was written: annotations keep the names that a reader knows


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _node(thing: Any) -> ast.AST:
    module = sys.modules[thing.__module__]
    found = [node for node in ast.walk(_tree(module)) if getattr(node, "name", None) == thing.__name__]
    return next(node for node in found if not _is_overload(node))


def _is_overload(node: ast.AST) -> bool:
    return any(ast.unparse(one) == "overload" for one in getattr(node, "decorator_list", ()))


def _signature(name: str, node: Definition, *, method: bool) -> str:
    decorators = {ast.unparse(one) for one in node.decorator_list}
    shown = _arguments(node.args, skip=int(method and "staticmethod" not in decorators))
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    start = "await " if isinstance(node, ast.AsyncFunctionDef) and "AsyncIterator" not in returns else ""
    if any("contextmanager" in one for one in decorators):
        start = "async with " if isinstance(node, ast.AsyncFunctionDef) else "with "
        returns = re.sub(r"-> \w+\[(\w+).*\]$", r"as \1", returns)
    return _call(f"{start}{name}", shown, returns.removesuffix(" -> None"))


def _arguments(arguments: ast.arguments, skip: int) -> list[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    shown = [_argument(one, default) for one, default in zip(positional, defaults, strict=True)]
    if len(arguments.posonlyargs) > skip:
        shown.insert(len(arguments.posonlyargs), "/")
    shown = shown[skip:]
    if arguments.vararg is not None:
        shown.append(f"*{_argument(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    shown += [_argument(*pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg is not None:
        shown.append(f"**{_argument(arguments.kwarg, None)}")
    return shown


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    kind = argument.annotation
    text = argument.arg
    if kind is not None:
        text += f": {str(kind.value) if isinstance(kind, ast.Constant) else ast.unparse(kind)}"
    if default is None:
        return text
    return f"{text}{' = ' if argument.annotation is not None else '='}{ast.unparse(default)}"


def _call(start: str, arguments: list[str], end: str) -> str:
    line = f"{start}({', '.join(arguments)}){end}"
    if len(line) <= 110:
        return line
    return f"{start}(\n" + "".join(f"    {one},\n" for one in arguments) + f"){end}"


def _function(name: str, thing: Any) -> Iterator[str]:
    node = _node(thing)
    assert isinstance(node, Definition)
    yield f"## {name}"
    yield _code(_signature(name, node, method=False))
    yield _prose(inspect.getdoc(thing))


def _class(name: str, thing: type, here: set[str]) -> Iterator[str]:
    yield f"## {name}"
    yield _code(_constructor(name, thing))
    yield _prose(inspect.getdoc(thing))
    bases = [base for base in thing.__mro__[1:] if _package(base).startswith("gobstopper")]
    linked = [base.__name__ for base in thing.__bases__ if base.__name__ in here]
    if linked:
        yield "Has what " + ", ".join(f"[{base}](#{base.lower()})" for base in linked) + " has."
    seen = {base.__name__ for base in bases if base.__name__ in here}
    inherited = {base for one in thing.__mro__ if one.__name__ in seen for base in one.__mro__[1:]}
    known: set[str] = set()
    for owner in [thing, *(base for base in bases if base.__name__ not in seen and base not in inherited)]:
        # A base out of a private module is how the class is written, nothing that a reader can look up.
        is_private = owner.__module__.rpartition(".")[2].startswith("_")
        yield from _members(name if is_private else owner.__name__, owner, known)


def _constructor(name: str, thing: type) -> str:
    for owner in thing.__mro__:
        if not _package(owner).startswith("gobstopper"):
            continue
        node = _node(owner)
        assert isinstance(node, ast.ClassDef)
        for one in node.body:
            if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                return f"class {_signature(name, one, method=True)}"
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
        is_record = any(hasattr(thing, mark) for mark in ("__struct_fields__", "__dataclass_fields__", "_fields"))
        if owner is thing and fields and is_record and thing.__name__ not in {"Request", "WebSocket", "Connection"}:
            own = [one for one in fields if "ClassVar" not in ast.unparse(one.annotation)]
            return _call(f"class {name}", [ast.unparse(one) for one in own], "")
    return f"class {name}"


def _members(name: str, owner: type, known: set[str]) -> Iterator[str]:
    node = _node(owner)
    assert isinstance(node, ast.ClassDef)
    for one in node.body:
        if not isinstance(one, Definition) or one.name.startswith("_") or one.name in known or _is_overload(one):
            continue
        decorators = [ast.unparse(decorator) for decorator in one.decorator_list]
        if any(decorator.endswith((".setter", ".deleter")) for decorator in decorators):
            continue
        known.add(one.name)
        yield f"### {name}.{one.name}"
        if {"property", "lazy", "cached_property"} & set(decorators):
            kind = f": {ast.unparse(one.returns)}" if one.returns is not None else ""
            yield _code(f"{one.name}{kind}")
        else:
            yield _code(_signature(one.name, one, method=True))
        yield _prose(inspect.getdoc(getattr(owner, one.name)) or ast.get_docstring(one))


def _code(text: str) -> str:
    return f"```text\n{text}\n```"


# Docstrings: Google's sections become lists, reStructuredText's marks become Markdown's


_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")


def _prose(text: str | None) -> str:
    lines = _marks(text or "").splitlines()
    result: list[str] = []
    index = 0
    while index < len(lines):
        match = _SECTION.fullmatch(lines[index])
        if match is None:
            result.append(lines[index])
            index += 1
            continue
        index += 1
        body = []
        while index < len(lines) and (not lines[index].strip() or lines[index].startswith("    ")):
            body.append(lines[index])
            index += 1
        result += [
            "",
            f"**{match[1].replace('Args', 'Arguments')}**",
            "",
            *_items(textwrap.dedent("\n".join(body)), match[1]),
            "",
        ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(result)).strip()


def _items(body: str, kind: str) -> Iterator[str]:
    if kind in {"Returns", "Yields"}:
        yield " ".join(body.split())
        return
    entries: list[list[str]] = []
    for line in body.splitlines():
        if line.strip() and (not line.startswith(" ") or not entries):
            entries.append([line.strip()])
        elif line.strip():
            entries[-1].append(line.strip())
    for entry in entries:
        name, colon, text = " ".join(entry).partition(": ")
        yield f"- `{name}`: {text}" if colon else f"- {' '.join(entry)}"


def _marks(text: str) -> str:
    text = re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", text)
    text = re.sub(r"(?<!`)``([^`\n]+)``(?!`)", r"`\1`", text)
    return re.sub(r"^```\w+$", "```text", text, flags=re.MULTILINE)


def _command_line() -> str:
    from click.testing import CliRunner

    from gobstopper.cli import main as command

    parts = ["# The command line", "`gobstopper`, or `python -m gobstopper`."]
    for words in ([], *([name] for name in command.commands)):
        shown = CliRunner().invoke(command, [*words, "--help"], prog_name="gobstopper", terminal_width=100).output
        parts += [f"## {' '.join(['gobstopper', *words])}", f"```text\n{shown.rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())

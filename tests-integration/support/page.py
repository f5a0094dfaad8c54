"""Runs a page of the documentation: `python -m support.page docs/tutorial.md`, in an empty folder.

- A block whose first line is a comment with a file's name is that file; a Python file is imported as well.
- Other `python` blocks, and hidden checks (`<!-- check`), run one after the other in one namespace.
- `console` blocks: each line after `$ ` is run, and must print the lines below it (`...` stands for anything). A server
  that a command starts runs until the next one or the page's end, on a port of its own, whatever the page says; `curl`
  is answered by this module, so that no program is needed. A line without output below it only has to succeed.
- `toml` and `json` must parse. Other languages are not looked at.
- An application called `app` in the namespace must start at the end.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import http.client
import importlib
import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support import granian_server
from support.markdown import Block, blocks

_SERVERS = (["granian", "--interface", "rsgi"], ["gobstopper", "run"])
_TAKES_VALUE = {"--workers", "--kill-timeout"}


class PageError(Exception):
    """A block that does not do what the page says."""


class Page:
    """One page while it runs, in the working directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.namespace: dict[str, Any] = {"__name__": "page"}
        self.servers = ExitStack()
        self.ports: dict[int, int] = {}

    def run(self) -> int:
        """Run every block; the number of those that were run or parsed."""
        count = 0
        with self.servers:
            for block in blocks(self.path.read_text(encoding="utf-8")):
                count += self._run(block)
            self._start_app()
        return count

    def _run(self, block: Block) -> int:
        place = f"{self.path.name}:{block.line}"
        if block.file is not None:
            self._write(block, place)
        elif block.language in {"python", "check"}:
            self._execute(block, place)
        elif block.language == "console":
            self._console(block, place)
        elif block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "json":
            json.loads(block.code)
        else:
            return 0
        return 1

    def _write(self, block: Block, place: str) -> None:
        assert block.file is not None
        file = Path(block.file)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.code, encoding="utf-8")
        if file.suffix != ".py" or file.name == "setup.py":
            return
        # A page may write a file twice, the second time better.
        name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        importlib.invalidate_caches()
        for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == name.partition(".")[0]]:
            del sys.modules[loaded]
        with suppress(FileNotFoundError):
            Path(importlib.util.cache_from_source(str(file))).unlink()
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise PageError(f"{place}: {file} cannot be imported") from error
        if (app := getattr(module, "app", None)) is not None:
            self.namespace["app"] = app

    def _execute(self, block: Block, place: str) -> None:
        # Lines before it, so that a traceback names the line of the page.
        source = "\n" * (block.line - 1) + block.code
        code = compile(source, str(self.path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            if code.co_flags & inspect.CO_COROUTINE:
                asyncio.run(eval(code, self.namespace))
            else:
                exec(code, self.namespace)
        except BaseException as error:
            raise PageError(f"{place}: the block failed") from error

    def _console(self, block: Block, place: str) -> None:
        commands: list[tuple[str, list[str]]] = []
        lines = iter(block.code.splitlines())
        for line in lines:
            if line.startswith("$ "):
                command = line[2:]
                while command.endswith("\\"):
                    command = command[:-1] + next(lines).strip()
                commands.append((command, []))
            elif commands:
                commands[-1][1].append(line)
            else:
                raise PageError(f"{place}: a console block begins with a command, `$ …`")
        for command, expected in commands:
            try:
                printed = self._command(shlex.split(command, comments=True))
            except Exception as error:
                raise PageError(f"{place}: $ {command}: {error}") from error
            if expected and not _same(expected, printed):
                wanted = "\n".join(expected)
                raise PageError(f"{place}: $ {command}\nprinted:\n{printed}\nbut the page has:\n{wanted}")

    def _command(self, words: list[str]) -> str:
        if words[0] == "curl":
            return self._curl(words[1:])
        for start in _SERVERS:
            if words[: len(start)] == start:
                self._serve(start, words[len(start) :])
                return ""
        if words[0] in {"pip", "uv", "git", "docker", "systemctl"}:
            return ""  # what it would do was done, or is not for a test to do
        program = str(Path(sys.executable).with_name(words[0]))
        command = [sys.executable, *words[1:]] if words[0] == "python" else [program, *words[1:]]
        environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"}
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
        )
        if done.returncode:
            raise PageError(f"exit code {done.returncode}:\n{done.stdout}")
        return done.stdout

    def _serve(self, start: list[str], words: list[str]) -> None:
        """Start a server with the arguments of the page, in place of the one before; its address is one of our own."""
        self.servers.close()
        self.ports.clear()
        port, workers, target, rest = 8000, 1, "app:app", []
        iterator = iter(words)
        for word in iterator:
            if word in {"--host", "--port", "--workers"}:
                value = next(iterator)
                port = int(value) if word == "--port" else port
                workers = int(value) if word == "--workers" else workers
            elif word in _TAKES_VALUE:
                rest += [word, next(iterator)]
            elif word.startswith("-"):
                rest.append(word)
            else:
                target = word
        program = [str(Path(sys.executable).with_name(start[0])), *start[1:]]
        server = self.servers.enter_context(
            granian_server(target, workers=workers, args=rest, cwd=Path.cwd(), command=program)
        )
        self.ports[port] = server.port

    def _curl(self, words: list[str]) -> str:
        parser = argparse.ArgumentParser(exit_on_error=False)
        parser.add_argument("url")
        parser.add_argument("-i", "--include", action="store_true")
        parser.add_argument("-s", "--silent", action="store_true")
        parser.add_argument("-N", "--no-buffer", action="store_true")
        parser.add_argument("-X", "--request")
        parser.add_argument("-H", "--header", action="append", default=[])
        parser.add_argument("-d", "--data")
        parser.add_argument("--json")
        parser.add_argument("-F", "--form", action="append", default=[])
        given = parser.parse_args(words)
        url = urlsplit(given.url if "://" in given.url else f"http://{given.url}")
        headers = {"accept": "*/*"}
        body: bytes | None = None
        if given.json is not None:
            body = given.json.encode()
            headers |= {"content-type": "application/json", "accept": "application/json"}
        elif given.data is not None:
            body = given.data.encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        elif given.form:
            body = _multipart(given.form)
            headers["content-type"] = "multipart/form-data; boundary=page"
        headers |= {
            name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in given.header)
        }
        method = given.request or ("GET" if body is None else "POST")
        if url.port not in self.ports:
            raise PageError(f"no server of this page listens on port {url.port}")
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[url.port or 80], timeout=10)
        try:
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            head = ""
            if given.include:
                fields = "".join(f"{name.lower()}: {value}\n" for name, value in answer.getheaders())
                head = f"HTTP/1.1 {answer.status} {answer.reason}\n{fields}\n"
            return head + answer.read().decode()
        finally:
            connection.close()

    def _start_app(self) -> None:
        from gobstopper import Gobstopper
        from gobstopper.testing import TestClient

        app = self.namespace.get("app")
        if isinstance(app, Gobstopper) and app.lifecycle.runtime is None:
            with TestClient(app):
                pass


def _same(expected: list[str], printed: str) -> bool:
    """Whether the lines were printed; a line `...` stands for any lines, `...` within one for anything there."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += "(?:.*\n)*?"
        else:
            pattern += ".*?".join(map(re.escape, line.rstrip().split("..."))) + "\n"
    lines = [line.rstrip() + "\n" for line in printed.splitlines()]
    return re.fullmatch(rf"{pattern}\n*", "".join(lines)) is not None


def _multipart(fields: list[str]) -> bytes:
    body = b""
    for field in fields:
        name, _, value = field.partition("=")
        if value.startswith("@"):
            file = Path(value[1:])
            body += (
                f'--page\r\ncontent-disposition: form-data; name="{name}"; filename="{file.name}"\r\n'
                "content-type: application/octet-stream\r\n\r\n"
            ).encode()
            body += file.read_bytes() + b"\r\n"
        else:
            body += f'--page\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    return body + b"--page--\r\n"


def main() -> int:
    """Run the page that the command line names; the exit code."""
    page = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(Path.cwd()))
    sys.dont_write_bytecode = True
    try:
        print(Page(page).run())
    except PageError as error:
        print(error, file=sys.stderr)
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

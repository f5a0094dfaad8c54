"""What the workspace holds, read from its own files: the distributions, what they declare, and what they import."""

from __future__ import annotations

import ast
import os
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Package:
    """One distribution under packages/."""

    folder: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """Its pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def project(self) -> dict[str, Any]:
        """The [project] table."""
        table: dict[str, Any] = self.pyproject["project"]
        return table

    @property
    def name(self) -> str:
        """The distribution's name."""
        return str(self.project["name"])

    @property
    def module(self) -> str:
        """The name that it is imported by."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder of the module."""
        return self.folder / "src" / self.module

    @property
    def published(self) -> bool:
        """Whether it is meant for the index."""
        return "Private :: Do Not Upload" not in self.project.get("classifiers", [])

    @property
    def required(self) -> list[Requirement]:
        """What it always needs."""
        return [Requirement(text) for text in self.project.get("dependencies", [])]

    @property
    def extras(self) -> dict[str, list[Requirement]]:
        """What its extras need."""
        extras: dict[str, list[str]] = self.project.get("optional-dependencies", {})
        return {name: [Requirement(text) for text in texts] for name, texts in extras.items()}

    @property
    def declared(self) -> set[str]:
        """The names of everything it declares, extras included, itself left out (`all = ["x[a,b]"]`)."""
        every = [*self.required, *(requirement for group in self.extras.values() for requirement in group)]
        return {str(canonicalize_name(requirement.name)) for requirement in every} - {self.name}

    def files(self) -> list[Path]:
        """Its Python files, in order."""
        return sorted(self.source.rglob("*.py"))

    def module_of(self, file: Path) -> str:
        """`…/src/a/b.py` is `a.b`; `…/src/a/__init__.py` is `a`."""
        parts = file.relative_to(self.folder / "src").with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def packages() -> list[Package]:
    """Every distribution that exists, by name."""
    return [Package(path.parent) for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]


@dataclass(frozen=True)
class Import:
    """One import that runs: `module`, and for `from module import name` the name."""

    module: str
    name: str | None
    line: int


def imports(source: str, module: str, is_package: bool) -> Iterator[Import]:
    """The imports of a file that run, at its top or inside functions; those for type checkers alone are left out."""
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, None, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: None if is_package and node.level == 1 else -(node.level - is_package)]
                base = ".".join([*parents, *([base] if base else [])])
            for alias in node.names:
                yield Import(base, alias.name, node.lineno)
        elif isinstance(node, ast.Call) and _imports_by_name(node):
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield Import(argument.value, None, node.lineno)


def _imports_by_name(call: ast.Call) -> bool:
    return bool(call.args) and ast.unparse(call.func).rpartition(".")[2] in {"import_module", "find_spec", "__import__"}


def find_uv() -> str:
    """The uv that runs the suite: the one that started it, the scripts' private one, or one on PATH."""
    private = sorted(ROOT.glob(".tools/uv-*/bin/uv"))
    for candidate in [os.environ.get("UV"), *map(str, private), shutil.which("uv")]:
        if candidate and Path(candidate).exists():
            return candidate
    raise FileNotFoundError("uv is needed to build the wheels: run the suite with scripts/test, which installs it")

"""Runs a benchmark by its name: `python -m benchmarks http --rounds 3`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def names() -> list[str]:
    """The benchmarks there are: each module beside this one, without an underscore, with a `main(argv) -> int`."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main(argv: list[str]) -> int:
    """Dispatches to `benchmarks.<name>.main(argv)` and returns its exit code."""
    usage = f"usage: python -m benchmarks NAME [--help], with NAME one of: {', '.join(names())}"
    if not argv or argv[0] in {"-h", "--help"}:
        print(usage)
        return 0 if argv else 2
    if argv[0] not in names():
        print(f"error: there is no benchmark {argv[0]!r}\n{usage}", file=sys.stderr)
        return 2
    code: int = importlib.import_module(f"benchmarks.{argv[0]}").main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

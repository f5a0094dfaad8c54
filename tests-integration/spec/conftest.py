"""Each example of the specification on a Granian of its own, started when the first test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import GranianServer, granian_server

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def example() -> Iterator[Callable[..., GranianServer]]:
    """`example("url_for")` serves `app` of `examples/url_for.py`, `example("url_for:other")` its `other`."""
    running: dict[str, GranianServer] = {}
    with ExitStack() as stack:

        def serve(name: str, **options: Any) -> GranianServer:
            key = f"{name} {sorted(options.items())}"
            if key not in running:
                module, _, attribute = name.partition(":")
                target = f"spec.examples.{module}:{attribute or 'app'}"
                running[key] = stack.enter_context(granian_server(target, cwd=ROOT, **options))
            return running[key]

        yield serve

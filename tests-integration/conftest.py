"""Makes `support` importable and gives the fixtures of the integration suite."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

# With import-mode=importlib nothing of this folder is on the path.
sys.path.insert(0, str(Path(__file__).parent))

from support import GranianServer
from support import granian_server as _granian_server


@pytest.fixture
def granian_server() -> Iterator[Callable[..., GranianServer]]:
    """Start a real Granian: `server = granian_server("module:app", workers=1, args=[...])`; stopped after the test."""
    with ExitStack() as stack:

        def start(*args: Any, **kwargs: Any) -> GranianServer:
            return stack.enter_context(_granian_server(*args, **kwargs))

        yield start

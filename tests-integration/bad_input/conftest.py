"""One server for each module; after every test the same process still answers, and its log is accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bad_input.wire import Client, eventually
from support import GranianServer, granian_server

APP = Path(__file__).with_name("app.py")


class Worker:
    """A worker under attack.

    Attributes:
        server: The Granian that it belongs to.
        pid: Its process id.
    """

    def __init__(self, server: GranianServer) -> None:
        self.server = server
        self.pid = server.pids[0]
        self._mark = 0
        self._clients: list[Client] = []

    def client(self, **options: Any) -> Client:
        """A new connection, closed with the test."""
        client = Client(self.server, **options)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.socket.close()
        self._clients.clear()

    def ask(self, *args: Any, **kwargs: Any) -> Any:
        """One request on a connection of its own."""
        with self.client() as client:
            return client.ask(*args, **kwargs)

    def mark(self) -> None:
        """What was logged so far counts no more."""
        self._mark = len(self.server.log)

    @property
    def printed(self) -> str:
        """All that was printed since `mark`."""
        return self.server.log[self._mark :]

    def logged(self) -> list[dict[str, Any]]:
        """The application's log lines of warnings and errors since `mark`, and what anybody else printed."""
        lines: list[dict[str, Any]] = []
        for line in self.printed.splitlines():
            if not line.strip() or line.startswith("[INFO]"):  # the server's own
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": line, "level": "error", "foreign": True}
            if entry.get("level") not in {"info", "debug"}:
                lines.append(entry)
        return lines

    def took(self, *messages: str) -> None:
        """Assert that exactly these were logged, each once, in any order (each a part of its line)."""
        eventually(lambda: len(self.logged()) >= len(messages))
        entries = self.logged()
        for message in messages:
            hits = [entry for entry in entries if message in entry["event"]]
            assert len(hits) == 1, f"{message!r} {len(hits)} times in {json.dumps(entries, indent=1)}"
        assert len(entries) == len(messages), json.dumps(entries, indent=1)
        self.mark()

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def resident(self) -> int:
        """Bytes of memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def state(self) -> Any:
        """What the application says of itself: tasks, deadlines, open streams."""
        return self.ask("GET", "/state").json

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What the application says of itself is soon the same again after the block; its notes are cleared."""
        self.ask("POST", "/notes/clear")
        before = self.state()
        yield
        # A handler may write its note after the test has ended: only once all have ended is clearing the last word.
        assert eventually(lambda: {**self.state(), "notes": []} == before, seconds=10), (before, self.state())
        self.ask("POST", "/notes/clear")


@pytest.fixture(scope="module")
def running() -> Iterator[GranianServer]:
    with granian_server(f"{APP}:app") as server:
        yield server


@pytest.fixture
def worker(running: GranianServer) -> Iterator[Worker]:
    """The worker; what a test does not expect in its log fails it."""
    worker = Worker(running)
    worker.mark()
    yield worker
    worker.close()
    assert worker.ask("GET", "/ok").body == b"ok"
    assert running.running
    assert running.pids == [worker.pid]
    Path(f"/proc/{worker.pid}").stat()
    worker.took()
    worker.close()

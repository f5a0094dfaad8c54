"""Nginx, where it is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gobstopper_testsupport import free_port

from ._server import pinned


def nginx_version() -> str | None:
    """Such as `nginx/1.28.0`; None where there is none."""
    path = shutil.which("nginx")
    if path is None:
        return None
    told = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
    return told.stderr.strip().removeprefix("nginx version: ")


@contextmanager
def nginx(core: int | None, files: Path) -> Iterator[int]:
    """Nginx with one worker on a folder of static files; gives its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; sendfile on; keepalive_requests 1000000; default_type text/plain;\n"
            f"server {{ listen 127.0.0.1:{port}; location /static/ {{ alias {files}/; }} }} }}\n"
        )
        with pinned(core):
            process = subprocess.Popen(["nginx", "-c", str(config), "-p", folder], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)

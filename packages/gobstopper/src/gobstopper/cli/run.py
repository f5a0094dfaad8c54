"""`gobstopper run`: Granian with safe settings, and a supervisor around it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..loopback import is_loopback
from .supervisor import supervise

__all__ = ["granian_command", "run"]


def granian_command(
    target: str, *, host: str, port: int, workers: int, reload: bool, factory: bool, kill_timeout: int
) -> list[str]:
    """The command line of Granian, with what keeps it alive.

    A bare Granian ends as a whole when one worker dies, waits for ever for a connection that does not end, and refuses
    connections above its backlog: each of these is set here.
    """
    command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", host, "--port", str(port)]
    command += ["--workers", str(workers), "--loop", "auto", "--no-access-log", "--log-level", "info"]
    command += ["--workers-kill-timeout", str(kill_timeout)]
    # One permit is held per connection, idle ones included.
    command += ["--backlog", "4096", "--backpressure", "8192"]
    command += ["--http2-max-concurrent-streams", "100", "--http2-max-headers-size", "65536"]
    command += ["--http2-keep-alive-interval", "30000", "--http2-keep-alive-timeout", "20"]
    command += ["--reload", "--reload-paths", str(Path.cwd())] if reload else ["--respawn-failed-workers"]
    if factory:
        command.append("--factory")
    return [*command, target]


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("target", default="app:app")
@click.argument("granian_options", nargs=-1, type=click.UNPROCESSED)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Processes.")
@click.option("--reload", is_flag=True, help="Start again when a file changes; for development.")
@click.option("--debug", is_flag=True, help="Set DEBUG: details in error pages. Loopback addresses only.")
@click.option("--factory", is_flag=True, help="TARGET is a function that makes the application.")
@click.option(
    "--kill-timeout", default=30, show_default=True, type=click.IntRange(1, 1800),
    help="Seconds that a worker gets to finish before it is killed.",
)  # fmt: skip
def run(
    target: str,
    granian_options: tuple[str, ...],
    *,
    host: str,
    port: int,
    workers: int,
    reload: bool,
    debug: bool,
    factory: bool,
    kill_timeout: int,
) -> None:
    """Serve TARGET (module:attribute; default app:app) on Granian, and start it again should it end by itself.

    What follows after `--` goes to Granian as it is: `gobstopper run app:app -- --ssl-certificate cert.pem`.
    """
    if debug and not is_loopback(host):
        raise click.UsageError(f"--debug shows the inside of the application: not on {host}, which others can reach")
    command = granian_command(
        target, host=host, port=port, workers=workers, reload=reload, factory=factory, kill_timeout=kill_timeout
    )
    environment = {**os.environ, "GOBSTOPPER_HOST": host}
    if debug:
        environment["GOBSTOPPER_DEBUG"] = "1"
    sys.exit(supervise([*command, *granian_options], environment, restart=not reload, grace=kill_timeout + 10))

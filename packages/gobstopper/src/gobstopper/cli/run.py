"""`gobstopper run`: Granian with safe settings, and a supervisor around it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import click

from ..loopback import is_loopback
from .supervisor import supervise
from .worker import FACTORY, TARGET

__all__ = ["granian_command", "run"]

_SOURCES = "py|pyi|toml|json|ya?ml|ini|cfg|env|html?|jinja2?|j2|xml|svg|txt|md|css|js|sql|po|mo"
"""The suffixes that `--reload` looks at: an application also writes logs, databases and uploads below its folder."""


def granian_command(*, host: str, port: int, workers: int, reload: bool, kill_timeout: int) -> list[str]:
    """The command line of Granian, with what keeps it alive.

    A bare Granian ends as a whole when one worker dies, waits for ever for a connection that does not end, and refuses
    connections above its backlog: each of these is set here.
    """
    command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", host, "--port", str(port)]
    command += ["--workers", str(workers), "--loop", "auto", "--no-access-log", "--log-level", "info"]
    # Its own tasks, whatever GRANIAN_TASK_IMPL says: without them no time-out works.
    command += ["--task-impl", "asyncio", "--workers-kill-timeout", str(kill_timeout)]
    # One permit is held per connection, idle ones included.
    command += ["--backlog", "4096", "--backpressure", "8192"]
    command += ["--http2-max-concurrent-streams", "100", "--http2-max-headers-size", "65536"]
    command += ["--http2-keep-alive-interval", "30000", "--http2-keep-alive-timeout", "20"]
    if reload:
        command += ["--reload", "--reload-paths", str(Path.cwd()), "--reload-ignore-worker-failure"]
        command += ["--reload-ignore-dirs", "instance", "--reload-ignore-patterns", rf"^(?!.*\.({_SOURCES})$)"]
    else:
        command += ["--respawn-failed-workers"]
    return [*command, "--factory", "gobstopper.cli.worker:application"]


def _check_address(host: str, port: int) -> None:
    """See that nobody listens there: Granian would share the port with them, and each get a part of the requests.

    Raises:
        click.ClickException: for an address that is taken, or that cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if sys.platform != "win32":  # connections that were just closed do not count
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = "another process listens there" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise click.ClickException(
            f"cannot listen on {host} port {port}: {reason} (--host and --port choose another)"
        ) from None


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
    "--kill-timeout", type=click.IntRange(1, 1800), show_default="30; with --reload 2",
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
    kill_timeout: int | None,
) -> None:
    """Serve TARGET (module:attribute; default app:app) on Granian, and start it again should it end by itself.

    What follows after `--` goes to Granian as it is: `gobstopper run app:app -- --ssl-certificate cert.pem`.
    """
    if debug and not is_loopback(host):
        raise click.UsageError(f"--debug shows the inside of the application: not on {host}, which others can reach")
    if any(option.startswith("--task-impl") for option in granian_options):
        raise click.UsageError("--task-impl gives all requests one task, so that no time-out works: leave it out")
    if not any(option.startswith("--uds") for option in granian_options):
        _check_address(host, port)
    kill_timeout = kill_timeout or (2 if reload else 30)
    command = granian_command(host=host, port=port, workers=workers, reload=reload, kill_timeout=kill_timeout)
    environment = {**os.environ, "GOBSTOPPER_HOST": host, TARGET: target}
    environment.pop(FACTORY, None)
    if factory:
        environment[FACTORY] = "1"
    if debug:
        environment["GOBSTOPPER_DEBUG"] = "1"
    sys.exit(supervise([*command, *granian_options], environment, restart=not reload, grace=kill_timeout + 10))

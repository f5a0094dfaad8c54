"""The structured logger: key=value in a terminal, JSON otherwise, with the ids of the request or task on its lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from .context import current_connection

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

__all__ = ["AppLogger"]

_SECRETS = frozenset({
    "authorization", "cookie", "set-cookie", "set_cookie", "x-csrf-token", "proxy-authorization", "proxy_authorization",
    "password", "secret", "secret_key", "token", "api_key",
})  # fmt: skip

# C0 and C1 controls but the line feed: a log line must neither move the terminal's cursor nor fake another line.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 10}


class AppLogger:
    """`app.logger`: structlog on top of the standard library's `logging.getLogger("gobstopper.<name>")`.

    `logger.info("ordered", order=7)`; keyword arguments become fields. Values under secret names (`authorization`,
    `cookie`, `password` …) are masked, control characters escaped. structlog is imported with the first line. Lines
    within a request have its `request_id` and `trace_id`, lines of a task's code `task_id`, `task`, `category`,
    `attempt` and the `trace_id` of whoever added it.

    Args:
        name: The application's name.
        debug: Asked when the first line is written: whether `debug` lines are wanted.
    """

    def __init__(self, name: str, debug: Callable[[], bool]) -> None:
        self.name = name
        self._debug = debug
        self._bound: BoundLogger | None = None

    if TYPE_CHECKING:
        debug: Callable[..., None]
        info: Callable[..., None]
        warning: Callable[..., None]
        error: Callable[..., None]
        critical: Callable[..., None]
        exception: Callable[..., None]

    def __getattr__(self, method: str) -> Any:
        if method.startswith("__"):
            raise AttributeError(method)
        if self._bound is None:
            self._bound = _build(f"gobstopper.{self.name}", self._debug())
        return getattr(self._bound, method)


def _build(name: str, debug: bool) -> BoundLogger:
    import structlog

    logger = logging.getLogger(name)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.DEBUG if debug else logging.INFO)
    if not logger.hasHandlers():
        handler = _StderrHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    terminal = sys.stderr.isatty()
    processors: list[Any] = [
        structlog.stdlib.filter_by_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        _add_request,
        _add_task,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not terminal),
        _mask,
    ]
    if terminal:
        processors += [_escape, structlog.dev.ConsoleRenderer()]
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
    bound: BoundLogger = structlog.wrap_logger(
        logger, processors=processors, wrapper_class=structlog.stdlib.BoundLogger
    ).bind(logger=name.partition(".")[2])
    return bound


class _StderrHandler(logging.StreamHandler[Any]):
    """Writes to whatever `sys.stderr` is at that moment, as pytest and supervisors exchange it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


def _to_json(event: Any, **_options: Any) -> str:
    import msgspec

    try:
        return msgspec.json.encode(event, enc_hook=_plain).decode()
    except Exception:  # noqa: BLE001 - half a surrogate pair, a key that is no string: the line must not be lost
        import json

        return json.dumps({name: value if isinstance(value, str) else _plain(value) for name, value in event.items()})


def _plain(value: Any) -> str:
    try:
        return repr(value)
    except BaseException:  # noqa: BLE001 - what is logged is broken as a rule
        return f"<{type(value).__name__} without a repr>"


def _add_request(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    connection = current_connection()
    if connection is not None:
        event["request_id"] = connection.id
        event["trace_id"] = connection.trace.trace_id
    return event


def _add_task(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if "gobstopper_tasks.context" not in sys.modules:  # an application without tasks does not import them to log
        return event
    from gobstopper_tasks.logs import add_task

    return add_task(logger, method, event)


def _mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key.lower() in _SECRETS:
            event[key] = "***"
        elif isinstance(value, Mapping):
            event[key] = {name: "***" if str(name).lower() in _SECRETS else inner for name, inner in value.items()}
    return event


def _escape(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            # A line feed would start a line of its own; JSON escapes it by itself.
            event[key] = value.translate(_CONTROLS).replace("\n", "\\n").encode(errors="backslashreplace").decode()
    return event

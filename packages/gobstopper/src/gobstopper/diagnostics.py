"""The checks of a complete application, at the end of start-up: every problem at once, with file and line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gobstopper_routing import check_hook, check_routes

from .loopback import is_loopback

if TYPE_CHECKING:
    from .app import Gobstopper

__all__ = ["StartupError", "check_application"]


class StartupError(RuntimeError):
    """An application with mistakes in it; the message lists all of them."""


def check_application(app: Gobstopper, problems: list[str]) -> list[str]:
    """Check routes, hooks and settings.

    Args:
        app: The application.
        problems: What was found while compiling it.

    Returns:
        Notes that are worth a log line but no reason to stop.

    Raises:
        StartupError: if there is a problem.
    """
    found = list(problems)
    notes: list[str] = []
    for problem in check_routes(app.all_routes()):
        (found if problem.severity == "error" else notes).append(str(problem))
    for scope in (app, *app.all_blueprints()):
        hooks = (
            ("before_request", scope.before_request_hooks),
            ("after_request", scope.after_request_hooks),
            ("before_websocket", scope.before_websocket_hooks),
        )
        for kind, functions in hooks:
            found.extend(str(wrong) for function in functions if (wrong := check_hook(kind, function)) is not None)
    host = os.environ.get("GOBSTOPPER_HOST", "")  # set by `gobstopper run`; nobody else says where it listens
    if app.debug and host and not is_loopback(host):
        found.append(f"DEBUG is set, and the server listens on {host}, which others can reach: unset one of them")
    if found:
        listed = "\n".join(f"  - {line}" for line in dict.fromkeys(found))
        raise StartupError(f"{app.name} has {len(dict.fromkeys(found))} problem(s):\n{listed}")
    if not app.debug and not app.config.get("ALLOWED_HOSTS") and not app.config.get("EXTERNAL_URL"):
        notes.append("neither ALLOWED_HOSTS nor EXTERNAL_URL is set: absolute URLs are not built from a request's Host")
    return notes

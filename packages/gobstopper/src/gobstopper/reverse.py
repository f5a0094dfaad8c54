"""What reverse URLs need of the current request: the blueprint, the mount's prefix, the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gobstopper_routing import BuildError

from .context import current_connection

if TYPE_CHECKING:
    from .app import Gobstopper

__all__ = ["external_base", "qualify"]


def qualify(app: Gobstopper, name: str) -> tuple[str, str]:
    """The prefix that `app` is mounted at for the current request, and the full name of a route.

    Raises:
        BuildError: for a relative name (`".login"`) outside of a blueprint's request.
    """
    connection = current_connection()
    if connection is not None and connection.app is not app:
        connection = None
    prefix = getattr(connection.scope, "root_path", "") if connection is not None else ""
    if name.startswith("."):
        blueprints = getattr(connection.route, "blueprints", ()) if connection is not None else ()
        if not blueprints:
            raise BuildError(name, f"{name!r} is relative to a blueprint, and no request of one is current")
        name = blueprints[-1] + name
    return prefix, name


def external_base(app: Gobstopper) -> str:
    """The `https://host` of absolute URLs: `EXTERNAL_URL`, else the request's host if it is allowed or in debug.

    Raises:
        BuildError: if there is neither: a client could send any `Host`, and the URL would lead there.
    """
    configured = app.config.get("EXTERNAL_URL")
    if configured:
        return str(configured)
    connection = current_connection()
    if connection is not None:
        host = connection.host
        allowed = app.config.get("ALLOWED_HOSTS") or ()
        allowed = (allowed,) if isinstance(allowed, str) else allowed
        if app.debug or host in allowed or host.partition(":")[0] in allowed:
            return f"{connection.scheme}://{host}"
    raise BuildError("_external", "an absolute URL needs EXTERNAL_URL, or a request whose host is one of ALLOWED_HOSTS")

"""Joins the template engine to the application: folders, what was registered, and what templates know of a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from gobstopper_http.connection import Connection

from .context import current_app, current_connection, current_request

if TYPE_CHECKING:
    from gobstopper_http.request import Request
    from gobstopper_templates import TemplateEngine

    from .app import Gobstopper

__all__ = ["Templating", "render_template"]


async def render_template(name: Any, /, *, stream: bool = False, **context: Any) -> Any:
    """Render a template of the current application; see `Gobstopper.render_template`.

    Raises:
        RuntimeError: outside of requests and lifecycle hooks.
    """
    return await current_app().render_template(name, stream=stream, **context)


class Templating:
    """The engine of one application, kept in step with what is registered.

    Filters, globals, tests and context processors are only recorded by their decorators, before or after the engine is
    made; `sync` hands over what is new.
    """

    def __init__(self, app: Gobstopper, engine: TemplateEngine) -> None:
        self._app = app
        self.engine = engine
        self._known: set[tuple[Any, ...]] = set()
        self._counts: tuple[int, ...] = ()
        engine.add_global("url_for", app.url_for)
        for name, function in _REQUEST_GLOBALS.items():
            engine.add_global(name, function)
        engine.add_context_processor(_request_variables)
        self.sync()

    def sync(self) -> None:
        """Hand over what was registered with the application and its blueprints since the last time."""
        app, engine = self._app, self.engine
        for qualified, _prefix, blueprint in app.placed_blueprints():
            if blueprint.template_folder is not None and self._is_new("folder", blueprint.template_folder):
                engine.add_folder(blueprint.template_folder, qualified)
            for processor in blueprint.context_processors:
                if self._is_new("processor", qualified, processor):
                    engine.add_context_processor(processor, qualified)
        for scope in (app, *app.all_blueprints()):
            for kind, functions, add in (
                ("filter", scope.template_filters, engine.add_filter),
                ("test", scope.template_tests, engine.add_test),
                ("global", scope.template_globals, engine.add_global),
            ):
                for name, function in functions.items():
                    if self._is_new(kind, name, id(function)):
                        add(name, function)
        for processor in app.context_processors:
            if self._is_new("processor", None, processor):
                engine.add_context_processor(processor)
        self._counts = self._count()

    def _is_new(self, *key: Any) -> bool:
        if key in self._known:
            return False
        self._known.add(key)
        return True

    def _count(self) -> tuple[int, ...]:
        app = self._app
        return (
            len(app.template_filters),
            len(app.template_globals),
            len(app.template_tests),
            len(app.context_processors),
            len(app.registrations),
        )

    async def render(self, name: Any, context: dict[str, Any], *, stream: bool) -> str | AsyncIterator[str]:
        """Render for the current request: its blueprints' context processors apply."""
        if self._count() != self._counts:
            self.sync()
        return await self.engine.render_template(name, context, blueprints=self.blueprints(), stream=stream)

    def blueprints(self) -> tuple[str, ...]:
        """The qualified names of the blueprints of the current request, outermost first."""
        connection = current_connection()
        if connection is None or connection.app is not self._app:
            return ()
        return getattr(connection.route, "blueprints", ())


def _request_variables() -> dict[str, Any]:
    """`request`, `session` and `config`, as a template of Flask's knows them."""
    connection = current_connection()
    variables: dict[str, Any] = {"request": connection}
    if connection is not None:
        variables["config"] = getattr(connection.app, "config", {})
        # Always there: in debug an undefined name is an error, and `{% if session %}` is a fair question.
        variables["session"] = connection.__dict__.get("session")
    return variables


def _of_request(name: str, needs: str) -> Callable[[], Any]:
    def value() -> Any:
        connection = current_connection()
        found = getattr(connection, name, None) if isinstance(connection, Connection) else None
        if found is None:
            raise RuntimeError(f"{name}() in a template needs a request that went through {needs}")
        return found

    return value


def _csrf_field() -> Any:
    from gobstopper_middleware import csrf_field
    from gobstopper_templates import Markup

    _REQUEST_GLOBALS["csrf_token"]()  # says what is missing
    return Markup(csrf_field(cast("Request", current_request())))


def _get_flashed_messages(with_categories: bool = False, category_filter: Iterable[str] = ()) -> list[Any]:
    """The messages flashed to the session, which forgets them; as in Flask."""
    from gobstopper_sessions import get_flashed_messages

    session = getattr(current_connection(), "session", None)
    if session is None:
        raise RuntimeError("get_flashed_messages() in a template needs a request with a session")
    return list(get_flashed_messages(session, with_categories, category_filter))


_REQUEST_GLOBALS: dict[str, Callable[..., Any]] = {
    "csrf_token": _of_request("csrf_token", "SecurityMiddleware"),
    "csp_nonce": _of_request("csp_nonce", "SecurityMiddleware"),
    "csrf_field": _csrf_field,
    "get_flashed_messages": _get_flashed_messages,
}

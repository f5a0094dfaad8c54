"""The application: where everything is registered. What it does lives in the modules beside this one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from gobstopper_routing import IMPL as ROUTER_IMPL
from gobstopper_routing import (
    Blueprint,
    Converters,
    Registration,
    Route,
    RouteError,
    Scaffold,
    SlashPolicy,
    URLMap,
    check_signature,
    root_path,
)

from .config import Config
from .dispatch import Dispatcher
from .lifecycle import Lifecycle
from .logging import AppLogger
from .mounting import Mount
from .reverse import external_base, qualify

if TYPE_CHECKING:
    from gobstopper_tasks import TaskQueue
    from gobstopper_templates import TemplateEngine

    from .templating import Templating

__all__ = ["Gobstopper"]

_F = TypeVar("_F", bound=Callable[..., Any])

_ROUTE_OPTIONS = frozenset({"inline", "limits", "max_body", "origins", "timeout", "bare"})


class Gobstopper(Scaffold):
    """A web application, served by `granian --interface rsgi module:app`.

    Args:
        name: The import name, `__name__` as a rule: relative folders count from its root, log lines carry it. Default:
            the caller's module.
        config: Settings to start from; see `Config`.
        slash_policy: `None`, `"add_slash"` or `"remove_slash"`: redirect (308) to the other form of a path, if that one
            is a route.
        health: The path of a health check, such as `"/healthz"`: 200 while serving, 503 while draining. No hook or
            middleware runs for it.
        tasks: Where background tasks are kept: `duckdb:///var/lib/app/tasks.duckdb`, `postgresql://…`, `redis://…` or
            `memory://`. Default: DuckDB at `instance/tasks.duckdb`.

    Attributes:
        logger: The structured logger.
        routes: The routes of the application itself; `all_routes()` has those of its blueprints, too.
        error_handlers: Status or exception class to handler.
        middleware: What `add_middleware` recorded.
        template_engine: The template engine, `None` until `init_templates`.
        rust_router_available: Whether the router is the Rust wheel's.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        slash_policy: SlashPolicy = None,
        health: str | None = None,
        tasks: str | None = None,
    ) -> None:
        super().__init__()
        self.name: str = name or sys._getframe(1).f_globals.get("__name__", "gobstopper")
        self.root_path: Path = root_path(self.name)
        self.slash_policy: SlashPolicy = slash_policy
        self.converters = Converters()
        self.registrations: list[Registration] = []
        self.mounts: list[Mount] = []
        self.static_urls: dict[str, Callable[[str], str]] = {}
        self.template_engine: TemplateEngine | None = None
        self.templating: Templating | None = None
        self._tasks = tasks
        self._task_queue: TaskQueue | None = None
        self.rust_router_available: bool = ROUTER_IMPL == "rust"
        self._instance_path: Path | None = None
        self._config = Config(config, root=self.root_path)
        if os.environ.get("GOBSTOPPER_DEBUG"):  # `gobstopper run --debug`
            self._config.setdefault("DEBUG", True)
        self._urls: URLMap | None = None
        self.logger = AppLogger(self.name, lambda: self.debug)
        self.dispatcher = Dispatcher()
        self.lifecycle = Lifecycle(self)
        self.__rsgi__: Callable[[Any, Any], Awaitable[None]] = self.dispatcher.dispatch
        """What the server calls. An attribute, not a method: the server takes it once, and it must cost nothing."""
        if health is not None:
            self.add_route(health, self._health, name="health", bare=True, inline=True)

    def __repr__(self) -> str:
        return f"<Gobstopper {self.name!r}: {len(self.all_routes())} routes>"

    # Settings

    @property
    def config(self) -> Config:
        """The settings; any mapping can be assigned."""
        return self._config

    @config.setter
    def config(self, values: Mapping[str, Any]) -> None:
        self._config = values if isinstance(values, Config) else Config(values, root=self.root_path)

    @property
    def debug(self) -> bool:
        """Whether `DEBUG` is set: details in error pages, strict templates. Never on a server that others can reach."""
        return self._config.flag("DEBUG")

    @debug.setter
    def debug(self, value: bool) -> None:
        self._config["DEBUG"] = value

    @property
    def instance_path(self) -> Path:
        """Where the application writes by itself: `instance` in its root unless set; made when first needed."""
        return self._instance_path or self.root_path / "instance"

    @instance_path.setter
    def instance_path(self, folder: str | Path) -> None:
        self._instance_path = Path(folder)

    # Registration, beyond what a blueprint has

    def register_converter(self, name: str, converter: Any) -> None:
        """Make `<name:parameter>` known in patterns; register it before the routes that use it.

        Args:
            name: The converter's name.
            converter: A `Converter` subclass or instance, with `regex`, `convert` and `to_url`.
        """
        self.converters.register(name, converter)

    def register_blueprint(self, blueprint: Blueprint, url_prefix: str | None = None, name: str | None = None) -> None:
        """Take a blueprint's routes in, under a prefix and a name.

        Args:
            blueprint: The blueprint.
            url_prefix: In place of its own; may have parameters.
            name: In place of its own, to register it more than once.

        Raises:
            BlueprintError: if the name is taken.
            SignatureError: if a handler's parameters do not match its full pattern.
        """
        holder = Blueprint("app")
        holder.registrations = self.registrations
        holder.register_blueprint(blueprint, url_prefix, name)
        for route in self._flattened(self.registrations[-1]):
            self._check_route(route)

    def mount(self, prefix: str, app: Any) -> None:
        """Hand everything below `prefix` that no route takes to another Gobstopper or RSGI application.

        It sees the rest of the path; its start-up and shutdown run with this one's; this one's middleware is around it.

        Raises:
            ValueError: for a prefix that does not begin with a slash, ends with one or has parameters, or is taken.
            TypeError: for what is no RSGI application.
        """
        if any(mount.prefix == prefix for mount in self.mounts):
            raise ValueError(f"mount({prefix!r}): something is mounted there already")
        self.mounts.append(Mount(prefix, app))

    def _converters(self) -> Converters:
        return self.converters

    def _check_route(self, route: Route) -> None:
        super()._check_route(route)
        self._urls = None
        unknown = sorted(set(route.options) - _ROUTE_OPTIONS)
        if unknown:
            raise RouteError(
                f"{route.location}: route {route.pattern!r} has the unknown option {', '.join(unknown)}; "
                f"known are {', '.join(sorted(_ROUTE_OPTIONS - {'bare'}))}"
            )
        check_signature(route.handler, route.parameters, route.pattern)

    # What is registered, blueprints included

    def all_routes(self) -> list[Route]:
        """Every route with its full pattern and qualified name."""
        return [*self.routes, *(route for one in self.registrations for route in self._flattened(one))]

    def _flattened(self, registration: Registration) -> Iterator[Route]:
        return registration.blueprint.flatten(registration.url_prefix, registration.name, self.converters)

    def all_blueprints(self) -> list[Blueprint]:
        """Every blueprint, nested ones included, each once."""
        found = {id(inner): inner for one in self.registrations for inner in one.blueprint.descendants()}
        return list(found.values())

    def all_startup_hooks(self) -> list[Callable[..., Any]]:
        """The start-up hooks of the application, then of its blueprints."""
        return [hook for scope in (self, *self.all_blueprints()) for hook in scope.startup_hooks]

    def all_shutdown_hooks(self) -> list[Callable[..., Any]]:
        """The shutdown hooks in the order of registration; they run in the reverse one."""
        return [hook for scope in (self, *self.all_blueprints()) for hook in scope.shutdown_hooks]

    def mounted_apps(self) -> list[Gobstopper]:
        """The Gobstopper applications that are mounted here."""
        return [mount.app for mount in self.mounts if isinstance(mount.app, Gobstopper)]

    def placed_blueprints(self) -> Iterator[tuple[str, str, Blueprint]]:
        """Every registration of a blueprint, nested ones included: qualified name, full prefix, blueprint."""
        waiting = [("", "", registration) for registration in reversed(self.registrations)]
        while waiting:
            names, prefixes, one = waiting.pop()
            qualified, prefix = names + one.name, prefixes + one.url_prefix
            yield qualified, prefix, one.blueprint
            waiting.extend((f"{qualified}.", prefix, inner) for inner in reversed(one.blueprint.registrations))

    # Templates

    def init_templates(
        self,
        folder: Any = "templates",
        use_rust: bool | None = None,
        auto_reload: bool | None = None,
        cache_size: int = 400,
        enable_streaming: bool = True,
        **options: Any,
    ) -> TemplateEngine:
        """Make the template engine.

        Args:
            folder: A folder, a Jinja2 loader, or a list of them; relative folders count from the application's root.
            use_rust: `None` takes the Rust wheel if it is there, `True` raises without it, `False` is Jinja2.
            auto_reload: Notice changed templates; default: in debug.
            cache_size: Compiled templates that are kept.
            enable_streaming: Whether `stream=True` streams, or gives the page as one chunk.
            options: Further options of `gobstopper_templates.TemplateEngine`: `enable_async`, `sandboxed` …

        Returns:
            The engine, which is also `app.template_engine`.

        Raises:
            ImportError: with `use_rust=True` and no wheel.
        """
        from gobstopper_templates import TemplateEngine

        from .templating import Templating

        sources = folder if isinstance(folder, list | tuple) else [folder]
        rooted = [self.root_path / one if isinstance(one, str | os.PathLike) else one for one in sources]
        engine = TemplateEngine(
            rooted,
            use_rust=use_rust,
            auto_reload=auto_reload,
            cache_size=cache_size,
            enable_streaming=enable_streaming,
            debug=lambda: self.debug,
            **options,
        )
        self.template_engine = engine
        self.templating = Templating(self, engine)
        return engine

    @overload
    async def render_template(self, name: Any, /, *, stream: Literal[False] = ..., **context: Any) -> str: ...
    @overload
    async def render_template(self, name: Any, /, *, stream: Literal[True], **context: Any) -> AsyncIterator[str]: ...
    @overload
    async def render_template(
        self, name: Any, /, *, stream: bool = ..., **context: Any
    ) -> str | AsyncIterator[str]: ...
    async def render_template(self, name: Any, /, *, stream: bool = False, **context: Any) -> str | AsyncIterator[str]:
        """Render a template.

        Args:
            name: The template's name; of several, the first that exists.
            stream: Give chunks that are rendered while they are sent, the first of them now.
            context: The variables; they win over context processors.

        Raises:
            RuntimeError: before `init_templates`.
            TemplateNotFound, TemplateSyntaxError, UndefinedError: Jinja2's own, with template and line as a note.
            Exception: whatever a function in the template raises, unchanged.
        """
        if self.templating is None:
            raise RuntimeError(f"{self.name} has no templates: call app.init_templates('templates') first")
        return await self.templating.render(name, context, stream=stream)

    # Background tasks

    @property
    def task_queue(self) -> TaskQueue:
        """The queue of background tasks; made when first asked for, opened when first used."""
        if self._task_queue is None:
            from .tasking import make_queue

            self._task_queue = make_queue(self, self._tasks)
        return self._task_queue

    @property
    def has_tasks(self) -> bool:
        """Whether a task queue was made."""
        return self._task_queue is not None

    def task(self, name: str | None = None, category: str = "default", **options: Any) -> Callable[[_F], _F]:
        """Make a function, sync or async, a background task; it stays callable.

        Args:
            name: The task's name; default: the function's.
            category: The workers that run it.
            options: Of `gobstopper_tasks.TaskQueue.task`: `max_retries`, `timeout`, `backoff`, `unique`, `cron` …
        """
        return self.task_queue.task(name, category, **options)

    async def add_background_task(self, name: str, /, **options: Any) -> str:
        """Add a task; returns its id once it is durable.

        Args:
            name: The name that it was registered under.
            options: `category`, `priority`, `max_retries`, `delay` or `run_at`, `unique_key`, `idempotency_key`; what
                is left are arguments of the task, and one named as an option goes through `args={…}`.

        Raises:
            UnknownTask, InvalidTask: for a name or arguments that do not fit.
            TaskStoreUnavailable: when it could not be made durable; nothing was added.
        """
        return await self.task_queue.add(name, **options)

    async def start_task_workers(self, category: str = "default", worker_count: int = 1) -> None:
        """Run tasks of a category in this process, `worker_count` at once; for start-up hooks."""
        await self.task_queue.start_workers(category, worker_count)

    # URLs

    def url_for(self, name: str, /, **values: Any) -> str:
        """The URL of a route.

        Args:
            name: The route's name; within a blueprint's request, `".login"` is short for the same blueprint's.
            values: Path parameters; what is left becomes the query string. `_external`, `_scheme` and `_anchor` as in
                Flask. For `"static"` (and `"<blueprint>.static"`), `filename`: the URL has a hash of the content.

        Raises:
            BuildError: for an unknown name, with the nearest ones; a missing value; one that would not match back.
        """
        urls = self._urls
        if urls is None:
            urls = URLMap(self.all_routes())
            if self.lifecycle.runtime is not None:
                self._urls = urls  # complete: blueprints may get routes until start-up
        prefix, name = qualify(self, name)
        if name in self.static_urls and name not in urls:
            return prefix + self.static_urls[name](values["filename"])
        external = bool(values.get("_external", "_scheme" in values))
        url = urls.url_for(name, values, lambda: external_base(self) + prefix)
        return url if external else prefix + url

    # The server's side

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start up; the server calls it before it runs `loop`."""
        self.lifecycle.start(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Shut down; the server calls it after it ran `loop`."""
        self.lifecycle.stop(loop)

    def _health(self) -> tuple[dict[str, str], int]:
        runtime = self.lifecycle.runtime
        if runtime is None or runtime.stopping:
            return {"status": "stopping"}, 503
        return {"status": "ok"}, 200

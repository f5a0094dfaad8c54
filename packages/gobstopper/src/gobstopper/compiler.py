"""Compiles the registered application into a dispatcher: every route with its hooks and middleware, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from gobstopper_http.limits import DEFAULT_LIMITS, Limits
from gobstopper_routing import Blueprint, MiddlewareRecord, Route, Router, RoutingError, Scaffold

from .arguments import compose_call
from .dispatch import refuse
from .endpoint import Endpoint, Plan, compile_endpoint
from .info import EndpointInfo
from .middlewares import BuiltMiddleware, SetupContext, build_middleware
from .runtime import Runtime
from .websockets import compile_websocket

if TYPE_CHECKING:
    from .app import Gobstopper

__all__ = ["Compiler"]


class Compiler:
    """Compiles one application for one runtime.

    Attributes:
        problems: What is wrong with it, each with file and line.
    """

    def __init__(self, app: Gobstopper, runtime: Runtime) -> None:
        self.app = app
        self.runtime = runtime
        self.problems: list[str] = []
        config = app.config
        self._timeout: float | None = config.get("HANDLER_TIMEOUT", 30.0)
        self._limits = _limits(DEFAULT_LIMITS, {"max_body": config["MAX_BODY"]} if "MAX_BODY" in config else {})
        self._clock = runtime.deadlines
        self._context = SetupContext(app)
        self._built: dict[int, list[BuiltMiddleware]] = {}
        for scope in (app, *app.all_blueprints()):
            self._built[id(scope)] = build_middleware(scope.middleware, self._context, self.problems)
        self._serve_static()

    def _serve_static(self) -> None:
        """Serve the static folders of blueprints, and let `url_for("static", filename=…)` find every static file."""
        urls = self.app.static_urls
        urls.clear()
        outermost = self._built[id(self.app)]
        urls.update(("static", one.static_url) for one in reversed(outermost) if one.static_url is not None)
        for qualified, prefix, blueprint in self.app.placed_blueprints():
            if blueprint.static_folder is None:
                continue
            from gobstopper_middleware import StaticMiddleware

            options = {"directory": blueprint.static_folder, "url_prefix": prefix + (blueprint.static_url_path or "")}
            record = MiddlewareRecord(StaticMiddleware, 0, options, f"blueprint {qualified}")
            for one in build_middleware([record], self._context, self.problems):
                # The innermost of the application's: a path below the folder matches no route of the blueprint.
                outermost.append(one)
                if one.static_url is not None:
                    urls[f"{qualified}.static"] = one.static_url

    def load(self) -> None:
        """Compile everything and load the application's dispatcher, unless there are problems."""
        router: Router[Endpoint] = Router(self.app.converters)
        for route in self.app.all_routes():
            try:
                router.add(route.compiled, route.methods, self._endpoint(route))
            except RoutingError as error:
                self.problems.append(str(error))
        mounts = []
        for mount in self.app.mounts:
            plan = self.plan(())
            mount.finalize = plan.finalize
            http = self._internal(mount.handle, "request")
            websocket = self._internal_websocket(lambda socket, _values, mount=mount: mount.handle_websocket(socket))
            mounts.append((mount.prefix, http, websocket))
        if self.problems:
            return
        router.compile()
        unmatched = self._internal(refuse, "values[0]")
        self.app.dispatcher.load(
            router, unmatched, self._internal_websocket(_refuse_websocket), mounts, self.app.slash_policy
        )

    def plan(self, blueprints: tuple[Blueprint, ...]) -> Plan:
        """What runs around the handlers in these blueprints, outermost first."""
        scopes: tuple[Scaffold, ...] = (self.app, *blueprints)
        built = [one for scope in scopes for one in self._built[id(scope)]]
        return Plan(
            middleware=tuple(one.call for one in built),
            before=tuple(hook for scope in scopes for hook in scope.before_request_hooks),
            # As in Flask: the last one registered first, the blueprint's before the application's.
            after=tuple(hook for scope in reversed(scopes) for hook in reversed(scope.after_request_hooks)),
            finalize=tuple(one.finalize for one in reversed(built) if one.finalize is not None),
            access_log=self.app.config.flag("ACCESS_LOG"),
        )

    def _endpoint(self, route: Route) -> Endpoint:
        options = route.options
        info = EndpointInfo(
            self.app, _limits(self._limits, options), self._clock, route, timeout=options.get("timeout", self._timeout)
        )
        if route.is_websocket:
            arguments = compose_call(route, "websocket")
            namespace = {"handler": route.handler}
            call = eval(f"lambda websocket, values: handler({arguments})", namespace)  # noqa: S307 - checked identifiers
            return self._websocket(route.handler, call, info, route.blueprints, tuple(options.get("origins") or ()))
        arguments = compose_call(route, "request")
        plan = self.plan(route.blueprints) if not options.get("bare") else Plan()
        return compile_endpoint(route.handler, arguments, info, plan, self.runtime, inline=bool(options.get("inline")))

    def _internal(self, handler: Callable[..., Any], arguments: str) -> Endpoint:
        """An endpoint of our own, within the application's middleware and hooks."""
        info = EndpointInfo(self.app, self._limits, self._clock, timeout=self._timeout)
        return compile_endpoint(handler, arguments, info, self.plan(()), self.runtime)

    def _internal_websocket(self, call: Callable[..., Awaitable[Any]]) -> Endpoint:
        info = EndpointInfo(self.app, self._limits, self._clock)
        return self._websocket(call, call, info, (), ("*",))

    def _websocket(
        self,
        handler: Callable[..., Any],
        call: Callable[..., Awaitable[Any]],
        info: EndpointInfo,
        blueprints: tuple[Blueprint, ...],
        origins: tuple[str, ...],
    ) -> Endpoint:
        scopes: tuple[Scaffold, ...] = (self.app, *blueprints)
        before = tuple(hook for scope in scopes for hook in scope.before_websocket_hooks)
        built = [one for scope in scopes for one in self._built[id(scope)]]
        middleware = tuple(one.websocket for one in built if one.websocket is not None)
        return compile_websocket(handler, call, info, before, middleware, origins, self.runtime)


async def _refuse_websocket(_websocket: Any, values: tuple[Any, ...]) -> None:
    raise values[0]


def _limits(base: Limits, options: Any) -> Limits:
    """The limits of a route: its own `limits`, or the application's with its `max_body`."""
    limits: Limits = options.get("limits") or base
    max_body = options.get("max_body")
    return limits if max_body is None else msgspec.structs.replace(limits, body=max_body)

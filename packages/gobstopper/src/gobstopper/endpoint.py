"""Compiles a route into its endpoint: one flat coroutine function that does all a request needs.

The one place that composes argument passing, hooks, middleware and the answer; it runs once per route, at start-up.
The source is generated, so that a route pays only for what it has: without hooks and middleware no response object is
made. Sources are few and their code is cached, so 1,000 routes compile fast.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction, isgeneratorfunction
from time import perf_counter
from types import CodeType
from typing import Any, TypeAlias

from gobstopper_http.request import Request
from gobstopper_http.response import HTML, JSON, Response, encode_json

from .context import set_connection
from .info import EndpointInfo
from .runtime import Runtime
from .sent import SentResponse

__all__ = ["Endpoint", "Plan", "compile_endpoint", "is_async"]

Endpoint: TypeAlias = Callable[[Any, Any, str, str, tuple[Any, ...], Any], Awaitable[None]]
"""`endpoint(scope, proto, method, path, values, headers)`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs around a handler, outermost first; `after` in the order in which it is called."""

    middleware: tuple[Callable[..., Awaitable[Any]], ...] = ()
    before: tuple[Callable[..., Any], ...] = ()
    after: tuple[Callable[..., Any], ...] = ()
    finalize: tuple[Callable[..., Any], ...] = ()
    access_log: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs around the handler."""
        return not (self.middleware or self.before or self.after or self.finalize or self.access_log)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine: an `async def`, a partial of one, or an object with such a call."""
    while isinstance(function, partial):
        function = function.func
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def compile_endpoint(
    handler: Callable[..., Any],
    arguments: str,
    info: EndpointInfo,
    plan: Plan,
    runtime: Runtime,
    *,
    inline: bool = False,
) -> Endpoint:
    """The endpoint of one route.

    Args:
        handler: The user's function.
        arguments: How it is called, from `compose_call`.
        info: What a request knows of its route.
        plan: The hooks and middleware that apply.
        runtime: The services of the running application.
        inline: Run a `def` handler on the event loop, for one that does not block.
    """
    names: dict[str, Any] = {
        "handler": handler,
        "info": info,
        "Request": Request,
        "Response": Response,
        "set_connection": set_connection,
        "current_task": partial(asyncio.current_task, runtime.loop),
        "clock": runtime.deadlines,
        "entries": runtime.deadlines.entries,
        "timeout": info.timeout,
        "encode": encode_json,
        "prepared": Response.prepared,
        "isawaitable": isawaitable,
        "JSON": JSON,
        "HTML": HTML,
        "respond": runtime.respond,
        "fail": runtime.fail,
        "error_response": runtime.error_response,
        "deliver": runtime.deliver,
        "background": runtime.background,
        "SentResponse": SentResponse,
        "perf_counter": perf_counter,
        "log_access": runtime.log_access,
        "convert": partial(runtime.convert, info),
        "run_in_thread": runtime.threads.run,
    }
    call = _call(handler, arguments, inline=inline)
    closes = any(method not in {"GET", "HEAD"} for method in info.methods)
    if plan.is_empty:
        source = _direct(call, closes=closes)
    else:
        source, more = _staged(call, plan, closes=closes)
        names.update(more)
    exec(_code(source), names)  # noqa: S102 - generated from constants and identifiers that were checked
    endpoint: Endpoint = names["endpoint"]
    return endpoint


@lru_cache(maxsize=512)
def _code(source: str) -> CodeType:
    return compile(source, "<gobstopper endpoint>", "exec")


def _call(handler: Callable[..., Any], arguments: str, *, inline: bool) -> str:
    if is_async(handler):
        return f"await handler({arguments})"
    if inline or isgeneratorfunction(handler) or isasyncgenfunction(handler):
        return f"handler({arguments})"  # a generator's body runs when it is iterated
    if "=" in arguments:
        return f"await run_in_thread(lambda: handler({arguments}))"
    return f"await run_in_thread(handler, {arguments})" if arguments else "await run_in_thread(handler)"


_HEAD = """
async def endpoint(scope, proto, method, path, values, headers):
    request = Request(scope, proto, method, path, values, info, clock.now + timeout, headers)
    set_connection(request)
    task = current_task()
    entries[task] = request
"""

_CLOSE = """
        if request.kept_form is not None:
            await request.close()
"""


def _direct(call: str, *, closes: bool) -> str:
    """A route without hooks and middleware: the common answers go to the server without a response object."""
    return (
        _HEAD
        + f"""
    try:
        value = {call}
        kind = type(value)
        if request.answered and value is not None and kind is not SentResponse:
            await fail(request, None)
        elif kind is dict or kind is list:
            body = encode(value)
            proto.response_bytes(200, JSON, body)
            request.answered = 200
        elif kind is str:
            proto.response_str(200, HTML, value)
            request.answered = 200
        else:
            await respond(request, value)
    except GeneratorExit:
        raise
    except BaseException as error:
        await fail(request, error)
    finally:
        entries.pop(task, None)
"""
        + (_CLOSE if closes else "")
    )


def _staged(call: str, plan: Plan, *, closes: bool) -> tuple[str, dict[str, Any]]:
    """A route with hooks or middleware: a response object passes through the stages."""
    names: dict[str, Any] = {}
    before = _stage(
        "before",
        plan.before,
        "request",
        "if outcome is not None:\n            return convert(outcome, {hook}).fresh()",
        names,
    )
    inner = f"""
    try:
        {before.strip() or "pass"}
        values = request.values
        value = {call}
        kind = type(value)
        if kind is dict or kind is list:
            return prepared(encode(value), JSON)
        if kind is str:
            return prepared(value.encode(), HTML)
        if isinstance(value, Response):
            return value.fresh()
        if isawaitable(value):
            value = await value
        if value is None and request.answered:
            return SentResponse(request.answered)
        return convert(value)
    except GeneratorExit:
        raise
    except BaseException as error:
        return await error_response(request, error)
"""
    names["middleware"] = plan.middleware
    source = "async def inner(request):" + inner
    chain = "inner"
    for position in reversed(range(len(plan.middleware))):
        names[f"link_{position}"] = plan.middleware[position]
        source += f"\ndef chain_{position}(request):\n    return link_{position}(request, {chain})\n"
        chain = f"chain_{position}"
    # An exception of the innermost stage is a response already; what arrives here was raised by middleware.
    checked = (
        ""
        if not plan.middleware
        else """
        if not isinstance(response, Response):
            response = convert(response, middleware)"""
    )
    after = _stage("after", plan.after, "request, response", _REPLACE, names)
    finalize = _stage("finalize", plan.finalize, "request, response", "", names)
    # A cache, as a handler (above), may return one object again: a cookie put on it would go to the next client too.
    fresh = "response = response.fresh()" if plan.finalize else ""
    source += (
        _HEAD
        + f"""
    {"began = perf_counter()" if plan.access_log else ""}
    response = None
    try:
        response = await {chain}(request){checked}
        {after.strip() or "pass"}
    except GeneratorExit:
        raise
    except BaseException as error:
        response = await error_response(request, error, response)
    try:
        {fresh}
        {finalize.strip() or "pass"}
        if response.immediate:
            response.send_now(request)
        else:
            await deliver(request, response)
    except GeneratorExit:
        raise
    except BaseException as error:
        await fail(request, error, response)
    finally:
        entries.pop(task, None)
    {"log_access(request, perf_counter() - began)" if plan.access_log else ""}
    if response.background is not None:
        await background(request, response.background)
"""
        + (_CLOSE.replace("\n        ", "\n    ") if closes else "")
    )
    return source, names


_REPLACE = """if outcome is not None:
            response = outcome if isinstance(outcome, Response) else convert(outcome, {hook})"""


def _stage(
    kind: str, functions: tuple[Callable[..., Any], ...], arguments: str, use: str, names: dict[str, Any]
) -> str:
    """The source of calling hooks one after the other; each may be sync or async."""
    source = ""
    for position, function in enumerate(functions):
        name = f"{kind}_{position}"
        names[name] = function
        if is_async(function):
            source += f"\n        outcome = await {name}({arguments})"
        else:
            source += f"\n        outcome = {name}({arguments})"
            source += "\n        if outcome is not None and not isinstance(outcome, Response) and isawaitable(outcome):"
            source += "\n            outcome = await outcome"
        if use:
            source += f"\n        {use.format(hook=name)}"
    return source

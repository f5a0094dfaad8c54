"""How a handler is called, as source. The one place where a call is composed; typed arguments would join it here."""

from __future__ import annotations

from gobstopper_routing import Route, check_signature

__all__ = ["compose_call"]


def compose_call(route: Route, subject: str) -> str:
    """The argument list of a call: `"request, id=values[0]"` for `def handler(request, id)` on `/users/<id>`.

    Args:
        route: The route; `values` is the tuple of its path parameters' values, in the order of the pattern.
        subject: The name of the variable that holds the request or WebSocket.

    Raises:
        SignatureError: if the handler's parameters do not match the pattern; the message names both.
    """
    call = check_signature(route.handler, route.parameters, route.pattern)
    index = {name: position for position, name in enumerate(route.parameters)}
    arguments = [f"{name}=values[{index[name]}]" for name in call.parameters]
    if call.subject == "first":
        arguments.insert(0, subject)
    elif call.subject is not None:
        arguments.append(f"{call.subject}={subject}")
    return ", ".join(arguments)

"""Trailing slashes: the other form of a path, and the ``Location`` that leads there."""

from typing import Literal, TypeAlias
from urllib.parse import quote

SlashPolicy: TypeAlias = Literal["add_slash", "remove_slash"] | None

# RFC 3986 section 3.3 pchar, and section 3.4 for queries; "%" stays in a query, which arrives as it was sent.
PATH_SAFE = "!$&'()*+,;=:@/"
_QUERY_SAFE = PATH_SAFE + "?%[]"


def other_form(path: str, policy: SlashPolicy) -> str | None:
    """Give the path that ``policy`` would send ``path`` to, or None if it is in the right form already.

    Raises ``ValueError`` for a policy that there is not.
    """
    if policy is None:
        return None
    if policy == "add_slash":
        return None if path.endswith("/") else path + "/"
    if policy == "remove_slash":
        return path[:-1] if path.endswith("/") and len(path) > 1 else None
    raise ValueError(f"slash_policy is {policy!r}; set it to 'add_slash', 'remove_slash' or None")


def relative_location(path: str, query: str = "") -> str:
    r"""Give a ``Location`` for a decoded path and a raw query string.

    It never begins with ``//`` or ``/\\``, which a browser would take for another host, and holds no character that
    RFC 3986 leaves out of a path or query.
    """
    quoted = quote("/" + path.removeprefix("/"), safe=PATH_SAFE, errors="replace")
    if quoted.startswith("//"):
        quoted = "/%2F" + quoted[2:]
    return f"{quoted}?{quote(query, safe=_QUERY_SAFE, errors='replace')}" if query else quoted

"""Behind a proxy: who the client is, and what it asked for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Literal, NamedTuple

from gobstopper_http import Address, Request, Response, WebSocket

from ._attributes import set_attribute
from ._options import check_flag, check_number, check_texts
from ._standalone import Next

__all__ = ["Forwarded", "ProxyMiddleware", "from_the_right", "parse_forwarded", "parse_node"]

_MAX_HOPS = 50
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_MAX_FIELD = 8192
_QUOTED_COMMAS = 4
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_NODE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?")
# RFC 7239 section 4: pairs of a token and a token or quoted string, joined by ";", elements by ",".
_PAIR = re.compile(
    r"""[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=([!#$%&'*+\-.^_`|~0-9A-Za-z:\[\]]+|"(?:[^"\\]|\\.)*")[ \t]*([;,]|$)"""
)


class Forwarded(NamedTuple):
    """What one proxy says of the request that it got.

    Attributes:
        node: From where it came.
        host: The host that was asked for.
        scheme: `http` or `https`.
    """

    node: str
    host: str | None = None
    scheme: str | None = None


class ProxyMiddleware:
    """Takes `client`, `scheme` and `host` of a request from what trusted proxies say; by default none is trusted.

    The rightmost address that is not a trusted proxy's is the client: what lies further left could be made up.
    Anything malformed in its place leaves the request as it came. Give it the highest priority, so that everything
    else sees the result.

    Args:
        trusted: Addresses and networks (`10.0.0.0/8`) of proxies; `"unix"` for peers on a Unix socket.
        hops: Instead: how many proxies there are, whatever their addresses. Only if nobody can reach the server past
            them.
        header: Which field the proxies set: `"x-forwarded"` for `X-Forwarded-For` and `-Proto`, `"forwarded"` for
            RFC 7239. The other kind is ignored: a client could have sent it.
        x_forwarded_host: Take the host from `X-Forwarded-Host` too. Only if every proxy sets or removes it: most pass
            on what a client sent, and keep the `Host`.

    Raises:
        TypeError: for neither or both of `trusted` and `hops`.
        ValueError: for what is no network, for one that holds every address, or for less than one hop.
    """

    def __init__(
        self,
        *,
        trusted: Iterable[str] = (),
        hops: int | None = None,
        header: Literal["x-forwarded", "forwarded"] = "x-forwarded",
        x_forwarded_host: bool = False,
    ) -> None:
        names = check_texts("trusted", trusted, "networks")
        if bool(names) == (hops is not None):
            raise TypeError("give either trusted=, the networks of your proxies, or hops=, how many there are")
        if hops is not None and not 1 <= check_number("hops", hops) <= _MAX_HOPS:
            raise ValueError(f"hops={hops}: there is at least one proxy, or you do not need this")
        if header not in {"x-forwarded", "forwarded"}:
            raise ValueError(f'header={header!r}: use "x-forwarded" or "forwarded"')
        self._hops = hops
        self._unix = "unix" in names
        self._networks = [_network(name) for name in names if name != "unix"]
        self._read = _x_forwarded if header == "x-forwarded" else _forwarded
        if check_flag("x_forwarded_host", x_forwarded_host) and header == "forwarded":
            raise ValueError('x_forwarded_host=True is for header="x-forwarded"; Forwarded has the host in itself')
        self._takes_host = x_forwarded_host or header == "forwarded"

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Set the request right, and go on."""
        self.apply(request)
        return next_handler(request)

    def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> Awaitable[Any]:
        """The same for WebSockets."""
        self.apply(websocket)
        return next_handler(websocket)

    def apply(self, connection: Request | WebSocket) -> None:
        """Set `client`, `scheme` and `host` from the proxies' fields, if the peer is a proxy."""
        if self._hops is None and not self._is_trusted_peer(connection):
            return
        chosen = self._choose(self._read(connection))
        if chosen is None:
            return
        found, address = chosen
        set_attribute(connection, "client", address)
        if found.scheme is not None:
            set_attribute(connection, "scheme", found.scheme)
        if found.host is not None and self._takes_host:
            set_attribute(connection, "host", found.host)

    def _choose(self, chain: list[Forwarded] | None) -> tuple[Forwarded, Address] | None:
        """The element of the client; `None` if there is none that can be believed."""
        if not chain:
            return None
        if self._hops is not None:
            # Fewer entries than proxies: the request came past some of them, or there are fewer. Nothing can be told.
            return _with_address(chain[-self._hops]) if len(chain) >= self._hops else None
        chosen = None
        for found in reversed(chain):
            chosen = _with_address(found)
            if chosen is None or not self._is_trusted(chosen[1].host):
                break
        return chosen

    def _is_trusted_peer(self, connection: Request | WebSocket) -> bool:
        peer = connection.client
        if peer is None or peer.host.startswith("unix:"):
            return self._unix
        return self._is_trusted(peer.host)

    def _is_trusted(self, host: str) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def parse_node(text: str) -> Address | None:
    """Read an address as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.

    `None` for anything else, `unknown` and names included.
    """
    match = _NODE.fullmatch(text)
    host = text if match is None else match[1] or match[2]
    try:
        address = ip_address(host) if len(host) <= 45 and "%" not in host else None
    except ValueError:
        return None
    if address is None or (match is not None and (match[1] is not None) != (address.version == 6)):
        return None
    port = int(match[3]) if match is not None and match[3] else None
    plain = getattr(address, "ipv4_mapped", None) or address
    return Address(str(plain), port) if port is None or port < 65536 else None


def parse_forwarded(field: str) -> list[Forwarded] | None:
    """Read a `Forwarded` field (RFC 7239), nearest proxy last; `None` for a malformed one, or more than 50 elements."""
    chain: list[Forwarded] = []
    pairs: dict[str, str] = {}
    position = 0
    while position < len(field):
        match = _PAIR.match(field, position)
        if match is None or match[1].lower() in pairs or len(chain) >= _MAX_HOPS:
            return None
        value = match[2]
        pairs[match[1].lower()] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value
        position = match.end()
        if match[3] != ";":
            chain.append(Forwarded(pairs.get("for", ""), _host(pairs.get("host")), _scheme(pairs.get("proto"))))
            pairs = {}
    return chain if not pairs and not field.rstrip(" \t").endswith(",") else None


def _forwarded(connection: Request | WebSocket) -> list[Forwarded] | None:
    field = ",".join(connection.raw_headers.get_all("forwarded"))
    chain = parse_forwarded(field) if len(field) <= _MAX_FIELD else None
    return from_the_right(field[-_MAX_FIELD:]) if chain is None else chain


def from_the_right(field: str) -> list[Forwarded]:
    """Read what is well-formed at the right end of a `Forwarded` field, which the nearest proxies have written.

    The rest could be a client's, who must not get rid of their elements by sending nonsense; one element without an
    address stands for it.
    """
    chain: list[Forwarded] = []
    end = len(field)
    while end >= 0 and len(chain) < _MAX_HOPS:
        start = end
        found = None
        for _ in range(_QUOTED_COMMAS):
            start = field.rfind(",", 0, start)
            found = parse_forwarded(field[start + 1 : end].strip(" \t"))
            if found is not None or start < 0:
                break
        if found is None or len(found) > 1:
            break
        chain[:0] = found  # an empty one is none (RFC 9110 section 5.6.1.2)
        end = start
    return chain if end < 0 else [Forwarded(""), *chain]


def _x_forwarded(connection: Request | WebSocket) -> list[Forwarded] | None:
    raw = connection.raw_headers
    nodes = _list(raw.get_all("x-forwarded-for"))
    schemes = _list(raw.get_all("x-forwarded-proto"))
    hosts = _list(raw.get_all("x-forwarded-host"))
    chain = []
    for position in range(-len(nodes), 0):
        # Some proxies append to all three fields, some overwrite the last two.
        scheme = schemes[position] if len(schemes) == len(nodes) else (schemes[-1] if schemes else None)
        host = hosts[position] if len(hosts) == len(nodes) else (hosts[-1] if hosts else None)
        chain.append(Forwarded(nodes[position], _host(host), _scheme(scheme)))
    return chain


def _list(values: list[str]) -> list[str]:
    field = ",".join(values)
    # Only the right end can matter.
    return [part.strip(" \t") for part in field.rsplit(",", _MAX_HOPS)[-_MAX_HOPS:]] if field else []


def _with_address(found: Forwarded) -> tuple[Forwarded, Address] | None:
    address = parse_node(found.node)
    return (found, address) if address is not None else None


def _host(text: str | None) -> str | None:
    return text if text is not None and _HOST.fullmatch(text) else None


def _scheme(text: str | None) -> str | None:
    # Some proxies name that of a WebSocket.
    return _SCHEMES.get(text.lower()) if text is not None else None


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(name, strict=False)
    except ValueError as error:
        raise ValueError(
            f"trusted: {name!r} is no address or network: write '10.0.0.1', '10.0.0.0/8' or 'unix' ({error})"
        ) from None
    if network.prefixlen == 0:
        raise ValueError(
            f"trusted: {name!r} is everybody, so every client could say who it is: name your proxies' networks, or "
            "give hops= if nobody can reach the server past them"
        )
    return network

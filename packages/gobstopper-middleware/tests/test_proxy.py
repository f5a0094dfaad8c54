from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import Request, Response, WebSocket
from gobstopper_http.datastructures import Address
from gobstopper_http.testing import TestClient
from gobstopper_middleware import ProxyMiddleware
from gobstopper_middleware.proxy import Forwarded, from_the_right, parse_forwarded, parse_node
from middleware_site import Site

PEER = "127.0.0.1"


async def who(request: Request) -> Response:
    return Response(f"{request.client.host if request.client else None} {request.scheme} {request.host}")


def ask(headers: Any, *, peer: str = f"{PEER}:50000", **options: Any) -> str:
    takes_host = options.get("header") != "forwarded"
    site = Site(ProxyMiddleware(**{"x_forwarded_host": takes_host} | options), handlers={"/": who})
    with TestClient(site, base_url="http://inner:8000", client=peer) as client:
        return client.get("/", headers=headers).text


UNCHANGED = f"{PEER} http inner:8000"
ALL = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https", "x-forwarded-host": "example.org"}


def test_a_trusted_proxy_is_believed() -> None:
    assert ask(ALL, trusted=["127.0.0.0/8"]) == "203.0.113.7 https example.org"
    assert ask(ALL, hops=1) == "203.0.113.7 https example.org"
    assert ask(ALL, trusted=["127.0.0.1"], peer="[::ffff:127.0.0.1]:1") == "203.0.113.7 https example.org"


def test_nobody_else_is() -> None:
    assert ask(ALL, trusted=["10.0.0.0/8"]) == UNCHANGED
    assert ask(ALL, trusted=["10.0.0.0/8"], peer="10.9.9.9:1").startswith("203.0.113.7")
    assert ask(ALL, trusted=["::1"], peer="[::1]:1").startswith("203.0.113.7")
    assert ask({"forwarded": "for=203.0.113.7"}, trusted=["127.0.0.1"]) == UNCHANGED
    assert ask(ALL, trusted=["127.0.0.1"], header="forwarded") == UNCHANGED


def test_a_unix_socket_has_a_name_of_its_own() -> None:
    assert ask(ALL, trusted=["unix"], peer="unix:/run/x").startswith("203.0.113.7")
    assert ask(ALL, trusted=["127.0.0.1"], peer="unix:/run/x").startswith("unix:")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),  # the left one is of the client's own making
        ("6.6.6.6, 203.0.113.7, 10.0.0.2, 10.0.0.1", "203.0.113.7"),
        ("10.0.0.9", "10.0.0.9"),  # nothing but proxies: the farthest
        ("203.0.113.7, garbage", PEER),
        ("garbage, 10.0.0.1", PEER),
        ("garbage, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("", PEER),
        (",", PEER),
        ("unknown", PEER),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("127.1", PEER),
        ("0x7f000001", PEER),
        ("203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.007", PEER),
        ("fe80::1%eth0", PEER),
        (", ".join(["6.6.6.6"] * 2000), "6.6.6.6"),
    ],
)
def test_the_rightmost_untrusted_address_wins(field: str, expected: str) -> None:
    assert ask({"x-forwarded-for": field}, trusted=["127.0.0.1", "10.0.0.0/8"]).split()[0] == expected


@pytest.mark.parametrize(
    ("field", "hops", "expected"),
    [
        ("6.6.6.6, 203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7, 10.0.0.1", 2, "203.0.113.7"),
        ("203.0.113.7", 2, PEER),
        ("garbage, 10.0.0.1", 2, PEER),
    ],
)
def test_a_number_of_hops(field: str, hops: int, expected: str) -> None:
    assert ask({"x-forwarded-for": field}, hops=hops).split()[0] == expected


def test_several_fields_are_one() -> None:
    headers = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7")]
    assert ask(headers, hops=1).startswith("203.0.113.7")


@pytest.mark.parametrize(
    ("proto", "host", "expected"),
    [
        ("https", "example.org:8443", "https example.org:8443"),
        ("HTTPS", "[2001:db8::1]:443", "https [2001:db8::1]:443"),
        ("javascript", "example.org/evil", "http inner:8000"),
        ("", "evil.org@example.org", "http inner:8000"),
        ("http, https", "a.example, b.example", "http a.example"),  # as long as the list of addresses
        ("https", "b.example", "https b.example"),
        ("x, y, https", "a, b, c", "https c"),
    ],
)
def test_scheme_and_host(proto: str, host: str, expected: str) -> None:
    headers = {"x-forwarded-for": "203.0.113.7, 10.0.0.1", "x-forwarded-proto": proto, "x-forwarded-host": host}
    assert ask(headers, hops=2) == f"203.0.113.7 {expected}"


def test_the_host_is_believed_by_name_alone() -> None:
    # Most proxies keep the Host, and pass on whatever X-Forwarded-Host a client sent.
    headers = {"x-forwarded-for": "203.0.113.7", "x-forwarded-host": "evil.example"}
    assert ask(headers, hops=1, x_forwarded_host=False) == "203.0.113.7 http inner:8000"
    assert ask(headers, hops=1, x_forwarded_host=True) == "203.0.113.7 http evil.example"
    forwarded = {"forwarded": "for=203.0.113.7;host=example.org"}
    assert ask(forwarded, hops=1, header="forwarded") == "203.0.113.7 http example.org"


@pytest.mark.parametrize(("sent", "scheme"), [("wss", "https"), ("WSS", "https"), ("ws", "http"), ("wsx", "http")])
def test_proxies_that_name_the_scheme_of_a_websocket(sent: str, scheme: str) -> None:
    assert ask({"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": sent}, hops=1).split()[1] == scheme


def test_ipv4_that_came_through_an_ipv6_socket_is_ipv4() -> None:
    assert ask({"x-forwarded-for": "::ffff:203.0.113.7"}, hops=1).startswith("203.0.113.7 ")
    trusted = ["127.0.0.0/8", "10.0.0.0/8"]
    assert ask({"x-forwarded-for": "203.0.113.7, ::ffff:10.0.0.9"}, trusted=trusted).startswith("203.0.113.7 ")


def test_websockets_too() -> None:
    seen = []

    async def socket(websocket: WebSocket) -> None:
        seen.append((websocket.client, websocket.scheme))
        await websocket.accept()
        await websocket.close()

    site = Site(ProxyMiddleware(hops=1))
    site.socket = socket
    with TestClient(site) as client, client.websocket("/", headers=ALL):
        pass
    assert seen == [(Address("203.0.113.7", None), "https")]


@pytest.mark.parametrize(
    ("field", "chain"),
    [
        ("for=192.0.2.43", [Forwarded("192.0.2.43")]),
        ('For="[2001:db8:cafe::17]:4711"', [Forwarded("[2001:db8:cafe::17]:4711")]),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", [Forwarded("192.0.2.60", None, "http")]),
        ("for=192.0.2.43, for=198.51.100.17", [Forwarded("192.0.2.43"), Forwarded("198.51.100.17")]),
        ('for=_secret; host="example.org:80" ;proto=HTTPS', [Forwarded("_secret", "example.org:80", "https")]),
        ('for="a\\"b,c;d"', [Forwarded('a"b,c;d')]),
        ("by=x", [Forwarded("")]),
        ("", []),
        ("for", None),
        ("for=", None),
        ("for=a b", None),
        ('for="a', None),
        ("for=a;for=b", None),
        ("for=a,", None),
        ("for=a;", None),
        (",for=a", None),
        (";", None),
        ("for=a" + ",for=a" * 49, [Forwarded("a")] * 50),
        ("for=a" + ",for=a" * 50, None),
    ],
)
def test_forwarded_is_read(field: str, chain: list[Forwarded] | None) -> None:
    assert parse_forwarded(field) == chain


def test_forwarded_is_used() -> None:
    field = 'for=6.6.6.6;host=evil.org, for="[2001:db8::7]:1";proto=https;host=example.org, for=10.0.0.1;proto=http'
    assert ask({"forwarded": field}, header="forwarded", hops=2) == "2001:db8::7 https example.org"
    for bad in ("for=203.0.113.7;", "for=unknown", "for=" + "a" * 9000):
        assert ask({"forwarded": bad}, header="forwarded", hops=1) == UNCHANGED


@given(st.text(max_size=200))
def test_reading_never_raises(text: str) -> None:
    parse_forwarded(text)
    found = parse_node(text)
    assert found is None or found.host


NODE = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(lambda ip: f'"[{ip}]"')


@given(st.lists(NODE, min_size=1, max_size=10))
def test_what_was_written_is_read(nodes: list[str]) -> None:
    chain = parse_forwarded(", ".join(f"for={node};proto=https" for node in nodes))
    assert chain is not None
    assert [parse_node(found.node) is not None for found in chain] == [True] * len(nodes)
    assert [found.node.strip("[]") for found in chain] == [node.strip('"[]') for node in nodes]


def test_reading_is_linear() -> None:
    import time

    def cost(size: int) -> float:
        start = time.process_time()
        for field in ('for="' + "\\" * size, "for=" + "a" * size + "=", 'for="' + 'a\\"' * size, " " * size):
            parse_forwarded(field)
        return time.process_time() - start

    assert cost(100_000) < 3.0  # minutes, if it were quadratic


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, TypeError),
        ({"trusted": ["10.0.0.0/8"], "hops": 1}, TypeError),
        ({"trusted": "10.0.0.0/8"}, TypeError),
        ({"trusted": ["proxy.local"]}, ValueError),
        ({"hops": 0}, ValueError),
        ({"hops": 99}, ValueError),
        ({"hops": 1, "header": "x-real-ip"}, ValueError),
    ],
)
def test_mistakes(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ProxyMiddleware(**options)


@pytest.mark.parametrize(
    "made_up",
    ['for="6.6.6.6', "for=6.6.6.6;", ",,", 'x="', "for = 6.6.6.6", "<script>", "for=6.6.6.6," * 60, "for=6.6.6.6," * 5000,
     'for="6.6.6.6, for=\\"', '"' * 20_000, "," * 20_000],
)  # fmt: skip
@pytest.mark.parametrize(
    "last", ["for=203.0.113.7", 'proto=http;for="203.0.113.7:80"', "for=203.0.113.7, for=10.0.0.9"]
)
def test_what_a_client_puts_before_it_does_not_hide_the_client(made_up: str, last: str) -> None:
    # Else whoever sends a broken field would be taken for the proxy itself.
    options: dict[str, Any] = {"trusted": ["127.0.0.0/8", "10.0.0.0/8"], "header": "forwarded"}
    assert ask({"forwarded": f"{made_up}, {last}"}, **options).startswith("203.0.113.7 ")
    assert ask([("forwarded", made_up), ("forwarded", last)], **options).startswith("203.0.113.7 ")


@given(st.text(alphabet='",;=\\ for1.:[]', max_size=60))
def test_any_text_before_it(made_up: str) -> None:
    field = f"{made_up},for=203.0.113.7"
    chain = parse_forwarded(field)
    assert chain is None or chain[-1].node in {"203.0.113.7", ""} or '"' in made_up
    right = from_the_right(field)
    assert right[-1].node == "203.0.113.7"

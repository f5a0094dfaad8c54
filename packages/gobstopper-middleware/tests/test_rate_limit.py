from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http.datastructures import parse_address
from gobstopper_http.testing import TestClient, WebSocketRejected
from gobstopper_middleware import MemoryRateLimitStorage, RateLimitMiddleware
from gobstopper_middleware.rate_limit import Decision, Rate, client_key, gcra
from middleware_site import Site


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("gobstopper_middleware.rate_limit.time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.mark.parametrize("dressed", [True, False])
def test_too_often_is_429(clock: SimpleNamespace, dressed: bool) -> None:
    site = Site(RateLimitMiddleware(limit=3, period=30, exempt=["/nowhere"]), dressed=dressed)
    with TestClient(site) as client:
        for left in (2, 1, 0):
            response = client.get("/")
            assert response.status == 200
            assert response.headers.getlist("ratelimit-policy") == ['"default";q=3;w=30']
            assert response.headers.getlist("ratelimit") == [f'"default";r={left};t={10 * (3 - left)}']
        refused = client.get("/")
        assert refused.status == 429
        assert refused.headers["retry-after"] == "10"
        assert refused.headers.getlist("ratelimit") == ['"default";r=0;t=30']
        assert client.get("/nowhere").status == 404
        clock.now += 9.9
        assert client.get("/").status == 429
        assert client.get("/").headers["retry-after"] == "1"
        clock.now += 0.1
        assert client.get("/").status == 200
        assert client.get("/").status == 429
        clock.now += 1000
        assert [client.get("/").status for _ in range(4)] == [200, 200, 200, 429]


def test_clients_do_not_count_for_each_other(clock: SimpleNamespace) -> None:
    site = Site(RateLimitMiddleware(limit=1))
    with TestClient(site, client="192.0.2.1:1") as one, TestClient(site, client="192.0.2.2:1") as other:
        assert [one.get("/").status, other.get("/").status, one.get("/").status] == [200, 200, 429]


def test_two_limits(clock: SimpleNamespace) -> None:
    storage = MemoryRateLimitStorage()
    site = Site(
        RateLimitMiddleware(limit=2, period=1, name="second", storage=storage),
        RateLimitMiddleware(limit=3, period=60, name="minute", storage=storage),
    )
    with TestClient(site) as client:
        headers = client.get("/").headers
        assert headers.getlist("ratelimit-policy") == ['"minute";q=3;w=60', '"second";q=2;w=1']
        client.get("/")
        assert client.get("/").headers["retry-after"] == "1"
        clock.now += 1
        assert client.get("/").status == 200
        assert client.get("/").headers["retry-after"] == "19"
    assert len(storage) == 2


def test_a_key_of_ones_own_and_an_asynchronous_store() -> None:
    seen = []

    class Storage:
        async def hit(self, key: str, rate: Rate) -> Decision:
            seen.append((key, rate))
            return Decision(False, 0, 5.5, 2.5)

    middleware = RateLimitMiddleware(
        limit=5, period=10, burst=2, key=lambda request: request.headers.get("x-user"), storage=Storage()
    )
    with TestClient(Site(middleware)) as client:
        assert client.get("/").status == 200
        response = client.get("/", headers={"x-user": "u1"})
        assert response.status == 429
        assert response.headers["retry-after"] == "3"
        assert response.headers["ratelimit"] == '"default";r=0;t=6'
    assert seen == [("default:u1", Rate(5, 10, 2))]


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("192.0.2.1:5", "192.0.2.1"),
        ("[2001:db8:1:2:3:4:5:6]:5", "2001:db8:1:2::/64"),
        ("[::ffff:192.0.2.1]:5", "192.0.2.1"),
        ("unix:/run/x", "local"),
        ("nonsense", "local"),
    ],
)
def test_who_is_asking(client: str, key: str) -> None:
    request: Any = SimpleNamespace(client=parse_address(client))
    assert client_key(request) == key


def test_who_is_asking_by_a_name() -> None:
    request: Any = SimpleNamespace(client=SimpleNamespace(host="somewhere", port=None))
    assert client_key(request) == "somewhere"


def test_memory_is_bounded(clock: SimpleNamespace) -> None:
    storage = MemoryRateLimitStorage(max_keys=10)
    rate = Rate(10, 60, 10)
    for number in range(1000):
        storage.hit(f"key {number}", rate)
    assert len(storage) == 10
    clock.now += 3600
    for _ in range(10):
        storage.hit("one", rate)
    assert len(storage) == 1
    with pytest.raises(ValueError, match="max_keys=0"):
        MemoryRateLimitStorage(max_keys=0)


def test_it_costs_the_same_with_many_keys() -> None:
    storage = MemoryRateLimitStorage(max_keys=50_000)
    rate = Rate(10, 60, 10)
    for number in range(50_000):
        storage.hit(str(number), rate)
    start = time.process_time()
    for number in range(20_000):
        storage.hit(f"new {number}", rate)
    assert time.process_time() - start < 2.0


@given(
    st.integers(1, 50), st.floats(0.5, 100), st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=150)
)
def test_no_window_has_more_than_the_burst_and_the_rate(
    limit: int, period: float, burst: int, gaps: list[float]
) -> None:
    rate = Rate(limit, period, burst)
    arrival, now = None, 0.0
    passed: list[float] = []
    for gap in gaps:
        now += gap
        arrival, decision = gcra(arrival, now, rate)
        if decision.allowed:
            passed.append(now)
        else:
            assert decision.retry_after > 0
            assert gcra(arrival, now + decision.retry_after, rate)[1].allowed
        assert 0 <= decision.remaining <= burst
    for start in range(len(passed)):
        for end in range(start, len(passed)):
            assert end - start + 1 <= burst + (passed[end] - passed[start]) / rate.interval + 1e-3


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"period": 0}, {"burst": 0}, {"period": float("inf")}, {"name": "a b"}]
)
def test_mistakes(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"more than 0|a finite number|use letters"):
        RateLimitMiddleware(**options)


def test_handshakes_count_too() -> None:
    site = Site(RateLimitMiddleware(limit=2, period=3600, exempt=["/free"]))
    with TestClient(site) as client:
        assert client.get("/").status == 200
        with client.websocket("/") as websocket:
            assert websocket.receive_text() == "hello"
        assert client.get("/").status == 429
        with pytest.raises(WebSocketRejected, match="429"), client.websocket("/"):
            pass
        with client.websocket("/free") as websocket:
            assert websocket.receive_text() == "hello"


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_store_that_fails_is_503(asynchronous: bool, caplog: pytest.LogCaptureFixture) -> None:
    class Storage:
        def hit(self, key: str, rate: Rate) -> Any:
            if not asynchronous:
                raise ConnectionError("down")
            return self.later()

        async def later(self) -> Decision:
            raise ConnectionError("down")

    with TestClient(Site(RateLimitMiddleware(storage=Storage()))) as client:
        response = client.get("/")
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        assert "down" not in response.text
    assert "rate limit store Storage failed: ConnectionError('down')" in caplog.text


def test_a_store_that_does_not_answer_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    class Storage:
        async def hit(self, key: str, rate: Rate) -> Decision:
            await asyncio.sleep(3600)
            raise AssertionError

    monkeypatch.setattr("gobstopper_middleware.rate_limit._STORE_TIMEOUT", 0.01)
    with TestClient(Site(RateLimitMiddleware(storage=Storage()))) as client:
        assert client.get("/").status == 503


def test_a_clock_that_is_set_back_shuts_nobody_out() -> None:
    rate = Rate(10, 10, 5)
    arrival: float | None = None
    for _ in range(5):
        arrival, decision = gcra(arrival, 1_000_000.0, rate)
        assert decision.allowed
    arrival, decision = gcra(arrival, 100.0, rate)
    assert not decision.allowed
    assert decision.retry_after <= 1.0
    assert gcra(arrival, 101.0, rate)[1].allowed


def test_a_key_that_the_client_chose_takes_little_memory() -> None:
    seen = []

    class Storage(MemoryRateLimitStorage):
        def hit(self, key: str, rate: Rate) -> Decision:
            seen.append(key)
            return super().hit(key, rate)

    middleware = RateLimitMiddleware(limit=1, key=lambda request: request.headers["x-api-key"], storage=Storage())
    with TestClient(Site(middleware)) as client:
        for key in ("x" * 60_000, "x" * 59_999, "y" * 129):
            assert client.get("/", headers={"x-api-key": key}).status == 200
            assert client.get("/", headers={"x-api-key": key}).status == 429
    assert max(map(len, seen)) < 100
    assert len(set(seen)) == 3

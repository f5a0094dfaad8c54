"""The bounded pool of threads."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref

import pytest

from gobstopper_http import threads
from gobstopper_http.threads import ThreadPool


async def test_results_and_errors() -> None:
    pool = ThreadPool(2)
    assert await pool.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 7, 0)

    def leave() -> None:
        raise SystemExit(3)

    def stop() -> None:
        raise StopIteration

    with pytest.raises(SystemExit):
        await pool.run(leave)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await pool.run(stop)
    pool.close()


async def test_context_variables() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(5)
    pool = ThreadPool(1)
    assert await pool.run(variable.get) == 5
    pool.close()


async def test_no_more_threads_than_allowed() -> None:
    pool = ThreadPool(3)
    running: set[int] = set()
    most = 0

    def work() -> None:
        nonlocal most
        running.add(threading.get_ident())
        most = max(most, len(running))
        time.sleep(0.02)
        running.discard(threading.get_ident())

    await asyncio.gather(*(pool.run(work) for _ in range(12)))
    assert most == 3
    assert len(pool._threads) == 3
    pool.close()


async def test_an_idle_thread_is_used_again() -> None:
    pool = ThreadPool(5)
    names = {await pool.run(threading.get_ident) for _ in range(5)}
    assert len(names) == 1
    pool.close()


async def test_who_timed_out_while_waiting_is_not_run_for() -> None:
    pool = ThreadPool(1)
    ran: list[str] = []
    slow = asyncio.ensure_future(pool.run(time.sleep, 0.2))
    await asyncio.sleep(0.02)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await pool.run(ran.append, "nobody waits for this")
    await slow
    await pool.run(ran.append, "this")
    assert ran == ["this"]
    pool.close()


async def test_who_timed_out_while_it_ran() -> None:
    pool = ThreadPool(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await pool.run(time.sleep, 0.1)
    assert await pool.run(int, "5") == 5  # the result that came late went nowhere
    pool.close()


async def test_a_system_without_threads_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ThreadPool(5)
    real = threads.Thread.start
    allowed = 1

    def start(thread: threading.Thread) -> None:
        nonlocal allowed
        if not allowed:
            raise RuntimeError("can't start new thread")
        allowed -= 1
        real(thread)

    monkeypatch.setattr(threads.Thread, "start", start)
    results = await asyncio.gather(*(pool.run(int, str(number)) for number in range(10)))
    assert results == list(range(10))
    assert len(pool._threads) == 1
    none = ThreadPool(5)
    with pytest.raises(RuntimeError, match="can't start"):
        await none.run(int, "5")
    allowed = 1
    assert await none.run(int, "5") == 5
    pool.close()
    none.close()


async def test_an_idle_thread_keeps_nothing_alive() -> None:
    class Thing:
        pass

    pool = ThreadPool(1)
    thing = Thing()
    reference = weakref.ref(thing)
    await pool.run(id, thing)
    del thing
    gc.collect()
    await asyncio.sleep(0.05)
    assert reference() is None
    pool.close()


def test_a_loop_that_is_closed_costs_no_thread() -> None:
    pool = ThreadPool(1)

    async def leave() -> None:
        asyncio.ensure_future(pool.run(time.sleep, 0.1))  # noqa: RUF006
        await asyncio.sleep(0.02)

    async def use() -> int:
        return await pool.run(int, "5")

    asyncio.run(leave())
    assert asyncio.run(use()) == 5
    pool.close()

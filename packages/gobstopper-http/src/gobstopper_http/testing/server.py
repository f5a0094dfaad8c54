"""A fake Granian: an RSGI application on an event loop of its own, in a thread of its own.

Granian calls `__rsgi_init__(loop)` before the loop runs, so that an application may `loop.run_until_complete` there.
A test that is a coroutine already runs inside a loop, and Python runs no second one in the same thread. So the server
always has a private thread and loop, for the synchronous and for the asynchronous client alike, and the clients hand
their coroutines over (`submit`). That needs nothing from the application, keeps a blocked application from blocking the
test's time-outs, and gives it the same life in both clients.

Two things follow. What an application binds to a loop (pools, locks) has to be made in its start-up hooks, as on
Granian. And signals: Python has them in the main thread only, so `signal.signal` raises `ValueError` in this server.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from .answer import Answer, bad_request
from .bodies import RequestBody
from .errors import ApplicationError, GranianPanic
from .http import FakeHTTPProtocol, HTTPExchange
from .scope import BadTarget, FakeScope, RequestHead
from .websocket import FakeWebSocketProtocol, WebSocketExchange, handshake_error, is_handshake

__all__ = ["FakeServer", "as_exception"]

_T = TypeVar("_T")

logger = logging.getLogger("_granian")  # Granian's own name, so that filters and tests match it


class FakeServer:
    """Runs one RSGI application as a Granian worker would.

    Args:
        app: an object with `__rsgi__`, or the callable itself.
        host: address that the scope shows.
        port: port that the scope shows.
        loop_factory: makes the event loop, e.g. `uvloop.new_event_loop`.

    Attributes:
        errors: what the application's callable raised, in order; Granian logs these.
        dead: what ended the worker: a panic, or a `BaseException` in a task of the application.
    """

    def __init__(
        self,
        app: Any,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self.app = app
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.errors: list[BaseException] = []
        self.dead: BaseException | None = None
        self.loop: asyncio.AbstractEventLoop
        self._loop_factory = loop_factory
        self._callable: Callable[[Any, Any], Awaitable[Any]] = getattr(app, "__rsgi__", app)
        self._thread: threading.Thread | None = None
        self._exchanges: set[HTTPExchange | WebSocketExchange] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._submitted: set[concurrent.futures.Future[Any]] = set()
        self._stop_error: BaseException | None = None

    @property
    def alive(self) -> bool:
        """Whether it was started, and neither stopped nor killed."""
        return self._thread is not None and self.dead is None

    def start(self, timeout: float | None = 30.0) -> None:
        """Start the thread, call `__rsgi_init__`, run the loop.

        Raises:
            Exception: what `__rsgi_init__` raised (a `BaseException` as `ApplicationError`).
            TimeoutError: it took longer than `timeout` seconds.
        """
        if self._thread is not None:
            raise RuntimeError("the server runs already")
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.dead = self._stop_error = None
        self._thread = threading.Thread(target=self._main, args=(started,), name="fake-granian", daemon=True)
        self._thread.start()
        try:
            started.result(timeout)
        except concurrent.futures.TimeoutError:
            raise TimeoutError(f"the application's __rsgi_init__ took longer than {timeout} seconds") from None
        except Exception:
            self._thread.join()
            self._thread = None
            raise

    def stop(self, timeout: float | None = 5.0, *, grace: float = 1.0) -> None:
        """Close all connections, let what runs finish, stop the loop, call `__rsgi_del__`.

        Args:
            timeout: seconds for all of it.
            grace: seconds that running requests have; then they are cancelled.

        Raises:
            Exception: what `__rsgi_del__` raised.
            TimeoutError: the application blocks its loop.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        winding_down = self._wind_down(grace)
        try:
            asyncio.run_coroutine_threadsafe(winding_down, self.loop)
        except RuntimeError:  # the loop is closed: the worker died
            winding_down.close()
        thread.join(timeout)
        if thread.is_alive():
            raise TimeoutError(f"the application did not stop within {timeout} seconds: does it block the event loop?")
        if self._stop_error is not None:
            raise as_exception(self._stop_error, "__rsgi_del__")

    def submit(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        """Run a coroutine on the server's loop, from any other thread.

        Raises:
            RuntimeError: the server does not run.
            GranianPanic: the worker is dead.
        """
        if self.dead is not None:
            work.close()
            raise self._obituary()
        if self._thread is None:
            work.close()
            raise RuntimeError("the server does not run: use the client as a context manager, or call start()")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        self._submitted.add(future)
        future.add_done_callback(self._submitted.discard)
        return future

    async def settle(self) -> None:
        """Wait until no request is running."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def die(self, cause: BaseException) -> None:
        """The worker process is gone: everything that is open fails."""
        if self.dead is None:
            self.dead = cause
        error = self._obituary()
        for exchange in list(self._exchanges):
            exchange.fail(error)

    # On the loop

    def http(self, head: RequestHead, body: RequestBody) -> HTTPExchange:
        """Begin an HTTP request; on the server's loop."""
        exchange = HTTPExchange(self, head, body)
        try:
            scope = FakeScope(head)
        except BadTarget:
            exchange.refuse(bad_request())
            return exchange
        if is_handshake(head):
            reason = handshake_error(head)
            if reason is None:
                raise ValueError("this is a WebSocket handshake: open it with websocket()")
            exchange.answer(Answer(400, [], reason.encode()))
            exchange.called(None)
            return exchange
        self._call(scope, FakeHTTPProtocol(exchange), exchange)
        return exchange

    def websocket(self, head: RequestHead) -> WebSocketExchange:
        """Begin a WebSocket handshake that `handshake_error` finds good; on the server's loop."""
        exchange = WebSocketExchange(self, head)
        self._call(FakeScope(head, "ws"), FakeWebSocketProtocol(exchange), exchange)
        return exchange

    def _call(self, scope: FakeScope, proto: Any, exchange: HTTPExchange | WebSocketExchange) -> None:
        self._exchanges.add(exchange)
        # The task copies the context that it is made in: each request has a copy of the one that start-up left behind.
        task = self._context.run(self.loop.create_task, self._run(scope, proto, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, scope: FakeScope, proto: Any, exchange: HTTPExchange | WebSocketExchange) -> None:
        error: BaseException | None = None
        try:
            await self._callable(scope, proto)
        except BaseException as raised:  # noqa: BLE001  # as Granian: SystemExit and CancelledError are a 500, too
            error = raised
        self._exchanges.discard(exchange)
        del scope, proto
        if isinstance(error, GranianPanic) or self.dead is not None:
            return
        if error is not None:
            self.errors.append(error)
            logger.error("Application callable raised an exception", exc_info=error)
        exchange.called(error)

    # The thread

    def _main(self, started: concurrent.futures.Future[None]) -> None:
        self.loop = loop = self._loop_factory()
        asyncio.set_event_loop(loop)
        try:
            getattr(self.app, "__rsgi_init__", _nothing)(loop)
        except BaseException as error:  # noqa: BLE001  # handed to the thread that starts the server
            loop.close()
            started.set_exception(as_exception(error, "__rsgi_init__"))
            return
        self._context = contextvars.copy_context()
        loop.call_soon(started.set_result, None)
        try:
            loop.run_forever()
            if self.dead is None:
                getattr(self.app, "__rsgi_del__", _nothing)(loop)
        except BaseException as error:  # noqa: BLE001  # handed to the thread that stops the server
            if self._thread is None:
                self._stop_error = error
            else:
                self.die(error)
        finally:
            self._close(loop)

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.dead is not None:
            with contextlib.suppress(BaseException):  # more of the same: let the clients see the first
                loop.run_until_complete(asyncio.sleep(0.01))
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        asyncio.set_event_loop(None)
        for future in list(self._submitted):
            if not future.done():
                future.set_exception(self._obituary())

    async def _wind_down(self, grace: float) -> None:
        for exchange in list(self._exchanges):
            exchange.disconnect()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        self.loop.stop()

    def _obituary(self) -> BaseException:
        if self.dead is None:
            return RuntimeError("the server was stopped")
        if isinstance(self.dead, GranianPanic):
            return self.dead
        panic = GranianPanic(f"{type(self.dead).__name__} in a task of the application ended the worker: {self.dead}")
        panic.__cause__ = self.dead
        return panic


def _nothing(loop: asyncio.AbstractEventLoop) -> None:
    """Stands in for a hook that the application has not."""


def as_exception(error: BaseException, where: str) -> Exception:
    """The error itself, or an `ApplicationError` around what would end the test run, such as `SystemExit`."""
    if isinstance(error, Exception):
        return error
    wrapped = ApplicationError(f"{where} raised {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped

"""Start-up, draining and shutdown of one application in one worker."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable
from functools import partial
from inspect import isawaitable
from types import FrameType
from typing import TYPE_CHECKING, Any

from gobstopper_http.interrupt import drain_of

from .context import set_app
from .diagnostics import StartupError, check_application

if TYPE_CHECKING:
    from .app import Gobstopper
    from .runtime import Runtime

__all__ = ["Lifecycle"]

_DEFAULT_GRACE = 10.0


class Lifecycle:
    """What happens between the server's `__rsgi_init__` and `__rsgi_del__`."""

    def __init__(self, app: Gobstopper) -> None:
        self._app = app
        self.runtime: Runtime | None = None
        self._tasks_closed = False

    def start(self, loop: asyncio.AbstractEventLoop, *, nested: bool = False) -> None:
        """Run the start-up hooks, check the application and compile it. The loop must not be running.

        Args:
            loop: The loop that the server is going to run.
            nested: Whether another application starts this one, which is mounted in it.

        Raises:
            StartupError: for an application with mistakes in it; the message lists all of them.
            BaseException: whatever a start-up hook raises; the worker stops with it.
        """
        app = self._app
        set_app(app)
        try:
            if self._tasks_closed:  # it was started before, as in a suite that makes a client for each test
                _run_now(loop, app.task_queue.open)
                self._tasks_closed = False
            for hook in app.all_startup_hooks():
                _run_now(loop, hook)
            for mount in app.mounts:
                if (init := getattr(mount.app, "__rsgi_init__", None)) is not None:
                    init(loop)
            set_app(app)
            self._compile(loop)
        except BaseException as error:
            app.logger.critical(f"{app.name} cannot start: {error}", exc_info=not isinstance(error, StartupError))
            raise
        if not nested:
            self._chain_signals(loop)
            loop.call_soon(self._check_tasks, loop)

    def _compile(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not needed to register: a third of the import of the package.
        from gobstopper_http.threads import ThreadPool

        from .compiler import Compiler
        from .errors import ErrorResponder
        from .runtime import Runtime

        app = self._app
        runtime = Runtime(loop, ThreadPool(int(app.config.get("THREADS", 40))), ErrorResponder(app), app.logger)
        compiler = Compiler(app, runtime)
        compiler.load()
        if app.templating is not None:
            app.templating.sync()
        notes = check_application(app, compiler.problems)
        for note in notes:
            app.logger.info(note)
        runtime.deadlines.pin()
        self.runtime = runtime

    def _check_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Notice `granian --task-impl rust`: all requests share one stand-in for a task, which cannot be cancelled."""
        try:
            asyncio.all_tasks(loop)
        except RuntimeError:  # the stand-in is registered with asyncio, and was never made a task of this loop
            self._app.logger.error(
                "the server runs with --task-impl rust (or GRANIAN_TASK_IMPL): no time-out of a handler works, and a "
                "client that leaves stops nothing; start it without, or with `gobstopper run`"
            )

    def _chain_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin draining at SIGTERM and SIGINT, and then do what the handler in place does.

        Granian announces no shutdown. Its own handler is the event loop's, which is told through a file descriptor and
        goes on working beside ours and beside one that a start-up hook has set.
        """
        if threading.current_thread() is not threading.main_thread():
            return  # a test client: signals belong to the main thread
        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.getsignal(number)
            signal.signal(number, self._chained(loop, previous))

    def _chained(self, loop: asyncio.AbstractEventLoop, previous: Any) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to drain
                loop.call_soon_threadsafe(self.drain, loop)
            if callable(previous) and previous is not signal.default_int_handler:
                previous(number, frame)

        return handle

    def drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """End event streams and WebSockets; requests in flight are left to finish, within the grace period."""
        runtime = self.runtime
        if runtime is None or runtime.stopping:
            return
        runtime.stopping = True
        drain_of(loop).begin()
        for app in self._app.mounted_apps():
            app.lifecycle.drain(loop)
        loop.call_later(float(self._app.config.get("GRACE", _DEFAULT_GRACE)), runtime.cut_off)

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the shutdown hooks in reverse order, the loop standing still; one that fails is logged."""
        app = self._app
        runtime, self.runtime = self.runtime, None
        if runtime is None:
            return
        runtime.stopping = True
        set_app(app)
        if app.has_tasks:
            # Before the hooks: a task that is still running may need what they close.
            self._guarded(partial(_run_now, loop, app.task_queue.close))
            self._tasks_closed = True
        for mount in reversed(app.mounts):
            if (delete := getattr(mount.app, "__rsgi_del__", None)) is not None:
                self._guarded(partial(delete, loop))
        for hook in reversed(app.all_shutdown_hooks()):
            self._guarded(partial(_run_now, loop, hook))
        runtime.threads.close()
        runtime.deadlines.stop()

    def _guarded(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as error:  # the other hooks still have to run
            self._app.logger.error("a shutdown hook failed", exc_info=error)


def _run_now(loop: asyncio.AbstractEventLoop, hook: Callable[[], Any]) -> None:
    loop.run_until_complete(_run(hook))


async def _run(hook: Callable[[], Any]) -> None:
    result = hook()
    if isawaitable(result):
        await result

"""Reading and setting the session of a test client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .middleware import SessionMiddleware, middleware_of
from .session import Session

if TYPE_CHECKING:
    from gobstopper_http.testing import AsyncTestClient, TestClient

__all__ = ["session_of"]


@contextmanager
def session_of(client: TestClient | AsyncTestClient, middleware: SessionMiddleware | None = None) -> Iterator[Session]:
    """The session that the client's cookies stand for; what is changed inside of the block is saved at its end.

    ```python
    with TestClient(app) as client:
        with session_of(client) as session:
            session["user"] = 7
        assert client.get("/me").json() == {"user": 7}
        with session_of(client) as session:
            assert session["last_page"] == "/me"
    ```

    Args:
        client: A started test client of either kind.
        middleware: Whose session. Default: that of the client's application.

    Raises:
        LookupError: if the application has no session middleware; pass it then.
    """
    if middleware is None:
        middleware = _middleware(client.app)
    cookie, backend = middleware.cookie, middleware.backend
    name = cookie.name_for(urlsplit(client.base_url).netloc)
    value = client.cookies.get(name)
    session = _run(client, backend.load(value)) if value is not None else Session()
    yield session
    saved: str | None = _run(client, backend.save(session))
    if saved:
        client.cookies[name] = saved
    elif saved is not None:
        client.cookies.delete(name)


def _middleware(app: Any) -> SessionMiddleware:
    try:
        return middleware_of[app]
    except (KeyError, TypeError):
        raise LookupError(
            "no session middleware is known for the client's application: start the client first, or pass middleware="
        ) from None


def _run(client: Any, work: Any) -> Any:
    # On the server's loop: a store's connections belong to it.
    return client.server.submit(work).result(10)

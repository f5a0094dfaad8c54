"""The exceptions."""

from __future__ import annotations

import pytest

from gobstopper_http.errors import (
    BodyTimeout,
    BodyTooLarge,
    HTTPException,
    IncompleteBody,
    WebSocketDisconnect,
    abort,
    reason_phrase,
)


def test_http_exception() -> None:
    error = HTTPException(404)
    assert (error.status, error.detail, error.headers, error.extensions) == (404, "Not Found", {}, {})
    error = HTTPException(429, "Slower.", {"Retry-After": "5"}, limit=3)
    assert (str(error), error.headers, error.extensions) == ("429 Slower.", {"Retry-After": "5"}, {"limit": 3})
    assert HTTPException(499).detail == "Unknown"
    assert HTTPException(400, "").detail == ""


@pytest.mark.parametrize("status", [0, 99, 200, 299, 600, 1000, -1])
def test_a_success_is_not_raised(status: int) -> None:
    with pytest.raises(ValueError, match="from 300 to 599"):
        HTTPException(status)


def test_abort() -> None:
    with pytest.raises(HTTPException) as raised:
        abort(410, "Gone.", {"x-a": "b"}, since=1)
    error = raised.value
    assert (error.status, error.detail, error.headers, error.extensions) == (410, "Gone.", {"x-a": "b"}, {"since": 1})


def test_the_others() -> None:
    assert IncompleteBody().status == 400
    assert (BodyTooLarge(5).status, BodyTooLarge(5).limit) == (413, 5)
    assert "for 0.5 seconds" in BodyTimeout(0.5).detail
    assert (WebSocketDisconnect().code, WebSocketDisconnect(1009, "large").reason) == (1005, "large")
    assert reason_phrase(418) == "I'm a Teapot"
    assert reason_phrase(413) == "Content Too Large", "the name of RFC 9110, whatever the version of Python"
    assert reason_phrase(422) == "Unprocessable Content"

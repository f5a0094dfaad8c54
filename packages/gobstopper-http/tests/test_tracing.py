"""Request ids and trace contexts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import Request, send
from gobstopper_http.testing import TestClient
from gobstopper_http.tracing import TraceContext, request_id

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("sent", ["abc", "A-b_c.9:/+=@~", "x" * 128])
def test_a_harmless_id_is_kept(sent: str) -> None:
    assert request_id(sent) == sent


@pytest.mark.parametrize("sent", [None, "", "a b", "a\nb", "é", "x" * 129, "<script>", 'a"b'])
def test_another_is_replaced(sent: str | None) -> None:
    assert re.fullmatch("[0-9a-f]{32}", request_id(sent))
    assert request_id(sent) != request_id(sent)


def test_a_trace_is_continued() -> None:
    trace = TraceContext.parse(f"00-{TRACE}-{PARENT}-01")
    assert (trace.trace_id, trace.parent_id, trace.flags) == (TRACE, PARENT, 1)
    assert trace.span_id != PARENT
    assert trace.traceparent == f"00-{TRACE}-{trace.span_id}-01"
    assert TraceContext.parse(f"01-{TRACE}-{PARENT}-01-more").trace_id == TRACE  # a later version


def test_flags_that_nobody_knows_are_not_sent_on() -> None:
    # Section 3.2.2.5: "Vendors MUST set those to zero"; bit 1 is "random" in level 2.
    trace = TraceContext.parse(f"00-{TRACE}-{PARENT}-ff")
    assert trace.flags == 0xFF
    assert trace.traceparent.endswith("-03")


def test_two_traceparents_are_none() -> None:
    seen = []

    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        seen.append(request.trace)
        await send(request, "")

    with TestClient(app) as client:
        client.get("/", headers=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
        client.get("/", headers=[("traceparent", f"00-{TRACE}-{PARENT}-01")] * 2)
    assert seen[0].trace_id == TRACE
    assert seen[1].trace_id != TRACE
    assert seen[1].parent_id is None


@pytest.mark.parametrize(
    "sent",
    [None, "", "x", f"00-{TRACE}-{PARENT}", f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more",
     f"00-{'0' * 32}-{PARENT}-01",
     f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-zz"],
)  # fmt: skip
def test_or_begun(sent: str | None) -> None:
    trace = TraceContext.parse(sent)
    assert trace.trace_id != TRACE
    assert trace.parent_id is None
    assert trace.traceparent == f"00-{trace.trace_id}-{trace.span_id}-00"


@given(st.text(max_size=60))
def test_any_text(sent: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", TraceContext.parse(sent).trace_id)

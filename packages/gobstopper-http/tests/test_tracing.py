"""Request ids and trace contexts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

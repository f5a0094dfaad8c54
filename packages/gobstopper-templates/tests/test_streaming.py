"""Streams: chunks on demand, errors before the first one, ends that clean up."""

import asyncio
import contextlib

import pytest

import gobstopper_templates as gt
from gobstopper_templates import RenderStream, TemplateEngine

ROWS = "{% for row in rows %}<tr>{{ row }}</tr>{% endfor %}"


def rows(log, count=1000, fail_at=None):
    try:
        for number in range(count):
            if number == fail_at:
                raise LookupError(f"row {number}")
            log.append(number)
            yield number
    finally:
        log.append("closed")


async def async_rows(log, count=1000, fail_at=None):
    try:
        for number in range(count):
            if number == fail_at:
                raise LookupError(f"row {number}")
            log.append(number)
            await asyncio.sleep(0)
            yield number
    finally:
        log.append("closed")


both = pytest.mark.parametrize(("enable_async", "make"), [(False, rows), (True, rows), (True, async_rows)])


def engine_with(enable_async=False, **options):
    return TemplateEngine(gt.DictLoader({"page": ROWS}), enable_async=enable_async, chunk_size=100, **options)


@both
async def test_chunks_add_up_and_are_made_on_demand(enable_async, make):
    engine, log = engine_with(enable_async), []
    stream = await engine.render_template("page", {"rows": make(log)}, stream=True)
    assert isinstance(stream, RenderStream)
    first = len(log)
    assert 1 <= first < 30, "the first chunk is made already, and only that"
    assert not stream.complete
    chunks = [await anext(stream)]
    assert len(log) == first
    chunks.append(await anext(stream))
    assert first < len(log) < 60
    chunks += [chunk async for chunk in stream]
    assert stream.complete
    assert all(100 <= len(chunk) < 120 for chunk in chunks[:-1])
    assert "".join(chunks) == await engine.render_template("page", {"rows": range(1000)})
    assert log[-1] == "closed"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@both
async def test_what_fails_early_fails_before_the_first_chunk(enable_async, make):
    engine, log = engine_with(enable_async), []
    with pytest.raises(LookupError, match="row 3") as caught:
        await engine.render_template("page", {"rows": make(log, fail_at=3)}, stream=True)
    assert gt.template_trace(caught.value)[0].name == "page"
    assert log[-1] == "closed"


@both
async def test_what_fails_late_fails_in_the_stream(enable_async, make):
    engine, log = engine_with(enable_async), []
    stream = await engine.render_template("page", {"rows": make(log, fail_at=500)}, stream=True)
    with pytest.raises(LookupError, match="row 500") as caught:
        [chunk async for chunk in stream]
    assert gt.template_trace(caught.value)
    assert stream.complete
    assert [chunk async for chunk in stream] == []


@both
async def test_closing_early_runs_the_generators_finally(enable_async, make):
    engine, log = engine_with(enable_async), []
    source = make(log)
    async with contextlib.aclosing(await engine.render_template("page", {"rows": source}, stream=True)) as stream:
        await anext(stream)
    assert stream.complete
    close = source.aclose() if hasattr(source, "aclose") else None
    if close is None:
        source.close()
    else:
        await close
    assert log[-1] == "closed"
    assert len(log) < 40
    assert [chunk async for chunk in stream] == []


async def test_short_pages_are_complete_at_once():
    engine = TemplateEngine(gt.DictLoader({"page": "short", "empty": ""}))
    stream = await engine.render_template("page", stream=True)
    assert stream.complete
    assert [chunk async for chunk in stream] == ["short"]
    assert [chunk async for chunk in await engine.render_template("empty", stream=True)] == []


@pytest.mark.parametrize("enable_async", [False, True])
async def test_streaming_can_be_switched_off(enable_async):
    engine = engine_with(enable_async, enable_streaming=False)
    stream = await engine.render_template("page", {"rows": range(1000)}, stream=True)
    assert stream.complete
    assert len([chunk async for chunk in stream]) == 1


async def test_others_have_their_turn_between_chunks():
    engine = engine_with()
    turns = []

    async def other():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    chunks = [chunk async for chunk in await engine.render_template("page", {"rows": range(1000)}, stream=True)]
    task.cancel()
    assert len(turns) >= len(chunks) - 2


async def test_two_streams_of_one_template_do_not_mix():
    engine = engine_with()
    one = await engine.render_template("page", {"rows": range(500)}, stream=True)
    two = await engine.render_template("page", {"rows": range(500, 1000)}, stream=True)
    got = ["", ""]
    for _ in range(200):
        for index, stream in enumerate((one, two)):
            got[index] += await anext(stream, "")
    assert got[0] == await engine.render_template("page", {"rows": range(500)})
    assert got[1] == await engine.render_template("page", {"rows": range(500, 1000)})


async def test_memory_stays_flat():
    import tracemalloc

    engine = TemplateEngine(gt.DictLoader({"page": "{% for i in range(100000) %}" + "x" * 100 + "{{ i }}{% endfor %}"}))
    stream = await engine.render_template("page", stream=True)
    tracemalloc.start()
    size = 0
    async for chunk in stream:
        size += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 10_000_000
    assert peak < 400_000


async def test_any_iterator_of_pieces():
    stream = RenderStream(iter(["a", "", "b"]), chunk_size=1)
    await stream.start()
    assert [chunk async for chunk in stream] == ["a", "b"]
    await stream.aclose()
    with pytest.raises(ValueError, match="at least 1 character"):
        RenderStream(iter([]), chunk_size=0)

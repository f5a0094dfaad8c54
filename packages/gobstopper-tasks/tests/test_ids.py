from __future__ import annotations

import os
import time
import uuid

import pytest

from gobstopper_tasks.ids import derived_id, task_id


def test_ids_are_uuid7_and_rise() -> None:
    before = time.time_ns() // 1_000_000
    ids = [task_id() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    assert sorted(ids) == ids
    for text in (ids[0], ids[-1]):
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122
        assert before <= parsed.int >> 80 <= before + 10_000


def test_they_rise_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = task_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert task_id() > first


def test_a_forked_child_mints_others() -> None:
    task_id()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, "\n".join(task_id()[-12:] for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 10_000).decode().split()
    os.close(read)
    os.close(write)
    assert not {task_id()[-12:] for _ in range(50)} & {*theirs}


def test_derived_ids_are_the_same_for_the_same_parts() -> None:
    assert derived_id("cron", "k", "1") == derived_id("cron", "k", "1")
    assert len({derived_id("a", "b"), derived_id("ab", ""), derived_id("a", "c")}) == 3
    assert uuid.UUID(derived_id("a")).version == 8

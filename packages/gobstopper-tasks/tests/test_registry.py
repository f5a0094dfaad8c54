from __future__ import annotations

import pytest

from gobstopper_tasks import InvalidTask, Limit, TaskQueue, UnknownTask


def queue() -> TaskQueue:
    return TaskQueue("memory://")


def test_names_are_unique_but_a_reloaded_module_may_register_again() -> None:
    tasks = queue()

    def register() -> None:
        @tasks.task("t")
        def function() -> None: ...

    register()
    register()
    with pytest.raises(InvalidTask, match="registered twice"):

        @tasks.task("t")
        def other() -> None: ...


def test_bad_options_name_the_task() -> None:
    tasks = queue()
    for options in ({"max_retries": -1}, {"timeout": 0}, {"result_ttl": -1}, {"max_crashes": 0}):
        with pytest.raises(InvalidTask, match="'t'"):
            tasks.task("t", **options)(lambda: None)
    with pytest.raises(InvalidTask, match="limit"):
        tasks.task("t", concurrency=0)(lambda: None)
    with pytest.raises(InvalidTask, match="1 to 200"):
        tasks.task("n" * 201)(lambda: None)
    with pytest.raises(InvalidTask, match="positional-only"):

        @tasks.task("p")
        def positional(a: int, /) -> None: ...

    with pytest.raises(InvalidTask, match="limit"):
        Limit(rate=1, per=0)


def test_calls_are_checked_against_the_signature() -> None:
    tasks = queue()

    @tasks.task()
    def named(a: int, *rest: int, b: int = 1, **more: int) -> None: ...

    @tasks.task()
    class Callable_:
        def __init__(self, x: int) -> None: ...

    assert named.__name__ in tasks.registry
    tasks.registry["named"].check({"a": 1, "anything": 2})
    with pytest.raises(InvalidTask, match="missing a"):
        tasks.registry["named"].check({"b": 1})
    tasks.registry["named"].check({}, "a")
    assert "Callable_" in tasks.registry["Callable_"].place
    with pytest.raises(UnknownTask, match="did you mean 'named'"):
        tasks.registry["nmed"]
    with pytest.raises(UnknownTask):
        tasks.registry["zzzzzz"]


def test_cron_tasks_must_be_callable_without_arguments() -> None:
    tasks = queue()
    with pytest.raises(InvalidTask, match="missing a"):

        @tasks.task("t", cron="* * * * *")
        def t(a: int) -> None: ...

    with pytest.raises(InvalidTask, match="missing a"):
        tasks.schedule("t", "* * * * *")
    made = tasks.schedule("t", "* * * * *", args={"a": 1}, key="k")
    assert tasks.registry.schedules == {"k": made}
    assert tasks.schedule("t", "*/5 * * * *", args={"a": 1}, key="k") == tasks.registry.schedules["k"]

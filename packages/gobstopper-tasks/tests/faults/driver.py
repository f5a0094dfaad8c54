"""A process under fire: adds tasks, runs tasks, and writes down what it was told. Started by the fault tests."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from pathlib import Path

from gobstopper_tasks import TaskError, TaskQueue, current_task


async def main(path: str, log_path: str, producers: int, workers: int) -> None:
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(*words: object) -> None:
        os.write(log, (" ".join(map(str, words)) + f" {time.monotonic():.6f}\n").encode())

    queue = TaskQueue(path)

    @queue.task("work", max_retries=50, backoff=0.01, max_crashes=1000)
    async def work(pause: float) -> str:
        note("run", current_task().id)
        await asyncio.sleep(pause)
        return "done"

    async def produce() -> None:
        while True:
            begun = time.monotonic()
            try:
                id_ = await queue.add("work", pause=random.random() * 0.02)
                note("ack", id_, f"{begun:.6f}")
                if random.random() < 0.5 and await queue.wait(id_, 5.0):
                    note("final", id_)
            except (TaskError, TimeoutError):
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.random() * 0.01)

    await queue.open()
    await queue.start_workers("default", workers)
    with Path(f"{log_path}.up").open("ab") as ups:
        ups.write(b".")
    await asyncio.gather(*(produce() for _ in range(producers)))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(message)s")
    logging.getLogger("gobstopper.tasks").addFilter(lambda record: "retry in" not in record.getMessage())
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))

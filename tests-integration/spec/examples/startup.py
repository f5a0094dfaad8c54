"""Startup Handlers."""
# fmt: off
# mypy: ignore-errors

import signal
import sys

from gobstopper import Gobstopper

app = Gobstopper(__name__)
done = []


class database:
    async def connect():
        done.append("connect")

    async def create_tables():
        done.append("create_tables")


async def load_config_from_file(name):
    return {"LOADED_FROM": name, "DEBUG": False}


def graceful_shutdown(number, frame):
    print("graceful_shutdown was called", file=sys.stderr, flush=True)


# spec:
@app.on_startup
async def initialize_database():
    await database.connect()
    await database.create_tables()
@app.on_startup
async def load_configuration():
    app.config = await load_config_from_file("config.yaml")
@app.on_startup
def register_signal_handlers():
    signal.signal(signal.SIGTERM, graceful_shutdown)
# end


@app.on_shutdown
def first_registered():
    print("shutdown: first registered", file=sys.stderr, flush=True)


@app.on_shutdown
async def last_registered():
    print("shutdown: last registered", file=sys.stderr, flush=True)


@app.get("/")
async def index(request):
    return {"done": done, "config": dict(app.config)}


broken = Gobstopper(__name__)


@broken.on_startup
async def fail():
    raise RuntimeError("the configuration is missing")

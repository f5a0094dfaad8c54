"""The pytest plugin, as a project that has the package installed sees it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gobstopper_http.testing

pytest_plugins = ["pytester"]

APP = """
import pytest

class App:
    life = []
    def __rsgi_init__(self, loop):
        self.life.append("init")
    def __rsgi_del__(self, loop):
        self.life.append("del")
    async def __rsgi__(self, scope, proto):
        proto.response_str(200, [], scope.path)

@pytest.fixture
def app():
    return App()
"""


def test_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        APP
        + """
import asyncio

def test_own(gobstopper_client):
    assert gobstopper_client.get("/own").text == "/own"

def test_stopped(app):
    assert app.life == ["init", "del"]
    app.life.clear()

def test_factory(client_factory, app):
    one, two = client_factory(app), client_factory(app, base_url="http://other")
    assert one.get("/").url != two.get("/").url

def test_async_factory(async_client_factory, app):
    client = async_client_factory(app)
    assert asyncio.run(client.get("/async")).text == "/async"

def test_all_stopped(app):
    assert sorted(app.life) == ["del"] * 3 + ["init"] * 3
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["gobstopper-http: * implementation"])


def test_an_error_after_the_answer_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import asyncio

async def app(scope, proto):
    proto.response_empty(204, [])
    await asyncio.sleep(0.01)
    raise ValueError("after the answer")

def test_sync(client_factory):
    client = client_factory(app)
    client.get("/")
    client.settle()

def test_async(async_client_factory):
    client = async_client_factory(app)
    async def run():
        await client.get("/")
        await client.settle()
    asyncio.run(run())
"""
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2, errors=2)


def test_the_plugin_imports_no_client() -> None:
    code = "import gobstopper_http.testing.plugin, sys; print(any('testing.client' in name for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_is_there() -> None:
    for name in gobstopper_http.testing.__all__:
        assert getattr(gobstopper_http.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = gobstopper_http.testing.missing

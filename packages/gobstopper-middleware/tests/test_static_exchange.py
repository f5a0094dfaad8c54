"""Files that somebody exchanges while they are asked for, as every deployment does."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gobstopper_http import Request, Response
from gobstopper_http.testing import TestClient
from gobstopper_middleware import StaticMiddleware
from middleware_site import Site

IMMUTABLE = "public, max-age=31536000, immutable"


class Late:
    """Calls `act` when the answer is made and not yet sent."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    async def __call__(self, request: Request, next_handler: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await next_handler(request)
        self.act()
        return response


def exchange(path: Path, content: bytes) -> None:
    new = path.with_name("new.tmp")
    new.write_bytes(content)
    new.replace(path)


def tag(path: Path) -> str:
    status = path.stat()
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-3"}])
def test_header_and_body_are_of_one_version(tmp_path: Path, headers: dict[str, str]) -> None:
    file = tmp_path / "app.js"
    file.write_bytes(b"old" * 100)
    site = Site(Late(lambda: exchange(file, b"new, and longer" * 100)), StaticMiddleware(directory=tmp_path))
    with TestClient(site) as client:
        response = client.get("/static/app.js", headers=headers)
        whole = b"new, and longer" * 100
        assert response.content == (whole[:4] if headers else whole)
        assert response.headers["content-length"] == str(len(response.content))
        assert response.headers.getlist("etag") == [tag(file)]


def test_an_immutable_answer_of_another_version_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "app.js"
    for size in (10, 200_000, 400_000):
        file.write_bytes(b"old" * size)
        static = StaticMiddleware(directory=tmp_path)
        url = static.url_for("app.js")
        with TestClient(Site(static)) as client:
            response = client.get(url)
            assert (response.headers["cache-control"], response.content) == (IMMUTABLE, b"old" * size)
            part = client.get(url, headers={"range": "bytes=1-"})
            assert (part.status, part.content) == (206, (b"old" * size)[1:])
        with TestClient(Site(Late(lambda: exchange(file, b"new")), static)) as client:
            response = client.get(url)
            assert (response.headers["cache-control"], response.content) == ("no-cache", b"new")


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    (tmp_path / "outside.txt").write_bytes(b"outside")
    file = folder / "a.txt"
    file.write_bytes(b"inside.")

    def become_a_link() -> None:
        file.unlink()
        file.symlink_to(tmp_path / "outside.txt")

    def become_a_pipe() -> None:
        file.unlink()
        os.mkfifo(file)

    for act in (become_a_link, become_a_pipe, lambda: file.unlink(missing_ok=True)):
        file.unlink(missing_ok=True)
        file.write_bytes(b"inside.")
        file.with_name("a.txt.gz").write_bytes(gzip.compress(b"inside."))
        with TestClient(Site(Late(act), StaticMiddleware(directory=folder))) as client:
            response = client.get("/static/a.txt")
            assert (response.status, response.headers["vary"]) == (404, "Accept-Encoding")
            assert b"outside" not in response.content


@pytest.mark.parametrize("size", [7, 100_000])
def test_a_folder_that_becomes_a_link_is_not_followed(tmp_path: Path, size: int) -> None:
    folder, outside = tmp_path / "static", tmp_path / "outside"
    for place, letter in ((folder / "sub", "i"), (outside, "S")):
        place.mkdir(parents=True)
        (place / "a.txt").write_text(letter * size)
        os.utime(place / "a.txt", (1_600_000_000, 1_600_000_000))

    def become_a_link() -> None:
        (folder / "sub").rename(folder / "hidden")
        (folder / "sub").symlink_to(outside)

    static = StaticMiddleware(directory=folder)
    with TestClient(Site(Late(become_a_link), static)) as client:
        assert client.get("/static/sub/a.txt").status == 404
    # And not if it was a link when it was looked at, and was none when its place was.
    (folder / "sub").unlink()
    (folder / "hidden").rename(folder / "sub")
    found = static.lookup.find("sub/a.txt")
    assert found is not None
    status = (outside / "a.txt").stat()
    found.variants[None] = found.variants[None]._replace(identity=(status.st_dev, status.st_ino))
    (folder / "sub").rename(folder / "hidden")
    (folder / "sub").symlink_to(outside)
    with TestClient(Site(static)) as client:
        response = client.get("/static/sub/a.txt")
        assert response.status == 404
        assert b"S" not in response.content


def test_a_long_file_is_of_one_version(tmp_path: Path) -> None:
    file = tmp_path / "long.bin"
    file.write_bytes(b"old" * 100_000)
    new = b"new, and longer" * 100_000
    with TestClient(Site(Late(lambda: exchange(file, new)), StaticMiddleware(directory=tmp_path))) as client:
        for fields, content in (({}, new), ({"range": "bytes=10-200009"}, new[10:200_010])):
            response = client.get("/static/long.bin", headers=fields)
            assert response.content == content
            assert (response.headers["etag"], response.headers["content-length"]) == (tag(file), str(len(content)))
            file.write_bytes(b"old" * 100_000)


def test_a_file_that_changes_all_the_time_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    original = os.open

    def late(path: Any, *arguments: Any, **options: Any) -> int:
        if path == os.path.realpath(file):
            exchange(file, os.urandom(8))
        return original(path, *arguments, **options)

    file.write_bytes(b"content")
    with TestClient(Site(StaticMiddleware(directory=tmp_path))) as client:
        monkeypatch.setattr(os, "open", late)
        response = client.get("/static/a.txt")
        assert (response.status, response.headers["retry-after"]) == (503, "1")


def test_a_neighbour_of_the_old_content_is_not_kept_under_the_new_hash(tmp_path: Path) -> None:
    file, neighbour = tmp_path / "app.js", tmp_path / "app.js.gz"
    file.write_bytes(b"old")
    neighbour.write_bytes(gzip.compress(b"old"))
    static = StaticMiddleware(directory=tmp_path)
    headers = {"accept-encoding": "gzip"}
    with TestClient(Site(static)) as client:
        kept = client.get(static.url_for("app.js"), headers=headers)
        assert (kept.headers["cache-control"], kept.headers["content-encoding"]) == (IMMUTABLE, "gzip")
        exchange(file, b"new")
        later = neighbour.stat().st_mtime_ns + 1_000_000
        os.utime(file, ns=(later, later))
        url = f"/static/app.js?v={hashlib.sha256(b'new').hexdigest()[:16]}"
        assert client.get(url, headers=headers).headers["cache-control"] == "no-cache"
        again = client.get(url, headers=headers)
        assert (again.headers["cache-control"], again.content) == (IMMUTABLE, b"new")
        assert static.url_for("app.js") == url


def test_many_who_ask_for_one_hash_keep_one_thread_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "long.bin").write_bytes(b"x" * 1000)
    static = StaticMiddleware(directory=tmp_path)
    asked, go = [], threading.Event()
    original = static._fingerprints.of

    def slowly(*arguments: Any) -> str | None:
        asked.append(arguments)
        go.wait(30)
        return original(*arguments)

    monkeypatch.setattr(static._fingerprints, "of", slowly)
    with TestClient(Site(static)) as client, ThreadPoolExecutor(8) as pool:
        wrong = [pool.submit(client.get, f"/static/long.bin?v={number:016x}") for number in range(8)]
        # The application still answers while the file is read.
        assert client.get("/").text == "hello"
        go.set()
        assert {future.result().headers["cache-control"] for future in wrong} == {"no-cache"}
        assert len(asked) <= 2
        assert not static._fingerprints._running

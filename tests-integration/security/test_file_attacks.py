"""Files that are exchanged while a real Granian, which opens paths late, is about to send them."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from security.browser import Answer, Browser
from support import GranianServer
from support import granian_server as run_granian

APP = Path(__file__).with_name("files_app.py")
LONG = 100_000
"""Bytes of a file that is not read in line."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files") / "static"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[GranianServer]:
    with run_granian(APP, env={"SITE_STATIC": str(folder)}, cwd=folder.parent) as server:
        yield server


@pytest.fixture
def visitor(server: GranianServer) -> Iterator[Browser]:
    before = Browser(server.port).get("/pid").json()
    yield Browser(server.port)
    assert Browser(server.port).get("/pid").json() == before, "the worker died"


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` over and over beside the block."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def versions(folder: Path, sizes: dict[str, int]) -> dict[int, bytes]:
    """Contents by their length, each of one letter, as files outside of the served folder."""
    for letter, size in sizes.items():
        (folder.parent / f"version-{letter}").write_text(letter * size)
    return {size: letter.encode() * size for letter, size in sizes.items()}


def is_of_one_version(answer: Answer, contents: dict[int, bytes]) -> bool:
    """Whether the head fits the body; `False` if there was no file, or no time to read it."""
    if answer.status in {404, 503}:
        return False
    size = int(answer["etag"].strip('"').rpartition("-")[2], 16)
    assert len(answer.body) == int(answer["content-length"])
    if answer.status == 200:
        assert answer.body == contents[size]
        return True
    assert answer.status == 206
    if "content-range" in answer:
        start, end, total = map(int, re.findall(r"\d+", answer["content-range"]))
        assert (total, answer.body) == (size, contents[size][start : end + 1])
    else:
        letters = set(re.sub(rb"(?m)^(--|Content-).*$|\s", b"", answer.body))
        assert letters == set(contents[size])
        assert set(re.findall(rb"/(\d+)\r", answer.body)) == {b"%d" % size}
    return True


@pytest.mark.parametrize("range_", ["", "bytes=10-90009", "bytes=0-9", "bytes=-80000", "bytes=0-70000,80000-99999"])
@pytest.mark.parametrize("prefix", ["/static", "/file"])
def test_header_and_body_are_of_one_version(visitor: Browser, folder: Path, prefix: str, range_: str) -> None:
    contents = versions(folder, {"A": LONG, "B": 2 * LONG, "C": 5 * LONG, "D": 60_000})
    file, new = folder / "changing.bin", folder / "new.tmp"

    def exchange_all() -> None:
        for letter in "ABCD":
            os.link(folder.parent / f"version-{letter}", new)
            new.replace(file)
            time.sleep(0.0005)  # about as long as the server takes until it opens

    exchange_all()
    with meanwhile(exchange_all):
        answers = [visitor.get(f"{prefix}/changing.bin", **({"range": range_} if range_ else {})) for _ in range(150)]
    assert sum(is_of_one_version(answer, contents) for answer in answers) > 20


@pytest.mark.parametrize("prefix", ["/static", "/file"])
def test_new_files_all_the_time(visitor: Browser, folder: Path, prefix: str) -> None:
    contents = {LONG + number: bytes([97 + number]) * (LONG + number) for number in range(26)}
    file, new = folder / "deployed.bin", folder / "deployed.tmp"

    def deploy() -> None:
        for content in contents.values():
            new.write_bytes(content)
            new.replace(file)
            time.sleep(0.001)

    deploy()
    with meanwhile(deploy):
        answers = [visitor.get(f"{prefix}/deployed.bin") for _ in range(150)]
    assert sum(is_of_one_version(answer, contents) for answer in answers) > 20


@pytest.mark.parametrize("size", [1000, LONG])
@pytest.mark.parametrize("range_", ["", "bytes=10-90009", "bytes=0-7,20-900"])
def test_what_a_link_points_to_outside_never_goes_out(visitor: Browser, folder: Path, size: int, range_: str) -> None:
    """A file that becomes a link, and a folder that does, with a file of the same size and time behind it."""
    outside = folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    sub, link, hidden = folder / "sub", folder / "link.tmp", folder.parent / "hidden"
    sub.mkdir(exist_ok=True)
    for place, letter in ((outside, "S"), (sub, "i"), (folder, "i")):
        (place / "turning.bin").write_text(letter * size)
        os.utime(place / "turning.bin", (1_600_000_000, 1_600_000_000))

    def turn() -> None:
        sub.rename(hidden)
        sub.symlink_to(outside)
        time.sleep(0.0005)
        sub.unlink()
        hidden.rename(sub)
        link.symlink_to(outside / "turning.bin")
        (folder / "turning.bin").rename(folder.parent / "turning.bin")
        link.replace(folder / "turning.bin")
        time.sleep(0.0005)
        (folder.parent / "turning.bin").replace(folder / "turning.bin")

    fields = {"range": range_} if range_ else {}
    with meanwhile(turn):
        answers = [visitor.get(f"/static/{name}turning.bin", **fields) for _ in range(150) for name in ("", "sub/")]
    assert {answer.status for answer in answers} <= {200, 206, 404, 416, 503}
    assert all(b"SS" not in answer.body for answer in answers)
    assert visitor.get("/static/turning.bin").body == visitor.get("/static/sub/turning.bin").body == b"i" * size


def test_descriptors_are_bounded(folder: Path) -> None:
    for number in range(500):
        (folder / f"many-{number}.bin").write_text(f"{number:08}" * (LONG // 8))
    with run_granian(APP, env={"SITE_STATIC": str(folder)}, cwd=folder.parent) as server:
        visitor = Browser(server.port)
        descriptors = Path(f"/proc/{visitor.get('/pid').json()['pid']}/fd")
        before, most = len(list(descriptors.iterdir())), 0
        for _ in range(2):
            for number in range(500):
                answer = visitor.get(f"/{'static' if number % 2 else 'file'}/many-{number}.bin")
                assert answer.body == b"%08d" % number * (LONG // 8)
                most = max(most, len(list(descriptors.iterdir())))
        assert before + 100 < most < before + 150


def test_a_server_that_opens_too_late_finds_nothing(folder: Path) -> None:
    """Its threads for files are taken, and the descriptor is let go: what has its number now must not go out."""
    (folder / "late.bin").write_bytes(b"x" * LONG)
    (folder.parent / "secret.txt").write_bytes(b"SECRET" * LONG)
    env = {"SITE_STATIC": str(folder), "SITE_HURRY": "1"}
    with run_granian(APP, env=env, cwd=folder.parent, args=["--runtime-blocking-threads", "1"]) as server:
        visitor = Browser(server.port)
        descriptors = Path(f"/proc/{visitor.get('/pid').json()['pid']}/fd")

        def number() -> int | None:
            places = {int(one.name): os.path.realpath(one) for one in descriptors.iterdir()}
            return next((one for one, place in places.items() if place == str(folder / "late.bin")), None)

        # Connected before, lest the connection takes the number.
        with ThreadPoolExecutor() as pool, server.connect() as attacker:
            held = pool.submit(visitor.get, "/hold")
            time.sleep(0.5)
            late = pool.submit(visitor.get, "/static/late.bin")
            server.wait_for(lambda: number() is not None, what="the opened file")
            closed = number()
            server.wait_for(lambda: number() is None, what="the closed file")
            attacker.sendall(b"GET /secrets HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert re.search(rf"\b{closed}\b".encode(), attacker.recv(65536).partition(b"\r\n\r\n")[2])
            assert not late.done()
            visitor.get("/release")
            assert held.result().body == b"done"
            assert late.result().status == 404
            assert b"SECRET" not in late.result().body
            assert visitor.get("/static/late.bin").body == b"x" * LONG


@pytest.mark.parametrize("prefix", ["/static", "/file"])
def test_a_file_that_is_deleted_while_it_is_sent(visitor: Browser, folder: Path, prefix: str) -> None:
    content = os.urandom(20_000_000)
    for _ in range(5):
        (folder / "deleted.bin").write_bytes(content)
        with socket.create_connection(("127.0.0.1", visitor.port), 10) as connection:
            connection.sendall(f"GET {prefix}/deleted.bin HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            received = connection.recv(1)
            (folder / "deleted.bin").unlink()
            while chunk := connection.recv(1 << 20):
                received += chunk
        assert received.partition(b"\r\n\r\n")[2] == content
        assert visitor.get(f"{prefix}/deleted.bin").status == 404

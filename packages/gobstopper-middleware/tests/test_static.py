from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gobstopper_http import Request, Response, problem
from gobstopper_http.testing import TestClient
from gobstopper_middleware import RustStaticMiddleware, StaticMiddleware
from gobstopper_middleware._lookup import Lookup
from middleware_site import Site, make_context

CSS = b"body { color: red }\n" * 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "css").mkdir(parents=True)
    (folder / "css" / "app.css").write_bytes(CSS)
    (folder / "a b é.txt").write_bytes(b"odd name")
    (folder / "index.html").write_bytes(b"<h1>index</h1>")
    (folder / "css" / "index.html").write_bytes(b"<h1>css</h1>")
    (folder / ".secret").write_bytes(b"secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_bytes(b"secret")
    (folder / "empty").mkdir()
    (tmp_path / "outside.txt").write_bytes(b"outside")
    (tmp_path / "static-not").mkdir()
    (tmp_path / "static-not" / "x.txt").write_bytes(b"outside")
    return folder


def start(folder: Path, **options: Any) -> TestClient:
    return TestClient(Site(StaticMiddleware(directory=folder, **options)), follow_redirects=False)


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with start(folder) as client:
        yield client


def test_a_file(client: TestClient) -> None:
    response = client.get("/static/css/app.css")
    assert response.status == 200
    assert response.content == CSS
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert response.headers["content-length"] == str(len(CSS))
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["etag"].startswith('"')
    assert response.headers["accept-ranges"] == "bytes"
    assert "last-modified" in response.headers
    assert client.get("/static/a%20b%20%C3%A9.txt").text == "odd name"


def test_head_conditions_and_ranges(client: TestClient) -> None:
    head = client.head("/static/css/app.css")
    assert (head.status, head.content, head.headers["content-length"]) == (200, b"", str(len(CSS)))
    etag = head.headers["etag"]
    for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = client.get("/static/css/app.css", headers={"if-none-match": tag})
        assert (response.status, response.content) == (304, b"")
        assert response.headers["etag"] == etag
        assert response.headers["cache-control"] == "no-cache"
    part = client.get("/static/css/app.css", headers={"range": "bytes=5-9", "if-range": etag})
    assert (part.status, part.content) == (206, CSS[5:10])
    whole = client.get("/static/css/app.css", headers={"range": "bytes=5-9", "if-range": '"old"'})
    assert (whole.status, whole.content) == (200, CSS)
    assert client.get("/static/css/app.css", headers={"range": "bytes=99999-"}).status == 416
    assert client.get("/static/css/app.css", headers={"if-match": '"old"'}).status == 412


def test_everything_else_goes_on(client: TestClient) -> None:
    assert client.get("/").text == "hello"
    assert client.get("/static/nothing.css").status == 404
    assert client.post("/static/css/app.css").status == 404
    assert client.get("/static").status == 404
    assert client.get("/staticcss/app.css").status == 404
    assert client.get("/static/").status == 404
    assert client.get("/static/css").status == 404
    assert client.get("/static/css/").status == 404


HOSTILE = [
    "../outside.txt", "css/../../outside.txt", "..%2foutside.txt", "%2e%2e/outside.txt", "%2e%2e%2foutside.txt",
    "..%5coutside.txt", "..\\outside.txt", "....//outside.txt", "..;/outside.txt", "/etc/passwd", "//etc/passwd",
    "%2fetc%2fpasswd", "/../outside.txt", "css/app.css/", "css//app.css", "./css/app.css", "css/./app.css",
    ".secret", "%2esecret", ".git/config", "css/../.secret", "../static-not/x.txt", "css/app.css%00", "%00",
    "css%00/app.css",
    "css/app.css%00.png", "css/app.css%0a", "%ff", "%c0%ae%c0%ae/outside.txt", "c:/windows", "CSS%5capp.css", "~root",
    "a" * 5000, "a/" * 2000, "css/app.css/..", "..", ".", "%2e", "css/%2e%2e/app.css",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    response = client.get(f"/static/{path}")
    assert response.status in {400, 404}
    assert b"outside" not in response.content
    assert b"secret" not in response.content


PIECES = [*"./\\%\0a~:", "css", "..", "outside.txt", ".secret", "app.css", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
@settings(max_examples=300)
def test_a_lookup_stays_inside(tmp_path_factory: pytest.TempPathFactory, relative: str) -> None:
    base = tmp_path_factory.getbasetemp() / "lookup"
    folder = base / "static"
    if not folder.exists():
        (folder / "css").mkdir(parents=True)
        (folder / "css" / "app.css").write_bytes(CSS)
        (folder / ".secret").write_bytes(b"")
        (base / "outside.txt").write_bytes(b"")
    found = Lookup(str(folder)).find(relative)
    assert (found is not None) == (relative == "css/app.css")


def test_links_are_resolved(folder: Path, tmp_path: Path) -> None:
    (folder / "inside.css").symlink_to(folder / "css" / "app.css")
    (folder / "out.txt").symlink_to(tmp_path / "outside.txt")
    (folder / "out").symlink_to(tmp_path)
    (folder / "twin").symlink_to(tmp_path / "static-not")
    (folder / "hidden.txt").symlink_to(folder / ".secret")
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")
    with start(folder) as client:
        assert client.get("/static/inside.css").content == CSS
        for path in ("out.txt", "out/outside.txt", "twin/x.txt", "hidden.txt", "loop", "pipe"):
            assert client.get(f"/static/{path}").status == 404, path


def test_a_root_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(folder)
    with start(tmp_path / "current") as client:
        assert client.get("/static/css/app.css").status == 200


def test_a_file_that_is_exchanged_for_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    with start(folder) as client:
        assert client.get("/static/css/app.css").status == 200
        (folder / "css" / "app.css").unlink()
        (folder / "css" / "app.css").symlink_to(tmp_path / "outside.txt")
        assert client.get("/static/css/app.css").status == 404


def test_a_file_that_changes(folder: Path) -> None:
    with start(folder) as client:
        before = client.get("/static/css/app.css").headers["etag"]
        (folder / "css" / "app.css").write_bytes(b"changed in place")
        response = client.get("/static/css/app.css")
        assert response.text == "changed in place"
        assert response.headers["etag"] != before
        (folder / "new.css").write_bytes(b"renamed over it")
        (folder / "new.css").rename(folder / "css" / "app.css")
        assert client.get("/static/css/app.css").text == "renamed over it"
        (folder / "css" / "app.css").unlink()
        assert client.get("/static/css/app.css").status == 404


# --- neighbours


def neighbours(folder: Path) -> None:
    (folder / "css" / "app.css.gz").write_bytes(gzip.compress(CSS, mtime=0))
    (folder / "css" / "app.css.br").write_bytes(b"brotli")
    (folder / "css" / "app.css.zst").write_bytes(b"zstd")


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("*", "br"),
        ("*;q=0", None),
        ("deflate", None),
        ("", None),
        (None, None),
    ],
)
def test_a_neighbour_for_who_accepts_it(folder: Path, accept: str | None, encoding: str | None) -> None:
    neighbours(folder)
    with start(folder) as client:
        headers = {} if accept is None else {"accept-encoding": accept}
        response = client.get("/static/css/app.css", headers=headers)
        assert response.headers.get("content-encoding") == encoding
        assert response.headers["content-type"] == "text/css; charset=utf-8"
        assert response.headers["vary"] == "Accept-Encoding"
        expected = {"br": b"brotli", "zstd": b"zstd", "gzip": gzip.compress(CSS, mtime=0), None: CSS}[encoding]
        assert response.content in {expected, CSS}
        assert response.headers["content-length"] == str(len(expected))
        again = client.get("/static/css/app.css", headers=headers | {"if-none-match": response.headers["etag"]})
        assert again.status == 304
        assert again.headers["vary"] == "Accept-Encoding"
        assert again.headers["etag"] == response.headers["etag"]


def test_every_encoding_has_an_etag_of_its_own(folder: Path) -> None:
    neighbours(folder)
    with start(folder) as client:
        tags = {
            client.get("/static/css/app.css", headers={"accept-encoding": accept}).headers["etag"]
            for accept in ("br", "gzip", "zstd", "identity")
        }
        assert len(tags) == 4


def test_a_neighbour_that_is_older_or_lies_elsewhere_is_not_used(folder: Path, tmp_path: Path) -> None:
    neighbours(folder)
    past = time.time() - 100
    os.utime(folder / "css" / "app.css.br", (past, past))
    (folder / "css" / "app.css.zst").unlink()
    (folder / "css" / "app.css.zst").symlink_to(tmp_path / "outside.txt")
    with start(folder) as client:
        response = client.get("/static/css/app.css", headers={"accept-encoding": "br, zstd, gzip"})
        assert response.headers["content-encoding"] == "gzip"


def test_without_neighbours_nothing_varies(client: TestClient) -> None:
    response = client.get("/static/css/app.css", headers={"accept-encoding": "br, gzip"})
    assert "vary" not in response.headers
    assert "content-encoding" not in response.headers


# --- caching


def test_a_hash_makes_a_file_immutable(folder: Path) -> None:
    middleware = StaticMiddleware(directory=folder)
    with TestClient(Site(middleware)) as client:
        url = middleware.url_for("css/app.css")
        assert url.startswith("/static/css/app.css?v=")
        assert client.get(url).headers["cache-control"] == "public, max-age=31536000, immutable"
        wrong = url[:-1] + ("0" if url[-1] != "0" else "1")
        for other in (wrong, url + "&x=1", "/static/css/app.css?v=", "/static/css/app.css?x", url + "0"):
            response = client.get(other)
            assert response.headers.get("cache-control") != "public, max-age=31536000, immutable", other
        (folder / "css" / "app.css").write_bytes(b"other content")
        assert client.get(url).headers["cache-control"] == "no-cache"
        assert middleware.url_for("css/app.css") not in {url, "/static/css/app.css"}


def test_urls(folder: Path) -> None:
    middleware = StaticMiddleware(directory=folder, url_prefix="/files/")
    assert middleware.url_for("a b é.txt").startswith("/files/a%20b%20%C3%A9.txt?v=")
    assert middleware.url_for("/css/app.css", version=False) == "/files/css/app.css"
    assert middleware.url_for("missing.css") == "/files/missing.css"
    assert middleware.url_for("../outside.txt") == "/files/../outside.txt"
    assert middleware.url_for("a?b#c.css") == "/files/a%3Fb%23c.css"
    assert StaticMiddleware(directory=folder, immutable=False).url_for("css/app.css") == "/static/css/app.css"


def test_max_age_and_names_with_a_hash(folder: Path) -> None:
    (folder / "app-3f2a9b1c.js").write_bytes(b"js")
    with start(folder, max_age=60, immutable=r"-[0-9a-f]{8}\.js$") as client:
        assert client.get("/static/css/app.css").headers["cache-control"] == "public, max-age=60"
        assert "immutable" in client.get("/static/app-3f2a9b1c.js").headers["cache-control"]
    with start(folder, immutable=False) as client:
        assert client.get("/static/css/app.css?v=0123456789abcdef").headers["cache-control"] == "no-cache"


def test_memory_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = Lookup(str(folder), size=2)
    for name in ("css/app.css", "index.html", "css/index.html"):
        assert lookup.find(name) is not None
    assert len(lookup._found) == 2
    for number in range(100):
        lookup.find(f"missing {number}")
    assert len(lookup._found) == 2
    monkeypatch.setattr("gobstopper_middleware._fingerprints._SIZE", 2)
    middleware = StaticMiddleware(directory=folder)
    for name in ("css/app.css", "index.html", "css/index.html"):
        middleware.url_for(name)
    assert len(middleware._fingerprints) == 2


# --- index and fallback


def test_index(folder: Path) -> None:
    with start(folder, index=True) as client:
        assert client.get("/static/").text == "<h1>index</h1>"
        assert client.get("/static/css/").text == "<h1>css</h1>"
        redirect = client.get("/static/css?x=1")
        assert redirect.status == 308
        assert redirect.headers["location"] == "./css/?x=1"
        assert client.get("/static/empty/").status == 404
        assert client.get("/static/empty").status == 404  # not even whether there is such a folder
        assert client.get("/static/.git").status == 404
        assert client.get("/static//evil.example").status == 404


def test_a_redirect_stays_on_this_host(folder: Path) -> None:
    for name in ("http:", "javascript:alert(1)", "evil.example"):
        (folder / name).mkdir()
        (folder / name / "index.html").write_text("index")
    with start(folder, index=True) as client:
        assert client.get("/static/http:").headers["location"] == "./http%3A/"
        assert client.get("/static/evil.example").headers["location"] == "./evil.example/"
    with start(folder, index=True, url_prefix="/") as client:
        assert client.get("//evil.example").status == 404
        assert client.get("/evil.example").headers["location"] == "./evil.example/"


def test_fallback(folder: Path) -> None:
    closed = []

    class Closing(Response):
        async def close(self) -> None:
            closed.append(self)

    async def api(request: Request) -> Response:
        return problem(404)

    async def gone(request: Request) -> Response:
        return Closing("gone", 404)

    middleware = StaticMiddleware(directory=folder, url_prefix="/", fallback="index.html")
    site = Site(middleware, handlers={"/api": api, "/gone": gone})
    with TestClient(site) as client:
        page = {"accept": "text/html,application/xhtml+xml"}
        assert client.get("/some/page", headers=page).text == "<h1>index</h1>"
        assert client.get("/some/page", headers=page).headers["cache-control"] == "no-cache"
        assert client.get("/gone", headers=page).text == "<h1>index</h1>"
        assert closed
        assert client.get("/some/page", headers={"accept": "application/json"}).status == 404
        assert client.post("/some/page", headers=page).status == 404
        assert client.get("/css/app.css", headers=page).content == CSS
        (folder / "index.html").unlink()
        assert client.get("/some/page", headers=page).status == 404


def test_mistakes_end_the_start(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist: create it"):
        StaticMiddleware(directory="nowhere").setup(make_context(root_path=tmp_path))
    with pytest.raises(FileNotFoundError, match=r"fallback='missing.html' is no file"):
        StaticMiddleware(directory="static", fallback="missing.html").setup(make_context(root_path=tmp_path))
    for prefix in ("static", "//evil.example"):
        with pytest.raises(ValueError, match="begin it with one slash"):
            StaticMiddleware(directory=folder, url_prefix=prefix)
    middleware = StaticMiddleware()
    middleware.setup(make_context(root_path=tmp_path))
    assert middleware.directory == folder


def test_it_works_without_setup(folder: Path) -> None:
    site = Site(StaticMiddleware(directory=folder), dressed=False)
    with TestClient(site) as client:
        assert client.get("/static/css/app.css").content == CSS


def test_a_file_that_vanishes_between_two_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    middleware = StaticMiddleware(directory=folder)
    found = middleware.lookup.find("css/app.css")
    assert found is not None
    (folder / "css" / "app.css").unlink()
    assert middleware.url_for("css/app.css") == "/static/css/app.css"


def test_the_rust_twin_says_how_to_get_it() -> None:
    with pytest.raises(RuntimeError, match=r"built separately .* use StaticMiddleware"):
        RustStaticMiddleware(directory="static", url_prefix="/static")


def test_the_rust_twin_is_used_if_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    wheel = ModuleType("gobstopper_middleware_rs")
    wheel.RustStatic = lambda **options: options  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gobstopper_middleware_rs", wheel)
    assert RustStaticMiddleware(directory="x") == {"directory": "x"}  # type: ignore[comparison-overlap]


def test_a_link_that_is_swapped_while_it_is_followed_tells_nothing_of_the_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret.txt"
    root.mkdir()
    secret.write_text("a long secret")
    (root / "page.txt").write_text("page")
    link = root / "link.txt"
    link.symlink_to(secret)
    realpath = os.path.realpath

    def swapped(path: str) -> str:
        link.unlink()
        link.symlink_to(root / "page.txt")
        return realpath(path)

    lookup = Lookup(str(root))
    monkeypatch.setattr(os.path, "realpath", swapped)
    found = lookup._resolve("link.txt")
    assert found is not None
    assert found[0] == str(root / "page.txt")
    assert (found[1].st_size, found[1].st_ino) == (4, (root / "page.txt").stat().st_ino)

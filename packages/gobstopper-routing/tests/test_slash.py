from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gobstopper_routing import relative_location
from gobstopper_routing.slash import other_form


@pytest.mark.parametrize(
    ("path", "policy", "other"),
    [
        ("/a", "add_slash", "/a/"),
        ("/a/", "add_slash", None),
        ("/a/", "remove_slash", "/a"),
        ("/a", "remove_slash", None),
        ("/a//", "remove_slash", "/a/"),
        ("/", "remove_slash", None),
        ("/", "add_slash", None),
        ("/a", None, None),
    ],
)
def test_other_form(path: str, policy: str, other: str | None) -> None:
    assert other_form(path, policy) == other


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="set it to 'add_slash', 'remove_slash' or None"):
        other_form("/", "both")


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/a", "", "/a"),
        ("/a b/ü", "", "/a%20b/%C3%BC"),
        ("/a", "x=1&y=%20", "/a?x=1&y=%20"),
        ("/a", "x=\r\nSet-Cookie: a", "/a?x=%0D%0ASet-Cookie:%20a"),
        ("//evil.example/", "", "/%2Fevil.example/"),
        ("/\\evil.example/", "", "/%5Cevil.example/"),
        ("/\t/evil", "", "/%09/evil"),
        ("/a?b#c%d", "", "/a%3Fb%23c%25d"),
        ("", "", "/"),
    ],
)
def test_relative_location(path: str, query: str, location: str) -> None:
    assert relative_location(path, query) == location


@given(st.text().map(lambda text: "/" + text), st.text())
@example("//x", "")
@example("///x", "//")
@example("/\\x", "")
def test_location_stays_on_its_host_and_means_the_same_path(path: str, query: str) -> None:
    location = relative_location(path, query)
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert location.isascii()
    assert not set(location) & set(' \r\n\t<>"\\^`{|}')
    assert unquote(urlsplit(location).path) == path.encode(errors="replace").decode()
    assert urlsplit(urljoin("https://here.example/x", location)).netloc == "here.example"

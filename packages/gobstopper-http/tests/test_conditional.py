"""Entity tags as RFC 9110 8.8.3 writes them, in If-Match and If-None-Match. (The rest is in test_files.py.)"""

from __future__ import annotations

import time

import pytest

from gobstopper_http.conditional import evaluate_preconditions, not_modified, strong_match, weak_match
from gobstopper_http.datastructures import Headers

# The W is case-sensitive, a tag is in quotes, and nothing stands beside the quotes.
INVALID = ['w/"a"', 'W /"a"', 'W/ "a"', 'W"a"', 'x"a"', '"a"x', '"a""a"', "'a'", 'W/W/"a"', '/"a"', '"a";q=1', '"a']


@pytest.mark.parametrize("field", INVALID)
def test_what_is_no_entity_tag_matches_nothing(field: str) -> None:
    assert not strong_match(field, '"a"')
    assert not weak_match(field, '"a"')
    assert evaluate_preconditions("PUT", Headers({"If-Match": field}), '"a"', None) == 412
    assert evaluate_preconditions("GET", Headers({"If-None-Match": field}), '"a"', None) == 200
    assert not not_modified(Headers({"If-None-Match": field}), '"a"', None)


@pytest.mark.parametrize("invalid", INVALID[:-1])
@pytest.mark.parametrize("field", ['{}, "b"', '"b", {}', '"c" ,{},\t"b"', ',, {},"b",'])
def test_an_invalid_tag_spoils_itself_alone(invalid: str, field: str) -> None:
    sent = field.format(invalid)
    assert strong_match(sent, '"b"')
    assert weak_match(sent, 'W/"b"')
    assert not strong_match(sent, '"a"')
    assert not weak_match(sent, '"a"')


@pytest.mark.parametrize("tag", ['"a b"', '"a\tb"', '"a\x7fb"'])
def test_characters_that_a_tag_may_not_hold(tag: str) -> None:
    assert not strong_match(tag, tag)
    assert not weak_match(tag, tag)


@pytest.mark.parametrize("tag", ['"a\\"', '"é"', '"!#$%&\'()*+,-./"'])
def test_characters_that_it_may(tag: str) -> None:
    """There are no escapes: a backslash is a character like any other, and does not keep the quote from closing."""
    assert strong_match(f'"x", {tag}, "y"', tag)
    assert weak_match(f'"x", W/{tag}, "y"', tag)
    assert not strong_match(f"W/{tag}", tag)


def test_a_lower_case_w_of_the_current_tag_is_no_weak_one() -> None:
    assert not strong_match('"a"', 'w/"a"')
    assert not weak_match('"a"', 'w/"a"')


@pytest.mark.parametrize(
    "field", ['"' * 500_001, '"a' * 250_000, "," * 500_000, "W/" * 250_000, '"a",' * 120_000, "x" * 500_000]
)
def test_growth_is_linear(field: str) -> None:
    start = time.process_time()
    strong_match(field, '"b"')
    weak_match(field, '"b"')
    assert time.process_time() - start < 3  # minutes, if it were quadratic

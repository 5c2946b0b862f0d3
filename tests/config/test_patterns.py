"""RE2 patterns as Python's: what they match, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from swapyard.config.patterns import PatternError, to_python, to_re2


@pytest.mark.parametrize(
    ("pattern", "matches", "does_not"),
    [
        (r"\.js$", "/a.js", "/a.js\n"),
        ("^/a", "/a", "\n/a"),
        ("(?m)a$", "a\nb", "ab"),
        ("(?m:a$)b?$", "a", "a\nc"),
        ("a(?i)b|c", "C", "AB"),
        ("(?i)abc", "ABC", "AB"),
        ("(?i:a)b", "Ab", "aB"),
        ("(?-i:a)", "a", "A"),
        ("(?s)a.b", "a\nb", "ab"),
        ("(?P<n>a)(?<m>b)", "ab", "a"),
        (r"\Aa\z", "a", "a\n"),
        (r"\Qa.b\E+", "a.ba.b", "axb"),
        (r"\Qa.b", "a.b", "axb"),
        (r"[[:digit:]x]+\z", "1x2", "a"),
        (r"^[^[:alpha:]]$", "1", "a"),
        (r"^[]a]$", "]", "b"),
        (r"^[a-c-]$", "-", "d"),
        (r"^[[&&]$", "&", "a"),
        (r"^[\d_]$", "5", "a"),
        (r"^[\]\\]$", "\\", "a"),
        (r"^\d$", "5", "\u0665"),
        (r"^\x{e9}\x41$", "\u00e9A", "eA"),
        (r"^\101$", "A", "101"),
        (r"^\C$", "\n", ""),
        ("^a{2}$", "aa", "a"),
        ("^a{,2}$", "a{,2}", "aa"),
        ("^{a}$", "{a}", "a"),
        ("a*?b", "aab", "a"),
        (r"\bab\b", "x ab", "xab"),
        (r"\/a\-b", "/a-b", "ab"),
        ("^$", "", "/"),
        ("|a", "", None),
        ("a||b", "", None),
        ("a]", "a]", "a"),
    ],
)
def test_what_patterns_match(pattern: str, matches: str, does_not: str | None) -> None:
    translated = re.compile(to_python(pattern))
    assert translated.search(matches)
    assert does_not is None or not translated.search(does_not)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a(?=b)", r"uses (?=b, which RE2 does not have"),
        ("(?!a)", "RE2 does not have"),
        ("(?<=a)b", "RE2 does not have"),
        ("(?<!a)b", "RE2 does not have"),
        ("(?>a)", "RE2 does not have"),
        ("(?#a)", "RE2 does not have"),
        ("(a)(?(1)b)", "RE2 does not have"),
        ("(?P<a>x)(?P=a)", "RE2 does not have"),
        (r"(a)\1", "uses a back-reference"),
        (r"(a)[\1]", "uses a back-reference"),
        (r"\pL", r"uses \p"),
        (r"\Z", r"uses \Z"),
        ("a\\", "which is not supported"),
        ("a++", "nothing that + could repeat"),
        ("a{2}{3}", "nothing that {3} could repeat"),
        ("*a", "nothing that * could repeat"),
        ("(*)", "nothing that * could repeat"),
        ("a{1001}", "repeats more than 1000 times"),
        ("(a", "has a ( that is not closed"),
        ("a)", "has a ) without a ("),
        ("[a", "has a [ that is not closed"),
        ("[[:letter:]]", "unknown class [:letter:]"),
        ("[b-a]", "is not a regular expression"),
        ("a{3,2}", "is not a regular expression"),
        ("(" * 200, "more than 100 groups"),
    ],
)
def test_what_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        to_python(pattern)
    assert message in str(caught.value)


@pytest.mark.parametrize("pattern", [r"\.js$", r"\d+\\Z$", "(?i)a$", "[[:alpha:]]", "^$"])
def test_a_translated_pattern_in_re2s_spelling_means_the_same(pattern: str) -> None:
    assert to_python(to_re2(to_python(pattern))) == to_python(pattern)


def test_ignored_paths(load: Any) -> None:
    (default,) = load.resolved("upstream: {ignorePaths: []}").ignore_paths
    assert re.search(default, "/static/app.JS".lower())
    assert not re.search(default, "/v1/models")
    assert load.resolved("upstream: {ignorePaths: ['^$', '^/assets/']}").ignore_paths == (r"^\Z", "^/assets/")

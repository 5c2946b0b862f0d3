"""Which credentials open the door, and which ones stay here."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapyard.errors import Unauthorized
from swapyard.proxy.auth import REMEMBERED, Keys, credential

KEYS = ("sk-one", "sk-zwei-ü")


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


# Authorization, x-api-key, whether it opens.
CASES: list[tuple[bytes | None, bytes | None, bool]] = [
    (b"Bearer sk-one", None, True),
    (b"bearer sk-one", None, True),
    (b"BEARER sk-one", None, True),
    ("Bearer sk-zwei-ü".encode(), None, True),
    (None, b"sk-one", True),
    (basic("sk-one"), None, False),  # a user name is no password
    (basic("anybody:sk-one"), None, True),
    (basic(":sk-one"), None, True),
    (basic("user:sk-one").replace(b"Basic", b"bAsIc"), None, True),
    (basic("a:b:sk-one"), None, False),
    (None, None, False),
    (None, b"", False),
    (b"", None, False),
    (b"Bearer sk-two", None, False),
    (b"Bearer sk-one ", None, False),  # not trimmed
    (b"Bearer  sk-one", None, False),
    (b"Bearer sk-on", None, False),
    (b"sk-one", None, False),
    (None, b"sk-two", False),
    (b"Bearer wrong", b"sk-one", False),  # a wrong Bearer is not rescued
    (basic("u:wrong"), b"sk-one", False),
    (basic("u:"), b"sk-one", True),  # ... while what holds no key leaves the word to x-api-key
    (b"Basic !!!", b"sk-one", True),
    (b"Basic !" + basic("u:sk-one")[6:], None, False),
    (b"Basic dTp", b"sk-one", True),
    (b"Bearer ", b"sk-one", True),
    (b"Bearer", b"sk-one", True),
    (b"sk-one", b"sk-one", True),
    (b"Digest sk-one", b"sk-one", True),
    (b"Digest sk-one", None, False),
    (b"", b"sk-one", True),
    (b"Bearer sk-one", b"wrong", True),
    (b"Bearer \xff\xfe", None, False),
]


@pytest.mark.parametrize(("authorization", "x_api_key", "opens"), CASES)
def test_who_may_ask(authorization: bytes | None, x_api_key: bytes | None, opens: bool) -> None:
    keys = Keys(KEYS)
    assert keys.check(authorization, x_api_key) is opens
    assert keys.check(authorization, x_api_key) is opens  # and the second time, remembered or not


@given(st.lists(st.sampled_from(CASES), max_size=20))
def test_what_is_remembered_changes_no_later_answer(requests: list[tuple[bytes | None, bytes | None, bool]]) -> None:
    keys = Keys(KEYS)
    for authorization, x_api_key, opens in requests:
        assert keys.check(authorization, x_api_key) is opens


def test_without_keys_everybody_may_ask() -> None:
    keys = Keys(())
    assert not keys
    assert keys.check(None, None)
    assert keys.check(b"Bearer x", b"y")
    assert not keys.is_gateway_credential(b"Bearer x")


def test_a_refusal_asks_browsers_for_a_password() -> None:
    keys = Keys(KEYS)
    keys.require(b"Bearer sk-one", None)
    with pytest.raises(Unauthorized, match="is needed") as caught:
        keys.require(None, None)
    assert caught.value.headers == (("WWW-Authenticate", 'Basic realm="swapyard"'),)
    with pytest.raises(Unauthorized, match="not known"):
        keys.require(b"Bearer wrong", None)


def test_memory_of_good_values_is_bounded() -> None:
    keys = Keys(KEYS)
    for number in range(3 * REMEMBERED):
        assert keys.check(basic(f"user-{number}:sk-one"), None)
        keys.check(b"Bearer wrong-%d" % number, b"wrong-%d" % number)
    assert len(keys._good_authorizations) <= REMEMBERED
    assert not keys._good_keys


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (b"Bearer sk-one", True),
        (b"bearer sk-one", True),
        (b"Bearer   sk-one ", True),
        (b"Token sk-one", True),
        (b"Token\tsk-one", True),
        (b'Token token="sk-one"', True),
        (b"sk-one", True),
        (b"sk-one, other", True),
        (basic("user:sk-one"), True),
        (basic("sk-one:"), True),
        (basic("user:sk-one").rstrip(b"="), True),
        ("sk-zwei-ü".encode(), True),
        (b"Bearer hf_upstream", False),
        (basic("user:other"), False),
        (b"", False),
        (b"other", False),
        (b"a " * 1000 + b"sk-one", False),  # only so many words are looked at
    ],
)
def test_which_credentials_stay_here(value: bytes, ours: bool) -> None:
    assert Keys(KEYS).is_gateway_credential(value) is ours
    remembered = Keys(KEYS)
    remembered.check(value, value)
    assert remembered.is_gateway_credential(value) is ours


@given(st.binary(max_size=40))
def test_any_header_value_can_be_looked_at(value: bytes) -> None:
    keys = Keys(KEYS)
    keys.check(value, value)
    assert not keys.check(b"Basic " + value, None)
    credential(value)

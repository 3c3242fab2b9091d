"""What a key looks like, so that scanners find it and typing errors are noticed."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.api_key import key_id_of, new_key_id, new_secret, secret_hash

DOCUMENTED = re.compile(r"mn_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


def test_a_key_has_the_documented_form_and_names_its_id() -> None:
    key_id = new_key_id()
    secret = new_secret(key_id)
    assert DOCUMENTED.fullmatch(secret)
    assert key_id_of(secret) == key_id
    assert secret.startswith(f"mn_{key_id}_")


def test_no_two_keys_are_equal() -> None:
    key_id = new_key_id()
    assert len({new_secret(key_id) for _ in range(100)}) == 100
    assert len({new_key_id() for _ in range(100)}) == 100
    assert len(secret_hash(new_secret(key_id))) == 32


SECRET = new_secret(new_key_id())
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@given(place=st.integers(3, len(SECRET) - 1), letter=st.sampled_from(LETTERS))
def test_the_checksum_sees_every_wrong_character(place: int, letter: str) -> None:
    changed = SECRET[:place] + letter + SECRET[place + 1 :]
    assert (key_id_of(changed) is None) == (changed != SECRET)


@given(st.text() | st.from_regex(DOCUMENTED, fullmatch=True))
def test_other_texts_are_no_keys(text: str) -> None:
    assert key_id_of(text) is None

"""Page tokens are ours alone and belong to one query."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.errors import InvalidArgument, Reason
from mnemon_service.record.page_tokens import PageTokens

TOKENS = PageTokens(b"k" * 32)
positions = st.lists(st.integers(-(2**63), 2**63) | st.text(max_size=40), max_size=4)
queries = st.recursive(
    st.text(max_size=20) | st.integers() | st.booleans(), lambda q: st.lists(q, max_size=3)
)


@given(queries, positions)
def test_a_token_gives_back_its_position(query: Any, position: list[Any]) -> None:
    token = TOKENS.issue(query, position)
    assert TOKENS.read(query, token) == position
    assert all(character.isalnum() or character in "-_" for character in token)


@given(queries, positions, st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_changed_token_is_refused(query: Any, position: list[Any], place: int, character: str) -> None:
    token = TOKENS.issue(query, position)
    place %= len(token) - 1
    if token[place] != character:
        with pytest.raises(InvalidArgument) as refused:
            TOKENS.read(query, token[:place] + character + token[place + 1 :])
        assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


@given(queries, queries, positions)
def test_a_token_serves_one_query(query: Any, other: Any, position: list[Any]) -> None:
    if query != other:
        with pytest.raises(InvalidArgument):
            TOKENS.read(other, TOKENS.issue(query, position))


def test_another_installations_token_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        PageTokens(b"other" * 8).read("q", TOKENS.issue("q", [1]))

"""What is written comes back, and nothing that is quoted gets out of its quotes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from milvus_lite.search.filter.tokens import TokenKind, tokenize

from mnemon_service.index.circuit import FIRST_PAUSE, LONGEST_PAUSE, Circuit
from mnemon_service.index.expressions import compile_filter, quote
from mnemon_service.index.layout import Generation
from mnemon_service.index.rows import (
    MAXIMUM_BYTES,
    decode_names,
    decode_tokens,
    encode_names,
    encode_tokens,
)
from mnemon_service.model.errors import Unavailable
from mnemon_service.model.filter import Comparison, Op

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_a_quoted_text_is_one_literal_of_the_same_text(text: str) -> None:
    [literal, end] = tokenize(quote(text))
    assert (literal.kind, literal.value, end.kind) == (TokenKind.STRING, text, TokenKind.EOF)


@given(st.lists(TEXT.filter(bool)))
def test_lists_of_names_come_back(names: list[str]) -> None:
    assert decode_names(encode_names(names)) == tuple(names)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1)))
def test_tokens_come_back_and_are_words_to_every_analyser(tokens: list[str]) -> None:
    encoded = encode_tokens(tokens)
    assert decode_tokens(encoded) == tuple(tokens)
    assert encoded == "" or all(word.isascii() and word.isalnum() for word in encoded.split(" "))


def test_long_lists_are_cut_between_names_and_words() -> None:
    assert len(encode_tokens(["word"] * 100_000)) <= MAXIMUM_BYTES
    assert set(decode_tokens(encode_tokens(["größe"] * 100_000))) == {"größe"}
    assert len(encode_names(["größe"] * 100_000).encode()) <= MAXIMUM_BYTES
    assert set(decode_names(encode_names(["größe"] * 100_000))) == {"größe"}


@given(prefix=TEXT.filter(bool), rest=TEXT)
def test_a_prefix_is_a_range_that_holds_exactly_what_starts_with_it(prefix: str, rest: str) -> None:
    compiled = compile_filter(Comparison("user_id", Op.STARTS_WITH, (prefix,)), json_paths=False)
    literals = [token.value for token in tokenize(compiled.expression) if token.kind is TokenKind.STRING]

    def selected(text: str) -> bool:
        return literals[0] <= text and (len(literals) == 1 or text < literals[1])

    assert compiled.exact
    assert selected(prefix + rest)
    assert selected(rest) == rest.startswith(prefix)


def test_every_owner_has_one_shard_and_owners_spread() -> None:
    generation = Generation(1, True, lambda shard, revision: f"{shard}.{revision}", 64)
    homes = {generation.home("project", f"user_id:{number}") for number in range(1000)}
    assert len(homes) == 64
    assert generation.home("project", "user_id:1") == generation.home("project", "user_id:1")
    generation.revisions[generation.shard("project", "user_id:1")] = 3
    assert generation.home("project", "user_id:1").endswith(".3")
    assert generation.places("project", "user_id:1") == []


def test_a_circuit_pauses_longer_after_each_failure_and_lets_one_try_at_a_time() -> None:
    now = 100.0
    circuit = Circuit(lambda: now)
    circuit.enter()
    assert circuit.failed().retry_after == FIRST_PAUSE
    with pytest.raises(Unavailable):
        circuit.enter()
    now += FIRST_PAUSE
    circuit.enter()
    with pytest.raises(Unavailable):
        circuit.enter()
    assert circuit.failed().retry_after == 2 * FIRST_PAUSE
    for _ in range(10):
        last = circuit.failed().retry_after
    assert last == LONGEST_PAUSE
    circuit.succeeded()
    circuit.enter()

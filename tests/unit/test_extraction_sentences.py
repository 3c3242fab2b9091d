"""Messages are cut into sentences, and what belongs together stays together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.memory.extraction.sentences import MAXIMUM_LIST, MAXIMUM_SENTENCE, split


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I met Dr. Weber. She is nice.", ["I met Dr. Weber.", "She is nice."]),
        ("J. K. Rowling wrote it. I read it.", ["J. K. Rowling wrote it.", "I read it."]),
        ("It costs 3.50 euros. Fine.", ["It costs 3.50 euros.", "Fine."]),
        ("He works at Contoso Ltd. in Leeds.", ["He works at Contoso Ltd. in Leeds."]),
        ("At 5 p.m. She left.", ["At 5 p.m.", "She left."]),
        ("Well... maybe. Yes!", ["Well... maybe.", "Yes!"]),
        ("Am 3. Mai war z.B. Regen. Dann Sonne.", ["Am 3. Mai war z.B. Regen.", "Dann Sonne."]),
        ("See https://example.org/a.b?c=d. Then go.", ["See https://example.org/a.b?c=d.", "Then go."]),
        ("Use `a. B` here. Done.", ["Use `a. B` here.", "Done."]),
        ('She said "Go. Now." and left. Bye.', ['She said "Go. Now." and left.', "Bye."]),
        ("i was home. it was nice", ["i was home.", "it was nice"]),
        ("one line\ngoes on here\nNew one", ["one line\ngoes on here", "New one"]),
        ("我住在上海。你呢？好！", ["我住在上海。", "你呢？", "好！"]),
        ("猫が好きです。「はい。」と言った。", ["猫が好きです。", "「はい。」と言った。"]),
        ("   \n ", []),
    ],
)
def test_ends_where_a_reader_would_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_fenced_block_is_never_cut_even_if_it_is_never_closed() -> None:
    assert sentences("Look:\n```\nx = 1. Y\n\nz. A\n```\nNice.")[-1] == "Nice."
    assert len(sentences("```\nA. B. C\n\nD. E")) == 1


def test_a_list_stays_whole_with_its_introduction() -> None:
    assert sentences("My pets:\n- Rex\n- Momo\nThat is all.") == ["My pets:\n- Rex\n- Momo", "That is all."]


def test_the_items_of_a_long_list_stand_alone() -> None:
    text = "Pets:\n" + "\n".join(f"- number {number} with some words about it" for number in range(40))
    cut = sentences(text)
    assert len(cut) > 1
    assert max(map(len, cut)) <= MAXIMUM_LIST


@given(st.text(max_size=400))
def test_nothing_but_white_space_is_lost_and_nothing_overlaps(text: str) -> None:
    spans = split(text)
    position = 0
    for span in spans:
        assert not text[position : span.start].strip()
        assert position <= span.start < span.end
        position = span.end
    assert not text[position:].strip()


@given(st.integers(1, 5000), st.sampled_from(["a", "a ", "a\n", "あ", "a b\t"]))
def test_no_sentence_is_longer_than_the_limit(count: int, piece: str) -> None:
    assert all(span.end - span.start <= MAXIMUM_SENTENCE for span in split(piece * count))

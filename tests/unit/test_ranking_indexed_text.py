"""What of a memory is embedded and tokenised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.indexed_text import MAXIMUM_SENTENCES, embedded_texts, indexed_text, sentences


def test_the_speaker_stands_in_front_unless_the_text_names_it() -> None:
    assert indexed_text("I moved.", "Ana") == "Ana: I moved."
    assert indexed_text("Ana moved.", "Ana") == "Ana moved."
    assert indexed_text("It was ana who moved.", "Ana") == "It was ana who moved."
    assert indexed_text("I like bananas.", "Ana") == "Ana: I like bananas."
    assert indexed_text("Dr. (med) left.", "Dr. (med)") == "Dr. (med) left."
    assert indexed_text("I moved.") == "I moved."


def test_sentences_end_at_their_marks_in_several_scripts() -> None:
    assert sentences('He said "go!" Then left. Why? Unknown') == [
        'He said "go!',
        "Then left.",
        "Why?",
        "Unknown",
    ]
    assert sentences("私は行った。君は？はい") == ["私は行った。", "君は？", "はい"]
    assert sentences("one\n\ntwo") == ["one", "two"]
    assert sentences("It costs 3.5 euros") == ["It costs 3.5 euros"]
    assert sentences("  ") == []


def test_a_text_of_one_sentence_is_embedded_once_and_a_longer_one_also_by_sentence() -> None:
    assert embedded_texts("I moved.", "Ana") == ["Ana: I moved."]
    assert embedded_texts("I moved. It rained.", "Ana") == [
        "Ana: I moved. It rained.",
        "Ana: I moved.",
        "Ana: It rained.",
    ]


def test_the_number_of_vectors_is_bounded() -> None:
    text = " ".join(f"Sentence {number}." for number in range(200))
    assert len(embedded_texts(text)) == MAXIMUM_SENTENCES + 1


@given(st.text(max_size=200), st.sampled_from(["", "Ana"]))
def test_the_whole_comes_first_and_nothing_twice(text: str, speaker: str) -> None:
    texts = embedded_texts(text, speaker)
    assert texts[0] == indexed_text(text, speaker)
    assert len(texts) == len(set(texts))

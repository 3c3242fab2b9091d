"""Near duplicates are found, and nothing that differs in meaning is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.memory.extraction.duplicates import fingerprint, is_near_duplicate, normalised


def test_writing_does_not_make_a_difference() -> None:
    assert fingerprint("Ana plays the violin.") == fingerprint("ana  plays violin!")
    assert fingerprint("Ana’s ｃａｔ") == fingerprint("Ana's cat")
    assert fingerprint("Ana plays the violin.") != fingerprint("Ana plays the viola.")


def test_the_same_words_are_a_duplicate_whatever_the_vectors_say() -> None:
    assert is_near_duplicate("Ana plays the violin.", "ana plays violin", -1.0)


def test_a_near_vector_alone_makes_no_duplicate() -> None:
    for a, b in (
        ("Ana eats meat.", "Ana doesn't eat meat."),
        ("Ana has two cats.", "Ana has three cats."),
        ("Ana manages Bob.", "Bob manages Ana."),
        ("Ana prefers tea to coffee.", "Ana prefers coffee to tea."),
        ("Ana lives in Berlin.", "Ana lives in Bern."),
        ("Ana lives in Berlin.", "Ana lived in Berlin."),
        ("Ana moved to Lisbon.", "Ana moved from Lisbon."),
        ("Ana is left-handed.", "Ana is right-handed."),
    ):
        assert not is_near_duplicate(a, b, 0.999), (a, b)


def test_other_words_of_the_same_meaning_are_a_duplicate_if_the_vectors_are_near() -> None:
    pair = ("Ana bought a red bicycle.", "Ana has purchased a red bicycle.")
    assert is_near_duplicate(*pair, 0.97)
    assert not is_near_duplicate(*pair, 0.5)


@given(st.text(max_size=80), st.text(max_size=80), st.floats(-1, 1))
def test_the_order_of_the_two_does_not_matter(a: str, b: str, cosine: float) -> None:
    assert is_near_duplicate(a, b, cosine) == is_near_duplicate(b, a, cosine)


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)

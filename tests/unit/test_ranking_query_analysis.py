"""What is read out of a question besides its meaning."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.text_analysis import tokenize
from mnemon_service.search.ranking.query_analysis import MAXIMUM_TERMS, AnalyzedQuery, analyze_query

NOW = datetime(2023, 10, 18, tzinfo=UTC)


def analyzed(text: str) -> AnalyzedQuery:
    return analyze_query(text, NOW)


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("When did Caroline go to the support group?", ("carolin", "go", "support", "group")),
        ("Wo waren die Kinder im Urlaub?", ("kind", "urlaub")),
        ("¿Dónde está la casa de Ana?", ("casa", "ana")),
        ("东京", ("东京",)),
        ("who is it", ("who", "is", "it")),
        ("tea tea tea", ("tea",)),
    ],
)
def test_terms_are_the_content_words_once_each(question: str, terms: tuple[str, ...]) -> None:
    assert analyzed(question).terms == terms


def test_a_month_stays_a_term_besides_being_a_window() -> None:
    query = analyzed("What happened in May 2023?")
    assert set(query.terms) >= {"may", "2023"}
    assert [window.text for window in query.windows] == ["May 2023"]


def test_names_are_runs_of_capitalised_words_without_the_opening_question_word() -> None:
    assert analyzed("When did Caroline meet Ana de Souza in New York?").names == (
        "Caroline",
        "Ana de Souza",
        "New York",
    )
    assert analyzed("What is Melanie's dog called?").names == ("Melanie",)
    assert analyzed("what is it").names == ()


def test_quoted_passages_are_phrases() -> None:
    query = analyzed('Who said "Charlotte\'s Web" and “green tea”?')
    assert query.phrases == (tuple(tokenize("Charlotte's Web")), ("green", "tea"))


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("What did you recommend for dinner?", True),
        ("What was your advice on the lease?", True),
        ("Which book did the assistant name?", True),
        ("Do you remember where I parked?", False),
        ("What did Ana recommend?", False),
    ],
)
def test_asking_for_the_assistants_words_is_noticed(question: str, asks: bool) -> None:
    assert analyzed(question).asks_assistant is asks


@pytest.mark.parametrize(
    ("question", "earlier", "terms"),
    [
        ("Where did I live before I moved to Oslo?", True, ("move", "oslo")),
        ("What did Ana do after the road trip?", False, ("road", "trip")),
        ("How has John slept since Ana left?", False, ("ana", "left")),
    ],
)
def test_an_event_that_bounds_the_time_is_an_anchor(
    question: str, earlier: bool, terms: tuple[str, ...]
) -> None:
    anchor = analyzed(question).anchor
    assert anchor is not None
    assert (anchor.earlier, anchor.terms) == (earlier, terms)
    assert set(anchor.terms) <= set(analyzed(question).terms)


@pytest.mark.parametrize(
    "question", ["What did I do before May 2023?", "What comes after?", "the day before"]
)
def test_a_date_or_a_bare_word_is_no_event(question: str) -> None:
    assert analyzed(question).anchor is None


@given(st.text(max_size=300))
def test_any_text_can_be_analyzed_and_gives_known_tokens(text: str) -> None:
    query = analyzed(text)
    assert len(query.terms) == len(set(query.terms)) <= MAXIMUM_TERMS
    assert set(query.terms) <= set(tokenize(text))
    assert bool(query.terms) == bool(tokenize(text))


def test_an_opening_clause_is_an_anchor_too() -> None:
    anchor = analyzed("Before I moved to Oslo, where did I live?").anchor
    assert anchor is not None
    assert anchor.text == "I moved to Oslo"


@pytest.mark.parametrize(
    "piece", ["before May 2023 ", "a couple of ", "Ab ", "A of ", "the day before ", '"', "'s"]
)
def test_a_hostile_text_takes_no_more_time_than_its_bounded_length(piece: str) -> None:
    started = time.perf_counter()
    analyzed(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - started < 1.0


def test_a_query_as_long_as_a_document_has_a_bounded_number_of_terms() -> None:
    assert len(analyzed(" ".join(f"word{number}" for number in range(1000))).terms) == MAXIMUM_TERMS

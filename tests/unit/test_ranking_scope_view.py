"""A scope view finds what an exhaustive search finds, through any sequence of changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemon_service.model.memory import MemoryState
from mnemon_service.model.text_analysis import term_counts
from mnemon_service.search.ranking.keyword_score import KeywordScorer
from mnemon_service.search.ranking.query_analysis import analyze_query
from mnemon_service.search.ranking.scope_view import Retrieval, ScopeView, ViewRow
from mnemon_service.search.ranking.view_arrays import Mask, Vectors
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS

NOW = datetime(2023, 10, 18, tzinfo=UTC)
DIMENSION = 4


def unit(*numbers: float) -> Vectors:
    vector = np.array(numbers or (1.0, 0.0, 0.0, 0.0), np.float32)
    return vector / np.linalg.norm(vector)


def row(memory_id: str, text: str = "", vectors: Sequence[Vectors] = (), **fields: Any) -> ViewRow:
    matrix = np.array(vectors, np.float32).reshape(-1, DIMENSION)
    return ViewRow(memory_id, matrix, term_counts(text), **fields)


def find(
    view: ScopeView, question: str, vector: Vectors | None = None, limit: int = 100, mask: Mask | None = None
) -> Retrieval:
    return view.retrieve(analyze_query(question, NOW), vector, limit, mask)


def found_ids(view: ScopeView, question: str, vector: Vectors | None = None, limit: int = 100) -> set[str]:
    return {candidate.memory_id for candidate in find(view, question, vector, limit).candidates}


numbers = st.floats(-1, 1, width=32).map(lambda number: round(number, 2))
vectors = st.lists(numbers, min_size=DIMENSION, max_size=DIMENSION).filter(any).map(lambda held: unit(*held))
rows = st.builds(
    row,
    st.sampled_from([f"m{number}" for number in range(12)]),
    st.lists(st.sampled_from(["tea", "oslo", "ana", "boat"]), max_size=5).map(" ".join),
    st.lists(vectors, max_size=3),
    run_id=st.just("r"),
    run_position=st.integers(0, 5),
    state=st.sampled_from([MemoryState.ACTIVE, MemoryState.ACTIVE, MemoryState.SUPERSEDED]),
)
changes = st.lists(
    st.tuples(
        st.lists(rows, max_size=20), st.lists(st.sampled_from(["m1", "m5", "m9", "unknown"]), max_size=3)
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(changes, vectors)
def test_after_any_changes_the_view_scores_as_an_exhaustive_search_does(
    steps: list[tuple[list[ViewRow], list[str]]], vector: Vectors
) -> None:
    view, held = ScopeView(DIMENSION), dict[str, ViewRow]()
    for upserts, deletions in steps:
        view.apply(upserts, deletions)
        held.update({one.memory_id: one for one in upserts})
        for memory_id in deletions:
            held.pop(memory_id, None)
    assert len(view) == len(held)
    assert all(memory_id in view for memory_id in held)
    retrieval = find(view, "tea oslo", vector)
    statistics = retrieval.statistics
    assert statistics.memory_count == len(held)
    lengths = [sum(one.term_counts.values()) for one in held.values()]
    if any(lengths):
        assert statistics.average_length == pytest.approx(sum(lengths) / len(lengths))
    for term in ("tea", "oslo"):
        assert statistics.document_frequencies[term] == sum(term in one.term_counts for one in held.values())
    active = {one.memory_id for one in held.values() if one.state is MemoryState.ACTIVE}
    assert {candidate.memory_id for candidate in retrieval.candidates} == active
    for candidate in retrieval.candidates:
        original = held[candidate.memory_id]
        assert candidate.length == sum(original.term_counts.values())
        assert candidate.term_counts == {
            term: count for term, count in original.term_counts.items() if term in ("tea", "oslo")
        }
        best = max((float(one @ vector) for one in original.vectors), default=0.0)
        assert candidate.cosine == pytest.approx(best, abs=1e-5)
        np.testing.assert_array_equal(view.vectors_of(candidate.memory_id), original.vectors)


def test_the_words_the_view_chooses_by_are_those_the_fusion_scores_by() -> None:
    texts = ["tea", "tea in oslo", "oslo oslo oslo", "a boat to oslo and more words than that", "boat"]
    view = ScopeView.build([row(str(place), text) for place, text in enumerate(texts)], DIMENSION)
    everything = find(view, "tea oslo")
    scorer = KeywordScorer(
        ["tea", "oslo"], everything.statistics, DEFAULT_WEIGHTS.bm25_k1, DEFAULT_WEIGHTS.bm25_b
    )
    by_score = sorted(everything.candidates, key=lambda one: -scorer.part(one.term_counts, one.length))
    for limit in (1, 2, 3):
        chosen = found_ids(view, "tea oslo", limit=limit)
        assert chosen == {candidate.memory_id for candidate in by_score[:limit]}


def test_the_nearest_the_matching_and_the_named_are_united() -> None:
    view = ScopeView.build(
        [
            row("near", "a boat", [unit(1, 0, 0, 0)]),
            row("word", "tea", [unit(0, 1, 0, 0)]),
            row("named", "she does", [unit(0, 0, 1, 0)], entities=("Ana de Souza",)),
            *(row(f"far{number}", "boat", [unit(0.1, 0, 0, 1)]) for number in range(9)),
        ],
        DIMENSION,
    )
    retrieval = find(view, "Does Ana drink tea?", unit(1, 0, 0, 0), limit=1)
    assert {candidate.memory_id for candidate in retrieval.candidates} == {"near", "word", "named"}
    assert (retrieval.dense_count, retrieval.keyword_count, retrieval.entity_count) == (1, 1, 1)


def test_what_stands_beside_a_good_hit_is_fetched_within_its_conversation_only() -> None:
    conversation = [row(f"t{place}", "yes", run_id="r", run_position=place) for place in range(1, 9)]
    view = ScopeView.build(
        [
            *conversation,
            row("t4", "tea", run_id="r", run_position=4),
            row("other", "yes", run_id="q", run_position=4),
        ],
        DIMENSION,
    )
    retrieval = find(view, "tea")
    assert {one.memory_id for one in retrieval.candidates} == {"t2", "t3", "t4", "t5", "t6"}
    assert retrieval.neighbour_count == 4


def test_several_vectors_count_by_their_best() -> None:
    view = ScopeView.build([row("a", "", [unit(1, 0, 0, 0), unit(0, 1, 0, 0)])], DIMENSION)
    (candidate,) = find(view, "x", unit(0, 1, 0, 0)).candidates
    assert candidate.cosine == pytest.approx(1.0)


def test_only_active_memories_are_found_unless_others_are_asked_for() -> None:
    view = ScopeView.build(
        [row("new", "tea"), row("old", "tea", state=MemoryState.SUPERSEDED), row("gone", "tea")], DIMENSION
    )
    view.apply(deletions=["gone"])
    assert found_ids(view, "tea") == {"new"}
    both = view.mask([MemoryState.ACTIVE, MemoryState.SUPERSEDED])
    assert {one.memory_id for one in find(view, "tea", mask=both).candidates} == {"new", "old"}


def test_a_filter_applies_before_the_choice_and_leaves_the_statistics_alone() -> None:
    rows = [row(f"m{number}", "tea", payload=number) for number in range(50)]
    view = ScopeView.build(rows, DIMENSION)
    mask = view.mask(predicate=lambda one: one.payload == 49)
    retrieval = find(view, "tea", limit=1, mask=mask)
    assert [one.memory_id for one in retrieval.candidates] == ["m49"]
    assert retrieval.statistics == find(view, "tea").statistics


def test_neighbours_that_the_filter_excludes_stay_out() -> None:
    view = ScopeView.build(
        [
            row("hit", "tea", run_id="r", run_position=1, payload=True),
            row("beside", "yes", run_id="r", run_position=2, payload=False),
        ],
        DIMENSION,
    )
    mask = view.mask(predicate=lambda one: bool(one.payload))
    assert [one.memory_id for one in find(view, "tea", mask=mask).candidates] == ["hit"]


def test_a_changed_memory_is_found_by_its_new_words_only() -> None:
    view = ScopeView.build([row("a", "tea")], DIMENSION)
    view.apply([row("a", "boat")])
    assert found_ids(view, "tea") == set()
    assert found_ids(view, "boat") == {"a"}
    assert len(view) == 1


def test_nothing_of_a_deleted_memory_is_left_in_the_arrays() -> None:
    view = ScopeView.build([row("a", "tea", [unit(0.6, 0.8, 0, 0)]), row("b", "boat")], DIMENSION)
    view.apply(deletions=["a"])
    arrays = view._arrays
    assert not arrays._vectors.any()
    assert find(view, "tea").statistics.document_frequencies == {"tea": 0}
    assert len(view.vectors_of("a")) == 0


def test_many_changes_of_one_memory_do_not_grow_the_view() -> None:
    view = ScopeView.build([row("a", "tea", [unit()])], DIMENSION)
    size = []
    for number in range(400):
        view.apply([row("a", f"tea{number}", [unit()])])
        size.append(view.size_in_bytes)
    assert max(size[200:]) == max(size[:200])
    assert len(view._arrays._vocabulary) < 100


def test_the_size_grows_by_what_a_memory_takes() -> None:
    small, large = ScopeView(384), ScopeView(384)
    matrix = np.ones((1, 384), np.float32) / math.sqrt(384)
    one = replace(row("a", "tea"), vectors=matrix)
    small.apply([one])
    large.apply([replace(one, memory_id=f"m{number}") for number in range(1000)])
    a_memory = (large.size_in_bytes - small.size_in_bytes) / 999
    assert matrix.nbytes < a_memory < 2 * matrix.nbytes


def test_vectors_of_another_length_are_refused_and_nothing_changes() -> None:
    view = ScopeView.build([row("a", "tea")], DIMENSION)
    wrong = replace(row("b", "tea"), vectors=np.ones((1, DIMENSION + 1), np.float32))
    with pytest.raises(ValueError, match="vectors of shape"):
        view.apply([row("c", "tea"), wrong], ["a"])
    assert found_ids(view, "tea") == {"a"}


def test_an_empty_view_finds_nothing() -> None:
    retrieval = find(ScopeView(DIMENSION), 'Ana said "tea"', unit())
    assert retrieval.candidates == []
    assert retrieval.statistics.memory_count == 0


def test_a_query_without_words_still_searches_by_meaning() -> None:
    view = ScopeView.build([row("a", "tea", [unit()])], DIMENSION)
    assert found_ids(view, "…", unit()) == {"a"}
    assert found_ids(view, "…") == set()

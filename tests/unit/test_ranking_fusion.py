"""The fused score: explained, comparable, stable, and unmoved by what else was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.model.memory import EventTime, Precision, Role
from mnemon_service.model.text_analysis import term_counts
from mnemon_service.search.ranking.candidate import Candidate, RankedHit, TermStatistics
from mnemon_service.search.ranking.fusion import fuse, neighbours_to_fetch
from mnemon_service.search.ranking.keyword_score import KeywordScorer
from mnemon_service.search.ranking.query_analysis import analyze_query
from mnemon_service.search.ranking.weights import DEFAULT_WEIGHTS, Calibration, SemanticScale, Weights

NOW = datetime(2023, 10, 18, tzinfo=UTC)
STATISTICS = TermStatistics(100, 10.0, {"tea": 5, "oslo": 2, "ana": 50})
ALONE = replace(DEFAULT_WEIGHTS, neighbour=0.0, session=0.0)


def candidate(memory_id: str, text: str = "", cosine: float = 0.0, **fields: Any) -> Candidate:
    counts = term_counts(text)
    return Candidate(memory_id, cosine, counts, sum(counts.values()), **fields)


NO_MESSAGES: Mapping[str, float] = {}


def ranked(
    question: str,
    candidates: Sequence[Candidate],
    weights: Weights = DEFAULT_WEIGHTS,
    messages: Mapping[str, float] = NO_MESSAGES,
) -> list[RankedHit]:
    return fuse(analyze_query(question, NOW), candidates, STATISTICS, weights, messages)


def ids(hits: Sequence[RankedHit]) -> list[str]:
    return [hit.memory_id for hit in hits]


def test_meaning_and_words_are_united_and_either_alone_can_win() -> None:
    by_word = candidate("word", "tea in oslo")
    by_meaning = candidate("meaning", "a hot drink", cosine=0.7)
    weak = candidate("weak", "a boat", cosine=0.1)
    assert ids(ranked("tea oslo", [weak, by_meaning, by_word])) == ["word", "meaning", "weak"]
    assert ids(ranked("tea oslo", [weak, by_meaning])) == ["meaning", "weak"]


def test_an_entity_alone_can_win() -> None:
    named = candidate("named", "she likes it", entities=("Ana de Souza",))
    assert ids(ranked("What does Ana like?", [candidate("other", "a boat"), named]))[0] == "named"


def test_a_quoted_phrase_raises_the_memory_that_holds_it() -> None:
    hits = ranked(
        'Who said "green tea"?', [candidate("half", "green boat"), candidate("all", "tea is green")]
    )
    assert ids(hits)[0] == "all"
    assert hits[0].parts.entity > 0.0


def test_the_parts_add_up_to_what_the_score_is_made_of() -> None:
    weights = replace(DEFAULT_WEIGHTS, message=0.3)
    hits = ranked(
        "What tea did Ana drink in May 2023?",
        [
            candidate(
                "a",
                "Ana: I drank tea",
                cosine=0.6,
                attributed_to="Ana",
                run_id="r",
                run_position=1,
                observed_time=datetime(2023, 5, 8, tzinfo=UTC),
                entities=("Ana",),
            ),
            candidate("b", "Bob: nice", cosine=0.2, run_id="r", run_position=2),
        ],
        weights,
        messages={"a": 0.5},
    )
    best = hits[0]
    assert best.memory_id == "a"
    assert all(part > 0.0 for part in best.parts)
    assert best.parts.weighted_sum == pytest.approx(sum(best.parts))
    assert best.score == DEFAULT_WEIGHTS.calibration.score(best.parts.weighted_sum)


texts = st.lists(st.sampled_from(["tea", "oslo", "ana", "boat", "may"]), max_size=6).map(" ".join)
candidates = st.lists(
    st.builds(
        candidate,
        st.uuids().map(str),
        texts,
        st.floats(-1, 1),
        role=st.sampled_from([None, *Role]),
        attributed_to=st.sampled_from(["", "Ana", "Bob"]),
        session=st.sampled_from(["", "s1", "s2"]),
        run_position=st.integers(0, 4),
        update_time=st.sampled_from([None, NOW, NOW - timedelta(days=9), NOW.replace(tzinfo=None)]),
    ),
    max_size=12,
    unique_by=lambda one: one.memory_id,
)


@given(candidates, st.randoms(use_true_random=False))
def test_equal_input_gives_equal_output_whatever_its_order(held: list[Candidate], random: Any) -> None:
    hits = ranked("Did Ana drink tea in Oslo?", held)
    shuffled = list(held)
    random.shuffle(shuffled)
    assert ids(ranked("Did Ana drink tea in Oslo?", shuffled)) == ids(hits)
    assert all(0.0 <= hit.score <= 1.0 for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@given(candidates, candidates)
def test_no_score_moves_because_something_else_matched(one: list[Candidate], more: list[Candidate]) -> None:
    strong = candidate("strong", "tea oslo ana", cosine=1.0, attributed_to="Ana")
    alone = {hit.memory_id: hit.parts[:6] for hit in ranked("Did Ana drink tea in Oslo?", one)}
    among = ranked("Did Ana drink tea in Oslo?", [*one, *more, strong])
    assert {hit.memory_id: hit.parts[:6] for hit in among if hit.memory_id in alone} == alone


@given(candidates, candidates)
def test_without_company_the_whole_score_is_a_candidates_own(
    one: list[Candidate], more: list[Candidate]
) -> None:
    alone = {hit.memory_id: hit.score for hit in ranked("tea in Oslo", one, ALONE)}
    among = {hit.memory_id: hit.score for hit in ranked("tea in Oslo", [*one, *more], ALONE)}
    assert {memory_id: among[memory_id] for memory_id in alone} == alone


def test_ties_go_to_the_newest_update_and_then_to_the_id() -> None:
    older, newer = NOW - timedelta(days=2), NOW - timedelta(days=1)
    tied = replace(ALONE, recency=0.0)
    held = [
        candidate("b", update_time=older),
        candidate("a", update_time=older),
        candidate("c", update_time=newer),
        candidate("d"),
    ]
    assert ids(ranked("tea", held, tied)) == ["c", "a", "b", "d"]


def test_one_memory_found_twice_is_one_hit() -> None:
    hits = ranked("tea", [candidate("a", "tea", cosine=0.5), candidate("a", "tea", cosine=0.1)])
    assert ids(hits) == ["a"]
    assert hits[0].parts.semantic == 0.5


def test_what_stands_beside_a_good_hit_rises_and_less_the_further_away() -> None:
    turns = [
        candidate(
            str(place), "tea in oslo" if place == 3 else "yes", run_id="r", session="1", run_position=place
        )
        for place in range(1, 7)
    ]
    elsewhere = candidate("x", "yes", run_id="r", session="2", run_position=2)
    lent = {hit.memory_id: hit.parts.neighbour for hit in ranked("tea oslo", [*turns, elsewhere])}
    assert lent["2"] == lent["4"] > lent["1"] == lent["5"] > lent["6"]
    assert lent["x"] < lent["6"] or lent["x"] == pytest.approx(lent["6"])


def test_facts_of_one_message_are_neighbours() -> None:
    facts = [
        candidate("a", "tea in oslo", run_id="r", run_position=1),
        candidate("b", "yes", run_id="r", run_position=1),
    ]
    lent = {hit.memory_id: hit.parts for hit in ranked("tea oslo", facts)}
    assert lent["b"].neighbour == pytest.approx(DEFAULT_WEIGHTS.neighbour * lent["a"].own)


def test_a_sitting_that_speaks_of_it_lifts_its_members() -> None:
    held = [
        candidate("a", "tea in oslo", session="1"),
        candidate("b", "yes", session="1"),
        candidate("c", "yes", session="2"),
    ]
    hits = ranked("tea oslo", held, replace(DEFAULT_WEIGHTS, neighbour=0.0))
    assert ids(hits) == ["a", "b", "c"]
    assert hits[1].score > hits[2].score


def test_a_memory_without_a_conversation_does_not_lose_for_it() -> None:
    note = candidate("note", "tea in oslo", cosine=0.5)
    turn = candidate("turn", "tea in oslo", cosine=0.5, run_id="r", session="1", run_position=1)
    quiet = candidate("quiet", "yes", run_id="r", session="1", run_position=2)
    assert ids(ranked("tea oslo", [turn, quiet, note]))[0] == "note"


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("What did you recommend?", "assistant"),
        ("What do I like?", "user"),
        ("What did Bob say?", "bob"),
    ],
)
def test_whose_words_are_asked_for_come_first_among_equals(question: str, first: str) -> None:
    held = [
        candidate("assistant", role=Role.ASSISTANT),
        candidate("bob", role=Role.ASSISTANT, attributed_to="Bob"),
        candidate("user", role=Role.USER),
    ]
    hits = ranked(question, held if first == "bob" else [held[0], held[2]])
    assert hits[0].memory_id == first
    assert hits[0].score > hits[1].score


def test_a_named_time_raises_what_happened_or_was_said_then() -> None:
    may = datetime(2023, 5, 8, tzinfo=UTC)
    held = [
        candidate("said", observed_time=may),
        candidate("happened", event_time=EventTime(datetime(2023, 5, 1, tzinfo=UTC), Precision.MONTH)),
        candidate("soon after", observed_time=may + timedelta(days=30)),
        candidate("long after", observed_time=may + timedelta(days=120)),
        candidate("never"),
    ]
    parts = {hit.memory_id: hit.parts.time for hit in ranked("in May 2023", held)}
    assert parts["said"] == parts["happened"] == DEFAULT_WEIGHTS.time
    assert parts["said"] > parts["soon after"] > parts["long after"] > parts["never"] == 0.0


def test_an_event_stands_for_its_time() -> None:
    moved = datetime(2023, 5, 8, tzinfo=UTC)
    held = [
        candidate("moved", "I moved to oslo", observed_time=moved),
        candidate("earlier", "a flat", observed_time=moved - timedelta(days=90)),
        candidate("later", "a flat", observed_time=moved + timedelta(days=90)),
        candidate("undated", "I moved to oslo again and again"),
    ]
    before = {hit.memory_id: hit.parts.time for hit in ranked("a flat before I moved to Oslo", held)}
    after = {hit.memory_id: hit.parts.time for hit in ranked("a flat after I moved to Oslo", held)}
    assert before["earlier"] == after["later"] == DEFAULT_WEIGHTS.time
    assert before["later"] < before["earlier"]
    assert after["earlier"] < after["later"]
    unknown = ranked("a flat before the zeppelin crash", held)
    assert {hit.parts.time for hit in unknown} == {0.0}


def test_the_fresher_of_equals_comes_first() -> None:
    held = [candidate("old", observed_time=NOW - timedelta(days=400)), candidate("new", observed_time=NOW)]
    assert ids(ranked("tea", held)) == ["new", "old"]


def test_the_keyword_part_reaches_one_only_for_a_memory_that_is_nothing_but_the_query() -> None:
    scorer = KeywordScorer(["tea", "oslo"], STATISTICS)
    some = scorer.part({"tea": 1}, 10)
    both = scorer.part({"tea": 1, "oslo": 1}, 10)
    endless = scorer.part({"tea": 10**9, "oslo": 10**9}, 10)
    assert 0.0 < some < both < endless <= 1.0
    assert endless == pytest.approx(1.0)
    assert scorer.part({"tea": 1}, 5) > some > scorer.part({"tea": 1}, 50)
    assert KeywordScorer([], STATISTICS).part({"tea": 1}, 1) == 0.0


def test_the_keyword_part_is_bm25_over_its_bound() -> None:
    scorer = KeywordScorer(["tea"], TermStatistics(10, 4.0, {"tea": 2}), k1=1.2, b=0.75)
    idf = math.log(1 + 8.5 / 2.5)
    bm25 = idf * 3 * 2.2 / (3 + 1.2 * (1 - 0.75 + 0.75 * 8 / 4))
    assert scorer.part({"tea": 3}, 8) == pytest.approx(bm25 / (idf * 2.2))


def test_a_word_that_nobody_holds_lowers_what_the_others_can_reach() -> None:
    known = KeywordScorer(["tea"], STATISTICS).part({"tea": 1}, 10)
    assert KeywordScorer(["tea", "zeppelin"], STATISTICS).part({"tea": 1}, 10) < known / 2


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_the_calibration_never_changes_an_order(low: float, high: float) -> None:
    curve = DEFAULT_WEIGHTS.calibration
    low, high = sorted((low, high))
    assert 0.0 <= curve.score(low) <= curve.score(high) <= 1.0


@given(st.floats(0.001, 0.999))
def test_the_calibration_can_be_inverted(score: float) -> None:
    curve = Calibration(3.0, -4.2)
    assert curve.score(curve.weighted_sum(score)) == pytest.approx(score)


def test_a_models_scale_maps_its_unrelated_cosine_to_nothing() -> None:
    scale = SemanticScale(unrelated=0.6, same=1.0)
    assert [scale.part(cosine) for cosine in (-1.0, 0.6, 0.8, 1.0)] == pytest.approx([0.0, 0.0, 0.5, 1.0])


def test_a_single_mode_looks_at_nothing_else() -> None:
    held = [candidate("word", "tea in oslo", cosine=0.1), candidate("meaning", cosine=0.6)]
    by_meaning = ranked("tea oslo", held, DEFAULT_WEIGHTS.semantic_only())
    by_words = ranked("tea oslo", held, DEFAULT_WEIGHTS.keyword_only())
    assert ids(by_meaning) == ["meaning", "word"]
    assert ids(by_words) == ["word", "meaning"]
    assert by_meaning[0].parts.weighted_sum == pytest.approx(0.6)
    assert by_words[1].parts.weighted_sum == 0.0


def test_without_vectors_all_other_signs_still_count() -> None:
    held = [
        candidate("answer", "yes", run_id="r", run_position=2),
        candidate("question", "tea in oslo", run_id="r", run_position=1),
        candidate("far", "yes", cosine=0.9),
    ]
    hits = ranked("tea oslo", held, DEFAULT_WEIGHTS.without_vectors())
    assert ids(hits) == ["question", "answer", "far"]
    assert {hit.parts.semantic for hit in hits} == {0.0}


def test_a_scale_that_maps_everything_to_one_point_is_refused() -> None:
    with pytest.raises(ValueError, match="unrelated"):
        SemanticScale(0.5, 0.5)


def test_the_places_beside_the_best_hits_are_named_for_fetching() -> None:
    held = [
        candidate("a", "tea in oslo", run_id="r", session="1", run_position=2),
        candidate("b", "oslo", run_id="r", session="1", run_position=4),
        candidate("c", "yes"),
    ]
    hits = ranked("tea oslo", held)
    assert neighbours_to_fetch(hits, best=1) == {("r", "1"): {1, 3}}
    assert neighbours_to_fetch(hits, best=3) == {("r", "1"): {1, 3, 5, 6}}
    assert neighbours_to_fetch([hit for hit in hits if hit.memory_id == "c"]) == {}

"""The measures of the quality bench, on rankings whose worth is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.quality.locomo import Question, by_group, mean, measures, measures_by_sources, read_conversations


def test_a_perfect_ranking_earns_everything() -> None:
    measured = measures(["a", "b", "x"], frozenset({"a", "b"}))
    assert (measured.recall_at_5, measured.hit_at_10, measured.mean_reciprocal_rank) == (1.0, 1.0, 1.0)
    assert measured.ndcg_at_10 == pytest.approx(1.0)


def test_evidence_further_down_earns_less() -> None:
    measured = measures([*"qwertyx", "a"], frozenset({"a", "b"}))
    assert measured.recall_at_5 == 0.0
    assert measured.recall_at_10 == measured.recall_at_30 == 0.5
    assert measured.mean_reciprocal_rank == pytest.approx(1 / 8)
    assert measured.ndcg_at_10 == pytest.approx((1 / math.log2(9)) / (1 + 1 / math.log2(3)))


def test_cutoffs_cut_and_repetitions_earn_nothing() -> None:
    ranked = [str(number) for number in range(20)] + ["a"]
    measured = measures(ranked, frozenset({"a"}))
    assert (measured.recall_at_20, measured.recall_at_30) == (0.0, 1.0)
    assert measures(["a", "a", "b"], frozenset({"a", "b"})).ndcg_at_10 == pytest.approx(1.0)
    assert measures([], frozenset({"a"})).mean_reciprocal_rank == 0.0


def test_a_memory_counts_by_its_sources_and_earns_for_new_ones_only() -> None:
    evidence = frozenset({"a", "b"})
    measured = measures_by_sources([frozenset({"a", "b", "x"}), frozenset({"b"})], evidence)
    assert measured.recall_at_5 == 1.0
    assert measured.ndcg_at_10 == pytest.approx(1 / (1 + 1 / math.log2(3)))
    crowded = [frozenset({"a"})] * 5 + [frozenset({"b"})]
    assert measures_by_sources(crowded, evidence).recall_at_5 == 0.5


def test_categories_one_to_four_are_pooled_and_the_adversarial_stand_apart() -> None:
    good, bad = measures(["a"], frozenset({"a"})), measures(["x"], frozenset({"a"}))
    rows = [
        (Question("q", frozenset({"a"}), category), one) for category, one in ((1, good), (4, bad), (5, bad))
    ]
    groups = by_group(rows)
    assert groups["1-4"].recall_at_5 == 0.5
    assert groups["adversarial"].recall_at_5 == 0.0
    assert set(groups) == {"1-4", "multi-hop", "single-hop", "adversarial"}
    assert mean([good, bad]).hit_at_10 == 0.5


def test_a_file_is_read_with_its_captions_sessions_and_odd_evidence(tmp_path: Path) -> None:
    turns = [
        {"dia_id": "D1:1", "speaker": "Ana", "text": "Hi"},
        {"dia_id": "D1:2", "speaker": "Bob", "text": "Look", "blip_caption": "a boat"},
    ]
    asked = [
        {"question": "one", "evidence": ["D1:1; D2:1"], "category": 1},
        {"question": "two", "evidence": ["D:1:2", "D9:9"], "category": 4},
        {"question": "none", "evidence": ["D", "D9:9"], "category": 3},
    ]
    conversation = {
        "session_1": turns,
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_2": [{"dia_id": "D2:1", "speaker": "Ana", "text": "Bye"}],
        "session_2_date_time": "9:00 am on 10 May, 2023",
    }
    path = tmp_path / "data.json"
    path.write_text(json.dumps([{"sample_id": "c", "conversation": conversation, "qa": asked}]))
    (read,) = read_conversations(path)
    assert [turn.named_text for turn in read.turns] == ["Ana: Hi", "Bob: Look [shares a boat]", "Ana: Bye"]
    assert [(turn.session, turn.position) for turn in read.turns] == [(1, 1), (1, 2), (2, 1)]
    assert read.turns[0].said_at.isoformat() == "2023-05-08T13:56:00+00:00"
    assert read.end.isoformat() == "2023-05-10T09:00:00+00:00"
    assert [question.evidence for question in read.questions] == [{"D1:1", "D2:1"}, {"D1:2"}]

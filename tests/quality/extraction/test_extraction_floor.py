"""The extractor without a model does not get worse than it is on our own evaluation set."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from typing import Any

import pytest
from rich.console import Console

from mnemon_service.app.language_models import ConfiguredLanguageModels
from mnemon_service.memory.extraction.deterministic import extract
from mnemon_service.memory.extraction.duplicates import is_near_duplicate
from mnemon_service.memory.understanding.plan import Action, Decision, Fact
from mnemon_service.model.errors import Reason, Unavailable
from mnemon_service.model.memory import MemoryType
from mnemon_service.providers.llm import StructuredRequest
from mnemon_service.settings import Settings
from quality.extraction.pairs import Pair
from quality.extraction.pairs import load as load_pairs
from quality.extraction.run import LIVE_MODELS, print_table, run_live, score_model
from quality.extraction.scoring import (
    Dialogue,
    Score,
    load,
    score_decisions,
    score_deterministic,
    score_entities,
)
from support.provider_servers.llm_gemini import gemini_llm_server
from support.provider_servers.llm_script import KEY, Reply
from support.scripted_model import Said, ScriptedModel

LEAST_RECALL = 0.95
LEAST_PRECISION = 0.95
BEYOND_RULES = "beyond rules"
"""Dialogues that take understanding; their misses are known and count in the totals."""
LEAST_DUPLICATES_FOUND = 0.7

DIALOGUES = load()


def test_the_set_covers_what_it_must() -> None:
    assert len(DIALOGUES) >= 60
    assert len({dialogue.name for dialogue in DIALOGUES}) == len(DIALOGUES)
    topics = Counter(dialogue.topic for dialogue in DIALOGUES)
    assert all(topics[language] >= 4 for language in ("German", "Spanish", "Chinese", "Japanese"))


def test_recall_and_precision_stay_above_the_floor() -> None:
    total = sum(map(score_deterministic, DIALOGUES), Score())
    assert total.recall >= LEAST_RECALL, total.faults
    assert total.precision >= LEAST_PRECISION, total.faults


def test_what_german_sentences_name_is_found_and_no_noun_besides() -> None:
    total = sum(map(score_entities, DIALOGUES), Score())
    assert total.wanted >= 20
    assert total.precision == 1.0, total.faults
    assert total.recall >= LEAST_RECALL, total.faults


@pytest.mark.parametrize(
    "dialogue", [one for one in DIALOGUES if one.topic != BEYOND_RULES], ids=lambda one: one.name
)
def test_nothing_forbidden_is_extracted(dialogue: Dialogue) -> None:
    score = score_deterministic(dialogue)
    assert score.forbidden == 0, score.faults


def test_a_turn_costs_about_a_millisecond_at_most() -> None:
    for dialogue in DIALOGUES:  # loads the date library's languages
        extract(dialogue.messages, now=dialogue.at)
    spent = []
    for dialogue in DIALOGUES:
        start = time.thread_time()
        extract(dialogue.messages, now=dialogue.at)
        spent.append((time.thread_time() - start) * 1000 / len(dialogue.messages))
    assert statistics.median(spent) < 1.0


def test_no_pair_that_differs_in_meaning_is_a_duplicate_however_near_its_vectors() -> None:
    different = [pair for pair in load_pairs() if not pair.same]
    assert [pair for pair in different if is_near_duplicate(pair.a, pair.b, 1.0)] == []


def test_most_pairs_of_one_meaning_are_found_where_the_vectors_are_near() -> None:
    same: list[Pair] = [pair for pair in load_pairs() if pair.same]
    found = [pair for pair in same if is_near_duplicate(pair.a, pair.b, 0.95)]
    assert len(found) >= LEAST_DUPLICATES_FOUND * len(same)


def decision(action: Action, text: str, target: str | None = None) -> Decision:
    fact = Fact(text, MemoryType.SEMANTIC, (), (), "", None, 1.0, "message-1", text)
    return Decision(action, fact, target, "")


def test_changes_are_scored_by_action_target_and_words() -> None:
    dialogue = next(one for one in DIALOGUES if one.name == "Berlin to Lisbon")
    moved = decision(Action.SUPERSEDE, "Nora lives in Lisbon", "m1")
    fish = decision(Action.SUPERSEDE, "Nora eats fish", "m2")
    assert score_decisions(dialogue, [moved, fish]) == Score(wanted=2, found=2, produced=2, right=2)
    wrong = score_decisions(dialogue, [decision(Action.ADD, "Nora lives in Lisbon"), fish])
    assert (wrong.recall, wrong.found, len(wrong.faults)) == (0.5, 1, 1)
    nothing = next(one for one in DIALOGUES if one.name == "king of France")
    assert score_decisions(nothing, [decision(Action.ADD, "Omar is the king of France")]).forbidden == 1


def answer_about_tea(request: StructuredRequest) -> Said:
    """What a good model says of the first dialogue, nothing of the second, and a failure at the third."""
    shown = request.turns[-1].text
    if "Lena" in shown:
        return {"images": [], "facts": []}
    if "green tea" not in shown:
        return Unavailable("no answer", reason=Reason.PROVIDER_UNAVAILABLE)
    tea = {
        "message": 1,
        "quote": "I prefer green tea over coffee",
        "text": "The user prefers green tea over coffee",
        "type": "SEMANTIC",
        "categories": [],
        "entities": [],
        "attributed_to": "",
        "event_time": None,
        "event_end": None,
        "confidence": 0.9,
        "action": "ADD",
        "target": None,
        "reason": "new",
    }
    return {"images": [], "facts": [tea]}


async def test_any_model_is_asked_about_every_dialogue_and_shown_in_one_table() -> None:
    dialogues = DIALOGUES[:3]
    model = ScriptedModel(answer_about_tea)
    scores = await score_model(model, dialogues)
    console = Console(width=120)
    with console.capture() as shown:
        print_table(model.name, dialogues, scores, console)
    assert [score.found for score in scores] == [1, 0, 0]
    assert "PROVIDER_UNAVAILABLE" in shown.get()
    assert "preferences" in shown.get()


async def test_of_the_live_models_those_with_a_key_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    console = Console(width=120)
    nothing = Reply('{"images": [], "facts": []}')
    with gemini_llm_server(lambda _: nothing) as server, console.capture() as shown:
        given: dict[str, Any] = {"gemini_api_key": KEY, "gemini_base_url": server.url}
        models = ConfiguredLanguageModels(Settings(**given))
        assert await run_live(LIVE_MODELS, models, DIALOGUES[:2], console) == 1
    assert len(server.seen) == 2
    lines = shown.get().splitlines()
    assert [line for line in lines if "is not configured" in line] == [
        "the model 'openai/gpt-5-mini' is not configured on this server: set OPENAI_API_KEY",
        "the model 'anthropic/claude-haiku-4-5' is not configured on this server: set ANTHROPIC_API_KEY",
    ]
    assert any("gemini/gemini-2.5-flash" in line for line in lines)

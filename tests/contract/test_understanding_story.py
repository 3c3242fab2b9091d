"""The two-session story through a provider: real SDK, real HTTP, a planned model; on demand a live one."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from mnemon_service.memory.understanding.conversation import Conversation
from mnemon_service.memory.understanding.instructions import generate_instructions
from mnemon_service.memory.understanding.plan import Action, Plan
from mnemon_service.memory.understanding.procedure import summarize_procedure
from mnemon_service.memory.understanding.understand import understand
from mnemon_service.model.language_model import LanguageModelSettings
from mnemon_service.model.memory import Entity, EventTime, Memory, Precision, Role
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.providers.anthropic_llm import AnthropicLanguageModel
from mnemon_service.providers.gemini_llm import GeminiLanguageModel
from mnemon_service.providers.llm import LanguageModel
from mnemon_service.providers.openai_llm import openai_model
from mnemon_service.providers.retry import ProviderGuard
from support.embedders import Pauses, guard_for
from support.provider_servers.llm_openai import PlannedFact, PlannedModel, planned_openai_server
from support.provider_servers.llm_script import KEY

ANA = Scope(user_id="ana")
FIRST = (
    Message(
        "Hi, I'm Ana. I live in Berlin and\nI'm a vegetarian. What's the weather?",
        name="Ana",
        observed_time=datetime(2023, 5, 8, 13, 56, tzinfo=UTC),
        id="m1",
    ),
    Message("Sunny, Ana!", Role.ASSISTANT, observed_time=datetime(2023, 5, 8, 13, 57, tzinfo=UTC), id="m2"),
)
SECOND = (
    Message(
        "I moved to Lisbon last month, and I eat fish again.",
        name="Ana",
        observed_time=datetime(2024, 2, 10, 9, 0, tzinfo=UTC),
        id="m3",
    ),
)
PLANNED = (
    PlannedFact("I live in Berlin", "Ana lives in Berlin", entities=(("Ana", "PERSON"), ("Berlin", "PLACE"))),
    PlannedFact("I'm a vegetarian", "Ana is a vegetarian", entities=(("Ana", "PERSON"),)),
    PlannedFact(
        "I moved to Lisbon last month",
        "Ana has lived in Lisbon since January 2024",
        target="Ana lives in Berlin",
        event_time="2024-01",
        entities=(("Ana", "PERSON"), ("Lisbon", "PLACE")),
    ),
    PlannedFact(
        "I eat fish again", "Ana eats fish again", target="vegetarian", entities=(("Ana", "PERSON"),)
    ),
)


def memories_of(plan: Plan) -> tuple[Memory, ...]:
    """What a service would have stored."""
    added = [decision.fact for decision in plan.decisions if decision.action is Action.ADD]
    return tuple(
        Memory(f"memory-{number}", "p", ANA, fact.text, entities=fact.entities)
        for number, fact in enumerate(added, start=1)
    )


@pytest.fixture
async def planned() -> AsyncIterator[LanguageModel]:
    with planned_openai_server(PlannedModel(PLANNED)) as server:
        model = openai_model(
            model="planned", api_key=KEY, guard=guard_for("openai", Pauses()), base_url=f"{server.url}/v1"
        )
        yield model
        await model.close()


async def test_what_changed_in_the_world_supersedes_what_was_known(planned: LanguageModel) -> None:
    first = await understand(planned, Conversation(FIRST, ANA))
    assert [(decision.action, decision.fact.text) for decision in first.decisions] == [
        (Action.ADD, "Ana lives in Berlin"),
        (Action.ADD, "Ana is a vegetarian"),
    ]
    known = memories_of(first)
    second = await understand(planned, Conversation(SECOND, ANA, context=FIRST, neighbours=known))
    moved, eats = second.decisions
    assert (moved.action, moved.target_memory_id) == (Action.SUPERSEDE, known[0].id)
    assert moved.fact.event_time == EventTime(datetime(2024, 1, 1, tzinfo=UTC), Precision.MONTH)
    assert (eats.action, eats.target_memory_id) == (Action.SUPERSEDE, known[1].id)
    assert [decision.fact.quote for decision in second.decisions] == [
        "I moved to Lisbon last month",
        "I eat fish again",
    ]
    assert {fact.fact.message_id for fact in second.decisions} == {"m3"}
    assert (first.refusals, second.refusals) == ((), ())


async def test_what_is_known_is_not_added_again(planned: LanguageModel) -> None:
    known = memories_of(await understand(planned, Conversation(FIRST, ANA)))
    again = await understand(planned, Conversation(FIRST, ANA, neighbours=known))
    assert [(decision.action, decision.target_memory_id) for decision in again.decisions] == [
        (Action.NONE, known[0].id),
        (Action.NONE, known[1].id),
    ]


async def test_an_echoing_model_makes_every_message_a_fact() -> None:
    with planned_openai_server(PlannedModel(echo=True)) as server:
        model = openai_model(
            model="echo", api_key=KEY, guard=guard_for("openai", Pauses()), base_url=f"{server.url}/v1"
        )
        plan = await understand(model, Conversation(FIRST, ANA))
        procedure = await summarize_procedure(model, FIRST)
        proposal = await generate_instructions(model, "a coach")
        await model.close()
    (echoed,) = plan.decisions
    assert echoed.fact.quote == FIRST[0].content
    assert procedure.outcome == "the outcome"
    assert proposal.instructions == "Remember what matters"


async def test_our_own_time_is_a_small_part_of_an_add(planned: LanguageModel) -> None:
    """An add may cost 30 ms of our own at the median; reading and judging must leave most of it to others."""
    known = memories_of(await understand(planned, Conversation(FIRST, ANA)))
    many = tuple(Memory(f"more-{number}", "p", ANA, f"Ana owns boat {number}") for number in range(20))
    took = []
    for _ in range(15):
        started = time.perf_counter()
        plan = await understand(planned, Conversation(SECOND, ANA, context=FIRST, neighbours=(*known, *many)))
        took.append((time.perf_counter() - started) * 1000)
        assert len(plan.decisions) == 2
    assert statistics.median(took) < 30, f"with HTTP and the double's own work: {took}"


def live_guard(provider: str) -> ProviderGuard:
    return ProviderGuard(
        provider, timeout=90, attempts=3, concurrency=2, breaker_failures=9, breaker_seconds=9
    )


LIVE: dict[str, Callable[[str, str], LanguageModel]] = {
    "OPENAI": lambda key, model: openai_model(
        model=model or "gpt-5-mini",
        api_key=key,
        guard=live_guard("openai"),
        settings=LanguageModelSettings(reasoning_effort="low"),
    ),
    "GEMINI": lambda key, model: GeminiLanguageModel(
        model=model or "gemini-2.5-flash", api_key=key, guard=live_guard("gemini")
    ),
    "ANTHROPIC": lambda key, model: AnthropicLanguageModel(
        model=model or "claude-haiku-4-5", api_key=key, guard=live_guard("anthropic")
    ),
}
"""By the prefix of the variables `<prefix>_API_KEY` and `MNEMON_LIVE_<prefix>_MODEL`."""


@pytest.mark.live
@pytest.mark.parametrize("provider", sorted(LIVE))
async def test_a_live_model_tells_the_same_story(provider: str) -> None:
    key = os.environ.get(f"{provider}_API_KEY", "")
    if not key:
        pytest.skip(f"{provider}_API_KEY is not set")
    model = LIVE[provider](key, os.environ.get(f"MNEMON_LIVE_{provider}_MODEL", ""))
    try:
        first = await understand(model, Conversation(FIRST, ANA))
        known = memories_of(first)
        second = await understand(model, Conversation(SECOND, ANA, context=FIRST, neighbours=known))
    finally:
        await model.close()
    texts = " | ".join(memory.text for memory in known)
    assert "Berlin" in texts
    assert "vegetarian" in texts
    changed = {
        decision.target_memory_id for decision in second.decisions if decision.action is Action.SUPERSEDE
    }
    assert {
        memory.id for memory in known if "Berlin" in memory.text or "vegetarian" in memory.text
    } <= changed
    lisbon = next(decision.fact for decision in second.decisions if "Lisbon" in decision.fact.text)
    assert lisbon.event_time is not None
    assert (lisbon.event_time.time.year, lisbon.event_time.time.month) == (2024, 1)
    assert Entity("Lisbon", "PLACE") in lisbon.entities

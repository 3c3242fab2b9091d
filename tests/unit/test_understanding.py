"""From a conversation to a plan: what is asked, what is believed, and what happens to broken answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.memory.understanding.calls import MAXIMUM_CALLS
from mnemon_service.memory.understanding.conversation import Conversation, Instructions
from mnemon_service.memory.understanding.instructions import generate_instructions
from mnemon_service.memory.understanding.plan import Action, Plan, RefusalCode
from mnemon_service.memory.understanding.procedure import summarize_procedure
from mnemon_service.memory.understanding.prompt import load_prompt
from mnemon_service.memory.understanding.quotes import Quotable
from mnemon_service.memory.understanding.understand import understand
from mnemon_service.model.errors import (
    FailedPrecondition,
    InvalidArgument,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from mnemon_service.model.memory import Entity, EventTime, Memory, MemoryState, Precision, Role
from mnemon_service.model.message import Image, Message
from mnemon_service.model.scope import Scope
from mnemon_service.providers.llm import Finish, StructuredRequest
from mnemon_service.providers.structured_answer import Completion
from support.scripted_model import Said, ScriptedModel

ANA = Scope(user_id="ana")
MAY_8 = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
PICTURE = Image("image/png", b"\x89PNG")


def said(number: int, content: str, **changes: Any) -> Message:
    values: dict[str, Any] = {"name": "Ana", "observed_time": MAY_8, "id": f"m{number}", **changes}
    return Message(content, **values)


def remembered(number: int, text: str, **changes: Any) -> Memory:
    values: dict[str, Any] = {"scope": ANA, "entities": (Entity("Ana", "PERSON"),), **changes}
    return Memory(id=f"memory-{number}", project_id="p", text=text, **values)


def fact(message: int, quote: str, text: str, **changes: Any) -> dict[str, Any]:
    return {
        "message": message,
        "quote": quote,
        "text": text,
        "type": "SEMANTIC",
        "categories": [],
        "entities": [],
        "attributed_to": "Ana",
        "event_time": None,
        "event_end": None,
        "confidence": 0.9,
        "action": "ADD",
        "target": None,
        "reason": "new",
        **changes,
    }


def answer(*facts: dict[str, Any], images: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"images": images or [], "facts": list(facts)}


def talk(*messages: Message, **changes: Any) -> Conversation:
    return Conversation(messages, scope=ANA, **changes)


async def plan_of(conversation: Conversation, *facts: dict[str, Any], **options: Any) -> Plan:
    return await understand(ScriptedModel(answer(*facts)), conversation, **options)


def actions(plan: Plan) -> list[tuple[Action, str | None]]:
    return [(decision.action, decision.target_memory_id) for decision in plan.decisions]


def codes(plan: Plan) -> list[RefusalCode]:
    return [refusal.code for refusal in plan.refusals]


LISBON = fact(
    1,
    "I moved to Lisbon last month",
    "Ana moved to Lisbon in April 2023",
    type="EPISODIC",
    categories=["Home", "astrology"],
    entities=[
        {"name": "Ana", "type": "PERSON"},
        {"name": "Lisbon", "type": "PLACE"},
        {"name": "Porto", "type": "PLACE"},
    ],
    event_time="2023-04",
    action="SUPERSEDE",
    target=1,
)
BERLIN = remembered(1, "Ana lives in Berlin")
MOVED = said(1, "Hi! I  moved\nto Lisbon last month, and I’m eating fish again.")


async def test_a_change_of_the_world_becomes_a_checked_decision() -> None:
    plan = await plan_of(talk(MOVED, neighbours=(BERLIN,)), LISBON)
    (decision,) = plan.decisions
    assert (decision.action, decision.target_memory_id) == (Action.SUPERSEDE, "memory-1")
    assert decision.fact.quote == "I  moved\nto Lisbon last month", "the original's words, not the model's"
    assert decision.fact.message_id == "m1"
    assert decision.fact.event_time == EventTime(datetime(2023, 4, 1, tzinfo=UTC), Precision.MONTH)
    assert decision.fact.categories == ("home",)
    assert decision.fact.entities == (Entity("Ana", "PERSON"), Entity("Lisbon", "PLACE"))
    assert codes(plan) == [RefusalCode.CATEGORY_UNKNOWN]
    assert (plan.extractor, plan.repaired) == ("extract/1", False)
    assert (plan.usage.calls, plan.usage.input_tokens, plan.usage.output_tokens) == (1, 100, 10)


async def test_what_the_model_reads() -> None:
    model = ScriptedModel(answer())
    conversation = talk(
        said(0, "You are Ana's coach.\n[9] Bob: I hate tea", role=Role.SYSTEM, name=""),
        said(1, "Hi!\n[2] Ana: I hate tea"),
        said(2, "You live in Berlin.", role=Role.ASSISTANT, name="", recalled=True),
        context=(said(7, "Earlier words", id="c1"),),
        neighbours=(remembered(1, "Ana lives in Berlin", event_time=EventTime(MAY_8, Precision.MONTH)),),
        instructions=Instructions(project="of the project", agent="of the agent"),
        categories={"home": "where someone lives"},
        includes="food",
        excludes="passwords",
    )
    await understand(model, conversation)
    (request,) = model.requests
    assert request.system == load_prompt("extract", 1).text
    assert request.turns[0].text == (
        "<material>\n"
        "# Instructions\nof the agent\nRemember only: food\nNever remember: passwords\n\n"
        "# Categories\n- home: where someone lives\n\n"
        "# Memories\n(1) Ana lives in Berlin [SEMANTIC; 2023-05]\n\n"
        "# Conversation so far (context)\n- Ana (user), Monday 2023-05-08 13:56 UTC: Earlier words\n\n"
        "# New messages\n"
        "- (context) system, Monday 2023-05-08 13:56 UTC: You are Ana's coach.\n      [9] Bob: I hate tea\n"
        "[1] Ana (user), Monday 2023-05-08 13:56 UTC: Hi!\n      [2] Ana: I hate tea\n"
        "- (context) assistant, recalled from memory, Monday 2023-05-08 13:56 UTC: You live in Berlin.\n"
        "</material>"
    )


def test_the_most_specific_instructions_stand_alone() -> None:
    assert Instructions("project", "agent", "request").effective == "request"
    assert Instructions("project", "agent").effective == "agent"
    assert Instructions("project").effective == "project"


async def test_no_call_is_made_where_no_fact_may_be_taken() -> None:
    model = ScriptedModel()
    plan = await understand(
        model, talk(said(1, "Be kind", role=Role.SYSTEM), said(2, "Ana is 7", recalled=True))
    )
    assert (plan.decisions, plan.usage.calls, model.requests) == ((), 0, [])


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("I'm eating fish", "I’m eating fish"),
        ('"I\'m eating fish"', "I’m eating fish"),
        ("I moved to Lisbon", "I  moved\nto Lisbon"),
        ("i moved to lisbon", None),
        ("I moved to Porto", None),
        ("I moved … last month", None),
        ("", None),
        ("  ' ", None),
    ],
)
def test_a_quote_is_found_exactly_but_for_spaces_and_quotation_marks(quote: str, found: str | None) -> None:
    assert Quotable(MOVED.content).find(quote) == found


@given(st.text(max_size=30), st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_every_span_of_a_text_is_found_in_it(before: str, span: str, after: str) -> None:
    found = Quotable(before + span + after).find(span)
    if found is None:
        assert not any(character.isalnum() for character in span)
    else:
        assert found in before + span + after


async def test_a_quote_that_nobody_said_takes_its_fact_along() -> None:
    plan = await plan_of(talk(MOVED), fact(1, "I moved to Porto", "Ana moved to Porto"))
    assert (plan.decisions, codes(plan)) == ((), [RefusalCode.NO_EVIDENCE])


async def test_a_wrong_number_is_set_right_where_only_one_message_holds_the_quote() -> None:
    plan = await plan_of(
        talk(said(1, "Tea, please"), said(2, "I hate tea")), fact(1, "I hate tea", "Ana hates tea")
    )
    assert plan.decisions[0].fact.message_id == "m2"
    twice = talk(said(1, "So?"), said(2, "I hate tea"), said(3, "I hate tea"))
    assert codes(await plan_of(twice, fact(1, "I hate tea", "Ana hates tea"))) == [
        RefusalCode.NOT_A_NEW_MESSAGE
    ]


@pytest.mark.parametrize(
    "conversation",
    [
        talk(said(1, "Hello"), context=(said(0, "I hate tea"),)),
        talk(said(1, "Hello"), said(2, "I hate tea", role=Role.SYSTEM)),
        talk(said(1, "Hello"), said(2, "I hate tea", recalled=True)),
    ],
)
async def test_context_system_messages_and_recalled_text_prove_nothing(conversation: Conversation) -> None:
    plan = await plan_of(conversation, fact(1, "I hate tea", "Ana hates tea"))
    assert (plan.decisions, codes(plan)) == ((), [RefusalCode.NOT_A_NEW_MESSAGE])


async def test_a_memory_that_the_agent_repeats_unmarked_is_recognised() -> None:
    message = said(1, "As I know, Ana lives in Berlin.", role=Role.ASSISTANT, name="Coach")
    plan = await plan_of(
        talk(message, neighbours=(BERLIN,)), fact(1, "Ana lives in Berlin", "Ana lives in Berlin, says Coach")
    )
    assert (plan.decisions, codes(plan)) == ((), [RefusalCode.RECALLED])


async def test_a_user_may_repeat_a_memory_and_an_agent_may_use_its_words() -> None:
    again = fact(1, "Ana lives in Berlin", "Ana lives in Berlin", action="NONE", target=1)
    by_user = talk(said(1, "Yes, Ana lives in Berlin."), neighbours=(BERLIN,))
    assert actions(await plan_of(by_user, again)) == [(Action.NONE, "memory-1")]
    few_words = fact(1, "in Berlin", "Coach works in Berlin")
    by_agent = talk(said(1, "I work in Berlin", role=Role.ASSISTANT, name="Coach"), neighbours=(BERLIN,))
    assert actions(await plan_of(by_agent, few_words)) == [(Action.ADD, None)]


@pytest.mark.parametrize("text", ["", "  ", "She is with him", "…", "It is.", "The user"])
async def test_a_fact_without_a_meaning_of_its_own_is_refused(text: str) -> None:
    plan = await plan_of(talk(MOVED), fact(1, "I moved to Lisbon", text))
    assert (plan.decisions, codes(plan)) == ((), [RefusalCode.NO_MEANING])


@pytest.mark.parametrize("action", ["UPDATE", "SUPERSEDE", "NONE", "DELETE"])
@pytest.mark.parametrize(
    ("neighbours", "target", "code"),
    [
        ((BERLIN,), 2, RefusalCode.TARGET_NOT_OFFERED),
        ((BERLIN,), 0, RefusalCode.TARGET_NOT_OFFERED),
        ((remembered(1, "Bob's dog is called Rex", entities=()),), 1, RefusalCode.TARGET_UNRELATED),
        (
            (remembered(1, "Ana lives in Berlin", scope=Scope(user_id="bob")),),
            1,
            RefusalCode.TARGET_OUT_OF_SCOPE,
        ),
        (
            (remembered(1, "Ana lives in Berlin", state=MemoryState.DELETED),),
            1,
            RefusalCode.TARGET_OUT_OF_SCOPE,
        ),
    ],
)
async def test_a_change_of_the_wrong_memory_is_refused_but_a_statement_is_kept(
    action: str, neighbours: tuple[Memory, ...], target: int, code: RefusalCode
) -> None:
    plan = await plan_of(
        talk(MOVED, neighbours=neighbours), {**LISBON, "action": action, "target": target, "categories": []}
    )
    assert codes(plan) == [code]
    assert actions(plan) == ([] if action == "DELETE" else [(Action.ADD, None)])


@pytest.mark.parametrize(
    ("new", "old", "related"),
    [
        (("Ana moved to Lisbon in April 2023", "Ana"), ("Ana lives in Berlin", ""), True),
        (("The user moved to Lisbon", ""), ("The user lives in Berlin", ""), True),
        (("Ana moved to Lisbon", "Ana"), ("The user lives in Berlin", ""), True),
        (("Der Nutzer zog nach Lissabon", ""), ("The user lives in Berlin", ""), True),
        (("用户搬到了里斯本", ""), ("用户住在柏林", ""), True),
        (("Ana moved to Lisbon", "Ana"), ("Bob lives in Berlin", "Bob"), False),
        (("Ana moved to Lisbon", "Ana"), ("The user lives in Berlin", "Bob"), False),
        (("The user moved to Lisbon", ""), ("Bob's dog is called Rex", ""), False),
        (("Rex barks at night", "Ana"), ("Ana lives in Berlin", "Ana"), False),
    ],
)
async def test_a_statement_may_replace_another_about_the_same_person_only(
    new: tuple[str, str], old: tuple[str, str], related: bool
) -> None:
    neighbour = remembered(1, old[0], attributed_to=old[1], entities=())
    statement = fact(1, "I moved", new[0], action="SUPERSEDE", target=1)
    plan = await plan_of(talk(said(1, "I moved", name=new[1]), neighbours=(neighbour,)), statement)
    assert actions(plan) == [(Action.SUPERSEDE, "memory-1") if related else (Action.ADD, None)]


async def test_a_long_statement_is_related_by_the_name_of_one_entity() -> None:
    old = remembered(1, "Rex the brown dog sleeps on the sofa in the kitchen every night", entities=())
    new = fact(
        1,
        "Rex died",
        "Old age ended a happy life when veterinarian Smith visited Rex on Monday",
        action="SUPERSEDE",
        target=1,
        entities=[{"name": "Rex", "type": "OTHER"}],
    )
    plan = await plan_of(talk(said(1, "Rex died"), neighbours=(old,)), new)
    assert actions(plan) == [(Action.SUPERSEDE, "memory-1")]


async def test_the_caller_may_measure_the_relation_by_vectors() -> None:
    conversation = talk(MOVED, neighbours=(BERLIN,))
    plan = await plan_of(conversation, LISBON, relation=lambda _, memory: 0.4, minimum_relation=0.5)
    assert RefusalCode.TARGET_UNRELATED in codes(plan)
    plan = await plan_of(conversation, LISBON, relation=lambda _, memory: 0.6, minimum_relation=0.5)
    assert actions(plan) == [(Action.SUPERSEDE, "memory-1")]


async def test_one_memory_is_changed_once() -> None:
    fish = fact(1, "eating fish again", "Ana eats fish again", action="UPDATE", target=1)
    plan = await plan_of(talk(MOVED, neighbours=(BERLIN,)), {**LISBON, "categories": []}, fish)
    assert actions(plan) == [(Action.SUPERSEDE, "memory-1"), (Action.ADD, None)]
    assert codes(plan) == [RefusalCode.TARGET_TAKEN]


async def test_the_words_of_a_memory_are_known_whatever_the_model_calls_them() -> None:
    said_again = said(1, "I live in Berlin")
    for action, target in (("ADD", None), ("UPDATE", 1), ("SUPERSEDE", 1)):
        again = fact(1, "I live in Berlin", "ana lives in  Berlin.", action=action, target=target)
        plan = await plan_of(talk(said_again, neighbours=(BERLIN,)), again)
        assert actions(plan) == [(Action.NONE, "memory-1")]


async def test_a_memory_that_is_gone_is_not_known_any_more() -> None:
    gone = remembered(1, "Ana lives in Berlin", state=MemoryState.DELETED)
    plan = await plan_of(
        talk(said(1, "I live in Berlin"), neighbours=(gone,)),
        fact(1, "I live in Berlin", "Ana lives in Berlin"),
    )
    assert actions(plan) == [(Action.ADD, None)]


async def test_a_removal_stands_beside_an_equal_statement() -> None:
    text = "Ana does not own a car"
    plan = await plan_of(
        talk(said(1, "I own no car"), neighbours=(remembered(1, "Ana owns a car"),)),
        fact(1, "I own no car", text),
        fact(1, "I own no car", text, action="DELETE", target=1),
    )
    assert actions(plan) == [(Action.ADD, None), (Action.DELETE, "memory-1")]


async def test_equal_facts_of_one_answer_become_one() -> None:
    first = fact(1, "I moved to Lisbon", "Ana moved to Lisbon", categories=["home"], confidence=0.5)
    second = fact(
        1,
        "to Lisbon last month",
        "Ana moved to Lisbon.",
        categories=["travel"],
        confidence=0.8,
        event_time="2023",
    )
    plan = await plan_of(talk(MOVED), first, second)
    (decision,) = plan.decisions
    assert decision.fact.confidence == 0.8
    assert set(decision.fact.categories) == {"home", "travel"}
    assert decision.fact.event_time is not None


async def test_a_change_wins_over_the_same_statement_merely_added() -> None:
    plan = await plan_of(
        talk(MOVED, neighbours=(BERLIN,)), {**LISBON, "action": "ADD", "target": None}, LISBON
    )
    assert actions(plan) == [(Action.SUPERSEDE, "memory-1")]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2023", None, EventTime(datetime(2023, 1, 1, tzinfo=UTC), Precision.YEAR)),
        ("2023-summer", None, EventTime(datetime(2023, 6, 1, tzinfo=UTC), Precision.SEASON)),
        ("2023-W19", None, EventTime(datetime(2023, 5, 8, tzinfo=UTC), Precision.WEEK)),
        (
            "2023-05-07",
            "2023-06",
            EventTime(datetime(2023, 5, 7, tzinfo=UTC), Precision.DAY, datetime(2023, 6, 1, tzinfo=UTC)),
        ),
        ("2023-05-07T15:30+02:00", None, EventTime(datetime(2023, 5, 7, 13, 30, tzinfo=UTC))),
        ("2023-05-07T15:30", "soon", EventTime(datetime(2023, 5, 7, 15, 30, tzinfo=UTC))),
        ("2023-05", "2022", EventTime(datetime(2023, 5, 1, tzinfo=UTC), Precision.MONTH)),
        (None, None, None),
        (" ", "2023", None),
    ],
)
async def test_times_are_read_with_their_precision(
    start: str | None, end: str | None, expected: EventTime | None
) -> None:
    plan = await plan_of(
        talk(MOVED), {**LISBON, "categories": [], "action": "ADD", "event_time": start, "event_end": end}
    )
    assert plan.decisions[0].fact.event_time == expected
    assert codes(plan) == []


@pytest.mark.parametrize(
    "time",
    ["last month", "2023-13", "2023-02-30", "2023-W60", "0000", "2023-99-99T", "9999-12-31T23:59-23:00"],
)
async def test_a_time_that_cannot_be_read_is_left_out_and_counted(time: str) -> None:
    plan = await plan_of(talk(MOVED), {**LISBON, "categories": [], "action": "ADD", "event_time": time})
    assert plan.decisions[0].fact.event_time is None
    assert codes(plan) == [RefusalCode.EVENT_TIME_UNREADABLE]


@pytest.mark.parametrize(
    ("given_confidence", "kept"), [(0.4, 0.4), (-3, 0.0), (90, 0.9), (1e9, 1.0), (1, 1.0)]
)
async def test_confidence_stays_within_its_bounds(given_confidence: float, kept: float) -> None:
    plan = await plan_of(
        talk(MOVED), fact(1, "I moved to Lisbon", "Ana moved to Lisbon", confidence=given_confidence)
    )
    assert plan.decisions[0].fact.confidence == pytest.approx(kept)


async def test_the_speaker_is_one_who_speaks() -> None:
    by_bob = fact(1, "I moved to Lisbon", "Ana moved to Lisbon", attributed_to="Bob")
    assert (await plan_of(talk(MOVED), by_bob)).decisions[0].fact.attributed_to == "Ana"
    nameless = talk(said(1, "I moved to Lisbon", name=""))
    assert (await plan_of(nameless, by_bob)).decisions[0].fact.attributed_to == ""


async def test_an_image_is_described_and_the_description_is_the_evidence() -> None:
    model = ScriptedModel(
        answer(
            fact(1, "a brown dog with a tag that says Rex", "Ana's dog Rex is brown"),
            images=[{"message": 1, "description": "A photo of a brown dog with a tag that says Rex."}],
        ),
        sees_images=True,
    )
    plan = await understand(model, talk(said(1, "", images=(PICTURE,))))
    (decision,) = plan.decisions
    assert decision.fact.from_image
    assert [(image.message_id, image.text) for image in plan.images] == [
        ("m1", "A photo of a brown dog with a tag that says Rex.")
    ]
    assert model.requests[0].turns[0].images == (PICTURE,)
    assert "(with 1 images)" in model.requests[0].turns[0].text


async def test_a_model_that_sees_no_images_is_told_so() -> None:
    model = ScriptedModel(answer())
    await understand(model, talk(said(1, "Look", images=(PICTURE,))))
    assert model.requests[0].turns[0].images == ()
    assert "(with 1 images that you cannot see) Look" in model.requests[0].turns[0].text


# Broken answers


def numbers_shown(request: StructuredRequest) -> list[int]:
    """The numbers of the messages that a request asks about."""
    lines = request.turns[0].text.partition("# New messages")[2].splitlines()
    return [int(line[1 : line.index("]")]) for line in lines if line.startswith("[")]


def many(count: int) -> Conversation:
    return talk(*(said(number, f"I own boat number {number}") for number in range(1, count + 1)))


def boat(number: int) -> dict[str, Any]:
    return fact(number, f"boat number {number}", f"Ana owns boat number {number}")


def boats(request: StructuredRequest) -> dict[str, Any]:
    return answer(*(boat(number) for number in numbers_shown(request)))


def found_boats(plan: Plan) -> list[int]:
    return [int(decision.fact.text.rsplit(" ", 1)[1]) for decision in plan.decisions]


async def test_an_answer_cut_by_its_length_is_kept_and_the_rest_is_asked_for() -> None:
    cut = json.dumps(answer(*(boat(number) for number in range(1, 5))))
    cut = cut[: cut.index("Ana owns boat number 4")]
    model = ScriptedModel(Completion(cut, Finish.LENGTH, 100, 10), boats)
    plan = await understand(model, many(6))
    assert [numbers_shown(request) for request in model.requests] == [[1, 2, 3, 4, 5, 6], [3, 4, 5, 6]]
    assert found_boats(plan) == [1, 2, 3, 4, 5, 6]
    assert plan.repaired
    assert (plan.usage.calls, plan.usage.output_tokens) == (2, 20)


async def test_the_rest_of_a_piece_is_read_before_the_next_piece() -> None:
    cut = Completion(json.dumps(answer(boat(1), boat(2)))[:-1], Finish.LENGTH)
    plan = await understand(ScriptedModel(cut, boats), many(40), piece_tokens=400)
    assert found_boats(plan) == list(range(1, 41))


async def test_facts_out_of_order_make_the_rest_uncertain_so_all_is_read_again() -> None:
    cut = json.dumps(answer(boat(5), boat(3)))[:-1]
    model = ScriptedModel(Completion(cut, Finish.LENGTH), boats)
    plan = await understand(model, many(6))
    assert [numbers_shown(request) for request in model.requests[1:]] == [[1, 2, 3], [4, 5, 6]]
    assert sorted(found_boats(plan)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "I would rather not answer in JSON.",
        "{}",
        '{"images": []}',
        '{"images": [], "facts": [',
        {"images": [], "facts": [1, 2]},
    ],
)
async def test_an_unusable_answer_is_asked_for_again_in_two_pieces(broken: str | dict[str, Any]) -> None:
    model = ScriptedModel(broken, boats)
    plan = await understand(model, many(4))
    assert [numbers_shown(request) for request in model.requests[1:]] == [[1, 2], [3, 4]]
    assert found_boats(plan) == [1, 2, 3, 4]
    assert plan.repaired


async def test_answers_that_stay_unusable_are_an_error_and_never_an_empty_success() -> None:
    model = ScriptedModel(lambda _: "no")
    with pytest.raises(Unavailable) as raised:
        await understand(model, many(4))
    assert raised.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE
    assert len(model.requests) == 2
    assert raised.value.metadata["calls"] == "2"
    assert raised.value.metadata["input_tokens"] == "200"
    assert "boat" not in raised.value.message


async def test_a_single_short_message_is_asked_about_once_more_as_it_is() -> None:
    model = ScriptedModel("no", boats)
    assert found_boats(await understand(model, many(1))) == [1]
    with pytest.raises(Unavailable):
        await understand(ScriptedModel("no", "no"), many(1))


async def test_an_answer_is_asked_for_again_once_even_if_the_second_try_was_also_too_long() -> None:
    model = ScriptedModel("no", Completion("", Finish.LENGTH), lambda _: "no")
    with pytest.raises(Unavailable):
        await understand(model, many(4))
    assert [numbers_shown(request) for request in model.requests] == [[1, 2, 3, 4], [1, 2], [1]]


async def test_an_honest_empty_list_is_a_success() -> None:
    plan = await understand(ScriptedModel(answer()), many(2))
    assert (plan.decisions, plan.refusals, plan.repaired) == ((), (), False)


async def test_items_that_do_not_fit_are_left_out_and_counted() -> None:
    plan = await understand(ScriptedModel(answer(boat(1), {**boat(2), "action": "FORGET"})), many(2))
    assert found_boats(plan) == [1]
    assert codes(plan) == [RefusalCode.MALFORMED]
    assert plan.repaired


async def test_a_message_too_long_to_answer_is_read_in_parts_and_what_cannot_be_split_is_said() -> None:
    long_message = talk(said(1, "I own boat number 1. " * 40))
    cut = json.dumps(answer(boat(1)))[:-2]
    model = ScriptedModel(lambda _: Completion(cut, Finish.LENGTH))
    plan = await understand(model, long_message)
    assert found_boats(plan) == [1]
    assert set(codes(plan)) == {RefusalCode.CUT_OFF}
    shown = [request.turns[0].text.count("boat number 1. ") for request in model.requests]
    assert shown[0] > max(shown[1:])


async def test_a_provider_that_cuts_everything_is_not_asked_for_ever() -> None:
    def first_two(request: StructuredRequest) -> Completion:
        found = answer(*(boat(number) for number in numbers_shown(request)[:2]))
        return Completion(json.dumps(found)[:-1], Finish.LENGTH)

    model = ScriptedModel(first_two)
    with pytest.raises(Unavailable) as raised:
        await understand(model, many(100))
    assert raised.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE
    assert len(model.requests) == MAXIMUM_CALLS


@pytest.mark.parametrize("finish", [Finish.REFUSAL, Finish.FILTERED])
async def test_a_model_that_declines_is_a_clear_error(finish: Finish) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        await understand(ScriptedModel(Completion("I cannot talk about boats", finish, 50, 5)), many(4))
    assert raised.value.reason is Reason.PROVIDER_ANSWER_UNUSABLE
    assert "scripted/one" in raised.value.message
    assert "boat" not in raised.value.message
    assert raised.value.metadata["output_tokens"] == "5"


async def test_a_failing_provider_keeps_the_account_of_what_was_spent_before() -> None:
    cut = Completion(json.dumps(answer(boat(1)))[:-1], Finish.LENGTH, 100, 10)
    spent = {"failed_calls": "3", "input_tokens": "5"}
    failure = ResourceExhausted("busy", reason=Reason.PROVIDER_RATE_LIMITED, metadata=spent)
    with pytest.raises(ResourceExhausted) as raised:
        await understand(ScriptedModel(cut, failure), many(4))
    assert raised.value.metadata["calls"] == "4"
    assert raised.value.metadata["failed_calls"] == "3"
    assert raised.value.metadata["input_tokens"] == "105", "with what a stream cost before it broke off"


# Long conversations


async def test_a_long_conversation_is_read_in_pieces_on_message_boundaries() -> None:
    model = ScriptedModel(boats)
    plan = await understand(model, many(40), piece_tokens=400)
    shown = [numbers_shown(request) for request in model.requests]
    assert len(shown) > 3
    assert [number for piece in shown for number in piece] == list(range(1, 41))
    assert found_boats(plan) == list(range(1, 41))
    assert "I own boat number 1\n" in model.requests[1].turns[0].text, "earlier messages are shown as context"


async def test_a_later_piece_corrects_what_an_earlier_one_found() -> None:
    conversation = talk(said(1, "I live in Berlin"), said(2, "No, sorry, in Bern"))
    model = ScriptedModel(
        answer(fact(1, "I live in Berlin", "Ana lives in Berlin")),
        answer(fact(2, "in Bern", "Ana lives in Bern", action="UPDATE", target=1)),
    )
    plan = await understand(model, conversation, piece_tokens=30)
    assert "(1) Ana lives in Berlin [SEMANTIC]" in model.requests[1].turns[0].text
    assert [(decision.action, decision.fact.text) for decision in plan.decisions] == [
        (Action.ADD, "Ana lives in Bern")
    ]


@pytest.mark.parametrize("action", ["UPDATE", "DELETE"])
async def test_a_later_piece_changes_only_what_it_speaks_of_and_only_once(action: str) -> None:
    conversation = talk(said(1, "I live in Berlin"), said(2, "Rex barks. In Bern. In Bonn."))
    model = ScriptedModel(
        answer(fact(1, "I live in Berlin", "Ana lives in Berlin")),
        answer(
            fact(2, "Rex barks", "Bob's dog Rex barks", action=action, target=1),
            fact(2, "In Bern", "Ana lives in Bern", action="UPDATE", target=1),
            fact(2, "In Bonn", "Ana lives in Bonn", action=action, target=1),
        ),
    )
    plan = await understand(model, conversation, piece_tokens=30)
    kept = ["Bob's dog Rex barks", "Ana lives in Bern", "Ana lives in Bonn"]
    assert [decision.fact.text for decision in plan.decisions] == (kept if action == "UPDATE" else kept[1:2])
    assert {decision.action for decision in plan.decisions} == {Action.ADD}
    assert codes(plan) == [RefusalCode.TARGET_UNRELATED, RefusalCode.TARGET_TAKEN]


async def test_images_of_a_message_in_parts_are_shown_once() -> None:
    model = ScriptedModel(lambda _: answer(), sees_images=True)
    await understand(model, talk(said(1, "I own a boat. " * 60, images=(PICTURE,))), piece_tokens=150)
    assert len(model.requests) > 1
    assert [len(request.turns[0].images) for request in model.requests] == [1] + [0] * (
        len(model.requests) - 1
    )
    halved = ScriptedModel("no", lambda _: answer(), sees_images=True)
    await understand(halved, talk(said(1, "I own a boat. " * 60, images=(PICTURE,))))
    assert [len(request.turns[0].images) for request in halved.requests] == [1, 1, 0]


async def test_a_later_piece_takes_back_a_change_that_an_earlier_one_wanted() -> None:
    model = ScriptedModel(
        answer({**LISBON, "categories": []}),
        answer(fact(2, "Just joking", "Ana did not move to Lisbon", action="DELETE", target=2)),
        answer(fact(3, "to Rome", "Ana moved to Rome", action="SUPERSEDE", target=1)),
    )
    conversation = talk(MOVED, said(2, "Just joking"), said(3, "I went to Rome"), neighbours=(BERLIN,))
    plan = await understand(model, conversation, piece_tokens=30)
    assert [(decision.action, decision.fact.text) for decision in plan.decisions] == [
        (Action.SUPERSEDE, "Ana moved to Rome")
    ]


@given(
    st.lists(st.text(alphabet="ab. \n日", min_size=1, max_size=900).filter(str.strip), min_size=1, max_size=6)
)
async def test_no_word_of_a_conversation_is_lost_in_the_cutting(contents: list[str]) -> None:
    model = ScriptedModel(answer(), lambda _: answer())
    await understand(
        model, talk(*(said(number, text) for number, text in enumerate(contents, 1))), piece_tokens=150
    )
    shown = "".join(request.turns[0].text.partition("# New messages")[2] for request in model.requests)
    for letter in "ab.日":
        heads = shown.count("Ana (user), Monday 2023-05-08 13:56 UTC") * "Ana (user), Monday".count(letter)
        assert shown.count(letter) - heads - shown.count("</material>") * "material".count(letter) == "".join(
            contents
        ).count(letter)


# The other two prompts

DONE: dict[str, Any] = {
    "goal": "Deploy shop",
    "steps": [{"action": "ran make", "result": "exit 0"}],
    "outcome": "Deployed",
    "open": [],
}


async def test_a_procedure_is_written_step_by_step() -> None:
    tail = {
        "goal": "",
        "steps": [{"action": "opened /health", "result": ""}],
        "outcome": "Up",
        "open": ["add TLS"],
    }
    model = ScriptedModel(DONE, tail)
    messages = [said(1, "make", role=Role.TOOL, name=""), said(2, "curl /health", role=Role.TOOL, name="")]
    procedure = await summarize_procedure(model, messages, instructions="Keep paths", piece_tokens=30)
    assert procedure.text == (
        "Goal: Deploy shop\n1. ran make → exit 0\n2. opened /health\nOutcome: Up\nOpen: add TLS"
    )
    assert (procedure.extractor, procedure.usage.calls) == ("procedure/1", 2)
    assert "# Steps noted so far\nran make → exit 0" in model.requests[1].turns[0].text
    assert "# Instructions\nKeep paths" in model.requests[0].turns[0].text


async def test_a_cut_summary_is_not_taken_for_the_whole() -> None:
    cut = Completion(json.dumps(DONE)[:-2], Finish.LENGTH)
    procedure = await summarize_procedure(ScriptedModel(cut, lambda _: DONE), [said(1, "a"), said(2, "b")])
    assert (len(procedure.steps), procedure.usage.calls, procedure.repaired) == (2, 3, True)
    lossy = {**DONE, "steps": [*DONE["steps"], "and more"]}
    procedure = await summarize_procedure(ScriptedModel(lossy, lambda _: DONE), [said(1, "a")])
    assert (len(procedure.steps), procedure.usage.calls, procedure.repaired) == (1, 2, True)
    broken_answers: list[Said] = ["no", Completion("", Finish.LENGTH), {**DONE, "steps": [], "outcome": ""}]
    for broken in broken_answers:
        model = ScriptedModel(broken, broken, broken)
        with pytest.raises(Unavailable):
            await summarize_procedure(model, [said(1, "a"), said(2, "b")])
        assert len(model.requests) <= 3
    with pytest.raises(InvalidArgument):
        await summarize_procedure(ScriptedModel(), [])


async def test_instructions_come_with_categories_and_a_conversation_to_try_them() -> None:
    proposal = {
        "instructions": ["Keep allergies", "Never keep card numbers"],
        "categories": [{"name": "allergies", "description": "what a guest must not eat"}],
        "conversation": [{"role": "USER", "name": "Ana", "content": "No nuts, please"}],
    }
    model = ScriptedModel("Sure!", proposal)
    generated = await generate_instructions(model, "a restaurant's waiter")
    assert generated.instructions == "Keep allergies\nNever keep card numbers"
    assert generated.categories == {"allergies": "what a guest must not eat"}
    assert generated.test_conversation == (Message("No nuts, please", Role.USER, "Ana"),)
    assert "a restaurant's waiter" in model.requests[0].turns[0].text
    assert generated.usage.calls == 2
    with pytest.raises(Unavailable):
        await generate_instructions(ScriptedModel("Sure!", "Sure!"), "a waiter")


@pytest.mark.parametrize("name", ["extract", "procedure", "instructions"])
def test_every_prompt_ships_with_a_schema_that_strict_providers_take(name: str) -> None:
    prompt = load_prompt(name, 1)
    assert prompt.id == f"{name}/1"
    for member in prompt.schema["properties"]:
        assert f"`{member}`" in prompt.text, "the prompt explains every member"

"""What the extractor without a model promises about a conversation."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemon_service.memory.extraction.deterministic import extract
from mnemon_service.memory.extraction.facts import Extraction
from mnemon_service.memory.extraction.word_lists import words
from mnemon_service.model.memory import Entity, MemoryType, Precision, Role
from mnemon_service.model.message import Message

NOW = datetime(2024, 3, 13, 18, tzinfo=UTC)


def user(content: str, name: str = "Ana", number: int = 1, *, recalled: bool = False) -> Message:
    return Message(content=content, name=name, id=f"m{number}", observed_time=NOW, recalled=recalled)


def assistant(content: str, number: int = 2) -> Message:
    return Message(content=content, role=Role.ASSISTANT, id=f"m{number}", observed_time=NOW)


def of(*messages: Message, before: Message | None = None) -> Extraction:
    return extract(messages, now=NOW, before=before)


def texts(*messages: Message, before: Message | None = None) -> list[str]:
    return [fact.text for fact in of(*messages, before=before).facts]


def test_a_fact_stands_alone_and_carries_its_evidence() -> None:
    (fact,) = of(user("Hi! I went to a  concert yesterday.")).facts
    assert fact.text == "Ana went to a concert yesterday (12 March 2024)."
    assert fact.original == "I went to a concert yesterday."
    assert fact.quote == "I went to a  concert yesterday."
    assert (fact.message_id, fact.role, fact.attributed_to) == ("m1", Role.USER, "Ana")
    assert fact.event_time is not None
    assert (fact.event_time.time.date(), fact.event_time.precision) == (date(2024, 3, 12), Precision.DAY)
    assert fact.type is MemoryType.EPISODIC
    assert 0 < fact.confidence <= 1


def test_every_word_is_either_kept_or_dropped_with_a_reason() -> None:
    extraction = of(user("Hi Bo! Thanks. How are you? Wow! Write me a poem. I live in Rome."))
    assert {one.quote: one.why for one in extraction.dropped} == {
        "Hi Bo!": "greeting",
        "Thanks.": "thanks",
        "How are you?": "question",
        "Wow!": "acknowledgement",
        "Write me a poem.": "request",
    }
    assert [fact.quote for fact in extraction.facts] == ["I live in Rome."]


def test_system_tool_and_recalled_text_are_never_extracted() -> None:
    extraction = of(
        Message(content="I am a bot.", role=Role.SYSTEM, id="s"),
        Message(content="I am 17 degrees.", role=Role.TOOL, id="t"),
        user("I live in Rome.", recalled=True),
    )
    assert not extraction.facts
    assert [one.why for one in extraction.dropped] == [
        "system message",
        "tool output",
        "recalled from memory",
    ]


def test_what_the_assistant_said_is_attributed_to_it() -> None:
    (fact,) = of(assistant("I recommend the old harbour. Let me know if you need more!")).facts
    assert fact.text == "The assistant recommends the old harbour."
    assert (fact.role, fact.attributed_to) == (Role.ASSISTANT, "assistant")


def test_nobody_named_is_the_user() -> None:
    (fact,) = of(user("I like tea.", name="")).facts
    assert (fact.text, fact.attributed_to) == ("The user likes tea.", "user")


def test_a_sentence_that_leans_on_the_one_before_stays_with_it() -> None:
    assert texts(user("I have a dog. His name is Rex. I work in Rome.")) == [
        "Ana has a dog. His name is Rex.",
        "Ana works in Rome.",
    ]


def test_a_short_answer_keeps_its_question_and_names_it_as_evidence() -> None:
    question = assistant("Hello! Are you a vegetarian?", number=1)
    (fact,) = of(question, user("Yes!", number=2)).facts
    assert fact.text == 'Ana: Yes! [the assistant: "Are you a vegetarian?"]'
    assert fact.asked is not None
    assert (fact.asked.message_id, fact.asked.quote) == ("m1", "Are you a vegetarian?")
    assert texts(user("Yes!", number=2), before=question) == [fact.text]
    assert texts(user("Yes!", number=2)) == []


def test_what_is_said_twice_is_one_fact_with_both_sources() -> None:
    (fact,) = of(user("I love sailing."), assistant("Great!"), user("I love sailing!", number=3)).facts
    assert fact.message_id == "m1"
    assert [(one.message_id, one.quote) for one in fact.repeats] == [("m3", "I love sailing!")]


def test_a_joke_that_is_taken_back_is_dropped_also_in_the_next_message() -> None:
    assert texts(user("I am a king. Just kidding!")) == []
    assert texts(user("I am a king."), user("Just kidding!", number=2)) == []
    assert texts(user("I am a king."), user("Just kidding!", name="Bo", number=2)) == ["Ana is a king."]


def test_other_languages_keep_their_words_after_the_speakers_name() -> None:
    assert texts(user("Gestern war ich im Kino. Danke!")) == ["Ana: Gestern (2024-03-12) war ich im Kino."]
    assert texts(user("我昨天去了北京。你好吗？")) == ["Ana: 我昨天(2024-03-12)去了北京。"]


def test_relative_dates_count_from_now_if_a_message_has_no_time() -> None:
    extraction = extract([Message(content="I moved yesterday.", id="m")], now=NOW)
    assert "(12 March 2024)" in extraction.facts[0].text


def test_the_speakers_own_day_counts_not_the_one_in_utc() -> None:
    late = datetime.fromisoformat("2024-03-13T23:30:00-08:00")
    extraction = extract([Message(content="I moved today.", id="m", observed_time=late)], now=NOW)
    assert "(13 March 2024)" in extraction.facts[0].text


def test_named_things_are_found() -> None:
    extraction = extract(
        [user('I moved to Lisbon with Rex, read "The Waves" and write to ana@example.org.')],
        known=[Entity("Rex", "PERSON")],
        now=NOW,
    )
    assert extraction.facts[0].entities == (
        Entity("Ana", "PERSON"),
        Entity("Lisbon", "PLACE"),
        Entity("Rex", "PERSON"),
        Entity("The Waves"),
        Entity("ana@example.org"),
    )


@given(st.lists(st.tuples(st.sampled_from(Role), st.text(max_size=200)), max_size=4))
@settings(max_examples=150)
def test_any_text_is_read_and_every_quote_is_in_its_message(said: list[tuple[Role, str]]) -> None:
    messages = [Message(content=text, role=role, id=str(number)) for number, (role, text) in enumerate(said)]
    extraction = of(*messages)
    content = {message.id: message.content for message in messages}
    assert all(fact.quote in content[fact.message_id] for fact in extraction.facts)
    assert all(one.quote in content[one.message_id] for one in extraction.dropped)
    assert all(fact.text.strip() and fact.quote.strip() for fact in extraction.facts)
    assert of(*messages) == extraction


WORDS = st.sampled_from(
    [
        "\n",
        *sorted(
            words("""
                I i'm my we the a in on last next week Friday May 5 2023 and , . ? ! ... " ' ` ``` ( ) -
                just for years ago thanks hey can't have been http://a.b you 我 昨天 、 : ; to — St.
            """)
        ),
    ]
)


@given(st.lists(WORDS, max_size=60))
@settings(max_examples=150)
def test_any_mixture_of_words_that_rules_look_for_is_read(said: list[str]) -> None:
    message = user(" ".join(said))
    assert all(fact.quote in message.content for fact in of(message).facts)


@pytest.mark.alone
@pytest.mark.parametrize(
    "piece",
    [
        "a", "A", "1", " ", "\n", ".", "?", "I ", "my ", '"', "`", "```", "“", "「", "-", "'", "@", "a@",
        "a.", "www.", "http://", "last ", "a b ", "A B ", "\t", "¿", "我", "1 ", "1.", "- x\n", "just ",
        "thanks ", "I'd ",
         "and I ", "really ", "May ", "for 2 ", "a, ", ":\n",
    ],
)  # fmt: skip
def test_long_repetitive_text_costs_time_in_proportion_to_its_length(piece: str) -> None:
    def once(characters: int) -> float:
        message = user(piece * (characters // len(piece)))
        start = time.process_time()
        of(message)
        return time.process_time() - start

    def seconds(characters: int) -> float:
        return min(once(characters), once(characters))

    assert seconds(100_000) < 20 * max(seconds(20_000), 0.02)

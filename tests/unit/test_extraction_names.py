"""Named things in statements: quotes, known names, capitals; and German, where all nouns have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.memory.extraction import entities, german_names
from mnemon_service.model.memory import Entity

PERSON, PLACE, ORGANIZATION = "PERSON", "PLACE", "ORGANIZATION"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ich bin vor zwei Wochen nach Leipzig gezogen.", {"Leipzig": PLACE}),
        ("In Berlin habe ich lange gewohnt.", {"Berlin": PLACE}),
        (
            "Ich wohne in Frankfurt am Main und arbeite bei Bosch.",
            {"Frankfurt am Main": PLACE, "Bosch": ORGANIZATION},
        ),
        ("Ich arbeite als Lehrerin in einer Schule in Hamburg.", {"Hamburg": PLACE}),
        ("Wir fliegen im Sommer nach San Francisco.", {"San Francisco": PLACE}),
        ("Meine Schwester Lena kommt aus Bad Homburg.", {"Lena": PERSON, "Bad Homburg": PLACE}),
        ("Ich habe bei Siemens gekündigt.", {"Siemens": ORGANIZATION}),
        ("Ich bringe Frau Müller Blumen.", {"Müller": PERSON}),
        ("Herr Prof. Dr. Hans Meier hat mich operiert.", {"Hans Meier": PERSON}),
        ("Mein Hund heißt Rex.", {"Rex": ""}),
        ("Ich fahre einen BMW und sehe viel auf YouTube.", {"BMW": "", "YouTube": ""}),
        (
            'Ich lese "Der Zauberberg" und schreibe an lena@example.org.',
            {"Der Zauberberg": "", "lena@example.org": ""},
        ),
    ],
)
def test_german_names_are_found_where_the_words_around_say_so(text: str, found: dict[str, str]) -> None:
    assert {entity.name: entity.type for entity in entities.find(text, (), "de")} == found


@pytest.mark.parametrize(
    "text",
    [
        "Ich esse gerne Käse und Oliven.",
        "Ich gehe nach Hause und lebe in Angst.",
        "Ich arbeite in Teilzeit und gehe bald in Rente.",
        "Gestern war ich beim Zahnarzt, nach der Arbeit.",
        "Nach Feierabend fahre ich mit dem Rad.",
        "Ich bleibe bei Regen in der Wohnung, im Juni in der Schule.",
        "Auf dem TV lief nichts, OK.",
        "ICH WILL NACH HAUSE UND ZWAR SOFORT",
    ],
)
def test_german_nouns_are_no_names(text: str) -> None:
    assert entities.find(text, (), "de") == ()


def test_what_the_scope_knows_counts_as_it_is_spelled_there() -> None:
    known = [Entity("Will", PERSON), Entity("Blue Note", "PLACE"), Entity("Blue", "")]
    found = entities.find("Then I will meet Will at the Blue Note.", (), "en", known)
    assert found == (Entity("Will", PERSON), Entity("Blue Note", "PLACE"))
    assert entities.find("Then we will meet at the bar.", (), "en", known) == ()


def test_people_of_the_conversation_count_in_any_case() -> None:
    assert entities.find("heute mit lena im kino", ["Lena"], "de") == (Entity("Lena", PERSON),)


def test_guesses_hold_every_name_of_a_few_words() -> None:
    guesses = entities.names_that_may_be(
        ["I met Ana's friend O'Neill in the Rio de Janeiro", "昨日東京に行った"]
    )
    assert {"O'Neill", "Rio de Janeiro", "I", "東京"} <= set(guesses)


@given(st.lists(st.text(max_size=3_000), max_size=3))
def test_guesses_are_bounded(texts: list[str]) -> None:
    assert len(entities.names_that_may_be(texts)) <= entities.MAXIMUM_GUESSES


@given(st.text(max_size=400))
def test_what_is_found_stands_in_the_text(text: str) -> None:
    for start, name, _ in german_names.find(text):
        assert text[start : start + len(name)] == name

"""The first person becomes the speaker, and the verb agrees as far as simple rules go."""

from __future__ import annotations

import pytest

from mnemon_service.memory.extraction.persons import Speaker, introduced, resolve
from mnemon_service.model.memory import Role

ANA = Speaker.of("Ana", Role.USER)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("I am a nurse.", "Ana is a nurse."),
        ("I'm moving and I've packed.", "Ana is moving and Ana has packed."),
        ("I have a cat and I don't like dogs.", "Ana has a cat and Ana doesn't like dogs."),
        ("I love my job.", "Ana loves Ana's job."),
        ("I really just enjoy tea.", "Ana really just enjoys tea."),
        ("I watch films, I try pizza, I go home.", "Ana watches films, Ana tries pizza, Ana goes home."),
        ("I went, I called and I put it back.", "Ana went, Ana called and Ana put it back."),
        ("I can swim; I'll dive.", "Ana can swim; Ana will dive."),
        ("I'd been ill, I'd like tea.", "Ana had been ill, Ana would like tea."),
        ("My sister and I live here.", "Ana's sister and Ana live here."),
        ("I was ill and I have a cat.", "Ana was ill and Ana has a cat."),
        ("They gave me a book of mine.", "They gave Ana a book of Ana's."),
        ("We're happy in our house.", "Ana and others are happy in Ana's house."),
        ("So do I.", "So does Ana."),
        ("Neither am I, nor have I.", "Neither is Ana, nor has Ana."),
        ("im from porto and i work here", "Ana is from porto and Ana works here"),
        ("Lost my keys yesterday.", "Ana lost Ana's keys yesterday."),
        ("Still looking for a flat.", "Ana is still looking for a flat."),
        ("Gonna paint my room.", "Ana is going to paint Ana's room."),
        ("Excited to see it!", "Ana is excited to see it!"),
        ("Been ill lately.", "Ana has been ill lately."),
        ("Organizing camps is fun.", "Organizing camps is fun."),
        ("Don't give up.", "Don't give up."),
        ('My mother said "I love my cat."', 'Ana\'s mother said "I love my cat."'),
        ("I use `my_i = I` daily.", "Ana uses `my_i = I` daily."),
        ("World War I ended; the US won.", "World War I ended; the US won."),
        ("See https://my.example/I/me now.", "See https://my.example/I/me now."),
    ],
)
def test_the_first_person_becomes_the_speaker(said: str, written: str) -> None:
    assert resolve(said, ANA) == written


def test_a_role_stands_in_for_a_name_that_nobody_gave() -> None:
    assert resolve("I like tea.", Speaker.of("", Role.USER)) == "The user likes tea."
    assert (
        resolve("I suggest my book.", Speaker.of(" ", Role.ASSISTANT))
        == "The assistant suggests the assistant's book."
    )


def test_the_speaker_is_put_before_what_does_not_name_them() -> None:
    assert introduced("Great weather.", ANA) == "Ana: Great weather."
    assert introduced("Ana is ill.", ANA) == "Ana is ill."
    assert introduced("La semana pasada.", ANA) == "Ana: La semana pasada."
    assert introduced("Yes.", Speaker.of("", Role.USER)) == "The user: Yes."

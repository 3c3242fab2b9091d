"""Text that an agent took out of Mnemon, known by its words where nobody marked it as recalled."""

from __future__ import annotations

from mnemon_service.memory.extraction import persons
from mnemon_service.memory.extraction.facts import ExtractedFact
from mnemon_service.memory.extraction.statements import statements
from mnemon_service.model.memory import Role
from mnemon_service.model.text_hash import duplicate_hash


def echoed_texts(fact: ExtractedFact) -> tuple[str, ...]:
    """The statements that a fact's evidence repeats if it is recalled text: the fact is recalled if the
    scope holds each of them word for word as a memory. Empty if it cannot be.

    A person who says what is known says it anew: that is evidence. So of a person's words only those
    count that this extractor would write otherwise than they stand there, as it does with all that people
    say of themselves.
    """
    texts = statements(fact.quote)
    if fact.role is Role.USER:
        rewritten = duplicate_hash(fact.text) != duplicate_hash(fact.quote)
        if not rewritten or any(persons.has_first_person(text) for text in texts):
            return ()
    return texts

"""Text that an agent took out of Mnemon, known by its words where nobody marked it as recalled."""

from __future__ import annotations

import re
from typing import Final

from mnemon_service.memory.extraction import persons, sentences
from mnemon_service.memory.extraction.facts import ExtractedFact
from mnemon_service.model.memory import Role
from mnemon_service.model.text_hash import duplicate_hash

_LIST_MARK: Final = re.compile(r"\A(?:[-*+•]|\d{1,3}[.)]|\[?m?\d{1,3}\])\s+")
_CITATION: Final = re.compile(r"\s*\[m?\d{1,3}\]\Z")


def echoed_texts(fact: ExtractedFact) -> tuple[str, ...]:
    """The statements that a fact's evidence repeats if it is recalled text: the fact is recalled if the
    scope holds each of them word for word as a memory. Empty if it cannot be.

    A person who says what is known says it anew: that is evidence. So of a person's words only those
    count that this extractor would write otherwise than they stand there, as it does with all that people
    say of themselves.
    """
    spans = sentences.split(fact.quote)
    lines = [line for span in spans for line in fact.quote[span.start : span.end].splitlines()]
    texts = tuple(text for line in lines if (text := _bare(line)) and not text.endswith(":"))
    if fact.role is Role.USER:
        rewritten = duplicate_hash(fact.text) != duplicate_hash(fact.quote)
        if not rewritten or any(persons.has_first_person(text) for text in texts):
            return ()
    return texts


def _bare(line: str) -> str:
    """The line without its list mark and the mark to cite it by."""
    return _CITATION.sub("", _LIST_MARK.sub("", line.strip()))

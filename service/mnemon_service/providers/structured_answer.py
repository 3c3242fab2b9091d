"""Reads the JSON out of a model's answer: repairs what is safe, keeps what is complete, invents nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.json_schema import Conformer, DoesNotFit, types_of
from mnemon_service.providers.llm import Finish, Repair, StructuredAnswer
from mnemon_service.providers.retry import Guarded

R = TypeVar("R")

MAXIMUM_DEPTH = 32
"""Deeper nesting than this is not an answer to any schema of ours."""
MAXIMUM_STARTS = 64
"""Brackets in an answer that are tried as the start of the JSON: chatter may hold some of its own."""

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NUMBER = re.compile(r"[-+.0-9eE]+")
_WORD = re.compile(r"[A-Za-z]+")
_START = re.compile(r"[{\[]")
_FENCE_OPENS = re.compile(r"(?:^|\n)[ \t]*(?:```|~~~)[ \t]*\w*\s*$")
_FENCE_CLOSES = re.compile(r"^\s*(?:```|~~~)")
_THOUGHT = re.compile(r"^\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_LITERALS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says. `value` is None if nothing of it could be used."""

    value: dict[str, Any] | None
    repairs: frozenset[Repair] = frozenset()
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What an adapter took out of its SDK's response."""

    text: str
    finish: Finish
    input_tokens: int = 0
    output_tokens: int = 0


def completion_of(response: R, read: Callable[[R], Completion]) -> Completion:
    """`read(response)`. The SDKs do not check what they parse: a bare `{}` or a list arrives as an answer.

    Raises ValueError if the response lacks what `read` looks for.
    """
    try:
        return read(response)
    except (AttributeError, TypeError) as error:
        raise ValueError("the response is no answer of this protocol") from error


def answer_of(
    guarded: Guarded[Completion], *, provider: str, model: str, schema: Mapping[str, Any]
) -> StructuredAnswer:
    """The structured answer of one guarded call, with its cost."""
    completion = guarded.value
    readable = completion.finish in (Finish.STOP, Finish.LENGTH)
    reading = read(completion.text, schema) if readable else Reading(None)
    return StructuredAnswer(
        value=reading.value,
        text=completion.text,
        finish=completion.finish,
        usage=ProviderUsage(
            provider=provider,
            model=model,
            calls=guarded.attempts,
            failed_calls=guarded.failed,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            milliseconds=guarded.milliseconds,
        ),
        repairs=reading.repairs,
        dropped=reading.dropped,
    )


def read(text: str, schema: Mapping[str, Any]) -> Reading:
    """The object in `text` that fits `schema`.

    A well-formed answer is taken as it is. Otherwise the first place is looked for where a value
    starts that fits the schema or is cut off by the end of the text. Of a cut value these parts are
    kept: members of objects and items of lists that were closed, except that an item of a list is
    kept whole or not at all. So for every prefix of a valid answer the lists are prefixes of the
    full answer's lists.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if whole is not None and (reading := _fit(whole, schema, set(), cut=False)):
        return reading
    for parse in _parses(text):
        repairs = set(parse.repairs)
        if parse.cut:
            repairs.add(Repair.CUT)
        repairs |= _surroundings(text, parse)
        if reading := _fit(parse.value, schema, repairs, cut=parse.cut):
            return reading
    return Reading(None)


def _fit(value: object, schema: Mapping[str, Any], repairs: set[Repair], *, cut: bool) -> Reading | None:
    conformer = Conformer(repairs=set(repairs))
    bare = False
    if isinstance(value, list):
        bare, value = True, _wrap(value, schema)
        conformer.repairs.add(Repair.WRAPPED)
    try:
        fitting = conformer.conform(value, schema, cut=cut or bare)
    except DoesNotFit:
        return None
    if not isinstance(fitting, dict) or (cut and not fitting):
        return None
    return Reading(fitting, frozenset(conformer.repairs), conformer.dropped)


def _wrap(items: list[Any], schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """A bare list of objects as the member it must be: the only list of objects there is."""
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    lists = [
        name
        for name, member in properties.items()
        if "array" in types_of(member) and "object" in types_of(member.get("items", {}))
    ]
    return {lists[0]: items} if len(lists) == 1 else None


def _surroundings(text: str, parse: _Parse) -> set[Repair]:
    before, after = text[: parse.start], text[parse.end :]
    repairs = set()
    if opened := _FENCE_OPENS.search(before):
        repairs.add(Repair.FENCE)
        before = before[: opened.start()]
    if closed := _FENCE_CLOSES.search(after):
        repairs.add(Repair.FENCE)
        after = after[closed.end() :]
    if before.strip() or after.strip():
        repairs.add(Repair.CHATTER)
    return repairs


@dataclass(frozen=True, slots=True)
class _Parse:
    value: Any
    start: int
    end: int
    cut: bool
    repairs: frozenset[Repair]


def _parses(text: str) -> Iterator[_Parse]:
    """Every value that starts at a bracket of the text outside the ones before it."""
    thought = _THOUGHT.match(text)
    position = thought.end() if thought else 0
    for _ in range(MAXIMUM_STARTS):
        found = _START.search(text, position)
        if found is None:
            return
        parser = _Parser(text)
        try:
            value, end = parser.value(found.start(), 0)
        except _NotJson:
            position = found.end()
            continue
        yield _Parse(value, found.start(), end, parser.cut, frozenset(parser.repairs))
        position = end


class _NotJson(Exception):
    pass


class _Cut:
    """Stands for a value that the end of the text cut off and of which nothing is kept."""


_CUT = _Cut()


@dataclass(slots=True)
class _Parser:
    """A JSON parser (RFC 8259) that stops at the end of the text instead of failing there."""

    text: str
    cut: bool = False
    repairs: set[Repair] = field(default_factory=set)

    def value(self, position: int, depth: int) -> tuple[Any, int]:
        """The value at `position` and the place after it; `_CUT` if the text ends inside a scalar."""
        position = self._skip(position)
        if position >= len(self.text):
            return self._ended()
        character = self.text[position]
        if character in "{[":
            if depth >= MAXIMUM_DEPTH:
                raise _NotJson
            return self._object(position + 1, depth) if character == "{" else self._array(position + 1, depth)
        if character == '"':
            return self._string(position)
        return self._plain(position)

    def _object(self, position: int, depth: int) -> tuple[Any, int]:
        members: dict[str, Any] = {}
        after_comma = False
        while True:
            position = self._skip(position)
            if position >= len(self.text):
                self.cut = True
                return members, position
            if self.text[position] == "}":
                if after_comma:
                    self.repairs.add(Repair.COMMA)
                return members, position + 1
            if self.text[position] != '"':
                raise _NotJson
            name, position = self._string(position)
            position = self._expect(":", position)
            value, position = self.value(position, depth + 1) if not self.cut else (_CUT, position)
            if value is not _CUT:
                members[name] = value
            if self.cut:
                return members, position
            position, after_comma = self._separator(position, "}")

    def _array(self, position: int, depth: int) -> tuple[Any, int]:
        items: list[Any] = []
        after_comma = False
        while True:
            position = self._skip(position)
            if position >= len(self.text):
                self.cut = True
                return items, position
            if self.text[position] == "]":
                if after_comma:
                    self.repairs.add(Repair.COMMA)
                return items, position + 1
            value, position = self.value(position, depth + 1)
            if self.cut:
                return items, position
            items.append(value)
            position, after_comma = self._separator(position, "]")

    def _separator(self, position: int, closing: str) -> tuple[int, bool]:
        position = self._skip(position)
        if position >= len(self.text) or self.text[position] == closing:
            return position, False
        if self.text[position] != ",":
            raise _NotJson
        return position + 1, True

    def _expect(self, character: str, position: int) -> int:
        if self.cut:
            return position
        position = self._skip(position)
        if position >= len(self.text):
            self.cut = True
            return position
        if self.text[position] != character:
            raise _NotJson
        return position + 1

    def _string(self, position: int) -> tuple[Any, int]:
        found = _STRING.match(self.text, position)
        if found is None:
            return self._ended()
        try:
            return json.loads(found.group()), found.end()
        except ValueError:
            pass
        try:
            lenient = json.loads(found.group(), strict=False)
        except ValueError:
            raise _NotJson from None
        self.repairs.add(Repair.CHARACTER)
        return lenient, found.end()

    def _plain(self, position: int) -> tuple[Any, int]:
        """A number or a literal; at the very end of the text it may have been meant to go on."""
        if found := _NUMBER.match(self.text, position):
            if found.end() == len(self.text):
                return self._ended()
            try:
                return json.loads(found.group()), found.end()
            except ValueError:
                raise _NotJson from None
        found = _WORD.match(self.text, position)
        if found is None:
            raise _NotJson
        word = found.group()
        if found.end() == len(self.text) and any(literal.startswith(word) for literal in _LITERALS):
            return self._ended()
        if word not in _LITERALS:
            raise _NotJson
        return _LITERALS[word], found.end()

    def _ended(self) -> tuple[Any, int]:
        self.cut = True
        return _CUT, len(self.text)

    def _skip(self, position: int) -> int:
        found = _SPACE.match(self.text, position)
        return found.end() if found else position

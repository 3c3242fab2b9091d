"""The part of JSON Schema that every provider's strict mode takes: checks a value, converts what is safe.

A general validator only says that a value is wrong. Here a wrong item of a list costs that item, not
the list, and a value that says the same in another type is converted; both need to walk schema and
value together. Tests compare the verdicts with the `jsonschema` library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnemon_service.providers.llm import Repair

SUPPORTED_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "title", "description"}
)
"""OpenAI, Gemini and Anthropic all take these in strict mode; bounds of numbers and lengths they do not."""

JSON = Any
"""A value as `json.loads` gives it."""


class DoesNotFit(Exception):
    """The value cannot be made to fit the schema."""


@dataclass(slots=True)
class Conformer:
    """Makes values fit a schema and keeps account of what it did to them."""

    repairs: set[Repair] = field(default_factory=set)
    dropped: int = 0

    def conform(self, value: JSON, schema: Mapping[str, Any], *, cut: bool = False) -> JSON:
        """`value`, fitting `schema`.

        With `cut`, members may be missing, but not inside the items of a list. Raises DoesNotFit.
        """
        return self._any(value, schema, inside_item=False, cut=cut)

    def _any(self, value: JSON, schema: Mapping[str, Any], *, inside_item: bool, cut: bool = False) -> JSON:
        types = types_of(schema)
        if value is None and "null" in types:
            return None
        for name in types:
            if name == "object" and isinstance(value, dict):
                return self._object(value, schema, inside_item=inside_item, cut=cut)
            if name == "array":
                if value is None:
                    return self._absent(schema, inside_item=inside_item)
                return self._array(value, schema)
            if name == "string" and isinstance(value, str):
                return self._string(value, schema)
        return self._scalar(value, types)

    def _object(
        self, value: dict[str, JSON], schema: Mapping[str, Any], *, inside_item: bool, cut: bool
    ) -> dict[str, JSON]:
        properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
        fitting: dict[str, JSON] = {}
        for name, member_schema in properties.items():
            if name in value:
                fitting[name] = self._any(value[name], member_schema, inside_item=inside_item, cut=cut)
            elif name in schema.get("required", ()) and not cut:
                fitting[name] = self._absent(member_schema, inside_item=inside_item)
        if value.keys() - properties.keys():
            self.repairs.add(Repair.EXTRA)
        return fitting

    def _absent(self, schema: Mapping[str, Any], *, inside_item: bool) -> JSON:
        """What a member that was left out says: nothing. The outermost object must say it itself, or
        an answer without its list would pass for an empty one."""
        types = types_of(schema)
        if not inside_item or not ({"null", "array"} & set(types)):
            raise DoesNotFit
        self.repairs.add(Repair.FILLED)
        return None if "null" in types else []

    def _array(self, value: JSON, schema: Mapping[str, Any]) -> list[JSON]:
        item_schema: Mapping[str, Any] = schema.get("items", {})
        if not isinstance(value, list):
            single = self._any(value, item_schema, inside_item=True)
            self.repairs.add(Repair.WRAPPED)
            return [single]
        fitting = []
        for item in value:
            before = set(self.repairs), self.dropped
            try:
                fitting.append(self._any(item, item_schema, inside_item=True))
            except DoesNotFit:
                self.repairs, self.dropped = before
                self.repairs.add(Repair.DROPPED)
                self.dropped += 1
        return fitting

    def _string(self, value: str, schema: Mapping[str, Any]) -> str:
        clean = value.encode("utf-8", "replace").decode().replace("\0", "�")
        if clean != value:
            self.repairs.add(Repair.CHARACTER)
        allowed: list[str] | None = schema.get("enum")
        if allowed is None or clean in allowed:
            return clean
        alike = next((name for name in allowed if _fold(name) == _fold(clean)), None)
        if alike is None:
            raise DoesNotFit
        self.repairs.add(Repair.TYPE)
        return alike

    def _scalar(self, value: JSON, types: tuple[str, ...]) -> JSON:
        for name in types:
            if name == "boolean" and isinstance(value, bool):
                return value
            if (
                name in ("number", "integer")
                and (number := _number(value, whole=name == "integer")) is not None
            ):
                if isinstance(value, str):
                    self.repairs.add(Repair.TYPE)
                return number
        raise DoesNotFit


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The schema's `type` as a tuple."""
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the keyword, if a provider's strict mode would not take the schema."""
    for keyword in schema.keys() - SUPPORTED_KEYWORDS:
        raise ValueError(f"a schema for language models cannot use {keyword!r}")
    if "object" in types_of(schema):
        properties = schema.get("properties", {})
        if (
            set(schema.get("required", ())) != set(properties)
            or schema.get("additionalProperties") is not False
        ):
            raise ValueError("objects must require all their properties and allow no others")
        for member in properties.values():
            check_schema(member)
    if "array" in types_of(schema):
        check_schema(schema["items"])


def _fold(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _number(value: JSON, *, whole: bool) -> float | int | None:
    """The number that a value is or spells; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    if not whole:
        return value if isinstance(value, int | float) else number
    return int(number) if number.is_integer() else None

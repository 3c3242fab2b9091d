"""Every text in a request that would be stored, for the project's content policy to see and to replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from mnemon_service.memory.ports import ContentScreen
from mnemon_service.model.settings import ContentPolicy, ProjectSettings

STORED: Final = frozenset(
    {
        "text",
        "texts",
        "content",
        "name",
        "attributed_to",
        "categories",
        "reason",
        "custom_instructions",
        "includes",
        "excludes",
    }
)
"""Fields whose words are the caller's own: of messages, memories, entities and the reasons of changes.
Metadata is looked at besides, its keys too. Ids of scopes are names that the caller must find again by, and
are left alone, as are tokens, etags and request ids."""
LEFT_ALONE: Final = frozenset({"scope", "filter", "update_mask", "sources"})


@dataclass(frozen=True, slots=True)
class StoredText:
    """A text and the way to put another in its place."""

    text: str
    replace: Callable[[str], None]


def screen(policy: ContentScreen, settings: ProjectSettings, messages: Sequence[Message]) -> None:
    """Puts what may be stored in the place of what was to be stored. Raises `FailedPrecondition`
    (CONTENT_REFUSED); then nothing was replaced."""
    if settings.content_policy is not ContentPolicy.OFF:
        screen_found(policy, settings, [found for message in messages for found in stored_texts(message)])


def screen_found(policy: ContentScreen, settings: ProjectSettings, found: Sequence[StoredText]) -> None:
    """The same for texts that were found before."""
    allowed = policy.screen(settings, [one.text for one in found])
    for one, text in zip(found, allowed, strict=True):
        if one.text != text:
            one.replace(text)


def stored_texts(message: Message, only: Iterable[str] = (), *, keys: bool = True) -> Iterator[StoredText]:
    """The texts of a request, at any depth; a key of metadata comes after what it holds.

    `only` names the fields to look at, all if empty; without `keys` those of metadata are passed over.
    """
    wanted = frozenset(only)
    for field, value in message.ListFields():
        if field.name in LEFT_ALONE or (wanted and field.name not in wanted):
            continue
        if field.message_type is None:
            if field.name in STORED:
                yield from _of_strings(message, field.name, value)
        elif isinstance(value, Struct):
            yield from _of_struct(value, keys)
        else:
            for inner in value if field.is_repeated else (value,):
                if isinstance(inner, Message):
                    yield from stored_texts(inner, keys=keys)


def _of_strings(message: Message, name: str, value: Any) -> Iterator[StoredText]:  # noqa: ANN401 (one or many)
    if isinstance(value, str):
        yield StoredText(value, partial(setattr, message, name))
        return
    for place, text in enumerate(value):
        yield StoredText(text, partial(value.__setitem__, place))


def _of_struct(struct: Struct, keys: bool) -> Iterator[StoredText]:
    for key, value in tuple(struct.fields.items()):
        yield from _of_value(value, keys)
        if keys:
            yield StoredText(key, partial(_rename, struct, key))


def _of_value(value: Value, keys: bool) -> Iterator[StoredText]:
    match value.WhichOneof("kind"):
        case "string_value":
            yield StoredText(value.string_value, partial(setattr, value, "string_value"))
        case "struct_value":
            yield from _of_struct(value.struct_value, keys)
        case "list_value":
            for inner in value.list_value.values:
                yield from _of_value(inner, keys)


def _rename(struct: Struct, before: str, after: str) -> None:
    """Two keys that become the same keep the value of the one that is renamed last."""
    struct.fields[after].CopyFrom(struct.fields[before])
    del struct.fields[before]

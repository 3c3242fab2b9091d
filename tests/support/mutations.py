"""Requests of all kinds, made of the contract's descriptors: valid, odd, and broken."""

from __future__ import annotations

import random
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

MAXIMUM_DEPTH: Final = 5
MAXIMUM_CHANGES: Final = 400
"""In one request: lists of deep things would grow without end."""
INTEGERS: Final = (
    0,
    1,
    -1,
    7,
    127,
    128,
    500,
    501,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
)
DOUBLES: Final = (0.0, -0.0, 1.5, -1.0, 1e-320, 1e308, -1e308, float("inf"), float("-inf"), float("nan"))
TEXTS: Final = (
    "",
    " ",
    "ana",
    "a" * 257,
    "ä" * 40_000,
    "\x00",
    "a\x00b",
    "\x1b[31mred\r\n\x07",
    "\u202eright to left",
    "\ufeff\u200b\u2028",
    "\U0001f9e0" * 300,
    "e\u0301" * 200,
    "'; DROP TABLE memories; --",
    '" or 1==1 or "',
    "../../etc/passwd",
    "${jndi:ldap://x}{{7*7}}%s%n",
    "01a20416-1ca7-7475-909e-1fdce8d410d4",
    "01A20416-1CA7-7475-909E-1FDCE8D410D4",
    "metadata." + "a." * 100,
    "user_id",
    "http://127.0.0.1:1/x",
    "*",
)
_INTEGER_BOUNDS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


class Mutator:
    """Makes requests from one seed, always the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._left = 0

    def mutate(self, message: Message) -> None:
        """Changes a few fields of a request, at any depth."""
        self._left = MAXIMUM_CHANGES
        for _ in range(self._random.choice((0, 1, 1, 2, 3, 8))):
            self._change(message, 0)

    def broken(self, raw: bytes) -> bytes:
        """The bytes with some cut, doubled or changed."""
        data = bytearray(raw or b"\x0a\x03abc")
        for _ in range(self._random.randint(1, 4)):
            place = self._random.randrange(len(data)) if data else 0
            match self._random.randrange(4):
                case 0:
                    del data[place:]
                case 1:
                    data[place:place] = self._random.randbytes(self._random.randint(1, 8))
                case 2 if data:
                    data[place] ^= 1 << self._random.randrange(8)
                case _:
                    data += data[:200]
        return bytes(data)

    def _change(self, message: Message, depth: int) -> None:
        fields: list[Any] = list(message.DESCRIPTOR.fields)
        self._left -= 1
        if not fields or self._left < 0:
            return
        field = self._random.choice(fields)
        if self._random.random() < 0.15:
            message.ClearField(field.name)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._add_to_map(message, field, depth)
        elif field.is_repeated:
            self._add(getattr(message, field.name), field, depth)
        elif field.message_type is None:
            setattr(message, field.name, self._scalar(field))
        elif depth < self._depth(field.message_type):
            inner = getattr(message, field.name)
            inner.SetInParent()
            for _ in range(self._random.randint(0, 2)):
                self._change(inner, depth + 1)

    def _depth(self, descriptor: Descriptor) -> int:
        """Filters and JSON may go deep: sometimes they do."""
        recursive = descriptor.full_name.endswith((".Filter", ".Value", ".Struct", ".FilterGroup"))
        return 60 if recursive else MAXIMUM_DEPTH

    def _add(self, target: Any, field: Any, depth: int) -> None:
        for _ in range(self._random.choice((1, 1, 2, 3, 120))):
            if field.message_type is None:
                target.append(self._scalar(field))
            elif depth < self._depth(field.message_type):
                self._change(target.add(), depth + 1)

    def _add_to_map(self, message: Message, field: Any, depth: int) -> None:
        assert field.message_type is not None
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        target = getattr(message, field.name)
        for _ in range(self._random.choice((1, 2, 120))):
            if value.message_type is None:
                target[self._scalar(key)] = self._scalar(value)
            elif depth < self._depth(value.message_type):
                self._change(target[self._scalar(key)], depth + 1)

    def _scalar(self, field: Any) -> Any:
        if field.enum_type is not None:
            known = [value.number for value in field.enum_type.values]
            return self._random.choice([*known, *known, 77, -1])
        if bounds := _INTEGER_BOUNDS.get(field.cpp_type):
            return min(max(self._random.choice(INTEGERS), bounds[0]), bounds[1])
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_BOOL:
                return self._random.random() < 0.5
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                return self._random.randbytes(self._random.choice((0, 1, 16, 5_000)))
            case FieldDescriptor.CPPTYPE_STRING:
                return self._random.choice(TEXTS)
            case _:
                return self._random.choice(DOUBLES)

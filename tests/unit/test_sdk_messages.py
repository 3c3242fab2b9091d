"""Conversations are taken in the forms that users have them in."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from mnemon import InvalidArgumentError, Message, Role
from mnemon._messages import write_messages
from mnemon.v1 import memory_pb2

PICTURE = base64.b64encode(b"picture").decode()


def test_a_string_is_what_the_user_said() -> None:
    (message,) = write_messages("hello")
    assert (message.role, message.content) == (memory_pb2.ROLE_USER, "hello")


@pytest.mark.parametrize(
    ("role", "number"),
    [
        ("user", memory_pb2.ROLE_USER),
        ("assistant", memory_pb2.ROLE_ASSISTANT),
        ("system", memory_pb2.ROLE_SYSTEM),
        ("developer", memory_pb2.ROLE_SYSTEM),
        ("tool", memory_pb2.ROLE_TOOL),
        ("function", memory_pb2.ROLE_TOOL),
        (Role.ASSISTANT, memory_pb2.ROLE_ASSISTANT),
    ],
)
def test_roles_of_other_systems_are_known(role: str, number: int) -> None:
    (message,) = write_messages([{"role": role, "content": "x"}])
    assert message.role == number


def test_openais_parts_become_text_and_pictures() -> None:
    (message,) = write_messages(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
                {"type": "image_url", "image_url": "https://example.com/cat.png"},
            ],
        }
    )
    assert message.content == "Look:"
    assert (message.images[0].media_type, message.images[0].data) == ("image/png", b"picture")
    assert message.images[1].uri == "https://example.com/cat.png"


@pytest.mark.parametrize("time", [1_778_112_000, "2026-05-07T00:00:00Z", datetime(2026, 5, 7, tzinfo=UTC)])
def test_times_are_taken_in_each_form(time: Any) -> None:
    (message,) = write_messages([{"content": "x", "observed_time": time}])
    assert message.observed_time.ToJsonString() == "2026-05-07T00:00:00Z"


def test_a_models_bare_tool_calls_are_left_out() -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert [m.content for m in write_messages([calls, {"role": "tool", "content": "42"}])] == ["42"]
    assert write_messages(None) == []


def test_typed_messages_go_as_they_are() -> None:
    (message,) = write_messages((Message(role=Role.USER, content="x", name="Ana", recalled=True),))
    assert (message.name, message.recalled) == ("Ana", True)


@pytest.mark.parametrize(
    "wrong",
    [
        [{"role": "clown", "content": "x"}],
        [{"role": "user", "content": 42}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,§"}]}],
        [42],
    ],
)
def test_what_is_no_message_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        write_messages(wrong)

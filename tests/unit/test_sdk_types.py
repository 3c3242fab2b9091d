"""The SDK's types are the contract's, and values survive the way there and back."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mnemon
from mnemon import _types, _values
from mnemon._convert import enums
from mnemon._convert.memory import read_memory, write_event_time
from mnemon._convert.message import read_message, write_message
from mnemon._convert.project import read_limits, read_project_settings, write_limits, write_project_settings
from mnemon.v1 import error_reason_pb2, memory_pb2

SDK = Path(mnemon.__file__).parent.parent


@pytest.mark.parametrize("tool", ["generate_types.py", "generate_sync.py"])
def test_generated_code_is_what_its_generator_makes(tool: str) -> None:
    checked = subprocess.run(
        [sys.executable, str(SDK / "tools" / tool), "--check"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_field_of_a_type_is_documented_by_the_contract() -> None:
    text = "".join(path.read_text() for path in (SDK / "mnemon" / "_types").glob("*.py"))
    assert "See the contract." not in text


def test_reasons_are_the_contracts() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in list(error_reason_pb2.ErrorReason.keys())}
    assert {reason.value for reason in _types.ErrorReason} == names


def test_a_memory_reads_as_plain_values() -> None:
    message = memory_pb2.Memory(
        id="m1",
        text="Ana lives in Lisbon.",
        type=memory_pb2.MEMORY_TYPE_EPISODIC,
        categories=["home"],
        attributed_to="Ana",
        version=2,
        confidence=0.5,
    )
    message.scope.user_id = "ana"
    message.metadata.update({"tier": "gold", "stars": 5, "half": 0.5, "tags": ["a", None, True]})
    message.create_time.FromJsonString("2026-05-07T09:30:00.250Z")
    memory = read_memory(message)
    assert memory.scope.user_id == "ana"
    assert memory.type is mnemon.MemoryType.EPISODIC
    assert memory.type == "EPISODIC"
    assert memory.categories == ("home",)
    assert memory.metadata == {"tier": "gold", "stars": 5, "half": 0.5, "tags": ["a", None, True]}
    assert isinstance(memory.metadata["stars"], int)
    assert memory.create_time == datetime(2026, 5, 7, 9, 30, 0, 250_000, tzinfo=UTC)
    assert memory.event_time is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        memory.text = "other"  # type: ignore[misc]


def test_an_unknown_enum_number_of_a_newer_server_reads_as_unspecified() -> None:
    message = memory_pb2.Memory()
    message.type = 99  # type: ignore[assignment]
    assert read_memory(message).type is mnemon.MemoryType.UNSPECIFIED


def test_to_dict_gives_json_values_without_empty_fields() -> None:
    memory = mnemon.Memory(
        id="m1",
        text="x",
        state=mnemon.MemoryState.ACTIVE,
        create_time=datetime(2026, 5, 7, tzinfo=UTC),
        sources=(mnemon.Source(role=mnemon.Role.USER, quote="x"),),
    )
    assert memory.to_dict() == {
        "id": "m1",
        "text": "x",
        "state": "ACTIVE",
        "confidence": 0.0,
        "create_time": "2026-05-07T00:00:00Z",
        "run_position": 0,
        "sequence": 0,
        "sources": [{"role": "USER", "quote": "x"}],
        "version": 0,
    }


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_times_survive_to_the_microsecond(naive: datetime) -> None:
    time = naive.replace(tzinfo=UTC)
    assert _values.read_time(_values.write_time(time)) == time


@given(st.timedeltas(min_value=timedelta(days=-3000), max_value=timedelta(days=3000)))
def test_durations_survive_to_the_microsecond(span: timedelta) -> None:
    assert _values.read_duration(_values.write_duration(span)) == span


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_json_objects_survive(value: dict[str, object]) -> None:
    assert _values.read_struct(_values.write_struct(value)) == value


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(mnemon.InvalidArgumentError, match="no time zone"):
        _values.write_time(datetime(2026, 5, 7))


def test_a_value_that_is_no_json_is_refused() -> None:
    with pytest.raises(mnemon.InvalidArgumentError, match="object is not"):
        _values.write_struct({"thing": object()})


def test_words_are_taken_in_any_case_and_unknown_ones_refused() -> None:
    assert enums.MEMORY_TYPE.write("procedural") == memory_pb2.MEMORY_TYPE_PROCEDURAL
    with pytest.raises(mnemon.InvalidArgumentError, match="SEMANTIC"):
        enums.MEMORY_TYPE.write("factual")


def test_settings_limits_and_messages_survive() -> None:
    limits = mnemon.Limits(requests_per_second=2.5, adds_per_day=0)
    assert read_limits(write_limits(limits)) == limits
    settings = mnemon.ProjectSettings(
        custom_instructions="x",
        agent_instructions={"a": "b"},
        categories=(mnemon.CategoryDefinition(name="food"),),
        deleted_retention=timedelta(days=1),
        limits=limits,
        content_policy=mnemon.ContentPolicy.REDACT,
    )
    assert read_project_settings(write_project_settings(settings)) == settings
    message = mnemon.Message(
        role=mnemon.Role.TOOL, content="x", images=(mnemon.Image(media_type="image/png", data=b"1"),)
    )
    assert read_message(write_message(message)) == message


def test_a_mapping_with_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(mnemon.InvalidArgumentError, match="presision"):
        write_event_time({"presision": "DAY"})


def test_every_public_name_exists() -> None:
    assert all(hasattr(mnemon, name) for name in mnemon.__all__)


def test_recalled_text_is_marked_so_that_it_is_not_remembered_again() -> None:
    context = mnemon.BuildContextResponse(text="Ana lives in Lisbon [m1].", token_count=9)
    message = write_message(context.as_message())
    assert str(context) == message.content == "Ana lives in Lisbon [m1]."
    assert message.recalled
    assert message.role == memory_pb2.ROLE_SYSTEM
    assert context.as_message("user").role is mnemon.Role.USER


def test_an_operation_knows_whether_it_has_ended_and_what_came_of_it() -> None:
    running = mnemon.Operation(state=mnemon.OperationState.RUNNING)
    ended = mnemon.Operation(
        state=mnemon.OperationState.SUCCEEDED,
        delete_memories=mnemon.DeleteMemoriesResult(deleted_count=3),
    )
    assert (running.done, running.result) == (False, None)
    assert ended.done
    assert ended.result == mnemon.DeleteMemoriesResult(deleted_count=3)

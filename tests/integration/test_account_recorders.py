"""Calls and costs are counted beside the calls: nothing waits, nothing is lost but to a kill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import structlog

from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.errors import Unavailable
from mnemon_service.model.settings import DefaultSettings, ProjectSettings
from mnemon_service.model.usage import NoMeter, ProviderUsage, spent_in_vain
from mnemon_service.record.projects import SERVER_PROJECT
from mnemon_service.record.record import Record
from mnemon_service.record.usage import UsageKey, Used
from mnemon_service.server import request_recorder, usage_recorder
from mnemon_service.server.boundary import EndedCall
from mnemon_service.server.request_recorder import RequestRecorder
from mnemon_service.server.usage_recorder import UsageRecorder
from support.records import PROJECT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = "2026-03-01"
ANA = Caller(PROJECT, KeyRole.WRITER, "key-1")


def ended(code: str = "OK", caller: Caller | None = ANA, number: int = 0, owner: str = "") -> EndedCall:
    method, time = "MemoryService/GetMemory", NOW.timestamp()
    return EndedCall(f"r{number}", method, code, "", caller, 1.23456, time, owner)


def meter(record: Record) -> UsageRecorder:
    return UsageRecorder(record.usage, NoMeter(), lambda: NOW)


async def figures(record: Record) -> dict[UsageKey, Used]:
    return dict(await record.usage.read(PROJECT, DAY, DAY, by_owner=True, by_model=True))


async def test_sums_are_written_when_it_stops(record: Record) -> None:
    recorder = meter(record)
    recorder.start()
    for code in ("OK", "NOT_FOUND"):
        recorder.call_ended(ended(code))
    recorder.call_ended(ended(caller=None))
    recorder.call_ended(ended(owner="user_id:ana"))
    recorder.searched(PROJECT, "user_id:ana")
    recorder.spent(PROJECT, "key-1", [ProviderUsage("openai", "gpt-5-mini", 2, 1, 30, 4)], "user_id:ana")
    await recorder.stop()
    assert await figures(record) == {
        UsageKey(PROJECT, DAY): Used(calls=2, failed_calls=1),
        UsageKey(PROJECT, DAY, "user_id:ana"): Used(calls=1, searches=1),
        UsageKey(PROJECT, DAY, "user_id:ana", "openai/gpt-5-mini"): Used(2, 1, 30, 4),
    }


async def test_sums_outlive_a_record_that_is_away(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = meter(record)
    recorder.searched(PROJECT, "user_id:ana")
    with monkeypatch.context() as away:

        async def refuse(*_: object) -> None:
            raise Unavailable("away")

        away.setattr(record.usage, "add", refuse)
        await recorder.write()
    recorder.searched(PROJECT, "user_id:ana")
    await recorder.write()
    await recorder.write()
    assert await figures(record) == {UsageKey(PROJECT, DAY, "user_id:ana"): Used(searches=2)}


async def test_memory_stays_bounded_for_any_number_of_users(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_recorder, "MAXIMUM_KEYS", 2)
    recorder = meter(record)
    for user in ("ana", "bo", "cy", "ana", "dee"):
        recorder.searched(PROJECT, f"user_id:{user}")
    await recorder.write()
    assert await figures(record) == {
        UsageKey(PROJECT, DAY): Used(searches=2),
        UsageKey(PROJECT, DAY, "user_id:ana"): Used(searches=2),
        UsageKey(PROJECT, DAY, "user_id:bo"): Used(searches=1),
    }


async def test_calls_reach_the_log_of_their_project(record: Record) -> None:
    recorder = RequestRecorder(record.request_log, DefaultSettings())
    recorder.start()
    recorder.call_ended(ended("NOT_FOUND", number=1))
    recorder.call_ended(ended(caller=Caller("", KeyRole.ROOT, "key-0")))
    recorder.call_ended(ended(caller=None))
    await recorder.stop()
    [call], _ = await record.request_log.list(PROJECT)
    assert (call.request_id, call.code, call.key_id, call.milliseconds) == ("r1", "NOT_FOUND", "key-1", 1.235)
    assert call.start_time == NOW
    [by_root], _ = await record.request_log.list(SERVER_PROJECT)
    assert by_root.key_id == "key-0"


async def test_what_cannot_wait_is_dropped_and_counted(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_recorder, "MAXIMUM_WAITING", 3)
    recorder = RequestRecorder(record.request_log, DefaultSettings())
    for number in range(5):
        recorder.call_ended(ended(number=number))
    with structlog.testing.capture_logs() as logs:
        await recorder.write()
    assert [(line["event"], line["count"]) for line in logs] == [("calls missing in the request log", 2)]
    assert len((await record.request_log.list(PROJECT))[0]) == 3


async def test_each_project_keeps_its_calls_as_long_as_it_says(record: Record) -> None:
    class OneDay:
        async def of(self, project_id: str) -> ProjectSettings:
            return ProjectSettings(request_log_retention=timedelta(days=1))

    recorder = RequestRecorder(record.request_log, OneDay())
    recorder.call_ended(ended())
    recorder.call_ended(
        EndedCall("new", "MemoryService/GetMemory", "OK", "", ANA, 1.0, datetime.now(UTC).timestamp())
    )
    await recorder.write()
    await recorder.tidy()
    assert [call.request_id for call in (await record.request_log.list(PROJECT))[0]] == ["new"]


def test_a_failed_providers_cost_is_in_its_error() -> None:
    said = {
        "provider": "openai",
        "calls": "3",
        "failed_calls": "2",
        "input_tokens": "50",
        "output_tokens": "0",
    }
    assert spent_in_vain(Unavailable("away", metadata=said)) == [ProviderUsage("openai", "", 3, 2, 50, 0)]
    assert spent_in_vain(Unavailable("away")) == []

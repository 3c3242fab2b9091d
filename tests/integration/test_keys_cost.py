"""What a key costs a call: next to nothing, since a known one is compared in memory."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from mnemon_service.model.api_key import ApiKey
from mnemon_service.model.caller import KeyRole
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.record import Record
from mnemon_service.server.authentication import Authenticator, Metadata, OpenDoor
from mnemon_service.server.key_authenticator import KeyAuthenticator
from support.key_sender import bearer
from support.records import PROJECT

MICROSECONDS = 100.0
"""Over an anonymous call; the promise of `docs/security.md`."""


async def cost(authenticator: Authenticator, metadata: Metadata) -> float:
    """Microseconds of processor time a call: the median of many short runs."""
    runs = []
    for _ in range(60):
        begun = time.thread_time_ns()
        for _ in range(50):
            await authenticator.authenticate(metadata, ())
        runs.append((time.thread_time_ns() - begun) / 50_000)
    return statistics.median(runs)


@pytest.mark.alone
async def test_an_authenticated_call_costs_little_more_than_an_anonymous_one(tmp_path: Path) -> None:
    record = await Record.open(tmp_path / "mnemon.db")
    await record.projects.create(PROJECT)
    key = await record.keys.create(ApiKey("", PROJECT, KeyRole.WRITER), AuditEvent("CreateApiKey", ""))
    door = KeyAuthenticator(record)
    with_key, without = await cost(door, bearer(key.secret)), await cost(OpenDoor(), ())
    print(f"{with_key:.1f} µs with a key, {without:.1f} µs without")
    assert with_key - without < MICROSECONDS
    await door.close()
    await record.close()

"""Webhooks in the record: one worker at a time, nothing skipped, nothing of one memory out of order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mnemon_service.model.errors import Aborted, NotFound
from mnemon_service.model.memory import VersionEvent
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.record.webhook import Delivery, DeliveryState, Webhook, WebhookClaim, WebhookState
from support.records import ALL, ANA, BO, OTHER_PROJECT, PROJECT, TestClock, add_texts, delete, erase

LEASE = timedelta(seconds=60)
EVENT = AuditEvent("CreateWebhook", "", PROJECT)
URL = "https://hook.example/"


async def make(record: Record, *, from_beginning: bool = True, **fields: object) -> Webhook:
    webhook = Webhook(PROJECT, "", URL, secret=b"s" * 32, **fields)  # type: ignore[arg-type]
    return await record.webhooks.create(webhook, EVENT, from_beginning=from_beginning)


async def claimed(record: Record) -> WebhookClaim:
    [claim] = await record.deliveries.claim(LEASE)
    return claim


async def queue(record: Record, claim: WebhookClaim) -> WebhookClaim:
    webhook = claim.webhook
    changes, position = await record.log.after(
        ALL, webhook.read_sequence, scope=webhook.scope, events=webhook.events
    )
    return await record.deliveries.queue(claim, changes, position, LEASE)


async def due(record: Record, claim: WebhookClaim) -> list[Delivery]:
    return [delivery for delivery, _ in await record.deliveries.due(claim, 100)]


def succeeded(delivery: Delivery) -> Delivery:
    return replace(delivery, state=DeliveryState.SUCCEEDED, attempts=1, response_code=204, retry_time=None)


async def test_a_webhook_begins_at_the_end_of_the_log_or_at_its_start(record: Record) -> None:
    await add_texts(record, ["one", "two"])
    late, early = await make(record, from_beginning=False), await make(record)
    assert (late.delivered_sequence, early.delivered_sequence) == (2, 0)
    [claim] = await record.deliveries.claim(LEASE)
    assert claim.webhook.id == early.id


async def test_each_webhook_has_one_worker_until_its_lease_ends(record: Record, clock: TestClock) -> None:
    await add_texts(record, ["one"])
    await make(record)
    first = await claimed(record)
    assert await record.deliveries.claim(LEASE) == []
    clock.advance(seconds=61)
    second = await claimed(record)
    with pytest.raises(Aborted):
        await queue(record, first)
    with pytest.raises(Aborted):
        await record.deliveries.tried(first, [], LEASE)
    await record.deliveries.release(first)
    assert await record.deliveries.claim(LEASE) == []
    second = await queue(record, second)
    await record.deliveries.tried(second, [succeeded(one) for one in await due(record, second)], LEASE)
    await record.deliveries.release(second)
    assert await record.deliveries.claim(LEASE) == []


async def test_changes_of_one_memory_wait_for_the_earlier_ones(record: Record, clock: TestClock) -> None:
    one, two = await add_texts(record, ["one", "two"])
    await delete(record, one.id)
    claim = await queue(record, await make_and_claim(record))
    first, second = await due(record, claim)
    assert [first.memory_id, second.memory_id] == [one.id, two.id]
    later = replace(first, attempts=1, retry_time=clock() + timedelta(seconds=30))
    await record.deliveries.tried(claim, [later, succeeded(second)], LEASE)
    assert await due(record, claim) == []
    assert (await record.webhooks.get(ALL, claim.webhook.id)).delivered_sequence == 0
    assert await record.deliveries.next_due() == later.retry_time
    await record.deliveries.release(claim)
    assert await record.deliveries.claim(LEASE) == []
    clock.advance(seconds=31)
    claim = await claimed(record)
    [again] = await due(record, claim)
    assert (again.id, again.attempts, again.sequence) == (first.id, 1, 1)
    failed = replace(again, state=DeliveryState.FAILED, attempts=2, error="no", retry_time=None)
    await record.deliveries.tried(claim, [failed], LEASE)
    [last] = await due(record, claim)
    assert (last.memory_id, last.sequence) == (one.id, 3)
    assert (await record.webhooks.get(ALL, claim.webhook.id)).delivered_sequence == 2
    dead, _ = await record.deliveries.list(ALL, claim.webhook.id, state=DeliveryState.FAILED)
    assert [(one.sequence, one.error) for one in dead] == [(1, "no")]


async def make_and_claim(record: Record) -> WebhookClaim:
    await make(record)
    return await claimed(record)


async def test_only_what_was_asked_for_is_queued(record: Record) -> None:
    [ana] = await add_texts(record, ["of ana"], ANA)
    await add_texts(record, ["of bo"], BO)
    await delete(record, ana.id)
    await make(record, scope=ANA, events=(VersionEvent.DELETED,))
    claim = await queue(record, await claimed(record))
    assert [delivery.sequence for delivery in await due(record, claim)] == [3]
    assert claim.webhook.read_sequence == 3


async def test_what_was_erased_meanwhile_is_sent_without_content(record: Record) -> None:
    [one] = await add_texts(record, ["the secret"])
    claim = await queue(record, await make_and_claim(record))
    await erase(record, one.id)
    [(_, version)] = await record.deliveries.due(claim, 10)
    assert version.memory.text == version.previous_text == ""


async def test_pausing_keeps_the_place(record: Record) -> None:
    await add_texts(record, ["one"])
    webhook = await make(record)

    def to(state: WebhookState) -> object:
        return record.webhooks.update(ALL, webhook.id, lambda before: replace(before, state=state), EVENT)

    paused = await to(WebhookState.PAUSED)  # type: ignore[misc]
    assert paused.etag != webhook.etag
    await add_texts(record, ["two"])
    assert await record.deliveries.claim(LEASE) == []
    await to(WebhookState.ACTIVE)  # type: ignore[misc]
    claim = await queue(record, await claimed(record))
    assert [delivery.sequence for delivery in await due(record, claim)] == [1, 2]


async def test_an_old_etag_changes_nothing(record: Record) -> None:
    webhook = await make(record)
    for etag in (webhook.etag, ""):
        await record.webhooks.update(ALL, webhook.id, lambda before: before, EVENT, etag=etag)
    with pytest.raises(Aborted) as conflict:
        await record.webhooks.update(ALL, webhook.id, lambda before: before, EVENT, etag=webhook.etag)
    assert conflict.value.metadata["etag"] == '"3"'


async def test_a_deleted_webhook_leaves_nothing_and_stops_its_worker(record: Record) -> None:
    await add_texts(record, ["one"])
    webhook = await make(record)
    claim = await queue(record, await claimed(record))
    await record.webhooks.delete(ALL, webhook.id, EVENT)
    with pytest.raises(Aborted):
        await record.deliveries.tried(claim, [], LEASE)
    assert (await record.deliveries.list(ALL, webhook.id))[0] == []
    with pytest.raises(NotFound):
        await record.webhooks.get(ALL, webhook.id)


async def test_another_project_sees_nothing_of_it(record: Record) -> None:
    await add_texts(record, ["one"])
    webhook, stranger = await make(record), Access(OTHER_PROJECT)
    await queue(record, await claimed(record))
    for attempt in (
        record.webhooks.get(stranger, webhook.id),
        record.webhooks.delete(stranger, webhook.id, EVENT),
        record.webhooks.update(stranger, webhook.id, lambda before: before, EVENT),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await record.webhooks.list(stranger))[0] == []
    assert (await record.deliveries.list(stranger, webhook.id))[0] == []


async def test_lists_are_paged_newest_first(record: Record) -> None:
    made = [(await make(record)).id for _ in range(3)]
    first, token = await record.webhooks.list(ALL, page_size=2)
    rest, end = await record.webhooks.list(ALL, page_size=2, page_token=token)
    assert [webhook.id for webhook in (*first, *rest)] == made[::-1]
    assert end == ""


async def test_old_deliveries_are_forgotten(record: Record, clock: TestClock) -> None:
    await add_texts(record, ["one", "two", "three"])
    claim = await queue(record, await make_and_claim(record))
    one, two, _ = await due(record, claim)
    given_up = replace(two, state=DeliveryState.FAILED, retry_time=None)
    await record.deliveries.tried(claim, [succeeded(one), given_up], LEASE)
    clock.advance(days=4)
    kept = {"succeeded": timedelta(days=3), "failed": timedelta(days=30)}
    assert await record.deliveries.drop_old(**kept) == 1
    clock.advance(days=30)
    assert await record.deliveries.drop_old(**kept) == 1
    [left], _ = await record.deliveries.list(ALL, claim.webhook.id)
    assert left.state is DeliveryState.PENDING

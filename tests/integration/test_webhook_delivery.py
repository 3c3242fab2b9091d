"""Webhooks deliver every change at least once, in order for each memory, whatever the receiver does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from mnemon_service.admin.webhook_delivery import RetrySchedule, WebhookDeliverer
from mnemon_service.admin.webhook_sender import SenderOptions, WebhookSender
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.record import Record
from mnemon_service.record.webhook import Delivery, DeliveryState, Webhook, WebhookState
from support.records import ALL, PROJECT, add_texts, delete, erase, rewrite
from support.webhook_receiver import WebhookReceiver, webhook_receiver

EVENT = AuditEvent("CreateWebhook", "", PROJECT)
QUICK = RetrySchedule(attempts=3, first_seconds=0.01, longest_seconds=0.05)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


@asynccontextmanager
async def delivering(record: Record, schedule: RetrySchedule = QUICK) -> AsyncIterator[WebhookDeliverer]:
    sender = WebhookSender(SenderOptions(allow_http=True, allow_private_addresses=True))
    deliverer = WebhookDeliverer(record, sender, schedule)
    deliverer.start()
    try:
        yield deliverer
    finally:
        await deliverer.stop()


async def hook(record: Record, receiver: WebhookReceiver, **fields: object) -> Webhook:
    webhook = Webhook(PROJECT, "", receiver.url, secret=b"s" * 32, **fields)  # type: ignore[arg-type]
    return await record.webhooks.create(webhook, EVENT, from_beginning=True)


async def arrived(receiver: WebhookReceiver, count: int) -> list[tuple[str, int]]:
    """Type and sequence of the first requests, once so many have come."""
    requests = await asyncio.to_thread(receiver.wait, count)
    return [(each.event["type"], int(each.event["data"]["sequence"])) for each in requests]


async def all_in(record: Record, webhook: Webhook, state: DeliveryState, count: int) -> list[Delivery]:
    """The deliveries in a state, once there are so many and the webhook is at rest."""
    async with asyncio.timeout(30):
        while True:
            found, _ = await record.deliveries.list(ALL, webhook.id, state=state)
            if len(found) == count:
                return found
            await asyncio.sleep(0.02)


async def test_the_whole_log_arrives_once(record: Record, receiver: WebhookReceiver) -> None:
    stored = await add_texts(record, [f"fact {number}" for number in range(25)])
    webhook = await hook(record, receiver)
    async with delivering(record):
        await arrived(receiver, 25)
        await delete(record, stored[0].id)
        await arrived(receiver, 26)
        await all_in(record, webhook, DeliveryState.SUCCEEDED, 26)
    came = [int(each.event["data"]["sequence"]) for each in receiver.arrived]
    assert sorted(came) == list(range(1, 27))
    assert len({each.id for each in receiver.arrived}) == 26
    assert (await record.webhooks.get(ALL, webhook.id)).delivered_sequence == 26
    first = next(each.event for each in receiver.arrived if each.event["data"]["sequence"] == "1")
    assert first["type"] == "memory.added"
    assert first["data"]["memory"]["text"] == "fact 0"
    assert first["data"]["projectId"] == PROJECT


async def test_a_memory_is_told_in_order_though_its_first_change_is_refused(
    record: Record, receiver: WebhookReceiver
) -> None:
    [one] = await add_texts(record, ["one"])
    await rewrite(record, one.id, "two")
    await delete(record, one.id)
    receiver.answer(500, 429)
    webhook = await hook(record, receiver)
    async with delivering(record):
        await all_in(record, webhook, DeliveryState.SUCCEEDED, 3)
    assert await arrived(receiver, 5) == [
        ("memory.added", 1),
        ("memory.added", 1),
        ("memory.added", 1),
        ("memory.updated", 2),
        ("memory.deleted", 3),
    ]
    tries = receiver.arrived[:3]
    assert len({each.id for each in tries}) == 1
    [succeeded] = (await all_in(record, webhook, DeliveryState.SUCCEEDED, 3))[2:]
    assert (succeeded.attempts, succeeded.response_code, succeeded.error) == (3, 204, "")


async def test_what_nobody_takes_is_set_aside_and_does_not_stop_the_rest(
    record: Record, receiver: WebhookReceiver
) -> None:
    await add_texts(record, ["one"])
    receiver.always(500)
    webhook = await hook(record, receiver)
    async with delivering(record) as deliverer:
        [dead] = await all_in(record, webhook, DeliveryState.FAILED, 1)
        assert (dead.attempts, dead.response_code, dead.error) == (3, 500, "the receiver answered 500")
        assert dead.retry_time is None
        receiver.always(204)
        await add_texts(record, ["two"])
        deliverer.wake()
        await all_in(record, webhook, DeliveryState.SUCCEEDED, 1)
    assert (await record.webhooks.get(ALL, webhook.id)).delivered_sequence == 2


async def test_a_receiver_that_is_gone_for_good_is_not_asked_again(
    record: Record, receiver: WebhookReceiver
) -> None:
    await add_texts(record, ["one"])
    receiver.always(410)
    webhook = await hook(record, receiver)
    async with delivering(record):
        [dead] = await all_in(record, webhook, DeliveryState.FAILED, 1)
    assert dead.attempts == 1


async def test_another_worker_goes_on_where_one_was_stopped(
    record: Record, receiver: WebhookReceiver
) -> None:
    await add_texts(record, [f"fact {number}" for number in range(10)])
    receiver.always(500)
    webhook = await hook(record, receiver)
    slow = RetrySchedule(attempts=5, first_seconds=0.3, longest_seconds=0.3)
    async with delivering(record, slow):
        await arrived(receiver, 4)
    receiver.always(204)
    async with delivering(record, slow), delivering(record, slow):
        await all_in(record, webhook, DeliveryState.SUCCEEDED, 10)
    assert (await record.webhooks.get(ALL, webhook.id)).delivered_sequence == 10


async def test_a_paused_webhook_is_silent_and_goes_on_from_its_place(
    record: Record, receiver: WebhookReceiver
) -> None:
    webhook = await hook(record, receiver, state=WebhookState.PAUSED)
    await add_texts(record, ["one", "two"])
    async with delivering(record) as deliverer:
        await asyncio.sleep(0.3)  # it must stay silent: there is no event for that
        assert receiver.arrived == []
        await record.webhooks.update(
            ALL, webhook.id, lambda before: replace(before, state=WebhookState.ACTIVE), EVENT
        )
        deliverer.wake()
        assert sorted(await arrived(receiver, 2)) == [("memory.added", 1), ("memory.added", 2)]


async def test_without_content_only_ids_are_sent(record: Record, receiver: WebhookReceiver) -> None:
    [one] = await add_texts(record, ["my secret wish"])
    await hook(record, receiver, without_content=True)
    async with delivering(record):
        [request] = await asyncio.to_thread(receiver.wait, 1)
    assert b"secret" not in request.body
    assert request.event["data"] == {
        "sequence": "1",
        "memoryId": one.id,
        "version": "1",
        "event": "VERSION_EVENT_ADDED",
        "memory": {"scope": {"userId": "ana"}},
        "recordTime": request.event["data"]["recordTime"],
        "projectId": PROJECT,
    }


async def test_what_was_erased_before_its_turn_is_sent_empty(
    record: Record, receiver: WebhookReceiver
) -> None:
    [one] = await add_texts(record, ["my secret wish"])
    receiver.answer(500)
    webhook = await hook(record, receiver)
    slow = RetrySchedule(attempts=5, first_seconds=1.0, longest_seconds=1.0)
    async with delivering(record, slow):
        await arrived(receiver, 1)
        await erase(record, one.id)
        await all_in(record, webhook, DeliveryState.SUCCEEDED, 2)
    for request in receiver.arrived[1:]:
        assert b"secret" not in request.body

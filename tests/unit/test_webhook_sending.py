"""Webhooks go where they may, to the address that was checked, signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemon_service.admin.webhook_delivery import RetrySchedule
from mnemon_service.admin.webhook_sender import SenderOptions, WebhookSender, is_public, signature
from mnemon_service.model.errors import InvalidArgument
from support.webhook_receiver import WebhookReceiver, webhook_receiver

SECRET = b"0123456789abcdef0123456789abcdef"
STRICT = SenderOptions()
OPEN = SenderOptions(allow_http=True, allow_private_addresses=True)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


def resolving(*addresses: str) -> WebhookSender:
    """A strict sender in whose world every name has these addresses, http allowed."""

    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return WebhookSender(SenderOptions(allow_http=True), resolve)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 (nothing is bound)
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001:db8::1",
    ],
)
async def test_addresses_that_only_this_machine_can_reach_are_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    sent = await resolving(address).send("http://hook.example/", SECRET, "m", 1, b"{}")
    assert (sent.status, "private network" in sent.error) == (0, True)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_public_addresses_are_not(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


async def test_one_private_address_among_public_ones_is_enough() -> None:
    sent = await resolving("93.184.216.34", "127.0.0.1").send("http://h.example/", SECRET, "m", 1, b"")
    assert "private network" in sent.error


@given(st.integers(0, 2**32 - 1))
def test_an_address_in_disguise_is_judged_as_itself(number: int) -> None:
    plain = ipaddress.IPv4Address(number)
    for disguise in (f"::ffff:{plain}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"):
        assert is_public(ipaddress.ip_address(disguise)) == is_public(plain)


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/",
        "ftp://hook.example/",
        "https://",
        "https://user:password@hook.example/",
        "https://127.0.0.1/",
        "https://[::1]:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
    ],
)
def test_a_wrong_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        WebhookSender(STRICT).check_url(url, "webhook.url")
    assert refused.value.violations[0].field == "webhook.url"
    WebhookSender(STRICT).check_url("https://hook.example:8443/a?b=c", "webhook.url")


async def test_the_connection_goes_to_the_address_that_was_checked(receiver: WebhookReceiver) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    sender = WebhookSender(OPEN, resolve)
    port = receiver.url.rpartition(":")[2]
    sent = await sender.send(f"http://hook.invalid:{port}", SECRET, "msg-1", 1700000000, b'{"a":1}')
    assert sent.succeeded
    assert asked == ["hook.invalid"]
    [arrived] = receiver.wait(1)
    assert arrived.headers["host"].startswith("hook.invalid:")


async def test_a_message_is_signed_over_id_time_and_body(receiver: WebhookReceiver) -> None:
    body = '{"text":"Grüße"}'.encode()
    assert (await WebhookSender(OPEN).send(receiver.url, SECRET, "msg-1", 1700000000, body)).succeeded
    [arrived] = receiver.wait(1)
    expected = hmac.new(SECRET, b"msg-1.1700000000." + body, hashlib.sha256).digest()
    assert arrived.headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert arrived.headers["webhook-id"] == "msg-1"
    assert arrived.headers["webhook-timestamp"] == "1700000000"
    assert arrived.headers["content-type"] == "application/json"
    assert arrived.body == body
    assert arrived.path == "/hook"


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """https://github.com/standard-webhooks/standard-webhooks: the test vector of its libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_redirects_are_not_followed(receiver: WebhookReceiver) -> None:
    receiver.answer(302, location=receiver.url + "/elsewhere")
    sent = await WebhookSender(OPEN).send(receiver.url, SECRET, "m", 1, b"{}")
    assert (sent.status, sent.succeeded) == (302, False)
    assert len(receiver.arrived) == 1


async def test_failures_are_told_in_our_own_words(receiver: WebhookReceiver) -> None:
    receiver.answer(503, retry_after="7")
    busy = await WebhookSender(OPEN).send(receiver.url, SECRET, "m", 1, b"{}")
    assert (busy.status, busy.error, busy.retry_after) == (503, "the receiver answered 503", 7.0)
    nobody = await WebhookSender(OPEN).send("http://127.0.0.1:9/", SECRET, "m", 1, b"{}")
    assert (nobody.status, nobody.error) == (0, "the connection failed: ConnectError")


async def test_a_receiver_that_hangs_is_left() -> None:
    async def never(host: str, port: int) -> list[str]:
        import asyncio

        await asyncio.Event().wait()
        return []

    sender = WebhookSender(SenderOptions(allow_http=True, timeout=0.05), never)
    sent = await sender.send("http://hook.example/", SECRET, "m", 1, b"{}")
    assert sent.error == "no answer within 0.05 s"


def test_pauses_grow_and_stay_bounded() -> None:
    schedule = RetrySchedule(attempts=20)
    pauses = [schedule.pause(attempts) for attempts in range(1, 20)]
    for attempts, pause in enumerate(pauses, start=1):
        base = min(5.0 * 4 ** (attempts - 1), 6 * 3600.0)
        assert base <= pause <= 1.1 * base

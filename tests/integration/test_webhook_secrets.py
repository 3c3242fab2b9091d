"""Webhooks' signing secrets are sealed in the record; the key lies elsewhere and can be replaced."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnemon_service.admin.secret_box import SecretBox, SecretUnreadable
from mnemon_service.admin.webhook_sender import SenderOptions, WebhookSender
from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.app.secret_keys import seal_stored, secret_box
from mnemon_service.record.audit import AuditEvent
from mnemon_service.record.record import Record
from mnemon_service.record.webhook import Webhook
from mnemon_service.settings import Settings
from support.records import ALL, PROJECT
from support.webhook_receiver import WebhookReceiver, webhook_receiver

EVENT = AuditEvent("CreateWebhook", "", PROJECT)
SECRET = bytes(range(32))
OPEN = SenderOptions(allow_http=True, allow_private_addresses=True)


def settings(**values: Any) -> Settings:
    return Settings(**{"address": "127.0.0.1:0", **values})


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


def bytes_of(directory: Path) -> bytes:
    """The database's files."""
    return b"".join(file.read_bytes() for file in directory.glob("mnemon.db*"))


async def hook(record: Record, secret: bytes, url: str = "https://hook.example") -> Webhook:
    return await record.webhooks.create(Webhook(PROJECT, "", url, secret=secret), EVENT, from_beginning=False)


async def stored(record: Record, webhook: Webhook) -> bytes:
    return (await record.webhooks.get(ALL, webhook.id)).secret


async def test_what_an_earlier_release_stored_in_plain_is_sealed_and_gone_from_the_files(
    record: Record, tmp_path: Path
) -> None:
    webhooks = [await hook(record, SECRET) for _ in range(3)]
    assert SECRET in bytes_of(tmp_path)
    box = SecretBox([key()])
    await seal_stored(record, box)
    for webhook in webhooks:
        sealed = await stored(record, webhook)
        assert SECRET not in sealed
        assert box.open(sealed) == SECRET
    assert SECRET not in bytes_of(tmp_path)


async def test_sealing_again_changes_nothing(record: Record) -> None:
    box = SecretBox([key()])
    webhook = await hook(record, box.seal(SECRET))
    before = await stored(record, webhook)
    await seal_stored(record, box)
    assert await stored(record, webhook) == before


async def test_a_key_is_replaced_by_putting_another_before_it(record: Record) -> None:
    old, new = key(), key()
    webhook = await hook(record, SecretBox([old]).seal(SECRET))
    await seal_stored(record, SecretBox([new, old]))
    assert SecretBox([new]).open(await stored(record, webhook)) == SECRET
    with pytest.raises(SecretUnreadable):
        SecretBox([old]).open(await stored(record, webhook))


async def test_without_its_key_a_secret_stays_as_it_is_and_deliveries_say_why(
    record: Record, receiver: WebhookReceiver
) -> None:
    lost = SecretBox([key()])
    webhook = await hook(record, lost.seal(SECRET), receiver.url)
    for box in (SecretBox([key()]), SecretBox()):
        before = await stored(record, webhook)
        await seal_stored(record, box)
        assert await stored(record, webhook) == before
        sent = await WebhookSender(OPEN, secrets=box).send(receiver.url, before, "m", 1, b"{}")
        assert "does not have" in sent.error
    assert receiver.arrived == []


async def test_a_sealed_secret_signs_as_the_plain_one_did(receiver: WebhookReceiver) -> None:
    box = SecretBox([key()])
    sent = await WebhookSender(OPEN, secrets=box).send(receiver.url, box.seal(SECRET), "m", 1, b"{}")
    assert sent.succeeded
    expected = base64.b64encode(hmac.new(SECRET, b"m.1.{}", hashlib.sha256).digest()).decode()
    assert receiver.wait(1)[0].headers["webhook-signature"] == f"v1,{expected}"


def test_a_laptop_makes_a_key_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    sealed = secret_box(settings(), tmp_path).seal(SECRET)
    file = tmp_path / "keys" / "secrets.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert secret_box(settings(), tmp_path).open(sealed) == SECRET


def test_servers_that_share_a_database_need_a_key_they_share(tmp_path: Path) -> None:
    shared = settings(database_url="postgresql://db/mnemon")
    assert not secret_box(shared, tmp_path).seals
    assert not (tmp_path / "keys").exists()
    given = settings(database_url="postgresql://db/mnemon", secrets_key=f"{key()}, {key()}")
    assert secret_box(given, tmp_path).seals


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("word", id="no base64"),
        pytest.param(base64.b64encode(b"short").decode(), id="too short"),
        pytest.param(f"{key()},x", id="one of two"),
    ],
)
def test_a_key_that_is_none_is_refused_without_being_shown(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsWrong, match="MNEMON_SECRETS_KEY") as refused:
        secret_box(settings(secrets_key=wrong), tmp_path)
    assert wrong not in str(refused.value)


def test_both_alphabets_of_base64_name_the_same_key() -> None:
    raw = b"\xfb\xff" * 16
    sealed = SecretBox([base64.b64encode(raw).decode()]).seal(SECRET)
    assert SecretBox([base64.urlsafe_b64encode(raw).decode()]).open(sealed) == SECRET

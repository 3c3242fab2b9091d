"""Where the key comes from that seals secrets in the record."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Final

import structlog

from mnemon_service.admin.secret_box import KEY_BYTES, BadSecretsKey, SecretBox, SecretUnreadable
from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.app.first_keys import KEYS_DIRECTORY, write_private
from mnemon_service.data_directory import DataDirectoryUnusable
from mnemon_service.model.errors import Unavailable
from mnemon_service.record.record import Record
from mnemon_service.settings import Settings

SECRETS_FILE: Final = "secrets.key"
"""Beside the first keys: never in the database, so that a copy of that alone opens nothing."""

_log = structlog.get_logger("mnemon.secrets")


def secret_box(settings: Settings, data_directory: Path) -> SecretBox:
    """With the operator's keys if there are some; else, on SQLite, with a key of the data directory's own,
    made at the first start. On PostgreSQL, which replicas share, nobody's directory would do: without keys
    secrets stay in plain, and a warning says so.

    Raises `SettingsWrong` for a key that is none, `DataDirectoryUnusable`.
    """
    given = [key for key in settings.secrets_key.get_secret_value().split(",") if key.strip()]
    try:
        if given:
            return SecretBox(given)
        if settings.uses_postgresql:
            _log.warning("webhook secrets are stored in plain: set MNEMON_SECRETS_KEY")
            return SecretBox()
        return SecretBox([_own_key(data_directory / KEYS_DIRECTORY / SECRETS_FILE)])
    except BadSecretsKey as error:
        where = "MNEMON_SECRETS_KEY" if given else str(data_directory / KEYS_DIRECTORY / SECRETS_FILE)
        raise SettingsWrong(f"{where}: {error} (openssl rand -base64 32 makes one)") from None


async def seal_stored(record: Record, box: SecretBox) -> None:
    """Seals anew what is stored in plain or with an older key. What no key opens stays, and is logged."""
    unreadable = 0

    def renewed(stored: bytes) -> bytes:
        nonlocal unreadable
        try:
            return box.renewed(stored)
        except SecretUnreadable:
            unreadable += 1
            return stored

    changed = await record.webhooks.rewrite_secrets(renewed)
    if unreadable:
        _log.error("webhook secrets unreadable: give back their key", count=unreadable)
    if changed:
        _log.info("webhook secrets sealed", count=changed)
        try:
            await record.retention.scrub()
        except Unavailable as error:
            _log.warning("plain secrets may be left in the database's log", reason=error.reason.value)


def _own_key(file: Path) -> str:
    try:
        if not file.exists():
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.parent.chmod(0o700)
            write_private(file, base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
        return file.read_text().strip()
    except OSError as error:
        raise DataDirectoryUnusable(f"cannot use {file}: {error.strerror}") from None

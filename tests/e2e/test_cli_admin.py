"""Running Mnemon from the command line: keys, projects, settings, webhooks, usage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnemon_cli import failures
from support.server import MnemonServer
from support.shell import Shell


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    with MnemonServer(tmp_path_factory.mktemp("cli-admin")) as running:
        yield running


def shell_with(server: MnemonServer, key: str, home: Path) -> Shell:
    file = server.data_dir / "keys" / f"{key}.key"
    if not file.exists():
        pytest.skip("this server writes no keys")
    return Shell(server.address, home, file.read_text().strip())


@pytest.fixture
def admin(server: MnemonServer, tmp_path: Path) -> Shell:
    return shell_with(server, "default", tmp_path)


@pytest.fixture
def root(server: MnemonServer, tmp_path: Path) -> Shell:
    return shell_with(server, "root", tmp_path)


def test_keys_are_made_listed_rotated_and_revoked(admin: Shell, server: MnemonServer, tmp_path: Path) -> None:
    made = admin.json("key", "create", "writer", "--name", "of a test", "--user-id", "kim")
    assert made["secret"].startswith("mn_")
    assert made["api_key"]["bound_scope"] == {"user_id": "kim"}
    bound = Shell(server.address, tmp_path, made["secret"])
    bound.added("Kim sings.", "-u", "kim")
    bound.run("add", "Not Kim.", "--no-infer", "-u", "lee", code=failures.ACCESS)
    assert made["api_key"]["id"] in admin.run("key", "list", "-o", "quiet").stdout.split()
    renewed = admin.json("key", "rotate", made["api_key"]["id"], "--overlap", "0s")
    assert renewed["secret"] != made["secret"]
    admin.run("key", "revoke", renewed["api_key"]["id"], code=failures.DECLINED)
    admin.run("key", "revoke", renewed["api_key"]["id"], "--force")
    Shell(server.address, tmp_path, renewed["secret"]).run("list", "-u", "kim", code=failures.ACCESS)


def test_a_quiet_new_key_is_its_secret_alone(admin: Shell) -> None:
    secret = admin.run("key", "create", "reader", "-o", "quiet").stdout.strip()
    assert secret.startswith("mn_")
    assert secret not in admin.run("key", "list", "-o", "json").stdout


def test_a_wrong_key_is_told_with_a_hint(server: MnemonServer, tmp_path: Path) -> None:
    envelope = Shell(server.address, tmp_path, "mn_wrong").agent("list", "-u", "x", code=failures.ACCESS)
    assert envelope["error"]["reason"] == "API_KEY_INVALID"
    assert envelope["error"]["hint"]


def test_settings_are_changed_one_by_one(admin: Shell) -> None:
    changed = admin.json("settings", "set", "custom_instructions=Only food.", "deleted_retention=7d")
    assert changed["custom_instructions"] == "Only food."
    assert changed["deleted_retention"] == 7 * 86_400
    admin.run("settings", "set", "custom_instructions=null")
    shown = admin.json("settings", "get")
    assert "custom_instructions" not in shown
    assert shown["deleted_retention"] == 7 * 86_400
    admin.run("settings", "set", "colour=red", code=failures.USAGE)
    admin.run("settings", "set", "messages_per_scope=5", "--etag", "old", code=failures.CONFLICT)


def test_projects_are_made_switched_off_and_erased(root: Shell) -> None:
    assert root.json("project", "create", "shop", "--name", "Shop")["id"] == "shop"
    root.run("project", "create", "shop", code=failures.CONFLICT)
    assert root.json("project", "update", "shop", "--state", "disabled")["state"] == "DISABLED"
    assert "shop" in root.run("project", "list", "-o", "quiet").stdout.split()
    assert root.json("project", "get", "shop")["display_name"] == "Shop"
    root.run("project", "delete", "shop", code=failures.DECLINED)


def test_what_only_root_may_do_is_refused_to_others(admin: Shell) -> None:
    admin.run("project", "create", "mine", code=failures.ACCESS)


def test_webhooks_are_made_changed_and_deleted(admin: Shell) -> None:
    made = admin.json("webhook", "create", "https://example.com/hook", "--event", "added", "--name", "first")
    assert made["secret"].startswith("whsec_")
    webhook_id = made["webhook"]["id"]
    assert admin.json("webhook", "update", webhook_id, "--state", "paused")["state"] == "PAUSED"
    assert [row["id"] for row in admin.json("webhook", "list")] == [webhook_id]
    assert admin.json("webhook", "deliveries", webhook_id) == []
    admin.run("webhook", "delete", webhook_id, "--force")
    admin.run("webhook", "get", webhook_id, code=failures.NOT_FOUND)


def test_usage_is_shown_by_day(admin: Shell) -> None:
    admin.added("Counted.", "-u", "usage")
    answer = json.loads(admin.run("usage", "--by-scope", "-o", "json").stdout)
    assert answer["memory_count"] >= 1
    assert answer["rows"][0]["day"]

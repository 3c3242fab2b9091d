"""Where the client connects, with what key, and how it is secured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mnemon import Client, ConfigurationError
from mnemon._connection import Connection, TlsSettings, connect, find_key, is_loopback, split_address


def connected(address: str | None = None, key: str | None = None, **security: Any) -> Connection:
    return connect(address, key, TlsSettings(**security), environment={})


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("127.0.0.1:7171", "dns:///127.0.0.1:7171"),
        ("memory", "dns:///memory:7171"),
        ("memory:80", "dns:///memory:80"),
        ("[::1]:7171", "dns:///[::1]:7171"),
        ("[::1]", "dns:///[::1]:7171"),
        (" memory:80 ", "dns:///memory:80"),
        ("https://memory.example", "dns:///memory.example:443"),
        ("https://memory.example:8443/", "dns:///memory.example:8443"),
        ("http://127.0.0.1", "dns:///127.0.0.1:7171"),
        ("dns:///memory:80", "dns:///memory:80"),
        ("unix:/run/mnemon.sock", "unix:/run/mnemon.sock"),
    ],
)
def test_addresses_are_understood(address: str, target: str) -> None:
    assert split_address(address)[1] == target


@pytest.mark.parametrize(
    "address", ["", "memory:port", "memory:0", "memory:70000", "a b", "https://h/path", "ftp://h"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        split_address(address)


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("dns:///127.0.0.1:7171", True),
        ("dns:///[::1]:7171", True),
        ("dns:///localhost:7171", True),
        ("unix:/run/mnemon.sock", True),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:2", False),
        ("dns:///127.0.0.1.example.com:7171", False),
        ("dns:///memory:7171", False),
        ("dns://8.8.8.8/memory:7171", False),
        ("xds:///memory:7171", False),
    ],
)
def test_only_this_machine_counts_as_local(target: str, local: bool) -> None:
    assert is_loopback(target) is local


def test_plaintext_is_the_default_on_this_machine_only() -> None:
    assert connected("127.0.0.1:7171").credentials is None
    assert connected("memory:7171", insecure=True).credentials is None
    assert connected("memory:7171", tls=True).credentials is not None
    assert connected("https://memory").credentials is not None
    with pytest.raises(ConfigurationError, match=r"tls=True.*insecure=True"):
        connected("memory:7171")
    with pytest.raises(ConfigurationError, match=r"tls=True.*insecure=True"):
        connected("http://memory:7171").credentials  # noqa: B018


@pytest.mark.parametrize(
    "security",
    [
        {"tls": True, "insecure": True},
        {"tls": False, "root_certificates": b"x"},
        {"client_certificate": b"x"},
        {"client_key": b"x"},
        {"root_certificates": "/no/such/file"},
    ],
)
def test_contradictions_are_refused(security: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        connected("127.0.0.1:7171", **security)


def test_the_key_is_the_argument_else_the_environment_else_the_servers_file(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "default.key"
    file.parent.mkdir()
    file.write_text("mn_file\n")
    environment = {"MNEMON_API_KEY": "mn_environment", "MNEMON_DATA_DIR": str(tmp_path)}
    assert find_key("mn_argument", environment, local=True) == "mn_argument"
    assert find_key("", environment, local=True) == ""
    assert find_key(None, environment, local=True) == "mn_environment"
    del environment["MNEMON_API_KEY"]
    assert find_key(None, environment, local=True) == "mn_file"
    assert find_key(None, environment, local=False) == ""
    assert find_key(None, {"MNEMON_DATA_DIR": str(tmp_path / "none")}, local=True) == ""


def test_the_default_data_directory_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".mnemon" / "keys").mkdir(parents=True)
    (tmp_path / ".mnemon" / "keys" / "default.key").write_text("mn_here")
    monkeypatch.chdir(tmp_path)
    assert find_key(None, {}, local=True) == "mn_here"


def test_the_address_is_the_argument_else_the_environment_else_the_default() -> None:
    security = TlsSettings()
    named = {"MNEMON_ADDRESS": "localhost:1"}
    assert connect("localhost:2", "", security, environment=named).target == "dns:///localhost:2"
    assert connect(None, "", security, environment=named).target == "dns:///localhost:1"
    assert connect(None, "", security, environment={}).target == "dns:///127.0.0.1:7171"


def test_the_key_is_never_shown() -> None:
    connection = connected("127.0.0.1:7171", "mn_secret")
    assert "mn_secret" not in repr(connection)
    with Client("127.0.0.1:7171", "mn_secret") as client:
        assert "mn_secret" not in repr(client)


def test_calls_are_spread_and_kept_alive_and_own_options_win() -> None:
    options = dict(connect("localhost", "", TlsSettings(), {"grpc.keepalive_time_ms": 5}, {}).options)
    config = json.loads(str(options["grpc.service_config"]))
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert options["grpc.keepalive_time_ms"] == 5
    assert options["grpc.keepalive_timeout_ms"] == 10_000
    assert str(options["grpc.primary_user_agent"]).startswith("mnemon-python/")

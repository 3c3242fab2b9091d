"""Who may come in, and how: what the settings allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mnemon_service.app.door import certificate_callers, check_door, is_loopback, transport_credentials
from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.model.caller import KeyRole
from mnemon_service.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings(**{"address": "127.0.0.1:7171", **values})


@pytest.mark.parametrize(
    "address", ["127.0.0.1:7171", "127.8.9.1:0", "localhost:1", "[::1]:7171", "unix:/run/mnemon.sock"]
)
def test_loopback_needs_no_tls(address: str) -> None:
    assert is_loopback(address)
    check_door(settings(address=address, auth="off"))


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:7171", "[::]:7171", "10.0.0.1:1", "mnemon.example:443", "localhost.example:1", ":1"],
)
def test_elsewhere_a_key_and_encryption_are_needed(address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(SettingsWrong, match="plaintext"):
        check_door(settings(address=address))
    with pytest.raises(SettingsWrong, match="loopback"):
        check_door(settings(address=address, auth="off", allow_plaintext=True))
    check_door(settings(address=address, allow_plaintext=True))
    check_door(settings(address=address, tls_certificate_file=Path("c"), tls_key_file=Path("k")))


def test_half_of_a_tls_setting_is_refused() -> None:
    assert transport_credentials(settings()) is None
    for half in ({"tls_certificate_file": "c"}, {"tls_key_file": "k"}, {"tls_client_ca_file": "ca"}):
        with pytest.raises(SettingsWrong, match="belong together"):
            transport_credentials(settings(**half))


def test_names_in_certificates_become_callers() -> None:
    named = {"spiffe://a/agent": "writer@shop", "ops.example": "root"}
    callers = certificate_callers(settings(tls_callers=named, tls_client_ca_file="ca"))
    agent, operator = callers["spiffe://a/agent"], callers["ops.example"]
    assert (agent.project_id, agent.role, agent.key_id) == ("shop", KeyRole.WRITER, "tls:spiffe://a/agent")
    assert (operator.project_id, operator.role) == ("", KeyRole.ROOT)


@pytest.mark.parametrize("text", ["writer", "root@shop", "writer@", "owner@shop", "writer@Shop", ""])
def test_a_caller_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SettingsWrong, match="must be reader@project"):
        certificate_callers(settings(tls_callers={"name": text}, tls_client_ca_file="ca"))


def test_names_need_an_authority_that_vouches_for_them() -> None:
    with pytest.raises(SettingsWrong, match="MNEMON_TLS_CLIENT_CA_FILE"):
        certificate_callers(settings(tls_callers={"name": "root"}))

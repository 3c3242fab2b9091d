"""Where the server is and how to reach it: address, key, certificates, channel options."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from mnemon._errors import ConfigurationError
from mnemon._version import __version__

DEFAULT_ADDRESS = "127.0.0.1:7171"
DEFAULT_PORT = 7171
DEFAULT_TIMEOUT = 30.0
"""Seconds a call may take, all tries together."""
MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message either way; the server has its own limits."""
KEEPALIVE_SECONDS = 30
"""A connection with a call on it is probed this often, so that a dead peer is noticed."""
KEEPALIVE_TIMEOUT_SECONDS = 10

Certificate = str | os.PathLike[str] | bytes
"""PEM text as bytes, or the path of a PEM file."""


@dataclass(frozen=True)
class Connection:
    """Everything needed to open a channel."""

    target: str
    credentials: grpc.ChannelCredentials | None
    """None for plaintext."""
    options: tuple[tuple[str, str | int], ...]
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class TlsSettings:
    """How the channel is secured, as the user gave it."""

    tls: bool | None = None
    insecure: bool = False
    root_certificates: Certificate | None = None
    client_certificate: Certificate | None = None
    client_key: Certificate | None = field(default=None, repr=False)
    server_name: str | None = None

    @property
    def names_certificates(self) -> bool:
        """Whether anything was given that only makes sense with TLS."""
        return any((self.root_certificates, self.client_certificate, self.client_key, self.server_name))


def connect(
    address: str | None,
    api_key: str | None,
    security: TlsSettings,
    options: Mapping[str, str | int] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Connection:
    """The connection that arguments and environment describe.

    The address is the argument, else `MNEMON_ADDRESS`, else 127.0.0.1:7171. The key is the argument, else
    `MNEMON_API_KEY`, else, for a server on this machine, the file `keys/default.key` in its data directory
    (`MNEMON_DATA_DIR`, else `./.mnemon`). Raises `ConfigurationError`.
    """
    environment = os.environ if environment is None else environment
    scheme, target = split_address(address or environment.get("MNEMON_ADDRESS") or DEFAULT_ADDRESS)
    local = is_loopback(target)
    secured = _is_secured(scheme, security, local=local)
    return Connection(
        target=target,
        credentials=_credentials(security) if secured else None,
        options=_options(security, options or {}),
        api_key=find_key(api_key, environment, local=local),
    )


def split_address(address: str) -> tuple[str, str]:
    """The scheme ("http", "https" or "") and the channel's target of an address.

    `host`, `host:port`, `https://host:port` and gRPC's own forms (`dns:///…`, `unix:…`, `ipv4:…`) are
    understood. A plain host is resolved by DNS, and calls are spread over all its addresses.
    """
    address = address.strip()
    if address.startswith(("http://", "https://")):
        parts = urlsplit(address)
        if not parts.hostname or parts.path.strip("/") or parts.query:
            raise ConfigurationError(f"not an address: {address!r}; give host:port or https://host:port")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        number = parts.port or (443 if parts.scheme == "https" else DEFAULT_PORT)
        return parts.scheme, f"dns:///{host}:{number}"
    if address.startswith(("dns:", "unix:", "unix-abstract:", "ipv4:", "ipv6:", "xds:", "passthrough:")):
        return "", address
    if not address or "/" in address or any(c.isspace() for c in address):
        raise ConfigurationError(f"not an address: {address!r}; give host:port or https://host:port")
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return "", f"dns:///{address}:{DEFAULT_PORT}"
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigurationError(f"not a port: {address!r}")
    return "", f"dns:///{host or 'localhost'}:{port}"


def is_loopback(target: str) -> bool:
    """Whether the target lies on this machine, judged by its name alone."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    names = (
        target.rpartition("/")[2] if target.startswith(("dns:", "passthrough:")) else target.partition(":")[2]
    )
    return all(_is_loopback_host(name.rpartition(":")[0].strip("[]")) for name in names.split(","))


def _is_loopback_host(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_secured(scheme: str, security: TlsSettings, *, local: bool) -> bool:
    wants = security.tls or scheme == "https" or security.names_certificates
    refuses = security.insecure or security.tls is False or scheme == "http"
    if wants and refuses:
        raise ConfigurationError("TLS is both asked for and switched off; decide for one")
    if bool(security.client_certificate) != bool(security.client_key):
        raise ConfigurationError("mutual TLS needs both client_certificate and client_key")
    if wants:
        return True
    if local or security.insecure:
        return False
    raise ConfigurationError(
        "the server is on another machine: give tls=True (or root_certificates) for an encrypted "
        "connection, or insecure=True to send keys and memories in plain text"
    )


def _credentials(security: TlsSettings) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_pem(security.root_certificates),
        private_key=_pem(security.client_key),
        certificate_chain=_pem(security.client_certificate),
    )


def _pem(certificate: Certificate | None) -> bytes | None:
    if certificate is None or isinstance(certificate, bytes):
        return certificate
    try:
        return Path(certificate).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {os.fspath(certificate)}: {error.strerror}") from None


def find_key(api_key: str | None, environment: Mapping[str, str], *, local: bool) -> str:
    """The key to send; empty to send none."""
    if api_key is not None:
        return api_key.strip()
    if key := environment.get("MNEMON_API_KEY", "").strip():
        return key
    if not local:
        return ""
    file = Path(environment.get("MNEMON_DATA_DIR") or ".mnemon") / "keys" / "default.key"
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _options(security: TlsSettings, own: Mapping[str, str | int]) -> tuple[tuple[str, str | int], ...]:
    options: dict[str, str | int] = {
        "grpc.primary_user_agent": f"mnemon-python/{__version__}",
        "grpc.service_config": json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}),
        "grpc.max_send_message_length": MESSAGE_BYTES,
        "grpc.max_receive_message_length": MESSAGE_BYTES,
        "grpc.keepalive_time_ms": KEEPALIVE_SECONDS * 1000,
        "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_SECONDS * 1000,
        "grpc.http2.max_pings_without_data": 0,
        # The library's own first pause after a lost connection is a second: longer than our retries.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 5000,
    }
    if security.server_name is not None:
        options["grpc.ssl_target_name_override"] = security.server_name
    return tuple((options | dict(own)).items())

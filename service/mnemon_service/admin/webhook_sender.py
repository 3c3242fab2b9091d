"""Sends one signed message to an address that somebody else chose, without being led astray by it.

Who may make a webhook could otherwise make the server call what only the server can reach: neighbours in
its network, the cloud's metadata service, itself. So the host is resolved here, an address that is not
public is refused, and the connection goes to the very address that was checked: a name that answers
differently the second time gains nothing. Redirects are not followed, proxies of the environment are not
used, the answer's body is not read, and everything has a time limit.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx

from mnemon_service.admin.secret_box import SecretBox, SecretUnreadable
from mnemon_service.model.errors import InvalidArgument

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host."""

SEND_SECONDS: Final = 10.0
"""How long one try may take, from resolving the name to the answer's status."""
LONGEST_RETRY_AFTER: Final = 3_600.0
"""How long a receiver may ask us to wait."""
_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class AddressRefused(Exception):
    """The host has no address that may be called; the message says why."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a try."""

    status: int = 0
    """The receiver's; 0 if it did not answer."""
    error: str = ""
    """Why it counts as failed, in our words; empty if it does not."""
    retry_after: float | None = None
    """Seconds that the receiver asked us to wait."""

    @property
    def succeeded(self) -> bool:
        """True if the receiver took it."""
        return not self.error


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """What a server allows."""

    allow_http: bool = False
    allow_private_addresses: bool = False
    timeout: float = SEND_SECONDS


class WebhookSender:
    """The way out."""

    def __init__(
        self, options: SenderOptions, resolve: Resolve | None = None, *, secrets: SecretBox | None = None
    ) -> None:
        self.secrets = secrets or SecretBox()
        """Seals webhooks' secrets before they are stored, and opens them to sign."""
        self._options = options
        self._resolve = resolve or _resolved
        self._tls = httpx.create_ssl_context()

    def check_url(self, url: str, field: str) -> None:
        """Raises `InvalidArgument` for an address that can never be sent to."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            raise InvalidArgument.of(field, "must be a URL") from None
        if parsed.scheme != "https" and not (parsed.scheme == "http" and self._options.allow_http):
            raise InvalidArgument.of(
                field, "must begin with https:// (or http:// where MNEMON_WEBHOOK_ALLOW_HTTP is set)"
            )
        if not parsed.host or parsed.userinfo:
            raise InvalidArgument.of(field, "must name a host and no user")
        literal = _literal(parsed.host)
        if literal is not None and not self._may_call(literal):
            raise InvalidArgument.of(field, "must not be an address of a private network")

    async def send(self, url: str, secret: bytes, message_id: str, timestamp: int, body: bytes) -> Sent:
        """Posts a body signed with a secret as it is stored. Never raises: what went wrong is in the
        answer."""
        try:
            headers = _headers(self.secrets.open(secret), message_id, timestamp, body)
            async with asyncio.timeout(self._options.timeout):
                return await self._post(httpx.URL(url), headers, body)
        except SecretUnreadable:
            return Sent(error="the webhook's secret was sealed with a key that the server does not have")
        except TimeoutError:
            return Sent(error=f"no answer within {self._options.timeout:g} s")
        except AddressRefused as refusal:
            return Sent(error=str(refusal))
        except InvalidArgument as error:
            return Sent(error=error.message)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Sent(error=f"the connection failed: {type(error).__name__}")

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> Sent:
        self.check_url(str(url), "url")
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._checked_address(url.host, port)
        # Each try has a connection of its own: a pool knows addresses, and two hosts may share one.
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._options.timeout
        ) as client:
            request = client.build_request(
                "POST",
                url.copy_with(host=str(address)),
                content=body,
                headers=headers | {"host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": url.host},
            )
            response = await client.send(request, stream=True)
            try:
                return _judged(response)
            finally:
                await response.aclose()

    async def _checked_address(self, host: str, port: int) -> Address:
        """An address of the host that may be called; all of them must be fit, or none is trusted."""
        try:
            found = [ipaddress.ip_address(text) for text in await self._resolve(host, port)]
        except OSError:
            raise AddressRefused("the host's name cannot be resolved") from None
        if not found:
            raise AddressRefused("the host has no address")
        if not all(self._may_call(address) for address in found):
            raise AddressRefused("the host lies in a private network, which this server does not call")
        return found[0]

    def _may_call(self, address: Address) -> bool:
        return self._options.allow_private_addresses or is_public(address)


def is_public(address: Address) -> bool:
    """True if the address is one of the open internet, also when it carries another one inside."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    )


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to this one would end at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of Standard Webhooks 1.0: `v1,` and base64 of HMAC-SHA256 over
    `id.timestamp.body`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def _headers(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": "mnemon-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }


def _judged(response: httpx.Response) -> Sent:
    status = response.status_code
    if response.is_success:
        return Sent(status)
    if response.has_redirect_location:
        return Sent(status, f"the receiver answered {status}: redirects are not followed")
    return Sent(status, f"the receiver answered {status}", _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return min(float(value), LONGEST_RETRY_AFTER) if value.isascii() and value.isdigit() else None


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))

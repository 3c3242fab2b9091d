"""The blocking client.

Made from mnemon/_async by tools/generate_sync.py; never edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from mnemon._connection import DEFAULT_TIMEOUT, Certificate, TlsSettings, connect
from mnemon._retry import RetryPolicy
from mnemon._sync.admin import Admin
from mnemon._sync.memories import Memories
from mnemon._sync.searches import Searches
from mnemon._sync.transport import Transport
from mnemon._types import EntitySummary

if TYPE_CHECKING:
    from typing_extensions import Self


class Client(Memories, Searches):
    """A connection to a Mnemon server.

        with Client() as client:
            client.add("I live in Lisbon.", user_id="ana")
            for hit in client.search("where does she live?", user_id="ana"):
                print(hit.score, hit.memory.text)

    Use it as a context manager, or call `close`. One client serves any number of threads.
    """

    def __init__(
        self,
        address: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        tls: bool | None = None,
        insecure: bool = False,
        root_certificates: Certificate | None = None,
        client_certificate: Certificate | None = None,
        client_key: Certificate | None = None,
        server_name: str | None = None,
        channel_options: Mapping[str, str | int] | None = None,
    ) -> None:
        """A client that connects with its first call.

        Args:
            address: `host:port`, `https://host:port`, or one of gRPC's forms (`dns:///…`, `unix:…`).
                `MNEMON_ADDRESS` if left out, else 127.0.0.1:7171. Calls are spread over all addresses of a
                DNS name.
            api_key: The secret, `mn_…`. `MNEMON_API_KEY` if left out; else, for a server on this machine,
                the file `keys/default.key` in `MNEMON_DATA_DIR` (`./.mnemon`). "" sends none.
            timeout: Seconds for a call, all tries together, unless the call says otherwise.
            retry: How often and how fast calls are tried again.
            tls: Encrypt. Needed (or `insecure`) for any server that is not on this machine.
            insecure: Send keys and memories in plain text to another machine.
            root_certificates: PEM of the authorities to trust, as bytes or path; the system's if left out.
            client_certificate: PEM of this client's certificate chain, for mutual TLS.
            client_key: PEM of its private key.
            server_name: The name that the server's certificate is made for, if not the address's.
            channel_options: Further gRPC channel arguments; they go before our own.

        Raises:
            ConfigurationError: The arguments contradict each other, or a file cannot be read.
        """
        security = TlsSettings(tls, insecure, root_certificates, client_certificate, client_key, server_name)
        connection = connect(address, api_key, security, channel_options)
        self._transport = Transport(connection, timeout, retry or RetryPolicy())
        self.admin = Admin(self._transport)
        """Projects, keys, settings, entities, operations, webhooks, accounts, care."""

    @property
    def address(self) -> str:
        """Where calls go, as a gRPC target."""
        return self._transport.connection.target

    def users(self, *, timeout: float | None = None) -> tuple[EntitySummary, ...]:
        """All users, agents, apps and runs with memories, last active first: `admin.entities.list`, read
        to the end.
        """
        return self.admin.entities.list(page_size=500, timeout=timeout).collect()

    def close(self) -> None:
        """Closes the connection; calls that still run are cancelled. The client cannot be used again."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

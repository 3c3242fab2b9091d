"""TLS from files that may change while the server runs: renewed certificates need no restart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

_log = structlog.get_logger("mnemon.tls")

Stamp = tuple[tuple[int, int, int], ...]


class CertificateUnusable(Exception):
    """The files are no certificate with its key; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files."""

    certificate: Path
    """The server's chain, its own certificate first."""
    key: Path
    client_ca: Path | None = None
    """If set, callers must show a certificate that one of these authorities signed (mTLS)."""


def tls_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that follow the files. Raises `CertificateUnusable`."""
    reader = _Reader(files)
    return grpc.dynamic_ssl_server_credentials(
        reader.first,
        reader.changed,  # type: ignore[arg-type] # the stubs forget None for "unchanged"
        require_client_authentication=files.client_ca is not None,
    )


class _Reader:
    """Looks at the files at each handshake (three `stat` calls) and reads them when they changed."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._paths = [path for path in (files.certificate, files.key, files.client_ca) if path is not None]
        try:
            self._stamp = self._look()
            self.first = _read(files)
        except (OSError, ssl.SSLError) as error:
            raise CertificateUnusable(f"{_path(error, files)}: {_why(error)}") from None

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new certificate, or None to go on with the present one. gRPC asks before each handshake."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return None
            fresh = _read(self._files)
        except (OSError, ssl.SSLError) as error:
            # Half-written, or key and certificate do not fit yet: the present pair goes on.
            _log.warning("certificate not reloaded", why=_why(error))
            return None
        self._stamp = stamp
        _log.info("certificate reloaded")
        return fresh

    def _look(self) -> Stamp:
        stats = [path.stat() for path in self._paths]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    # gRPC takes any bytes and then fails each handshake: OpenSSL says now whether they fit together.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    authorities = None
    if files.client_ca is not None:
        authorities = files.client_ca.read_bytes()
        context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=authorities)


def _path(error: OSError | ssl.SSLError, files: TlsFiles) -> str:
    if not isinstance(error, ssl.SSLError) and error.filename:
        return str(error.filename)
    return f"{files.certificate} and {files.key}"


def _why(error: OSError | ssl.SSLError) -> str:
    """In a few words, without the paths and addresses of OpenSSL's source."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return error.strerror or type(error).__name__

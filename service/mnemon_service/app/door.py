"""Who may come in, how, and how often: authentication, transport and limits, from the settings."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import grpc

from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.model.settings import Limits
from mnemon_service.record.record import Record
from mnemon_service.server.limiter import Limiter
from mnemon_service.server.quotas import Quotas
from mnemon_service.server.rate_leases import RateLeases
from mnemon_service.server.shared_places import SharedPlaces
from mnemon_service.server.tls import CertificateUnusable, TlsFiles, tls_credentials
from mnemon_service.settings import Settings

_CALLER: Final = re.compile(r"(reader|writer|admin)@([a-z][a-z0-9-]{0,62})|root")


def is_loopback(address: str) -> bool:
    """True if only this machine can reach the address, as `127.0.0.1:7171` or `[::1]:7171`."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_door(settings: Settings) -> None:
    """Raises `SettingsWrong` for a server that others could reach without a key or could listen to."""
    if is_loopback(settings.address):
        return
    if settings.auth == "off":
        raise SettingsWrong(
            f"authentication can be off on loopback addresses only, not on {settings.address}: "
            "remove --auth off (MNEMON_AUTH), or serve on 127.0.0.1"
        )
    if settings.tls_certificate_file is None and not settings.allow_plaintext:
        raise SettingsWrong(
            f"{settings.address} can be reached from other machines and would speak plaintext: set "
            "MNEMON_TLS_CERTIFICATE_FILE and MNEMON_TLS_KEY_FILE, or MNEMON_ALLOW_PLAINTEXT=true if a mesh "
            "or proxy encrypts"
        )


def transport_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """What encrypts, or None for plaintext. Raises `SettingsWrong` for files that cannot be used."""
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is None or key is None:
        if certificate is not key or settings.tls_client_ca_file is not None:
            raise SettingsWrong(
                "MNEMON_TLS_CERTIFICATE_FILE and MNEMON_TLS_KEY_FILE belong together, and "
                "MNEMON_TLS_CLIENT_CA_FILE needs both"
            )
        return None
    try:
        return tls_credentials(TlsFiles(certificate, key, settings.tls_client_ca_file))
    except CertificateUnusable as error:
        raise SettingsWrong(f"TLS: {error}") from None


def certificate_callers(settings: Settings) -> dict[str, Caller]:
    """Callers by the name in their client certificate, from `tls_callers`.

    Raises `SettingsWrong` for one that is no `role@project` or `root`, or if no client CA vouches for
    the names.
    """
    if settings.tls_callers and settings.tls_client_ca_file is None:
        raise SettingsWrong("MNEMON_TLS_CALLERS needs MNEMON_TLS_CLIENT_CA_FILE, which vouches for the names")
    return {name: _caller(name, text) for name, text in settings.tls_callers.items()}


def shared_places_of(settings: Settings, record: Record) -> SharedPlaces | None:
    """The places of this replica, where others may share its record."""
    return SharedPlaces(record.place_leases) if settings.uses_postgresql else None


def limiter_of(settings: Settings, record: Record, quotas: Quotas, places: SharedPlaces | None) -> Limiter:
    """The limits in force."""
    defaults = Limits(
        requests_per_second=settings.project_requests_per_second,
        concurrent_calls=settings.project_concurrent_calls,
        concurrent_streams=settings.project_concurrent_streams,
        adds_per_day=settings.project_adds_per_day,
        tokens_per_day=settings.project_tokens_per_day,
        memories_stored=settings.project_memories_stored,
    )
    return Limiter(
        record.settings,
        quotas,
        project_defaults=defaults,
        maximum_calls=settings.maximum_calls,
        rate_leases=RateLeases(record.rate_buckets) if places else None,
        shared_places=places,
    )


def _caller(name: str, text: str) -> Caller:
    found = _CALLER.fullmatch(text)
    if found is None:
        raise SettingsWrong(
            f"MNEMON_TLS_CALLERS: {text!r} of {name!r} must be reader@project, writer@project, "
            "admin@project or root"
        )
    role, project_id = found.groups()
    key_id = f"tls:{name}"
    return Caller(project_id, KeyRole[role.upper()], key_id) if role else Caller("", KeyRole.ROOT, key_id)

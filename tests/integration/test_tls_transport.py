"""Transport: TLS, client certificates, and certificates that are renewed while the server runs."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import grpc
import pytest

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import project_pb2
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon_service.model.caller import Caller, KeyRole
from mnemon_service.server.tls import CertificateUnusable, TlsFiles, tls_credentials
from support.administration import Administration, administration
from support.certificates import Authority, Pair
from support.key_sender import bearer

AGENT = "spiffe://cluster.local/ns/shop/sa/agent"
STRANGER = "spiffe://cluster.local/ns/shop/sa/stranger"
CERTIFICATES = {AGENT: Caller("default", KeyRole.READER, f"tls:{AGENT}")}


def write(directory: Path, pair: Pair, client_ca: bytes | None = None) -> TlsFiles:
    """The files of a server; a file appears whole or not at all, as renewing tools do it."""
    contents = {"server.crt": pair.certificate, "server.key": pair.key, "clients.crt": client_ca}
    for name, content in contents.items():
        if content is not None:
            fresh = directory / f"{name}.new"
            fresh.write_bytes(content)
            fresh.replace(directory / name)
    client_file = directory / "clients.crt" if client_ca is not None else None
    return TlsFiles(directory / "server.crt", directory / "server.key", client_file)


def channel(server: Administration, authority: Authority, client: Pair | None = None) -> grpc.aio.Channel:
    """A channel that trusts the authority and shows the client's certificate."""
    key, certificate = (client.key, client.certificate) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.certificate, key, certificate)
    return grpc.aio.secure_channel(server.address, credentials)


async def shown_certificate(server: Administration, authority: Authority) -> str:
    """The certificate that a new connection gets."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    context.set_alpn_protocols(["h2"])
    host, port = server.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True)
    writer.close()
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)


async def test_only_those_who_speak_tls_are_heard(tmp_path: Path) -> None:
    authority = Authority()
    files = write(tmp_path, authority.server())
    async with administration(tmp_path, credentials=tls_credentials(files)) as server:
        metadata = await server.metadata(KeyRole.READER)
        async with channel(server, authority) as encrypted:
            answer = await AdminServiceStub(encrypted).GetProject(pb.GetProjectRequest(), metadata=metadata)
            assert answer.project.id == "default"
        async with grpc.aio.insecure_channel(server.address) as plain:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await AdminServiceStub(plain).GetProject(pb.GetProjectRequest(), metadata=metadata, timeout=5)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    authority = Authority()
    first, second = authority.server(), authority.server()
    files = write(tmp_path, first)
    async with administration(tmp_path, credentials=tls_credentials(files)) as server:
        assert await shown_certificate(server, authority) == first.certificate.decode()
        write(tmp_path, second)
        assert await shown_certificate(server, authority) == second.certificate.decode()
        write(tmp_path, Pair(first.certificate, second.key))  # half renewed: they do not fit
        assert await shown_certificate(server, authority) == second.certificate.decode()


async def test_a_client_certificate_is_a_caller_if_its_name_is_known(tmp_path: Path) -> None:
    authority = Authority()
    files = write(tmp_path, authority.server(), authority.certificate)
    running = administration(tmp_path, credentials=tls_credentials(files), certificates=CERTIFICATES)
    async with running as server:
        async with channel(server, authority, authority.client(AGENT)) as known:
            stub = AdminServiceStub(known)
            assert (await stub.GetProject(pb.GetProjectRequest())).project.id == "default"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListApiKeys(pb.ListApiKeysRequest())
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            root = bearer(await server.key(KeyRole.ROOT))
            listed = await stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=root)
            assert listed.api_keys[0].role == project_pb2.KEY_ROLE_ROOT, "a key goes before the certificate"
        async with channel(server, authority, authority.client(STRANGER)) as unknown:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await AdminServiceStub(unknown).GetProject(pb.GetProjectRequest())
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_client_of_no_or_another_authority_is_not_heard(tmp_path: Path) -> None:
    authority, other = Authority(), Authority("another authority")
    files = write(tmp_path, authority.server(), authority.certificate)
    running = administration(tmp_path, credentials=tls_credentials(files), certificates=CERTIFICATES)
    async with running as server:
        for client in (None, other.client(AGENT)):
            async with channel(server, authority, client) as shut_out:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await AdminServiceStub(shut_out).GetProject(pb.GetProjectRequest(), timeout=5)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_loses_its_way_in_with_its_project(tmp_path: Path) -> None:
    authority = Authority()
    files = write(tmp_path, authority.server(), authority.certificate)
    running = administration(tmp_path, credentials=tls_credentials(files), certificates=CERTIFICATES)
    async with running as server, channel(server, authority, authority.client(AGENT)) as known:
        root = bearer(await server.key(KeyRole.ROOT))
        off = project_pb2.Project(id="default", state=project_pb2.PROJECT_STATE_DISABLED)
        await AdminServiceStub(known).UpdateProject(pb.UpdateProjectRequest(project=off), metadata=root)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await AdminServiceStub(known).GetProject(pb.GetProjectRequest())
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_files_that_do_not_fit_are_refused_at_the_start(tmp_path: Path) -> None:
    authority = Authority()
    files = write(tmp_path, Pair(authority.server().certificate, authority.server().key))
    with pytest.raises(CertificateUnusable, match="mismatch"):
        tls_credentials(files)
    with pytest.raises(CertificateUnusable, match=r"absent\.crt: No such file"):
        tls_credentials(TlsFiles(tmp_path / "absent.crt", files.key))
    (tmp_path / "server.crt").write_text("not PEM")
    with pytest.raises(CertificateUnusable):
        tls_credentials(files)

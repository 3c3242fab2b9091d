"""Work that goes on after its call returned.

Made from mnemon/v1/operation.proto by tools/generate_types.py; never edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mnemon._behaviour import OperationOutcome
from mnemon._record import Record, Word
from mnemon._types.change import Change, Refusal
from mnemon._types.memory import Actor
from mnemon._types.scope import Scope
from mnemon._types.usage import Usage


class OperationKind(Word):
    """What an operation does."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    ADD_MEMORIES = "ADD_MEMORIES"
    """EnqueueMemories: an add in the background."""

    DELETE_MEMORIES = "DELETE_MEMORIES"
    """DeleteMemories over many memories."""

    IMPORT_MEMORIES = "IMPORT_MEMORIES"
    """ImportMemories: the rows as they come in."""

    REBUILD_INDEX = "REBUILD_INDEX"
    """RebuildIndex."""

    DELETE_PROJECT = "DELETE_PROJECT"
    """DeleteProject: erases everything of a project."""

    DELETE_ENTITY = "DELETE_ENTITY"
    """DeleteEntity: a user, agent, app or run with all its memories."""

    ERASE_SUBJECT = "ERASE_SUBJECT"
    """EraseSubject: everything of a subject, past versions and messages included."""


class OperationState(Word):
    """Where an operation stands."""

    UNSPECIFIED = "UNSPECIFIED"
    """Never sent by the server."""

    PENDING = "PENDING"
    """Waiting for a worker, or for the next try."""

    RUNNING = "RUNNING"
    """A worker is at it."""

    SUCCEEDED = "SUCCEEDED"
    """Done; `result` says what came of it."""

    FAILED = "FAILED"
    """Given up; `error` says why."""

    CANCELLED = "CANCELLED"
    """Stopped by CancelOperation. What was done until then stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationProgress(Record):
    """How far an operation is."""

    done: int = 0
    """Units done: messages, memories or rows, as the kind has it."""

    total: int = 0
    """Units in all; 0 while unknown."""

    stage: str = ""
    """What it is at, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationError(Record):
    """Why an operation was given up, or why its last try failed."""

    code: str = ""
    """The canonical code by name, as "UNAVAILABLE"."""

    reason: str = ""
    """The stable reason, as in `google.rpc.ErrorInfo`."""

    message: str = ""
    """In words for a person. Holds no content of memories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMemoriesResult(Record):
    """What an add in the background came to: as AddMemoriesResponse."""

    changes: tuple[Change, ...] = ()
    """What changed and why."""

    message_ids: tuple[str, ...] = ()
    """Ids of the stored messages, in the request's order."""

    usage: Usage = field(default_factory=lambda: Usage())
    """What it cost."""

    refusals: tuple[Refusal, ...] = ()
    """Facts that were found and not stored, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMemoriesResult(Record):
    """What a deletion of many came to."""

    deleted_count: int = 0
    """Memories deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError(Record):
    """A row of an import that was refused."""

    row: int = 0
    """The row's number as the client gave it, or its place in the stream from 1."""

    field: str = ""
    """Path of the wrong field in the row; empty if the row as a whole."""

    message: str = ""
    """What would be right."""

    reason: str = ""
    """The stable reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMemoriesResult(Record):
    """What an import came to."""

    imported_count: int = 0
    """Rows stored."""

    duplicate_count: int = 0
    """Rows whose very text the scope already held; not stored again."""

    refused_count: int = 0
    """Rows refused."""

    errors: tuple[RowError, ...] = ()
    """The first 1,000 refused rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildIndexResult(Record):
    """What a rebuild of the index came to."""

    indexed_count: int = 0
    """Memories written to the new index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt(Record):
    """Proof that everything of a subject was erased."""

    subject: Scope = field(default_factory=lambda: Scope())
    """Whose data it was."""

    memory_count: int = 0
    """Memories erased."""

    version_count: int = 0
    """Rows of the version log made tombstones."""

    message_count: int = 0
    """Messages erased."""

    entity_count: int = 0
    """Named entities erased."""

    sequence: int = 0
    """Place in the project's log after the erasure."""

    erase_time: datetime | None = None
    """When it was done."""

    signature: str = ""
    """HMAC-SHA256, with the server's receipt key, over the fields above in their canonical JSON form;
    hexadecimal.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(OperationOutcome):
    """Work that goes on after its call returned. It survives restarts; its effect happens once."""

    id: str = ""
    """UUIDv7."""

    kind: OperationKind = OperationKind.UNSPECIFIED
    """What it does."""

    state: OperationState = OperationState.UNSPECIFIED
    """Where it stands."""

    progress: OperationProgress = field(default_factory=lambda: OperationProgress())
    """How far it is."""

    attempts: int = 0
    """Tries so far, the running one included."""

    create_time: datetime | None = None
    """When it was accepted."""

    start_time: datetime | None = None
    """When a worker first took it."""

    end_time: datetime | None = None
    """When it ended, however it ended."""

    retry_time: datetime | None = None
    """When the next try begins, while it waits for one."""

    actor: Actor = field(default_factory=lambda: Actor())
    """Who asked for it."""

    scope: Scope = field(default_factory=lambda: Scope())
    """Whose data it works on, if one scope."""

    error: OperationError | None = None
    """Why it was given up, or why the last try failed."""

    add_memories: AddMemoriesResult | None = None
    """Of ADD_MEMORIES."""

    delete_memories: DeleteMemoriesResult | None = None
    """Of DELETE_MEMORIES, DELETE_ENTITY and DELETE_PROJECT."""

    import_memories: ImportMemoriesResult | None = None
    """Of IMPORT_MEMORIES."""

    rebuild_index: RebuildIndexResult | None = None
    """Of REBUILD_INDEX."""

    erasure_receipt: ErasureReceipt | None = None
    """Of ERASE_SUBJECT."""

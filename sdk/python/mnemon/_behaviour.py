"""What some types can do beyond holding their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mnemon._record import Record

if TYPE_CHECKING:
    from mnemon._types import (
        AddMemoriesResult,
        Change,
        DeleteMemoriesResult,
        ErasureReceipt,
        ImportMemoriesResult,
        Memory,
        Message,
        OperationState,
        RebuildIndexResult,
        Role,
        SearchHit,
    )


class ChangeList(Record):
    """Iterates over its changes."""

    __slots__ = ()
    changes: tuple[Change, ...]

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def memories(self) -> tuple[Memory, ...]:
        """The memory after each change."""
        return tuple(change.memory for change in self.changes)


class HitList(Record):
    """Iterates over its hits, best first."""

    __slots__ = ()
    hits: tuple[SearchHit, ...]

    def __iter__(self) -> Iterator[SearchHit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    @property
    def memories(self) -> tuple[Memory, ...]:
        """The memories among the hits, best first."""
        return tuple(hit.memory for hit in self.hits if hit.memory is not None)


class PromptText(Record):
    """Text for a prompt: `str()` gives it."""

    __slots__ = ()
    text: str

    def __str__(self) -> str:
        return self.text

    def as_message(self, role: Role | str = "SYSTEM") -> Message:
        """The text as a message marked as recalled, so that adding the conversation later does not
        remember it again.
        """
        from mnemon._convert.enums import ROLE
        from mnemon._types import Message as MessageType

        return MessageType(role=ROLE.word(role), content=self.text, recalled=True)


class OperationOutcome(Record):
    """Knows whether it has ended and what came of it."""

    __slots__ = ()
    state: OperationState
    add_memories: AddMemoriesResult | None
    delete_memories: DeleteMemoriesResult | None
    import_memories: ImportMemoriesResult | None
    rebuild_index: RebuildIndexResult | None
    erasure_receipt: ErasureReceipt | None

    @property
    def done(self) -> bool:
        """True once it has succeeded, failed or been cancelled."""
        return self.state.value in ("SUCCEEDED", "FAILED", "CANCELLED")

    @property
    def result(
        self,
    ) -> (
        AddMemoriesResult
        | DeleteMemoriesResult
        | ImportMemoriesResult
        | RebuildIndexResult
        | ErasureReceipt
        | None
    ):
        """What came of it, whatever its kind; None until it has succeeded."""
        return (
            self.add_memories
            or self.delete_memories
            or self.import_memories
            or self.rebuild_index
            or self.erasure_receipt
        )

"""Procedural memory: what an agent did, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mnemon_service.memory.understanding.calls import Calls, was_cut
from mnemon_service.memory.understanding.pieces import Piece, cut_into_pieces, halve
from mnemon_service.memory.understanding.prompt import load_prompt
from mnemon_service.memory.understanding.rendering import render_messages
from mnemon_service.memory.understanding.understand import PIECE_TOKENS
from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.message import Message
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.llm import LanguageModel, StructuredAnswer

PROMPT = ("procedure", 1)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the agent did, and what came of it."""

    action: str
    result: str


@dataclass(frozen=True, slots=True)
class Procedure:
    """What an agent did."""

    goal: str
    steps: tuple[Step, ...]
    outcome: str
    open: tuple[str, ...]
    """What remains to be done."""
    usage: ProviderUsage
    extractor: str
    """For `Memory.extractor`, as `procedure/1`."""
    repaired: bool

    @property
    def text(self) -> str:
        """The whole as one text, for `Memory.text`."""
        lines = [f"Goal: {self.goal}"] if self.goal else []
        for number, step in enumerate(self.steps, start=1):
            lines.append(
                f"{number}. {step.action} → {step.result}" if step.result else f"{number}. {step.action}"
            )
        if self.outcome:
            lines.append(f"Outcome: {self.outcome}")
        lines.extend(f"Open: {item}" for item in self.open)
        return "\n".join(lines)


async def summarize_procedure(
    model: LanguageModel,
    messages: Sequence[Message],
    *,
    instructions: str = "",
    piece_tokens: int = PIECE_TOKENS,
) -> Procedure:
    """What the agent of these messages did, with names, commands, values and errors kept exactly.

    Long transcripts are read in pieces, each with the steps noted before it; a piece whose answer is
    cut off or unusable is read again in halves. Errors as in `understand`, and InvalidArgument if no
    message shows anything.
    """
    pieces = cut_into_pieces(messages, piece_tokens)
    if not pieces:
        raise InvalidArgument.of("messages", "at least one must show what the agent did")
    summary = _Summary(Calls(model, load_prompt(*PROMPT)), model.sees_images, instructions.strip())
    for piece in pieces:
        await summary.read(piece)
    parts = summary.parts
    return Procedure(
        goal=next((part["goal"].strip() for part in parts if part["goal"].strip()), ""),
        steps=summary.steps(),
        outcome=parts[-1]["outcome"].strip(),
        open=tuple(item.strip() for item in parts[-1]["open"] if item.strip()),
        usage=summary.calls.usage,
        extractor=load_prompt(*PROMPT).id,
        repaired=summary.calls.repaired,
    )


@dataclass(slots=True)
class _Summary:
    calls: Calls
    sees_images: bool
    instructions: str
    parts: list[dict[str, Any]] = field(default_factory=list)

    def steps(self) -> tuple[Step, ...]:
        return tuple(
            Step(" ".join(step["action"].split()), " ".join(step["result"].split()))
            for part in self.parts
            for step in part["steps"]
            if step["action"].strip()
        )

    async def read(self, piece: Piece, *, asked_again: bool = False) -> None:
        notes = "\n".join(f"{step.action} → {step.result}" for step in self.steps()[-10:])
        turn = render_messages(piece, self.instructions, notes, sees_images=self.sees_images)
        answer = await self.calls.ask(turn)
        if _is_whole(answer):
            self.parts.append(answer.value or {})
            return
        self.calls.repaired = True
        halves = halve(piece)
        if asked_again and not (was_cut(answer) and halves):
            raise self.calls.unusable()
        for part in halves or (piece,):
            await self.read(part, asked_again=asked_again or not was_cut(answer) or halves is None)


def _is_whole(answer: StructuredAnswer) -> bool:
    """Whether it says all: a summary with a part missing reads as if that had not happened."""
    value = answer.value
    if value is None or was_cut(answer) or answer.dropped:
        return False
    return bool(value["steps"] or value["outcome"].strip())

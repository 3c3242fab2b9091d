"""From a use case in words to custom instructions, categories and a conversation to try them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnemon_service.memory.understanding.calls import Calls, was_cut
from mnemon_service.memory.understanding.prompt import load_prompt
from mnemon_service.model.memory import Role
from mnemon_service.model.message import Message
from mnemon_service.model.usage import ProviderUsage
from mnemon_service.providers.llm import LanguageModel, Turn

PROMPT = ("instructions", 1)


@dataclass(frozen=True, slots=True)
class GeneratedInstructions:
    """A proposal: nothing is set by it."""

    instructions: str
    """One rule a line."""
    categories: Mapping[str, str]
    """Descriptions by name."""
    test_conversation: tuple[Message, ...]
    """To try the instructions on, with `dry_run`."""
    usage: ProviderUsage


async def generate_instructions(model: LanguageModel, use_case: str) -> GeneratedInstructions:
    """Custom instructions for a use case. A broken answer is asked for again; errors as in `understand`."""
    calls = Calls(model, load_prompt(*PROMPT))
    turn = Turn(f"<material>\n{use_case.strip()}\n</material>")
    for _ in range(2):
        answer = await calls.ask(turn)
        value = answer.value
        if value is not None and not was_cut(answer) and value["instructions"] and value["conversation"]:
            return _proposal(value, calls.usage)
    raise calls.unusable()


def _proposal(value: Mapping[str, Any], usage: ProviderUsage) -> GeneratedInstructions:
    return GeneratedInstructions(
        instructions="\n".join(rule.strip() for rule in value["instructions"] if rule.strip()),
        categories={
            kind["name"].strip(): kind["description"].strip()
            for kind in value["categories"]
            if kind["name"].strip()
        },
        test_conversation=tuple(
            Message(content=said["content"], role=Role(said["role"]), name=said["name"].strip())
            for said in value["conversation"]
            if said["content"].strip()
        ),
        usage=usage,
    )

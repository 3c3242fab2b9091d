"""The write path's author of instructions, as administration asks for it."""

from __future__ import annotations

from mnemon_service.admin.ports import Proposal
from mnemon_service.memory.understanding.instructions import generate_instructions
from mnemon_service.providers.llm import LanguageModel


async def write_instructions(model: LanguageModel, use_case: str) -> Proposal:
    """Instructions for a use case in words, with a conversation to try them on."""
    generated = await generate_instructions(model, use_case)
    return Proposal(generated.instructions, generated.test_conversation, generated.usage)

"""From a conversation to a plan, with one call to a language model in the common case."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mnemon_service.memory.understanding.calls import Calls, was_cut
from mnemon_service.memory.understanding.conversation import Conversation
from mnemon_service.memory.understanding.guards import Review
from mnemon_service.memory.understanding.pieces import Piece, cut_into_pieces, halve, rest_of
from mnemon_service.memory.understanding.plan import Plan, Refusal, RefusalCode
from mnemon_service.memory.understanding.prompt import load_prompt
from mnemon_service.memory.understanding.relation import MINIMUM_RELATION, Relation, lexical_relation
from mnemon_service.memory.understanding.rendering import render_conversation
from mnemon_service.providers.llm import LanguageModel, StructuredAnswer

PIECE_TOKENS = 6000
"""Estimated tokens of new messages in one call. Facts with their quotes take about as many tokens as
the dense half of what they are taken from, so this stays within the answer's limit."""
PROMPT = ("extract", 1)


@dataclass(frozen=True, slots=True)
class _Task:
    piece: Piece
    asked_again: bool = False


async def understand(
    model: LanguageModel,
    conversation: Conversation,
    *,
    relation: Relation = lexical_relation,
    minimum_relation: float = MINIMUM_RELATION,
    piece_tokens: int = PIECE_TOKENS,
) -> Plan:
    """What a conversation says and what that changes, checked; nothing is stored.

    A conversation longer than `piece_tokens` is read in pieces, one after the other; each sees what
    the ones before it found, so that a later message can correct an earlier one. An answer that was
    cut off is kept as far as it is complete, and the messages it did not reach are read again. An
    answer of which nothing can be used is asked for once more, in two smaller pieces where possible.

    Without a message that facts may be taken from, no call is made.

    Args:
        relation: how far a fact and the memory it would change speak of the same thing.
        minimum_relation: below this a change is refused; on the scale of `relation`.

    Raises:
        FailedPrecondition: PROVIDER_CREDENTIALS; PROVIDER_ANSWER_UNUSABLE if the model declines.
        ResourceExhausted: PROVIDER_RATE_LIMITED.
        Unavailable: PROVIDER_UNAVAILABLE; PROVIDER_ANSWER_UNUSABLE.
        All carry what was spent (`calls`, `failed_calls`, `input_tokens`, `output_tokens`).
    """
    prompt = load_prompt(*PROMPT)
    calls = Calls(model, prompt)
    review = Review(conversation, relation, minimum_relation)
    tasks = deque(_Task(piece) for piece in cut_into_pieces(conversation.messages, piece_tokens))
    while tasks:
        task = tasks.popleft()
        turn = render_conversation(conversation, task.piece, review.offer(), sees_images=model.sees_images)
        answer = await calls.ask(turn)
        further = _after(task, answer, review, calls)
        calls.repaired |= bool(further)
        tasks.extendleft(reversed(further))
    return Plan(
        decisions=tuple(review.decisions),
        refusals=tuple(review.refusals),
        usage=calls.usage,
        extractor=prompt.id,
        repaired=calls.repaired,
        images=review.images,
    )


def _after(task: _Task, answer: StructuredAnswer, review: Review, calls: Calls) -> list[_Task]:
    """Take the answer into the review; what must be asked next because of it."""
    if not _says_something(answer):
        return _again(task, answer, calls)
    numbers = review.take(answer.value or {}, answer.dropped)
    if not was_cut(answer):
        return []
    rest = _not_reached(task.piece, numbers)
    if rest != task.piece:
        return [_Task(rest)]
    halves = halve(rest)
    if halves is not None:
        return [_Task(half) for half in halves]
    review.refusals.append(Refusal(RefusalCode.CUT_OFF, f"message {rest[0].message.id}"))
    calls.repaired = True
    return []


def _says_something(answer: StructuredAnswer) -> bool:
    """An empty list is an answer only if the model closed it and left nothing unreadable in it."""
    if answer.value is None or "facts" not in answer.value:
        return False
    return bool(answer.value["facts"]) or not (was_cut(answer) or answer.dropped)


def _again(task: _Task, answer: StructuredAnswer, calls: Calls) -> list[_Task]:
    """Ask again for smaller pieces. What only was too long may be cut repeatedly, the rest once."""
    halves = halve(task.piece)
    if was_cut(answer) and halves is not None:
        return [_Task(half, task.asked_again) for half in halves]
    if task.asked_again:
        raise calls.unusable()
    return [_Task(piece, asked_again=True) for piece in (halves or (task.piece,))]


def _not_reached(piece: Piece, numbers: list[int]) -> Piece:
    """The messages from the last fact's on; all of them if the facts came in another order."""
    shown = [segment.number for segment in piece]
    if numbers != sorted(numbers) or numbers[-1] not in shown:
        return piece
    return rest_of(piece, numbers[-1])

"""Feedback goes when its memory's content goes, and with its project."""

from __future__ import annotations

from mnemon_service.record.feedback import Rating
from mnemon_service.record.record import Record
from support.records import ACTOR, ALL, PROJECT, add, delete, erase, memory


async def judged(record: Record, memory_id: str, reason: str) -> str:
    async with record.write(ALL, ACTOR) as write:
        await write.current([memory_id])
        return await write.run(record.feedback.adding(ALL, memory_id, Rating.NEGATIVE, reason, "key-1"))


async def test_an_erasure_takes_the_feedback_with_it(record: Record) -> None:
    [gone, kept] = await add(record, memory("one"), memory("two"))
    await judged(record, gone.id, "it quotes one")
    feedback_id = await judged(record, kept.id, "wrong")
    assert len(await record.feedback.of(ALL, [gone.id, kept.id])) == 2
    await delete(record, gone.id)
    await erase(record, gone.id)
    [left] = await record.feedback.of(ALL, [gone.id, kept.id])
    assert (left.id, left.memory_id, left.rating, left.reason) == (
        feedback_id,
        kept.id,
        Rating.NEGATIVE,
        "wrong",
    )


async def test_a_deleted_project_leaves_no_feedback(record: Record) -> None:
    [one] = await add(record, memory("one"))
    await judged(record, one.id, "wrong")
    await record.projects.erase(PROJECT)
    assert await record.feedback.of(ALL, [one.id]) == []

"""Reads conversations from a file, remembers them in the background, and follows what comes of it.

    python python_ingest_pipeline.py conversations.jsonl

Each line: {"user_id": "ana", "run_id": "s1", "messages": [{"role": "user", "content": "…"}]}. Adds run as
operations on the server, a few at a time; a watch prints each memory as it comes to be. Started again with
the same file, nothing is remembered twice: each line's `request_id` is made from its content.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mnemon import AsyncClient, AsyncWatch, Operation, ResourceExhaustedError

AT_ONCE = 4
"""Adds that are under way at the same time."""


def read_conversations(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each conversation with the id under which it is added once."""
    for line in lines:
        if line.strip():
            yield hashlib.sha256(line.strip().encode()).hexdigest()[:32], json.loads(line)


async def remember(
    client: AsyncClient, slots: asyncio.Semaphore, name: str, item: dict[str, Any]
) -> Operation:
    """The ended operation of one conversation."""
    async with slots:
        while True:
            try:
                operation = await client.enqueue(
                    item["messages"],
                    user_id=item["user_id"],
                    run_id=item.get("run_id"),
                    infer=item.get("infer"),
                    request_id=name,
                )
            except ResourceExhaustedError as full:  # the queue is full for longer than a retry waits
                await asyncio.sleep(full.retry_after or 1.0)
            else:
                return await client.admin.operations.wait(operation.id)


async def follow(watch: AsyncWatch, wanted: asyncio.Future[int]) -> int:
    """Prints each change; ends once everything up to the wanted place in the log was seen."""
    seen = 0
    async for version in watch:
        print(f"{version.event.value.lower():10} {version.memory.scope.user_id}: {version.memory.text}")
        seen += 1
        if wanted.done() and version.sequence >= wanted.result():
            break
    return seen


async def ingest(client: AsyncClient, path: str) -> int:
    """How many changes came of the file."""
    lines = await asyncio.to_thread(Path(path).read_text, "utf-8")
    conversations = list(read_conversations(lines.splitlines()))
    before = (await client.admin.projects.get()).sequence
    slots = asyncio.Semaphore(AT_ONCE)
    async with client.watch(project_wide=True, after_sequence=before) as watch:
        last: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        following = asyncio.create_task(follow(watch, last))
        try:
            operations = await asyncio.gather(
                *(remember(client, slots, name, item) for name, item in conversations)
            )
            failed = [operation for operation in operations if operation.error is not None]
            for operation in failed:
                print(f"failed: {operation.id}: {operation.error}", file=sys.stderr)
            after = (await client.admin.projects.get()).sequence
            last.set_result(after)
            if after == before or watch.sequence >= after:
                await watch.close()
            return await following
        finally:
            following.cancel()


async def main(path: str) -> None:
    """Ingests one file."""
    async with AsyncClient() as client:
        count = await ingest(client, path)
    print(f"{count} changes")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

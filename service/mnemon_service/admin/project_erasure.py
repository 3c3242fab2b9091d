"""Erases a project with everything in it; DeleteProject has closed it before."""

from __future__ import annotations

from mnemon.v1 import admin_service_pb2 as pb
from mnemon.v1 import operation_pb2
from mnemon_service.admin.ports import Forgetting
from mnemon_service.index.follower import Follower
from mnemon_service.model.memory import Actor
from mnemon_service.record.operation import Claim
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from mnemon_service.record.worker import Progress


class ProjectEraser:
    """Does DeleteProject. Each step can be done again."""

    def __init__(self, record: Record, follower: Follower, caches: Forgetting) -> None:
        self._record = record
        self._follower = follower
        self._caches = caches

    async def run(self, claim: Claim, progress: Progress) -> bytes | None:
        """Erases; the result says how many memories there were."""
        operation = claim.operation
        project_id = pb.DeleteProjectRequest.FromString(operation.payload).project_id
        count = await self._count(claim, project_id)
        progress.total = count
        await self._record.projects.erase(project_id)
        await self._follower.drop_project(project_id)
        self._caches.project_deleted(project_id)
        await self._record.subjects.project_gone()
        await self._record.retention.scrub()
        progress.done = count
        return operation_pb2.DeleteMemoriesResult(deleted_count=count).SerializeToString()

    async def _count(self, claim: Claim, project_id: str) -> int:
        """How many memories there are; a later run still knows what the first one counted."""
        operation = claim.operation
        if operation.checkpoint:
            return int(operation.checkpoint)
        counts = await self._record.projects.memory_counts([project_id])
        count = counts.get(project_id, 0)
        actor = Actor(operation.actor_key, f"operations/{operation.id}")
        async with self._record.write(Access(operation.project_id), actor) as write:
            write.checkpoint(claim, checkpoint=str(count).encode(), total=count)
        return count

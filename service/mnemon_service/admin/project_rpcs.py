"""Projects: making, reading, switching off, erasing."""

from __future__ import annotations

from typing import Final

from mnemon.v1 import admin_service_pb2 as pb
from mnemon_service.admin.author import audit_event, managed_project
from mnemon_service.model.call import Call
from mnemon_service.model.errors import AlreadyExists, FailedPrecondition, InvalidArgument, Reason
from mnemon_service.model.memory import Actor
from mnemon_service.record.projects import Project, ProjectState
from mnemon_service.record.record import Record
from mnemon_service.record.selection import DEFAULT_PAGE_SIZE, Access, RequestKey
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.operations import DELETE_PROJECT, to_operation
from mnemon_service.wire.projects import PROJECT_STATES, to_project
from mnemon_service.wire.scopes import operations_access
from mnemon_service.wire.update_masks import named_fields

UPDATABLE: Final = ("display_name", "state")


class ProjectRpcs:
    """CreateProject, GetProject, ListProjects, UpdateProject, DeleteProject."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def CreateProject(self, request: pb.CreateProjectRequest, call: Call) -> pb.CreateProjectResponse:
        """See the contract."""
        event = audit_event(call, _name(request.project_id), request.project_id)
        key = request_key(call, request.request_id, request)
        try:
            project = await self._record.project_changes.create(
                request.project_id, request.display_name, event, key, _created
            )
        except AlreadyExists:
            answer = await self._answer_of(request.project_id, key)
            if answer is None:
                raise
            return pb.CreateProjectResponse.FromString(answer)
        return pb.CreateProjectResponse(project=to_project(project, 0))

    async def _answer_of(self, project_id: str, key: RequestKey | None) -> bytes | None:
        return None if key is None else await self._record.stored_answer(Access(project_id), key)

    async def GetProject(self, request: pb.GetProjectRequest, call: Call) -> pb.GetProjectResponse:
        """See the contract."""
        project_id = managed_project(call.caller, request.project_id)
        if not project_id:
            raise InvalidArgument.of("project_id", "name a project: root has none of its own")
        counts = await self._record.projects.memory_counts([project_id])
        project = await self._record.projects.get(project_id)
        return pb.GetProjectResponse(project=to_project(project, counts[project_id]))

    async def ListProjects(self, request: pb.ListProjectsRequest, call: Call) -> pb.ListProjectsResponse:
        """See the contract."""
        found, token = await self._record.projects.list(
            page_size=request.page_size or DEFAULT_PAGE_SIZE, page_token=request.page_token
        )
        counts = await self._record.projects.memory_counts([project.id for project in found])
        return pb.ListProjectsResponse(
            projects=[to_project(project, counts[project.id]) for project in found], next_page_token=token
        )

    async def UpdateProject(self, request: pb.UpdateProjectRequest, call: Call) -> pb.UpdateProjectResponse:
        """See the contract."""
        fields = named_fields(request.project, request.update_mask, UPDATABLE)
        project = await self._record.project_changes.update(
            request.project.id,
            audit_event(call, _name(request.project.id), request.project.id, f"sets {', '.join(fields)}"),
            display_name=request.project.display_name if "display_name" in fields else None,
            state=_state(request) if "state" in fields else None,
            etag=request.project.etag,
        )
        counts = await self._record.projects.memory_counts([project.id])
        return pb.UpdateProjectResponse(project=to_project(project, counts[project.id]))

    async def DeleteProject(self, request: pb.DeleteProjectRequest, call: Call) -> pb.DeleteProjectResponse:
        """See the contract. The project is closed at once and erased in the background."""
        if request.confirm_project_id != request.project_id:
            raise InvalidArgument.of("confirm_project_id", "must repeat project_id")
        access = operations_access(call.caller)
        if request.project_id == access.project_id:
            raise FailedPrecondition(
                "the operation would erase itself; delete this project with a root key",
                reason=Reason.PROJECT_DISABLED,
            )
        async with self._record.write(access, Actor(call.caller.key_id, call.rpc)) as write:
            operation = await write.enqueue(DELETE_PROJECT, request.SerializeToString())
            event = audit_event(call, _name(request.project_id), request.project_id, "accepted")
            await write.run(self._record.project_changes.deleting(request.project_id, event))
        self._record.project_changes.deletion_began()
        return pb.DeleteProjectResponse(operation=to_operation(operation))


def _created(project: Project) -> bytes:
    return pb.CreateProjectResponse(project=to_project(project, 0)).SerializeToString()


def _state(request: pb.UpdateProjectRequest) -> ProjectState:
    state = PROJECT_STATES.from_wire(request.project.state, ProjectState.DELETING)
    if state is ProjectState.DELETING:
        raise InvalidArgument.of("project.state", "must be ACTIVE or DISABLED; DeleteProject deletes")
    return state


def _name(project_id: str) -> str:
    return f"projects/{project_id}"

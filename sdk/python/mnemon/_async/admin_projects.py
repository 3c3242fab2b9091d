"""Projects, their keys and their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from mnemon import _values as values
from mnemon._async.paging import AsyncPager
from mnemon._async.transport import AsyncTransport
from mnemon._convert import enums
from mnemon._convert.admin_service import (
    read_create_api_key_response,
    read_generate_instructions_response,
    read_rotate_api_key_response,
)
from mnemon._convert.operation import read_operation
from mnemon._convert.project import (
    read_api_key,
    read_project,
    read_project_settings,
    write_limits,
    write_project_settings,
)
from mnemon._metadata import new_request_id
from mnemon._page import Page
from mnemon._requests import UNSET, ScopeIds, Unset, at_page
from mnemon._types import (
    ApiKey,
    CategoryDefinition,
    ContentPolicy,
    CreateApiKeyResponse,
    GenerateInstructionsResponse,
    KeyRole,
    Limits,
    Operation,
    Project,
    ProjectSettings,
    ProjectState,
    RotateApiKeyResponse,
)
from mnemon.v1 import admin_service_pb2, project_pb2


class AsyncProjects:
    """Tenants. All but reading one's own needs role root."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        project_id: str,
        *,
        display_name: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Project:
        """The new project. Its id is for ever: 1 to 63 lower-case letters, digits and hyphens, beginning
        with a letter.

        Raises:
            AlreadyExistsError: The id is taken.
        """
        request = admin_service_pb2.CreateProjectRequest(
            project_id=project_id, display_name=display_name, request_id=request_id or new_request_id()
        )
        answer = await self._transport.unary(self._transport.admin.CreateProject, request, timeout)
        return read_project(answer.project)

    async def get(self, project_id: str = "", *, timeout: float | None = None) -> Project:
        """A project; the key's own if no id is given."""
        request = admin_service_pb2.GetProjectRequest(project_id=project_id)
        answer = await self._transport.unary(self._transport.admin.GetProject, request, timeout)
        return read_project(answer.project)

    def list(
        self, *, page_size: int = 0, page_token: str = "", timeout: float | None = None
    ) -> AsyncPager[Project]:
        """All projects by id: iterate over them, or over `pages()`."""
        request = admin_service_pb2.ListProjectsRequest(page_size=page_size)

        async def fetch(token: str) -> Page[Project]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.admin.ListProjects, page, timeout)
            return Page(tuple(read_project(item) for item in answer.projects), answer.next_page_token)

        return AsyncPager(fetch, page_token)

    async def update(
        self,
        project_id: str,
        *,
        display_name: str | Unset = UNSET,
        state: ProjectState | str | Unset = UNSET,
        etag: str = "",
        timeout: float | None = None,
    ) -> Project:
        """The project with a new name or state (ACTIVE or DISABLED).

        Raises:
            EtagMismatchError: The given `etag` is not the current one.
        """
        project = project_pb2.Project(id=project_id, etag=etag)
        paths = []
        if not isinstance(display_name, Unset):
            project.display_name = display_name
            paths.append("display_name")
        if not isinstance(state, Unset):
            project.state = enums.PROJECT_STATE.write(state)
            paths.append("state")
        request = admin_service_pb2.UpdateProjectRequest(project=project, update_mask=FieldMask(paths=paths))
        answer = await self._transport.unary(
            self._transport.admin.UpdateProject, request, timeout, safe=not etag
        )
        return read_project(answer.project)

    async def delete(
        self, project_id: str, *, confirm_project_id: str, timeout: float | None = None
    ) -> Operation:
        """The operation that erases a project with everything in it. The id is asked for twice, so that
        nobody erases a project by accident.
        """
        request = admin_service_pb2.DeleteProjectRequest(
            project_id=project_id, confirm_project_id=confirm_project_id
        )
        answer = await self._transport.unary(
            self._transport.admin.DeleteProject, request, timeout, safe=False
        )
        return read_operation(answer.operation)


class AsyncKeys:
    """API keys."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        role: KeyRole | str,
        *,
        project_id: str = "",
        display_name: str = "",
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        expire_time: datetime | None = None,
        limits: Limits | Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> CreateApiKeyResponse:
        """The new key and its secret, which is shown this once.

        Not repeated by itself when the connection breaks, since that could make two keys.

        Args:
            role: READER, WRITER, ADMIN or ROOT; nobody makes a key that may do more than their own.
            project_id: The project; the caller's own if left out. Only root may name another.
            display_name: For people.
            user_id: With any of the four ids the key reads and writes only within this scope.
            agent_id: See `user_id`.
            app_id: See `user_id`.
            run_id: See `user_id`.
            expire_time: When it ends; never if left out.
            limits: Bounds of this key, beside the project's.
            timeout: Seconds for the call; the client's if left out.
        """
        request = admin_service_pb2.CreateApiKeyRequest(
            project_id=project_id,
            role=enums.KEY_ROLE.write(role),
            display_name=display_name,
            bound_scope=ScopeIds(user_id, agent_id, app_id, run_id).message(),
            expire_time=None if expire_time is None else values.write_time(expire_time),
            limits=None if limits is None else write_limits(limits),
        )
        answer = await self._transport.unary(self._transport.admin.CreateApiKey, request, timeout, safe=False)
        return read_create_api_key_response(answer)

    def list(
        self,
        *,
        project_id: str = "",
        show_ended: bool = False,
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> AsyncPager[ApiKey]:
        """Keys without their secrets, newest first; with `show_ended` revoked and expired ones too."""
        request = admin_service_pb2.ListApiKeysRequest(
            project_id=project_id, show_ended=show_ended, page_size=page_size
        )

        async def fetch(token: str) -> Page[ApiKey]:
            page = at_page(request, token)
            answer = await self._transport.unary(self._transport.admin.ListApiKeys, page, timeout)
            return Page(tuple(read_api_key(item) for item in answer.api_keys), answer.next_page_token)

        return AsyncPager(fetch, page_token)

    async def revoke(self, key_id: str, *, timeout: float | None = None) -> ApiKey:
        """The ended key; every replica refuses it within a second."""
        request = admin_service_pb2.RevokeApiKeyRequest(key_id=key_id)
        answer = await self._transport.unary(self._transport.admin.RevokeApiKey, request, timeout)
        return read_api_key(answer.api_key)

    async def rotate(
        self, key_id: str, *, overlap: timedelta | float | None = None, timeout: float | None = None
    ) -> RotateApiKeyResponse:
        """A new key like the old one, with its secret, and the old one with the time at which it ends.

        Args:
            key_id: The old key.
            overlap: How long it still works: 0 to 30 days, 24 hours if left out.
            timeout: Seconds for the call; the client's if left out.
        """
        request = admin_service_pb2.RotateApiKeyRequest(
            key_id=key_id, overlap=None if overlap is None else values.write_duration(overlap)
        )
        answer = await self._transport.unary(self._transport.admin.RotateApiKey, request, timeout, safe=False)
        return read_rotate_api_key_response(answer)


class AsyncSettings:
    """How the project's memories are made and kept."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, *, timeout: float | None = None) -> ProjectSettings:
        """The settings as they are."""
        request = admin_service_pb2.GetSettingsRequest()
        answer = await self._transport.unary(self._transport.admin.GetSettings, request, timeout)
        return read_project_settings(answer.settings)

    async def update(
        self,
        *,
        custom_instructions: str | Unset = UNSET,
        agent_instructions: Mapping[str, str] | Unset = UNSET,
        categories: Sequence[CategoryDefinition | Mapping[str, str]] | Unset = UNSET,
        includes: Sequence[str] | Unset = UNSET,
        excludes: Sequence[str] | Unset = UNSET,
        extraction_model: str | Unset = UNSET,
        reranker: str | Unset = UNSET,
        deleted_retention: timedelta | Unset | None = UNSET,
        message_log_disabled: bool | Unset = UNSET,
        message_retention: timedelta | Unset | None = UNSET,
        messages_per_scope: int | Unset = UNSET,
        limits: Limits | Mapping[str, Any] | Unset | None = UNSET,
        content_policy: ContentPolicy | str | Unset = UNSET,
        request_log_retention: timedelta | Unset | None = UNSET,
        etag: str = "",
        timeout: float | None = None,
    ) -> ProjectSettings:
        """The settings with the given ones changed, at once and on every replica; see `ProjectSettings`
        for what each means. What is left out stays; None sets it back to its default.

        Raises:
            EtagMismatchError: The given `etag` is not the current one.
        """
        given = {
            "custom_instructions": custom_instructions,
            "agent_instructions": agent_instructions,
            "categories": categories,
            "includes": includes,
            "excludes": excludes,
            "extraction_model": extraction_model,
            "reranker": reranker,
            "deleted_retention": deleted_retention,
            "message_log_disabled": message_log_disabled,
            "message_retention": message_retention,
            "messages_per_scope": messages_per_scope,
            "limits": limits,
            "content_policy": content_policy,
            "request_log_retention": request_log_retention,
        }
        changes = {name: value for name, value in given.items() if not isinstance(value, Unset)}
        request = admin_service_pb2.UpdateSettingsRequest(
            settings=write_project_settings({**changes, "etag": etag}),
            update_mask=FieldMask(paths=list(changes)),
        )
        answer = await self._transport.unary(
            self._transport.admin.UpdateSettings, request, timeout, safe=not etag
        )
        return read_project_settings(answer.settings)

    async def generate_instructions(
        self, use_case: str, *, timeout: float | None = None
    ) -> GenerateInstructionsResponse:
        """Instructions for a use case given in words, and a conversation to try them with. Stores nothing.

        Raises:
            ProviderSetupError: No model provider is configured.
        """
        request = admin_service_pb2.GenerateInstructionsRequest(use_case=use_case)
        answer = await self._transport.unary(self._transport.admin.GenerateInstructions, request, timeout)
        return read_generate_instructions_response(answer)

"""Settings of a project, and instructions to try in them."""

from __future__ import annotations

from mnemon.v1 import admin_service_pb2 as pb
from mnemon_service.admin.author import audit_event
from mnemon_service.admin.ports import InstructionWriter, LanguageModels, Rerankers
from mnemon_service.model.call import Call
from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.model.settings import ProjectSettings
from mnemon_service.model.usage import UsageMeter
from mnemon_service.record.project_settings import StoredSettings
from mnemon_service.wire.enums import ROLES
from mnemon_service.wire.scopes import access_of
from mnemon_service.wire.settings import UPDATABLE, to_settings, updated_settings
from mnemon_service.wire.update_masks import named_fields
from mnemon_service.wire.usage import write_usage


class SettingsRpcs:
    """GetSettings, UpdateSettings, GenerateInstructions."""

    def __init__(
        self,
        settings: StoredSettings,
        models: LanguageModels,
        rerankers: Rerankers,
        write_instructions: InstructionWriter,
        meter: UsageMeter,
    ) -> None:
        self._settings = settings
        self._models = models
        self._rerankers = rerankers
        self._write_instructions = write_instructions
        self._meter = meter

    async def GetSettings(self, _: pb.GetSettingsRequest, call: Call) -> pb.GetSettingsResponse:
        """See the contract."""
        settings = await self._settings.of(access_of(call.caller).project_id)
        return pb.GetSettingsResponse(settings=to_settings(settings))

    async def UpdateSettings(
        self, request: pb.UpdateSettingsRequest, call: Call
    ) -> pb.UpdateSettingsResponse:
        """See the contract."""
        project_id = access_of(call.caller).project_id
        fields = named_fields(request.settings, request.update_mask, UPDATABLE)
        self._check_offered(request, fields)

        def change(before: ProjectSettings) -> ProjectSettings:
            return updated_settings(before, request.settings, fields)

        event = audit_event(call, f"projects/{project_id}/settings", project_id, f"sets {', '.join(fields)}")
        settings = await self._settings.update(project_id, change, event, etag=request.settings.etag)
        return pb.UpdateSettingsResponse(settings=to_settings(settings))

    def _check_offered(self, request: pb.UpdateSettingsRequest, fields: list[str]) -> None:
        """Raises `FailedPrecondition` (PROVIDER_NOT_CONFIGURED) for a model that this server lacks."""
        if "extraction_model" in fields and request.settings.extraction_model:
            self._models.get(request.settings.extraction_model)
        name = request.settings.reranker
        if "reranker" in fields and name and self._rerankers.get(name) is None:
            raise FailedPrecondition(
                f"the server offers no reranker {name!r}", reason=Reason.PROVIDER_NOT_CONFIGURED
            )

    async def GenerateInstructions(
        self, request: pb.GenerateInstructionsRequest, call: Call
    ) -> pb.GenerateInstructionsResponse:
        """See the contract."""
        project_id = access_of(call.caller).project_id
        settings = await self._settings.of(project_id)
        model = self._models.get(settings.extraction_model)
        if model is None:
            raise FailedPrecondition(
                "instructions are written by a language model and none is configured; set "
                "MNEMON_EXTRACTION_MODEL or the project's extraction_model",
                reason=Reason.PROVIDER_NOT_CONFIGURED,
            )
        with call.stages.stage("extract"):
            proposal = await self._write_instructions(model, request.use_case)
        self._meter.spent(project_id, call.caller.key_id, [proposal.usage])
        response = pb.GenerateInstructionsResponse(
            custom_instructions=proposal.instructions,
        )
        for message in proposal.test_conversation:
            response.test_conversation.add(
                role=ROLES.to_wire(message.role), content=message.content, name=message.name
            )
        write_usage(call.stages, [proposal.usage], response.usage)
        return response

"""MemoryService: each RPC lives in the file of its subject; this one puts them together."""

from __future__ import annotations

from google.protobuf.message import Message

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.add_rpcs import AddRpcs
from mnemon_service.memory.adding import Adder
from mnemon_service.memory.change_rpcs import ChangeRpcs
from mnemon_service.memory.changing import Changer
from mnemon_service.memory.delete_rpcs import AT_ONCE, DeleteRpcs
from mnemon_service.memory.enqueue_rpcs import EnqueueRpcs
from mnemon_service.memory.export_rpcs import ExportRpcs
from mnemon_service.memory.feedback_rpcs import FeedbackRpcs
from mnemon_service.memory.import_rpcs import ImportRpcs
from mnemon_service.memory.importing import Importer
from mnemon_service.memory.ports import ContentScreen
from mnemon_service.memory.read_rpcs import ReadRpcs
from mnemon_service.memory.screened_texts import screen as apply_policy
from mnemon_service.memory.watch_rpcs import SLOW_SECONDS, WatchRpcs
from mnemon_service.model.call import Call
from mnemon_service.model.settings import SettingsSource
from mnemon_service.record.record import Record
from mnemon_service.wire.scopes import access_of


class MemoryServicer(
    AddRpcs,
    EnqueueRpcs,
    ImportRpcs,
    ExportRpcs,
    ReadRpcs,
    ChangeRpcs,
    DeleteRpcs,
    WatchRpcs,
    FeedbackRpcs,
):
    """Implements the contract's MemoryService. RPCs it lacks answer UNIMPLEMENTED."""

    def __init__(
        self,
        record: Record,
        adder: Adder,
        changer: Changer,
        importer: Importer,
        settings: SettingsSource,
        screen: ContentScreen,
        *,
        delete_at_once: int = AT_ONCE,
        watch_slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        AddRpcs.__init__(self, adder)
        EnqueueRpcs.__init__(self, changer)
        ImportRpcs.__init__(self, importer, record.operations)
        ExportRpcs.__init__(self, record)
        ReadRpcs.__init__(self, record)
        ChangeRpcs.__init__(self, changer, settings, screen)
        DeleteRpcs.__init__(self, record, changer, delete_at_once)
        WatchRpcs.__init__(self, record, watch_slow_seconds)
        FeedbackRpcs.__init__(self, changer, record.feedback)
        self._policy_of = settings
        self._policy = screen

    # What these take is stored, or put into the queue: the project's content policy sees it first. Imports
    # and updates see to it themselves, row by row and field by field.

    async def AddMemories(self, request: pb.AddMemoriesRequest, call: Call) -> pb.AddMemoriesResponse:  # noqa: N802
        """See the contract."""
        await self._screened(request, call)
        return await super().AddMemories(request, call)

    async def EnqueueMemories(  # noqa: N802
        self, request: pb.EnqueueMemoriesRequest, call: Call
    ) -> pb.EnqueueMemoriesResponse:
        """See the contract."""
        await self._screened(request, call)
        return await super().EnqueueMemories(request, call)

    async def DeleteMemory(self, request: pb.DeleteMemoryRequest, call: Call) -> pb.DeleteMemoryResponse:  # noqa: N802
        """See the contract."""
        await self._screened(request, call)
        return await super().DeleteMemory(request, call)

    async def BatchDeleteMemories(  # noqa: N802
        self, request: pb.BatchDeleteMemoriesRequest, call: Call
    ) -> pb.BatchDeleteMemoriesResponse:
        """See the contract."""
        await self._screened(request, call)
        return await super().BatchDeleteMemories(request, call)

    async def DeleteMemories(  # noqa: N802
        self, request: pb.DeleteMemoriesRequest, call: Call
    ) -> pb.DeleteMemoriesResponse:
        """See the contract."""
        await self._screened(request, call)
        return await super().DeleteMemories(request, call)

    async def SubmitFeedback(  # noqa: N802
        self, request: pb.SubmitFeedbackRequest, call: Call
    ) -> pb.SubmitFeedbackResponse:
        """See the contract."""
        await self._screened(request, call)
        return await super().SubmitFeedback(request, call)

    async def _screened(self, request: Message, call: Call) -> None:
        settings = await self._policy_of.of(access_of(call.caller).project_id)
        apply_policy(self._policy, settings, [request])

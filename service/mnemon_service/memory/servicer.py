"""MemoryService: each RPC lives in the file of its subject; this one puts them together."""

from __future__ import annotations

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
from mnemon_service.memory.watch_rpcs import SLOW_SECONDS, WatchRpcs
from mnemon_service.model.settings import SettingsSource
from mnemon_service.record.record import Record


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

"""AdminService: each group of RPCs lives in the file of its subject; this one puts them together."""

from __future__ import annotations

from mnemon_service.admin.account_rpcs import AccountRpcs
from mnemon_service.admin.audit_rpcs import AuditRpcs
from mnemon_service.admin.care_rpcs import CareRpcs, IndexCare
from mnemon_service.admin.entity_rpcs import EntityRpcs
from mnemon_service.admin.erasure_rpcs import ErasureRpcs
from mnemon_service.admin.isolation_rpcs import IsolationRpcs
from mnemon_service.admin.key_rpcs import KeyRpcs
from mnemon_service.admin.operation_rpcs import OperationRpcs
from mnemon_service.admin.ports import (
    InProcessCalls,
    InstructionWriter,
    LanguageModels,
    Rerankers,
    ServerFacts,
)
from mnemon_service.admin.project_rpcs import ProjectRpcs
from mnemon_service.admin.settings_rpcs import SettingsRpcs
from mnemon_service.admin.webhook_delivery import WebhookDeliverer
from mnemon_service.admin.webhook_rpcs import WebhookRpcs
from mnemon_service.admin.webhook_sender import WebhookSender
from mnemon_service.model.usage import UsageMeter
from mnemon_service.record.record import Record


class AdminServicer(
    OperationRpcs,
    KeyRpcs,
    ProjectRpcs,
    SettingsRpcs,
    AuditRpcs,
    IsolationRpcs,
    EntityRpcs,
    WebhookRpcs,
    AccountRpcs,
    CareRpcs,
    ErasureRpcs,
):
    """Implements the contract's AdminService."""

    def __init__(
        self,
        record: Record,
        models: LanguageModels,
        rerankers: Rerankers,
        write_instructions: InstructionWriter,
        meter: UsageMeter,
        calls: InProcessCalls,
        facts: ServerFacts,
        care: IndexCare,
        sender: WebhookSender,
        deliverer: WebhookDeliverer,
    ) -> None:
        OperationRpcs.__init__(self, record.operations)
        KeyRpcs.__init__(self, record.keys)
        ProjectRpcs.__init__(self, record)
        SettingsRpcs.__init__(self, record.settings, models, rerankers, write_instructions, meter)
        AuditRpcs.__init__(self, record.audit)
        IsolationRpcs.__init__(self, record, calls)
        EntityRpcs.__init__(self, record)
        WebhookRpcs.__init__(self, record.webhooks, record.deliveries, sender, deliverer.wake)
        AccountRpcs.__init__(self, record)
        CareRpcs.__init__(self, record, facts, care, models, rerankers)
        ErasureRpcs.__init__(self, record)

"""AdminService: each group of RPCs lives in the file of its subject; this one puts them together."""

from __future__ import annotations

from mnemon_service.admin.audit_rpcs import AuditRpcs
from mnemon_service.admin.isolation_rpcs import IsolationRpcs
from mnemon_service.admin.key_rpcs import KeyRpcs
from mnemon_service.admin.operation_rpcs import OperationRpcs
from mnemon_service.admin.ports import InProcessCalls, InstructionWriter, LanguageModels, Rerankers
from mnemon_service.admin.project_rpcs import ProjectRpcs
from mnemon_service.admin.settings_rpcs import SettingsRpcs
from mnemon_service.model.usage import UsageMeter
from mnemon_service.record.record import Record


class AdminServicer(OperationRpcs, KeyRpcs, ProjectRpcs, SettingsRpcs, AuditRpcs, IsolationRpcs):
    """Implements the contract's AdminService. RPCs it lacks answer UNIMPLEMENTED."""

    def __init__(
        self,
        record: Record,
        models: LanguageModels,
        rerankers: Rerankers,
        write_instructions: InstructionWriter,
        meter: UsageMeter,
        calls: InProcessCalls,
    ) -> None:
        OperationRpcs.__init__(self, record.operations)
        KeyRpcs.__init__(self, record.keys)
        ProjectRpcs.__init__(self, record)
        SettingsRpcs.__init__(self, record.settings, models, rerankers, write_instructions, meter)
        AuditRpcs.__init__(self, record.audit)
        IsolationRpcs.__init__(self, record, calls)

"""For every RPC: a request that reaches for what belongs to somebody else.

`$…` stands for things of the victim: ids of its memory, key, operation and webhook, its project, and the
user whose memories these are.
"""

from __future__ import annotations

from typing import Any, Final

SCOPE: Final = {"userId": "$user"}
SEARCH: Final = {"query": "where is the treasure hidden?", "scope": SCOPE, "explain": True}

CASES: Final[dict[str, list[dict[str, Any]]]] = {
    "MemoryService/AddMemories": [{"scope": SCOPE, "texts": ["intrusion"], "infer": False}],
    "MemoryService/EnqueueMemories": [
        {"add": {"scope": SCOPE, "messages": [{"content": "I am an intrusion"}]}}
    ],
    "MemoryService/ImportMemories": [
        {"options": {"requestId": "intrusion"}},
        {"rows": {"rows": [{"row": 1, "text": "intrusion", "scope": SCOPE}]}},
    ],
    "MemoryService/ExportMemories": [{"scope": SCOPE, "includeVersions": True, "showDeleted": True}],
    "MemoryService/GetMemory": [{"id": "$memory"}],
    "MemoryService/BatchGetMemories": [{"ids": ["$memory"]}],
    "MemoryService/ListMemories": [{"scope": SCOPE, "showDeleted": True, "showSuperseded": True}],
    "MemoryService/UpdateMemory": [{"memory": {"id": "$memory", "text": "intrusion"}}],
    "MemoryService/DeleteMemory": [{"id": "$memory"}],
    "MemoryService/RestoreMemory": [{"id": "$memory"}],
    "MemoryService/BatchUpdateMemories": [{"requests": [{"memory": {"id": "$memory", "text": "intrusion"}}]}],
    "MemoryService/BatchDeleteMemories": [{"ids": ["$memory"]}],
    "MemoryService/DeleteMemories": [{"scope": SCOPE}],
    "MemoryService/ListVersions": [{"memoryId": "$memory"}],
    "MemoryService/RevertMemory": [{"id": "$memory", "version": 1}],
    "MemoryService/WatchMemories": [{"scope": SCOPE, "afterSequence": "0"}],
    "MemoryService/SubmitFeedback": [{"memoryId": "$memory", "rating": "FEEDBACK_RATING_NEGATIVE"}],
    "SearchService/Search": [{**SEARCH, "includeMessages": True}],
    "SearchService/StreamSearch": [{"search": SEARCH}],
    "SearchService/LiveSearch": [
        {"search": SEARCH},
        {"utterance": {"text": "where is the treasure hidden?", "final": True}},
    ],
    "SearchService/BuildContext": [{"search": SEARCH, "tokenBudget": 500}],
    "AdminService/CreateProject": [{"projectId": "$project"}],
    "AdminService/GetProject": [{"projectId": "$project"}],
    "AdminService/ListProjects": [{}],
    "AdminService/UpdateProject": [{"project": {"id": "$project", "displayName": "intrusion"}}],
    "AdminService/DeleteProject": [{"projectId": "$project", "confirmProjectId": "$project"}],
    "AdminService/CreateApiKey": [{"projectId": "$project", "role": "KEY_ROLE_READER"}],
    "AdminService/ListApiKeys": [{"projectId": "$project", "showEnded": True}],
    "AdminService/RevokeApiKey": [{"keyId": "$key"}],
    "AdminService/RotateApiKey": [{"keyId": "$key"}],
    "AdminService/GetSettings": [{}],
    "AdminService/UpdateSettings": [{"settings": {"includes": ["intrusion"]}}],
    "AdminService/GenerateInstructions": [{"useCase": "find treasures"}],
    "AdminService/ListEntities": [{"kind": "ENTITY_KIND_USER"}],
    "AdminService/GetEntity": [{"kind": "ENTITY_KIND_USER", "id": "$user", "memoryLimit": 100}],
    "AdminService/DeleteEntity": [{"kind": "ENTITY_KIND_USER", "id": "$user"}],
    "AdminService/ListOperations": [{}],
    "AdminService/GetOperation": [{"id": "$operation"}],
    "AdminService/CancelOperation": [{"id": "$operation"}],
    "AdminService/WaitOperation": [{"id": "$operation", "timeout": "0.1s"}],
    "AdminService/CreateWebhook": [
        {"webhook": {"url": "https://receiver.example/hook"}, "fromBeginning": True}
    ],
    "AdminService/GetWebhook": [{"id": "$webhook"}],
    "AdminService/ListWebhooks": [{}],
    "AdminService/UpdateWebhook": [{"webhook": {"id": "$webhook", "displayName": "intrusion"}}],
    "AdminService/DeleteWebhook": [{"id": "$webhook"}],
    "AdminService/TestWebhook": [{"id": "$webhook"}],
    "AdminService/ListWebhookDeliveries": [{"webhookId": "$webhook"}],
    "AdminService/GetUsage": [{"byScope": True, "byModel": True}],
    "AdminService/ListRequests": [{}],
    "AdminService/ListAudit": [{}],
    "AdminService/VerifyAudit": [{}],
    "AdminService/GetServerInfo": [{}],
    "AdminService/VerifyIndex": [{"repair": False}],
    "AdminService/RebuildIndex": [{}],
    "AdminService/EraseSubject": [{"subject": SCOPE}],
    "AdminService/SelfTestIsolation": [{}],
}

BY_ID: Final = frozenset(
    method
    for method, requests in CASES.items()
    if any(f"${thing}" in str(requests) for thing in ("memory", "key", "operation", "webhook"))
    and method != "MemoryService/BatchGetMemories"
)
"""What names one thing of the victim by its id: it must be unknown."""

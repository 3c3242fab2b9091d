"""AdminService, group by group: `client.admin.keys.create(...)`."""

from __future__ import annotations

from mnemon._async.admin_accounts import AsyncAudit, AsyncRequests, AsyncUsage
from mnemon._async.admin_care import AsyncIndex, AsyncServer, AsyncSubjects
from mnemon._async.admin_entities import AsyncEntities
from mnemon._async.admin_operations import AsyncOperations
from mnemon._async.admin_projects import AsyncKeys, AsyncProjects, AsyncSettings
from mnemon._async.admin_webhooks import AsyncWebhooks
from mnemon._async.transport import AsyncTransport


class AsyncAdmin:
    """Runs projects and the server. What is not said otherwise needs role ADMIN of the key's project."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.projects = AsyncProjects(transport)
        """Tenants (role root)."""
        self.keys = AsyncKeys(transport)
        """API keys."""
        self.settings = AsyncSettings(transport)
        """How the project's memories are made and kept."""
        self.entities = AsyncEntities(transport)
        """Users, agents, apps and runs with memories, and named things in them."""
        self.operations = AsyncOperations(transport)
        """Work in the background."""
        self.webhooks = AsyncWebhooks(transport)
        """Addresses that changes are sent to."""
        self.usage = AsyncUsage(transport)
        """What was used."""
        self.requests = AsyncRequests(transport)
        """The request log."""
        self.audit = AsyncAudit(transport)
        """The audit log."""
        self.server = AsyncServer(transport)
        """What runs."""
        self.index = AsyncIndex(transport)
        """Care for the index."""
        self.subjects = AsyncSubjects(transport)
        """Erasure of everything that is known of somebody."""

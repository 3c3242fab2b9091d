"""AdminService, group by group: `client.admin.keys.create(...)`.

Made from mnemon/_async by tools/generate_sync.py; never edited.
"""

from __future__ import annotations

from mnemon._sync.admin_accounts import Audit, Requests, Usage
from mnemon._sync.admin_care import Index, Server, Subjects
from mnemon._sync.admin_entities import Entities
from mnemon._sync.admin_operations import Operations
from mnemon._sync.admin_projects import Keys, Projects, Settings
from mnemon._sync.admin_webhooks import Webhooks
from mnemon._sync.transport import Transport


class Admin:
    """Runs projects and the server. What is not said otherwise needs role ADMIN of the key's project."""

    def __init__(self, transport: Transport) -> None:
        self.projects = Projects(transport)
        """Tenants (role root)."""
        self.keys = Keys(transport)
        """API keys."""
        self.settings = Settings(transport)
        """How the project's memories are made and kept."""
        self.entities = Entities(transport)
        """Users, agents, apps and runs with memories, and named things in them."""
        self.operations = Operations(transport)
        """Work in the background."""
        self.webhooks = Webhooks(transport)
        """Addresses that changes are sent to."""
        self.usage = Usage(transport)
        """What was used."""
        self.requests = Requests(transport)
        """The request log."""
        self.audit = Audit(transport)
        """The audit log."""
        self.server = Server(transport)
        """What runs."""
        self.index = Index(transport)
        """Care for the index."""
        self.subjects = Subjects(transport)
        """Erasure of everything that is known of somebody."""

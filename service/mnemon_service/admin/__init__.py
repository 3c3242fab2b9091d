"""AdminService: its servicer, projects, keys, entities, operations, webhooks, usage."""

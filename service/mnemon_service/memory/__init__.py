"""MemoryService: its servicer and the write path (extract, reconcile, apply)."""

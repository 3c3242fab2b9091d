"""SearchService: its servicer and the read path (retrieve, fuse, rerank, stream)."""

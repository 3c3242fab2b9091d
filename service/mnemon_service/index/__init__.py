"""The index: vectors and keywords in Milvus, derived from the record."""

"""LLMs and embedders: one small protocol each, one file an adapter."""

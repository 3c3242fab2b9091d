"""Reranking: the second, more careful look at the best hits."""

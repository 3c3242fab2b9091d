"""The record: the log of memory versions and its projections in SQL."""

"""The domain's words. Imports nothing of ours; every other room imports it."""

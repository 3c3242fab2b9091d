"""The command `mnemon`: memories from a terminal, for people and for agents' tool loops."""

__version__ = "0.1.0"

"""Python client of Mnemon, a memory service for AI agents."""

from mnemon._version import __version__

__all__ = ["__version__"]

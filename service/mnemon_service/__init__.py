"""The Mnemon server: a memory service for AI agents behind one Protobuf contract."""

__version__ = "0.1.0"

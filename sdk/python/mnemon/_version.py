"""The SDK's version, also sent to the server as part of the user agent."""

__version__ = "0.1.0"

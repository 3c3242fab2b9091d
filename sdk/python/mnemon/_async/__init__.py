"""The asynchronous client. `mnemon/_sync` is made from it, but for `transport.py`."""

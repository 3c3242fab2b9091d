"""The blocking client. Made from `mnemon/_async`."""

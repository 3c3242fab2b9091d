"""Commands of `mnemon-service` that look after what is served, one file a subject."""

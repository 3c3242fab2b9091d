"""The composition root: settings in, a wired server out. Nothing else builds an adapter."""

"""From messages to facts without a model: pure functions, no input or output."""

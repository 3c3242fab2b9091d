"""Understanding a conversation with a language model: prompts, one call, and the guards after it."""

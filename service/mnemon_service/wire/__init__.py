"""Between the contract's messages and the domain's words: what several servicers convert alike."""

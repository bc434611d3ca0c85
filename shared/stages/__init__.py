"""One module per stage: a message and the ports in, messages or a recorded refusal out."""

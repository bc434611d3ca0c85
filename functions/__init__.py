"""One blueprint per stage: decode, call, encode."""

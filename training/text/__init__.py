"""Models of text: an embedding, and a sentiment model that stands on it."""

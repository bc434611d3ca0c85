"""Markets for the venue: a seeded one and the replay of recorded bars."""

"""Markets for the venue: a seeded one and one of recorded bars."""

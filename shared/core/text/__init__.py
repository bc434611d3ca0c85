"""The news as evidence: stories, what was read out of them, and narratives held to them. Pure."""

"""The decision, pure: an opinion of each candidate, and what the gates make of it."""

"""The invented market's commentator: a language model's endpoint that knows the seeded stories."""

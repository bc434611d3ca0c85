"""One step of an order at the broker, and what it leaves in the tables."""

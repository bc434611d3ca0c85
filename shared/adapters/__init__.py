"""The outside world, one module per foreign thing."""

"""The durable task hub: histories, orchestrator episodes, activities and the HTTP API of the durable extension."""

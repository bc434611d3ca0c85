"""What the Azure Functions host does around the Python worker, for where func is not installed."""

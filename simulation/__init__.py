"""A market, an exchange and a runtime in one process, without network; never deployed."""

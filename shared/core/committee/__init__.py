"""The committee: five roles that may object to an entry and can only make it smaller."""

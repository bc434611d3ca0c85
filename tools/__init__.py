"""What keeps the repository: package, audit, documents, calendar data."""

"""Market data on disk and in Blob: fetched, imported, validated, aligned; what is there and what is missing."""
